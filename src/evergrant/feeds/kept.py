"""Figures that are counted over very many rows, for pages that many have open.

Answers for: counting once for all who ask meanwhile, and keeping for a while what took long. Does
not answer for: what is counted. The gallery's house figures are kept so, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from evergrant.ports import Clock

__all__ = ["DEAR_AFTER_S", "KEPT_FOR", "Kept"]

#: What took longer than so many seconds is kept for so long: an open page asks for it with every
#: piece of news. What is quick is counted anew each time.
DEAR_AFTER_S = 0.1
KEPT_FOR = timedelta(seconds=30)

T = TypeVar("T")


class Kept(Generic[T]):
    """One figure of one process and event loop; the same for every caller that may ask."""

    def __init__(self, clock: Clock, count: Callable[[datetime], Awaitable[T]]) -> None:
        self._clock = clock
        self._count = count
        self._kept: tuple[datetime, T] | None = None
        self._under_way: asyncio.Task[T] | None = None
        self.dear_after_s = DEAR_AFTER_S

    async def get(self) -> T:
        """Raises what counting raises, to all who wait for it."""
        now = self._clock.now()
        if self._kept is not None and now < self._kept[0] + KEPT_FOR:
            return self._kept[1]
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._counted(now), name="counting")
            self._under_way.add_done_callback(_seen)
        # Whoever hangs up does not end it for the others.
        return await asyncio.shield(self._under_way)

    async def _counted(self, now: datetime) -> T:
        began = time.monotonic()
        try:
            found = await self._count(now)
        finally:
            self._under_way = None
        self._kept = (now, found) if time.monotonic() - began > self.dear_after_s else None
        return found


def _seen(task: asyncio.Task[T]) -> None:
    """Where everybody hung up, nobody asks what became of it."""
    if not task.cancelled():
        task.exception()
