"""Vendors under odd input and odd time: nothing hangs, breaks, or is another vendor code's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.test_vendor_orders import ORDERS, acknowledgement
from tests.emulator.test_vendor_orders import item as ordered
from tests.emulator.vendor_desk import PROCESSING, Desk, Json

DAY_S = 86_400
INVENTORY = "/vendor/directFulfillment/inventory/v1/warehouses/{}/items"
SHIPMENTS = "/vendor/shipping/v1/shipments"
ACKNOWLEDGEMENTS = "/vendor/orders/v1/acknowledgements"
STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 2**31, 10**30, 1e308, "", " ", "\x00", "x" * 10_000, "NaN", "1e999999999"),
    *([], [[]], [{}], {}, {"a": {}}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
)


@pytest.fixture
def desk(house: House) -> Desk:
    desk = Desk.of(house, vendor_codes=["MILL1", "MILL2"])
    desk.lever("PUT", "/limits", {"enforced": False})
    return desk


def said(desk: Desk, order: Json) -> Json:
    """Everything is accepted."""
    lines = [ordered(line["sku"], ("Accepted", line["amount"])) for line in order["lines"]]
    return acknowledgement(desk, order["number"], *lines)


def item(sku: str, amount: int, asin: str | None = None) -> Json:
    made: Json = {
        "vendorProductIdentifier": sku,
        "availableQuantity": {"amount": amount, "unitOfMeasure": "Each"},
    }
    return {**made, "buyerProductIdentifier": asin} if asin else made


def update(code: str, *items: Json, full: bool) -> Json:
    party = {"partyId": code}
    return {"inventory": {"sellingParty": party, "isFullUpdate": full, "items": list(items)}}


def stock(desk: Desk, warehouse: str = "WH1") -> dict[tuple[str, str], int]:
    rows = desk.lever("GET", "inventory")["warehouses"].get(warehouse, [])
    return {(row["vendor_code"], row["sku"]): row["amount"] for row in rows}


def transport(desk: Desk, identifier: str, code: str, *numbers: str, kind: str = "New") -> Json:
    party = {"partyId": code}
    return {
        "shipments": [
            {
                "vendorShipmentIdentifier": identifier,
                "transactionType": kind,
                "transactionDate": desk.ago(),
                "shipmentFreightTerm": "Collect",
                **dict.fromkeys(("sellingParty", "shipFromParty", "shipToParty"), party),
                "purchaseOrders": [{"purchaseOrderNumber": number} for number in numbers],
            }
        ]
    }


# --- odd input ------------------------------------------------------------------------------------


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within a body."""
    yield at
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from places(inner, (*at, name))


def with_value(whole: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    made = dict(whole) if isinstance(whole, dict) else list(whole)
    made[at[0]] = with_value(whole[at[0]], at[1:], value)
    return made


def test_strange_values_at_every_place(desk: Desk) -> None:
    """Each is refused at once or fails as a transaction; what is taken can be shown."""
    order = desk.purchase_order()
    bodies = {
        ACKNOWLEDGEMENTS: said(desk, order),
        SHIPMENTS: transport(desk, "S1", "MILL1", order["number"]),
        INVENTORY.format("WH1"): update("MILL1", item("S", 1, "A"), full=True),
    }
    for path, body in bodies.items():
        for at in places(body):
            for strange in STRANGE:
                answer = desk.post(path, with_value(body, at, strange))
                assert answer.status_code in (202, 400), (path, at, strange)
        desk.house.amazon.levers.advance(PROCESSING)
        for lever in ("purchase-orders", "shipments", "inventory"):
            desk.lever("GET", lever)
        assert desk.get(SHIPMENTS).status_code == 200
    desk.lever("GET", "/world")


def test_what_is_nested_too_deeply_is_not_kept(desk: Desk) -> None:
    deep: Json = {}
    for _ in range(300):
        deep = {"a": deep}
    body = {**update("MILL1", item("S", 1), full=True), "more": deep}
    answer = desk.post(INVENTORY.format("WH1"), body)
    assert answer.status_code == 400
    assert "deeply" in answer.text


@pytest.mark.parametrize("name", ["createdBefore", "changedBefore", "createdAfter"])
@pytest.mark.parametrize("year", ["0001-01-01", "0001-01-03", "9999-12-31"])
def test_the_ends_of_the_calendar(desk: Desk, name: str, year: str) -> None:
    answer = desk.get(ORDERS, **{name: f"{year}T00:00:00Z"})
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json()["payload"]["orders"] == [] or year.startswith("9999")


# --- stock ----------------------------------------------------------------------------------------


def test_a_full_update_zeroes_the_stock_of_its_vendor_code_alone(desk: Desk) -> None:
    place = INVENTORY.format("WH1")
    assert desk.outcome(place, update("MILL1", item("A", 1), item("B", 2), full=True)) == []
    assert desk.outcome(place, update("MILL2", item("A", 7), item("C", 8), full=True)) == []
    assert desk.outcome(place, update("MILL1", item("B", 5), full=True)) == []
    assert stock(desk) == {
        ("MILL1", "A"): 0,
        ("MILL1", "B"): 5,
        ("MILL2", "A"): 7,
        ("MILL2", "C"): 8,
    }
    assert desk.outcome(place, update("MILL2", full=True)) == []
    assert stock(desk)[("MILL2", "C")] == 0
    assert stock(desk)[("MILL1", "B")] == 5


def test_thousands_of_items_are_taken(desk: Desk) -> None:
    place = INVENTORY.format("WH1")
    for amount in (1, 2):
        items = [item(f"S{number}", amount, f"B{number}") for number in range(6000)]
        assert desk.outcome(place, update("MILL1", *items, full=True)) == []
    assert set(stock(desk).values()) == {2}
    assert len(stock(desk)) == 6000


# --- two vendor codes, two vendors ----------------------------------------------------------------


def test_transport_is_for_orders_of_its_vendor_code(desk: Desk) -> None:
    order = desk.purchase_order(vendor_code="MILL2")
    number = order["number"]
    assert desk.outcome(SHIPMENTS, transport(desk, "S1", "MILL1", number)) == ["INVALID_ORDER_ID"]
    assert desk.outcome(SHIPMENTS, transport(desk, "S1", "MILL2", number)) == []
    cancel = transport(desk, "S1", "MILL1", number, kind="Cancel")
    assert desk.outcome(SHIPMENTS, cancel) == ["SHIPMENT_NOT_CANCELLABLE"]
    right = transport(desk, "S1", "MILL2", number, kind="Cancel")
    assert desk.outcome(SHIPMENTS, right) == []


def test_nothing_of_one_vendor_is_seen_or_changed_by_another(desk: Desk, house: House) -> None:
    order = desk.purchase_order()
    place = INVENTORY.format("WH1")
    assert desk.outcome(place, update("MILL1", item("A", 1), full=True)) == []
    other = Desk.of(house, vendor_codes=["TIDE1"])
    assert other.outcome(place, update("MILL1", item("A", 9), full=True)) == ["INVALID_PARTY_ID"]
    assert other.outcome(place, update("TIDE1", item("A", 9), full=True)) == []
    assert stock(desk) == {("MILL1", "A"): 1}
    assert other.get(f"{ORDERS}/{order['number']}").status_code == 404
    transaction_id = desk.submit(ACKNOWLEDGEMENTS, said(desk, order))
    assert other.get(f"/vendor/transactions/v1/transactions/{transaction_id}").status_code == 404
    assert other.outcome(ACKNOWLEDGEMENTS, said(other, order)) == ["INVALID_ORDER_ID"]
    stolen = desk.get(ORDERS, limit=1).json()["payload"]["pagination"]["nextToken"]
    assert other.get(ORDERS, nextToken=stolen).status_code == 400


# --- time -----------------------------------------------------------------------------------------


def test_transactions_over_a_jump_of_400_days(desk: Desk) -> None:
    """All are settled at their own instants, in the order of submission."""
    first, second = desk.purchase_order(), desk.purchase_order()
    sent = [desk.submit(ACKNOWLEDGEMENTS, said(desk, order)) for order in (first, second)]
    again = desk.submit(ACKNOWLEDGEMENTS, said(desk, first))
    desk.advance(days=400)
    found = {
        known["transaction_id"]: known
        for known in desk.lever("GET", "/vendor-transactions")["items"]
    }
    assert [found[one]["status"] for one in (*sent, again)] == ["Success"] * 3
    for one in (*sent, again):
        assert found[one]["settled_at"] == found[one]["due_at"] < desk.ago(days=399)
        assert desk.transaction(one)["status"] == "Success"
    # And 400 days later no acknowledgement is replaced any more.
    late = desk.outcome(ACKNOWLEDGEMENTS, said(desk, first))
    assert late == ["ACKNOWLEDGEMENT_TOO_LATE"]


def test_a_clock_that_goes_back_undoes_nothing(desk: Desk) -> None:
    order = desk.purchase_order()
    sent = desk.submit(ACKNOWLEDGEMENTS, said(desk, order))
    desk.house.amazon.levers.advance(PROCESSING)
    assert desk.transaction(sent)["status"] == "Success"
    desk.house.amazon.levers.advance(-3600)
    assert desk.transaction(sent)["status"] == "Success"
    waiting = desk.submit(ACKNOWLEDGEMENTS, said(desk, order))
    desk.house.amazon.levers.advance(-3600)
    assert desk.transaction(waiting)["status"] == "Processing"
    desk.house.amazon.levers.advance(7200)
    assert desk.transaction(waiting)["status"] == "Success"


def test_a_reset_forgets_what_is_under_way(desk: Desk, house: House) -> None:
    order = desk.purchase_order()
    desk.submit(ACKNOWLEDGEMENTS, said(desk, order))
    house.amazon.levers.reset()
    house.amazon.levers.advance(DAY_S)
    assert house.amazon.levers.pull("GET", "/vendor-transactions")["items"] == []
