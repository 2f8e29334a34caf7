"""Turns on PostgreSQL, where they really happen at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import Conflict
from evergrant.feeds.working import Working
from evergrant.ports.traded import FeedRun
from evergrant.rules.feedruns import RunStep
from tests.rooms.hatch_ground import ERP
from tests.rooms.test_working import House


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    store = await open_store(database_url)
    house = House(store=store)
    await house.open()
    yield house
    await store.close()


async def test_turns_at_once_and_presses_between_them(house: House) -> None:
    """Whatever overtakes what: in the end nothing is open and nobody is due."""
    account = await house.add()
    runs = [await house.begin(account) for _ in range(12)]

    async def slowly(run: FeedRun) -> None:
        await asyncio.sleep(0)
        await house.end(run)

    async def presses() -> None:
        for _ in range(8):
            await house.due(account)
            runs.append(await house.begin(account))
            await asyncio.sleep(0)

    async def turns() -> None:
        for _ in range(5):
            await house.turns.work(account.id)

    house.runs.always = slowly
    await asyncio.gather(presses(), *(turns() for _ in range(3)))
    for _ in range(20):
        house.clock.move(seconds=30)
        for account_id in await house.turns.tick():
            await house.turns.work(account_id)
    assert {(await house.run(run.id)).step for run in runs} == {RunStep.SETTLED}
    assert await house.turns.tick() == []


async def test_a_press_between_reading_and_resting_is_never_lost(house: House) -> None:
    """Each press comes with a run that is due: if one were forgotten, its run would stay."""
    account = await house.add()
    for _ in range(8):
        run = await house.begin(account, next_at=house.clock.now() + timedelta(hours=3))

        async def news(run: FeedRun = run) -> None:
            await house.move(run, next_at=house.clock.now())
            await house.due(account)

        await house.due(account)
        await asyncio.gather(house.turns.work(account.id), news())
        for _ in range(3):
            for account_id in await house.turns.tick():
                await house.turns.work(account_id)
        assert (await house.run(run.id)).step is RunStep.SETTLED
        assert await house.turns.tick() == []


async def test_people_at_once_have_their_turn_one_after_the_other(house: House) -> None:
    account = await house.add()
    turns: Working = house.turns
    await asyncio.gather(*(turns.pause(account.id, by=ERP, note=str(n)) for n in range(20)))
    ends = await asyncio.gather(
        *(turns.resume(account.id, by=ERP) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(one, Conflict) for one in ends) == 5
    async with house.store.transaction() as tx:
        verbs = [line.verb for line in await tx.journal.read(limit=100)]
    assert (verbs.count("feeds.paused"), verbs.count("feeds.resumed")) == (20, 1)
