"""Levers over what vendors have at Amazon: orders of both programs, stock, shipments, invoices.

Levers over transactions are in `vendor_transactions`; this table has them all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.faces.levers import vendor_transactions
from amazon_emulator.faces.levers.making import partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors.direct import (
    DIRECT_STATUSES,
    LABEL_FORMATS,
    DirectLine,
    DirectOrder,
    LabelFormat,
    VendorDirect,
)
from amazon_emulator.trade.vendors.direct_shipping import label
from amazon_emulator.trade.vendors.invoices import VendorInvoices
from amazon_emulator.trade.vendors.records import plain
from amazon_emulator.trade.vendors.retail import (
    STATES,
    Ordered,
    OrderLine,
    PurchaseOrder,
    VendorRetail,
)
from amazon_emulator.trade.vendors.shipments import TRANSPORT_STATUSES, VendorShipments
from amazon_emulator.world import Partner

__all__ = [
    "LEVERS",
    "change_purchase_order",
    "change_shipment",
    "direct_fulfillment",
    "direct_orders",
    "inventory",
    "invoices",
    "make_direct_orders",
    "make_purchase_orders",
    "purchase_orders",
    "shipments",
]

MOST = 1000
OLDEST_DAYS = 3650
BEFORE_ANSWER = timedelta(hours=1)


# --- purchase orders ------------------------------------------------------------------------------


def make_purchase_orders(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes purchase orders for a vendor {count?, vendor_code?, warehouse?, age_days?, state?: New,
    Acknowledged or Closed, number?, items?: [{asin?, sku?, amount?, cost?, unit?, unit_size?,
    back_order_allowed?}]}."""
    partner = _vendor(stage, wish)
    now = stage.clock.now()
    count, number = _count(wish), wish.maybe("number")
    vendor_code = _vendor_code(partner, wish)
    warehouse = wish.maybe("warehouse")
    placed_at = _placed_at(wish, now)
    state = wish.choice("state", STATES, "New")
    items = _items(wish)
    wish.done()
    if number is not None and count != 1:
        raise WrongWish("a 'number' is for one order; 'count' is more")
    made = []
    for _ in range(count):
        lines = [_order_line(place, item, placed_at) for place, item in enumerate(items, 1)]
        retail = stage.of(VendorRetail)
        try:
            order = retail.make(
                partner, vendor_code, placed_at, lines, number=number, warehouse=warehouse
            )
        except ValueError as error:
            raise WrongWish(str(error), 409) from None
        at = min(now, placed_at + BEFORE_ANSWER)
        if state != "New":
            order.accept_all(at)
        if state == "Closed":
            for line in order.lines:
                order.receive(line, line.amount, at)
            order.go("Closed", at)
        made.append(order)
    return {"items": [_order_view(stage, partner, order) for order in made]}


def purchase_orders(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The purchase orders of a vendor, with what was acknowledged, shipped and invoiced."""
    partner = _vendor(stage, wish)
    orders = stage.of(VendorRetail).of(partner).values()
    return {"items": [_order_view(stage, partner, order) for order in orders]}


def change_purchase_order(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Amazon changes a purchase order {state?, ordered?: {item: amount, 0 cancels}, received?:
    {item: amount}}; items by their sequence number."""
    partner = _vendor(stage, wish)
    order = stage.of(VendorRetail).of(partner).get(wish.path["number"])
    if order is None:
        raise WrongWish(f"no purchase order has the number {wish.path['number']!r}", 404)
    now = stage.clock.now()
    state = wish.choice("state", STATES, order.state)
    ordered = _amounts(order, wish, "ordered")
    received = _amounts(order, wish, "received")
    wish.done()
    for line, amount in ordered:
        order.change(line, amount, now)
    for line, amount in received:
        order.receive(line, amount, now)
    if state != order.state:
        order.go(state, now)
    return _order_view(stage, partner, order)


def _amounts(order: PurchaseOrder, wish: Wish, name: str) -> list[tuple[OrderLine, int]]:
    given = wish.raw(name, {})
    if not isinstance(given, dict):
        raise WrongWish(f"{name!r} must be an object of amounts by item")
    lines = {line.number: line for line in order.lines}
    unknown = sorted(set(given) - set(lines))
    if unknown:
        raise WrongWish(f"{name!r}: the order has no item {unknown[0]!r}")
    return [(lines[number], _amount(given[number], name)) for number in given]


def _order_line(place: int, item: Wish, placed_at: datetime) -> OrderLine:
    line = OrderLine(
        str(place),
        item.text("asin", f"B0EMULPO{place:02d}"),
        item.text("sku", f"EMU-PO-{place}"),
        [Ordered(placed_at, _amount(item.raw("amount", 10), "amount"))],
        cost=_price(item, "cost", "12.50"),
        unit=item.choice("unit", ("Eaches", "Cases"), "Eaches"),
        unit_size=item.count("unit_size", 1) or 1,
        back_order_allowed=item.truth("back_order_allowed", True),
    )
    line.list_price = line.cost
    item.done()
    return line


def _order_view(stage: Stage, partner: Partner, order: PurchaseOrder) -> dict[str, Any]:
    now = stage.clock.now()
    shipments = stage.of(VendorShipments)
    view: dict[str, Any] = plain(order)
    for shown, line in zip(view["lines"], order.lines, strict=True):
        shown |= {"amount": line.amount, "confirmed": line.confirmed, "cancelled": line.cancelled}
    return {
        **view,
        "shipment_confirmations": [
            known.identifier
            for known in shipments.confirmations_of(partner).values()
            if order.number in known.order_numbers
        ],
        "shipments": [
            known.identifier
            for known in shipments.transports_of(partner, now).values()
            if order.number in known.order_numbers
        ],
        "invoices": [
            known.number
            for known in stage.of(VendorInvoices).retail_of(partner).values()
            if order.number in known.order_numbers
        ],
    }


# --- shipments and invoices -----------------------------------------------------------------------


def shipments(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The shipment confirmations and shipments of a vendor, as they were taken."""
    partner = _vendor(stage, wish)
    known = stage.of(VendorShipments)
    return {
        "confirmations": plain(list(known.confirmations_of(partner).values())),
        "shipments": plain(list(known.transports_of(partner, stage.clock.now()).values())),
    }


def change_shipment(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Moves a shipment on {status: TransportationRequested, CarrierAssigned or Shipped}."""
    partner = _vendor(stage, wish)
    now = stage.clock.now()
    found = stage.of(VendorShipments).transports_of(partner, now).get(wish.path["identifier"])
    if found is None:
        raise WrongWish(f"no shipment has the identifier {wish.path['identifier']!r}", 404)
    status = wish.choice("status", TRANSPORT_STATUSES)
    wish.done()
    if found.cancelled_at is not None:
        raise WrongWish("the shipment is cancelled", 409)
    if TRANSPORT_STATUSES.index(status) <= TRANSPORT_STATUSES.index(found.status):
        raise WrongWish(f"the shipment is {found.status} already", 409)
    found.go(status, now)
    shown: dict[str, Any] = plain(found)
    return shown


def invoices(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The invoices and credit notes of a vendor that were taken: retail, and direct."""
    partner = _vendor(stage, wish)
    known = stage.of(VendorInvoices)
    return {
        "retail": plain(list(known.retail_of(partner).values())),
        "direct": plain(list(known.direct_of(partner).values())),
    }


# --- direct fulfillment ---------------------------------------------------------------------------


def make_direct_orders(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes direct-fulfillment orders for a vendor {count?, vendor_code?, warehouse?, age_days?,
    status?: NEW, ACCEPTED, SHIPPED or CANCELLED, priority?, gift?, label_format?: PNG or ZPL,
    number?, items?: [{asin?, sku?, title?, amount?, price?}]}."""
    partner = _vendor(stage, wish)
    now = stage.clock.now()
    count, number = _count(wish), wish.maybe("number")
    vendor_code = _vendor_code(partner, wish)
    warehouse = wish.text("warehouse", "WH01")
    placed_at = _placed_at(wish, now)
    status = wish.choice("status", DIRECT_STATUSES, "NEW")
    priority, gift = wish.truth("priority", False), wish.truth("gift", False)
    label_format: LabelFormat = wish.choice("label_format", LABEL_FORMATS, "PNG")
    items = _items(wish)
    wish.done()
    if number is not None and count != 1:
        raise WrongWish("a 'number' is for one order; 'count' is more")
    made = []
    for _ in range(count):
        lines = [_direct_line(place, item) for place, item in enumerate(items, 1)]
        try:
            order = stage.of(VendorDirect).make(
                partner, vendor_code, placed_at, lines, number=number, warehouse=warehouse
            )
        except ValueError as error:
            raise WrongWish(str(error), 409) from None
        order.priority, order.gift, order.label_format = priority, gift, label_format
        at = min(now, placed_at + BEFORE_ANSWER)
        order.status = status
        if status != "NEW":
            order.acknowledged_at = at
        if status == "SHIPPED":
            label(order, [], at)
            order.shipped_at = at
        made.append(order)
    return {"items": [_direct_view(order) for order in made]}


def direct_orders(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The direct-fulfillment orders of a vendor, with what was acknowledged and shipped."""
    partner = _vendor(stage, wish)
    orders = stage.of(VendorDirect).orders_of(partner).values()
    return {"items": [_direct_view(order) for order in orders]}


def inventory(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The direct-fulfillment stock that a vendor stated, by warehouse."""
    partner = _vendor(stage, wish)
    return {"warehouses": plain(stage.of(VendorDirect).stock_of(partner))}


def direct_fulfillment(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Whether a vendor takes part in direct fulfillment {takes_part}; else its calls get 403."""
    partner = _vendor(stage, wish)
    wished = wish.truth("takes_part")
    wish.done()
    stage.of(VendorDirect).let_take_part(partner, wished)
    return {"takes_part": wished}


def _direct_line(place: int, item: Wish) -> DirectLine:
    line = DirectLine(
        str(place),
        item.text("asin", f"B0EMULDF{place:02d}"),
        item.text("sku", f"EMU-DF-{place}"),
        item.text("title", f"Emulated item {place}"),
        _amount(item.raw("amount", 1), "amount"),
        _price(item, "price", "19.90"),
    )
    item.done()
    return line


def _direct_view(order: DirectOrder) -> dict[str, Any]:
    view: dict[str, Any] = plain(order)
    return view


# --- parts ----------------------------------------------------------------------------------------


def _vendor(stage: Stage, wish: Wish) -> Partner:
    partner = partner_of(stage, wish.path["selling_partner_id"])
    if partner.kind != "vendor":
        raise WrongWish(f"{partner.selling_partner_id} is a seller, not a vendor")
    return partner


def _vendor_code(partner: Partner, wish: Wish) -> str:
    if not partner.vendor_codes:
        raise WrongWish("the vendor has no vendor codes")
    return wish.choice("vendor_code", partner.vendor_codes, partner.vendor_codes[0])


def _count(wish: Wish) -> int:
    count = wish.count("count", 1) or 1
    if count > MOST:
        raise WrongWish(f"'count' must be at most {MOST}")
    return count


def _placed_at(wish: Wish, now: datetime) -> datetime:
    days = wish.number("age_days", 0)
    if not 0 <= days <= OLDEST_DAYS:
        raise WrongWish(f"'age_days' must be from 0 to {OLDEST_DAYS}")
    return now - timedelta(days=days)


def _items(wish: Wish) -> list[Wish]:
    """One item with nothing said about it, when none is wished."""
    given = wish.raw("items", [{}])
    if not isinstance(given, list) or not given or not all(isinstance(i, dict) for i in given):
        raise WrongWish("'items' must be a list of objects that is not empty")
    return [Wish(item) for item in given]


def _amount(given: Any, name: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise WrongWish(f"{name!r} must hold whole numbers of at least 0")
    return given


def _price(item: Wish, name: str, default: str) -> str:
    text = item.text(name, default)
    whole, _, cents = text.partition(".")
    if not whole.isdigit() or (cents and not cents.isdigit()) or text.endswith("."):
        raise WrongWish(f'{name!r} must be a price such as "12.50"')
    return text


LEVERS: tuple[tuple[str, str, Callable[[Stage, Wish], Any]], ...] = (
    ("POST", "/vendors/{selling_partner_id}/purchase-orders", make_purchase_orders),
    ("GET", "/vendors/{selling_partner_id}/purchase-orders", purchase_orders),
    ("PATCH", "/vendors/{selling_partner_id}/purchase-orders/{number}", change_purchase_order),
    ("GET", "/vendors/{selling_partner_id}/shipments", shipments),
    ("PATCH", "/vendors/{selling_partner_id}/shipments/{identifier}", change_shipment),
    ("GET", "/vendors/{selling_partner_id}/invoices", invoices),
    ("POST", "/vendors/{selling_partner_id}/direct-orders", make_direct_orders),
    ("GET", "/vendors/{selling_partner_id}/direct-orders", direct_orders),
    ("GET", "/vendors/{selling_partner_id}/inventory", inventory),
    ("PUT", "/vendors/{selling_partner_id}/direct-fulfillment", direct_fulfillment),
    *vendor_transactions.LEVERS,
)
