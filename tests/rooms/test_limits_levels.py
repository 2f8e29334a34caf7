"""Every bucket of an account, live: the plan in force, where it comes from, who may look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evergrant.errors import NotAllowed, NotFound, StoreUnavailable
from evergrant.limits import BucketLevel
from evergrant.ports.budgets import Share, Taken, Wish
from evergrant.rules import operations
from evergrant.rules.budgets import Plan
from evergrant.rules.marketplaces import Region
from evergrant.rules.plans import Scope, Source
from evergrant.rules.rights import Right
from tests.rooms.conftest import BOSS
from tests.rooms.test_limits import CREATE_FEED, GRANTLESS, ORDERS, House, house, key

__all__ = ["house"]

PATCH = "listings.2021-08-01.patchListingsItem"


async def spend(house: House, operation: str, permits: int = 1, **more: Any) -> None:
    shares = await house.one.fetch_shares(*house.of(operation, **more))
    taken = await house.budgets.take(Wish(shares=shares, most=permits))
    assert taken == Taken(permits=permits, left=taken.left)  # type: ignore[union-attr]


async def levels(house: House, **more: Any) -> dict[str, BucketLevel]:
    seen = await house.one.look(house.account.id, by=more.pop("by", BOSS))
    return {f"{one.operation} {one.scope}": one for one in seen}


async def test_what_was_never_used_is_full_and_not_shown(house: House) -> None:
    assert await levels(house) == {}


async def test_a_bucket_tells_what_is_left_by_amazons_plan(house: House) -> None:
    await spend(house, ORDERS, 5)
    (seen,) = (await levels(house)).values()
    plan = operations.get(ORDERS)
    assert plan is not None
    assert (seen.operation, seen.scope, seen.region) == (ORDERS, Scope.PAIR, Region.EU)
    assert (seen.plan, seen.source, seen.override_id) == (plan.plan, Source.AMAZON, None)
    assert seen.left == pytest.approx(plan.plan.burst - 5, abs=0.2)
    assert seen.full_in_s == pytest.approx(5 / plan.plan.rate_per_s, rel=0.05)
    assert (seen.used_at, seen.throttled_at, seen.waiting) == (house.here.clock.now(), None, 0)


async def test_both_buckets_of_a_call_are_shown(house: House) -> None:
    await spend(house, PATCH)
    seen = await levels(house)
    assert list(seen) == [f"{PATCH} pair", f"{PATCH} application"]
    assert seen[f"{PATCH} application"].region is None


async def test_a_rate_that_amazon_reported_is_in_force(house: House) -> None:
    await spend(house, ORDERS)
    await house.budgets.learn(f"{house.app}/{house.account.id}/eu/{ORDERS}", 2.5)
    (seen,) = (await levels(house)).values()
    assert (seen.source, seen.plan.rate_per_s, seen.reported_rate_per_s) == (
        Source.REPORTED,
        2.5,
        2.5,
    )
    assert seen.reported_at == house.here.clock.now()


async def test_an_operators_plan_is_shown_before_its_first_use_and_with_its_debt(
    house: House,
) -> None:
    plan = await house.plan(rate_per_s=2.0, burst=10)
    seen = (await levels(house))[f"{ORDERS} pair"]
    assert (seen.plan, seen.source, seen.override_id) == (Plan(2.0, 10), Source.OPERATOR, plan.id)
    assert (seen.left, seen.full_in_s, seen.used_at) == (10.0, 0.0, None)
    await spend(house, ORDERS, 4)
    # Nobody has drawn on it since the plan changed: what is missing is missing by the new one too.
    await house.plan(rate_per_s=1.0, burst=20)
    seen = (await levels(house))[f"{ORDERS} pair"]
    assert seen.left == pytest.approx(16, abs=0.2)
    assert seen.full_in_s == pytest.approx(4, rel=0.05)
    await house.budgets.learn(seen.bucket, 50.0)
    seen = (await levels(house))[f"{ORDERS} pair"]
    assert (seen.source, seen.plan.rate_per_s) == (Source.OPERATOR, 1.0)
    assert seen.reported_rate_per_s == 50.0


async def test_a_careful_guess_says_so(house: House) -> None:
    await spend(house, "unknown.GET")
    (seen,) = (await levels(house)).values()
    assert seen.source is Source.GUESS


async def test_a_throttle_is_told(house: House) -> None:
    await spend(house, ORDERS)
    await house.budgets.drain(await house.one.fetch_shares(*house.of()))
    (seen,) = (await levels(house)).values()
    assert seen.throttled_at == house.here.clock.now()
    assert seen.left == pytest.approx(0, abs=0.1)


async def test_whoever_waits_is_counted(house: House) -> None:
    (share,) = await house.one.fetch_shares(*house.of("unknown.GET"))
    await house.budgets.take(Wish(shares=[share]))
    await house.budgets.take(Wish(shares=[share], ticket="one"))
    await house.budgets.take(Wish(shares=[share], ticket="two"))
    (seen,) = (await levels(house)).values()
    assert seen.waiting == 2


async def test_buckets_of_other_accounts_are_never_shown(house: House) -> None:
    neighbour = await house.here.add_account()
    another = await house.here.add_application()
    await spend(house, ORDERS, account=neighbour)
    await house.budgets.take(
        Wish(shares=[Share(bucket=f"{another.id}/*/*/{PATCH}", plan=Plan(1.0, 5))])
    )
    # An underscore is a letter here, no wildcard.
    near = house.account.id.replace("_", "x")
    await house.budgets.take(
        Wish(shares=[Share(bucket=f"{house.app}/{near}/eu/{ORDERS}", plan=Plan(1.0, 5))])
    )
    await house.plan(account_id=neighbour.id, operation=CREATE_FEED)
    assert await levels(house) == {}


async def test_a_shared_bucket_that_nobody_draws_on_any_more_is_not_shown(house: House) -> None:
    wide = await house.plan(of_application=True)
    await spend(house, ORDERS)
    assert len(await levels(house)) == 2
    await house.one.remove_plan(wide.id, by=BOSS)
    assert list(await levels(house)) == [f"{ORDERS} pair"]


async def test_grantless_buckets_are_shown_to_those_who_reach_all(house: House) -> None:
    await spend(house, GRANTLESS)
    assert list(await levels(house)) == [f"{GRANTLESS} application"]
    bound = key(Right.READ, instance=house.account.client_instance_id)
    assert await levels(house, by=bound) == {}


async def test_only_who_reaches_the_account_may_look(house: House) -> None:
    elsewhere = (await house.here.add_instance()).id
    with pytest.raises(NotAllowed):
        await levels(house, by=key(Right.WRITE))
    for by in (key(Right.READ, instance=elsewhere), key(Right.READ, accounts={"acc_other"})):
        with pytest.raises(NotFound):
            await levels(house, by=by)
    assert await levels(house, by=key(Right.READ, accounts={house.account.id})) == {}
    with pytest.raises(NotFound):
        await house.one.look("acc_nobody", by=BOSS)


async def test_buckets_that_are_away_are_told(house: House) -> None:
    house.budgets.down = True
    with pytest.raises(StoreUnavailable):
        await levels(house)


async def test_an_operation_that_nobody_knows_any_more_is_left_out(house: House) -> None:
    share = Share(bucket=f"{house.app}/{house.account.id}/eu/gone.v0.getIt", plan=Plan(1.0, 5))
    await house.budgets.take(Wish(shares=[share]))
    await house.budgets.take(Wish(shares=[replace(share, bucket=f"{house.app}/*/odd")]))
    assert await levels(house) == {}
