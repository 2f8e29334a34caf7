"""Buckets in memory.

Answers for: the whole contract of ``ports.budgets``, on the pure rule, within one process. Does not
answer for: other processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from evergrant.errors import StoreUnavailable
from evergrant.ports import Clock
from evergrant.ports.budgets import Level, Queued, Share, Taken, Wish
from evergrant.rules import budgets as rule

__all__ = ["MemoryBudgets"]


class MemoryBudgets:
    """``ports.budgets.Budgets`` in memory. Time is the ``clock``'s; without one it is the
    machine's. ``down = True`` is a database that does not answer."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._began_s = time.time() - time.monotonic()
        self.buckets: dict[str, rule.SharedBucket] = {}
        self.down = False

    async def take(self, wish: Wish) -> Taken | Queued:
        now_s = self._now_s()
        after, answer = rule.draw(self.buckets, wish, now_s)
        self.buckets |= after
        return answer

    async def give_back(
        self, shares: Sequence[Share], permits: int, *, receipts: Sequence[float]
    ) -> None:
        now_s = self._now_s()
        self.buckets |= rule.give_back(self.buckets, shares, permits, receipts, now_s)

    async def leave_line(self, wish: Wish) -> None:
        self._now_s()
        self.buckets |= rule.leave_line(self.buckets, wish)

    async def learn(self, bucket: str, reported_rate_per_s: float) -> None:
        now_s = self._now_s()
        if bucket in self.buckets:
            self.buckets[bucket] = rule.learn(self.buckets[bucket], reported_rate_per_s, now_s)

    async def drain(self, shares: Sequence[Share]) -> None:
        now_s = self._now_s()
        self.buckets |= rule.drain(self.buckets, shares, now_s)

    async def look(self, prefix: str) -> Sequence[Level]:
        now_s = self._now_s()
        return [
            Level.of(name, self.buckets[name], now_s)
            for name in sorted(self.buckets)
            if name.startswith(prefix)
        ]

    async def low(self, *, limit: int) -> Sequence[Level]:
        low = [one for one in await self.look("") if one.is_low]
        return sorted(low, key=lambda one: (one.left / one.plan.burst, one.bucket))[:limit]

    def _now_s(self) -> float:
        if self.down:
            raise StoreUnavailable
        if self._clock is not None:
            return self._clock.now().timestamp()
        return self._began_s + time.monotonic()
