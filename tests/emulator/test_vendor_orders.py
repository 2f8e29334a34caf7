"""Purchase orders: who lists what, and what an acknowledgement means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk, Json, check_shape

ORDERS = "/vendor/orders/v1/purchaseOrders"
STATUS = "/vendor/orders/v1/purchaseOrdersStatus"
ACKNOWLEDGEMENTS = "/vendor/orders/v1/acknowledgements"
MODEL = "vendor-orders-api-model/vendorOrders.json"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def listed(desk: Desk, **query: Any) -> list[str]:
    answer = desk.get(ORDERS, **query)
    assert answer.status_code == 200, answer.text
    return [order["purchaseOrderNumber"] for order in answer.json()["payload"]["orders"]]


def item(sku: str, *parts: tuple[str, int], **more: Any) -> Json:
    """One line of an acknowledgement: codes and amounts."""
    return {
        "vendorProductIdentifier": sku,
        "orderedQuantity": {"amount": 10, "unitOfMeasure": "Eaches"},
        "netCost": {"amount": "12.50", "currencyCode": "EUR"},
        "itemAcknowledgements": [
            {
                "acknowledgementCode": code,
                "acknowledgedQuantity": {"amount": amount, "unitOfMeasure": "Eaches"},
                **({"rejectionReason": "ObsoleteProduct"} if code == "Rejected" else {}),
            }
            for code, amount in parts
        ],
        **more,
    }


def acknowledgement(desk: Desk, number: str, *items: Json, party: str | None = None) -> Json:
    return {
        "acknowledgements": [
            {
                "purchaseOrderNumber": number,
                "sellingParty": {"partyId": party or desk.code},
                "acknowledgementDate": desk.ago(),
                "items": list(items),
            }
        ]
    }


def lines(desk: Desk, number: str) -> dict[str, Json]:
    """The status of each line, by SKU."""
    told = desk.get(STATUS, purchaseOrderNumber=number).json()["payload"]["ordersStatus"]
    assert len(told) == 1
    return {line["vendorProductIdentifier"]: line for line in told[0]["itemStatus"]}


def confirmed(desk: Desk, number: str) -> dict[str, tuple[str, int, int]]:
    return {
        sku: (
            line["acknowledgementStatus"]["confirmationStatus"],
            line["acknowledgementStatus"]["acceptedQuantity"]["amount"],
            line["acknowledgementStatus"]["rejectedQuantity"]["amount"],
        )
        for sku, line in lines(desk, number).items()
    }


# --- reading --------------------------------------------------------------------------------------


def test_what_is_listed_is_as_the_model_says(desk: Desk, models: Path) -> None:
    order = desk.purchase_order(items=[{"sku": "A", "amount": 3}, {"sku": "B", "unit": "Cases"}])
    desk.lever("PATCH", f"purchase-orders/{order['number']}", {"ordered": {"1": 0}})
    body = desk.get(ORDERS, createdAfter=desk.ago(days=3)).json()
    check_shape(models / MODEL, "GetPurchaseOrdersResponse", body)
    found = {known["purchaseOrderNumber"]: known for known in body["payload"]["orders"]}
    assert set(found) == {"MILL1002", order["number"]}
    details = found[order["number"]]["orderDetails"]
    assert details["sellingParty"] == {"partyId": "MILL1"}
    assert [each["orderedQuantity"]["amount"] for each in details["items"]] == [0, 10]
    assert [each["orderedQuantity"]["unitOfMeasure"] for each in details["items"]] == [
        "Eaches",
        "Cases",
    ]
    one = desk.get(f"{ORDERS}/{order['number']}").json()
    check_shape(models / MODEL, "GetPurchaseOrderResponse", one)
    assert one["payload"] == found[order["number"]]
    bare = desk.get(ORDERS, includeDetails="false").json()["payload"]["orders"]
    assert all("orderDetails" not in known for known in bare)


def test_of_the_first_orders_one_is_new_one_acknowledged_one_closed(desk: Desk) -> None:
    states = {
        number: desk.get(f"{ORDERS}/{number}").json()["payload"]["purchaseOrderState"]
        for number in ("MILL1000", "MILL1001", "MILL1002")
    }
    assert list(states.values()) == ["Closed", "Acknowledged", "New"]


def test_filters(desk: Desk) -> None:
    changed = desk.purchase_order(age_days=1, number="CHANGED1")
    cancelled = desk.purchase_order(age_days=1, number="CANCELL1")
    desk.purchase_order(age_days=1, number="CLOSED01", state="Closed")
    desk.purchase_order(age_days=1, number="ACKNOWL1", state="Acknowledged")
    desk.lever("PATCH", f"purchase-orders/{changed['number']}", {"ordered": {"1": 4}})
    desk.lever("PATCH", f"purchase-orders/{cancelled['number']}", {"ordered": {"1": 0}})
    assert len(listed(desk)) == 5
    assert set(listed(desk, isPOChanged="true")) == {"CHANGED1", "CANCELL1"}
    assert listed(desk, poItemState="Cancelled") == ["CANCELL1"]
    assert listed(desk, purchaseOrderState="Closed") == ["CLOSED01"]
    assert listed(desk, purchaseOrderState="Acknowledged") == ["ACKNOWL1"]
    assert len(listed(desk, purchaseOrderState="New")) == 3
    assert listed(desk, orderingVendorCode="OTHER") == []
    assert len(listed(desk, orderingVendorCode="MILL1")) == 5
    assert set(listed(desk, changedAfter=desk.ago(minutes=5))) == {"CHANGED1", "CANCELL1"}
    assert listed(desk, changedBefore=desk.ago(minutes=5)) == []


def test_spans_are_seven_days_and_history_is_six_months(desk: Desk) -> None:
    desk.purchase_order(age_days=170, number="RECENT01")
    desk.purchase_order(age_days=200, number="ANCIENT1")
    week = {"createdAfter": desk.ago(days=173), "createdBefore": desk.ago(days=167)}
    assert listed(desk, **week) == ["RECENT01"]
    week = {"createdAfter": desk.ago(days=203), "createdBefore": desk.ago(days=197)}
    assert listed(desk, **week) == []
    assert listed(desk, createdBefore=desk.ago(days=166)) == ["RECENT01"]
    for path in (ORDERS, STATUS):
        query = {"createdAfter": desk.ago(days=8), "createdBefore": desk.ago()}
        answer = desk.get(path, **query)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "InvalidInput"
        assert "must not exceed 7 days" in answer.json()["errors"][0]["message"]
    assert desk.get(ORDERS, createdAfter=desk.ago(days=8)).status_code == 400
    assert desk.get(ORDERS, changedAfter=desk.ago(days=8)).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"sortOrder": "UP"},
        {"purchaseOrderState": "Old"},
        {"poItemState": "New"},
        {"isPOChanged": "perhaps"},
        {"createdAfter": "2019-09-2100:00:00"},
        {"createdAfter": "2026-01-02T00:00:00Z", "createdBefore": "2026-01-01T00:00:00Z"},
        {"nextToken": "MDAwMDAwMDAwMQ=="},
    ],
)
def test_wrong_questions(desk: Desk, query: dict[str, Any]) -> None:
    answer = desk.get(ORDERS, **query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "InvalidInput"


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_pages_hold_while_orders_come_in(desk: Desk, order: str) -> None:
    desk.lever("POST", "purchase-orders", {"count": 6, "age_days": 1})
    query: dict[str, Any] = {"limit": 3, "sortOrder": order, "purchaseOrderState": "New"}
    found: list[str] = []
    mark = None
    while True:
        asked = query if mark is None else {"limit": 2, "nextToken": mark}
        payload = desk.get(ORDERS, **asked).json()["payload"]
        found += [known["purchaseOrderNumber"] for known in payload["orders"]]
        mark = payload.get("pagination", {}).get("nextToken")
        if mark is None:
            break
        desk.purchase_order(age_days=1.5 if order == "ASC" else 0.5)
    assert len(found) == len(set(found)) == 7
    assert found == sorted(found, reverse=order == "DESC")


def test_a_page_mark_is_good_for_its_question_alone(desk: Desk) -> None:
    desk.lever("POST", "purchase-orders", {"count": 3})
    mark = desk.get(ORDERS, limit=1, sortOrder="ASC").json()["payload"]["pagination"]["nextToken"]
    assert desk.get(ORDERS, nextToken=mark, sortOrder="ASC").status_code == 200
    assert desk.get(ORDERS, nextToken=mark, sortOrder="DESC").status_code == 400
    assert desk.get(ORDERS, nextToken=mark, purchaseOrderState="New").status_code == 400
    assert desk.get(STATUS, nextToken=mark).status_code == 400
    other = Desk.of(desk.house, vendor_codes=["MILL2"])
    assert other.get(ORDERS, nextToken=mark).status_code == 400


def test_orders_of_others_are_not_found(desk: Desk) -> None:
    other = Desk.of(desk.house, vendor_codes=["MILL2"])
    order = other.purchase_order()
    answer = desk.get(f"{ORDERS}/{order['number']}")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "NotFound"


def test_sellers_and_applications_without_the_role_are_denied(desk: Desk) -> None:
    seller = desk.house.access_token(desk.house.seller())
    assert desk.get(ORDERS, seller).status_code == 403
    narrow = desk.house.amazon.levers.application("Narrow", roles=["Pricing"])
    house = House(desk.house.amazon, desk.house.http, narrow)
    assert desk.get(ORDERS, house.access_token(desk.vendor)).status_code == 403


# --- acknowledging --------------------------------------------------------------------------------


def test_an_acknowledgement_takes_its_time_and_then_counts(desk: Desk, models: Path) -> None:
    order = desk.purchase_order(items=[{"sku": "A"}, {"sku": "B"}, {"sku": "C"}])
    number = order["number"]
    body = acknowledgement(
        desk,
        number,
        item("A", ("Accepted", 10)),
        item("B", ("Accepted", 4), ("Backordered", 3), ("Rejected", 3)),
    )
    answer = desk.post(ACKNOWLEDGEMENTS, body)
    assert answer.status_code == 202
    check_shape(models / MODEL, "SubmitAcknowledgementResponse", answer.json())
    assert confirmed(desk, number)["A"] == ("UNCONFIRMED", 0, 0), "nothing happens while Processing"
    transaction_id = answer.json()["payload"]["transactionId"]
    assert desk.transaction(transaction_id) == {
        "transactionId": transaction_id,
        "status": "Processing",
    }
    desk.advance(seconds=21)
    assert desk.transaction(transaction_id)["status"] == "Success"
    assert confirmed(desk, number) == {
        "A": ("ACCEPTED", 10, 0),
        "B": ("PARTIALLY_ACCEPTED", 7, 3),
        "C": ("REJECTED", 0, 10),
    }, "a line that is left out counts as rejected"
    body = desk.get(STATUS, purchaseOrderNumber=number).json()
    check_shape(models / MODEL, "GetPurchaseOrdersStatusResponse", body)
    state = desk.get(f"{ORDERS}/{number}").json()["payload"]["purchaseOrderState"]
    assert state == "Acknowledged"


def test_a_later_acknowledgement_replaces_the_earlier_for_48_hours(desk: Desk) -> None:
    number = desk.purchase_order(items=[{"sku": "A"}])["number"]
    assert (
        desk.outcome(ACKNOWLEDGEMENTS, acknowledgement(desk, number, item("A", ("Accepted", 10))))
        == []
    )
    desk.advance(hours=47)
    less = acknowledgement(desk, number, item("A", ("Accepted", 6), ("Rejected", 4)))
    assert desk.outcome(ACKNOWLEDGEMENTS, less) == []
    assert confirmed(desk, number) == {"A": ("PARTIALLY_ACCEPTED", 6, 4)}
    details = lines(desk, number)["A"]["acknowledgementStatus"]["acknowledgementStatusDetails"]
    assert [each["acceptedQuantity"]["amount"] for each in details] == [6, 10]
    desk.advance(hours=2)
    assert desk.outcome(ACKNOWLEDGEMENTS, less) == ["ACKNOWLEDGEMENT_TOO_LATE"]


def test_what_was_rejected_is_never_accepted(desk: Desk) -> None:
    number = desk.purchase_order(items=[{"sku": "A"}, {"sku": "B"}])["number"]
    first = acknowledgement(desk, number, item("A", ("Accepted", 7)))
    assert desk.outcome(ACKNOWLEDGEMENTS, first) == []
    more = acknowledgement(desk, number, item("A", ("Accepted", 8)))
    assert desk.outcome(ACKNOWLEDGEMENTS, more) == ["ALREADY_REJECTED"]
    omitted = acknowledgement(desk, number, item("A", ("Accepted", 7)), item("B", ("Accepted", 1)))
    assert desk.outcome(ACKNOWLEDGEMENTS, omitted) == ["ALREADY_REJECTED"]
    assert confirmed(desk, number) == {
        "A": ("PARTIALLY_ACCEPTED", 7, 3),
        "B": ("REJECTED", 0, 10),
    }


def test_an_order_of_which_nothing_is_accepted_is_closed(desk: Desk) -> None:
    number = desk.purchase_order(items=[{"sku": "A"}])["number"]
    none = acknowledgement(desk, number, item("A", ("Rejected", 10)))
    assert desk.outcome(ACKNOWLEDGEMENTS, none) == []
    assert desk.get(f"{ORDERS}/{number}").json()["payload"]["purchaseOrderState"] == "Closed"
    assert desk.outcome(ACKNOWLEDGEMENTS, none) == ["ORDER_CLOSED"]


def test_failures_are_told_and_change_nothing(desk: Desk) -> None:
    number = desk.purchase_order(items=[{"sku": "A", "back_order_allowed": False}])["number"]

    def codes(*items: Json, **more: Any) -> list[str]:
        return desk.outcome(ACKNOWLEDGEMENTS, acknowledgement(desk, number, *items, **more))

    good = item("A", ("Accepted", 10))
    assert codes(good, party="OTHER") == ["INVALID_PARTY_ID"]
    assert codes(item("Z", ("Accepted", 1))) == ["INVALID_ITEM"]
    assert codes(good, good) == ["INVALID_ITEM"]
    assert codes({**good, "amazonProductIdentifier": "B0ANOTHER0"}) == ["INVALID_ITEM"]
    assert codes(item("A", ("Accepted", 11)))[0] == "INVALID_QUANTITY"
    assert codes(item("A", ("Accepted", -1))) == ["INVALID_QUANTITY"]
    assert codes(item("A", ("Backordered", 5))) == ["BACKORDER_NOT_ALLOWED"]
    for cost in ({}, {"amount": "0"}, {"amount": "-1.00"}):
        assert codes({**good, "netCost": cost}) == ["INVALID_NET_COST"]
    unreasoned = item("A", ("Rejected", 10))
    del unreasoned["itemAcknowledgements"][0]["rejectionReason"]
    assert codes(unreasoned) == ["MISSING_REJECTION_REASON"]
    unknown = acknowledgement(desk, "NOSUCH01", good)
    assert desk.outcome(ACKNOWLEDGEMENTS, unknown) == ["INVALID_ORDER_ID"]
    twice = acknowledgement(desk, number, good)
    twice["acknowledgements"] *= 2
    assert desk.outcome(ACKNOWLEDGEMENTS, twice) == ["DUPLICATE_ACKNOWLEDGEMENT"]
    half = acknowledgement(desk, number, good)
    half["acknowledgements"] += unknown["acknowledgements"]
    assert desk.outcome(ACKNOWLEDGEMENTS, half) == ["INVALID_ORDER_ID"]
    assert confirmed(desk, number) == {"A": ("UNCONFIRMED", 0, 0)}
    assert codes(good) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sellingParty": {}}, "The content of element 'sellingParty' is not complete"),
        ({"sellingParty": "MILL1"}, "The value of element 'sellingParty' is not valid"),
        ({"purchaseOrderNumber": None}, "'purchaseOrderNumber' is expected"),
        ({"acknowledgementDate": "yesterday"}, "'acknowledgementDate' is not valid"),
        ({"items": []}, "'items' is expected"),
        ({"items": {}}, "The value of element 'items' is not valid"),
        ({"items": [{"orderedQuantity": {}}]}, "'itemAcknowledgements' is expected"),
        ({"items": [item("A", ("Perhaps", 1))]}, "Value 'Perhaps' is not valid"),
        ({"items": [item("A", ("Accepted", 1.5))]}, "'amount' is not valid"),  # type: ignore[arg-type]
        ({"items": [item("A", ("Accepted", True))]}, "'amount' is not valid"),
        (
            {"items": [item("A", ("Accepted", 1), netCost={"amount": "NaN"})]},
            "'amount' is not valid",
        ),
    ],
)
def test_incomplete_bodies_are_refused_at_once(desk: Desk, change: Json, words: str) -> None:
    body = acknowledgement(desk, "MILL1002", item("EMU-002", ("Accepted", 10)))
    body["acknowledgements"][0] |= change
    answer = desk.post(ACKNOWLEDGEMENTS, body)
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["code"] == "InvalidInput"
    assert words in error["message"]
    assert desk.lever("GET", "/vendor-transactions")["items"] == []


@pytest.mark.parametrize("body", [{}, {"acknowledgements": []}, [], "text", None])
def test_bodies_without_anything_are_refused(desk: Desk, body: Any) -> None:
    assert desk.post(ACKNOWLEDGEMENTS, body).status_code == 400


def test_amazon_changes_and_receives(desk: Desk) -> None:
    number = desk.purchase_order(items=[{"sku": "A"}], age_days=1)["number"]
    desk.lever("PATCH", f"purchase-orders/{number}", {"ordered": {"1": 6}, "received": {"1": 2}})
    line = lines(desk, number)["A"]
    assert line["orderedQuantity"]["orderedQuantity"]["amount"] == 6
    latest = line["orderedQuantity"]["orderedQuantityDetails"][0]
    assert latest["cancelledQuantity"]["amount"] == 4
    assert line["receivingStatus"]["receiveStatus"] == "PARTIALLY_RECEIVED"
    seen = desk.lever(
        "PATCH", f"purchase-orders/{number}", {"received": {"1": 6}, "state": "Closed"}
    )
    assert seen["state"] == "Closed"
    assert lines(desk, number)["A"]["receivingStatus"]["receiveStatus"] == "RECEIVED"
    updated = desk.get(STATUS, updatedAfter=desk.ago(minutes=5)).json()["payload"]["ordersStatus"]
    assert [order["purchaseOrderNumber"] for order in updated] == [number]
