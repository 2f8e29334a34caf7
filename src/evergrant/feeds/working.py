"""Whose turn it is: accounts that have something to do, and one account's turn.

Answers for: finding them, one turn from open runs to a fresh plan, when the next turn is, pausing
and hurrying an account. Does not answer for: what is in the plan, or how a run goes.

A turn may be cut short at any point, and two may happen at once: runs and plans are fenced, and an
account whose turn did not come to its end stays due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from evergrant import journal
from evergrant.doorbell import put_due
from evergrant.errors import Conflict, EvergrantError, NotFound
from evergrant.feeds.planning import Planning
from evergrant.feeds.running import Running
from evergrant.intake import need
from evergrant.logs import logger
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.traded import AccountWork, FeedRun
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub
from evergrant.settings import Cooking

if TYPE_CHECKING:
    from evergrant.feeds.planning import Planned

__all__ = ["Worked", "Working"]

log = logger(__name__)

#: Accounts that one look finds at most; the rest is found by the next one.
MOST_DUE = 1_000
#: Runs of one account under way at a time: they draw on different limits.
AT_ONCE = 4
#: A turn that still finds something to do is continued by the next one after so long.
LONGEST_TURN_S = 45.0
#: After a run broke, it is left alone for so long.
AFTER_TROUBLE = timedelta(minutes=5)
#: Whatever the stations say, an account that has something open is looked at so often.
SELDOM = timedelta(hours=1)
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """One turn. ``settled``: runs that came to their end; ``next_at`` None: nothing is left to do
    until somebody presses the doorbell."""

    account_id: str
    made: int = 0
    settled: int = 0
    troubled: int = 0
    next_at: datetime | None = None


class Working:
    """``monotonic`` gives seconds that never go back."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bell: Bell,
        plans: Planning,
        runs: Running,
        cooking: Cooking,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._plans = plans
        self._runs = runs
        self._cooking = cooking
        self._monotonic = monotonic

    # --- for the worker -----------------------------------------------------------------------

    async def tick(self) -> list[str]:
        """Ids of accounts that have something to do now; the worker rings for them. Raises
        StoreUnavailable."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            due = await tx.work.all(before=not_after("due_at", now), limit=MOST_DUE)
        return [row.id for row in sorted(due, key=lambda row: row.due_at or now)]

    async def work(self, account_id: str) -> Worked:
        """One turn of an account. What one run stumbles over keeps none of the others from going
        on. Raises StoreUnavailable."""
        made = settled = troubled = 0
        began_s = self._monotonic()
        while True:
            now = self._clock.now()
            seen = await self._seen(account_id)
            if seen is None:
                return Worked(account_id=account_id)
            due = await self._due(account_id, now)
            ends = await self._go(due)
            planned = await self._plans.plan(account_id)
            ends += await self._go(planned.runs)
            made += len(planned.runs)
            settled += sum(end is not None and end.step.is_over for end in ends)
            troubled += sum(end is None for end in ends)
            moved = any(
                end is not None and end.version != run.version
                for run, end in zip([*due, *planned.runs], ends, strict=True)
            )
            if moved and self._monotonic() - began_s < LONGEST_TURN_S:
                continue  # what settled may let something else go
            next_at = await self._rest(account_id, planned)
            return Worked(
                account_id=account_id,
                made=made,
                settled=settled,
                troubled=troubled,
                next_at=next_at,
            )

    async def _seen(self, account_id: str) -> AccountWork | None:
        async with self._store.transaction() as tx:
            return await tx.work.get(account_id)

    async def _due(self, account_id: str, now: datetime) -> list[FeedRun]:
        async with self._store.transaction() as tx:
            return await tx.feed_runs.all(
                account_id=account_id, ended_at=None, before=not_after("next_at", now)
            )

    async def _go(self, runs: list[FeedRun] | tuple[FeedRun, ...]) -> list[FeedRun | None]:
        """Each as far as it comes; None for one that broke."""
        room = asyncio.Semaphore(AT_ONCE)

        async def go(run: FeedRun) -> FeedRun | None:
            async with room:
                return await self._gone(run)

        return list(await asyncio.gather(*(go(run) for run in runs)))

    async def _gone(self, run: FeedRun) -> FeedRun | None:
        try:
            return await self._runs.go(run.id)
        except EvergrantError as error:
            log.warning("a run stumbled", run_id=run.id, error=error.code, message=error.message)
            told = error.code
        except Exception as error:
            log.exception("a run broke", run_id=run.id)
            told = type(error).__name__
        await self._leave_alone(run.id, told)
        return None

    async def _leave_alone(self, run_id: str, told: str) -> None:
        """It is not tried at each minute, and keeps its step: nothing of it is lost."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            run = await tx.feed_runs.get(run_id)
            if run is not None and run.ended_at is None:
                await tx.feed_runs.change(
                    run_id,
                    expecting={"version": run.version},
                    version=run.version + 1,
                    next_at=now + AFTER_TROUBLE,
                    last_error=scrub(told)[:LONGEST_NOTE],
                    changed_at=now,
                )

    async def _rest(self, account_id: str, planned: Planned) -> datetime | None:
        """When the account is due again; unless its doorbell was pressed since the plan was made:
        then it stays due."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            open_runs = await tx.feed_runs.all(account_id=account_id, ended_at=None)
            instants = [run.next_at for run in open_runs if run.next_at is not None]
            if planned.next_at is not None:
                instants.append(planned.next_at)
            next_at = min(instants, default=None)
            if next_at is not None:
                next_at = min(next_at, now + SELDOM)
            changed = await tx.work.change(
                account_id,
                expecting={"version": planned.version},
                due_at=next_at,
                version=planned.version + 1,
                changed_at=now,
            )
        return now if changed is None else next_at

    # --- for people ---------------------------------------------------------------------------

    async def pause(self, account_id: str, *, by: Caller, note: str = "") -> AccountWork:
        """Nothing new is begun for the account; what Amazon has already is seen to its end. Needs
        WRITE. Raises NotFound, NotAllowed. Journal: ``feeds.paused``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await _reached(tx, account_id, by)
            row = await put_due(tx, account_id, now)
            note = scrub(note.strip())[:LONGEST_NOTE]
            paused = await tx.work.change(
                account_id,
                expecting={"version": row.version},
                paused_at=row.paused_at or now,
                paused_by=str(by),
                pause_note=note,
                version=row.version + 1,
            )
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="feeds.paused",
                subject=account_id,
                account_id=account_id,
                note=note,
            )
        return _held(paused)

    async def resume(self, account_id: str, *, by: Caller) -> AccountWork:
        """The queue goes on, with the latest values. Needs WRITE. Raises NotFound, NotAllowed,
        Conflict (it is not paused). Journal: ``feeds.resumed``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await _reached(tx, account_id, by)
            row = await put_due(tx, account_id, now)
            if row.paused_at is None:
                raise Conflict("The account is not paused.")
            resumed = await tx.work.change(
                account_id,
                expecting={"version": row.version},
                paused_at=None,
                paused_by="",
                pause_note="",
                version=row.version + 1,
            )
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="feeds.resumed",
                subject=account_id,
                account_id=account_id,
            )
        await self._bell.ring_for_work([account_id])
        return _held(resumed)

    async def run_now(self, account_id: str, *, by: Caller) -> AccountWork:
        """The next turn comes at once and does not wait for the time between two feeds. Amazon's
        limits, switches and the ladder of what was returned hold all the same. Needs WRITE. Raises
        NotFound, NotAllowed, Conflict (paused). Journal: ``feeds.hurried``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await _reached(tx, account_id, by)
            row = await put_due(tx, account_id, now)
            if row.paused_at is not None:
                raise Conflict(
                    "The account is paused.", hint=f"First: evergrant feeds resume {account_id}"
                )
            hurried = await tx.work.change(
                account_id,
                expecting={"version": row.version},
                hurried_at=now,
                version=row.version + 1,
            )
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="feeds.hurried",
                subject=account_id,
                account_id=account_id,
            )
        await self._bell.ring_for_work([account_id])
        return _held(hurried)


async def _reached(tx: Transaction, account_id: str, by: Caller) -> None:
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound("There is no such account.")


def _held(row: AccountWork | None) -> AccountWork:
    if row is None:
        raise Conflict("Somebody else was faster.", hint="Try again.")
    return row
