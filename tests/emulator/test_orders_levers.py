"""Levers over orders, the notification ORDER_CHANGE, and orders in a world file."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from amazon_emulator.levers import LeverError
from amazon_emulator.trade.orders import changes as orders_changes
from amazon_emulator.trade.orders import making as orders_making
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.money_moves import Wanted
from amazon_emulator.trade.orders.orders import STATUSES, Orders, Refusal, Refused
from amazon_emulator.trade.queues import notices
from tests.emulator.conftest import House
from tests.emulator.orders_desk import OrdersDesk, Shop, orders_desk

DAY = 86400


@pytest.fixture
def desk(house: House) -> OrdersDesk:
    return orders_desk(house)


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Payloads of notifications."""
    heard: list[Any] = []

    def tell(stage: Any, kind: str, partner: Any, payload: Any, now: Any, **more: Any) -> None:
        heard.append((kind, payload["OrderChangeNotification"]))

    monkeypatch.setattr(notices, "tell", tell)
    return heard


# --- making ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUSES)
def test_orders_in_every_status(desk: OrdersDesk, status: str) -> None:
    wishes = {"fulfilled_by": "AMAZON"} if status == "UNFULFILLABLE" else {}
    order = desk.make(status=status, items=[{"sku": "S", "quantity": 2}], age_seconds=DAY, **wishes)
    assert order["status"] == status
    charged = {"SHIPPED": order["total"], "PARTIALLY_SHIPPED": order["charged"]}
    assert order["charged"] == charged.get(status, "0.00")
    assert bool(order["packages"]) is (status in charged)
    assert bool(order["cancellation"]) is (status == "CANCELLED")
    assert desk.lever("GET", "/orders", status=status)["items"] == [order]


def test_many_orders_with_items_of_ones_own(desk: OrdersDesk) -> None:
    made = desk.makes(
        count=3,
        marketplace="IT",
        items=[
            {
                "sku": "SKU-1",
                "quantity": 2,
                "price": "10.00",
                "tax": "4.40",
                "shipping": 0,
                "shipping_tax": 0,
            },
        ],
    )
    assert len({order["order_id"] for order in made}) == 3
    assert {order["total"] for order in made} == {"24.40"}
    assert {order["currency"] for order in made} == {"EUR"}
    listed = desk.lever("GET", "/orders", selling_partner_id=desk.partner_id)
    assert listed == {"count": 3, "items": made}


def test_people_are_plainly_made_up(shop: Shop) -> None:
    for home in ("US", "BR", "JP", "DE", "GB"):
        order = Shop.open(home).order()
        assert order.buyer.email.endswith("@marketplace.example")
        assert order.recipient.phone.startswith("+00 555 ")
        assert order.recipient.line1.endswith("Emulator Street")
        assert order.recipient.country_code == home


def test_the_same_wishes_make_the_same_orders() -> None:
    worlds = []
    for _ in range(2):
        shop = Shop.open()
        for status in ("UNSHIPPED", "SHIPPED", "CANCELLED"):
            shop.order(status=status)
        worlds.append(shop.orders.as_json())
    assert worlds[0] == worlds[1]


@pytest.mark.parametrize(
    "wishes",
    [
        {"count": 1001},
        {"status": "LOST"},
        {"status": "UNFULFILLABLE"},
        {"status": "PARTIALLY_SHIPPED", "items": [{"sku": "S"}]},
        {"marketplace": "US"},
        {"marketplace": "XX"},
        {"age_seconds": -1},
        {"created_at": "2001-01-01T00:00:00Z"},
        {"items": {}},
        {"items": [{"sku": "S", "colour": "red"}]},
        {"items": [{"quantity": 1}]},
        {"items": [{"sku": "S", "price": "1.001"}]},
        {"items": [{"sku": "S", "price": "-1"}]},
        {"items": [{"sku": "S", "price": True}]},
        {"items": [{"sku": "A", "order_item_id": "1"}, {"sku": "B", "order_item_id": "1"}]},
        {"order_id": "902-1-1", "count": 2},
        {"colour": "red"},
        {"age_seconds": 1e11},
        {"order_id": "a/1"},
        {"order_id": "habits"},
        {"order_id": "1\x00"},
        {"items": [{"sku": "S", "order_item_id": "\u00e91"}]},
        {"items": [{"sku": "S"}] * 1001},
        {"items": [{"sku": "S", "quantity": 1_000_001}]},
        {"items": [{"sku": "S", "quantity": 2, "price": "9999999999.00"}]},
        {"items": [{"sku": "S", "tax": "10000000000.00"}]},
        {"items": [{"sku": "S", "price": "10,00"}]},
        {"items": [{"sku": "S", "price": "1e3"}]},
        {"items": [{"sku": "S", "price": "10.00", "promotion": "10.01"}]},
        {"items": [{"sku": "S", "shipping": 0, "shipping_promotion": "0.01"}]},
    ],
    ids=lambda wishes: str(wishes)[:60],
)
def test_wishes_that_cannot_be(desk: OrdersDesk, wishes: dict[str, Any]) -> None:
    with pytest.raises(LeverError, match=r"4(22|09)"):
        desk.makes(**wishes)
    assert desk.lever("GET", "/orders")["count"] == 0


def test_ids_of_ones_own_are_taken_once(desk: OrdersDesk) -> None:
    assert desk.make(order_id="902-1234567-1234567")["order_id"] == "902-1234567-1234567"
    with pytest.raises(LeverError, match="409"):
        desk.make(order_id="902-1234567-1234567")


def test_vendors_have_no_such_orders(house: House) -> None:
    vendor = house.vendor()["selling_partner_id"]
    with pytest.raises(LeverError, match="vendor"):
        house.amazon.levers.pull("POST", "/orders", {"selling_partner_id": vendor})


# --- changing -------------------------------------------------------------------------------------


def test_an_order_goes_its_way(desk: OrdersDesk) -> None:
    order = desk.make(status="PENDING_AVAILABILITY")
    for status in ("PENDING", "UNSHIPPED", "SHIPPED"):
        seen = desk.lever("PATCH", f"/orders/{order['order_id']}", {"status": status})
        assert seen["status"] == status
    assert seen["charged"] == seen["total"]
    for status in ("UNSHIPPED", "CANCELLED"):
        with pytest.raises(LeverError, match="409"):
            desk.lever("PATCH", f"/orders/{order['order_id']}", {"status": status})


def test_somebody_else_gives_money_back(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", items=[{"sku": "A", "price": "10.00"}, {"sku": "B"}])
    path = f"/orders/{order['order_id']}/refund"
    item = order["items"][0]["order_item_id"]
    wish = {"order_item_id": item, "amounts": {"Principal": "4.00"}, "by": "Nina"}
    seen = desk.lever("POST", path, wish)
    (refund,) = seen["refunds"]
    assert (refund["amount"], refund["source"], seen["refunded"]) == ("4.00", "Nina", "4.00")
    for wrong in (
        {"order_item_id": item, "amounts": {"Principal": "6.01"}},
        {"amounts": {"Principal": "1.00"}},
        {"order_item_id": "9"},
        {"amounts": {"Cashback": "1.00"}, "order_item_id": item},
        {"amounts": [], "order_item_id": item},
    ):
        with pytest.raises(LeverError, match=r"40[49]|422"):
            desk.lever("POST", path, wrong)
    seen = desk.lever("POST", path, {})
    assert seen["refunded"] == seen["charged"]
    with pytest.raises(LeverError, match="409"):
        desk.lever("POST", path, {})


def test_all_of_it_goes_back_by_component(desk: OrdersDesk) -> None:
    goods = [{"sku": "SKU-1", "gift_wrap": "2.00", "gift_wrap_tax": "0.38"}]
    order = desk.make(status="SHIPPED", age_seconds=DAY, items=goods)
    (item,) = desk.lever("POST", f"/orders/{order['order_id']}/refund", {})["items"]
    assert item["refunded"] == item["charged"]
    assert len(item["charged"]) == 6


def test_all_that_is_left_whatever_was_given_before(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", items=[{"sku": "A", "price": "10.00", "promotion": "2.00"}])
    path = f"/orders/{order['order_id']}/refund"
    for amounts in ({"Principal": "5.00", "RestockingFee": "1.50"}, {"Goodwill": "3.00"}):
        desk.lever("POST", path, {"amounts": amounts})
    seen = desk.lever("POST", path, {})
    assert seen["refunded"] == seen["charged"] == order["total"]


def test_refusals_and_habits(desk: OrdersDesk) -> None:
    wish = {"what": "refund", "code": "18028", "message": "No.", "times": 2}
    (kept,) = desk.lever("POST", "/orders/refuse", wish)["items"]
    assert kept == {**wish, "selling_partner_id": None}
    assert desk.lever("GET", "/orders/refuse")["items"] == [kept]
    assert desk.lever("DELETE", "/orders/refuse")["items"] == []
    habits = desk.lever("PATCH", "/orders/habits", {"finances_lag_hours": 0.5})
    assert habits["finances_lag_hours"] == 0.5
    both = {"selling_partner_id": desk.partner_id, "in_vat_service": True}
    habits = desk.lever("POST", "/orders/vat-service", {**both, "invoices_available": False})
    assert habits["in_vat_service"] == habits["invoices_unavailable"] == [desk.partner_id]
    for path, wrong in (
        ("/orders/refuse", {"what": "everything", "code": "1"}),
        ("/orders/refuse", {"what": "refund", "code": "1", "selling_partner_id": "nobody"}),
    ):
        with pytest.raises(LeverError, match=r"4(22|04)"):
            desk.lever("POST", path, wrong)
    with pytest.raises(LeverError, match="422"):
        desk.lever("PATCH", "/orders/habits", {"finances_lag_hours": -1})


def test_refusals_for_one_seller_are_for_no_other(shop: Shop) -> None:
    orders = shop.orders
    order = shop.order()
    orders.refusals.append(refusal("somebody else"))
    orders_changes.cancel(shop.stage, order, by="MERCHANT", reason="", now=shop.now)
    orders.refusals.append(refusal(shop.partner.selling_partner_id))
    for _ in range(2):
        with pytest.raises(Refused, match="No"):
            orders_changes.cancel(shop.stage, shop.order(), by="MERCHANT", reason="", now=shop.now)


def refusal(partner_id: str) -> Refusal:
    return Refusal("cancellation", "1", "No.", None, partner_id)


def test_unknown_orders(desk: OrdersDesk) -> None:
    for method, path, body in (
        ("GET", "/orders/1", None),
        ("PATCH", "/orders/1", {"status": "SHIPPED"}),
        ("POST", "/orders/1/refund", {}),
        ("POST", "/orders/1/wish-to-cancel", {}),
    ):
        with pytest.raises(LeverError, match="404"):
            desk.lever(method, path, body)
    with pytest.raises(LeverError, match="422"):
        desk.lever("GET", "/orders", colour="red")


# --- notifications --------------------------------------------------------------------------------


def test_changes_are_told(shop: Shop, told: list[Any], models: Path) -> None:
    order = shop.order(Ware("A", 2), Ware("B"), status="PENDING", programs=("PRIME",))
    orders_changes.set_status(shop.stage, order, "UNSHIPPED", shop.now)
    orders_changes.ask_to_cancel(shop.stage, order, order.items[1], "Oh.", shop.now)
    orders_changes.ask_to_cancel(shop.stage, order, None, "Oh no.", shop.now)
    orders_changes.cancel(shop.stage, order, by="MERCHANT", reason="", now=shop.now)
    shop.order(notify=False)
    assert {kind for kind, _payload in told} == {"ORDER_CHANGE"}
    payloads = [payload for _kind, payload in told]
    assert [(known["OrderChangeType"], known["Summary"]["OrderStatus"]) for known in payloads] == [
        ("OrderStatusChange", "Pending"),
        ("OrderStatusChange", "Unshipped"),
        ("BuyerRequestedChange", "Unshipped"),
        ("BuyerRequestedChange", "Unshipped"),
        ("OrderStatusChange", "Canceled"),
    ]
    wish = payloads[2]
    assert wish["NotificationLevel"] == "OrderItemLevel"
    assert [item["IsBuyerRequestedCancel"] for item in wish["Summary"]["OrderItems"]] == [True]
    text = json.dumps(payloads)
    assert order.buyer.name not in text
    assert order.buyer.email not in text
    schemas = models.parent / "schemas" / "notifications" / "OrderChangeNotification.json"
    schema = json.loads(schemas.read_text())["properties"]["Payload"]
    validator = jsonschema_rs.Draft7Validator(schema)
    for payload in payloads:
        validator.validate({"OrderChangeNotification": payload})


def test_shipping_is_told_when_the_status_changes(shop: Shop, told: list[Any]) -> None:
    order = shop.order(Ware("A", 3))
    told.clear()
    item = order.items[0].order_item_id
    for reference, quantity in (("1", 1), ("2", 1), ("3", 1), ("3", 1)):
        parcel = orders_changes.Parcel(reference, "DHL", "T", shop.now, {item: quantity})
        orders_changes.ship(shop.stage, order, parcel, said_by="test", now=shop.now)
    summaries = [payload["Summary"] for _kind, payload in told]
    assert [row["OrderStatus"] for row in summaries] == ["PartiallyShipped", "Shipped"]
    assert [row["NumberOfItemsShipped"] for row in summaries] == [1, 3]


# --- world file -----------------------------------------------------------------------------------


def lively(shop: Shop) -> Orders:
    for status in ("PENDING", "UNSHIPPED", "SHIPPED", "CANCELLED"):
        shop.order(Ware("A", 2, discounts={"Principal": Decimal("1.00")}), status=status)
    shop.order(Ware("B", 3), status="PARTIALLY_SHIPPED", seller_order_id="OWN", company="Ltd")
    order = shop.orders.of_partner(shop.partner.selling_partner_id)[2]
    wanted = Wanted(order.items[0].order_item_id, {"Principal": Decimal("2.00")})
    orders_changes.refund(shop.stage, order, [wanted], source="feed-1", now=shop.now)
    bare = orders_changes.Parcel("7", "DHL", "", shop.now, None)
    orders_changes.ship(shop.stage, shop.order(), bare, said_by="feed-2", now=shop.now)
    orders_changes.cancel(shop.stage, shop.order(), by="MERCHANT", reason="", now=shop.now)
    shop.orders.refusals.append(refusal("A"))
    return shop.orders


def test_a_world_comes_back_as_it_was(shop: Shop) -> None:
    written = lively(shop).as_json()
    again = Orders()
    again.load(shop.stage, json.loads(json.dumps(written)))
    assert again.as_json() == written
    other = Shop.open()
    other.stage.of(Orders).load(other.stage, written)
    made = orders_making.make(
        other.stage, other.partner, other.partner.home, orders_making.Wish(), shop.now, shop.now
    )
    assert made.order_id not in {order["order_id"] for order in written["orders"]}


def test_orders_of_nobody_are_told_to_nobody(shop: Shop, told: list[Any]) -> None:
    """A world file may hold orders of a seller that it does not hold."""
    order = shop.order(notify=False)
    shop.stage.world.partners.clear()
    orders_changes.set_status(shop.stage, order, "SHIPPED", shop.now)
    assert (order.status, told) == ("SHIPPED", [])


@pytest.mark.parametrize("name", ["packages", "bookings", "items"])
def test_twins_in_a_file_would_hide_each_other(shop: Shop, name: str) -> None:
    changed = lively(shop).as_json()
    changed["orders"][2][name].append(changed["orders"][2][name][0])
    with pytest.raises(ValueError, match=r"twice|an id of its own"):
        Orders().load(shop.stage, changed)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("orders",), {}, "orders.orders"),
        (("orders", 0, "status"), "LOST", "status"),
        (("orders", 0, "colour"), "red", "unknown: colour"),
        (("orders", 0, "marketplace"), "XX", "marketplace"),
        (("orders", 0, "created_at"), "yesterday", "created_at"),
        (("orders", 0, "items"), [], "items"),
        (("orders", 0, "items", 0, "quantity"), 0, "quantity"),
        (("orders", 0, "items", 0, "charges", "Tax"), "x", "Tax"),
        (("orders", 0, "items", 0, "transparency"), 1, "transparency"),
        (("orders", 0, "buyer", "name"), 7, "buyer.name"),
        (("orders", 0, "buyer", "shoe"), "7", "unknown: shoe"),
        (("orders", 0, "programs"), "PRIME", "programs"),
        (("orders", 2, "packages", 0, "contents"), {"9": 1}, "no item has the id 9"),
        (("orders", 2, "items", 0, "quantity"), 1, "more of"),
        (("orders", 2, "bookings", 1, "lines", 0, "amounts", "Other"), "999.00", "given back"),
        (("orders", 2, "bookings", 1, "lines", 0, "amounts", "Other"), "-1.00", "out of range"),
        (("orders", 2, "bookings", 1, "lines", 0, "amounts", "Gift"), "1.00", "none of"),
        (("orders", 0, "items", 0, "charges", "Tax"), "-1.00", "out of range"),
        (("orders", 0, "items", 0, "charges", "Goodwill"), "1.00", "none of"),
        (("orders", 0, "items", 0, "discounts"), {"Tax": "1.00"}, "none of"),
        (("orders", 0, "items", 0, "discounts"), {"Shipping": "9999.00"}, "is taken off"),
        (("orders", 0, "items", 0, "quantity"), 10**7, "quantity"),
        (("orders", 0, "status"), "SHIPPED", "has packages"),
        (("orders", 2, "status"), "UNSHIPPED", "do not fit"),
        (("orders", 0, "status"), "CANCELLED", "CANCELLED"),
        (("finances_lag_hours",), -1, "finances_lag_hours"),
        (("refusals", 0, "what"), "x", "what"),
    ],
    ids=str,
)
def test_wrong_files_are_told_where(
    shop: Shop, path: tuple[Any, ...], value: Any, words: str
) -> None:
    changed = deepcopy(lively(shop).as_json())
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    orders = Orders()
    with pytest.raises(ValueError, match=words):
        orders.load(shop.stage, changed)
    assert orders.everything() == []
