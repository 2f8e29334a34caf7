"""Orders in a world file: written in a stable order, read strictly.

Answers for: everything that makes an order, its money included, so that a world goes on where it
was left. Raises ValueError with the place of a fault; a file that was edited by hand is checked for
money: bookings must not give back more than they took.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from amazon_emulator import marketplaces
from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.money_moves import COMPONENTS, KEPT_BACK
from amazon_emulator.trade.orders.orders import (
    FULFILLERS,
    STATUSES,
    Address,
    Booking,
    Buyer,
    Cancellation,
    Item,
    Line,
    Order,
    Orders,
    Package,
    Refusal,
    Window,
)

__all__ = ["Misfit", "Place", "read_into", "written"]

T = TypeVar("T")
_MISSING: Any = object()
_MOST_COUNTED = 10**9


class Misfit(ValueError):
    """Something in the file has not the type that belongs there; the words name the place."""


class Place:
    """One JSON object of the file; takes each field once and knows where it stands."""

    def __init__(self, given: Any, where: str) -> None:
        if not isinstance(given, dict):
            raise Misfit(f"{where}: an object is wanted")
        self.given: dict[str, Any] = given
        self.where = where
        self.taken: set[str] = set()

    def text(self, name: str, default: str = _MISSING) -> str:
        value = self.raw(name, default)
        if not isinstance(value, str):
            raise Misfit(f"{self.where}.{name}: a text is wanted")
        return value

    def maybe(self, name: str) -> str | None:
        return None if self.raw(name, None) is None else self.text(name)

    def truth(self, name: str, default: bool = _MISSING) -> bool:
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise Misfit(f"{self.where}.{name}: true or false is wanted")
        return value

    def count(self, name: str, lowest: int = 0, highest: int = _MOST_COUNTED) -> int:
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            words = f"a whole number from {lowest} to {highest} is wanted"
            raise Misfit(f"{self.where}.{name}: {words}")
        return value

    def instant(self, name: str) -> datetime:
        try:
            return read_instant(self.text(name))
        except ValueError as error:
            raise Misfit(f"{self.where}.{name}: {error}") from None

    def choice(self, name: str, choices: tuple[T, ...]) -> T:
        value = self.raw(name)
        for known in choices:
            if value == known:
                return known
        raise Misfit(f"{self.where}.{name}: one of {', '.join(map(str, choices))} is wanted")

    def amounts(
        self,
        name: str,
        currency: str,
        components: tuple[str, ...],
        negative: tuple[str, ...] = (),
    ) -> dict[str, Decimal]:
        """By component. ``negative``: the components that are never above zero; all others are
        never below."""
        found = money.from_json(self.raw(name, {}), currency, f"{self.where}.{name}")
        for component, amount in found.items():
            where = f"{self.where}.{name}.{component}"
            if component not in components:
                raise Misfit(f"{where}: is none of {', '.join(components)}")
            if not 0 <= (-amount if component in negative else amount) < money.MOST:
                raise Misfit(f"{where}: {amount} is out of range")
        return found

    def texts(self, name: str) -> list[str]:
        value = self.raw(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise Misfit(f"{self.where}.{name}: a list of texts is wanted")
        return list(value)

    def within(self, name: str) -> Place:
        return Place(self.raw(name), f"{self.where}.{name}")

    def all(self, name: str, read: Callable[[Place], T]) -> list[T]:
        """Each object of a list."""
        value = self.raw(name, [])
        if not isinstance(value, list):
            raise Misfit(f"{self.where}.{name}: a list is wanted")
        return [
            read(Place(entry, f"{self.where}.{name}[{number}]"))
            for number, entry in enumerate(value)
        ]

    def raw(self, name: str, default: Any = _MISSING) -> Any:
        self.taken.add(name)
        value = self.given.get(name, default)
        if value is _MISSING:
            raise Misfit(f"{self.where}.{name}: is missing")
        return value

    def done(self) -> None:
        """Raises ValueError when something is there that nobody asked for."""
        unknown = sorted(set(self.given) - self.taken)
        if unknown:
            raise Misfit(f"{self.where}: unknown: {', '.join(unknown)}")


def written(orders: Orders) -> dict[str, Any]:
    """Everything, as plain JSON."""
    return {
        "finances_lag_hours": orders.finances_lag / timedelta(hours=1),
        "finances_v0_lag_hours": orders.finances_v0_lag / timedelta(hours=1),
        "refusals": [vars(refusal) | {} for refusal in orders.refusals],
        "orders": [_lean(_order(order)) for order in orders.everything()],
    }


def _lean(value: Any) -> Any:
    """Without fields that hold nothing: reading knows them by itself."""
    if isinstance(value, dict):
        lean = {name: _lean(inner) for name, inner in value.items()}
        return {
            name: inner
            for name, inner in lean.items()
            if inner is not None and inner is not False and inner not in ("", [], {})
        }
    return [_lean(inner) for inner in value] if isinstance(value, list) else value


def read_into(orders: Orders, given: Any) -> None:
    """Adds what a file holds."""
    place = Place(given, "orders")
    lag = _hours(place, "finances_lag_hours", 48)
    v0_lag = _hours(place, "finances_v0_lag_hours", 0)
    refusals = place.all("refusals", _read_refusal)
    made = place.all("orders", _read_order)
    place.done()
    orders.finances_lag, orders.finances_v0_lag = lag, v0_lag
    orders.refusals.extend(refusals)
    for order in made:
        orders.next_number()
        orders.add(order)


def _hours(place: Place, name: str, default: float) -> timedelta:
    value = place.raw(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10_000:
        raise ValueError(f"{place.where}.{name}: hours from 0 to 10000 are wanted")
    return timedelta(hours=value)


# --- writing --------------------------------------------------------------------------------------


def _order(order: Order) -> dict[str, Any]:
    written: dict[str, Any] = {
        "order_id": order.order_id,
        "selling_partner_id": order.partner_id,
        "marketplace": order.marketplace.id,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at),
        "status": order.status,
        "fulfilled_by": order.fulfilled_by,
        "buyer": dict(vars(order.buyer)),
        "recipient": dict(vars(order.recipient)),
        "ship_by": _window(order.ship_by),
        "deliver_by": _window(order.deliver_by),
        "seller_order_id": order.seller_order_id,
        "service_level": order.service_level,
        "payment_method": order.payment_method,
        "programs": list(order.programs),
        "acknowledged_by": list(order.acknowledged_by),
        "pickup_status": order.pickup_status,
        "items": [_item(order, item) for item in order.items],
        "packages": [_package(package) for package in order.packages.values()],
        "bookings": [_booking(order, booking) for booking in order.bookings],
        "cancellation": None,
    }
    if order.cancellation is not None:
        gone = order.cancellation
        written["cancellation"] = {"by": gone.by, "reason": gone.reason, "at": stamp(gone.at)}
    return written


def _window(window: Window) -> dict[str, Any]:
    return {"earliest": stamp(window.earliest), "latest": stamp(window.latest)}


def _item(order: Order, item: Item) -> dict[str, Any]:
    return {
        **vars(item),
        "charges": money.as_json(item.charges, order.currency),
        "discounts": money.as_json(item.discounts, order.currency),
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        **vars(package),
        "ship_date": stamp(package.ship_date),
        "created_at": stamp(package.created_at),
        "updated_at": stamp(package.updated_at),
        "contents": dict(package.contents),
        "transparency_codes": {k: list(v) for k, v in package.transparency_codes.items()},
    }


def _booking(order: Order, booking: Booking) -> dict[str, Any]:
    lines = [
        {
            "order_item_id": line.order_item_id,
            "quantity": line.quantity,
            "amounts": money.as_json(line.amounts, order.currency),
            "discounts": money.as_json(line.discounts, order.currency),
            "adjustment_id": line.adjustment_id,
        }
        for line in booking.lines
    ]
    return {**vars(booking), "posted_at": stamp(booking.posted_at), "lines": lines}


# --- reading --------------------------------------------------------------------------------------


def _read_refusal(place: Place) -> Refusal:
    refusal = Refusal(
        what=place.choice("what", ("refund", "cancellation", "shipment", "invoice")),
        code=place.text("code"),
        words=place.text("words"),
        times=None if place.raw("times", None) is None else place.count("times", 1),
        partner_id=place.maybe("partner_id"),
    )
    place.done()
    return refusal


def _read_order(place: Place) -> Order:
    try:
        marketplace = marketplaces.find(place.text("marketplace"))
    except ValueError as error:
        raise ValueError(f"{place.where}.marketplace: {error}") from None
    currency = marketplace.currency
    packages = _without_twins(place, "packages", place.all("packages", _read_package))
    order = Order(
        order_id=place.text("order_id"),
        partner_id=place.text("selling_partner_id"),
        marketplace=marketplace,
        created_at=place.instant("created_at"),
        updated_at=place.instant("updated_at"),
        status=place.choice("status", STATUSES),
        fulfilled_by=place.choice("fulfilled_by", FULFILLERS),
        items=place.all("items", lambda entry: _read_item(entry, currency)),
        buyer=Buyer(**_texts(place.within("buyer"), ("name", "email"), Buyer)),
        recipient=Address(
            **_texts(
                place.within("recipient"),
                ("name", "line1", "city", "postal_code", "country_code", "phone"),
                Address,
            )
        ),
        ship_by=_read_window(place.within("ship_by")),
        deliver_by=_read_window(place.within("deliver_by")),
        seller_order_id=place.text("seller_order_id", ""),
        service_level=place.text("service_level", "STANDARD"),
        payment_method=place.text("payment_method", "CreditCard"),
        programs=tuple(place.texts("programs")),
        packages={package.reference_id: package for package in packages},
        bookings=place.all("bookings", lambda entry: _read_booking(entry, currency)),
        cancellation=_read_cancellation(place),
        acknowledged_by=place.texts("acknowledged_by"),
        pickup_status=place.maybe("pickup_status"),
    )
    place.done()
    _check(order, place.where)
    return order


def _without_twins(place: Place, name: str, packages: list[Package]) -> list[Package]:
    """Raises Misfit where one would hide another."""
    if len({package.reference_id for package in packages}) != len(packages):
        raise Misfit(f"{place.where}.{name}: a reference_id stands there twice")
    return packages


def _check(order: Order, where: str) -> None:
    """What no order can be, even when each field is well."""
    known = {item.order_item_id for item in order.items}
    if not order.items or len(known) != len(order.items):
        raise ValueError(f"{where}.items: at least one is wanted, each with an id of its own")
    named = {name for package in order.packages.values() for name in package.contents}
    named |= {line.order_item_id for booking in order.bookings for line in booking.lines}
    if not named <= known:
        raise ValueError(f"{where}: no item has the id {min(named - known)}")
    if len({booking.booking_id for booking in order.bookings}) != len(order.bookings):
        raise ValueError(f"{where}.bookings: a booking_id stands there twice")
    if (order.cancellation is not None) != (order.status == "CANCELLED"):
        raise ValueError(f"{where}: an order is CANCELLED when it has a cancellation, only then")
    whole = all(order.shipped(item) >= item.quantity for item in order.items)
    if order.packages and order.status != ("SHIPPED" if whole else "PARTIALLY_SHIPPED"):
        raise ValueError(f"{where}: the packages do not fit the status {order.status}")
    if not order.packages and order.status in ("SHIPPED", "PARTIALLY_SHIPPED"):
        raise ValueError(f"{where}: an order that is {order.status} has packages")
    for item in order.items:
        if any(amount > item.charges.get(name, 0) for name, amount in item.discounts.items()):
            raise ValueError(f"{where}: more is taken off {item.order_item_id} than it costs")
        if order.shipped(item) > item.quantity:
            raise ValueError(f"{where}: more of {item.order_item_id} shipped than was ordered")
        if order.left(item) < 0:
            raise ValueError(f"{where}: more was given back for {item.order_item_id} than taken")


def _texts(place: Place, required: tuple[str, ...], kind: type) -> dict[str, str]:
    names = list(kind.__annotations__)
    values = {
        name: place.text(name) if name in required else place.text(name, "") for name in names
    }
    place.done()
    return values


def _read_window(place: Place) -> Window:
    window = Window(place.instant("earliest"), place.instant("latest"))
    place.done()
    return window


def _read_cancellation(place: Place) -> Cancellation | None:
    if place.raw("cancellation", None) is None:
        return None
    inner = place.within("cancellation")
    gone = Cancellation(
        inner.choice("by", ("BUYER", "MERCHANT", "AMAZON")),
        inner.text("reason", ""),
        inner.instant("at"),
    )
    inner.done()
    return gone


def _read_item(place: Place, currency: str) -> Item:
    item = Item(
        order_item_id=place.text("order_item_id"),
        sku=place.text("sku"),
        asin=place.text("asin"),
        title=place.text("title"),
        quantity=place.count("quantity", 1, money.MOST_PIECES),
        charges=place.amounts("charges", currency, money.CHARGED),
        discounts=place.amounts("discounts", currency, money.DISCOUNTED),
        promotion_id=place.text("promotion_id", ""),
        gift_message=place.text("gift_message", ""),
        gift_wrap_level=place.text("gift_wrap_level", ""),
        transparency=place.truth("transparency", default=False),
        cancel_wish=place.maybe("cancel_wish"),
    )
    place.done()
    return item


def _read_package(place: Place) -> Package:
    package = Package(
        reference_id=place.text("reference_id"),
        carrier_code=place.text("carrier_code"),
        tracking_number=place.text("tracking_number", ""),
        ship_date=place.instant("ship_date"),
        contents=_quantities(place),
        created_at=place.instant("created_at"),
        updated_at=place.instant("updated_at"),
        said_by=place.text("said_by"),
        carrier_name=place.text("carrier_name", ""),
        shipping_method=place.text("shipping_method", ""),
        supply_source_id=place.text("supply_source_id", ""),
        transparency_codes=_codes(place),
    )
    place.done()
    return package


def _quantities(place: Place) -> dict[str, int]:
    inner = place.within("contents")
    return {name: inner.count(name, 1) for name in inner.given}


def _codes(place: Place) -> dict[str, list[str]]:
    if place.raw("transparency_codes", None) is None:
        return {}
    inner = place.within("transparency_codes")
    return {name: inner.texts(name) for name in inner.given}


def _read_booking(place: Place, currency: str) -> Booking:
    def line(entry: Place) -> Line:
        read = Line(
            order_item_id=entry.text("order_item_id"),
            quantity=entry.count("quantity"),
            amounts=entry.amounts("amounts", currency, COMPONENTS, KEPT_BACK),
            discounts=entry.amounts("discounts", currency, money.DISCOUNTED),
            adjustment_id=entry.text("adjustment_id", ""),
        )
        entry.done()
        return read

    booking = Booking(
        booking_id=place.text("booking_id"),
        kind=place.choice("kind", ("Shipment", "Refund")),
        posted_at=place.instant("posted_at"),
        source=place.text("source"),
        lines=tuple(place.all("lines", line)),
        reason=place.text("reason", ""),
        message_id=place.text("message_id", ""),
    )
    place.done()
    return booking
