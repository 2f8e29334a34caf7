"""The book: what is pending, in flight, done and refused, and why something waits.

Answers for: reading it within the caller's reach. Does not answer for: changing anything. Every
verb needs READ and raises NotAllowed; what is out of reach is NotFound, or left out of a list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from evergrant.errors import NotFound
from evergrant.feeds.kept import Kept
from evergrant.intake import check_page, need
from evergrant.limits.setting import reached_account
from evergrant.ports import Clock
from evergrant.ports.boards import Reach, TradeCount
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.things import Account, ApiKey, Operator
from evergrant.ports.traded import AccountWork, Change, ChangeCount, FeedRun, Intake
from evergrant.rules import ids
from evergrant.rules.changes import FLAGS, OPEN, ChangeKind, ChangeState
from evergrant.rules.flags import view
from evergrant.rules.rights import Caller, CallerKind, Right

__all__ = ["AccountFeeds", "KindCounts", "Ledger", "Only", "RunRead"]

#: Settled changes are counted for so long.
COUNTED = timedelta(hours=24)
_PAGE = 500


class Only(StrEnum):
    """Which accounts are listed."""

    ANY = "any"  # that ever had work
    BUSY = "busy"  # something is open, or was refused in the last day, or it is paused
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCounts:
    """Changes of one kind of one account: what is open, and what was settled in the last day."""

    kind: ChangeKind
    switched_on: bool | None  # None: Amazon has no such thing for this kind of account
    counts: Mapping[ChangeState, int] = field(default_factory=dict)
    oldest_open_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFeeds:
    """One account in the kitchen. ``waits``: by kind of change, why something waits, as the last
    plan found it."""

    account: Account
    work: AccountWork | None
    kinds: tuple[KindCounts, ...]
    open_runs: tuple[FeedRun, ...]

    @property
    def is_idle(self) -> bool:
        return not self.open_runs and all(one.oldest_open_at is None for one in self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRead:
    """One run with changes of it, in the order of their messages, whole messages only.
    ``next_message``: behind which there are more; None: there are not."""

    run: FeedRun
    changes: tuple[Change, ...]
    next_message: int | None = None


class Ledger:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.settled = Kept(clock, self._settled)

    async def status(
        self,
        *,
        by: Caller,
        account_id: str | None = None,
        only: Only = Only.ANY,
        after: str | None = None,
        limit: int = 100,
    ) -> list[AccountFeeds]:
        """One account, or all within reach that ever had work, in order of their ids."""
        need(by, Right.READ)
        check_page(ids.Kind.ACCOUNT, after, limit)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            if account_id is not None:
                accounts = [await reached_account(tx, account_id, by)]
                rows = [await tx.work.get(account_id)]
            else:
                chosen = await _chosen(tx, only, now)
                accounts, rows = await _with_work(tx, by, after, limit, chosen)
            wanted = [account.id for account in accounts]
            counts = await tx.changes.counts(wanted, settled_since=now - COUNTED)
            runs = await tx.feed_runs.all(account_id=wanted, ended_at=None)
        by_account: dict[str, list[ChangeCount]] = defaultdict(list)
        for count in counts:
            by_account[count.account_id].append(count)
        return [
            AccountFeeds(
                account=account,
                work=row,
                kinds=_kinds(account, by_account[account.id]),
                open_runs=tuple(run for run in runs if run.account_id == account.id),
            )
            for account, row in zip(accounts, rows, strict=True)
        ]

    async def totals(self, *, by: Caller) -> dict[ChangeKind, dict[ChangeState, int]]:
        """How many changes of all accounts within reach are open, and were settled in the last day,
        by kind and state; all six kinds. Where so many were settled that counting them takes a
        while, those may be half a minute old; what is open never is."""
        need(by, Right.READ)
        reach = Reach(client_instance_id=by.client_instance_id, account_ids=by.account_ids)
        whole = reach == Reach()
        settled = await self.settled.get() if whole else ()
        since = None if whole else self._clock.now() - COUNTED
        async with self._store.transaction() as tx:
            found = [*settled, *await tx.boards.trade(reach, settled_since=since)]
        counts: dict[ChangeKind, dict[ChangeState, int]] = {kind: {} for kind in ChangeKind}
        for one in found:
            counts[one.kind][one.state] = one.count
        return counts

    async def _settled(self, now: datetime) -> list[TradeCount]:
        async with self._store.transaction() as tx:
            found = await tx.boards.trade(Reach(), settled_since=now - COUNTED)
        return [one for one in found if one.state not in OPEN]

    async def changes(
        self,
        account_id: str,
        *,
        by: Caller,
        states: Collection[ChangeState] | None = None,
        kind: ChangeKind | None = None,
        subject: str | None = None,
        reference: str | None = None,
        run_id: str | None = None,
        intake_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Change]:
        """Of one account, in the order in which they came in, or the other way round; ``after``:
        behind this one, in that order."""
        need(by, Right.READ)
        check_page(ids.Kind.CHANGE, after, limit)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            return await tx.changes.read(
                account_id=account_id,
                states=states,
                kind=kind,
                subject=subject,
                reference=reference,
                run_id=run_id,
                intake_id=intake_id,
                after=after,
                limit=limit,
                newest_first=newest_first,
            )

    async def change(self, id: str, *, by: Caller) -> Change:
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            found = await tx.changes.get(id)
            if found is None or not await _reaches(tx, found.account_id, by):
                raise NotFound("There is no such change.")
        return found

    async def runs(
        self,
        account_id: str,
        *,
        by: Caller,
        since: datetime | None = None,
        only_open: bool = False,
        after: str | None = None,
        limit: int = 100,
    ) -> list[FeedRun]:
        """Of one account, in the order in which they were planned; ``since``: planned then or
        later."""
        need(by, Right.READ)
        check_page(ids.Kind.FEED_RUN, after, limit)
        if since is not None:
            after = max(after or "", _before(since))
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            if only_open:
                return await tx.feed_runs.all(
                    account_id=account_id, ended_at=None, after=after, limit=limit
                )
            return await tx.feed_runs.all(account_id=account_id, after=after, limit=limit)

    async def latest_runs(self, account_id: str, *, by: Caller, limit: int = 100) -> list[FeedRun]:
        """Of one account, those that were planned last, the newest first."""
        need(by, Right.READ)
        check_page(ids.Kind.FEED_RUN, None, limit)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            return await tx.feed_runs.all(account_id=account_id, limit=limit, newest_first=True)

    async def run(
        self, id: str, *, by: Caller, after_message: int = 0, limit: int = 100
    ) -> RunRead:
        """With the changes behind ``after_message``; somewhat more than ``limit`` where a message
        holds several."""
        need(by, Right.READ)
        check_page(ids.Kind.FEED_RUN, None, limit)
        async with self._store.transaction() as tx:
            found = await tx.feed_runs.get(id)
            if found is None or not await _reaches(tx, found.account_id, by):
                raise NotFound("There is no such run.")
            changes = await tx.changes.of_run(id, after=after_message, limit=limit, in_flight=False)
            last = changes[-1].message_id if changes else None
            more = last is not None and await tx.changes.of_run(
                id, after=last, limit=1, in_flight=False
            )
        return RunRead(run=found, changes=tuple(changes), next_message=last if more else None)

    async def intake(self, id: str, *, by: Caller) -> Intake:
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            found = await tx.intakes.get(id)
            if found is None or not await _reaches(tx, found.account_id, by):
                raise NotFound("There is no such batch.")
        return found

    async def names(self, callers: Collection[str], *, by: Caller) -> dict[str, str]:
        """Who they are, of callers as the journal writes them (``operator:opr_…``); those that are
        not known any more, and the command line, are left out."""
        need(by, Right.READ)
        found: dict[str, str] = {}
        async with self._store.transaction() as tx:
            for one in dict.fromkeys(callers):
                kind, _, named = one.partition(":")
                row: Operator | ApiKey | None = None
                if kind == CallerKind.OPERATOR:
                    row = await tx.operators.get(named)
                elif kind == CallerKind.API_KEY:
                    row = await tx.api_keys.get(named)
                if row is not None:
                    found[one] = row.name
        return found


def _kinds(account: Account, counts: Sequence[ChangeCount]) -> tuple[KindCounts, ...]:
    switches = view(account.flags, account.partner_kind, account.vendor_kind)
    found = []
    for kind in ChangeKind:
        of_kind = [count for count in counts if count.kind is kind]
        found.append(
            KindCounts(
                kind=kind,
                switched_on=switches[FLAGS[kind]],
                counts={count.state: count.count for count in of_kind},
                oldest_open_at=min(
                    (count.oldest_at for count in of_kind if count.state in OPEN), default=None
                ),
            )
        )
    return tuple(found)


async def _chosen(tx: Transaction, only: Only, now: datetime) -> list[str] | None:
    """Ids in their order; None: all."""
    if only is Only.ANY:
        return None
    paused = {row.id for row in await tx.work.all(before=not_after("paused_at", now))}
    busy = await tx.changes.busy(refused_since=now - COUNTED) if only is Only.BUSY else []
    return sorted({*paused, *busy})


async def _with_work(
    tx: Transaction, by: Caller, after: str | None, limit: int, chosen: list[str] | None
) -> tuple[list[Account], list[AccountWork | None]]:
    accounts: list[Account] = []
    rows: list[AccountWork | None] = []
    async for page in _pages(tx, after, min(limit, _PAGE), chosen):
        known = {one.id: one for one in await tx.accounts.all(id=[row.id for row in page])}
        for row in page:
            account = known.get(row.id)
            if account is not None and by.reaches_account(account.id, account.client_instance_id):
                accounts.append(account)
                rows.append(row)
        if len(accounts) >= limit:
            break
    return accounts[:limit], rows[:limit]


async def _pages(
    tx: Transaction, after: str | None, size: int, chosen: list[str] | None
) -> AsyncIterator[list[AccountWork]]:
    """Of all rows, or of these alone."""
    if chosen is not None:
        first = 0 if after is None else bisect_right(chosen, after)
        for at in range(first, len(chosen), size):
            yield await tx.work.all(id=chosen[at : at + size])
        return
    while page := await tx.work.all(after=after, limit=size):
        yield page
        after = page[-1].id


async def _reaches(tx: Transaction, account_id: str, by: Caller) -> bool:
    account = await tx.accounts.get(account_id)
    return account is not None and by.reaches_account(account.id, account.client_instance_id)


def _before(since: datetime) -> str:
    """The place just before the first id of that instant: ids of one kind sort by time."""
    return ids.make(ids.Kind.FEED_RUN, since, b"\0" * 10)
