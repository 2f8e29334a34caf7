"""The price of one SKU in one marketplace.

Answers for: what such a line may hold. Does not answer for: sales and business prices; there is no
switch for them.
"""

from __future__ import annotations

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes.ground import Lines, Wish, WishGround, decimals_of

__all__ = ["price"]


def price(lines: Lines, about: WishGround) -> Wish:
    """``sku``, ``price`` (with tax, as buyers see it), ``currency`` of the marketplace."""
    marketplace = lines.marketplace(about)
    sku = lines.sku()
    currency = lines.currency(marketplace)
    amount = lines.amount("price", places=decimals_of(currency))
    return Wish(
        kind=ChangeKind.PRICE,
        marketplace_id=marketplace.marketplace_id if marketplace else "",
        subject=sku,
        key=sku,
        reference=lines.reference(),
        wish={"price": amount, "currency": currency},
    )
