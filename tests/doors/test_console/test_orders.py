"""Orders: finding them, what is personal and who saw it, and having an account read now."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest

from evergrant.entrances.console.pages import orders
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import OrderKind
from evergrant.rules.rights import SYSTEM, Right, Role
from evergrant.vault import order_personal
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.trade_ground import (
    MARKUP,
    NOBODY,
    assert_harmless,
    may,
    order,
    put,
    statuses,
)
from tests.rooms.hatch_ground import shipment

ID = "302-1234567-1234567"
BODY = {
    "orderId": ID,
    "proceeds": {"grandTotal": {"amount": "42.50", "currencyCode": "EUR"}},
    "orderItems": [
        {
            "orderItemId": "68828574383266",
            "quantityOrdered": 2,
            "product": {
                "title": "A mug",
                "sellerSku": "MUG-1",
                "asin": "B000000001",
                "price": {"unitPrice": {"amount": "21.25", "currencyCode": "EUR"}},
            },
            "fulfillment": {
                "quantityFulfilled": 1,
                "packing": {"giftOption": {"giftMessage": "for you"}},
            },
        }
    ],
    "packages": [{"carrier": "DHL", "trackingNumber": "0034"}],
    "buyer": {"buyerName": "Wilhelmina Ångström"},
    "recipient": {"deliveryAddress": {"addressLine1": "12 Harbour Lane", "city": "Kiel"}},
}


@pytest.fixture
async def account(console: Console) -> str:
    return await console.house.account()


async def test_every_page_and_action_as_each_role(console: Console, account: str) -> None:
    await order(console, account, ID, body=BODY)
    for path in ("/console/orders", "/console/orders/sweeps", f"/console/orders/{account}/{ID}"):
        assert set((await statuses(console, "GET", path)).values()) == {200}, path
    for path, right in (
        (f"/console/orders/{account}/{ID}/personal", Right.PERSONAL_DATA),
        (f"/console/accounts/{account}/orders/sweep", Right.WRITE),
    ):
        for role, status in (await statuses(console, "POST", path)).items():
            assert (status != 403) == may(role, right), (path, role, status)
            assert status in (200, 303, 403), (path, role, status)


@pytest.mark.parametrize(
    "path",
    [
        f"/console/orders/acc_{NOBODY}/{ID}",
        "/console/orders/{account}/302-0000000-0000000",
        "/console/orders/{other}/" + ID,
    ],
)
async def test_what_is_not_there(console: Console, account: str, path: str) -> None:
    await order(console, account, ID)
    other = await console.house.account()
    window = await console.as_()
    path = path.format(account=account, other=other)
    assert (await window.get(path)).status_code == 404
    assert (await window.post(f"{path}/personal")).status_code == 404


# --- finding --------------------------------------------------------------------------------------


async def test_orders_the_newest_first(console: Console, account: str) -> None:
    other = await console.house.account()
    await order(console, account, "302-1", status="SHIPPED")
    await order(console, other, "302-2", kind=OrderKind.RETAIL, status="Acknowledged")
    await order(console, account, "302-3")
    window = await console.as_(Role.SUPPORT)
    page = await window.read("/console/orders")
    places = [page.index(f">302-{number}<") for number in (3, 2, 1)]
    assert places == sorted(places)
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    for query, there in (
        (f"account={account}", {1, 3}),
        (f"account={name}", {1, 3}),
        (f"account={name.rpartition(' ')[2]}", {1, 3}),
        ("status=SHIPPED", {1}),
        ("status=Acknowledged", {2}),
        ("order=302-2", {2}),
        ("order=%20302-2%20", {2}),
        (f"order=302-2&account={account}", set()),
        ("status=made-up", {1, 2, 3}),
    ):
        page = await window.read(f"/console/orders?{query}")
        assert {number for number in (1, 2, 3) if f">302-{number}<" in page} == there, query
    # An order that changes comes first.
    await order(console, account, "302-1", status="SHIPPED")
    page = await window.read("/console/orders")
    assert page.index(">302-1<") < page.index(">302-3<")


async def test_orders_come_in_pages(
    console: Console, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "PAGE", 2)
    for number in range(5):
        await order(console, account, f"302-{number}")
    window = await console.as_()
    address, found = "/console/orders", []
    while True:
        page = await window.read(address)
        found += [number for number in reversed(range(5)) if f">302-{number}<" in page]
        if "Older" not in page:
            break
        link = page.partition('rel="next" href="')[2].partition('"')[0]
        address = link.replace("&amp;", "&")
    assert found == [4, 3, 2, 1, 0]
    await window.read("/console/orders?before=x")


async def test_an_account_that_is_meant_may_be_several(console: Console, account: str) -> None:
    await console.house.account()
    window = await console.as_()
    page = await window.read("/console/orders?account=Shop")
    assert "Several accounts fit" in page
    assert "No account fits" in await window.read("/console/orders?account=zzz")
    assert "No order yet" in await window.read("/console/orders")
    assert "No order fits" in await window.read("/console/orders?order=1")


async def test_an_order_that_was_only_named_is_no_order_yet(console: Console, account: str) -> None:
    made = await order(console, account, ID)
    async with console.desk.store.transaction() as tx:
        await tx.orders.change(made.id, digest="")
    window = await console.as_()
    assert ID not in await window.read("/console/orders")
    assert (await window.get(f"/console/orders/{account}/{ID}")).status_code == 404


# --- one ------------------------------------------------------------------------------------------


async def test_an_order_without_what_is_personal(console: Console, account: str) -> None:
    await order(console, account, ID, body=BODY)
    await put(console, account, shipment(ID))
    for role in Role:
        page = await (await console.as_(role)).read(f"/console/orders/{account}/{ID}")
        text = text_of(page)
        for words in ("A mug", "MUG-1", "B000000001", "21.25 EUR", "42.50 EUR", "0034"):
            assert words in text, words
        assert "What we told Amazon of it" in text
        for words in ("Wilhelmina", "Harbour", "for you", "Kiel"):
            assert words not in page
        assert ("Show the buyer's data" in text) == (role is Role.ADMIN)
    async with console.desk.store.transaction() as tx:
        assert await tx.journal.read(verb="orders.personal_read") == []


async def test_who_looks_at_the_buyer_is_written_down(console: Console, account: str) -> None:
    await order(console, account, ID, body=BODY)
    window = await console.as_()
    answer = await window.post(f"/console/orders/{account}/{ID}/personal")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    text = text_of(answer.text)
    for words in ("Wilhelmina Ångström", "12 Harbour Lane", "for you", "The journal notes"):
        assert words in text
    async with console.desk.store.transaction() as tx:
        lines = await tx.journal.read(verb="orders.personal_read")
    assert window.operator is not None
    assert [line.caller for line in lines] == [f"operator:{window.operator.id}"]
    assert (await window.get(f"/console/orders/{account}/{ID}/personal")).status_code == 405
    # What is already gone is not shown, and is no error.
    async with console.desk.store.transaction() as tx:
        assert await tx.safe.drop(order_personal(f"{account}/{ID}"))
    answer = await window.post(f"/console/orders/{account}/{ID}/personal")
    assert "There is none any more" in answer.text


@pytest.mark.parametrize("kind", list(OrderKind))
async def test_what_amazon_writes_is_text(console: Console, account: str, kind: OrderKind) -> None:
    item: dict[str, Any] = {
        "orderItemId": MARKUP,
        "quantityOrdered": MARKUP,
        "product": {"title": MARKUP, "sellerSku": MARKUP, "asin": MARKUP},
    }
    if kind is not OrderKind.SELLER:
        item = {
            "itemSequenceNumber": MARKUP,
            "title": MARKUP,
            "vendorProductIdentifier": MARKUP,
            "amazonProductIdentifier": MARKUP,
            "orderedQuantity": {"amount": MARKUP},
            "netCost": {"amount": MARKUP, "currencyCode": MARKUP},
        }
    body = {
        MARKUP: MARKUP,
        "orderItems": [item],
        "orderDetails": {"items": [item]},
        "packages": [{"carrier": MARKUP, "trackingNumber": MARKUP, "shipTime": MARKUP}],
        "proceeds": {"grandTotal": {"amount": MARKUP, "currencyCode": MARKUP}},
        "buyer": {MARKUP: [MARKUP, {MARKUP: MARKUP}]},
    }
    await order(console, account, ID, body=body, kind=kind, status=MARKUP, marketplace_id=MARKUP)
    window = await console.as_()
    for path in ("/console/orders", f"/console/orders/{account}/{ID}"):
        assert_harmless(await window.read(path))
    answer = await window.post(f"/console/orders/{account}/{ID}/personal")
    assert_harmless(answer.text)
    assert_harmless(await window.read(f"/console/orders?account={MARKUP}&order={MARKUP}"))


@pytest.mark.parametrize(
    "body",
    [
        {"orderItems": "none", "packages": {"a": 1}, "proceeds": []},
        {"orderItems": [1, None, {}], "packages": [None], "orderDetails": {"items": 3}},
        {"orderItems": [{"orderItemId": {}, "product": [], "fulfillment": 1}]},
    ],
)
async def test_an_order_in_no_shape_that_we_know_has_a_page(
    console: Console, account: str, body: dict[str, Any]
) -> None:
    for kind in OrderKind:
        await order(console, account, ID, body=body, kind=kind)
        await (await console.as_()).read(f"/console/orders/{account}/{ID}")


def test_what_is_personal_is_what_the_plain_body_lacks() -> None:
    plain = {"a": 1, "b": {"c": 2}, "d": [{"e": 3}, {"f": 4}]}
    whole = {"a": 1, "b": {"c": 2, "x": 5}, "d": [{"e": 3}, {"f": 4, "y": 6}], "z": [7, None]}
    assert orders.beyond(whole, plain) == {"b": {"x": 5}, "d": [{"y": 6}], "z": [7]}
    assert orders.beyond(plain, plain) is None


# --- how far -----------------------------------------------------------------------------------


async def test_how_far_each_account_was_read(console: Console, account: str) -> None:
    await console.desk.orders.round()
    window = await console.as_(Role.AUDITOR)
    page = text_of(await window.read("/console/orders/sweeps?show=all"))
    assert (await console.desk.accounts.get(account, by=SYSTEM)).account.name in page
    assert "Look now" not in page
    support = await console.as_(Role.SUPPORT)
    assert "Look now" in text_of(await support.read("/console/orders/sweeps?show=all"))


async def test_what_stands_against_it_is_said(console: Console) -> None:
    silent = await console.house.account(connected=False)
    refresh_token = console.fakes.lwa.grant(console.house.lwa_client_id, silent)
    await console.desk.consent.adopt(silent, refresh_token, by=SYSTEM)
    window = await console.as_()
    for path in ("/console/orders/sweeps", f"/console/orders?account={silent}"):
        page = await window.read(path)
        assert "has no merchant token" in text_of(page), path
        assert f"/console/accounts/{silent}/" in page, path
        assert "Add it" in page, path
    page = await window.did(f"/console/accounts/{silent}/orders/sweep")
    assert "has no merchant token" in text_of(page)


async def test_orders_are_looked_for_now(console: Console, account: str) -> None:
    at = f"{console.fakes.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    told = {"orderId": ID, "createdTime": at, "lastUpdatedTime": at,
            "fulfillment": {"fulfillmentStatus": "UNSHIPPED"}}  # fmt: skip
    console.fakes.selling_partner_api.answer(
        "GET",
        "/orders/2026-01-01/orders",
        Answer(status=200, headers={}, body=json.dumps({"orders": [told]}).encode()),
    )
    window = await console.as_(Role.TEAM_LEAD)
    calls = len(console.fakes.selling_partner_api.calls)
    page = await window.did(f"/console/accounts/{account}/orders/sweep")
    assert "Amazon is being asked for orders" in text_of(page)
    assert "next to be read" in text_of(page)
    assert 'data-news="topic:orders"' in page
    assert len(console.fakes.selling_partner_api.calls) == calls, "nobody waits at the page"
    assert console.fakes.bell.orders == [account]
    async with aclosing(console.desk.news.listen()) as hearing:
        await console.desk.orders.sweep_asked(account)
        news = {(one.topic, one.account_id) for one in hearing.waiting()}
    assert ("orders", account) in news
    page = await window.read(f"/console/orders?account={account}")
    assert ID in page
    assert "next to be read" not in text_of(page)
    console.fakes.clock.move(hours=1)
    refusal = {"errors": [{"code": "Unauthorized", "message": f"no role {MARKUP}"}]}
    console.fakes.selling_partner_api.answer(
        "GET",
        "/orders/2026-01-01/orders",
        Answer(status=400, headers={}, body=json.dumps(refusal).encode()),
    )
    page = await window.did(
        f"/console/accounts/{account}/orders/sweep", {"back": "/console/orders/sweeps"}
    )
    assert "next to be read" not in text_of(page), "only where something stands against it"
    await console.desk.orders.sweep_asked(account)
    page = await window.read("/console/orders/sweeps")
    assert "trouble" in text_of(page)
    assert_harmless(page)


async def test_an_account_without_consent_is_not_read(console: Console) -> None:
    account = await console.house.account(connected=False)
    page = await (await console.as_()).did(f"/console/accounts/{account}/orders/sweep")
    assert 'class="said bad"' in page
    answer = await (await console.as_()).post(f"/console/accounts/acc_{NOBODY}/orders/sweep")
    assert answer.status_code == 404
