"""Much work at once, in rounds.

Answers for: doing all that is due in rounds of a bearable size, for a bound in one sweep, by number
and by time, for leaving room to whatever else the process does, and for one piece of work that
breaks keeping no other from being done. Does not answer for: what the work is, or for two processes
at the same piece: the work itself is conditional.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from evergrant.errors import StoreUnavailable
from evergrant.logs import logger

__all__ = ["MOST_ROUNDS", "MOST_S", "ROUND", "in_rounds"]

log = logger(__name__)

#: Rows that are looked up at once.
ROUND = 250
#: So many rounds one sweep works. What is more waits a minute.
MOST_ROUNDS = 8
#: So many seconds after its beginning no sweep begins another round, however slow the database is:
#: the next minute's sweep waits for the end of this one, and with it all that is due by then.
MOST_S = 20.0

Work = TypeVar("Work", bound=Hashable)


async def in_rounds(
    due: Callable[[int], Awaitable[Sequence[Work]]], do: Callable[[Work], Awaitable[bool]]
) -> int:
    """How many pieces were done. ``due(limit)`` gives what waits, in an order that stays; what is
    done comes no more. ``do`` tells whether this call did it. What breaks is passed over; its first
    error is raised when all else is done. StoreUnavailable is raised at once: the next sweep goes
    on."""
    until = time.monotonic() + MOST_S
    done = 0
    passed_over: set[Work] = set()
    trouble: Exception | None = None
    for number in range(MOST_ROUNDS):
        if number and time.monotonic() > until:
            log.warning("a sweep leaves the rest to the next one", done=done)
            break
        found = await due(ROUND + len(passed_over))
        fresh = [one for one in found if one not in passed_over]
        for one in fresh:
            # Deliveries of the same process get their turn, however fast the store answers.
            await asyncio.sleep(0)
            try:
                did = await do(one)
            except StoreUnavailable:
                raise
            except Exception as error:
                log.exception("one piece of work broke", work=str(one))
                did, trouble = False, trouble or error
            if did:
                done += 1
            else:
                passed_over.add(one)
        if len(fresh) < ROUND:
            break
    if trouble is not None:
        raise trouble
    return done
