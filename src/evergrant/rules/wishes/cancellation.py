"""One order that the seller cannot deliver.

Answers for: what such a line may hold, and that nothing goes to Amazon without items. Does not
answer for: vendors' refusals of an order (``vendors``), or for knowing the items of an order (the
hatch looks into the order book).

Amazon cancels orders as a whole, but the reason stands with the items, and a message without any
was reported not to cancel (Stack Overflow, on OrderAcknowledgement.xsd), however well the report
looks. Source of the reasons: the acknowledgement feed (POST_ORDER_ACKNOWLEDGEMENT_DATA), as
sellers' tools list them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evergrant.rules.changes import ChangeKind
from evergrant.rules.faults import Fault
from evergrant.rules.wishes.ground import Lines, Refused, Wish, WishGround

__all__ = ["REASONS", "cancellation", "lacks_items", "of_items"]

REASONS = (
    "NoInventory",
    "BuyerCanceled",
    "ShippingAddressUndeliverable",
    "CustomerExchange",
    "PricingError",
    "GeneralAdjustment",
)


def cancellation(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``reason``, ``items`` [``order_item_id``] (those of the order book, where the
    line has none: ``of_items``)."""
    marketplace_id = lines.marketplace_id(about)
    order_id = lines.order_id()
    reason = lines.word("reason", REASONS)
    items = [
        {"order_item_id": item.order_item_id()} for item in lines.parts("items", optional=True)
    ]
    lines.differ("items", "order_item_id", [one["order_item_id"] for one in items])
    return Wish(
        kind=ChangeKind.CANCELLATION,
        marketplace_id=marketplace_id,
        subject=order_id,
        key=order_id,
        reference=lines.reference(),
        wish={"reason": reason, "items": items},
    )


def lacks_items(wish: Wish) -> bool:
    """Of a seller: it cannot go like this."""
    return wish.kind is ChangeKind.CANCELLATION and not wish.wish.get("items")


def of_items(wish: Wish, order_item_ids: Sequence[str]) -> Wish:
    """The same for these items, which are all that the order has. Raises Refused without any."""
    if not order_item_ids:
        raise Refused(
            [
                Fault(
                    "items_needed",
                    "are needed: Amazon does not cancel an order of which no item is named.",
                    field="items",
                    hint="Name the order's items, or let Evergrant read the order first.",
                )
            ]
        )
    items = [{"order_item_id": one} for one in dict.fromkeys(order_item_ids)]
    return replace(wish, wish={**wish.wish, "items": items})
