"""Whose turn it is: accounts that have something to do, and one account's turn.

Answers for: finding them, one turn from open runs to a fresh plan, when the next turn is, pausing
and hurrying an account. Does not answer for: what is in the plan, or how a run goes.

A turn may be cut short at any point, and two may happen at once: runs and plans are fenced, and an
account whose turn did not come to its end stays due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal
from evergrant.doorbell import put_due
from evergrant.errors import Conflict, EvergrantError, StoreUnavailable
from evergrant.feeds.planning import Planned, Planning
from evergrant.feeds.running import Running
from evergrant.intake import need
from evergrant.limits.setting import reached_account
from evergrant.logs import logger
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.traded import AccountWork, FeedRun
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub
from evergrant.rules.waits import STATES, Why

__all__ = ["Worked", "Working"]

log = logger(__name__)

#: Accounts that are read at a time.
PAGE = 1_000
#: Runs of one account under way at a time: they draw on different limits.
AT_ONCE = 4
#: A turn that still finds something to do is continued by the next one after so long, or so often.
LONGEST_TURN_S = 45.0
MOST_ROUNDS = 100
#: After a run or a plan broke, it is left alone for so long.
AFTER_TROUBLE = timedelta(minutes=5)
#: A run that should have gone on and did not is somebody else's at the moment.
NOT_OURS = timedelta(seconds=30)
#: Whatever the stations say, an account that has something open is looked at so often.
SELDOM = timedelta(hours=1)
#: A signature is given at the house, for all accounts at once; it presses no doorbell.
UNSIGNED = timedelta(minutes=5)
LONGEST_NOTE = 500

#: What ends when somebody does something about this account, who presses its doorbell.
_ENDED_BY_SOMEBODY = frozenset({*STATES.values(), Why.PAUSED, Why.SWITCHED_OFF, Why.UNAVAILABLE})


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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._plans = plans
        self._runs = runs
        self._monotonic = monotonic

    # --- for the worker -----------------------------------------------------------------------

    async def tick(self) -> list[str]:
        """Ids of accounts that have something to do now, those that wait longest first; the worker
        rings for them. Raises StoreUnavailable."""
        now = self._clock.now()
        due: list[tuple[datetime, str]] = []
        after: str | None = None
        while True:
            async with self._store.transaction() as tx:
                page = await tx.work.all(before=not_after("due_at", now), after=after, limit=PAGE)
            due += [(row.due_at or now, row.id) for row in page]
            if len(page) < PAGE:
                return [account_id for _, account_id in sorted(due)]
            after = page[-1].id

    async def work(self, account_id: str) -> Worked:
        """One turn of an account. What one run stumbles over keeps none of the others from going
        on. Raises StoreUnavailable."""
        made = settled = troubled = rounds = 0
        began_s = self._monotonic()
        while True:
            rounds += 1
            now = self._clock.now()
            seen, due = await self._due(account_id, now)
            if seen is None:
                return Worked(account_id=account_id)
            ends = await self._go(due)
            planned = await self._planned(account_id)
            runs = planned.runs if planned is not None else ()
            ends += await self._go(runs)
            made += len(runs)
            settled += sum(end is not None and end.step.is_over for end in ends)
            troubled += sum(end is None for end in ends) + (planned is None)
            moved = {
                run.id
                for run, end in zip((*due, *runs), ends, strict=True)
                if end is not None and end.version != run.version
            }
            now = self._clock.now()
            if planned is None or not any(
                _leads_on(end, now) for end in ends if end is not None and end.id in moved
            ):
                break  # else what settled may let something else go
            if rounds >= MOST_ROUNDS or self._monotonic() - began_s >= LONGEST_TURN_S:
                break
        idle = {run.id for run in (*due, *runs)} - moved
        next_at = await self._rest(account_id, seen, planned, idle)
        return Worked(
            account_id=account_id, made=made, settled=settled, troubled=troubled, next_at=next_at
        )

    async def _due(
        self, account_id: str, now: datetime
    ) -> tuple[AccountWork | None, list[FeedRun]]:
        async with self._store.transaction() as tx:
            seen = await tx.work.get(account_id)
            if seen is None:
                return None, []
            return seen, await tx.feed_runs.all(
                account_id=account_id, ended_at=None, before=not_after("next_at", now)
            )

    async def _planned(self, account_id: str) -> Planned | None:
        """None: it broke. Nothing is lost by that, and what is under way goes on."""
        try:
            return await self._plans.plan(account_id)
        except StoreUnavailable:
            raise
        except EvergrantError as error:
            log.warning("a plan stumbled", error=error.code, message=error.message)
        except Exception:
            log.exception("a plan broke")
        return None

    async def _go(self, runs: Sequence[FeedRun]) -> list[FeedRun | None]:
        """Each as far as it comes; None for one that broke. Raises StoreUnavailable when all of
        them have come to rest."""
        room = asyncio.Semaphore(AT_ONCE)

        async def go(run: FeedRun) -> FeedRun | None:
            async with room:
                return await self._gone(run)

        ends: list[FeedRun | None] = []
        for end in await asyncio.gather(*(go(run) for run in runs), return_exceptions=True):
            if isinstance(end, BaseException):
                raise end
            ends.append(end)
        return ends

    async def _gone(self, run: FeedRun) -> FeedRun | None:
        try:
            return await self._runs.go(run.id)
        except StoreUnavailable:
            raise
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
            if run is not None and run.ended_at is None and run.next_at is not None:
                await tx.feed_runs.change(
                    run_id,
                    expecting={"version": run.version},
                    version=run.version + 1,
                    next_at=max(run.next_at, now + AFTER_TROUBLE),
                    last_error=scrub(told)[:LONGEST_NOTE],
                    changed_at=now,
                )

    async def _rest(
        self,
        account_id: str,
        seen: AccountWork,
        planned: Planned | None,
        idle: Collection[str],
    ) -> datetime | None:
        """When the account is due again; unless its doorbell was pressed since the plan was made:
        then it stays due. ``idle``: runs that should have gone on and did not."""
        now = self._clock.now()
        version = seen.version if planned is None else planned.version
        async with self._store.transaction() as tx:
            open_runs = await tx.feed_runs.all(account_id=account_id, ended_at=None)
            authorization = await tx.authorizations.one(account_id=account_id)
            next_at = min(_instants(open_runs, planned, idle, now), default=None)
            if authorization is None or authorization.state is State.CLOSED:
                next_at = None  # until it is reopened
            changed = await tx.work.change(
                account_id,
                expecting={"version": version},
                due_at=next_at,
                version=version + 1,
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
            await reached_account(tx, account_id, by)
            row = await put_due(tx, account_id, now)
            note = scrub(note.strip())[:LONGEST_NOTE]
            paused = await _changed(
                tx,
                row,
                paused_at=row.paused_at or now,
                paused_by=by.name or str(by),
                pause_note=note,
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
        return paused

    async def resume(self, account_id: str, *, by: Caller) -> AccountWork:
        """The queue goes on, with the latest values. Needs WRITE. Raises NotFound, NotAllowed,
        Conflict (it is not paused). Journal: ``feeds.resumed``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            row = await put_due(tx, account_id, now)
            if row.paused_at is None:
                raise Conflict("The account is not paused.")
            resumed = await _changed(
                tx,
                row,
                paused_at=None,
                paused_by="",
                pause_note="",
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
        return resumed

    async def run_now(self, account_id: str, *, by: Caller) -> AccountWork:
        """The next turn comes at once and does not wait for the time between two feeds. Amazon's
        limits, switches and the ladder of what was returned hold all the same. Needs WRITE. Raises
        NotFound, NotAllowed, Conflict (paused). Journal: ``feeds.hurried``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            row = await put_due(tx, account_id, now)
            if row.paused_at is not None:
                raise Conflict(
                    "The account is paused.", hint=f"First: evergrant feeds resume {account_id}"
                )
            hurried = await _changed(
                tx,
                row,
                hurried_at=now,
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
        return hurried


def _leads_on(run: FeedRun, now: datetime) -> bool:
    """Whether there is more to do at once: it goes on, or what it held may, as it is over or a
    person decides on it."""
    return run.step.is_over or run.next_at is None or run.next_at <= now


def _instants(
    open_runs: Iterable[FeedRun], planned: Planned | None, idle: Collection[str], now: datetime
) -> Iterator[datetime]:
    """When something of the account goes on."""
    for run in open_runs:
        if run.next_at is not None:
            yield min(
                max(run.next_at, now + NOT_OURS) if run.id in idle else run.next_at, now + SELDOM
            )
    if planned is None:
        yield now + AFTER_TROUBLE
        return
    if planned.next_at is not None:
        yield min(planned.next_at, now + SELDOM)
    for wait in planned.waits:
        if wait.why not in _ENDED_BY_SOMEBODY:
            yield now + (UNSIGNED if wait.why is Why.NOT_SIGNED else SELDOM)


async def _changed(tx: Transaction, row: AccountWork, **values: Any) -> AccountWork:
    changed = await tx.work.change(
        row.id, expecting={"version": row.version}, version=row.version + 1, **values
    )
    assert changed is not None, "whoever presses a doorbell has its row until he is done"
    return changed
