"""THE LETTER SLOT. Amazon's notifications of feeds, orders and reports, where a queue is set.

Answers for: destinations and subscriptions of each account, reading the queue, telling the room
that a notification is for, and deleting it after that. Does not answer for: new client secrets (the
locksmith has a queue of its own), or for finding things out without a queue (each room polls).
"""

from __future__ import annotations

from evergrant.amazon_reports import AmazonReports
from evergrant.calls import Calls
from evergrant.feeds import Feeds
from evergrant.orders import Orders
from evergrant.ports import Clock
from evergrant.ports.secrets_queue import SecretsQueue
from evergrant.ports.store import Store
from evergrant.registry import Registry

__all__ = ["Notifications"]


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
        self._clock = clock
        self._registry = registry
        self._calls = calls
        self._queue = queue
        self._feeds = feeds
        self._orders = orders
        self._amazon_reports = amazon_reports
