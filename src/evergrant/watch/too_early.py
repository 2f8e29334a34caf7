"""Terms that a wrong clock has ended.

Answers for: asking Amazon about accounts that lapsed although their term is not over: a clock that
was ahead for a minute ends every term that lies between, and nobody else would notice before the
slot of a probe that lies as far ahead; and for the end of a term that was forgotten at that time,
because Amazon took a grant after it. Does not answer for: which clock is right, therefore Amazon is
asked; or for what is written down of its answer (the mint: the account is back, or stays as it is
and counts as refused from then on, so it is asked once).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from evergrant import journal, notices
from evergrant.errors import ApplicationError, EvergrantError, StoreUnavailable
from evergrant.logs import logger
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Authorization, Grant
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.tokens import Tokens
from evergrant.watch.rounds import ROUND

__all__ = ["LOOK_EVERY", "MOST_AT_A_LOOK", "TooEarly"]

log = logger(__name__)

#: So often they are looked for, and at once after a clock was set back.
LOOK_EVERY = timedelta(minutes=5)
#: So many are asked about at one look, each with a call to Amazon.
MOST_AT_A_LOOK = 300
_AT_ONCE = 8
#: The clocks of two processes may be apart by less.
_MARGIN = timedelta(hours=1)


class TooEarly:
    """One per process."""

    def __init__(self, *, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens
        self._looked_at: datetime | None = None

    async def round(self, now: datetime) -> int:
        """How many are back. Safe to be called by several processes at once. Raises
        StoreUnavailable."""
        if self._looked_at is not None and self._looked_at <= now < self._looked_at + LOOK_EVERY:
            return 0
        set_back = self._looked_at is not None and now < self._looked_at
        found = await self._found(now)
        if found:
            log.error("terms ended too early: was a clock wrong?", accounts=len(found))
        if found or set_back:
            await self._date_again(now)
        shut: set[str] = set()
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(seen: Authorization) -> bool:
            async with turns:
                return seen.application_id not in shut and await self._ask(seen, shut)

        back = sum(await asyncio.gather(*(ask(seen) for seen in found)))
        # Where there may be more of them, the next minute goes on.
        self._looked_at = None if len(found) == MOST_AT_A_LOOK and back else now
        return back

    async def _found(self, now: datetime) -> Sequence[Authorization]:
        """Nobody but a clock said that they are over, and ours says that they are not."""
        async with self._store.transaction() as tx:
            return await tx.scans.lapsed_before_their_end(now + _MARGIN, limit=MOST_AT_A_LOOK)

    async def _date_again(self, now: datetime) -> None:
        """An end is forgotten when Amazon takes a grant after it; this one is yet to come."""
        after: str | None = None
        while True:
            async with self._store.transaction() as tx:
                undated = await tx.authorizations.all(
                    state=State.ACTIVE, granted_at=None, term_ends_at=None, after=after, limit=ROUND
                )
                grants = await tx.grants.all(id=[one.grant_id for one in undated if one.grant_id])
                dated = {one.id: one for one in grants if _ends_after(one.term_ends_at, now)}
                for one in undated:
                    grant = dated.get(one.grant_id or "")
                    if grant is not None:
                        await _date(tx, one, grant, now)
            if len(undated) < ROUND:
                return
            after = undated[-1].id

    async def _ask(self, seen: Authorization, shut: set[str]) -> bool:
        try:
            await self._tokens.look_again(seen.account_id, by=SYSTEM)
        except StoreUnavailable:
            raise
        except ApplicationError:
            shut.add(seen.application_id)
        except EvergrantError as error:
            log.info("it stays lapsed", account_id=seen.account_id, error=error.code)
        except Exception:
            log.exception("a look at a lapsed account broke", account_id=seen.account_id)
        else:
            return True
        return False


def _ends_after(ends_at: datetime | None, now: datetime) -> bool:
    return ends_at is not None and ends_at > now + _MARGIN


async def _date(tx: Transaction, seen: Authorization, grant: Grant, now: datetime) -> None:
    changed = await tx.authorizations.change(
        seen.id,
        {"version": seen.version, "grant_id": grant.id},
        granted_at=grant.granted_at,
        term_ends_at=grant.term_ends_at,
        version=seen.version + 1,
        changed_at=now,
    )
    if changed is None:
        return  # somebody else knows more of it by now
    await notices.settle(tx, now=now, kinds=(NoticeKind.TERM_UNKNOWN,), subject=seen.id)
    await journal.write(
        tx,
        now=now,
        by=SYSTEM,
        verb="authorization.dated",
        subject=seen.id,
        account_id=seen.account_id,
        grant_id=grant.id,
        was={"granted_at": seen.granted_at, "term_ends_at": seen.term_ends_at},
        granted_at=grant.granted_at,
        term_ends_at=grant.term_ends_at,
    )
