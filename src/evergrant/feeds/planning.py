"""The plan: what goes next for an account, on which path, and why the rest waits.

Answers for: reading what may go, asking ``rules.feedplans``, and claiming changes for runs, so that
nothing is claimed twice. Does not answer for: carrying a run out.
"""

from __future__ import annotations

from evergrant.limits import Limits
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.reviews import Reviews
from evergrant.rules.marketplaces import Marketplaces
from evergrant.settings import Cooking

__all__ = ["Planning"]


class Planning:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        limits: Limits,
        reviews: Reviews,
        marketplaces: Marketplaces,
        cooking: Cooking,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._reviews = reviews
        self._marketplaces = marketplaces
        self._cooking = cooking
