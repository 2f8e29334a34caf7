"""What ``evergrant check`` says of the kitchen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from evergrant.checks import Finding, look_at
from evergrant.naming import new_id
from evergrant.ports.traded import FeedRun, OrderSweep
from evergrant.rules import ids
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import SYSTEM
from evergrant.settings import Settings
from tests.doors import mint_house

KITCHEN = {f"EG10{number}" for number in range(6)}
HOUR = timedelta(hours=1)


class House(mint_house.House):
    account_id: str

    @property
    def now(self) -> datetime:
        return self.fakes.clock.now()

    async def furnish(self) -> House:
        await self.open()
        self.account_id = await self.account()
        return self

    async def found(self) -> dict[str, Finding]:
        """Of the kitchen, by number; each at most once."""
        settings = Settings.from_environment({})
        findings = (await look_at(self.desk, settings)).findings
        of = [one for one in findings if one.code in KITCHEN]
        assert len({one.code for one in of}) == len(of)
        assert not [one for one in findings if one.code == "EG099"]
        return {one.code: one for one in of}

    async def put(self, **line: Any) -> None:
        line = line or {"kind": "stock", "sku": "MUG-1", "quantity": 3}
        taken = await self.desk.feeds.intake.put(self.account_id, [line], by=SYSTEM)
        assert taken.taken == 1, taken.answers

    async def rest(self, **values: Any) -> None:
        """As after a turn that found nothing to do."""
        async with self.desk.store.transaction() as tx:
            await tx.work.change(self.account_id, due_at=None, **values)

    async def run(self, **values: Any) -> str:
        run = FeedRun(
            id=new_id(ids.Kind.FEED_RUN, self.now),
            account_id=self.account_id,
            application_id=self.application_id,
            region=Region.EU,
            **{
                "path": Path.LISTINGS_FEED,
                "created_at": self.now,
                "changed_at": self.now,
                **values,
            },
        )
        async with self.desk.store.transaction() as tx:
            await tx.feed_runs.add(run)
        return run.id

    async def state(self, state: State) -> None:
        async with self.desk.store.transaction() as tx:
            found = await tx.authorizations.one(account_id=self.account_id)
            assert found is not None
            await tx.authorizations.change(found.id, state=state)


@pytest.fixture
async def house() -> House:
    return await House().furnish()


async def test_an_idle_kitchen_has_nothing_to_say(house: House) -> None:
    assert await house.found() == {}


async def test_accounts_that_are_due_and_nobody_comes(house: House) -> None:
    await house.put()
    house.fakes.clock.move(minutes=14)
    assert await house.found() == {}
    house.fakes.clock.move(minutes=2)
    finding = (await house.found())["EG100"]
    assert finding.message.startswith("For 15 minutes or longer: 1: ")
    await house.rest()
    assert await house.found() == {}


async def test_changes_that_wait_for_no_reason(house: House) -> None:
    await house.put()
    await house.rest()
    house.fakes.clock.move(hours=23)
    assert await house.found() == {}
    house.fakes.clock.move(hours=2)
    assert set(await house.found()) == {"EG101"}


@pytest.mark.parametrize("hours", [None, -1, 5])
async def test_changes_that_wait_for_a_reason(house: House, hours: float | None) -> None:
    await house.put()
    house.fakes.clock.move(hours=25)
    until = None if hours is None else (house.now + hours * HOUR).isoformat()
    wait = {"why": "later", "count": 1, "until": until, "more": ""}
    await house.rest(waits={"stock": [wait]})
    assert await house.found() == {}
    await house.put(kind="price", sku="MUG-1", price="9.99", currency="EUR")
    await house.rest()
    house.fakes.clock.move(hours=25)
    # Nobody knows of the price; and what should have ended long ago is no reason any more.
    assert set(await house.found()) == {"EG101"}


@pytest.mark.parametrize("state", [State.LAPSED, State.REVOKED, State.CLOSED])
async def test_changes_of_an_account_that_cannot_work(house: House, state: State) -> None:
    await house.put()
    await house.rest()
    house.fakes.clock.move(hours=25)
    await house.state(state)
    assert await house.found() == {}


async def test_changes_of_a_paused_account(house: House) -> None:
    await house.put()
    await house.desk.feeds.work.pause(house.account_id, by=SYSTEM)
    await house.rest()
    house.fakes.clock.move(hours=25)
    assert await house.found() == {}


async def test_runs_that_nobody_can_tell_of(house: House) -> None:
    run = await house.run(step=RunStep.UNCERTAIN)
    await house.run(step=RunStep.SETTLED, ended_at=house.now)
    assert (await house.found())["EG102"].message == f"1: {run}."


async def test_runs_that_amazon_takes_long_for(house: House) -> None:
    at = house.now - 9 * HOUR
    run = await house.run(step=RunStep.PROCESSING, submitted_at=at, feed_id="50001")
    await house.run(step=RunStep.PROCESSING, submitted_at=house.now - HOUR)
    await house.run(step=RunStep.PROCESSING, submitted_at=at, path=Path.PATCH)
    await house.run(step=RunStep.SETTLED, submitted_at=at, ended_at=house.now)
    assert (await house.found())["EG103"].message == f"1: {run} (feed 50001)."


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"failures": 5, "last_error": "Amazon said no."}, "EG104"),
        ({"failures": 4}, None),
        ({"lacks": "merchant_token"}, "EG105"),
        ({"lacks": "tax_data"}, None),
    ],
)
async def test_orders_that_are_not_read(
    house: House, values: dict[str, Any], code: str | None
) -> None:
    async with house.desk.store.transaction() as tx:
        await tx.order_sweeps.put(OrderSweep(id=house.account_id, changed_at=house.now, **values))
    assert set(await house.found()) == ({code} if code else set())
    await house.state(State.LAPSED)
    assert await house.found() == {}
