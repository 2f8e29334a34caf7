"""Invoices of both programs: numbers, totals, orders, the party that pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk, Json, check_shape

RETAIL = "/vendor/payments/v1/invoices"
DIRECT = "/vendor/directFulfillment/payments/v1/invoices"
MODEL = "vendor-invoices-api-model/vendorInvoices.json"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def invoice(desk: Desk, number: str, order: str | None = None, **change: Any) -> Json:
    item = {
        "itemSequenceNumber": 1,
        "vendorProductIdentifier": "A",
        "invoicedQuantity": {"amount": 10, "unitOfMeasure": "Eaches"},
        "netCost": {"amount": "12.50", "currencyCode": "EUR"},
    }
    return {
        "invoiceType": "Invoice",
        "id": number,
        "date": desk.ago(),
        "remitToParty": {"partyId": desk.code},
        "invoiceTotal": {"amount": "125.00", "currencyCode": "EUR"},
        "items": [{**item, **({"purchaseOrderNumber": order} if order else {})}],
        **change,
    }


def codes(desk: Desk, *invoices: Json) -> list[str]:
    return desk.outcome(RETAIL, {"invoices": list(invoices)})


def test_a_number_is_used_once_but_again_after_a_failure(desk: Desk, models: Path) -> None:
    order = desk.purchase_order(items=[{"sku": "A"}])["number"]
    zero = {"invoiceTotal": {"amount": "0.00", "currencyCode": "EUR"}}
    assert codes(desk, invoice(desk, "R-1", order, **zero)) == ["INVALID_INVOICE_TOTAL"]
    answer = desk.post(RETAIL, {"invoices": [invoice(desk, "R-1", order)]})
    check_shape(models / MODEL, "SubmitInvoicesResponse", answer.json())
    assert codes(desk, invoice(desk, "R-1", order)) == ["DUPLICATE_INVOICE_NUMBER"]
    credit = invoice(desk, "R-2", order, invoiceType="CreditNote")
    assert codes(desk, credit, credit) == ["DUPLICATE_INVOICE_NUMBER"]
    assert codes(desk, credit) == []
    known = desk.lever("GET", "invoices")
    assert [(each["number"], each["kind"]) for each in known["retail"]] == [
        ("R-1", "Invoice"),
        ("R-2", "CreditNote"),
    ]
    assert known["direct"] == []
    [seen] = [
        each for each in desk.lever("GET", "purchase-orders")["items"] if each["number"] == order
    ]
    assert seen["invoices"] == ["R-1", "R-2"]


def test_what_an_invoice_must_be_right_about(desk: Desk) -> None:
    order = desk.purchase_order(items=[{"sku": "A"}])["number"]
    assert codes(desk, invoice(desk, "R", "NOSUCH01")) == ["INVALID_ORDER_ID"]
    other = invoice(desk, "R", order, remitToParty={"partyId": "OTHER"})
    assert codes(desk, other) == ["INVALID_PARTY_ID"]
    wrong = invoice(desk, "R", order)
    wrong["items"][0]["vendorProductIdentifier"] = "Z"
    assert codes(desk, wrong) == ["INVALID_ITEM"]
    told = desk.get(f"/vendor/orders/v1/purchaseOrders/{order}").json()["payload"]
    payer = told["orderDetails"]["billToParty"]
    moved = {**payer, "address": {**payer["address"], "addressLine1": "2 Buyer Street"}}
    for party in (moved, {"partyId": "OTHER"}):
        assert codes(desk, invoice(desk, "R", order, billToParty=party)) == [
            "INVALID_BILL_TO_PARTY"
        ]
    assert codes(desk, invoice(desk, "R", order, billToParty=payer)) == []
    assert codes(desk, invoice(desk, "S")) == [], "an invoice may name no order"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"invoiceType": "Invoic"},
            "'[CreditNote, Invoice]'. It must be a value from the enumeration.",
        ),
        ({"id": ""}, "The value of element 'id' is not valid."),
        ({"date": None}, "The content of element 'invoices' is not complete. 'date' is expected."),
        ({"invoiceTotal": {"amount": "1"}}, "'currencyCode' is expected."),
        ({"invoiceTotal": {"amount": 1, "currencyCode": "EUR"}}, "'amount' is not valid."),
        ({"items": [{"itemSequenceNumber": "1"}]}, "'itemSequenceNumber' is not valid."),
    ],
)
def test_incomplete_invoices_are_refused_at_once(desk: Desk, change: Json, words: str) -> None:
    answer = desk.post(RETAIL, {"invoices": [invoice(desk, "R", **change)]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"].endswith(words)


# --- direct fulfillment ---------------------------------------------------------------------------


def direct_invoice(desk: Desk, number: str, order: str, **change: Any) -> Json:
    return {
        "invoiceNumber": number,
        "invoiceDate": desk.ago(),
        "remitToParty": {"partyId": desk.code},
        "shipFromParty": {"partyId": "WH01"},
        "invoiceTotal": {"amount": "19.90", "currencyCode": "EUR"},
        "items": [
            {
                "itemSequenceNumber": "1",
                "invoicedQuantity": {"amount": 1, "unitOfMeasure": "Each"},
                "netCost": {"amount": "19.90", "currencyCode": "EUR"},
                "purchaseOrderNumber": order,
            }
        ],
        **change,
    }


def test_direct_invoices_are_for_what_was_shipped(desk: Desk) -> None:
    shipped = desk.direct_order(status="SHIPPED")["number"]
    accepted = desk.direct_order(status="ACCEPTED")["number"]

    def said(number: str, order: str, **change: Any) -> list[str]:
        return desk.outcome(DIRECT, {"invoices": [direct_invoice(desk, number, order, **change)]})

    assert said("D-1", "NOSUCH") == ["INVALID_ORDER_ID"]
    assert said("D-1", accepted) == ["ORDER_NOT_SHIPPED"]
    assert said("D-1", shipped, remitToParty={"partyId": "X"}) == ["INVALID_PARTY_ID"]
    zero = {"amount": "0", "currencyCode": "EUR"}
    assert said("D-1", shipped, invoiceTotal=zero) == ["INVALID_INVOICE_TOTAL"]
    assert said("D-1", shipped) == []
    assert said("D-1", shipped) == ["DUPLICATE_INVOICE_NUMBER"]
    [known] = desk.lever("GET", "invoices")["direct"]
    assert (known["number"], known["order_numbers"]) == ("D-1", [shipped])
    answer = desk.post(DIRECT, {"invoices": [direct_invoice(desk, "D-2", shipped, items=[])]})
    assert answer.status_code == 400


def test_direct_invoices_answer_with_a_payload(desk: Desk) -> None:
    order = desk.direct_order(status="SHIPPED")["number"]
    answer = desk.post(DIRECT, {"invoices": [direct_invoice(desk, "D-1", order)]})
    assert answer.status_code == 202
    assert list(answer.json()) == ["payload"]
    assert list(answer.json()["payload"]) == ["transactionId"]
