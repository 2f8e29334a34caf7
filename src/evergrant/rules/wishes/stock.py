"""Stock of one SKU in one marketplace, for sellers.

Answers for: what such a line may hold. Does not answer for: vendors' stock (``vendors``).
"""

from __future__ import annotations

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes.ground import MOST_PIECES, Lines, Wish, WishGround

__all__ = ["stock"]


def stock(lines: Lines, about: WishGround) -> Wish:
    """``sku``, ``quantity``: how many can be sold, 0 for none."""
    marketplace_id = lines.marketplace_id(about)
    sku = lines.sku()
    quantity = lines.whole("quantity", most=MOST_PIECES)
    return Wish(
        kind=ChangeKind.STOCK,
        marketplace_id=marketplace_id,
        subject=sku,
        key=sku,
        reference=lines.reference(),
        wish={"quantity": quantity},
    )
