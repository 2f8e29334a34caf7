"""A run that somebody stops while its calls are on their way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from evergrant.errors import Conflict
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import CALLS_LEASE, Path, RunStep
from tests.rooms.kitchen_ground import ROOT, Kitchen, kitchen

A, F, P, S = (
    ChangeState.ACCEPTED,
    ChangeState.IN_FLIGHT,
    ChangeState.PENDING,
    ChangeState.SUPERSEDED,
)


class Slow:
    """Amazon hears the first call of an operation at once, and does it when it is let."""

    def __init__(self, house: Kitchen) -> None:
        self.house = house
        self.heard, self.let = asyncio.Event(), asyncio.Event()
        house.fakes.selling_partner_api.play(self.play)

    async def play(self, call: Any, about: str) -> Any:
        if not self.heard.is_set() and call.path.startswith("/listings/"):
            self.heard.set()
            await self.let.wait()
        return await self.house.amazon.play(call, about)


async def test_an_older_value_never_comes_behind_a_newer_one() -> None:
    house = await kitchen(Path.PATCH)
    slow = Slow(house)
    await house.wish("one", number=5)
    run_id = await house.plan()
    assert run_id is not None
    worker = asyncio.create_task(house.runs.go(run_id))
    await slow.heard.wait()
    stopped = await house.another().cancel(run_id, by=ROOT)
    assert not stopped.step.is_over, "its call may still be on its way"
    await house.wish("one", number=6)
    assert await house.plan() is None, "the newer value waits for that"
    slow.let.set()
    await worker
    await house.rest()
    assert house.amazon.done.stock == {"one": 6}
    states = sorted((one.wish["quantity"], one.state) for one in await house.changes())
    assert states == [(5, S), (6, A)]
    assert (await house.verbs())[:3] == ["run.submitted", "run.cancelled", "run.failed"]


async def test_it_ends_when_nobody_can_be_calling_any_more() -> None:
    house = await kitchen(Path.PATCH)
    slow = Slow(house)
    await house.wish("one")
    run_id = await house.plan()
    assert run_id is not None
    worker = asyncio.create_task(house.runs.go(run_id))
    await slow.heard.wait()
    await house.runs.cancel(run_id, by=ROOT)
    with pytest.raises(Conflict):
        await house.runs.cancel(run_id, by=ROOT)
    slow.let.set()
    run = await worker
    assert run.next_at is not None
    assert run.next_at <= house.clock.now() + CALLS_LEASE
    house.clock.set(run.next_at - timedelta(seconds=1))
    assert (await house.runs.go(run_id)).step is RunStep.PROCESSING
    house.clock.set(run.next_at)
    ended = await house.another().go(run_id)
    assert (ended.step, ended.returned) == (RunStep.FAILED, 1)
    (change,) = await house.changes()
    assert (change.state, change.kind) == (P, ChangeKind.STOCK)
    assert "stopped the run" in change.message


async def test_who_stops_a_run_that_goes_on_meanwhile_left_no_line() -> None:
    """Either it is stopped, or nothing of it is written."""
    house = await kitchen(Path.ADJUSTMENT_FEED)
    await house.wish("one")
    run_id = await house.plan()
    assert run_id is not None
    person = house.another()
    original = person._cancel

    async def meanwhile(case: Any, by: Any) -> Any:
        await house.runs.go(run_id)
        return await original(case, by)

    person._cancel = meanwhile  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await person.cancel(run_id, by=ROOT)
    assert "run.cancelled" not in await house.verbs()
    await house.rest()
    assert house.amazon.done.refunds == {"one": 1}
