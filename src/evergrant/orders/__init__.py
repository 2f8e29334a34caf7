"""THE ORDER BOOK. Reads the orders of every account, keeps them for a while, and hands them on.

Answers for: sweeps from the last bound, orders that a notification names, what is personal lying
sealed, reading on from a position, forgetting after 30 days. Does not answer for: confirming,
cancelling or refunding orders (the kitchen).
"""

from __future__ import annotations

from evergrant.calls import Calls
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = ["Orders"]


class Orders:
    """One per process and event loop."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        calls: Calls,
        bell: Bell,
        marketplaces: Marketplaces,
        cooking: Cooking,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._calls = calls
        self._bell = bell
        self._marketplaces = marketplaces
        self._cooking = cooking
