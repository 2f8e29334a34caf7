"""Stock by warehouse: partial updates add, full ones zero what they leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk, Json, check_shape

MODEL = "vendor-direct-fulfillment-inventory-api-model/vendorDirectFulfillmentInventoryV1.json"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def place(warehouse: str = "WH01") -> str:
    return f"/vendor/directFulfillment/inventory/v1/warehouses/{warehouse}/items"


def update(desk: Desk, *items: Json, full: bool = False, **change: Any) -> Json:
    return {
        "inventory": {
            "sellingParty": {"partyId": desk.code},
            "isFullUpdate": full,
            "items": list(items),
            **change,
        }
    }


def item(sku: str | None, amount: int | None, asin: str | None = None, **more: Any) -> Json:
    named = {"vendorProductIdentifier": sku, "buyerProductIdentifier": asin}
    quantity = {"unitOfMeasure": "Each", **({} if amount is None else {"amount": amount})}
    return {**{n: v for n, v in named.items() if v}, "availableQuantity": quantity, **more}


def amounts(desk: Desk, warehouse: str = "WH01") -> dict[str, int]:
    rows = desk.lever("GET", "inventory")["warehouses"].get(warehouse, [])
    return {row["sku"] or row["asin"]: row["amount"] for row in rows}


def test_partial_updates_touch_what_they_list(desk: Desk, models: Path) -> None:
    answer = desk.post(place(), update(desk, item("A", 5), item("B", 3)))
    assert answer.status_code == 202
    check_shape(models / MODEL, "SubmitInventoryUpdateResponse", answer.json())
    assert amounts(desk) == {}, "nothing happens while Processing"
    desk.advance(seconds=21)
    assert amounts(desk) == {"A": 5, "B": 3}
    assert desk.outcome(place(), update(desk, item("B", 9), item("C", 1))) == []
    assert amounts(desk) == {"A": 5, "B": 9, "C": 1}
    assert desk.outcome(place("WH02"), update(desk, item("A", 70))) == []
    assert amounts(desk, "WH02") == {"A": 70}
    assert amounts(desk)["A"] == 5


def test_full_updates_zero_what_they_leave_out(desk: Desk) -> None:
    assert desk.outcome(place(), update(desk, item("A", 5), item("B", 3))) == []
    assert desk.outcome(place("WH02"), update(desk, item("A", 5))) == []
    assert desk.outcome(place(), update(desk, item("B", 4), full=True)) == []
    assert amounts(desk) == {"A": 0, "B": 4}
    assert amounts(desk, "WH02") == {"A": 5}, "another warehouse"
    assert desk.outcome(place(), update(desk, full=True)) == []
    assert amounts(desk) == {"A": 0, "B": 0}


def test_items_are_known_by_either_identifier(desk: Desk) -> None:
    assert desk.outcome(place(), update(desk, item("A", 5, "B0EMULATED"))) == []
    assert desk.outcome(place(), update(desk, item(None, 6, "B0EMULATED"))) == []
    assert amounts(desk) == {"A": 6}
    assert desk.outcome(place(), update(desk, item("A", 7, isObsolete=True))) == []
    [row] = desk.lever("GET", "inventory")["warehouses"]["WH01"]
    assert (row["amount"], row["asin"], row["obsolete"]) == (7, "B0EMULATED", True)


def test_what_an_update_must_be_right_about(desk: Desk) -> None:
    assert desk.outcome(place(), update(desk, item("A", -1))) == ["INVALID_QUANTITY"]
    assert desk.outcome(place(), update(desk, item("A", None))) == ["INVALID_QUANTITY"]
    assert desk.outcome(place(), update(desk, item(None, 1))) == ["INVALID_ITEM"]
    foreign = update(desk, item("A", 1), sellingParty={"partyId": "OTHER"})
    assert desk.outcome(place(), foreign) == ["INVALID_PARTY_ID"]
    half = update(desk, item("A", 1), item("B", -1))
    assert desk.outcome(place(), half) == ["INVALID_QUANTITY"]
    assert amounts(desk) == {}, "all or nothing"


@pytest.mark.parametrize(
    "change",
    [
        {"sellingParty": None},
        {"isFullUpdate": None},
        {"isFullUpdate": "false"},
        {"items": None},
        {"items": {"A": 1}},
        {"items": [{"vendorProductIdentifier": "A"}]},
        {"items": [{"availableQuantity": {"amount": 1}}]},
        {"items": [item("A", 1, isObsolete="no")]},
        {"items": [item(7, 1)]},  # type: ignore[arg-type]
    ],
)
def test_incomplete_updates_are_refused_at_once(desk: Desk, change: Json) -> None:
    answer = desk.post(place(), update(desk, **change))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "InvalidInput"
    assert desk.post(place(), {}).status_code == 400


def test_sellers_have_no_such_stock(desk: Desk) -> None:
    seller = desk.house.access_token(desk.house.seller())
    assert desk.post(place(), update(desk, item("A", 1)), seller).status_code == 403
