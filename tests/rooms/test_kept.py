"""Figures that are dear: counted once for all, kept for a while."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from evergrant.errors import StoreUnavailable
from evergrant.feeds.kept import KEPT_FOR, Kept
from evergrant.testing.clock import FakeClock

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)


class Counting:
    """Counts how often it was asked; takes as long as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.trouble: Exception | None = None

    async def __call__(self, now: datetime) -> int:
        self.asked += 1
        number = self.asked
        self.begun.set()
        await self.goes_on.wait()
        if self.trouble is not None:
            raise self.trouble
        return number


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


async def test_what_is_quick_is_counted_each_time(clock: FakeClock) -> None:
    kept = Kept(clock, Counting())
    kept.dear_after_s = 60.0
    assert [await kept.get() for _ in range(3)] == [1, 2, 3]


async def test_what_took_long_is_kept_for_a_while(clock: FakeClock) -> None:
    kept = Kept(clock, Counting())
    kept.dear_after_s = -1.0
    assert [await kept.get() for _ in range(3)] == [1, 1, 1]
    clock.move(KEPT_FOR)
    assert await kept.get() == 2


async def test_whoever_asks_meanwhile_shares_it_and_whoever_hangs_up_does_not_end_it(
    clock: FakeClock,
) -> None:
    count = Counting()
    count.goes_on.clear()
    kept = Kept(clock, count)
    first, *others = [asyncio.create_task(kept.get()) for _ in range(4)]
    await count.begun.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    count.goes_on.set()
    assert await asyncio.gather(*others) == [1, 1, 1]
    assert count.asked == 1


async def test_trouble_is_told_to_all_who_wait_and_to_nobody_later(clock: FakeClock) -> None:
    count = Counting()
    kept = Kept(clock, count)
    kept.dear_after_s = -1.0
    count.trouble = StoreUnavailable()
    found = await asyncio.gather(*(kept.get() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable] * 3
    count.trouble = None
    assert await kept.get() == 2
