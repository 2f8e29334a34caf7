"""Shipment confirmations, shipments with Amazon's transport, labels."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk, Json, check_shape

CONFIRMATIONS = "/vendor/shipping/v1/shipmentConfirmations"
SHIPMENTS = "/vendor/shipping/v1/shipments"
LABELS = "/vendor/shipping/v1/transportLabels"
MODEL = "vendor-shipments-api-model/vendorShipments.json"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def confirmation(desk: Desk, identifier: str, order: str, **change: Any) -> Json:
    return {
        "shipmentIdentifier": identifier,
        "shipmentConfirmationType": "Original",
        "shipmentConfirmationDate": desk.ago(),
        "shippedDate": desk.ago(minutes=10),
        "sellingParty": {"partyId": desk.code},
        "shipFromParty": {"partyId": "MILLWH"},
        "shipToParty": {"partyId": "DEM1"},
        "shippedItems": [
            {
                "itemSequenceNumber": "001",
                "vendorProductIdentifier": "A",
                "shippedQuantity": {"amount": 10, "unitOfMeasure": "Eaches"},
                "itemDetails": {"purchaseOrderNumber": order},
            }
        ],
        **change,
    }


def codes(desk: Desk, *confirmations: Json) -> list[str]:
    return desk.outcome(CONFIRMATIONS, {"shipmentConfirmations": list(confirmations)})


def test_a_confirmation_is_taken_once_and_replaced_for_seven_days(desk: Desk) -> None:
    order = desk.purchase_order(items=[{"sku": "A"}])["number"]
    first = confirmation(desk, "SHIP-1", order)
    assert codes(desk, first) == []
    assert codes(desk, first) == ["DUPLICATE_SHIPMENT_IDENTIFIER"]
    replacing = {"shipmentConfirmationType": "Replace", "shipToParty": {"partyId": "DEM2"}}
    assert codes(desk, confirmation(desk, "SHIP-1", order, **replacing)) == []
    [known] = desk.lever("GET", "shipments")["confirmations"]
    assert known["versions"] == 2
    assert known["content"]["shipToParty"] == {"partyId": "DEM2"}
    [seen] = [
        each for each in desk.lever("GET", "purchase-orders")["items"] if each["number"] == order
    ]
    assert seen["shipment_confirmations"] == ["SHIP-1"]
    desk.advance(days=7)
    late = confirmation(desk, "SHIP-1", order, **replacing)
    assert codes(desk, late) == ["REPLACEMENT_TOO_LATE"]
    desk.advance(days=358)
    assert codes(desk, confirmation(desk, "SHIP-1", order)) == [], "365 days later it is free again"


def test_a_confirmation_is_not_replaced_after_arrival(desk: Desk) -> None:
    order = desk.purchase_order(items=[{"sku": "A"}])["number"]
    assert codes(desk, confirmation(desk, "SHIP-1", order)) == []
    desk.lever("PATCH", f"purchase-orders/{order}", {"received": {"1": 10}})
    late = confirmation(desk, "SHIP-1", order, shipmentConfirmationType="Replace")
    assert codes(desk, late) == ["SHIPMENT_ARRIVED"]


def test_what_a_confirmation_must_be_right_about(desk: Desk) -> None:
    order = desk.purchase_order(items=[{"sku": "A"}])["number"]

    def said(**change: Any) -> list[str]:
        return codes(desk, confirmation(desk, "SHIP-1", order, **change))

    assert said(sellingParty={"partyId": "OTHER"}) == ["INVALID_PARTY_ID"]
    assert said(shipmentConfirmationType="Replace") == ["UNKNOWN_SHIPMENT_IDENTIFIER"]
    future = (desk.now + timedelta(days=1)).isoformat()
    assert said(shippedDate=future) == ["INVALID_SHIPPED_DATE"]
    assert codes(desk, confirmation(desk, "SHIP-1", "NOSUCH01")) == ["INVALID_ORDER_ID"]
    [item] = confirmation(desk, "SHIP-1", order)["shippedItems"]
    assert said(shippedItems=[{**item, "vendorProductIdentifier": "Z"}]) == ["INVALID_ITEM"]
    nothing = {"amount": 0, "unitOfMeasure": "Eaches"}
    assert said(shippedItems=[{**item, "shippedQuantity": nothing}]) == ["INVALID_QUANTITY"]
    packed = {"itemReference": "002", "shippedQuantity": item["shippedQuantity"]}
    assert said(cartons=[{"cartonSequenceNumber": "1", "items": [packed]}]) == [
        "INVALID_ITEM_REFERENCE"
    ]
    twice = confirmation(desk, "SHIP-1", order)
    assert codes(desk, twice, twice) == ["DUPLICATE_SHIPMENT_IDENTIFIER"]
    right = {"itemReference": "001", "shippedQuantity": item["shippedQuantity"]}
    pallet = {
        "palletIdentifiers": [
            {"containerIdentificationType": "SSCC", "containerIdentificationNumber": "1"}
        ],
        "items": [right],
    }
    assert said(pallets=[pallet], cartons=[{"cartonSequenceNumber": "1", "items": [right]}]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"shipmentIdentifier": None},
        {"shipmentConfirmationType": "Again"},
        {"shippedItems": []},
        {"shippedItems": [{"itemSequenceNumber": "1"}]},
        {"shipToParty": {}},
        {"shippedDate": "soon"},
        {"cartons": [{"items": []}]},
        {"pallets": [{}]},
        {"cartons": {}},
    ],
)
def test_incomplete_confirmations_are_refused_at_once(desk: Desk, change: Json) -> None:
    body = {"shipmentConfirmations": [confirmation(desk, "SHIP-1", "MILL1002", **change)]}
    answer = desk.post(CONFIRMATIONS, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "InvalidInput"


# --- transport ------------------------------------------------------------------------------------


def shipment(desk: Desk, identifier: str, order: str, **change: Any) -> Json:
    return {
        "vendorShipmentIdentifier": identifier,
        "transactionType": "New",
        "transactionDate": desk.ago(),
        "shipmentFreightTerm": "Collect",
        "sellingParty": {"partyId": desk.code},
        "shipFromParty": {"partyId": "MILLWH"},
        "shipToParty": {"partyId": "DEM1"},
        "purchaseOrders": [{"purchaseOrderNumber": order}],
        "transportationDetails": {"shipMode": "SmallParcel"},
        "containers": [
            {
                "containerType": "carton",
                "containerIdentifiers": [
                    {
                        "containerIdentificationType": "SSCC",
                        "containerIdentificationNumber": str(number),
                    }
                ],
            }
            for number in (1, 2)
        ],
        **change,
    }


def sent(desk: Desk, *shipments: Json) -> list[str]:
    return desk.outcome(SHIPMENTS, {"shipments": list(shipments)})


def listed(desk: Desk, **query: Any) -> list[str]:
    payload = desk.get(SHIPMENTS, **query).json()["payload"]
    return [known["vendorShipmentIdentifier"] for known in payload["shipments"]]


def test_amazon_sends_a_carrier_and_labels(desk: Desk, models: Path) -> None:
    order = desk.purchase_order()["number"]
    assert sent(desk, shipment(desk, "T-1", order)) == []
    body = desk.get(SHIPMENTS).json()
    check_shape(models / MODEL, "GetShipmentDetailsResponse", body)
    [known] = body["payload"]["shipments"]
    assert known["currentShipmentStatus"] == "TransportationRequested"
    assert known["buyerReferenceNumber"]
    assert desk.get(LABELS).json() == {"payload": {"transportLabels": []}}
    desk.advance(hours=1)
    body = desk.get(SHIPMENTS).json()
    check_shape(models / MODEL, "GetShipmentDetailsResponse", body)
    [known] = body["payload"]["shipments"]
    assert known["currentShipmentStatus"] == "CarrierAssigned"
    assert known["collectFreightPickupDetails"]["scheduledPickUp"]
    body = desk.get(LABELS).json()
    check_shape(models / MODEL, "GetShipmentLabels", body)
    [label] = body["payload"]["transportLabels"]
    assert label["shipmentInformation"]["totalLabelCount"] == 2
    assert base64.b64decode(label["labelData"][0]["label"]).startswith(b"%PDF-")
    assert len({each["trackingId"] for each in label["labelData"]}) == 2
    assert (
        desk.get(LABELS, vendorShipmentIdentifier="T-2").json()["payload"]["transportLabels"] == []
    )
    moved = desk.lever("PATCH", "shipments/T-1", {"status": "Shipped"})
    assert [step["status"] for step in moved["steps"]] == [
        "Created",
        "TransportationRequested",
        "CarrierAssigned",
        "Shipped",
    ]
    cancel = shipment(desk, "T-1", order, transactionType="Cancel")
    assert sent(desk, cancel) == ["SHIPMENT_NOT_CANCELLABLE"]


def test_filters_and_pages(desk: Desk) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    order = desk.purchase_order()["number"]
    for number in range(3):
        change = {"shipToParty": {"partyId": f"WH{number}"}, "buyerReferenceNumber": f"ARN{number}"}
        assert sent(desk, shipment(desk, f"T-{number}", order, **change)) == []
    assert listed(desk) == ["T-0", "T-1", "T-2"]
    assert listed(desk, buyerWarehouseCode="WH1") == ["T-1"]
    assert listed(desk, buyerReferenceNumber="ARN2") == ["T-2"]
    assert listed(desk, vendorShipmentIdentifier="T-0") == ["T-0"]
    assert listed(desk, sellerWarehouseCode="OTHER") == []
    assert listed(desk, currentShipmentStatus="Shipped") == []
    desk.lever("PATCH", "shipments/T-1", {"status": "Shipped"})
    assert listed(desk, currentShipmentStatus="Shipped") == ["T-1"]
    assert listed(desk, shippedAfter=desk.ago(minutes=1)) == ["T-1"]
    assert listed(desk, shippedBefore=desk.ago(minutes=1)) == []
    assert listed(desk, createdBefore=desk.ago(days=1)) == []
    page = desk.get(SHIPMENTS, limit=2, sortOrder="DESC").json()["payload"]
    assert [known["vendorShipmentIdentifier"] for known in page["shipments"]] == ["T-2", "T-1"]
    assert listed(desk, nextToken=page["pagination"]["nextToken"]) == ["T-0"]
    assert desk.get(SHIPMENTS, limit=51).status_code == 400


def test_cancelling(desk: Desk) -> None:
    order = desk.purchase_order()["number"]
    cancel = shipment(desk, "T-1", order, transactionType="Cancel")
    assert sent(desk, cancel) == ["SHIPMENT_NOT_CANCELLABLE"]
    assert sent(desk, shipment(desk, "T-1", order)) == []
    assert sent(desk, shipment(desk, "T-1", order)) == ["DUPLICATE_SHIPMENT_IDENTIFIER"]
    assert sent(desk, cancel) == []
    assert sent(desk, cancel) == ["SHIPMENT_NOT_CANCELLABLE"]
    desk.advance(hours=2)
    [known] = desk.get(SHIPMENTS).json()["payload"]["shipments"]
    assert (known["transactionType"], known["currentShipmentStatus"]) == (
        "Cancel",
        "TransportationRequested",
    ), "no carrier comes any more"
    assert desk.get(LABELS).json()["payload"]["transportLabels"] == []


def test_what_a_shipment_must_be_right_about(desk: Desk) -> None:
    order = desk.purchase_order()["number"]
    assert sent(desk, shipment(desk, "T", order, sellingParty={"partyId": "X"})) == [
        "INVALID_PARTY_ID"
    ]
    assert sent(desk, shipment(desk, "T", "NOSUCH01")) == ["INVALID_ORDER_ID"]
    assert sent(desk, shipment(desk, "T", order, shipmentFreightTerm=None)) == [
        "MISSING_FREIGHT_TERM"
    ]
    assert sent(desk, shipment(desk, "T", order, purchaseOrders=[])) == ["MISSING_PURCHASE_ORDERS"]
    prepaid = shipment(desk, "T", order, purchaseOrders=[], shipmentFreightTerm="Prepaid")
    assert sent(desk, prepaid) == []
    [known] = desk.get(SHIPMENTS).json()["payload"]["shipments"]
    assert known["currentShipmentStatus"] == "Created"
    assert "buyerReferenceNumber" not in known
    for change in ({"transactionType": "Old"}, {"vendorShipmentIdentifier": ""}):
        body = {"shipments": [shipment(desk, "U", order, **change)]}
        assert desk.post(SHIPMENTS, body).status_code == 400
