"""Whose turn it is: accounts that have something to do, and one account's turn.

Answers for: finding them, one turn from open runs to a fresh plan, pausing and hurrying an account.
Does not answer for: what is in the plan, or how a run goes.
"""

from __future__ import annotations

from evergrant.feeds.planning import Planning
from evergrant.feeds.running import Running
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store
from evergrant.settings import Cooking

__all__ = ["Working"]


class Working:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bell: Bell,
        plans: Planning,
        runs: Running,
        cooking: Cooking,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._plans = plans
        self._runs = runs
        self._cooking = cooking
