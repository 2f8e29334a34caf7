"""Which plan holds for a call, and on which buckets it draws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import operations
from evergrant.rules.budgets import Plan
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation
from evergrant.rules.plans import (
    BIGGEST_BURST,
    HIGHEST_RATE_PER_S,
    LOWEST_RATE_PER_S,
    BucketName,
    Drawn,
    Scope,
    Source,
    bucket_name,
    buckets_of,
    check_burst,
    check_rate,
    narrowest,
    read_bucket,
)

ORDERS = "orders.v0.getOrders"
PATCH = "listings.2021-08-01.patchListingsItem"
GRANTLESS = "notifications.v1.createDestination"


@dataclass(frozen=True)
class Wished:
    operation: str = ORDERS
    application_id: str | None = None
    account_id: str | None = None
    rate_per_s: float = 7.0
    burst: int = 7
    of_application: bool = False


def operation(name: str) -> Operation:
    found = operations.get(name)
    assert found is not None
    return found


def drawn(name: str, *wished: Wished, account_id: str = "acc_1") -> tuple[Drawn, ...]:
    return buckets_of(
        operation(name), wished, application_id="app_1", account_id=account_id, region=Region.EU
    )


# --- names ----------------------------------------------------------------------------------------


def test_a_bucket_is_named_by_whom_it_stands_for() -> None:
    own = bucket_name("app_1", ORDERS, account_id="acc_1", region=Region.EU)
    assert own == "app_1/acc_1/eu/orders.v0.getOrders"
    assert bucket_name("app_1", ORDERS) == "app_1/*/*/orders.v0.getOrders"
    assert read_bucket(own) == BucketName(
        application_id="app_1", account_id="acc_1", region=Region.EU, operation=ORDERS
    )
    shared = read_bucket("app_1/*/*/orders.v0.getOrders")
    assert shared is not None
    assert (shared.account_id, shared.region, shared.scope) == (None, None, Scope.APPLICATION)


@pytest.mark.parametrize(
    "text", ["", "app_1", "app_1/acc_1/eu", "app_1/*/eu/x", "app_1/acc_1/xx/x", "app_1/acc_1/*/x"]
)
def test_what_is_no_bucket_has_no_parts(text: str) -> None:
    assert read_bucket(text) is None


# --- the narrowest decides ------------------------------------------------------------------------

FOR_ALL = Wished(rate_per_s=1)
FOR_APPLICATION = Wished(application_id="app_1", rate_per_s=2)
FOR_ACCOUNT = Wished(account_id="acc_1", rate_per_s=3)
OF_OTHERS = (
    Wished(account_id="acc_2", rate_per_s=90),
    Wished(application_id="app_2", rate_per_s=91),
    Wished(operation=PATCH, rate_per_s=92),
    Wished(of_application=True, rate_per_s=93),
)


@pytest.mark.parametrize(
    ("wished", "rate"),
    [
        ([FOR_ALL], 1),
        ([FOR_ALL, FOR_APPLICATION], 2),
        ([FOR_ACCOUNT, FOR_APPLICATION, FOR_ALL], 3),
        ([FOR_ALL, FOR_ACCOUNT], 3),
    ],
)
def test_account_before_application_before_all(wished: list[Wished], rate: float) -> None:
    for order in (wished, wished[::-1]):
        found = narrowest(
            (*OF_OTHERS, *order),
            operation=ORDERS,
            application_id="app_1",
            account_id="acc_1",
            of_application=False,
        )
        assert found is not None
        assert found.rate_per_s == rate


def test_plans_of_others_decide_nothing() -> None:
    (own,) = drawn(ORDERS, *OF_OTHERS[:3])
    assert own.source is Source.AMAZON


_SOME = st.lists(
    st.builds(
        Wished,
        operation=st.sampled_from([ORDERS, PATCH]),
        application_id=st.sampled_from([None, "app_1", "app_2"]),
        account_id=st.none(),
        rate_per_s=st.floats(0.1, 100),
        of_application=st.booleans(),
    )
    | st.builds(Wished, account_id=st.sampled_from(["acc_1", "acc_2"]))
)


@given(wished=_SOME)
def test_never_one_of_another_account_application_operation_or_scope(wished: list[Wished]) -> None:
    found = narrowest(
        wished,
        operation=ORDERS,
        application_id="app_1",
        account_id="acc_1",
        of_application=False,
    )
    fitting = [
        one
        for one in wished
        if one.operation == ORDERS
        and not one.of_application
        and one.application_id in (None, "app_1")
        and one.account_id in (None, "acc_1")
    ]
    assert (found is None) == (not fitting)
    if found is not None:
        assert found in fitting
        assert found.account_id is not None or all(one.account_id is None for one in fitting)


# --- buckets of a call ----------------------------------------------------------------------------


def test_without_an_operator_amazons_own_plan_holds() -> None:
    (own,) = drawn(ORDERS)
    assert own.bucket == "app_1/acc_1/eu/orders.v0.getOrders"
    assert own.plan == operation(ORDERS).plan
    assert (own.scope, own.source, own.fixed) == (Scope.PAIR, Source.AMAZON, False)


def test_where_amazon_publishes_nothing_it_is_a_guess() -> None:
    (own,) = drawn("unknown.GET")
    assert own.source is Source.GUESS


def test_some_draw_on_a_bucket_of_the_application_too() -> None:
    own, shared = drawn(PATCH)
    assert own.bucket.startswith("app_1/acc_1/eu/")
    assert shared.bucket == f"app_1/*/*/{PATCH}"
    assert shared.plan == operation(PATCH).application_plan
    assert shared.source is Source.AMAZON


def test_plans_of_pairs_and_of_applications_are_two_things() -> None:
    pair, whole = Wished(operation=PATCH, rate_per_s=2), Wished(PATCH, "app_1", None, 50, 60, True)
    own, shared = drawn(PATCH, pair)
    assert (own.fixed, shared.fixed) == (True, False)
    own, shared = drawn(PATCH, whole)
    assert (own.fixed, shared.fixed) == (False, True)
    assert shared.plan == Plan(50, 60)


def test_an_operator_may_give_an_application_a_plan_where_amazon_has_none() -> None:
    own, shared = drawn(ORDERS, Wished(of_application=True))
    assert not own.fixed
    assert (shared.bucket, shared.plan) == (f"app_1/*/*/{ORDERS}", Plan(7, 7))


def test_a_grantless_operation_has_the_applications_bucket_alone() -> None:
    for account_id in ("acc_1", "acc_2"):
        (shared,) = drawn(GRANTLESS, account_id=account_id)
        assert shared.bucket == f"app_1/*/*/{GRANTLESS}"
        assert shared.scope is Scope.APPLICATION
    (shared,) = drawn(GRANTLESS, Wished(operation=GRANTLESS, of_application=True))
    assert shared.fixed


@given(name=st.sampled_from(operations.NAMES))
def test_every_operation_draws_on_buckets_of_different_names(name: str) -> None:
    found = drawn(name)
    assert 1 <= len(found) <= 2
    assert len({one.bucket for one in found}) == len(found)
    for one in found:
        assert (parts := read_bucket(one.bucket)) is not None
        assert (parts.operation, parts.scope) == (name, one.scope)


# --- what is a plan -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rate", [0, -1, math.nan, math.inf, -math.inf, True, "5", None, LOWEST_RATE_PER_S / 2, 10_001]
)
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(Fault) as caught:
        check_rate(rate)
    assert caught.value.field == "rate_per_s"


@pytest.mark.parametrize("rate", [LOWEST_RATE_PER_S, 0.0055, 1, HIGHEST_RATE_PER_S])
def test_a_rate_is_taken(rate: float) -> None:
    assert check_rate(rate) == rate


@pytest.mark.parametrize("burst", [0, -1, 1.5, True, "5", None, BIGGEST_BURST + 1])
def test_what_is_no_burst_is_refused(burst: int) -> None:
    with pytest.raises(Fault) as caught:
        check_burst(burst)
    assert caught.value.field == "burst"


@pytest.mark.parametrize("burst", [1, 30, BIGGEST_BURST])
def test_a_burst_is_taken(burst: int) -> None:
    assert check_burst(burst) == burst
