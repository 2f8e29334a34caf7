"""One transaction: every shelf over one connection.

Answers for: ``ports.Transaction``, and what has to come last before its commit. Does not answer
for: beginning and ending it (``postgres``).
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from evergrant.adapters.store.boards import PostgresBoards
from evergrant.adapters.store.events import PostgresEvents
from evergrant.adapters.store.line import stand_in_line
from evergrant.adapters.store.orders import PostgresOrders
from evergrant.adapters.store.scans import PostgresScans
from evergrant.adapters.store.shelves import PostgresCallCounts, PostgresShelf
from evergrant.adapters.store.tables import SHELVES
from evergrant.adapters.store.telling import (
    TellingChanges,
    TellingDiary,
    TellingNotices,
    TellingOutbox,
    TellingRuns,
)
from evergrant.ports import boards as b
from evergrant.ports import signed_in as o
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.news import Gathered

__all__ = ["PostgresTransaction"]


class PostgresTransaction:
    """``ports.Transaction`` over one connection."""

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

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.over = False
        for name in SHELVES:
            setattr(self, name, PostgresShelf(name, self))
        self.news = Gathered()
        self.feed_runs = TellingRuns(self)
        self.notices = TellingNotices(self)
        self.outbox = TellingOutbox(self)
        self.call_counts = PostgresCallCounts(self)
        self.changes = TellingChanges(self)
        self._orders = PostgresOrders(self)
        self.orders = self._orders
        self._events = PostgresEvents(self)
        self.events = self._events
        self.scans = PostgresScans(self)
        self.boards = PostgresBoards(self)
        self._journal = TellingDiary(self)
        self.journal = self._journal

    @property
    def connection(self) -> AsyncConnection:
        self.check()
        return self._connection

    def check(self) -> None:
        if self.over:
            raise RuntimeError("This transaction is over.")

    async def end(self) -> None:
        """What has to come last before the commit."""
        await self._journal.write()
        await self._events.hold_accounts()
        if self._events.has_some or self._orders.has_some:
            await stand_in_line(self._connection)
            await self._events.write()
            await self._orders.write()
