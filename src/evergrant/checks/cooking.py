"""Looks at the kitchen: accounts that are due, changes that wait, runs that stick, orders.

Answers for: findings made of what is stored. Does not answer for: notices about single runs (the
rooms put them up), or for telling anybody but who looks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evergrant.checks import kinds
from evergrant.checks.watching import names_of, told
from evergrant.rules import waits
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import LATE_AFTER, PATHS, Manner, RunStep
from evergrant.rules.lifecycle import serves_tokens
from evergrant.rules.order_sweeps import Lack

if TYPE_CHECKING:
    from evergrant.checks.kinds import Finding
    from evergrant.desk import Desk
    from evergrant.ports.store import Transaction

__all__ = ["changes", "orders", "runs", "turns"]

#: An account that is due for so long has nobody who works for it: its turn comes each minute.
DUE = timedelta(minutes=15)
#: Changes that wait for so long without a word of why.
WAITED = timedelta(days=1)
#: A reason that should have ended so long ago is none any more.
OVER = timedelta(hours=2)
#: Sweeps that failed so often in a row are not a matter of Amazon's weather.
FAILED = 5
_NAMED = 6
_PAGE = 500
_AT_AMAZON: Mapping[str, Any] = {
    "step": [RunStep.SUBMITTED, RunStep.PROCESSING],
    "ended_at": None,
    "path": [path for path, facts in PATHS.items() if facts.manner is not Manner.CALLS],
}


async def turns(desk: Desk) -> AsyncIterator[Finding]:
    """Whether anybody works."""
    late = desk.clock.now() - DUE
    async with desk.store.transaction() as tx:
        number = await tx.work.count(before=("due_at", late))
        rows = await tx.work.all(before=("due_at", late), limit=_NAMED) if number else []
        names = await names_of(tx, [row.id for row in rows])
    if number:
        yield kinds.KITCHEN_STANDS(
            f"For {DUE.total_seconds() / 60:.0f} minutes or longer: "
            f"{told([names[row.id] for row in rows], number)}"
        )


async def changes(desk: Desk) -> AsyncIterator[Finding]:
    """Of accounts that could work: nothing is off, paused, open, or to be tried again later."""
    now = desk.clock.now()
    old: dict[str, set[ChangeKind]] = {}
    async with desk.store.transaction() as tx:
        for count in await tx.changes.counts():
            if count.state is ChangeState.PENDING and count.oldest_at < now - WAITED:
                old.setdefault(count.account_id, set()).add(count.kind)
        unexplained = [
            account_id
            for account_id, found in sorted(old.items())
            if not await _explained(tx, account_id, found, now)
        ]
        names = await names_of(tx, unexplained[:_NAMED])
    if unexplained:
        shown = [names[account_id] for account_id in unexplained[:_NAMED]]
        yield kinds.CHANGES_WAIT(told(shown, len(unexplained)))


async def _explained(
    tx: Transaction, account_id: str, found: set[ChangeKind], now: datetime
) -> bool:
    authorization = await tx.authorizations.one(account_id=account_id)
    if authorization is None or not serves_tokens(authorization.state):
        return True
    row = await tx.work.get(account_id)
    if row is None:
        return False
    reasons = {
        wait.kind for wait in waits.read(row.waits) if wait.until is None or wait.until > now - OVER
    }
    return row.paused_at is not None or found <= reasons


async def runs(desk: Desk) -> AsyncIterator[Finding]:
    """Those that nobody can tell of, and those that Amazon does not come to an end with."""
    now = desk.clock.now()
    async with desk.store.transaction() as tx:
        uncertain = await tx.feed_runs.count(step=RunStep.UNCERTAIN, ended_at=None)
        doubtful = await tx.feed_runs.all(step=RunStep.UNCERTAIN, ended_at=None, limit=_NAMED)
        late = await tx.feed_runs.count(before=("submitted_at", now - LATE_AFTER), **_AT_AMAZON)
        slow = await tx.feed_runs.all(
            before=("submitted_at", now - LATE_AFTER), limit=_NAMED, **_AT_AMAZON
        )
    if uncertain:
        yield kinds.RUNS_UNCERTAIN(told([run.id for run in doubtful], uncertain))
    if late:
        yield kinds.RUNS_LATE(told([f"{run.id} (feed {run.feed_id})" for run in slow], late))


async def orders(desk: Desk) -> AsyncIterator[Finding]:
    """Whether they are read, and what accounts lack for it."""
    failing: list[str] = []
    lacking: list[str] = []
    after: str | None = None
    async with desk.store.transaction() as tx:
        while True:
            page = await tx.order_sweeps.all(after=after, limit=_PAGE)
            # What waits for a renewal or an opening is told elsewhere.
            of = [row.id for row in page if row.failures >= FAILED or row.lacks]
            known = await tx.authorizations.all(account_id=of) if of else []
            served = {one.account_id for one in known if serves_tokens(one.state)}
            for row in page:
                if row.id in served and row.lacks and Lack(row.lacks).stops:
                    lacking.append(row.id)
                elif row.id in served and row.failures >= FAILED:
                    failing.append(row.id)
            if len(page) < _PAGE:
                break
            after = page[-1].id
        names = await names_of(tx, failing[:_NAMED] + lacking[:_NAMED])
    if failing:
        shown = [names[one] for one in failing[:_NAMED]]
        yield kinds.ORDERS_FAIL(told(shown, len(failing)))
    if lacking:
        yield kinds.ORDERS_LACK(told([names[one] for one in lacking[:_NAMED]], len(lacking)))
