"""Calls of Evergrant's own: a permit before each, and the gate is told how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evergrant.errors import AmazonUnavailable, CallDenied, OverLimit, Throttled
from evergrant.ports.amazon import Hears
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.operations import find
from tests.rooms.gate_ground import OTHER, SELLERS, GateGround
from tests.rooms.mint_ground import OPERATOR, Held

NAME = "sellers.v1.getMarketplaceParticipations"
BURST = find("GET", SELLERS).plan.burst


@pytest.fixture
async def ground() -> AsyncIterator[GateGround]:
    ground = GateGround()
    yield ground
    await ground.close()


@pytest.fixture
async def shop(ground: GateGround) -> Held:
    shop = await ground.shop()
    ground.api.participate(shop.about, [])
    return shop


async def look(ground: GateGround, shop: Held, patience_s: float = 0.0) -> Any:
    """As the reception calls."""
    minted = await ground.one.tokens.mint(shop.account_id, by=OPERATOR)

    async def call(hears: Hears) -> Any:
        return await ground.api.participations(
            STANDARD.endpoint(minted.region), minted.value, hears
        )

    async def made() -> Any:
        async with ground.calls.own.permitted(
            NAME,
            minted.value,
            account_id=shop.account_id,
            application_id=minted.application_id,
            region=minted.region,
            ready_to_wait_s=patience_s,
        ) as hears:
            return await call(hears)

    return await ground.time.result(made())


async def spend(ground: GateGround, shop: Held, calls: int) -> None:
    """All of the bucket takes a moment longer, which is the margin."""
    for _ in range(calls):
        await look(ground, shop, 1.0)


async def test_it_draws_on_the_bucket_that_programs_draw_on(ground: GateGround, shop: Held) -> None:
    await spend(ground, shop, BURST - 2)
    leave = await ground.admit(shop, path=SELLERS, ready_to_wait_s=0.0, by=OTHER)
    assert leave.permits_left == 0
    with pytest.raises(OverLimit):
        await look(ground, shop)
    assert ground.api.count("participations", shop.about) == BURST - 2, "Amazon was not asked"


async def test_without_a_permit_it_is_told_when_to_come_again(
    ground: GateGround, shop: Held
) -> None:
    await spend(ground, shop, BURST)
    with pytest.raises(OverLimit) as caught:
        await look(ground, shop, 3.0)
    assert 55 < caught.value.retry_after_s < 70, "one in 62.5 s"
    assert caught.value.facts == {"operation": NAME, "account_id": shop.account_id}
    assert "A permit is likely in 6" in (caught.value.hint or "")
    assert ground.one.limits.tally.refused == {(NAME, "eu"): 1}
    await ground.time.move(caught.value.retry_after_s)
    await look(ground, shop)


async def test_it_comes_before_programs_that_wait(ground: GateGround, shop: Held) -> None:
    await ground.plan(NAME, 0.1, 2)
    await spend(ground, shop, 2)
    order: list[str] = []

    async def program() -> None:
        await ground.admit(shop, path=SELLERS, ready_to_wait_s=120.0, by=OTHER)
        order.append("program")

    waiting = asyncio.ensure_future(program())
    await ground.time.move(1.0)
    assert not waiting.done()
    await look(ground, shop, 100.0)
    order.append("look")
    await ground.time.result(waiting)
    assert order == ["look", "program"]


async def test_the_rate_that_amazon_reports_is_learned(ground: GateGround, shop: Held) -> None:
    ground.api.headers = {"x-amzn-RateLimit-Limit": "0.5"}
    await look(ground, shop)
    await ground.time.settle()
    assert [rate for _, rate in ground.budgets.learned] == [0.5]


async def test_a_429_empties_the_bucket_for_everybody(ground: GateGround, shop: Held) -> None:
    ground.api.fail(Throttled, times=1)
    with pytest.raises(Throttled):
        await look(ground, shop)
    await ground.time.settle()
    with pytest.raises(OverLimit):
        await ground.time.result(ground.admit(shop, path=SELLERS, ready_to_wait_s=0.0, by=OTHER))


async def test_a_failure_is_raised_as_it_is_and_costs_its_permit(
    ground: GateGround, shop: Held
) -> None:
    await look(ground, shop)
    ground.api.fail(AmazonUnavailable, times=1)
    with pytest.raises(AmazonUnavailable):
        await look(ground, shop)
    ground.api.disown((await ground.one.tokens.mint(shop.account_id, by=OPERATOR)).value)
    with pytest.raises(CallDenied):
        await look(ground, shop)
    await ground.time.settle()
    assert (ground.budgets.taken, ground.budgets.given_back) == (3, [])


async def test_each_is_counted(ground: GateGround, shop: Held) -> None:
    await look(ground, shop)
    ground.api.fail(AmazonUnavailable, times=1)
    with pytest.raises(AmazonUnavailable):
        await look(ground, shop)
    rows = await ground.one.limits.calls(shop.account_id, ground.clock.now(), by=OPERATOR)
    assert [(row.operation, row.calls, row.errors) for row in rows] == [(NAME, 2, {"no_answer": 1})]


async def test_a_call_that_is_no_operation_of_amazons_is_a_mistake(
    ground: GateGround, shop: Held
) -> None:
    minted = await ground.one.tokens.mint(shop.account_id, by=OPERATOR)
    with pytest.raises(LookupError):
        async with ground.calls.own.permitted(
            "sellers.v1.getEverything",
            minted.value,
            account_id=shop.account_id,
            application_id=minted.application_id,
            region=minted.region,
            ready_to_wait_s=0.0,
        ):
            raise AssertionError("never comes so far")
