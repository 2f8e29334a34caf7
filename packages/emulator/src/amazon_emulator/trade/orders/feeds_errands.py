"""What order feeds wish of an order, whichever form they come in, and how a wish ends.

Answers for: finding the order that a feed names, doing one wish with all or nothing, and the codes
of faults. The forms are read in `order_feeds_xml` and `order_feeds_flat`.

The codes from 990001 on are the emulator's own, one for each reason: which numbers Amazon gives to
such faults is in no public source. Programs should keep code and text as they come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from amazon_emulator.trade.feeds.processing import Work
from amazon_emulator.trade.orders import changes as orders_changes
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.changes import CANCEL_REASONS, Parcel
from amazon_emulator.trade.orders.feed_xml import OWN_CODE
from amazon_emulator.trade.orders.money_moves import Wanted
from amazon_emulator.trade.orders.orders import Order, Orders, Refused, instant_of

__all__ = [
    "ADJUSTMENT_REASONS",
    "REASON_CODES",
    "AdjustedItem",
    "Adjustment",
    "Cancelling",
    "Named",
    "Shipping",
    "adjust",
    "amount_of",
    "cancel",
    "code_of",
    "order_of",
    "quantity_of",
    "ship",
]

# The reasons of the order adjustment feed, as sellers' programs use them.
ADJUSTMENT_REASONS = (
    *("NoInventory", "CustomerReturn", "GeneralAdjustment", "CouldNotShip", "DifferentItem"),
    *("Abandoned", "CustomerCancel", "PriceError", "ProductOutofStock", "Exchange", "Other"),
    *("CustomerAddressIncorrect", "CarrierCreditDecision", "CarrierCoverageFailure"),
    *("RiskAssessmentInformationNotValid", "TransactionRecord", "Undeliverable"),
    "RefusedDelivery",
)

REASON_CODES = {
    reason: str(OWN_CODE + number)
    for number, reason in enumerate(
        (
            *("unknown_order", "unknown_item", "wrong_status", "not_yours", "already_cancelled"),
            *("already_shipped", "quantity", "less_than_before", "carrier", "instant"),
            *("reason", "currency", "amount", "negative", "nothing", "too_much"),
            *("unknown_component", "tax_not_eligible", "not_emulated", "status_code"),
            *("package", "document", "metadata", "marketplace", "duplicate", "ignored", "other"),
        ),
        1,
    )
}


def code_of(refused: Refused) -> str:
    """Amazon's code or a lever's where there is one, else the emulator's own."""
    return refused.code or REASON_CODES.get(refused.reason, REASON_CODES["other"])


@dataclass(frozen=True)
class Named:
    """How a feed names an order: by Amazon's number, or by one that the seller gave it."""

    amazon_order_id: str = ""
    merchant_order_id: str = ""
    merchant_fulfillment_id: str = ""

    def __str__(self) -> str:
        return self.amazon_order_id or self.merchant_order_id or self.merchant_fulfillment_id


def order_of(work: Work, named: Named) -> Order:
    """Raises Refused when the seller has no such order in this region."""
    orders = work.stage.of(Orders)
    partner_id = work.partner.selling_partner_id
    found: Order | None = None
    if named.amazon_order_id:
        found = orders.find(named.amazon_order_id)
    elif named.merchant_order_id:
        found = orders.by_seller_order_id(partner_id, work.region, named.merchant_order_id)
    if found is None or found.partner_id != partner_id or found.marketplace.region != work.region:
        raise Refused("unknown_order", f"The order {str(named) or '(none named)'} was not found.")
    return found


@dataclass(frozen=True)
class Shipping:
    """A package. ``contents`` None: all of the order; ``reference_id`` empty: the package with this
    tracking number, or a new one."""

    named: Named
    ship_date: str
    carrier_code: str
    tracking_number: str
    contents: tuple[tuple[str, str], ...] | None
    carrier_name: str = ""
    shipping_method: str = ""
    supply_source_id: str = ""
    reference_id: str = ""
    transparency_codes: dict[str, list[str]] = field(default_factory=dict)


def ship(work: Work, wish: Shipping) -> None:
    """Raises Refused."""
    order = order_of(work, wish.named)
    if not wish.carrier_code:
        raise Refused("carrier", "A carrier code is required in all marketplaces.")
    if wish.carrier_code == "Other" and not wish.carrier_name:
        raise Refused("carrier", "The carrier code Other needs a carrier name.")
    if wish.reference_id and not re.fullmatch(r"0*[1-9][0-9]{0,18}", wish.reference_id):
        raise Refused("package", "A fulfillment id must be a positive whole number.")
    contents: dict[str, int] | None = None
    if wish.contents is not None:
        contents = {}
        for order_item_id, quantity in wish.contents:
            item = order.item(order_item_id)
            default = item.quantity - order.shipped(item) if item else 1
            given = quantity_of(quantity) if quantity else default
            contents[order_item_id] = contents.get(order_item_id, 0) + given
    reference_id = wish.reference_id or _same_tracking(order, wish.tracking_number)
    if reference_id and contents is not None and not wish.reference_id:
        contents = {**order.packages[reference_id].contents, **contents}
    parcel = Parcel(
        reference_id=reference_id or _next_reference(order),
        carrier_code=wish.carrier_code,
        tracking_number=wish.tracking_number,
        ship_date=_instant(wish.ship_date),
        contents=contents,
        carrier_name=wish.carrier_name,
        shipping_method=wish.shipping_method,
        supply_source_id=wish.supply_source_id,
        transparency_codes=wish.transparency_codes,
    )
    orders_changes.ship(work.stage, order, parcel, said_by=work.feed_id, now=work.now)


def _same_tracking(order: Order, tracking_number: str) -> str:
    for package in order.packages.values():
        if tracking_number and package.tracking_number == tracking_number:
            return package.reference_id
    return ""


def _next_reference(order: Order) -> str:
    number = len(order.packages) + 1
    while str(number) in order.packages:
        number += 1
    return str(number)


@dataclass(frozen=True)
class Cancelling:
    """All of an order is cancelled; ``reasons`` by order item id."""

    named: Named
    reasons: tuple[tuple[str, str], ...] = ()


def cancel(work: Work, wish: Cancelling) -> Order:
    """Raises Refused. Lines tell reasons; the whole order goes, whichever are named."""
    order = order_of(work, wish.named)
    for order_item_id, reason in wish.reasons:
        if order_item_id and order.item(order_item_id) is None:
            raise Refused("unknown_item", f"The order has no item {order_item_id}.")
        if reason and reason not in CANCEL_REASONS:
            raise Refused("reason", f"{reason!r} is no reason to cancel an order.")
    reason = next((CANCEL_REASONS[given] for _item, given in wish.reasons if given), "")
    orders_changes.cancel(work.stage, order, by="MERCHANT", reason=reason, now=work.now)
    return order


@dataclass(frozen=True)
class AdjustedItem:
    """Amounts of one item as they were written: component or promoted component, currency, text."""

    order_item_id: str
    reason: str
    amounts: tuple[tuple[str, str, str], ...]
    promotions: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Adjustment:
    """A refund. Money is not idempotent: the same one twice refunds twice."""

    named: Named
    items: tuple[AdjustedItem, ...]
    message_id: str


def adjust(work: Work, wish: Adjustment) -> None:
    """Raises Refused, and then nothing of it was given back."""
    order = order_of(work, wish.named)
    wanted = []
    for item in wish.items:
        if item.reason not in ADJUSTMENT_REASONS:
            raise Refused("reason", f"{item.reason!r} is no reason for an adjustment.")
        wanted.append(
            Wanted(
                item.order_item_id,
                _sums(order, item.amounts),
                _sums(order, item.promotions, either_sign=True),
                item.reason,
            )
        )
    orders_changes.refund(
        work.stage,
        order,
        wanted,
        source=work.feed_id,
        now=work.now,
        message_id=wish.message_id,
    )


def _sums(
    order: Order, written: tuple[tuple[str, str, str], ...], *, either_sign: bool = False
) -> dict[str, Decimal]:
    """By component. ``either_sign``: of promotions, which sellers write with a minus or without.
    Raises Refused, for each amount by itself: nothing is set off against anything."""
    sums: dict[str, Decimal] = {}
    for component, currency, text in written:
        if currency != order.currency:
            words = f"The currency {currency!r} is not {order.currency}, the order's."
            raise Refused("currency", words)
        amount = amount_of(text, currency)
        if amount < 0 and not either_sign:
            raise Refused("negative", f"The amount {text} of {component} must not be negative.")
        sums[component] = sums.get(component, money.ZERO) + abs(amount)
    return sums


def amount_of(text: str, currency: str) -> Decimal:
    """Raises Refused."""
    try:
        return money.read(text, currency)
    except ValueError as error:
        raise Refused("amount", str(error)) from None


def quantity_of(text: str) -> int:
    """Raises Refused."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise Refused("quantity", f"{text!r} is not a positive whole number.")
    return int(text)


def _instant(text: str) -> datetime:
    """Raises Refused."""
    try:
        return instant_of(text)
    except ValueError:
        raise Refused("instant", f"{text!r} is not an ISO 8601 date and time.") from None
