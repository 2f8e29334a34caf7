"""Limits over ``/v1``: buckets live, counts of calls, plans of operators."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from evergrant.ports.budgets import Taken, Wish
from evergrant.rules import operations
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House, account, caller, house

__all__ = ["account", "caller", "house"]

Json = dict[str, Any]
ORDERS = "orders.v0.getOrders"
FEEDS = "feeds.2021-06-30.getFeeds"


async def spend(house: House, account: Json, operation: str = ORDERS) -> None:
    found = operations.get(operation)
    assert found is not None
    shares = await house.desk.limits.fetch_shares(
        account["application_id"], account["id"], Region.EU, found
    )
    assert isinstance(await house.desk.limits._budgets.take(Wish(shares=shares)), Taken)


def note(house: House, account: Json, operation: str = ORDERS, **more: Any) -> None:
    told = {"status": 200, "error": "", "took_s": 0.1, "waited_s": 0.0, **more}
    house.desk.limits.note_call(account["id"], operation, Region.EU, **told)


# --- buckets --------------------------------------------------------------------------------------


async def test_buckets_are_shown_live(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/limits"
    assert (await caller.get(path)).json() == {"items": [], "next": None}
    wish = {"operation": ORDERS, "rate_per_s": 0.5, "burst": 10, "account_id": account["id"]}
    plan = (await caller.post("/v1/plans", json=wish)).json()
    await spend(house, account)
    (shown,) = (await caller.get(path)).json()["items"]
    assert shown["operation"] == ORDERS
    assert (shown["scope"], shown["region"]) == ("pair", "eu")
    assert shown["plan"] == {"rate_per_s": 0.5, "burst": 10}
    assert (shown["plan_from"], shown["plan_id"]) == ("operator", plan["id"])
    assert 8.5 < shown["left"] < 10
    assert shown["waiting"] == 0
    assert shown["used_at"]


# --- counts ---------------------------------------------------------------------------------------


async def test_calls_are_counted(house: House, caller: httpx2.AsyncClient, account: Json) -> None:
    note(house, account, waited_s=2.0)
    note(house, account, status=429)
    house.clock.move(hours=1)
    note(house, account, status=500)
    path = f"/v1/accounts/{account['id']}/calls"
    first, second = (await caller.get(path)).json()["items"]
    assert (first["calls"], first["waits"], first["waited_ms"], first["throttled"]) == (
        *(2, 1, 2000, 1),
    )
    assert second["errors"] == {"internal_failure": 1}
    since = house.clock.now().isoformat().replace("+00:00", "Z")
    assert (await caller.get(path, params={"since": since})).json()["items"] == [second]


async def test_counts_have_pages(house: House, caller: httpx2.AsyncClient, account: Json) -> None:
    for _ in range(3):
        for operation in (ORDERS, FEEDS):
            note(house, account, operation)
        house.clock.move(hours=1)
    path = f"/v1/accounts/{account['id']}/calls"
    whole = (await caller.get(path)).json()
    assert whole["next"] is None
    found: list[Json] = []
    query = {"limit": "4"}
    while True:
        page = (await caller.get(path, params=query)).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == whole["items"]
    assert len(found) == 6


@pytest.mark.parametrize("since", ["yesterday", "2026-03-01", "2026-03-01T00:00:00", "0"])
async def test_what_is_no_instant_is_refused(
    caller: httpx2.AsyncClient, account: Json, since: str
) -> None:
    refused = await caller.get(f"/v1/accounts/{account['id']}/calls", params={"since": since})
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["parameter"] == "since"


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_any_instant_is_taken(caller: httpx2.AsyncClient, account: Json, since: str) -> None:
    answer = await caller.get(f"/v1/accounts/{account['id']}/calls", params={"since": since})
    assert answer.json() == {"items": [], "next": None}


async def test_counts_of_the_last_day_unless_asked_otherwise(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    note(house, account)
    house.clock.move(seconds=timedelta(hours=26).total_seconds())
    assert (await caller.get(f"/v1/accounts/{account['id']}/calls")).json()["items"] == []


# --- plans ----------------------------------------------------------------------------------------


async def test_a_plan_is_set_listed_and_removed(caller: httpx2.AsyncClient, account: Json) -> None:
    wish = {"operation": ORDERS, "rate_per_s": 2, "burst": 5, "note": "case 1"}
    made = await caller.post("/v1/plans", json=wish)
    assert made.status_code == 200
    plan = made.json()
    assert (plan["account_id"], plan["application_id"], plan["rate_per_s"]) == (None, None, 2.0)
    assert (await caller.get("/v1/plans")).json() == {"items": [plan], "next": None}
    again = await caller.post("/v1/plans", json=wish)
    assert again.json() == plan
    own = {**wish, "account_id": account["id"]}
    narrow = (await caller.post("/v1/plans", json=own)).json()
    first = (await caller.get("/v1/plans", params={"limit": "1"})).json()
    rest = (await caller.get("/v1/plans", params={"after": first["next"]})).json()
    assert [*first["items"], *rest["items"]] == sorted([plan, narrow], key=lambda one: one["id"])
    assert (await caller.get("/v1/plans", params={"operation": FEEDS})).json()["items"] == []
    for one in (plan, narrow):
        assert (await caller.delete(f"/v1/plans/{one['id']}")).status_code == 204
    gone = await caller.delete(f"/v1/plans/{plan['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"rate_per_s": 1e-9}, "rate_per_s"),
        ({"rate_per_s": "2"}, "rate_per_s"),
        ({"burst": 0}, "burst"),
        ({"burst": 1.5}, "burst"),
        ({"operation": "orders.v0.getOrder5"}, "operation"),
        ({"account_id": "app_1"}, "account_id"),
        ({"rates": 1}, "rates"),
    ],
)
async def test_what_is_no_plan_is_refused(
    caller: httpx2.AsyncClient, wish: Json, field: str
) -> None:
    refused = await caller.post(
        "/v1/plans", json={"operation": ORDERS, "rate_per_s": 2.0, "burst": 5, **wish}
    )
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["field"] == field


# --- tenancy --------------------------------------------------------------------------------------


async def test_a_key_of_another_instance_reaches_nothing(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    elsewhere = await house.instance(caller)
    stranger = await house.caller(Right.READ, Right.WRITE, instance=elsewhere["id"])
    wish = {"operation": ORDERS, "rate_per_s": 2.0, "burst": 5, "account_id": account["id"]}
    plan = (await caller.post("/v1/plans", json=wish)).json()
    note(house, account)
    await spend(house, account)
    assert (await stranger.get(f"/v1/accounts/{account['id']}/limits")).status_code == 404
    assert (await stranger.get(f"/v1/accounts/{account['id']}/calls")).status_code == 404
    assert (await stranger.get("/v1/plans")).json()["items"] == []
    assert (await stranger.post("/v1/plans", json=wish)).status_code == 404
    assert (await stranger.delete(f"/v1/plans/{plan['id']}")).status_code == 404
    for_all = {name: value for name, value in wish.items() if name != "account_id"}
    assert (await stranger.post("/v1/plans", json=for_all)).status_code == 403


async def test_rights_are_asked_for(house: House, account: Json) -> None:
    nobody = await house.caller(Right.ACCESS_TOKENS)
    for path in ("limits", "calls"):
        assert (await nobody.get(f"/v1/accounts/{account['id']}/{path}")).status_code == 403
    assert (await nobody.get("/v1/plans")).status_code == 403
    writer = await house.caller(Right.WRITE)
    wish = {"operation": ORDERS, "rate_per_s": 2.0, "burst": 5}
    assert (await writer.post("/v1/plans", json=wish)).status_code == 403
