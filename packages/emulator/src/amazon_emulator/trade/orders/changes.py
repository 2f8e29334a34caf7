"""How an order changes: it ships, is cancelled, a buyer asks for that, a payment goes through.

Answers for: what is allowed in which status, the money that a shipment takes, the instant of the
last update, and telling the subscribed (`ORDER_CHANGE`). It speaks neither HTTP nor XML.

What is approximated: a package may be edited as Amazon's page 'confirm-the-shipment-status' tells,
but never to hold less than was confirmed; a cancellation is always of the whole order, and only
before anything shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders import money, money_moves
from amazon_emulator.trade.orders import notice as orders_notice
from amazon_emulator.trade.orders.orders import (
    Booking,
    Cancellation,
    Item,
    Order,
    Orders,
    OrderStatus,
    Package,
    Refused,
)

__all__ = [
    "CANCEL_REASONS",
    "Parcel",
    "acknowledge",
    "ask_to_cancel",
    "cancel",
    "put_in_parcel",
    "refund",
    "set_status",
    "ship",
    "ship_rest",
    "shipper",
]

# Reasons of the order acknowledgement feed, as the Orders model of 2026-01-01 tells them later.
CANCEL_REASONS = {
    "NoInventory": "NO_INVENTORY",
    "BuyerCanceled": "BUYER_CANCELLED",
    "ShippingAddressUndeliverable": "SHIPPING_ADDRESS_UNDELIVERABLE",
    "CustomerExchange": "CUSTOMER_EXCHANGE",
    "PricingError": "PRICING_ERROR",
    "PriceError": "PRICING_ERROR",
    "GeneralAdjustment": "GENERAL_ADJUSTMENT",
}


@dataclass(frozen=True)
class Parcel:
    """A package as a seller confirms it. ``contents``: quantities by order item id; None: all that
    has not shipped."""

    reference_id: str
    carrier_code: str
    tracking_number: str
    ship_date: datetime
    contents: Mapping[str, int] | None
    carrier_name: str = ""
    shipping_method: str = ""
    supply_source_id: str = ""
    transparency_codes: Mapping[str, list[str]] = field(default_factory=dict)


def ship(
    stage: Stage, order: Order, parcel: Parcel, *, said_by: str, now: datetime
) -> Booking | None:
    """Confirms or edits the package with this reference; gives the money that it brought, None when
    nothing more shipped. Raises Refused, and changes nothing."""
    if order.fulfilled_by == "AMAZON":
        raise Refused("not_yours", "The order is fulfilled by Amazon.")
    stage.of(Orders).refuse_if_wished("shipment", order.partner_id)
    if order.status not in ("UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"):
        raise Refused("wrong_status", f"The order is {order.status} and cannot be shipped.")
    before = order.status
    booking = put_in_parcel(order, parcel, said_by=said_by, now=now)
    _tell_if_other(stage, order, before, now)
    return booking


def put_in_parcel(order: Order, parcel: Parcel, *, said_by: str, now: datetime) -> Booking | None:
    """As `ship`, whoever fulfils the order, and nobody is told."""
    known = order.packages.get(parcel.reference_id)
    contents = _contents(order, parcel, known)
    before = {item.order_item_id: order.shipped(item) for item in order.items}
    after = dict(before)
    for order_item_id, quantity in contents.items():
        after[order_item_id] += quantity - (known.contents.get(order_item_id, 0) if known else 0)
    _check_quantities(order, known, contents, after)
    order.packages[parcel.reference_id] = Package(
        reference_id=parcel.reference_id,
        carrier_code=parcel.carrier_code,
        tracking_number=parcel.tracking_number,
        ship_date=parcel.ship_date,
        contents=contents,
        created_at=known.created_at if known else now,
        updated_at=now,
        said_by=said_by,
        carrier_name=parcel.carrier_name,
        shipping_method=parcel.shipping_method,
        supply_source_id=parcel.supply_source_id,
        transparency_codes={name: list(codes) for name, codes in parcel.transparency_codes.items()},
    )
    moved = [
        (item, before[item.order_item_id], after[item.order_item_id])
        for item in order.items
        if after[item.order_item_id] != before[item.order_item_id]
    ]
    booking = money_moves.book_shipment(order, moved, parcel.reference_id, now) if moved else None
    whole = all(after[item.order_item_id] >= item.quantity for item in order.items)
    _become(order, "SHIPPED" if whole else "PARTIALLY_SHIPPED", now)
    return booking


def _contents(order: Order, parcel: Parcel, known: Package | None) -> dict[str, int]:
    """What the package holds after this. Raises Refused."""
    if parcel.contents is None:
        if known is not None:
            return dict(known.contents)
        rest = {item.order_item_id: item.quantity - order.shipped(item) for item in order.items}
        contents = {name: quantity for name, quantity in rest.items() if quantity}
        if not contents:
            raise Refused("already_shipped", "The order is already fulfilled.")
        return contents
    for order_item_id, quantity in parcel.contents.items():
        if order.item(order_item_id) is None:
            raise Refused("unknown_item", "OrderItemId is invalid")
        if quantity < 1:
            raise Refused("quantity", f"The quantity of {order_item_id} must be at least 1.")
    return dict(parcel.contents)


def _check_quantities(
    order: Order, known: Package | None, contents: dict[str, int], after: dict[str, int]
) -> None:
    if known is not None:
        for order_item_id, quantity in known.contents.items():
            if contents.get(order_item_id, 0) < quantity:
                raise Refused(
                    "less_than_before",
                    f"Package {known.reference_id} was confirmed with {quantity} of "
                    f"{order_item_id} and cannot hold less.",
                )
    if order.status == "SHIPPED" and known is None:
        raise Refused("already_shipped", "The order is already fulfilled.")
    for item in order.items:
        if after[item.order_item_id] > item.quantity:
            raise Refused(
                "quantity",
                f"Order item {item.order_item_id} would ship {after[item.order_item_id]} times, "
                f"but {item.quantity} were ordered.",
            )


def ship_rest(order: Order, *, said_by: str, now: datetime) -> None:
    """Everything that has not shipped goes into one made-up package; nobody is told."""
    number = len(order.packages) + 1
    while str(number) in order.packages:
        number += 1
    parcel = Parcel(
        reference_id=str(number),
        carrier_code="Other",
        carrier_name="Emulated Parcels",
        tracking_number=f"EMU{order.order_id[-7:]}{number}",
        ship_date=now,
        contents=None,
    )
    put_in_parcel(order, parcel, said_by=said_by, now=now)


def cancel(
    stage: Stage,
    order: Order,
    *,
    by: Literal["BUYER", "MERCHANT", "AMAZON"],
    reason: str,
    now: datetime,
) -> None:
    """Cancels all of an order. Raises Refused when it is too late, or too early for a seller."""
    if by == "MERCHANT":
        if order.fulfilled_by == "AMAZON":
            raise Refused("not_yours", "The order is fulfilled by Amazon.")
        stage.of(Orders).refuse_if_wished("cancellation", order.partner_id)
        if order.status in ("PENDING", "PENDING_AVAILABILITY"):
            raise Refused("wrong_status", f"The order is {order.status} and cannot be cancelled.")
    if order.status == "CANCELLED":
        raise Refused("already_cancelled", "The order is already cancelled.")
    if order.status in ("PARTIALLY_SHIPPED", "SHIPPED", "UNFULFILLABLE"):
        raise Refused("wrong_status", f"The order is {order.status} and cannot be cancelled.")
    before = order.status
    order.cancellation = Cancellation(by, reason, now)
    _become(order, "CANCELLED", now)
    _tell_if_other(stage, order, before, now)


def acknowledge(order: Order, seller_order_id: str, feed_id: str, now: datetime) -> None:
    """Keeps the seller's own number of the order. Raises Refused for a cancelled one."""
    if order.status == "CANCELLED":
        raise Refused("already_cancelled", "The order is already cancelled.")
    order.acknowledged_by.append(feed_id)
    if seller_order_id:
        order.seller_order_id = seller_order_id
    order.updated_at = max(order.updated_at, now)


def ask_to_cancel(stage: Stage, order: Order, item: Item | None, words: str, now: datetime) -> None:
    """The buyer asks for a cancellation, of one item or of all. Raises Refused when too late."""
    if order.status not in ("PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED"):
        raise Refused("wrong_status", f"The order is {order.status}; no buyer can ask for that.")
    for asked in [item] if item else order.items:
        asked.cancel_wish = words
    order.updated_at = max(order.updated_at, now)
    orders_notice.tell_of_wish(stage, order, item, now)


def refund(
    stage: Stage,
    order: Order,
    wanted: list[money_moves.Wanted],
    *,
    source: str,
    now: datetime,
    message_id: str = "",
) -> Booking:
    """A refund that the seller sends. Raises Refused."""
    if order.fulfilled_by == "AMAZON":
        raise Refused("not_yours", "The order is fulfilled by Amazon, which refunds it itself.")
    stage.of(Orders).refuse_if_wished("refund", order.partner_id)
    if order.marketplace.country_code == "JP":
        for wish in wanted:
            if any(wish.amounts.get(name) for name in money.TAXES):
                # Reported by sellers there, who then gave all of it back as Principal.
                words = f"The refund amount for the tax of {wish.order_item_id} is not eligible."
                raise Refused("tax_not_eligible", words)
    return money_moves.refund(order, wanted, source=source, now=now, message_id=message_id)


def set_status(stage: Stage, order: Order, status: OrderStatus, now: datetime) -> None:
    """What a lever wishes, with all that belongs to it: a shipped order has packages and money.

    Raises Refused for a way that no order goes."""
    if status == order.status:
        return
    before = order.status
    match status:
        case "SHIPPED" if before in ("PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED"):
            ship_rest(order, said_by=shipper(order), now=now)
        case "CANCELLED":
            cancel(stage, order, by="AMAZON", reason="CANCELLED_BY_LEVER", now=now)
            return
        case "PENDING" if before == "PENDING_AVAILABILITY":
            _become(order, status, now)
        case "UNSHIPPED" if before in ("PENDING", "PENDING_AVAILABILITY"):
            _become(order, status, now)
        case "UNFULFILLABLE" if order.fulfilled_by == "AMAZON" and not order.packages:
            _become(order, status, now)
        case _:
            words = f"An order does not go from {before} to {status} this way."
            raise Refused("wrong_status", words)
    _tell_if_other(stage, order, before, now)


def shipper(order: Order) -> str:
    """Who confirms the packages of an order when no program does."""
    return "Amazon" if order.fulfilled_by == "AMAZON" else "lever"


def _become(order: Order, status: OrderStatus, now: datetime) -> None:
    order.status = status
    order.updated_at = max(order.updated_at, now)


def _tell_if_other(stage: Stage, order: Order, before: OrderStatus, now: datetime) -> None:
    if order.status != before:
        orders_notice.tell_of_status(stage, order, now)
