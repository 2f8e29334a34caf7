"""Finances: what shipments brought and refunds took, as both APIs tell it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.clock import stamp
from tests.emulator.conftest import House
from tests.emulator.orders_desk import OrdersDesk, orders_desk
from tests.emulator.test_selling_partner_api import check_shape, denied

MODEL = "finances-api-model/finances_2024-06-19.json"
TRANSACTIONS = "/finances/2024-06-19/transactions"
EVENTS = "/finances/v0/financialEvents"
GROUPS = "/finances/v0/financialEventGroups"
DAY = 86400
GOODS = [
    {"sku": "SKU-1", "quantity": 2, "price": "10.00", "promotion": "1.00"},
    {"sku": "SKU-2", "price": "5.00"},
]


@pytest.fixture
def desk(house: House) -> OrdersDesk:
    known = orders_desk(house)
    known.lever("PUT", "/limits", {"enforced": False})
    return known


def ago(desk: OrdersDesk, **span: float) -> str:
    return str(stamp(desk.house.amazon.levers.now() - timedelta(**span)))


def transactions(desk: OrdersDesk, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.get_json(TRANSACTIONS, **query)["payload"]["transactions"]
    return found


def of_order(order: dict[str, Any]) -> dict[str, str]:
    return {"relatedIdentifierName": "ORDER_ID", "relatedIdentifierValue": order["order_id"]}


def events(desk: OrdersDesk, order: dict[str, Any]) -> dict[str, Any]:
    path = f"/finances/v0/orders/{order['order_id']}/financialEvents"
    found: dict[str, Any] = desk.get_json(path)["payload"]["FinancialEvents"]
    return found


def refund(desk: OrdersDesk, order: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    return desk.lever("POST", f"/orders/{order['order_id']}/refund", wishes)


def settled(desk: OrdersDesk) -> OrdersDesk:
    """Three minutes later: new bookings may be asked for."""
    desk.advance(180)
    return desk


def number(amount: dict[str, Any]) -> Decimal:
    key = "currencyAmount" if "currencyAmount" in amount else "CurrencyAmount"
    return Decimal(str(amount[key]))


def test_transactions_are_as_the_model_says(desk: OrdersDesk, models: Path) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9, items=GOODS)
    refund(desk, order, order_item_id=order["items"][0]["order_item_id"])
    desk.lever("PATCH", "/orders/habits", {"finances_lag_hours": 0})
    body = settled(desk).get_json(TRANSACTIONS, postedAfter=ago(desk, days=30))
    assert len(body["payload"]["transactions"]) == 2
    for known in body["payload"]["transactions"]:
        for item in known["items"]:
            # The model joins all kinds of contexts by allOf; each alone is checked here.
            (context,) = item.pop("contexts")
            assert context.pop("contextType") == "ProductContext"
            check_shape(models, MODEL, "ProductContext", context)
    check_shape(models, MODEL, "ListTransactionsResponse", body)


def test_what_shipped_and_what_went_back(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9, items=GOODS)
    first, _second = order["items"]
    refund(desk, order, order_item_id=first["order_item_id"], amounts={"Principal": "4.00"})
    desk.lever("PATCH", "/orders/habits", {"finances_lag_hours": 0})
    seen = settled(desk).get_json(TRANSACTIONS, **of_order(order))["payload"]["transactions"]
    shipped, back = seen
    assert (shipped["transactionType"], back["transactionType"]) == ("Shipment", "Refund")
    assert number(shipped["totalAmount"]) == Decimal(order["total"])
    assert number(back["totalAmount"]) == Decimal("-4.00")
    assert back["items"][0]["relatedIdentifiers"][0]["itemRelatedIdentifierValue"]
    told = events(desk, order)
    (event,) = told["ShipmentEventList"]
    assert event["AmazonOrderId"] == order["order_id"]
    assert [item["QuantityShipped"] for item in event["ShipmentItemList"]] == [2, 1]
    promotion = event["ShipmentItemList"][0]["PromotionList"][0]
    assert number(promotion["PromotionAmount"]) == Decimal("-1.00")
    (refunded,) = told["RefundEventList"]
    (adjusted,) = refunded["ShipmentItemAdjustmentList"]
    assert adjusted["SellerSKU"] == "SKU-1"
    (charge,) = adjusted["ItemChargeAdjustmentList"]
    assert (charge["ChargeType"], number(charge["ChargeAmount"])) == ("Principal", Decimal(-4))


def test_sums_are_those_of_the_order(desk: OrdersDesk) -> None:
    order = desk.make(age_seconds=DAY * 9, items=GOODS)
    item = order["items"][0]["order_item_id"]
    for reference, quantity in (("1", 1), ("2", 1)):
        path = f"/orders/v0/orders/{order['order_id']}/shipmentConfirmation"
        detail = {
            "packageReferenceId": reference,
            "carrierCode": "DHL",
            "trackingNumber": f"T{reference}",
            "shipDate": "2026-11-21T10:00:00Z",
            "orderItems": [{"orderItemId": item, "quantity": quantity}],
        }
        body = {"marketplaceId": order["marketplace_id"], "packageDetail": detail}
        assert desk.call("POST", path, body).status_code == 204
    desk.lever("PATCH", f"/orders/{order['order_id']}", {"status": "SHIPPED"})
    refund(desk, order, order_item_id=item, amounts={"Principal": "3.33", "Tax": "0.63"})
    refund(desk, order, by="Amazon")
    seen = desk.seen(order)
    assert seen["refunded"] == seen["charged"] == seen["total"]
    told = events(settled(desk), order)
    taken = sum(
        number(charge["ChargeAmount"])
        for event in told["ShipmentEventList"]
        for line in event["ShipmentItemList"]
        for charge in line["ItemChargeList"]
    )
    promoted = sum(
        number(promotion["PromotionAmount"])
        for event in told["ShipmentEventList"]
        for line in event["ShipmentItemList"]
        for promotion in line.get("PromotionList", [])
    )
    back = sum(
        number(charge["ChargeAmount"])
        for event in told["RefundEventList"]
        for line in event["ShipmentItemAdjustmentList"]
        for charge in line["ItemChargeAdjustmentList"]
    )
    unpromoted = sum(
        number(promotion["PromotionAmount"])
        for event in told["RefundEventList"]
        for line in event["ShipmentItemAdjustmentList"]
        for promotion in line.get("PromotionAdjustmentList", [])
    )
    assert taken + promoted == Decimal(seen["charged"])
    assert back + unpromoted == -Decimal(seen["refunded"])
    desk.lever("PATCH", "/orders/habits", {"finances_lag_hours": 0})
    moved = [number(known["totalAmount"]) for known in transactions(desk, **of_order(order))]
    assert sum(moved) == 0


def test_the_last_48_hours_may_be_missing(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9)
    refund(desk, order)
    settled(desk)
    assert [known["transactionType"] for known in transactions(desk, **of_order(order))] == [
        "Shipment"
    ]
    assert len(events(desk, order)["RefundEventList"]) == 1
    desk.lever("PATCH", "/orders/habits", {"finances_v0_lag_hours": 48})
    assert events(desk, order)["RefundEventList"] == []
    desk.advance(DAY * 2)
    later = OrdersDesk.of(desk.house, desk.partner)
    assert isinstance(later, OrdersDesk)
    assert len(transactions(later, **of_order(order))) == 2
    assert len(events(later, order)["RefundEventList"]) == 1


def test_rules_of_transactions(desk: OrdersDesk) -> None:
    error = desk.errors(desk.call("GET", TRANSACTIONS, postedBefore=ago(desk, days=1)))
    assert error == {
        "code": "InvalidInput",
        "message": "Start date cannot be null",
        "details": "Start date cannot be null",
    }
    day = ago(desk, days=1)
    for query in (
        {},
        {"postedAfter": ago(desk, seconds=60)},
        {"postedAfter": "0001-01-01T00:00:00+14:00"},
        {"postedAfter": day, "postedBefore": ago(desk, seconds=60)},
        {"postedAfter": day, "postedBefore": ago(desk, days=2)},
        {"postedAfter": day, "relatedIdentifierName": "ORDER_ID"},
        {"relatedIdentifierName": "REFUND_ID", "relatedIdentifierValue": "1"},
        {"postedAfter": day, "transactionStatus": "Released"},
        {"postedAfter": day, "nextToken": "made-up"},
    ):
        assert desk.errors(desk.call("GET", TRANSACTIONS, **query))["code"] == "InvalidInput"
    assert transactions(desk, postedAfter=ago(desk, days=200)) == []


def test_the_upper_end_of_a_range_is_not_in_it(desk: OrdersDesk) -> None:
    desk.lever("PATCH", "/orders/habits", {"finances_lag_hours": 0})
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9)
    posted = datetime.fromisoformat(order["shipments"][0]["posted_at"])
    after = ago(desk, days=30)
    for offset_ms, count in ((0, 0), (1, 1)):
        before = str(stamp(posted + timedelta(milliseconds=offset_ms)))
        assert len(transactions(desk, postedAfter=after, postedBefore=before)) == count
        told = desk.get_json(EVENTS, PostedAfter=after, PostedBefore=before)["payload"]
        assert len(told["FinancialEvents"]["ShipmentEventList"]) == count
    since = str(stamp(posted))
    assert len(transactions(desk, postedAfter=since)) == 1, "the lower end is in it"
    desk.lever("POST", f"/orders/{order['order_id']}/refund", {})
    assert len(transactions(desk, postedAfter=after)) == 1, "not of the last two minutes"
    desk.advance(121)
    assert len(transactions(desk, postedAfter=after)) == 2


def test_transactions_by_store_status_and_group(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9)
    desk.make(status="SHIPPED", age_seconds=DAY * 9, marketplace="IT")
    month = ago(desk, days=30)
    assert len(transactions(desk, postedAfter=month)) == 2
    (one,) = transactions(desk, postedAfter=month, marketplaceId=order["marketplace_id"])
    assert transactions(desk, postedAfter=month, transactionStatus="DEFERRED") == []
    assert transactions(desk, postedAfter=ago(desk, days=5)) == []
    group = one["relatedIdentifiers"][1]
    query = {
        "relatedIdentifierName": group["relatedIdentifierName"],
        "relatedIdentifierValue": group["relatedIdentifierValue"],
    }
    assert len(transactions(desk, **query)) == 2
    (listed,) = desk.get_json(GROUPS)["payload"]["FinancialEventGroupList"]
    assert listed["FinancialEventGroupId"] == group["relatedIdentifierValue"]
    assert number(listed["OriginalTotal"]) > 0
    inside = desk.get_json(f"{GROUPS}/{group['relatedIdentifierValue']}/financialEvents")
    assert len(inside["payload"]["FinancialEvents"]["ShipmentEventList"]) == 2


def test_sellers_own_orders_in_the_us_are_found_without_the_store(house: House) -> None:
    desk = OrdersDesk.of(house, house.seller(home="US"), "na")
    assert isinstance(desk, OrdersDesk)
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9)
    amazons = desk.make(status="SHIPPED", age_seconds=DAY * 9, fulfilled_by="AMAZON")
    month, store = ago(desk, days=30), order["marketplace_id"]
    found = transactions(desk, postedAfter=month, marketplaceId=store)
    assert [known["relatedIdentifiers"][0]["relatedIdentifierValue"] for known in found] == [
        amazons["order_id"]
    ]
    assert len(transactions(desk, postedAfter=month)) == 2


def test_transactions_come_in_pages(desk: OrdersDesk) -> None:
    desk.makes(count=130, status="SHIPPED", age_seconds=DAY * 9)
    query = {"postedAfter": ago(desk, days=30)}
    first = desk.get_json(TRANSACTIONS, **query)["payload"]
    second = desk.get_json(TRANSACTIONS, **query, nextToken=first["nextToken"])["payload"]
    found = [known["transactionId"] for known in first["transactions"] + second["transactions"]]
    assert len(set(found)) == 130
    assert "nextToken" not in second
    other = {"postedAfter": ago(desk, days=31), "nextToken": first["nextToken"]}
    desk.errors(desk.call("GET", TRANSACTIONS, **other))


def test_events_come_in_pages(desk: OrdersDesk) -> None:
    desk.makes(count=5, status="SHIPPED", age_seconds=DAY * 9)
    query: dict[str, Any] = {"PostedAfter": ago(desk, days=30), "MaxResultsPerPage": 3}
    first = desk.get_json(EVENTS, **query)["payload"]
    second = desk.get_json(EVENTS, **query, NextToken=first["NextToken"])["payload"]
    found = [
        event["AmazonOrderId"]
        for page in (first, second)
        for event in page["FinancialEvents"]["ShipmentEventList"]
    ]
    assert len(set(found)) == 5
    assert "NextToken" not in second
    for wrong in (
        {"PostedAfter": ago(desk, seconds=30)},
        {"PostedBefore": ago(desk, days=2)},
        {"PostedAfter": ago(desk, days=1), "PostedBefore": ago(desk, days=2)},
        {"MaxResultsPerPage": 101},
        {"NextToken": "made-up"},
    ):
        assert desk.errors(desk.call("GET", EVENTS, **wrong))["code"] == "InvalidInput"


def test_a_next_page_keeps_its_range_whatever_happens(desk: OrdersDesk) -> None:
    """Bookings that are written down meanwhile, even for earlier, neither hide nor double any."""
    made = [one["order_id"] for one in desk.makes(count=6, status="SHIPPED", age_seconds=DAY * 9)]
    query: dict[str, Any] = {"PostedAfter": ago(desk, days=30), "MaxResultsPerPage": 2}
    found: list[str] = []
    page = desk.get_json(EVENTS, **query)["payload"]
    for late in (DAY * 29, DAY * 20, DAY * 2):
        found += [one["AmazonOrderId"] for one in page["FinancialEvents"]["ShipmentEventList"]]
        desk.make(status="SHIPPED", age_seconds=late)
        if "NextToken" in page:
            mark = page["NextToken"]
            page = desk.get_json(EVENTS, NextToken=mark, MaxResultsPerPage=2)["payload"]
    assert found == sorted(made, key=found.index)
    assert len(set(found)) == 6


def test_a_next_token_belongs_to_its_request(desk: OrdersDesk) -> None:
    desk.makes(count=3, status="SHIPPED", age_seconds=DAY * 9)
    first = desk.make(status="SHIPPED", age_seconds=DAY * 40)
    query: dict[str, Any] = {"PostedAfter": ago(desk, days=30), "MaxResultsPerPage": 1}
    mark = desk.get_json(EVENTS, **query)["payload"]["NextToken"]
    groups = desk.get_json(GROUPS, MaxResultsPerPage=1)["payload"]
    latest = groups["FinancialEventGroupList"][0]["FinancialEventGroupId"]
    one_order = f"/finances/v0/orders/{first['order_id']}/financialEvents"
    in_group = f"{GROUPS}/{latest}/financialEvents"
    for path, wrong in (
        (EVENTS, {**query, "PostedAfter": ago(desk, days=31), "NextToken": mark}),
        (EVENTS, {"NextToken": groups["NextToken"]}),
        (GROUPS, {"NextToken": mark}),
        (one_order, {"NextToken": mark}),
        (in_group, {"NextToken": mark}),
        (EVENTS, {"NextToken": mark[:-4] + "AAAA"}),
    ):
        assert desk.errors(desk.call("GET", path, **wrong))["code"] == "InvalidInput", path
    stranger = orders_desk(desk.house)
    assert stranger.errors(stranger.call("GET", EVENTS, NextToken=mark))["code"] == "InvalidInput"
    (older,) = desk.get_json(GROUPS, NextToken=groups["NextToken"])["payload"][
        "FinancialEventGroupList"
    ]
    assert older["FinancialEventGroupId"] != latest
    assert older["ProcessingStatus"] == "Closed"


def test_charges_have_the_names_of_the_finances_model(desk: OrdersDesk) -> None:
    goods = [{"sku": "SKU-1", "price": "10.00", "gift_wrap": "1.00", "gift_wrap_tax": "0.19"}]
    order = desk.make(status="SHIPPED", age_seconds=DAY * 9, items=goods)
    (event,) = events(desk, order)["ShipmentEventList"]
    (item,) = event["ShipmentItemList"]
    assert [charge["ChargeType"] for charge in item["ItemChargeList"]] == [
        *("Principal", "Tax", "ShippingCharge", "ShippingTax", "Giftwrap", "GiftwrapTax"),
    ]


def test_more_than_180_days_find_nothing(desk: OrdersDesk) -> None:
    desk.make(status="SHIPPED", age_seconds=DAY * 9)
    for days, count in ((179, 1), (181, 0)):
        payload = desk.get_json(EVENTS, PostedAfter=ago(desk, days=days))["payload"]
        assert len(payload["FinancialEvents"]["ShipmentEventList"]) == count
        since = {"FinancialEventGroupStartedAfter": ago(desk, days=days)}
        payload = desk.get_json(GROUPS, **since)["payload"]
        assert len(payload["FinancialEventGroupList"]) == count


def test_orders_that_are_not_there(desk: OrdersDesk) -> None:
    foreign = orders_desk(desk.house).make(status="SHIPPED", age_seconds=DAY * 9)
    told = events(desk, foreign)
    assert told == {"ShipmentEventList": [], "RefundEventList": []}
    answer = desk.call("GET", "/finances/v0/orders/nonsense/financialEvents")
    assert desk.errors(answer)["code"] == "InvalidInput"


def test_finance_has_a_role_of_its_own(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"roles": ["Inventory and Order Tracking"]})
    token = house.access_token(house.seller())
    for asked in (TRANSACTIONS, EVENTS, GROUPS):
        denied(house.call(asked, token), "")
