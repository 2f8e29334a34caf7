"""How long the kitchen remembers: what is settled goes, what is open never does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evergrant.feeds import keeping
from evergrant.feeds.keeping import Keeping, Tidied
from evergrant.ports.things import Account
from evergrant.ports.traded import Outcome
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import RunStep
from evergrant.settings import Cooking
from tests.rooms.hatch_ground import price, refund, stock
from tests.rooms.test_ledger import House

DAY = timedelta(days=1)


@pytest.fixture
async def house() -> House:
    house = House()
    await house.open()
    return house


@pytest.fixture
async def account(house: House) -> Account:
    return await house.add()


def room(house: House, **cooking: Any) -> Keeping:
    return Keeping(store=house.store, clock=house.clock, cooking=Cooking(**cooking))


async def left(house: House) -> tuple[set[str], int, int]:
    async with house.store.transaction() as tx:
        changes = await tx.changes.read(limit=1_000)
        return {one.id for one in changes}, await tx.feed_runs.count(), await tx.intakes.count()


async def test_wishes_of_a_state_go_after_a_month_and_deeds_after_two_years(
    house: House, account: Account
) -> None:
    stocked, priced, refunded = await house.put(account, stock("A"), price("B"), refund())
    for one in (stocked, priced, refunded):
        await house.end(await house.begin(account, one), ChangeState.ACCEPTED)
    (waits,) = await house.put(account, stock("C"))
    house.clock.move(29 * DAY)
    assert await room(house).tidy() == Tidied()
    house.clock.move(2 * DAY)
    assert await room(house).tidy() == Tidied(changes=2)
    assert await left(house) == ({refunded, waits}, 3, 2)
    house.clock.move(60 * DAY)
    assert await room(house).tidy() == Tidied(intakes=2)
    house.clock.move(100 * DAY)
    assert await room(house).tidy() == Tidied(runs=3)
    assert await left(house) == ({refunded, waits}, 0, 0)
    house.clock.move(600 * DAY)
    assert await room(house).tidy() == Tidied(changes=1)
    assert await left(house) == ({waits}, 0, 0)


async def test_what_is_open_stays_however_old_it_is(house: House, account: Account) -> None:
    waits, doubtful = await house.put(account, stock(), refund())
    run = await house.begin(account, doubtful)
    async with house.store.transaction() as tx:
        await tx.changes.settle_rest(
            run, Outcome(change_id="", state=ChangeState.UNCERTAIN), house.clock.now()
        )
        await tx.feed_runs.change(run, step=RunStep.UNCERTAIN, next_at=None)
    house.clock.move(2_000 * DAY)
    assert await room(house).tidy() == Tidied(intakes=1)
    assert await left(house) == ({waits, doubtful}, 1, 0)


async def test_in_batches_and_the_rest_next_time(
    house: House, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "BATCH", 3)
    monkeypatch.setattr(keeping, "SMALL_BATCH", 2)
    monkeypatch.setattr(keeping, "MOST_BATCHES", 3)
    for number in range(11):
        (one,) = await house.put(account, stock(f"S-{number}"))
        await house.end(await house.begin(account, one), ChangeState.ACCEPTED)
    house.clock.move(400 * DAY)
    assert await room(house).tidy() == Tidied(changes=9, runs=6, intakes=6)
    assert await room(house).tidy() == Tidied(changes=2, runs=5, intakes=5)
    assert await room(house).tidy() == Tidied()


async def test_as_long_as_the_house_says(house: House, account: Account) -> None:
    (one,) = await house.put(account, stock())
    await house.end(await house.begin(account, one), ChangeState.ACCEPTED)
    house.clock.move(3 * DAY)
    assert await room(house, changes_kept=4 * DAY).tidy() == Tidied()
    assert await room(house, changes_kept=2 * DAY).tidy() == Tidied(changes=1)
