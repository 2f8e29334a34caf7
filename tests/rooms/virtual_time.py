"""Time that passes only when nobody has anything else to do."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from evergrant.testing.clock import FakeClock

T = TypeVar("T")

#: So often everybody may run before time moves on.
_ROUNDS = 30


class VirtualTime:
    """A stopwatch and a way to sleep that agree with one another, and with the clock: it is moved
    by this and by nobody else."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self._began_at = self.clock.now()
        self.at_s = 0.0
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def monotonic(self) -> float:
        return 1000.0 + self.at_s

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.at_s + max(seconds, 0.0), next(self._count), woken))
        await woken

    async def settle(self) -> None:
        """Everybody runs until they wait."""
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)

    async def move(self, seconds: float) -> None:
        """Lets so much time pass, waking sleepers in their order."""
        end_s = self.at_s + seconds
        await self.settle()
        while self._sleeping and self._sleeping[0][0] <= end_s:
            self._wake_next()
            await self.settle()
        self._set(end_s)

    async def result(self, work: Awaitable[T], within_s: float = 3600.0) -> T:
        """What comes of it, letting as much time pass as it takes."""
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        end_s = self.at_s + within_s
        await self.settle()
        while not task.done():
            assert self._sleeping, "it waits for nobody who sleeps"
            assert self._sleeping[0][0] <= end_s, f"not done after {within_s} s"
            self._wake_next()
            await self.settle()
        found: T = task.result()
        return found

    def _wake_next(self) -> None:
        at_s, _, woken = heapq.heappop(self._sleeping)
        self._set(max(self.at_s, at_s))
        if not woken.done():
            woken.set_result(None)

    def _set(self, at_s: float) -> None:
        self.at_s = at_s
        self.clock.at = self._began_at + timedelta(seconds=at_s)
