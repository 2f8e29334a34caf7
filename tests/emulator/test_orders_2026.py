"""Orders 2026-01-01: searching, pages, data sets, who may see whom; shapes by Amazon's model."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.clock import stamp
from tests.emulator.conftest import House
from tests.emulator.orders_desk import ORDERS_2026, OrdersDesk, Shop, orders_desk
from tests.emulator.test_selling_partner_api import check_shape, denied

MODEL = "orders-api-model/orders_2026-01-01.json"
DE = "A1PA6795UKMFR9"
IT = "APJ6JRA9NG5V4"
DAY = 86400
ALL = (
    "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,"
    "FULFILLMENT_ORDERS"
)


@pytest.fixture
def desk(house: House) -> OrdersDesk:
    return orders_desk(house)


def ago(desk: OrdersDesk, **span: float) -> str:
    return str(stamp(desk.house.amazon.levers.now() - timedelta(**span)))


def search(desk: OrdersDesk, **query: Any) -> dict[str, Any]:
    asked = {"createdAfter": ago(desk, days=60), **query}
    return desk.get_json(ORDERS_2026, **{k: v for k, v in asked.items() if v is not None})


def ids(answer: dict[str, Any]) -> list[str]:
    return [order["orderId"] for order in answer["orders"]]


def test_every_kind_of_order_is_as_the_model_says(desk: OrdersDesk, models: Path) -> None:
    for status in ("PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "SHIPPED", "CANCELLED"):
        desk.make(status=status, age_seconds=DAY)
    desk.make(
        status="PARTIALLY_SHIPPED",
        age_seconds=DAY,
        company="Blue Heron Ltd",
        purchase_order_number="PO-1",
        seller_order_id="OWN-1",
        programs=["AMAZON_BUSINESS"],
        items=[
            {
                "sku": "SKU-1",
                "quantity": 2,
                "price": "19.90",
                "promotion": "2.00",
                "gift_wrap": "1.00",
                "gift_message": "Enjoy",
                "transparency": True,
            }
        ],
    )
    desk.make(status="UNFULFILLABLE", fulfilled_by="AMAZON", age_seconds=DAY)
    whole = search(desk, includedData=ALL)
    bare = search(desk)
    for answer in (whole, bare):
        check_shape(models, MODEL, "SearchOrdersResponse", answer)
        assert len(answer["orders"]) == 7
    one = desk.get_json(f"{ORDERS_2026}/{whole['orders'][5]['orderId']}", includedData=ALL)
    check_shape(models, MODEL, "GetOrderResponse", one)
    assert one["order"] in whole["orders"]
    assert "buyer" not in bare["orders"][0]
    assert "fulfillment" not in bare["orders"][0]


def test_what_an_order_tells(desk: OrdersDesk) -> None:
    made = desk.make(
        age_seconds=DAY,
        items=[
            {
                "sku": "SKU-1",
                "quantity": 2,
                "price": "10.00",
                "tax": "3.80",
                "shipping": "3.00",
                "shipping_tax": "0.57",
                "promotion": "2.00",
            }
        ],
    )
    order = desk.get_json(f"{ORDERS_2026}/{made['order_id']}", includedData=ALL)["order"]
    assert order["salesChannel"] == {
        "channelName": "AMAZON",
        "marketplaceId": DE,
        "marketplaceName": "Amazon.de",
    }
    assert order["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert order["proceeds"]["grandTotal"] == {"amount": "25.37", "currencyCode": "EUR"}
    sums = {row["type"]: row["subtotal"]["amount"] for row in order["proceeds"]["breakdowns"]}
    assert sums == {"ITEM": "20.00", "SHIPPING": "3.00", "TAX": "4.37", "DISCOUNT": "-2.00"}
    (item,) = order["orderItems"]
    assert item["product"]["price"]["unitPrice"]["amount"] == "10.00"
    assert item["fulfillment"] == {"quantityFulfilled": 0, "quantityUnfulfilled": 2}
    assert order["recipient"]["deliveryAddress"]["addressLine1"].endswith("Emulator Street")
    assert order["buyer"]["buyerEmail"].endswith("@marketplace.example")


def test_exactly_one_range(desk: OrdersDesk) -> None:
    day, hour = ago(desk, days=1), ago(desk, hours=1)
    for query in (
        {},
        {"createdAfter": day, "lastUpdatedAfter": day},
        {"createdAfter": day, "lastUpdatedBefore": hour},
        {"lastUpdatedAfter": day, "createdBefore": hour},
        {"createdBefore": hour},
        {"createdAfter": hour, "createdBefore": day},
        {"createdAfter": day, "createdBefore": ago(desk, seconds=110)},
        {"createdAfter": "yesterday"},
        {"createdAfter": "0001-01-01T00:00:00+14:00"},
        {"createdAfter": day, "maxResultsPerPage": 0},
        {"createdAfter": day, "maxResultsPerPage": 101},
        {"createdAfter": day, "fulfillmentStatuses": "Shipped"},
        {"createdAfter": day, "fulfilledBy": "MFN"},
        {"createdAfter": day, "includedData": "EVERYTHING"},
        {"createdAfter": day, "paginationToken": "made-up"},
    ):
        error = desk.errors(desk.call("GET", ORDERS_2026, **query))
        assert error["code"] == "InvalidInput", query
        assert error["message"], query


def test_fifty_marketplaces_and_no_more(desk: OrdersDesk) -> None:
    some = [f"AEMULATED{number}" for number in range(51)]
    query = {"createdAfter": ago(desk, days=1)}
    assert desk.call("GET", ORDERS_2026, **query, marketplaceIds=some[:50]).status_code == 200
    desk.errors(desk.call("GET", ORDERS_2026, **query, marketplaceIds=some))


def test_the_upper_end_is_told(desk: OrdersDesk) -> None:
    answer = search(desk)
    upper = datetime.fromisoformat(answer["createdBefore"])
    assert timedelta(minutes=2) <= desk.house.amazon.levers.now() - upper < timedelta(minutes=3)
    day = ago(desk, days=1)
    answer = search(
        desk, createdAfter=None, lastUpdatedAfter=ago(desk, days=2), lastUpdatedBefore=day
    )
    assert answer["lastUpdatedBefore"] == day
    assert "createdBefore" not in answer
    assert "pagination" not in answer


def test_orders_of_the_last_two_minutes_come_later(desk: OrdersDesk) -> None:
    made = desk.make()
    assert search(desk)["orders"] == []
    desk.advance(121)
    assert ids(search(desk)) == [made["order_id"]]


def test_filters(desk: OrdersDesk) -> None:
    old = desk.make(age_seconds=DAY * 10, status="SHIPPED")["order_id"]
    new = desk.make(age_seconds=DAY, marketplace="IT")["order_id"]
    amazons = desk.make(age_seconds=DAY * 5, status="SHIPPED", fulfilled_by="AMAZON")["order_id"]
    assert ids(search(desk)) == [old, amazons, new]
    assert ids(search(desk, marketplaceIds=IT)) == [new]
    assert ids(search(desk, marketplaceIds=f"{IT},{DE}")) == [old, amazons, new]
    assert ids(search(desk, fulfillmentStatuses="SHIPPED")) == [old, amazons]
    assert ids(search(desk, fulfilledBy="AMAZON")) == [amazons]
    assert ids(search(desk, createdAfter=ago(desk, days=7))) == [amazons, new]
    assert ids(search(desk, createdBefore=ago(desk, days=7))) == [old]
    desk.lever("POST", f"/orders/{new}/wish-to-cancel", {})
    desk.advance(121)
    changed = search(desk, createdAfter=None, lastUpdatedAfter=ago(desk, minutes=10))
    assert ids(changed) == [new]


def test_pages(desk: OrdersDesk) -> None:
    made = [order["order_id"] for order in desk.makes(count=5, age_seconds=DAY)]
    query: dict[str, Any] = {"createdAfter": ago(desk, days=2), "maxResultsPerPage": 2}
    first = search(desk, **query)
    mark = first["pagination"]["nextToken"]
    second = search(desk, **{**query, "maxResultsPerPage": 3}, paginationToken=mark)
    assert ids(first) + ids(second) == sorted(made)
    assert "pagination" not in second
    assert second["createdBefore"] == first["createdBefore"]
    other = search(desk, **query, paginationToken=mark, includedData="BUYER")
    assert "buyer" in other["orders"][0]
    for changed in (
        {**query, "createdAfter": ago(desk, days=3)},
        {**query, "marketplaceIds": DE},
        {**query, "fulfillmentStatuses": "SHIPPED"},
        {"lastUpdatedAfter": query["createdAfter"]},
    ):
        answer = desk.call("GET", ORDERS_2026, **changed, paginationToken=mark)
        assert desk.errors(answer)["code"] == "InvalidInput"
    stranger = orders_desk(desk.house)
    answer = stranger.call("GET", ORDERS_2026, **query, paginationToken=mark)
    assert stranger.errors(answer)["code"] == "InvalidInput"
    desk.advance(DAY - 60)
    fresh = OrdersDesk.of(desk.house, desk.partner)
    assert isinstance(fresh, OrdersDesk)
    assert ids(search(fresh, **query, paginationToken=mark)) == ids(second)[:2]
    fresh.advance(60)
    answer = fresh.call("GET", ORDERS_2026, **query, paginationToken=mark)
    assert "expired" in fresh.errors(answer)["message"]


def test_an_order_that_changes_meanwhile_is_not_told_twice(desk: OrdersDesk) -> None:
    made = [order["order_id"] for order in desk.makes(count=4, age_seconds=DAY)]
    query = {"createdAfter": None, "lastUpdatedAfter": ago(desk, days=2), "maxResultsPerPage": 2}
    first = search(desk, **query)
    desk.lever("PATCH", f"/orders/{ids(first)[0]}", {"status": "SHIPPED"})
    second = search(desk, **query, paginationToken=first["pagination"]["nextToken"])
    assert ids(first) + ids(second) == sorted(made)


def test_roles_decide_what_is_told_of_people(house: House) -> None:
    made = orders_desk(house).make(age_seconds=DAY, company="Blue Heron Ltd")
    partner = {"selling_partner_id": made["selling_partner_id"]}
    path = f"{ORDERS_2026}/{made['order_id']}"
    told = {}
    for role in (
        "Inventory and Order Tracking",
        "Direct-to-Consumer Shipping",
        "Tax Invoicing",
        "Tax Remittance",
    ):
        house.amazon.levers.pull(
            "PATCH", f"/world/applications/{house.application_id}", {"roles": [role]}
        )
        desk = OrdersDesk.of(house, partner)
        assert isinstance(desk, OrdersDesk)
        told[role] = desk.get_json(path, includedData=ALL)["order"]
    nobody, shipper, *tax = told.values()
    assert not {"buyer", "recipient", "tax"} & set(nobody)
    assert set(shipper["buyer"]) == {"buyerEmail"}
    assert shipper["recipient"]["deliveryAddress"]["name"]
    for taxed in tax:
        assert set(taxed["buyer"]) == {"buyerName", "buyerCompanyName"}
        assert "recipient" not in taxed
        assert taxed["tax"]["taxRegistrations"][0]["legalName"] == "Blue Heron Ltd"
    house.amazon.levers.pull(
        "PATCH", f"/world/applications/{house.application_id}", {"roles": ["Pricing"]}
    )
    denied(house.call(path, house.access_token(partner)), "")


@pytest.mark.parametrize(
    ("wishes", "email", "address"),
    [
        ({"status": "UNSHIPPED"}, True, True),
        ({"status": "PENDING"}, False, False),
        ({"status": "CANCELLED"}, False, True),
        ({"status": "SHIPPED", "fulfilled_by": "AMAZON"}, False, True),
    ],
    ids=str,
)
def test_email_and_address_by_status(
    desk: OrdersDesk, wishes: dict[str, Any], email: bool, address: bool
) -> None:
    made = desk.make(**wishes, age_seconds=DAY)
    order = desk.get_json(f"{ORDERS_2026}/{made['order_id']}", includedData=ALL)["order"]
    assert ("buyerEmail" in order["buyer"]) is email
    assert ("recipient" in order) is address
    assert ("proceeds" in order) is (wishes["status"] != "PENDING")


def test_telephones_are_told_until_delivery(desk: OrdersDesk) -> None:
    path = f"{ORDERS_2026}/{desk.make(status='SHIPPED', age_seconds=DAY * 2)['order_id']}"

    def phone(known: OrdersDesk) -> str | None:
        order = known.get_json(path, includedData="RECIPIENT")["order"]
        said: str | None = order["recipient"]["deliveryAddress"].get("phone")
        return said

    assert phone(desk)
    desk.advance(DAY * 5)
    later = OrdersDesk.of(desk.house, desk.partner)
    assert isinstance(later, OrdersDesk)
    assert phone(later) is None


def test_cancellations_are_told(desk: OrdersDesk) -> None:
    made = desk.make(age_seconds=DAY)
    path = f"{ORDERS_2026}/{made['order_id']}"
    desk.lever("POST", f"/orders/{made['order_id']}/wish-to-cancel", {"reason": "Too late."})
    (item,) = desk.get_json(path, includedData="CANCELLATION")["order"]["orderItems"]
    assert item["cancellation"] == {
        "cancellationRequest": {"requester": "BUYER", "cancelReason": "Too late."}
    }
    desk.lever("PATCH", f"/orders/{made['order_id']}", {"status": "CANCELLED"})
    order = desk.get_json(path, includedData="CANCELLATION,FULFILLMENT")["order"]
    execution = order["orderItems"][0]["cancellation"]["cancellationExecution"]
    assert execution["cancelledBy"] == "AMAZON"
    assert order["fulfillment"]["fulfillmentStatus"] == "CANCELLED"
    assert order["orderItems"][0]["fulfillment"]["quantityUnfulfilled"] == 0


def test_orders_that_are_not_there(desk: OrdersDesk) -> None:
    old = desk.make(age_seconds=DAY * 731)
    foreign = orders_desk(desk.house).make()
    for order_id in ("nonsense", "902-0000009-0000000", old["order_id"], foreign["order_id"]):
        error = desk.errors(desk.call("GET", f"{ORDERS_2026}/{order_id}"), 404)
        assert error["code"] == "NotFound"
    assert search(desk, createdAfter=ago(desk, days=900))["orders"] == []


def test_old_orders_are_kept_in_japan(house: House) -> None:
    partner = house.seller(home="JP")
    desk = OrdersDesk.of(house, partner, "fe")
    assert isinstance(desk, OrdersDesk)
    made = desk.make(age_seconds=DAY * 900)
    order = desk.get_json(f"{ORDERS_2026}/{made['order_id']}", includedData=ALL)["order"]
    assert "." not in order["proceeds"]["grandTotal"]["amount"]


@pytest.mark.parametrize(("home", "since"), [("JP", "2016-01-01"), ("DE", "2024-11-20")])
def test_the_oldest_orders_by_store(home: str, since: str) -> None:
    shop = Shop.open(home)
    region, oldest = shop.partner.home.region, datetime.fromisoformat(f"{since}T12:00:00Z")
    assert region is not None
    if home == "JP":
        oldest = oldest.replace(hour=0)
    for instant in (oldest, oldest - timedelta(milliseconds=1)):
        shop.order(age=shop.now - instant)
    shown = shop.orders.shown(shop.partner.selling_partner_id, region, shop.now)
    assert [order.created_at for order in shown] == [oldest]


def test_each_region_has_its_own_orders(house: House) -> None:
    partner = house.seller(marketplaces=["DE", "US"])
    desks = [OrdersDesk.of(house, partner, region) for region in ("eu", "na")]
    eu, na = (desk for desk in desks if isinstance(desk, OrdersDesk))
    made = eu.make(age_seconds=DAY, marketplace="US")["order_id"]
    assert search(eu)["orders"] == []
    assert ids(search(na)) == [made]
