"""A store in memory, with transactions that roll back and keys that refuse.

Answers for: the whole contract of ``ports.store``: unique keys (partial ones too), references,
conditional change, order, isolation. Does not answer for: the shelves themselves
(``testing.shelves``), or for speed with very many rows.

One transaction runs at a time; others wait. Its rows are seen by nobody before it commits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from evergrant.errors import StoreUnavailable
from evergrant.ports import boards as b
from evergrant.ports import signed_in as o
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.news import Gathered, Tidings
from evergrant.testing.boards import MemoryBoards
from evergrant.testing.kinds import KINDS
from evergrant.testing.shelves import (
    MemoryCallCounts,
    MemoryDiary,
    MemoryOrders,
    MemoryOutbox,
    MemoryShelf,
)
from evergrant.testing.telling import (
    TellingChanges,
    TellingDiary,
    TellingNotices,
    TellingOutbox,
    TellingRuns,
)
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

_GONE = object()
_Rows = dict[str, Any]


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
    operator_sessions: ports.Shelf[o.OperatorSession]
    operator_invitations: ports.Shelf[o.OperatorInvitation]
    recovery_codes: ports.Shelf[o.RecoveryCode]
    sign_in_counts: ports.Shelf[o.SignInCount]
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
    saved_filters: ports.Shelf[b.SavedFilter]
    events: ports.Events
    scans: ports.Scans
    boards: b.Boards
    safe: ports.Shelf[t.SealedSecret]
    journal: ports.Diary

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.written: dict[str, _Rows] = defaultdict(dict)
        self.lines: list[t.JournalLine] = []
        self.told: list[w.EventRecord] = []
        self.forgotten: set[str] = set()
        self.torn_out: set[int] = set()
        self.news = Gathered()
        self.over = False

    def __getattr__(self, name: str) -> Any:
        """A shelf, when it is asked for first: most transactions need three of forty."""
        make = _SHELVES.get(name)
        if make is None:
            raise AttributeError(name)
        shelf = make(self)
        setattr(self, name, shelf)
        return shelf

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
        if self.told or self.forgotten:
            every = (*self.store.events, *self.told)
            self.store.events[:] = [one for one in every if one.id not in self.forgotten]

    async def end(self) -> None:
        """What has to come last before the commit."""
        made = vars(self)
        if "events" in made:
            await made["events"].write()
        if "orders" in made:
            made["orders"].write()


_SHELVES: dict[str, Callable[[MemoryTransaction], Any]] = {
    **{name: partial(MemoryShelf, name) for name in KINDS},
    "feed_runs": TellingRuns,
    "notices": TellingNotices,
    "outbox": TellingOutbox,
    "call_counts": MemoryCallCounts,
    "changes": TellingChanges,
    "orders": MemoryOrders,
    "events": MemoryEvents,
    "scans": MemoryScans,
    "boards": MemoryBoards,
    "journal": TellingDiary,
}


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

    async def signed_in(self, secret_digest: str) -> tuple[o.OperatorSession, t.Operator] | None:
        self._ask()
        for session in self._store.rows["operator_sessions"].values():
            if session.secret_digest == secret_digest:
                return session, self._store.rows["operators"][session.operator_id]
        return None

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
        #: Whoever is told what a transaction changed, once it is committed.
        self.criers: list[Callable[[Sequence[Tidings]], None]] = []
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
            if tx.news:
                for tell in self.criers:
                    tell(tx.news.all())

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
