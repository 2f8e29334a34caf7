"""THE LETTER SLOT. Amazon's notifications of feeds, orders and reports, where a queue is set.

Answers for: destinations and subscriptions of each account, reading the queue, telling the room
that a notification is for, and deleting it after that. Does not answer for: new client secrets (the
locksmith has a queue of its own), or for finding things out without a queue (each room polls).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evergrant.amazon_reports import AmazonReports
from evergrant.calls import Calls
from evergrant.errors import NotFound
from evergrant.feeds import Feeds
from evergrant.intake import need, need_everywhere
from evergrant.limits.setting import reached_account
from evergrant.notifications.board import Board
from evergrant.notifications.reading import Queues
from evergrant.notifications.subscribing import Subscribing
from evergrant.notifications.values import Heard, Subscribed
from evergrant.orders import Orders
from evergrant.ports import Clock
from evergrant.ports.secrets_queue import SecretsQueue
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import IntegrationCredentials
from evergrant.ports.traded import Subscription
from evergrant.registry import Registry
from evergrant.rules.notifications import NotificationType
from evergrant.rules.rights import Caller, Right

__all__ = ["Heard", "Notifications", "Subscribed"]

#: So many accounts in trouble are named for one type.
_MOST_NAMED = 5
#: A row counts its tries while Amazon refuses, once a day in the end.
_TRIED_OFTEN = tuple(range(1, 1000))


class Notifications:
    """One per process and event loop."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        registry: Registry,
        calls: Calls,
        queue: SecretsQueue,
        feeds: Feeds,
        orders: Orders,
        amazon_reports: AmazonReports,
    ) -> None:
        self._store = store
        board = Board(store, clock)
        self._subscribing = Subscribing(store=store, clock=clock, calls=calls, board=board)

        async def order_changed(account_id: str, order_id: str, now: datetime) -> bool:
            return await orders.note_changed(account_id, order_id)

        self._queues = Queues(
            store=store,
            clock=clock,
            registry=registry,
            queue=queue,
            board=board,
            rooms={
                NotificationType.FEED_FINISHED: feeds.runs.note_finished,
                NotificationType.ORDER_CHANGE: order_changed,
                NotificationType.REPORT_FINISHED: amazon_reports.note_finished,
            },
        )

    async def round(self) -> Heard:
        """Reads the queues of all applications that have one, and sees to what is subscribed. Safe
        to be called by several processes at once; the same notification twice does no harm. Raises
        StoreUnavailable."""
        async with self._store.transaction() as tx:
            everybody = await tx.credentials.all()
        with_queue = [one for one in everybody if _has_queue(one)]
        heard = await self._queues.round(await self._queues.ways(with_queue))
        return heard + await self._subscribing.round({one.id: one for one in with_queue})

    async def subscriptions(self, account_id: str, *, by: Caller) -> list[Subscription]:
        """What the account is subscribed to, and what stands in the way. Needs READ. Raises
        NotFound out of reach."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            return await tx.subscriptions.all(account_id=account_id)

    async def of_application(self, application_id: str, *, by: Caller) -> list[Subscribed]:
        """How far the accounts of an application are subscribed, by type; empty without a queue of
        notifications. Needs READ and reach of all. Raises NotFound."""
        need_everywhere(by, Right.READ)
        async with self._store.transaction() as tx:
            if await tx.applications.get(application_id) is None:
                raise NotFound
            own = await tx.credentials.get(application_id)
            if own is None or not _has_queue(own):
                return []
            return [await _subscribed(tx, application_id, kind) for kind in NotificationType]


async def _subscribed(tx: Transaction, application_id: str, kind: NotificationType) -> Subscribed:
    of: dict[str, Any] = {"application_id": application_id, "notification_type": kind.value}
    wanted = await tx.subscriptions.count(**of)
    troubled = await tx.subscriptions.count(tries=_TRIED_OFTEN, **of)
    return Subscribed(
        notification_type=kind,
        wanted=wanted,
        fine=wanted - troubled,
        troubled=tuple(await tx.subscriptions.all(tries=_TRIED_OFTEN, limit=_MOST_NAMED, **of)),
    )


def _has_queue(credentials: IntegrationCredentials) -> bool:
    return bool(
        credentials.notifications_queue_url
        and credentials.access_key_hint
        and credentials.secret_key_set
    )
