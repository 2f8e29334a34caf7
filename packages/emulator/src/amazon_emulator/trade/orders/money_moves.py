"""How money moves with an order: charged when pieces ship, given back by refunds.

Answers for: the bookings, so that what finances tell is what happened to the order; and the one
rule that nobody gets back more than was taken. Refunds are not idempotent, as at Amazon: the same
wish twice is two refunds for as long as money is left.

What is approximated: buyers pay nothing before their goods ship; restocking fees are kept back from
the amounts they come with; every other component that was never charged (goodwill, return shipping)
is paid out of what is left of the item's charge; one discount is taken off both Principal and
Shipping where it was given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.money import CHARGED, Amounts
from amazon_emulator.trade.orders.orders import Booking, Item, Line, Order, Refused

__all__ = ["COMPONENTS", "KEPT_BACK", "Wanted", "book_shipment", "refund"]

# The component types of Amazon's order adjustment feed.
COMPONENTS = (
    *CHARGED,
    *("RestockingFee", "RestockingFeeTax", "ReturnShipping", "Goodwill", "ExportCharge", "COD"),
    *("CODTax", "CODFee", "Surcharge", "Other", "FreeReplacementReturnShipping"),
)
KEPT_BACK = ("RestockingFee", "RestockingFeeTax")


@dataclass(frozen=True)
class Wanted:
    """What somebody wishes to give back for one item; amounts are positive. ``discounts`` are taken
    back from the buyer at the same time, by the component that they were taken off."""

    order_item_id: str
    amounts: Amounts
    discounts: Amounts = field(default_factory=dict)
    reason: str = ""


def book_shipment(
    order: Order, pieces: Iterable[tuple[Item, int, int]], package: str, now: datetime
) -> Booking:
    """Charges for pieces that ship: item, how many had shipped before, how many have now."""
    lines = tuple(
        Line(
            item.order_item_id,
            after - before,
            item.part(item.charges, before, after, order.currency),
            item.part(item.discounts, before, after, order.currency),
        )
        for item, before, after in pieces
        if after != before
    )
    booking = Booking(_id(order, "shipment"), "Shipment", now, package, lines)
    order.bookings.append(booking)
    return booking


def refund(
    order: Order,
    wanted: Iterable[Wanted],
    *,
    source: str,
    now: datetime,
    message_id: str = "",
) -> Booking:
    """Gives money back, all of it or none. ``source``: a feed id, or who else did it.

    Raises Refused when it is more than is left, or nothing."""
    wishes = list(wanted)
    if not wishes:
        raise Refused("nothing", "No adjusted item was given.")
    for place, wish in enumerate(wishes):
        _check(order, wish, wishes[:place])
    lines = tuple(
        Line(
            wish.order_item_id,
            0,
            _signed(wish.amounts),
            dict(wish.discounts),
            f"{_id(order, 'adjustment')}-{place}",
        )
        for place, wish in enumerate(wishes, 1)
    )
    reason = next((wish.reason for wish in wishes if wish.reason), "")
    booking = Booking(
        _id(order, "refund"), "Refund", now, source, lines, reason=reason, message_id=message_id
    )
    order.bookings.append(booking)
    order.updated_at = max(order.updated_at, now)
    return booking


def _check(order: Order, wish: Wanted, before: list[Wanted]) -> None:
    """Raises Refused. ``before``: wishes of the same message, which count as done."""
    item = order.item(wish.order_item_id)
    if item is None:
        raise Refused("unknown_item", f"Order item {wish.order_item_id} is not in the order.")
    same = [known for known in before if known.order_item_id == wish.order_item_id]
    unknown = [name for name in wish.amounts if name not in COMPONENTS]
    if unknown:
        raise Refused("unknown_component", f"{unknown[0]} is not a component type.")
    if any(amount < 0 for amount in (*wish.amounts.values(), *wish.discounts.values())):
        raise Refused("negative", "An amount must not be negative.")
    _check_left(order, item, wish, same)


def _check_left(order: Order, item: Item, wish: Wanted, same: list[Wanted]) -> None:
    charged = order.charged(item)
    given = money.added([order.refunded(item), *(_signed(known.amounts) for known in same)])
    for component, amount in wish.amounts.items():
        room = charged.get(component, money.ZERO) - given.get(component, money.ZERO)
        if component in CHARGED and amount > room:
            raise Refused("too_much", _words(order, component, amount, room))
    back = money.added([order.discounts_refunded(item), *(known.discounts for known in same)])
    off = order.discounts_charged(item)
    for component, amount in wish.discounts.items():
        room = off.get(component, money.ZERO) - back.get(component, money.ZERO)
        if amount > room:
            raise Refused("too_much", _words(order, f"{component} promotion", amount, room))
    net = _net(wish)
    if net <= 0:
        raise Refused("nothing", "The adjustment gives nothing back.")
    left = order.left(item) - sum((_net(known) for known in same), money.ZERO)
    if net > left:
        raise Refused("too_much", _words(order, "total", net, left))


def _words(order: Order, what: str, wanted: Decimal, left: Decimal) -> str:
    return (
        f"The refund amount {money.write(wanted, order.currency)} {order.currency} for {what} is "
        f"more than the {money.write(left, order.currency)} {order.currency} that is left."
    )


def _signed(amounts: Amounts) -> dict[str, Decimal]:
    """What the buyer gets; fees that are kept back count against it."""
    return {
        component: -amount if component in KEPT_BACK else amount
        for component, amount in amounts.items()
        if amount
    }


def _net(wish: Wanted) -> Decimal:
    return money.total(_signed(wish.amounts)) - money.total(wish.discounts)


def _id(order: Order, kind: str) -> str:
    """Unlike any other of this order, and the same whenever the same things happen."""
    number = len(order.bookings) + 1
    seed = f"{order.order_id} {kind} {number}".encode()
    return f"{kind[0].upper()}{hashlib.sha256(seed).hexdigest()[:20].upper()}"
