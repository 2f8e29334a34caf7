"""A store in memory, with transactions that roll back and keys that refuse.

Answers for: the whole contract of ``ports.store``: unique keys (partial ones too), references,
conditional change, order, isolation. Does not answer for: speed with very many rows.

One transaction runs at a time; others wait. Its rows are seen by nobody before it commits.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

from evergrant.errors import StoreUnavailable
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.rules.terms import JOURNAL_KEPT_AT_LEAST
from evergrant.testing.kinds import KINDS
from evergrant.testing.settling import Settling
from evergrant.testing.traded import MemoryChanges
from evergrant.testing.watched import MemoryEvents, MemoryScans

__all__ = [
    "KINDS",
    "MemoryDiary",
    "MemoryOrders",
    "MemoryOutbox",
    "MemoryQuickReads",
    "MemoryShelf",
    "MemoryStore",
    "MemoryTransaction",
]

Thing = TypeVar("Thing")


SETTLINGS = {name: Settling(kind.thing, name) for name, kind in KINDS.items()}
_JOURNAL = Settling(t.JournalLine, "journal")

_GONE = object()
_Rows = dict[str, Any]


class MemoryShelf(Generic[Thing]):
    """``ports.Shelf`` over a dict, seen through one transaction."""

    def __init__(self, name: str, tx: MemoryTransaction) -> None:
        self._name = name
        self._tx = tx
        self._settling = SETTLINGS[name]

    async def get(self, id: str) -> Thing | None:
        self._tx.check()
        return cast("Thing | None", self._tx.find(self._name, self._settling.text(id)))

    async def one(self, **equal: Any) -> Thing | None:
        found = await self.all(limit=2, **equal)
        if len(found) > 1:
            raise LookupError(f"More than one row of {self._name} matches.")
        return found[0] if found else None

    async def all(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        before: tuple[str, datetime] | None = None,
        **equal: Any,
    ) -> list[Thing]:
        self._tx.check()
        matches = self._settling.matcher(equal, before)
        after = None if after is None else self._settling.text(after)
        rows = self._tx.rows(self._name)
        found = sorted(
            (row for row in rows if (after is None or row.id > after) and matches(row)),
            key=lambda row: cast("str", row.id),
        )
        return found if limit is None else found[:limit]

    async def count(self, *, before: tuple[str, datetime] | None = None, **equal: Any) -> int:
        self._tx.check()
        matches = self._settling.matcher(equal, before)
        return sum(1 for row in self._tx.rows(self._name) if matches(row))

    async def add(self, thing: Thing) -> None:
        self._tx.check()
        row = self._settling.row(thing)
        if self._tx.find(self._name, row.id) is not None:
            raise ports.AlreadyThere(f"{self._name}_pkey")
        self._write(row)

    async def put(self, thing: Thing) -> None:
        self._tx.check()
        self._write(self._settling.row(thing))

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> Thing | None:
        self._tx.check()
        matches = self._settling.matcher(expecting or {}, None)
        self._settling.check_changes(values)
        row = self._tx.find(self._name, self._settling.text(id))
        if row is None or not matches(row):
            return None
        changed = self._settling.row(dataclasses.replace(row, **values))
        self._write(changed)
        return cast("Thing", changed)

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        changed = [await self.change(one, expecting, **values) for one in sorted(set(ids))]
        return sum(row is not None for row in changed)

    async def drop(self, id: str) -> bool:
        self._tx.check()
        wanted = self._settling.text(id)
        if self._tx.find(self._name, wanted) is None:
            return False
        for other, kind in KINDS.items():
            for field, target in kind.references.items():
                if target == self._name and any(
                    getattr(row, field) == wanted and (other != self._name or row.id != wanted)
                    for row in self._tx.rows(other)
                ):
                    raise LookupError(f"{other}.{field} still names this row of {self._name}.")
        self._tx.tear(self._name, wanted)
        return True

    async def drop_all(self, ids: Collection[str]) -> int:
        return sum([await self.drop(one) for one in sorted(set(ids))])

    def _write(self, row: Any) -> None:
        kind = KINDS[self._name]
        for key in kind.unique:
            mine = key.of(row)
            if mine is not None and any(
                other.id != row.id and key.of(other) == mine for other in self._tx.rows(self._name)
            ):
                raise ports.AlreadyThere(key.name)
        for field, target in kind.references.items():
            wanted = getattr(row, field)
            itself = target == self._name and wanted == row.id
            if wanted is not None and not itself and self._tx.find(target, wanted) is None:
                raise LookupError(f"{self._name}.{field} names a row that {target} does not hold.")
        self._tx.written[self._name][row.id] = row


class MemoryCallCounts(MemoryShelf[t.CallCount]):
    """``ports.CallCounts``."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("call_counts", tx)

    async def add_up(self, rows: Sequence[t.CallCount]) -> None:
        for row in ports.merged(rows):
            known = await self.get(row.id)
            await self.put(row if known is None else ports.added(known, row))

    async def read(
        self,
        *,
        since: datetime,
        account_id: str | None = None,
        operation: str | None = None,
        throttled: bool = False,
    ) -> list[t.CallCount]:
        found = [
            row
            for row in await self.all()
            if row.hour_at >= since
            and account_id in (None, row.account_id)
            and operation in (None, row.operation)
            and (row.throttled or not throttled)
        ]
        return sorted(found, key=lambda row: (row.hour_at, row.id))

    async def purge(self, before: datetime) -> int:
        gone = await self.all(before=("hour_at", before))
        return sum([await self.drop(row.id) for row in gone])


class MemoryOutbox(MemoryShelf[t.OutboxItem]):
    """``ports.Outbox``."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("outbox", tx)

    async def is_held_up(self, item: t.OutboxItem) -> bool:
        return any(_place(other) < _place(item) for other in await self._line_of(item))

    async def next_in_line(self, item: t.OutboxItem) -> t.OutboxItem | None:
        behind = [other for other in await self._line_of(item) if _place(other) > _place(item)]
        return min(behind, key=_place, default=None)

    async def _line_of(self, item: t.OutboxItem) -> list[t.OutboxItem]:
        if item.kind is not t.OutboxKind.WEBHOOK or item.account_id is None:
            return []
        return await self.all(
            state=t.OutboxState.WAITING, kind=item.kind, to=item.to, account_id=item.account_id
        )


class MemoryOrders(MemoryShelf[d.Order]):
    """``ports.Orders``. Whoever ends the transaction calls ``write`` just before."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("orders", tx)
        self._unplaced: dict[str, None] = {}

    async def add(self, thing: d.Order) -> None:
        await super().add(dataclasses.replace(thing, position=0))
        self._last(thing.id)

    async def put(self, thing: d.Order) -> None:
        await super().put(dataclasses.replace(thing, position=0))
        self._last(thing.id)

    def write(self) -> None:
        for placed in self._unplaced:
            row = self._tx.find(self._name, placed)
            if row is not None:
                position = self._tx.store.next_order_position()
                self._write(dataclasses.replace(row, position=position))

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
    ) -> list[d.Order]:
        found = [
            row
            for row in await self.all()
            if row.position > max(after, 0)
            and client_instance_id in (None, row.client_instance_id)
            and (account_ids is None or row.account_id in account_ids)
        ]
        return sorted(found, key=lambda row: row.position)[:limit]

    async def purge(self, before: datetime, *, limit: int) -> list[str]:
        old = await self.all(before=("changed_at", before))
        old.sort(key=lambda row: (row.changed_at, row.id))
        gone = [row.id for row in old[:limit]]
        await self.drop_all(gone)
        return sorted(gone)

    def _last(self, id: str) -> None:
        stored = self._settling.text(id)
        self._unplaced.pop(stored, None)
        self._unplaced[stored] = None


def _place(item: t.OutboxItem) -> tuple[int, str]:
    return item.position, item.id


class MemoryDiary:
    """``ports.Diary`` over a list."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx

    async def append(self, line: t.JournalLine) -> None:
        self._tx.check()
        settled = _JOURNAL.row(line)
        self._tx.lines.append(dataclasses.replace(settled, id=self._tx.store.next_line_id()))

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        account_id: str | None = None,
        subject: str | None = None,
        verb: str | None = None,
        newest_first: bool = False,
    ) -> list[t.JournalLine]:
        self._tx.check()
        found = [
            line
            for line in (*self._tx.store.lines, *self._tx.lines)
            if line.id not in self._tx.torn_out
            and account_id in (None, line.account_id)
            and subject in (None, line.subject)
            and verb in (None, line.verb)
            and (not after or (line.id < after if newest_first else line.id > after))
        ]
        found.sort(key=lambda line: line.id, reverse=newest_first)
        return found[:limit]

    async def purge(self, before: datetime, *, limit: int = 10_000) -> int:
        self._tx.check()
        bound = min(before, datetime.now(UTC) - JOURNAL_KEPT_AT_LEAST)
        there = [line for line in self._tx.store.lines if line.id not in self._tx.torn_out]
        old = [line.id for line in there[:limit] if line.at < bound]
        self._tx.torn_out.update(old)
        return len(old)


class MemoryTransaction:
    """``ports.Transaction``: what is written shows at commit, or never."""

    applications: ports.Shelf[t.Application]
    credentials: ports.Shelf[t.IntegrationCredentials]
    instances: ports.Shelf[t.ClientInstance]
    accounts: ports.Shelf[t.Account]
    authorizations: ports.Shelf[t.Authorization]
    grants: ports.Shelf[t.Grant]
    participations: ports.Shelf[t.Participation]
    invitations: ports.Shelf[t.Invitation]
    handshakes: ports.Shelf[t.Handshake]
    outbox: ports.Outbox
    reports: ports.Shelf[t.SupportReport]
    operators: ports.Shelf[t.Operator]
    api_keys: ports.Shelf[t.ApiKey]
    connection_keys: ports.Shelf[t.ConnectionKey]
    plan_overrides: ports.Shelf[t.PlanOverride]
    call_counts: ports.CallCounts
    reminders: ports.Shelf[w.Reminder]
    notices: ports.Shelf[w.Notice]
    rotations: ports.Shelf[w.Rotation]
    reviews: ports.Shelf[w.Review]
    changes: ports.Changes
    intakes: ports.Shelf[d.Intake]
    feed_runs: ports.Shelf[d.FeedRun]
    work: ports.Shelf[d.AccountWork]
    orders: ports.Orders
    order_sweeps: ports.Shelf[d.OrderSweep]
    amazon_reports: ports.Shelf[d.AmazonReport]
    subscriptions: ports.Shelf[d.Subscription]
    events: ports.Events
    scans: ports.Scans
    safe: ports.Shelf[t.SealedSecret]
    journal: ports.Diary

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.written: dict[str, _Rows] = defaultdict(dict)
        self.lines: list[t.JournalLine] = []
        self.told: list[w.EventRecord] = []
        self.forgotten: set[str] = set()
        self.torn_out: set[int] = set()
        self.over = False
        for name in KINDS:
            setattr(self, name, MemoryShelf(name, self))
        self.outbox = MemoryOutbox(self)
        self.call_counts = MemoryCallCounts(self)
        self.changes = MemoryChanges(self)
        self._orders = MemoryOrders(self)
        self.orders = self._orders
        self._events = MemoryEvents(self)
        self.events = self._events
        self.scans = MemoryScans(self)
        self.journal = MemoryDiary(self)

    def check(self) -> None:
        if self.over:
            raise RuntimeError("This transaction is over.")
        self.store.check()

    def find(self, name: str, id: str) -> Any | None:
        row = self.written[name].get(id, _GONE)
        if row is _GONE and id not in self.written[name]:
            row = self.store.rows[name].get(id)
        return None if row is _GONE else row

    def rows(self, name: str) -> Iterator[Any]:
        written = self.written[name]
        for key, row in self.store.rows[name].items():
            if key not in written:
                yield row
        for row in written.values():
            if row is not _GONE:
                yield row

    def tear(self, name: str, id: str) -> None:
        self.written[name][id] = _GONE

    def commit(self) -> None:
        for name, written in self.written.items():
            for key, row in written.items():
                if row is _GONE:
                    self.store.rows[name].pop(key, None)
                else:
                    self.store.rows[name][key] = row
        self.store.lines.extend(self.lines)
        if self.torn_out:
            self.store.lines[:] = [
                line for line in self.store.lines if line.id not in self.torn_out
            ]
        self.store.events[:] = [
            event for event in (*self.store.events, *self.told) if event.id not in self.forgotten
        ]

    async def end(self) -> None:
        """What has to come last before the commit."""
        await self._events.write()
        self._orders.write()


class MemoryQuickReads:
    """``ports.QuickReads``: sees what is committed. ``asked`` counts, for tests of hot doors."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.asked = 0

    async def standing(self, account_id: str) -> t.Standing | None:
        self._ask()
        account = self._store.rows["accounts"].get(account_id)
        if account is None:
            return None
        authorization = next(
            (
                row
                for row in self._store.rows["authorizations"].values()
                if row.account_id == account_id
            ),
            None,
        )
        if authorization is None:
            return None
        return t.Standing(
            account_id=account.id,
            client_instance_id=account.client_instance_id,
            authorization_id=authorization.id,
            application_id=authorization.application_id,
            partner_kind=account.partner_kind,
            region=authorization.region,
            state=authorization.state,
            grant_id=authorization.grant_id,
            term_ends_at=authorization.term_ends_at,
            refused_reason=authorization.refused_reason,
        )

    async def sealed(self, name: str) -> t.SealedSecret | None:
        self._ask()
        return self._store.rows["safe"].get(name)

    async def api_key(self, id: str) -> t.ApiKey | None:
        self._ask()
        return self._store.rows["api_keys"].get(id)

    async def connection_key(self, digest: str) -> t.ConnectionKey | None:
        self._ask()
        rows = self._store.rows["connection_keys"].values()
        return next((row for row in rows if row.digest == digest), None)

    async def connection_key_of_id(self, id: str) -> t.ConnectionKey | None:
        self._ask()
        return self._store.rows["connection_keys"].get(id)

    def _ask(self) -> None:
        self._store.check()
        self.asked += 1


class MemoryStore:
    """``ports.Store`` in memory. ``down = True`` is a database that does not answer."""

    #: Seconds after which a wait for another transaction or lock is called a mistake of the test.
    patience_s = 20.0

    def __init__(self) -> None:
        self.rows: dict[str, _Rows] = {name: {} for name in KINDS}
        self.lines: list[t.JournalLine] = []
        self.events: list[w.EventRecord] = []
        self.memory_quick = MemoryQuickReads(self)
        self.quick: ports.QuickReads = self.memory_quick
        self.down = False
        self._line_ids = itertools.count(1)
        self._positions = itertools.count(1)
        self._order_positions = itertools.count(1)
        self._turn = asyncio.Lock()
        self._inside: set[asyncio.Task[Any] | None] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = defaultdict(int)

    def check(self) -> None:
        if self.down:
            raise StoreUnavailable

    def next_line_id(self) -> int:
        return next(self._line_ids)

    def next_position(self) -> int:
        return next(self._positions)

    def next_order_position(self) -> int:
        return next(self._order_positions)

    def transaction(self) -> AbstractAsyncContextManager[ports.Transaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[ports.Transaction]:
        self.check()
        with self._only_one_in_this_task():
            await self._patiently(self._turn, "another transaction")
            tx = MemoryTransaction(self)
            try:
                yield tx
                self.check()
                await tx.end()
                tx.commit()
            finally:
                tx.over = True
                self._turn.release()

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._exclusive(name)

    @asynccontextmanager
    async def _exclusive(self, name: str) -> AsyncIterator[None]:
        self.check()
        if asyncio.current_task() in self._inside:
            raise RuntimeError("Take the lock first, then begin the transaction.")
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._waiting[name] += 1
        try:
            await self._patiently(lock, f"the lock {name!r}")
            try:
                yield
            finally:
                lock.release()
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name], self._locks[name]

    async def ping(self) -> None:
        self.check()

    async def close(self) -> None:
        return None

    @contextmanager
    def _only_one_in_this_task(self) -> Iterator[None]:
        task = asyncio.current_task()
        if task in self._inside:
            raise RuntimeError("This task is inside a transaction already: hand it down.")
        self._inside.add(task)
        try:
            yield
        finally:
            self._inside.discard(task)

    async def _patiently(self, lock: asyncio.Lock, what: str) -> None:
        try:
            async with asyncio.timeout(self.patience_s):
                await lock.acquire()
        except TimeoutError:
            raise RuntimeError(f"Waited {self.patience_s:g} s for {what}.") from None
