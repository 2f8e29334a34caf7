"""Test orders on demand."""

from __future__ import annotations

from pathlib import Path

from tests.emulator.conftest import House
from tests.emulator.vendor_desk import PROCESSING, Desk, check_shape

BASE = "/vendor/directFulfillment/sandbox/2021-10-28"
FOLDER = "vendor-direct-fulfillment-sandbox-test-data-api-model"
MODEL = f"{FOLDER}/vendorDirectFulfillmentSandboxData_2021-10-28.json"


def test_orders_are_made_by_and_by(house: House, models: Path) -> None:
    desk = Desk.of(house)
    parties = {"sellingParty": {"partyId": desk.code}, "shipFromParty": {"partyId": "WH09"}}
    answer = desk.post(f"{BASE}/orders", {"orders": [parties]})
    assert answer.status_code == 202
    check_shape(models / MODEL, "TransactionReference", answer.json())
    place = f"{BASE}/transactions/{answer.json()['transactionId']}"
    body = desk.get(place).json()
    check_shape(models / MODEL, "TransactionStatus", body)
    assert body["transactionStatus"]["status"] == "PROCESSING"
    desk.advance(seconds=PROCESSING)
    body = desk.get(place).json()
    check_shape(models / MODEL, "TransactionStatus", body)
    assert body["transactionStatus"]["status"] == "SUCCESS"
    scenarios = body["transactionStatus"]["testCaseData"]["scenarios"]
    told = [order["orderId"] for scenario in scenarios for order in scenario["orders"]]
    known = desk.lever("GET", "direct-orders")["items"]
    assert [order["number"] for order in known] == told
    assert {order["warehouse"] for order in known} == {"WH09"}
    assert any(order["gift"] for order in known)
    assert any(order["priority"] for order in known)


def test_failing(house: House) -> None:
    desk = Desk.of(house)
    foreign = {"sellingParty": {"partyId": "X"}, "shipFromParty": {"partyId": "WH09"}}
    answer = desk.post(f"{BASE}/orders", {"orders": [foreign]})
    desk.advance(seconds=PROCESSING)
    place = f"{BASE}/transactions/{answer.json()['transactionId']}"
    assert desk.get(place).json()["transactionStatus"]["status"] == "FAILURE"
    assert desk.lever("GET", "direct-orders")["items"] == []
    assert desk.post(f"{BASE}/orders", {"orders": [{}]}).status_code == 400
    assert desk.get(f"{BASE}/transactions/x").status_code == 404
