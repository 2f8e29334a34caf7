"""One order that the seller cannot deliver.

Answers for: what such a line may hold. Does not answer for: vendors' refusals of an order
(``vendors``).

Amazon cancels orders as a whole; items only say which lines the reason is given for. Source of the
reasons: the acknowledgement feed (POST_ORDER_ACKNOWLEDGEMENT_DATA), as sellers' tools list them.
"""

from __future__ import annotations

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes.ground import Lines, Wish, WishGround

__all__ = ["REASONS", "cancellation"]

REASONS = (
    "NoInventory",
    "BuyerCanceled",
    "ShippingAddressUndeliverable",
    "CustomerExchange",
    "PricingError",
    "GeneralAdjustment",
)


def cancellation(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``reason``, ``items`` [``order_item_id``] (optional)."""
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
