"""How long the kitchen keeps what it has done with.

Answers for: forgetting settled changes, runs that are over, and batches as they were handed in.
Does not answer for: what is still open: that is kept for however long it takes; or for the PDF of
an invoice, which leaves the safe when its change is settled, as it names a buyer.

A stock or price change is worth little once it is settled. What was shipped, invoiced, cancelled
and refunded is remembered for two years, so that nobody asks for it twice by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.rules.changes import STATE_SETTING, ChangeKind
from evergrant.settings import Cooking

__all__ = ["DEEDS_KEPT", "INTAKES_KEPT", "RUNS_KEPT", "Keeping", "Tidied"]

DEEDS_KEPT = timedelta(days=2 * 366)
RUNS_KEPT = timedelta(days=183)
#: The same idempotency key gives the same answer for so long.
INTAKES_KEPT = timedelta(days=90)
#: Rows of one statement, and of one round; what is more waits for the next one.
BATCH = 10_000
MOST_BATCHES = 20
SMALL_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What one round forgot: counts."""

    changes: int = 0
    runs: int = 0
    intakes: int = 0


class Keeping:
    def __init__(self, *, store: Store, clock: Clock, cooking: Cooking) -> None:
        self._store = store
        self._clock = clock
        self._cooking = cooking

    async def tidy(self) -> Tidied:
        """One round. Raises StoreUnavailable."""
        now = self._clock.now()
        deeds = frozenset(ChangeKind) - STATE_SETTING
        return Tidied(
            changes=await self._forget(STATE_SETTING, now - self._cooking.changes_kept)
            + await self._forget(deeds, now - DEEDS_KEPT),
            runs=await self._drop_runs(now - RUNS_KEPT),
            intakes=await self._drop_intakes(now - INTAKES_KEPT),
        )

    async def _forget(self, kinds: frozenset[ChangeKind], before: datetime) -> int:
        gone = 0
        for _ in range(MOST_BATCHES):
            async with self._store.transaction() as tx:
                went = await tx.changes.purge(before, kinds, limit=BATCH)
            gone += went
            if went < BATCH:
                break
        return gone

    async def _drop_runs(self, before: datetime) -> int:
        gone = 0
        for _ in range(MOST_BATCHES):
            async with self._store.transaction() as tx:
                old = await tx.feed_runs.all(before=("ended_at", before), limit=SMALL_BATCH)
                gone += await tx.feed_runs.drop_all([run.id for run in old])
            if len(old) < SMALL_BATCH:
                break
        return gone

    async def _drop_intakes(self, before: datetime) -> int:
        gone = 0
        for _ in range(MOST_BATCHES):
            async with self._store.transaction() as tx:
                old = await tx.intakes.all(before=("created_at", before), limit=SMALL_BATCH)
                gone += await tx.intakes.drop_all([one.id for one in old])
            if len(old) < SMALL_BATCH:
                break
        return gone
