"""Orders over ``/v1``."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from evergrant import vault
from evergrant.ports.traded import Order, OrderKind
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret
from tests.doors.test_api.conftest import House

Json = dict[str, Any]
ORDER = "028-1234567-1234567"


async def sold(
    house: House, account: Json, order_id: str = ORDER, status: str = "UNSHIPPED"
) -> None:
    now = house.clock.now()
    order = Order(
        id=f"{account['id']}/{order_id}",
        account_id=account["id"],
        client_instance_id=account["client_instance_id"],
        order_id=order_id,
        kind=OrderKind.SELLER,
        marketplace_id="A1PA6795UKMFR9",
        status=status,
        amazon_changed_at=now,
        body={"orderId": order_id},
        digest="known",
        personal=True,
        created_at=now,
        changed_at=now,
    )
    async with house.desk.store.transaction() as tx:
        await tx.orders.put(order)
        text = Secret('{"/buyer": {"buyerName": "Wilhelmina"}}')
        await house.desk.vault.put(tx, vault.order_personal(order.id), text, now=now)


async def test_orders_are_followed_by_their_position(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    wanted = [f"028-{number:07}-0000000" for number in range(5)]
    for order_id in wanted:
        await sold(house, account, order_id)
    query: Json = {"limit": 2}
    found: list[Json] = []
    while True:
        page = (await caller.get("/v1/orders", params=query)).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert [one["order_id"] for one in found] == wanted
    await sold(house, account, wanted[1], status="SHIPPED")
    rest = await caller.get("/v1/orders", params={"after": found[-1]["position"], "wait": 5})
    assert [(one["order_id"], one["status"]) for one in rest.json()["items"]] == [
        (wanted[1], "SHIPPED")
    ]


async def test_the_personal_part_takes_its_right_and_its_wish(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    await sold(house, account)
    path = f"/v1/accounts/{account['id']}/orders/{ORDER}"
    plain = (await caller.get(path)).json()
    assert (plain["has_personal"], plain["with_personal"]) == (True, False)
    assert plain["body"] == {"orderId": ORDER}
    whole = (await caller.get(path, params={"include": "personal"})).json()
    assert whole["body"] == {"orderId": ORDER, "buyer": {"buyerName": "Wilhelmina"}}
    (listed,) = (await caller.get("/v1/orders", params={"include": "personal"})).json()["items"]
    assert listed == whole
    reader = await house.caller(Right.READ, Right.AMAZON_READ)
    assert (await reader.get(path)).json() == plain
    refused = await reader.get(path, params={"include": "personal"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await (await house.caller(Right.READ)).get(path)).status_code == 403


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"after": "ord_1"}, "after"),
        ({"wait": "31"}, "wait"),
        ({"include": "everything"}, "include"),
        ({"account_id": "ins_1"}, "account_id"),
        ({"account": "acc_1"}, "account"),
    ],
)
async def test_questions_that_are_none(
    caller: httpx2.AsyncClient, query: Json, parameter: str
) -> None:
    refused = await caller.get("/v1/orders", params=query)
    assert refused.status_code == 422
    assert parameter in refused.text


async def test_an_order_that_is_not_there(caller: httpx2.AsyncClient, account: Json) -> None:
    path = f"/v1/accounts/{account['id']}/orders/{ORDER}"
    assert (await caller.get(path)).status_code == 404
    odd = await caller.get(f"/v1/accounts/{account['id']}/orders/a%20b")
    assert odd.status_code == 404


async def test_how_far_orders_were_read(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/order-sweep"
    shown = (await caller.get(path)).json()
    assert (shown["kind"], shown["state"], shown["bound_at"]) == ("seller", "awaiting", None)
    assert shown["lacks"] == "merchant_token"
    listed = (await caller.get("/v1/order-sweeps")).json()["items"]
    assert listed == [{**shown, "orders": None}]
    refused = await caller.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_yet_authorized")
    reader = await house.caller(Right.READ)
    assert (await reader.get(path)).json() == shown
    assert (await reader.post(path)).status_code == 403
