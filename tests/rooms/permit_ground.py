"""Permits of several processes over one set of buckets, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from evergrant.calls.background import Background
from evergrant.calls.lines import Line, Permit
from evergrant.calls.permits import Permits
from evergrant.errors import OverLimit
from evergrant.ports.budgets import Queued, Share, Taken, Wish
from evergrant.rules.budgets import Importance, Plan
from tests.rooms.gate_ground import ToldBudgets
from tests.rooms.virtual_time import VirtualTime

SLOW = Plan(1.0, 1)
SMALL = Plan(1.0, 3)
FAST = Plan(2_000.0, 2_000)


class House:
    """Processes over one set of buckets."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.budgets = ToldBudgets(self.time.clock)
        self.backgrounds: list[Background] = []
        self.here = self.process()

    def process(self, budgets: ToldBudgets | None = None, **settings: int) -> Permits:
        background = Background()
        self.backgrounds.append(background)
        return Permits(
            budgets or self.budgets,
            background,
            monotonic=self.time.monotonic,
            sleep=self.time.sleep,
            **settings,
        )

    def line(
        self,
        plan: Plan,
        process: Permits | None = None,
        *,
        bucket: str = "app/acc/eu/op",
        reserve: int = 0,
        importance: Importance = Importance.LAST,
    ) -> Line:
        share = Share(bucket=bucket, plan=plan, reserve=reserve)
        return (process or self.here).line((share,), importance)

    async def spend(self, line: Line, permits: int) -> None:
        for _ in range(permits):
            await self.time.result(self.here.take(line, "somebody", 0.0))

    def waiting(
        self, line: Line, caller: str, patience_s: float = 100.0, process: Permits | None = None
    ) -> asyncio.Task[Permit]:
        return asyncio.ensure_future((process or self.here).take(line, caller, patience_s))


class Gated(ToldBudgets):
    """Every answer waits for a sign; what was asked was done nonetheless."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.gate = asyncio.Event()

    async def take(self, wish: Wish) -> Taken | Queued:
        answer = await super().take(wish)
        await self.gate.wait()
        return answer


async def over_limit(task: asyncio.Task[Permit]) -> OverLimit:
    with pytest.raises(OverLimit) as caught:
        await task
    return caught.value


async def busy(house: House, line: Line) -> int:
    """Two calls, one soon after the other; gives how many it took until a hand was there."""
    calls = 0
    while not line.hand.held:
        await house.time.result(house.here.take(line, "a", 0.0))
        calls += 1
        assert calls <= 2, "no hand was taken"
    assert line.hand.held == line.hand_size > 0
    return calls
