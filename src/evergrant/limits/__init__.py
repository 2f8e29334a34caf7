"""THE METER. Usage plans, what is left of them, and what was spent.

Answers for: which plans hold for a call (Amazon's, an operator's), every bucket of an account live,
counts of calls, waits, throttles and errors. Does not answer for: taking permits (the gate).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from evergrant.limits.counts import Counts
from evergrant.limits.plans import Plans
from evergrant.ports import Clock
from evergrant.ports.budgets import Budgets, Share
from evergrant.ports.store import Store
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation

__all__ = ["Limits"]


class Limits:
    """One per process and event loop. ``monotonic`` gives seconds that never go back."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        budgets: Budgets,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._budgets = budgets
        self._plans = Plans(store, monotonic)
        self._counts = Counts(store, clock)

    # --- for the gate ---------------------------------------------------------------------------

    def shares(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance = Importance.LAST,
    ) -> tuple[Share, ...] | None:
        """The buckets that a call draws on: that of the pair and, where there is one, that of the
        application. None: what operators set is not at hand; then ``fetch_shares``."""
        return self._plans.shares(application_id, account_id, region, operation, importance)

    async def fetch_shares(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance = Importance.LAST,
    ) -> tuple[Share, ...]:
        """As ``shares``, after a look at what operators set. Raises StoreUnavailable."""
        return await self._plans.fetch_shares(
            application_id, account_id, region, operation, importance
        )

    def note_call(
        self,
        account_id: str,
        operation: str,
        region: Region,
        *,
        status: int | None,
        error: str,
        took_s: float,
        waited_s: float,
    ) -> None:
        """A call was made. ``operation`` is a name; ``status`` Amazon's, None when no answer came;
        ``error`` a word for what went wrong, empty when nothing did. Never waits, never raises."""
        self._counts.note_call(
            account_id,
            operation,
            region,
            status=status,
            error=error,
            took_s=took_s,
            waited_s=waited_s,
        )

    def note_refused(self, account_id: str, operation: str, region: Region) -> None:
        """We answered 429 ourselves; Amazon was not asked. Never waits, never raises."""
        self._counts.note_refused(account_id, operation, region)

    async def flush(self) -> None:
        """Writes down what was counted. Raises StoreUnavailable; then nothing is lost."""
        await self._counts.flush()

    async def close(self) -> None:
        """Writes down what was counted, for the last time, and ends what runs in the background.
        Never raises."""
        await self._plans.close()
        await self._counts.close()
