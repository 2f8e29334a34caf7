"""What vendors have goes into the world file and comes back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amazon_emulator import marketplaces
from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors.direct import INVENTORY, DirectLine, VendorDirect
from amazon_emulator.trade.vendors.errand import Errand
from amazon_emulator.trade.vendors.invoices import RETAIL_INVOICES, VendorInvoices
from amazon_emulator.trade.vendors.retail import Ordered, OrderLine, VendorRetail
from amazon_emulator.trade.vendors.scenarios import SCENARIOS, VendorScenarios
from amazon_emulator.trade.vendors.shipments import CONFIRMATIONS, TRANSPORTS, VendorShipments
from amazon_emulator.trade.vendors.transactions import VendorTransactions
from amazon_emulator.world import Partner
from tests.emulator.conftest import House
from tests.emulator.vendor_desk import DIRECT, Desk

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SHIP = datetime(2026, 11, 21, 9, tzinfo=UTC).isoformat()
KINDS: tuple[type[Any], ...] = (
    *(VendorRetail, VendorDirect, VendorShipments),
    *(VendorInvoices, VendorScenarios, VendorTransactions),
)
PARTIES = {
    "sellingParty": {"partyId": "MILL1"},
    "shipFromParty": {"partyId": "WH01"},
    "shipToParty": {"partyId": "DEM1"},
}


def stage() -> Stage:
    made = Stage.fresh(gentle=True, seed=1, start=NOW)
    made.world.add_partner(
        Partner(
            "vendor",
            "Mill Lane",
            "V1EMULATED0001",
            "mill@partner.example",
            "",
            marketplaces.find("DE"),
            vendor_codes=["MILL1"],
        )
    )
    return made


def vendor(stage: Stage) -> Partner:
    return stage.world.partners["V1EMULATED0001"]


def submit(stage: Stage, errand: Errand, content: dict[str, Any]) -> str:
    partner = vendor(stage)
    made = stage.of(VendorTransactions).submit(stage, partner, errand, content, NOW)
    return made.transaction_id


STOCK = {
    "warehouseId": "WH01",
    "inventory": {
        "sellingParty": {"partyId": "MILL1"},
        "isFullUpdate": False,
        "items": [
            {
                "vendorProductIdentifier": "A",
                "availableQuantity": {"amount": 3, "unitOfMeasure": "Each"},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def busy() -> Stage:
    """A world in which vendors did something of everything."""
    made = stage()
    partner = vendor(made)
    retail, direct = made.of(VendorRetail), made.of(VendorDirect)
    retail.stock(partner, NOW)
    line = OrderLine("1", "B0EMULATED", "A", [Ordered(NOW, 5)])
    order = retail.make(partner, "MILL1", NOW, [line], number="PO1")
    order.accept_all(NOW)
    direct.make(partner, "MILL1", NOW, [DirectLine("1", "B0EMULATED", "A", "Cup", 1)])
    direct.let_take_part(partner, False)
    items = [
        {"itemSequenceNumber": "1", "shippedQuantity": {"amount": 5, "unitOfMeasure": "Eaches"}}
    ]
    confirmation = {
        "shipmentIdentifier": "S1",
        "shipmentConfirmationType": "Original",
        "shipmentConfirmationDate": SHIP,
        "shippedItems": items,
        **PARTIES,
    }
    transport = {
        "vendorShipmentIdentifier": "T1",
        "transactionType": "New",
        "transactionDate": SHIP,
        "shipmentFreightTerm": "Prepaid",
        **PARTIES,
    }
    invoice = {
        "invoiceType": "Invoice",
        "id": "R1",
        "date": SHIP,
        "remitToParty": {"partyId": "MILL1"},
        "invoiceTotal": {"amount": "1", "currencyCode": "EUR"},
    }
    submit(made, CONFIRMATIONS, {"shipmentConfirmations": [confirmation]})
    submit(made, TRANSPORTS, {"shipments": [transport]})
    submit(made, RETAIL_INVOICES, {"invoices": [invoice]})
    submit(made, SCENARIOS, {"orders": [PARTIES]})
    made.agenda.run(NOW + timedelta(minutes=1))
    submit(made, INVENTORY, STOCK)
    made.of(VendorTransactions).pace.stuck_share = 0.5
    return made


def reloaded(busy: Stage) -> Stage:
    fresh = stage()
    for kind in KINDS:
        fresh.of(kind).load(fresh, json.loads(json.dumps(busy.of(kind).as_json())))
    return fresh


def test_everything_comes_back(busy: Stage) -> None:
    statuses = [one.status for one in busy.of(VendorTransactions).transactions.values()]
    assert statuses == ["Success"] * 4 + ["Processing"]
    fresh = reloaded(busy)
    for kind in KINDS:
        assert fresh.of(kind) == busy.of(kind)
        assert fresh.of(kind).as_json() == busy.of(kind).as_json()


def test_what_is_under_way_goes_on(busy: Stage) -> None:
    fresh = reloaded(busy)
    assert fresh.of(VendorDirect).stock_of(vendor(fresh)) == {}
    fresh.agenda.run(NOW + timedelta(minutes=2))
    [row] = fresh.of(VendorDirect).stock_of(vendor(fresh))["WH01"]
    assert row.amount == 3
    assert busy.of(VendorDirect).stock_of(vendor(busy)) == {}, "the first world is another one"


def first(given: Any) -> Any:
    """The record of the only vendor, of whatever name."""
    return next(iter(given["V1EMULATED0001"].values()))


@pytest.mark.parametrize(
    ("kind", "spoil", "words"),
    [
        (VendorRetail, lambda g: g.update(x=1), "vendor_retail: unknown field 'x'"),
        (VendorRetail, lambda g: first(g["orders"]).update(state="Old"), "must be one of New"),
        (VendorRetail, lambda g: first(g["orders"]).update(number="Z"), "its 'number' is 'Z'"),
        (VendorRetail, lambda g: first(g["orders"]).update(lines=[]), "a line and what is ordered"),
        (VendorRetail, lambda g: first(g["orders"]).pop("warehouse"), "'warehouse' is missing"),
        (VendorRetail, lambda g: first(g["orders"]).update(placed_at="x"), "placed_at: 'x' is not"),
        (
            VendorRetail,
            lambda g: first(g["orders"]).update(placed_at=3),
            "placed_at must be a text",
        ),
        (VendorRetail, lambda g: g.update(made=True), "made must be a whole number"),
        (VendorRetail, lambda g: g["orders"].update(NOBODY={}), "no vendor has the id 'NOBODY'"),
        (VendorDirect, lambda g: first(g["orders"]).update(lines=[]), "at least one line"),
        (VendorDirect, lambda g: first(g["orders"])["lines"][0].update(amount="1"), "whole number"),
        (VendorDirect, lambda g: g.update(without=["NOBODY"]), "no vendor has the id"),
        (VendorDirect, lambda g: g.update(stock=[]), "stock must be an object"),
        (
            VendorShipments,
            lambda g: first(g["confirmations"])["content"].update(shippedItems=[]),
            "'shippedItems' is expected",
        ),
        (VendorShipments, lambda g: first(g["transports"]).update(steps=[]), "'steps' is empty"),
        (
            VendorShipments,
            lambda g: first(g["transports"])["content"].update(transactionType="?"),
            "Value '?' is not valid",
        ),
        (VendorInvoices, lambda g: g["direct"].update(NOBODY={}), "no vendor has the id"),
        (VendorInvoices, lambda g: first(g["retail"]).update(kind="Bill"), "must be one of"),
        (VendorScenarios, lambda g: g.update(made=None), "made must be an object"),
        (VendorTransactions, lambda g: one(g).update(errand="fly"), "is not known here"),
        (VendorTransactions, lambda g: one(g).update(partner_id="X"), "no vendor has the id 'X'"),
        (VendorTransactions, lambda g: one(g).update(content={}), "is not complete"),
        (VendorTransactions, lambda g: one(g).update(held=None), "held must be true or false"),
        (VendorTransactions, lambda g: g["pace"].update(seconds="1"), "seconds must be a number"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(
    busy: Stage, kind: type[Any], spoil: Callable[[Any], Any], words: str
) -> None:
    given = copy.deepcopy(busy.of(kind).as_json())
    spoil(given)
    fresh = stage()
    with pytest.raises(ValueError, match="vendor_") as error:
        fresh.of(kind).load(fresh, given)
    assert words in str(error.value)
    assert fresh.of(kind) == kind(), "nothing is loaded"


def one(given: Any) -> Any:
    return next(iter(given["transactions"].values()))


def test_over_http(house: House) -> None:
    """Exported, put in the place of another world, and still right."""
    desk = Desk.of(house)
    desk.purchase_order(number="PO1")
    desk.direct_order(number="DF1")
    path = "/vendor/directFulfillment/inventory/v1/warehouses/WH01/items"
    under_way = desk.submit(path, {"inventory": STOCK["inventory"]})
    orders, directs = desk.lever("GET", "purchase-orders"), desk.lever("GET", "direct-orders")
    world = house.amazon.levers.world(credentials=True)
    house.amazon.levers.reset()
    house.amazon.levers.load_world(world)
    assert desk.lever("GET", "direct-orders") == directs
    assert desk.lever("GET", "purchase-orders") == orders
    desk.access_token = desk.house.access_token(desk.vendor)
    assert desk.transaction(under_way, DIRECT)["status"] == "Processing"
    desk.advance(seconds=30)
    assert desk.transaction(under_way, DIRECT)["status"] == "Success"
    assert desk.lever("GET", "inventory")["warehouses"]["WH01"][0]["amount"] == 3
