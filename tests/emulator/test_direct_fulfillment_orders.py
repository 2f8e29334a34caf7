"""Direct-fulfillment orders: reading them needs a restricted data token; whole orders only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.levers import LeverError
from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk, Json, check_shape

BASE = "/vendor/directFulfillment/orders"
ORDERS = f"{BASE}/2021-12-28/purchaseOrders"
ACKNOWLEDGEMENTS = f"{BASE}/2021-12-28/acknowledgements"
FOLDER = "vendor-direct-fulfillment-orders-api-model"
MODELS = {
    "2021-12-28": f"{FOLDER}/vendorDirectFulfillmentOrders_2021-12-28.json",
    "v1": f"{FOLDER}/vendorDirectFulfillmentOrdersV1.json",
}


@pytest.fixture
def desk(house: House) -> Desk:
    desk = Desk.of(house)
    desk.lever("PUT", "/limits", {"enforced": False})
    return desk


def span(desk: Desk, days: float = 7) -> Json:
    return {"createdAfter": desk.ago(days=days), "createdBefore": desk.ago()}


def listed(desk: Desk, **query: Any) -> list[str]:
    answer = desk.read(ORDERS, **{**span(desk), **query})
    assert answer.status_code == 200, answer.text
    return [order["purchaseOrderNumber"] for order in answer.json()["orders"]]


def acknowledgement(desk: Desk, order: Json, code: str = "00", **change: Any) -> Json:
    return {
        "orderAcknowledgements": [
            {
                "purchaseOrderNumber": order["number"],
                "vendorOrderNumber": "OURS-1",
                "acknowledgementDate": desk.ago(),
                "acknowledgementStatus": {"code": code, "description": "as agreed"},
                "sellingParty": {"partyId": order["vendor_code"]},
                "shipFromParty": {"partyId": order["warehouse"]},
                "itemAcknowledgements": [
                    {
                        "itemSequenceNumber": line["number"],
                        "acknowledgedQuantity": {
                            "amount": line["amount"] if code == "00" else 0,
                            "unitOfMeasure": "Each",
                        },
                    }
                    for line in order["lines"]
                ],
                **change,
            }
        ]
    }


def status(desk: Desk, number: str) -> str:
    [order] = [
        one for one in desk.lever("GET", "direct-orders")["items"] if one["number"] == number
    ]
    return str(order["status"])


@pytest.mark.parametrize("version", ["2021-12-28", "v1"])
def test_both_versions_are_as_their_models_say(desk: Desk, models: Path, version: str) -> None:
    order = desk.direct_order(items=[{"amount": 2, "price": "3.10"}, {}], gift=True)
    place = f"{BASE}/{version}/purchaseOrders"
    payload = version == "v1"
    many = desk.read(place, **span(desk)).json()
    check_shape(models / MODELS[version], "GetOrdersResponse" if payload else "OrderList", many)
    [listed] = (many["payload"] if payload else many)["orders"]
    one = desk.read(f"{place}/{order['number']}").json()
    check_shape(models / MODELS[version], "GetOrderResponse" if payload else "Order", one)
    assert (one["payload"] if payload else one) == listed
    details = listed["orderDetails"]
    assert details["orderStatus"] == "NEW"
    assert details["shipToParty"]["name"].startswith("Customer")
    assert details["items"][0]["totalPrice"] == {"amount": "6.20", "currencyCode": "EUR"}
    answer = desk.post(f"{BASE}/{version}/acknowledgements", acknowledgement(desk, order))
    assert answer.status_code == 202
    told = answer.json()
    definition = "SubmitAcknowledgementResponse" if payload else "TransactionId"
    check_shape(models / MODELS[version], definition, told)
    assert list(told.get("payload", told)) == ["transactionId"]


def test_reading_needs_a_restricted_data_token(desk: Desk) -> None:
    number = desk.direct_order()["number"]
    for path, query in ((ORDERS, span(desk)), (f"{ORDERS}/{number}", {})):
        assert desk.get(path, **query).status_code == 403
    other = desk.restricted("GET", f"{BASE}/v1/purchaseOrders")
    assert desk.get(ORDERS, other, **span(desk)).status_code == 403
    generic = f"{ORDERS}/{{purchaseOrderNumber}}"
    assert desk.read(f"{ORDERS}/{number}", generic).status_code == 200
    acknowledged = desk.post(ACKNOWLEDGEMENTS, {}, desk.restricted("GET", ORDERS))
    assert acknowledged.status_code == 403


def test_both_ends_of_the_span_are_needed(desk: Desk) -> None:
    for name in ("createdAfter", "createdBefore"):
        query = span(desk)
        del query[name]
        answer = desk.read(ORDERS, **query)
        assert answer.status_code == 400
        assert name in answer.json()["errors"][0]["message"]
    swapped = {"createdAfter": desk.ago(), "createdBefore": desk.ago(days=1)}
    assert desk.read(ORDERS, **swapped).status_code == 400
    assert desk.read(ORDERS, **span(desk), status="OLD").status_code == 400
    assert desk.read(ORDERS, **span(desk, days=400)).status_code == 200, "no longest span is known"


def test_filters_and_pages(desk: Desk) -> None:
    for number, wishes in {
        "NEW1": {},
        "ACCEPT1": {"status": "ACCEPTED", "age_days": 1},
        "SHIPPED1": {"status": "SHIPPED", "age_days": 2, "warehouse": "WH02"},
        "CANCEL1": {"status": "CANCELLED", "age_days": 3},
    }.items():
        desk.direct_order(number=number, **wishes)
    assert listed(desk) == ["CANCEL1", "SHIPPED1", "ACCEPT1", "NEW1"]
    assert listed(desk, status="SHIPPED") == ["SHIPPED1"]
    assert listed(desk, shipFromPartyId="WH02") == ["SHIPPED1"]
    assert listed(desk, createdBefore=desk.ago(days=1.5)) == ["CANCEL1", "SHIPPED1"]
    bare = desk.read(ORDERS, **span(desk), includeDetails="false").json()["orders"]
    assert bare[0] == {"purchaseOrderNumber": "CANCEL1"}
    question = {**span(desk), "limit": 3, "sortOrder": "DESC"}
    page = desk.read(ORDERS, **question).json()
    assert [one["purchaseOrderNumber"] for one in page["orders"]] == ["NEW1", "ACCEPT1", "SHIPPED1"]
    mark = page["pagination"]["nextToken"]
    rest = desk.read(ORDERS, **question, nextToken=mark).json()
    assert [one["purchaseOrderNumber"] for one in rest["orders"]] == ["CANCEL1"]
    assert "pagination" not in rest
    assert desk.read(ORDERS, **question, nextToken="x").status_code == 400


def test_an_order_of_somebody_else_is_not_found(desk: Desk) -> None:
    other = Desk.of(desk.house, vendor_codes=["MILL2"])
    number = other.direct_order()["number"]
    assert desk.read(f"{ORDERS}/{number}").status_code == 404


def test_accepting_and_refusing(desk: Desk) -> None:
    order = desk.direct_order(items=[{"amount": 2}, {"amount": 1}])
    assert desk.outcome(ACKNOWLEDGEMENTS, acknowledgement(desk, order)) == []
    assert status(desk, order["number"]) == "ACCEPTED"
    again = acknowledgement(desk, order, "03")
    assert desk.outcome(ACKNOWLEDGEMENTS, again) == ["ORDER_ALREADY_ACKNOWLEDGED"]
    other = desk.direct_order()
    assert desk.outcome(ACKNOWLEDGEMENTS, acknowledgement(desk, other, "03")) == []
    assert status(desk, other["number"]) == "CANCELLED"


def test_only_whole_orders_are_acknowledged(desk: Desk) -> None:
    order = desk.direct_order(items=[{"amount": 2}, {"amount": 1}])

    def codes(**change: Any) -> list[str]:
        return desk.outcome(ACKNOWLEDGEMENTS, acknowledgement(desk, order, **change))

    [said] = acknowledgement(desk, order)["orderAcknowledgements"]
    first, second = said["itemAcknowledgements"]
    fewer = {**first, "acknowledgedQuantity": {"amount": 1, "unitOfMeasure": "Each"}}
    assert codes(itemAcknowledgements=[first]) == ["PARTIAL_ACKNOWLEDGEMENT"]
    assert codes(itemAcknowledgements=[fewer, second]) == ["PARTIAL_ACKNOWLEDGEMENT"]
    assert codes(acknowledgementStatus={}) == ["MISSING_STATUS_CODE"]
    assert codes(sellingParty={"partyId": "X"}) == ["INVALID_PARTY_ID"]
    assert codes(shipFromParty={"partyId": "X"}) == ["INVALID_PARTY_ID"]
    unknown = acknowledgement(desk, {**order, "number": "NOSUCH"})
    assert desk.outcome(ACKNOWLEDGEMENTS, unknown) == ["INVALID_ORDER_ID"]
    assert status(desk, order["number"]) == "NEW"
    padded = [
        {**item, "itemSequenceNumber": f"0000{n}"} for n, item in enumerate((first, second), 1)
    ]
    assert codes(itemAcknowledgements=padded) == []


@pytest.mark.parametrize(
    "change",
    [
        {"vendorOrderNumber": None},
        {"acknowledgementStatus": "00"},
        {"itemAcknowledgements": []},
        {"shipFromParty": {}},
        {"itemAcknowledgements": [{"itemSequenceNumber": "1"}]},
        {
            "itemAcknowledgements": [
                {"itemSequenceNumber": "1", "acknowledgedQuantity": {"unitOfMeasure": "Box"}}
            ]
        },
    ],
)
def test_incomplete_acknowledgements_are_refused_at_once(desk: Desk, change: Json) -> None:
    order = desk.direct_order()
    answer = desk.post(ACKNOWLEDGEMENTS, acknowledgement(desk, order, **change))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "InvalidInput"


def test_a_vendor_without_direct_fulfillment_is_denied(desk: Desk) -> None:
    order = desk.direct_order()
    desk.lever("PUT", "direct-fulfillment", {"takes_part": False})
    assert desk.read(ORDERS, **span(desk)).status_code == 403
    assert desk.read(f"{ORDERS}/{order['number']}").status_code == 403
    assert desk.post(ACKNOWLEDGEMENTS, acknowledgement(desk, order)).status_code == 403
    desk.lever("PUT", "direct-fulfillment", {"takes_part": True})
    assert desk.read(ORDERS, **span(desk)).status_code == 200


@pytest.mark.parametrize(
    "wishes",
    [
        {"status": "OLD"},
        {"vendor_code": "OTHER"},
        {"age_days": -1},
        {"count": 1001},
        {"count": 2, "number": "X"},
        {"items": []},
        {"items": ["A"]},
        {"items": [{"amount": -1}]},
        {"items": [{"price": "cheap"}]},
        {"items": [{"colour": "blue"}]},
        {"label_format": "GIF"},
        {"speed": 1},
    ],
)
def test_wrong_wishes(desk: Desk, wishes: Json) -> None:
    with pytest.raises(LeverError):
        desk.lever("POST", "direct-orders", wishes)
    assert desk.lever("GET", "direct-orders")["items"] == []


def test_a_number_is_given_once(desk: Desk) -> None:
    for what in ("direct-orders", "purchase-orders"):
        desk.lever("POST", what, {"number": "TAKEN001"})
        with pytest.raises(LeverError):
            desk.lever("POST", what, {"number": "TAKEN001"})
    seller = desk.house.seller()["selling_partner_id"]
    with pytest.raises(LeverError):
        desk.lever("POST", f"/vendors/{seller}/direct-orders", {})
