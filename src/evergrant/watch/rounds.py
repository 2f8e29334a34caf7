"""Much work at once, in rounds.

Answers for: doing all that is due in rounds of a bearable size, for a bound in one sweep, and for
one piece of work that breaks keeping no other from being done. Does not answer for: what the work
is, or for two processes at the same piece: the work itself is conditional.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from evergrant.errors import StoreUnavailable
from evergrant.logs import logger

__all__ = ["MOST_ROUNDS", "ROUND", "in_rounds"]

log = logger(__name__)

#: Rows that are looked up at once.
ROUND = 500
#: So many rounds one sweep works. What is more waits a minute.
MOST_ROUNDS = 4

Work = TypeVar("Work", bound=Hashable)


async def in_rounds(
    due: Callable[[int], Awaitable[Sequence[Work]]], do: Callable[[Work], Awaitable[bool]]
) -> int:
    """How many pieces were done. ``due(limit)`` gives what waits, in an order that stays; what is
    done comes no more. ``do`` tells whether this call did it. What breaks is passed over; its first
    error is raised when all else is done. StoreUnavailable is raised at once: the next sweep goes
    on."""
    done = 0
    passed_over: set[Work] = set()
    trouble: Exception | None = None
    for _ in range(MOST_ROUNDS):
        found = await due(ROUND + len(passed_over))
        fresh = [one for one in found if one not in passed_over]
        for one in fresh:
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
