"""Runs on PostgreSQL, where two nodes really are at the same run at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from evergrant.adapters.store import open_store
from evergrant.ports.store import Store
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from tests.rooms.kitchen_amazon import Mood, no_answer
from tests.rooms.kitchen_ground import Kitchen

A, R = ChangeState.ACCEPTED, ChangeState.REFUSED


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    here, there = await open_store(database_url), await open_store(database_url)
    yield here, there
    await here.close()
    await there.close()


@pytest.mark.parametrize("path", [Path.ADJUSTMENT_FEED, Path.PATCH, Path.RETAIL_SHIPMENT])
async def test_two_nodes_at_one_run(stores: tuple[Store, Store], path: Path) -> None:
    house = await Kitchen(path, stores[0]).furnish()
    house.amazon.bad = {"two"}
    await house.wish("one", "two", "three")
    if path is not Path.PATCH:
        house.amazon.moods["submit" if path is Path.RETAIL_SHIPMENT else "createFeed"] = Mood(
            no_answer
        )
    run_id = await house.plan()
    assert run_id is not None
    here, there = house.runs, house.another(stores[1])
    for _ in range(60):
        ends = await asyncio.gather(*(node.go(run_id) for node in (here, there, here, there)))
        waiting = [run.next_at for run in ends if run.next_at is not None]
        if not waiting:
            break
        house.clock.set(max(min(waiting), house.clock.now()))
    assert await house.ends() == {"one": A, "two": R, "three": A}
    (run,) = await house.all_runs()
    assert (run.accepted, run.refused, run.returned, run.uncertain) == (2, 1, 0, 0)
    assert len(await house.events("feed.settled")) == 1
    assert max(house.amazon.done.refunds.values(), default=1) == 1
    assert max(house.amazon.done.transactions.values(), default=1) == 1


async def test_two_nodes_and_many_invoices(stores: tuple[Store, Store]) -> None:
    house = await Kitchen(Path.INVOICE_FEED, stores[0]).furnish()
    await house.wish("R-1", "R-2", "R-3")
    house.amazon.moods["createFeed"] = Mood(no_answer, times=2)
    run_ids = [run_id for _ in range(3) if (run_id := await house.plan())]
    here, there = house.runs, house.another(stores[1])
    for _ in range(200):
        ends = await asyncio.gather(
            *(node.go(run_id) for run_id in run_ids for node in (here, there))
        )
        waiting = [run.next_at for run in ends if run.next_at is not None]
        if not waiting:
            break
        house.clock.set(max(min(waiting), house.clock.now()))
    assert set((await house.ends()).values()) == {A}
    assert house.amazon.done.invoices == {"R-1": 1, "R-2": 1, "R-3": 1}
