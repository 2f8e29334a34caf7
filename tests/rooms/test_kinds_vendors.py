"""The bodies of vendors' submissions: to the field as Amazon's models and its SDK have them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as Folder
from typing import Any

import pytest

from evergrant.rules.feedruns import PATHS, Manner, Path
from evergrant.rules.marketplaces import VendorKind
from evergrant.rules.wishes import WishGround
from tests.emulator.conftest import models_folder
from tests.rooms.vendor_ground import (
    KINDS,
    body,
    changes,
    check_model,
    check_sdk,
    ground,
    path_of,
    run,
    sdk,
    submission,
)
from tests.rules import vendor_lines as lines
from tests.rules.vendor_lines import DIRECT, EVERY, RETAIL, Line

MODELS = {
    Path.RETAIL_SHIPMENT: ("vendor-shipments-api-model", "SubmitShipmentConfirmations"),
    Path.RETAIL_INVOICE: ("vendor-invoices-api-model", "submitInvoices"),
    Path.RETAIL_ACKNOWLEDGEMENT: ("vendor-orders-api-model", "submitAcknowledgement"),
    Path.DIRECT_STOCK: (
        "vendor-direct-fulfillment-inventory-api-model",
        "submitInventoryUpdate",
    ),
    Path.DIRECT_ACKNOWLEDGEMENT: (
        "vendor-direct-fulfillment-orders-api-model",
        "submitAcknowledgement",
    ),
}
#: Their models are not at hand; the SDK is made of them.
SHAPES = {
    Path.DIRECT_SHIPMENT: (
        "vendor_direct_fulfillment_shipping_v2021_12_28",
        "SubmitShipmentConfirmationsRequest",
        "/vendor/directFulfillment/shipping/2021-12-28/shipmentConfirmations",
    ),
    Path.DIRECT_INVOICE: (
        "vendor_direct_fulfillment_payments_v1",
        "SubmitInvoiceRequest",
        "/vendor/directFulfillment/payments/v1/invoices",
    ),
}


@pytest.fixture(scope="module")
def models() -> Folder:
    folder = models_folder()
    if folder is None:
        pytest.skip("LOUD: Amazon's models were not found; set EVERGRANT_AMAZON_MODELS")
    return folder


def test_every_path_of_a_transaction_has_its_kind() -> None:
    wanted = {path for path, facts in PATHS.items() if facts.manner is Manner.TRANSACTION}
    assert set(KINDS) == wanted == set(MODELS) | set(SHAPES)


def of(table: Iterable[Path]) -> list[tuple[Line, WishGround]]:
    return [(line, about) for line, about in EVERY if path_of(line, about) in table]


@pytest.mark.parametrize(("line", "about"), of(MODELS))
def test_bodies_are_what_amazon_s_models_allow(
    line: Line, about: WishGround, models: Folder
) -> None:
    check_model(models, submission(about, line), *MODELS[path_of(line, about)])


@pytest.mark.parametrize(("line", "about"), of(SHAPES))
def test_bodies_are_what_amazon_s_sdk_knows(line: Line, about: WishGround) -> None:
    module, name, place = SHAPES[path_of(line, about)]
    call = submission(about, line)
    assert (call.method, call.path) == ("POST", place)
    with sdk(module) as shapes:
        check_sdk(shapes, name, body(call))


@pytest.mark.parametrize(("line", "about"), EVERY)
def test_nothing_of_a_wish_is_lost_on_the_way(line: Line, about: WishGround) -> None:
    """Whatever text a line has, Amazon is told."""
    call = submission(about, line)
    told = texts(body(call)) | set(call.path.split("/"))
    # Ours: kinds, names of kinds, words that Amazon spells in another way.
    own = {"kind", "reference", "reason", "marketplace", "role", "status", "pallet", "vendor_code"}
    for name, value in leaves(line):
        if name in own or name.endswith(("_at", "_on", "_type", "unit", "_terms", "mode")):
            continue
        if isinstance(value, str) and not value.replace(".", "").isdigit():
            assert value.casefold() in {one.casefold() for one in told if isinstance(one, str)}, (
                name
            )


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, one in value.items() for leaf in leaves(one, key)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one, name)]
    return [] if name in {"type", "availability", "document_type"} else [(name, value)]


def texts(value: Any) -> set[Any]:
    if isinstance(value, dict):
        return {text for one in value.values() for text in texts(one)}
    if isinstance(value, list):
        return {text for one in value for text in texts(one)}
    return {value}


def test_the_same_run_says_the_same_again() -> None:
    for line, about in EVERY:
        assert submission(about, line) == submission(about, line)


def test_several_go_in_one_submission_in_order() -> None:
    path = Path.RETAIL_INVOICE
    some = changes(RETAIL, *({**lines.INVOICE, "invoice_number": f"R-{n}"} for n in range(12)))
    call = KINDS[path].submission(ground(RETAIL), run(path, some), list(reversed(some)))
    assert [one["id"] for one in body(call)["invoices"]] == [f"R-{n}" for n in range(12)]


# --- what bodies say ------------------------------------------------------------------------------


def test_a_shipment_says_what_lies_where() -> None:
    (told,) = body(submission(RETAIL, lines.FULL_ASN))["shipmentConfirmations"]
    assert told["shipmentConfirmationType"] == "Replace"
    assert told["sellingParty"]["partyId"] == "MILL1"
    assert told["shippedItems"][0]["itemDetails"] == {
        "purchaseOrderNumber": "4Z32PABC",
        "lotNumber": "L-7",
        "countryOfOrigin": "DE",
        "expiry": {
            "manufacturerDate": "2026-10-01T00:00:00Z",
            "expiryDate": "2027-11-30T00:00:00Z",
        },
    }
    assert told["cartons"][0]["items"][0]["itemReference"] == "001"
    assert told["pallets"][0]["cartonReferenceDetails"] == {
        "cartonCount": 1,
        "cartonReferenceNumbers": ["C1"],
    }
    assert told["estimatedDeliveryDate"] == "2026-11-23T07:00:00Z"
    (plain,) = body(submission(RETAIL, lines.ASN))["shipmentConfirmations"]
    assert "cartons" not in plain
    assert plain["shipmentConfirmationType"] == "Original"


def test_a_rejection_says_what_becomes_of_every_piece() -> None:
    (told,) = body(submission(RETAIL, lines.PARTLY))["acknowledgements"]
    said = [
        [
            (one["acknowledgementCode"], one["acknowledgedQuantity"]["amount"])
            for one in item["itemAcknowledgements"]
        ]
        for item in told["items"]
    ]
    assert said == [
        [("Accepted", 6), ("Rejected", 4)],
        [("Accepted", 5)],
        [("Backordered", 5), ("Rejected", 2)],
    ]
    reasons = [
        one.get("rejectionReason") for item in told["items"] for one in item["itemAcknowledgements"]
    ]
    assert reasons == [None, "ObsoleteProduct", None, None, "TemporarilyUnavailable"]
    backordered, rejected = told["items"][2]["itemAcknowledgements"]
    assert backordered["scheduledShipDate"] == "2026-12-01T08:00:00Z"
    assert "scheduledShipDate" not in rejected
    assert told["items"][2]["netCost"] == {"amount": "99.99", "currencyCode": "EUR"}


def test_a_credit_note_says_what_it_is_for() -> None:
    (told,) = body(submission(RETAIL, lines.CREDIT_NOTE))["invoices"]
    assert told["invoiceType"] == "CreditNote"
    assert told["items"][0]["creditNoteDetails"]["referenceInvoiceNumber"] == "R-2026-0017"
    assert told["items"][0]["creditNoteDetails"]["goodsReturnDate"] == "2026-11-01T00:00:00Z"
    (invoice,) = body(submission(RETAIL, lines.FULL_INVOICE))["invoices"]
    assert invoice["remitToParty"]["address"]["postalOrZipCode"] == "63165"
    assert "creditNoteDetails" not in invoice["items"][0]


def test_stock_is_never_a_full_update() -> None:
    more = {**lines.STOCK, "sku": "MUG-2", "quantity": 0}
    call = submission(DIRECT, lines.STOCK, more, lines.GONE)
    assert call.path == "/vendor/directFulfillment/inventory/v1/warehouses/WH01/items"
    told = body(call)["inventory"]
    assert told["isFullUpdate"] is False
    assert told["sellingParty"] == {"partyId": "MILL1"}
    assert [one["availableQuantity"]["amount"] for one in told["items"]] == [12, 0, 0]
    assert [one.get("isObsolete") for one in told["items"]] == [None, None, True]


def test_a_denial_at_the_floor_names_every_line() -> None:
    (told,) = body(submission(DIRECT, lines.DENIAL))["shipmentConfirmations"]
    assert told["shipmentDetails"]["shipmentStatus"] == "FLOOR_DENIAL"
    assert told["items"][0]["shippedQuantity"] == {"amount": 0, "unitOfMeasure": "Each"}


def test_a_refusal_of_a_direct_order() -> None:
    (told,) = body(submission(DIRECT, lines.REFUSAL))["orderAcknowledgements"]
    assert told["acknowledgementStatus"]["code"] == "03"
    assert told["vendorOrderNumber"] == "DF0000001"
    own = {**lines.REFUSAL, "vendor_order_number": "V-77"}
    (told,) = body(submission(DIRECT, own))["orderAcknowledgements"]
    assert told["vendorOrderNumber"] == "V-77"


def test_hostile_text_stays_text() -> None:
    words = 'Ä"}]},{\\ \U0001f980 <xml> ${jndi} %s'
    name = {"role": "ship_from", **lines.ADDRESS, "name": words}
    call = submission(RETAIL, {**lines.ASN, "shipment_id": words, "parties": [name]})
    (told,) = body(call)["shipmentConfirmations"]
    assert told["shipmentIdentifier"] == words
    assert told["shipFromParty"]["address"]["name"] == words
    assert (call.body or b"").isascii()


def test_stock_of_another_vendor_code() -> None:
    about = lines.about(VendorKind.DIRECT_FULFILLMENT, "MILL1", "MILL2")
    told = body(submission(about, {**lines.STOCK, "vendor_code": "MILL2"}))
    assert told["inventory"]["sellingParty"] == {"partyId": "MILL2"}
