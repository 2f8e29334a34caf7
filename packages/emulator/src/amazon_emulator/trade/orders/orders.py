"""Sellers' orders: what was bought, by whom, what was shipped, cancelled, charged and given back.

Answers for: the facts of an order and finding orders. How packages and cancellations change one is
in `orders_changes`, how money moves in `money_moves`, how orders are made up in `orders_making`,
what a world file holds of them in `orders_file`.

Statuses and their meaning: Amazon's Orders model of 2026-01-01.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

from amazon_emulator.marketplaces import Marketplace, Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.money import Amounts

__all__ = [
    "FULFILLERS",
    "STATUSES",
    "Address",
    "Booking",
    "Buyer",
    "Cancellation",
    "Fulfiller",
    "Item",
    "Line",
    "Order",
    "OrderStatus",
    "Orders",
    "Package",
    "Refusal",
    "Refused",
    "Window",
    "instant_of",
]

OrderStatus = Literal[
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
]
STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus)
Fulfiller = Literal["MERCHANT", "AMAZON"]
FULFILLERS: tuple[Fulfiller, ...] = get_args(Fulfiller)

# The model of the listing says that older orders are not given, except in these stores.
SHOWN_FOR = timedelta(days=730)
SHOWN_LONGER = ("JP", "AU", "SG")
SHOWN_SINCE = datetime(2016, 1, 1, tzinfo=UTC)


_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


def instant_of(text: str) -> datetime:
    """An ISO 8601 instant as programs write it, with date and time; without an offset it is UTC.

    Raises ValueError, for instants outside of the calendar, too."""
    # Python alone would also read weeks, dates alone and what ends in a NUL.
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"{text!r} is not an ISO 8601 date and time")
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is outside of the calendar") from None


class Refused(Exception):
    """A change that an order does not allow. ``reason`` is one word for programs; the words are for
    people. ``code``: Amazon's, or what a lever wished for; None where neither is known."""

    def __init__(self, reason: str, words: str, code: str | None = None) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words
        self.code = code


@dataclass(frozen=True)
class Window:
    """A promise: from ``earliest`` to ``latest``."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True)
class Address:
    """Where a parcel goes. ``state`` and ``line2`` may be empty."""

    name: str
    line1: str
    city: str
    postal_code: str
    country_code: str
    phone: str
    line2: str = ""
    state: str = ""
    company: str = ""


@dataclass(frozen=True)
class Buyer:
    """Who bought; business buyers have a company and perhaps a purchase order number."""

    name: str
    email: str
    company: str = ""
    purchase_order_number: str = ""


@dataclass(frozen=True)
class Cancellation:
    """That and why an order was cancelled, in the words of the Orders model of 2026-01-01."""

    by: Literal["BUYER", "MERCHANT", "AMAZON"]
    reason: str
    at: datetime


@dataclass
class Item:
    """One line. ``charges`` are for the whole quantity, before ``discounts``, which are positive
    amounts taken off Principal and Shipping."""

    order_item_id: str
    sku: str
    asin: str
    title: str
    quantity: int
    charges: dict[str, Decimal]
    discounts: dict[str, Decimal] = field(default_factory=dict)
    promotion_id: str = ""
    gift_message: str = ""
    gift_wrap_level: str = ""
    transparency: bool = False
    cancel_wish: str | None = None  # the buyer's words when it asks for a cancellation

    def net(self) -> Decimal:
        """What the buyer pays for all of it."""
        return money.total(self.charges) - money.total(self.discounts)

    def part(self, of: Amounts, before: int, after: int, currency: str) -> dict[str, Decimal]:
        """The share of an amount that belongs to the pieces from ``before`` to ``after``."""
        return {
            component: money.share(amount, after, self.quantity, currency)
            - money.share(amount, before, self.quantity, currency)
            for component, amount in of.items()
        }


@dataclass
class Package:
    """One parcel; ``contents`` holds quantities by order item id."""

    reference_id: str
    carrier_code: str
    tracking_number: str
    ship_date: datetime
    contents: dict[str, int]
    created_at: datetime
    updated_at: datetime
    said_by: str  # "confirmShipment", a feed id, "lever", "Amazon"
    carrier_name: str = ""
    shipping_method: str = ""
    supply_source_id: str = ""
    transparency_codes: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """What one booking says of one item. Amounts are positive: charged when it ships, given back
    when it is refunded; ``discounts`` are taken off either."""

    order_item_id: str
    quantity: int
    amounts: Amounts
    discounts: Amounts = field(default_factory=dict)
    adjustment_id: str = ""

    def net(self) -> Decimal:
        return money.total(self.amounts) - money.total(self.discounts)


@dataclass(frozen=True)
class Booking:
    """Money that moved, once and for all. ``source``: who caused it: a feed id, "Seller Central",
    or the package that shipped."""

    booking_id: str
    kind: Literal["Shipment", "Refund"]
    posted_at: datetime
    source: str
    lines: tuple[Line, ...]
    reason: str = ""
    message_id: str = ""

    def net(self) -> Decimal:
        return sum((line.net() for line in self.lines), money.ZERO)


@dataclass
class Order:
    """One order of one buyer at one seller in one store."""

    order_id: str
    partner_id: str
    marketplace: Marketplace
    created_at: datetime
    updated_at: datetime
    status: OrderStatus
    fulfilled_by: Fulfiller
    items: list[Item]
    buyer: Buyer
    recipient: Address
    ship_by: Window
    deliver_by: Window
    seller_order_id: str = ""
    service_level: str = "STANDARD"
    payment_method: str = "CreditCard"
    programs: tuple[str, ...] = ()
    packages: dict[str, Package] = field(default_factory=dict)
    bookings: list[Booking] = field(default_factory=list)
    cancellation: Cancellation | None = None
    acknowledged_by: list[str] = field(default_factory=list)  # feed ids
    pickup_status: str | None = None

    @property
    def currency(self) -> str:
        return self.marketplace.currency

    def item(self, order_item_id: str) -> Item | None:
        return next((item for item in self.items if item.order_item_id == order_item_id), None)

    def shipped(self, item: Item) -> int:
        """How many pieces are in packages."""
        return sum(
            package.contents.get(item.order_item_id, 0) for package in self.packages.values()
        )

    def net(self) -> Decimal:
        """What the buyer pays for everything, shipped or not."""
        return sum((item.net() for item in self.items), money.ZERO)

    def charged(self, item: Item) -> dict[str, Decimal]:
        """By component, for what has shipped: nobody is charged before."""
        return money.added(line.amounts for line in self._lines("Shipment", item))

    def refunded(self, item: Item) -> dict[str, Decimal]:
        """By component, by whomever."""
        return money.added(line.amounts for line in self._lines("Refund", item))

    def discounts_charged(self, item: Item) -> dict[str, Decimal]:
        return money.added(line.discounts for line in self._lines("Shipment", item))

    def discounts_refunded(self, item: Item) -> dict[str, Decimal]:
        return money.added(line.discounts for line in self._lines("Refund", item))

    def left(self, item: Item) -> Decimal:
        """What of an item's charge has not been given back."""
        charged = sum((line.net() for line in self._lines("Shipment", item)), money.ZERO)
        refunded = sum((line.net() for line in self._lines("Refund", item)), money.ZERO)
        return charged - refunded

    def _lines(self, kind: str, item: Item) -> Iterator[Line]:
        for booking in self.bookings:
            if booking.kind == kind:
                for line in booking.lines:
                    if line.order_item_id == item.order_item_id:
                        yield line


@dataclass
class Refusal:
    """A lever's wish that the next ``times`` changes of a kind are refused; None: all of them."""

    what: Literal["refund", "cancellation", "shipment", "invoice"]
    code: str
    words: str
    times: int | None
    partner_id: str | None


@dataclass
class Orders:
    """All orders of one world, and how money is told of."""

    refusals: list[Refusal] = field(default_factory=list)
    # Amazon's model of the Finances API 2024-06-19: events might not include the last 48 hours.
    finances_lag: timedelta = timedelta(hours=48)
    finances_v0_lag: timedelta = timedelta()
    _orders: dict[str, Order] = field(default_factory=dict)
    _by_partner: dict[str, list[Order]] = field(default_factory=dict)
    _number: int = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def add(self, order: Order) -> None:
        """Raises ValueError when its id is taken."""
        if order.order_id in self._orders:
            raise ValueError(f"order {order.order_id} exists already")
        self._orders[order.order_id] = order
        self._by_partner.setdefault(order.partner_id, []).append(order)

    def find(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def of_partner(self, partner_id: str) -> list[Order]:
        """In the order in which they were added."""
        return list(self._by_partner.get(partner_id, []))

    def everything(self) -> list[Order]:
        return list(self._orders.values())

    def shown(self, partner_id: str, region: Region, now: datetime) -> list[Order]:
        """Those that the Orders API tells of in one region."""
        return [
            order
            for order in self._by_partner.get(partner_id, [])
            if order.marketplace.region == region and _is_shown(order, now)
        ]

    def one_shown(
        self, partner_id: str, region: Region, order_id: str, now: datetime
    ) -> Order | None:
        order = self._orders.get(order_id)
        if order is None or order.partner_id != partner_id or order.marketplace.region != region:
            return None
        return order if _is_shown(order, now) else None

    def by_seller_order_id(
        self, partner_id: str, region: Region, seller_order_id: str
    ) -> Order | None:
        """The oldest order in a region with the seller's own number, which may be in use in
        another region, too."""
        for order in self._by_partner.get(partner_id, []):
            if order.seller_order_id == seller_order_id and order.marketplace.region == region:
                return order
        return None

    def refuse_if_wished(self, what: str, partner_id: str) -> None:
        """Raises Refused as a lever wished for, and counts it."""
        for refusal in self.refusals:
            if refusal.what == what and refusal.partner_id in (None, partner_id):
                if refusal.times is not None:
                    refusal.times -= 1
                    if refusal.times == 0:
                        self.refusals.remove(refusal)
                raise Refused("wished", refusal.words, refusal.code)

    def as_json(self) -> Any:
        """For the world file."""
        from amazon_emulator.trade.orders.file import written  # it knows this module

        return written(self)

    def load(self, stage: Stage, given: Any) -> None:
        """From a world file. Raises ValueError that names the place."""
        from amazon_emulator.trade.orders.file import read_into

        read_into(self, given)


def _is_shown(order: Order, now: datetime) -> bool:
    longer = order.marketplace.country_code in SHOWN_LONGER
    return order.created_at >= (SHOWN_SINCE if longer else now - SHOWN_FOR)
