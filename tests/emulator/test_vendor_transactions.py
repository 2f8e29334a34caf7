"""Transactions: who sees them, how they go, what levers make of them, and the world file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.levers import LeverError
from tests.emulator.conftest import House
from tests.emulator.vendor_desk import DIRECT, PROCESSING, RETAIL, Desk, Json, check_shape

STOCK = "/vendor/directFulfillment/inventory/v1/warehouses/WH01/items"
INVOICES = "/vendor/payments/v1/invoices"
MODEL = "vendor-transaction-status-api-model/vendorTransactionStatus.json"
DIRECT_MODELS = "vendor-direct-fulfillment-transactions-api-model"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def stock(desk: Desk, amount: int = 5, **change: Any) -> Json:
    item = {
        "vendorProductIdentifier": "A",
        "availableQuantity": {"amount": amount, "unitOfMeasure": "Each"},
    }
    inventory = {
        "sellingParty": {"partyId": desk.code},
        "isFullUpdate": False,
        "items": [item],
        **change,
    }
    return {"inventory": inventory}


def invoice(desk: Desk, number: str, total: str = "1.00") -> Json:
    return {
        "invoices": [
            {
                "invoiceType": "Invoice",
                "id": number,
                "date": desk.ago(),
                "remitToParty": {"partyId": desk.code},
                "invoiceTotal": {"amount": total, "currencyCode": "EUR"},
            }
        ]
    }


def amounts(desk: Desk) -> list[int]:
    warehouses = desk.lever("GET", "inventory")["warehouses"]
    return [row["amount"] for row in warehouses.get("WH01", [])]


def test_retail_transactions_are_as_the_model_says(desk: Desk, models: Path) -> None:
    good = desk.submit(INVOICES, invoice(desk, "R-1"))
    bad = desk.submit(INVOICES, invoice(desk, "R-2", "0"))
    for wanted in ("Processing", "Processing"), ("Success", "Failure"):
        for transaction_id, status in zip((good, bad), wanted, strict=True):
            body = desk.get(f"{RETAIL}/{transaction_id}").json()
            check_shape(models / MODEL, "GetTransactionResponse", body)
            assert body["payload"]["transactionStatus"]["status"] == status
        desk.advance(seconds=PROCESSING)
    assert desk.transaction(bad)["errors"] == [
        {
            "code": "INVALID_INVOICE_TOTAL",
            "message": "The invoice total is zero.",
            "details": "R-2",
        }
    ]
    assert "errors" not in desk.transaction(good)


def test_direct_transactions_come_in_two_shapes(desk: Desk, models: Path) -> None:
    bad = desk.submit(STOCK, stock(desk, -1))
    desk.advance(seconds=PROCESSING)
    body = desk.get(f"{DIRECT}/{bad}").json()
    model = models / DIRECT_MODELS / "vendorDirectFulfillmentTransactions_2021-12-28.json"
    check_shape(model, "TransactionStatus", body)
    assert body["transactionStatus"]["errors"]["errors"][0]["code"] == "INVALID_QUANTITY"
    body = desk.get(f"{DIRECT.replace('2021-12-28', 'v1')}/{bad}").json()
    model = models / DIRECT_MODELS / "vendorDirectFulfillmentTransactionsV1.json"
    check_shape(model, "GetTransactionResponse", body)
    assert body["payload"]["transactionStatus"]["errors"][0]["code"] == "INVALID_QUANTITY"


def test_transactions_are_seen_by_their_vendor_in_their_apis_alone(desk: Desk) -> None:
    retail = desk.submit(INVOICES, invoice(desk, "R-1"))
    direct = desk.submit(STOCK, stock(desk))
    other = Desk.of(desk.house, vendor_codes=["MILL2"])
    for place, transaction_id, by in (
        (DIRECT, retail, desk),
        (RETAIL, direct, desk),
        (RETAIL, retail, other),
        (DIRECT, direct, other),
        (RETAIL, "20190904190535-unknown", desk),
    ):
        answer = by.get(f"{place}/{transaction_id}")
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["code"] == "NotFound"


def test_the_pace(desk: Desk) -> None:
    desk.lever("PUT", "/vendor-transactions/pace", {"processing_s": 1800})
    slow = desk.submit(STOCK, stock(desk))
    desk.advance(seconds=1799)
    assert desk.transaction(slow, DIRECT)["status"] == "Processing"
    assert amounts(desk) == []
    desk.advance(seconds=1)
    assert desk.transaction(slow, DIRECT)["status"] == "Success"
    assert amounts(desk) == [5]


def test_stuck_transactions_are_done_and_stay_processing(desk: Desk) -> None:
    desk.lever("PUT", "/vendor-transactions/pace", {"stuck_share": 1})
    stuck = desk.submit(STOCK, stock(desk))
    desk.advance(days=10)
    assert desk.transaction(stuck, DIRECT)["status"] == "Processing"
    assert amounts(desk) == [5]
    told = desk.lever("POST", f"/vendor-transactions/{stuck}/finish")
    assert (told["status"], told["applied"]) == ("Success", True)
    assert desk.transaction(stuck, DIRECT)["status"] == "Success"


def test_a_share_gets_stuck(desk: Desk) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    desk.lever("PUT", "/vendor-transactions/pace", {"stuck_share": 0.5})
    for _ in range(40):
        desk.submit(STOCK, stock(desk))
    desk.advance(seconds=PROCESSING)
    known = desk.lever("GET", "/vendor-transactions", status="Processing")["items"]
    assert 8 <= len(known) <= 32
    assert all(each["done"] and each["stuck"] for each in known)


def test_holding_and_releasing(desk: Desk) -> None:
    held = desk.submit(STOCK, stock(desk, 1))
    desk.lever("POST", f"/vendor-transactions/{held}/hold")
    desk.advance(days=1)
    assert desk.transaction(held, DIRECT)["status"] == "Processing"
    assert amounts(desk) == []
    desk.lever("POST", f"/vendor-transactions/{held}/release")
    assert desk.transaction(held, DIRECT)["status"] == "Success"
    assert amounts(desk) == [1]
    with pytest.raises(LeverError):
        desk.lever("POST", f"/vendor-transactions/{held}/hold")
    desk.lever("PUT", "/vendor-transactions/pace", {"hold": True})
    all_held = desk.submit(STOCK, stock(desk, 2))
    desk.advance(days=1)
    assert desk.transaction(all_held, DIRECT)["status"] == "Processing"
    desk.lever("POST", f"/vendor-transactions/{all_held}/finish")
    assert amounts(desk) == [2]


def test_releasing_all(desk: Desk) -> None:
    other = Desk.of(desk.house, vendor_codes=["MILL2"])
    desk.lever("PUT", "/vendor-transactions/pace", {"hold": True})
    held = {known: known.submit(STOCK, stock(known, 1)) for known in (desk, other)}
    desk.advance(seconds=PROCESSING)
    one = desk.lever("POST", "/vendor-transactions/release", {"selling_partner_id": other.id})
    assert one == {"released": [held[other]]}
    assert other.transaction(held[other], DIRECT)["status"] == "Success"
    assert desk.transaction(held[desk], DIRECT)["status"] == "Processing"
    assert desk.lever("GET", "/vendor-transactions/pace")["hold"] is True
    assert desk.lever("POST", "/vendor-transactions/release") == {"released": [held[desk]]}
    assert desk.transaction(held[desk], DIRECT)["status"] == "Success"
    assert desk.lever("GET", "/vendor-transactions/pace")["hold"] is False


def test_finishing_as_wished(desk: Desk) -> None:
    failed = desk.submit(STOCK, stock(desk, 1))
    errors = [{"code": "MADE_UP", "message": "Because.", "details": "why not"}]
    wish = {"status": "Failure", "errors": errors}
    told = desk.lever("POST", f"/vendor-transactions/{failed}/finish", wish)
    assert (told["status"], told["applied"], told["found"]) == ("Failure", False, [])
    assert desk.transaction(failed, DIRECT)["errors"]["errors"] == errors
    assert amounts(desk) == []
    with pytest.raises(LeverError):
        desk.lever("POST", f"/vendor-transactions/{failed}/finish")
    wrong = desk.submit(STOCK, stock(desk, -1))
    told = desk.lever("POST", f"/vendor-transactions/{wrong}/finish", {"status": "Success"})
    assert (told["status"], told["applied"]) == ("Success", False)
    assert told["found"][0]["code"] == "INVALID_QUANTITY"
    assert amounts(desk) == [], "what is wrong is not done, whatever is told"


def test_deciding_the_next_outcomes(desk: Desk) -> None:
    other = Desk.of(desk.house, vendor_codes=["MILL2"])
    wish = {
        "status": "Failure",
        "times": 2,
        "operation": "vendor_invoices.submitInvoices",
        "selling_partner_id": desk.id,
    }
    told = desk.lever("POST", "/vendor-transactions/decide", wish)
    assert told["decided"][0]["times"] == 2
    assert other.outcome(INVOICES, invoice(other, "R-1")) == []
    assert desk.outcome(STOCK, stock(desk)) == []
    assert desk.outcome(INVOICES, invoice(desk, "R-1")) == ["INVALID_DATA"]
    assert desk.outcome(INVOICES, invoice(desk, "R-1")) == ["INVALID_DATA"]
    assert desk.outcome(INVOICES, invoice(desk, "R-1")) == [], "a failed number is free"
    desk.lever("POST", "/vendor-transactions/decide", {"status": "Failure"})
    assert desk.lever("DELETE", "/vendor-transactions/decide")["decided"] == []
    assert desk.outcome(INVOICES, invoice(desk, "R-2")) == []


def test_the_list_of_transactions(desk: Desk) -> None:
    one = desk.submit(STOCK, stock(desk, 7))
    desk.submit(INVOICES, invoice(desk, "R-1"))
    items = desk.lever("GET", "/vendor-transactions")["items"]
    assert [each["operation"] for each in items] == [
        "direct_fulfillment_inventory.submitInventoryUpdate",
        "vendor_invoices.submitInvoices",
    ]
    narrow = {"operation": "vendor_invoices.submitInvoices", "selling_partner_id": desk.id}
    assert len(desk.lever("GET", "/vendor-transactions", **narrow)["items"]) == 1
    assert desk.lever("GET", "/vendor-transactions", status="Failure")["items"] == []
    content = desk.lever("GET", f"/vendor-transactions/{one}")["content"]
    assert content == {"warehouseId": "WH01", **stock(desk, 7)}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "pace", {"processing_s": -1}),
        ("PUT", "pace", {"stuck_share": 1.1}),
        ("PUT", "pace", {"hold": 1}),
        ("PUT", "pace", {"speed": 1}),
        ("POST", "decide", {}),
        ("POST", "decide", {"status": "Processing"}),
        ("POST", "decide", {"status": "Failure", "operation": "submitNothing"}),
        ("POST", "decide", {"status": "Failure", "selling_partner_id": "NOBODY"}),
        ("POST", "decide", {"status": "Failure", "errors": [{"code": "X"}]}),
        ("POST", "decide", {"status": "Failure", "errors": "X"}),
        ("POST", "decide", {"status": "Success", "errors": [{"code": "X", "message": "Y"}]}),
        ("POST", "no-such-transaction/finish", {}),
        ("GET", "no-such-transaction", None),
    ],
)
def test_wrong_wishes(desk: Desk, method: str, path: str, body: Any) -> None:
    with pytest.raises(LeverError):
        desk.lever(method, f"/vendor-transactions/{path}", body)


def test_wrong_questions_to_the_list(desk: Desk) -> None:
    for query in ({"status": "Done"}, {"operation": "x"}, {"partner": "x"}):
        with pytest.raises(LeverError):
            desk.lever("GET", "/vendor-transactions", **query)
