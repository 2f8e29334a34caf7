"""One package of an order that left the house, for sellers.

Answers for: what such a line may hold. Does not answer for: vendors' shipments (``vendors``).

Source: Amazon's orders v0 model, confirmShipment: the package's number is text of digits, carrier
code, tracking number, date and items are required, and the carrier code ``Other`` needs a name.
"""

from __future__ import annotations

from datetime import timedelta

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes.ground import MOST_PIECES, Lines, Wish, WishGround

__all__ = ["LATEST", "OLDEST", "shipment"]

#: Amazon refuses dates that lie ahead; clocks and time zones differ a little.
LATEST = timedelta(days=1)
#: Nobody confirms a package after so long; a date before it is a mistyped year.
OLDEST = timedelta(days=365)


def shipment(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``package`` (digits, 1 where it is absent; the same again edits it),
    ``carrier_code``, ``carrier_name``, ``shipping_method``, ``tracking_number``, ``shipped_at``,
    ``items`` [``order_item_id``, ``quantity``]."""
    marketplace_id = lines.marketplace_id(about)
    order_id = lines.order_id()
    package = lines.whole("package", least=1, most=10**9, optional=True) or 1
    carrier_code = lines.text("carrier_code", longest=100)
    carrier_name = lines.text("carrier_name", optional=True, longest=100)
    if carrier_code.casefold() == "other":
        carrier_code = "Other"
        if not carrier_name and not lines.holds("carrier_name"):
            lines.fault("carrier_name", "missing", "is needed where the carrier's code is 'Other'.")
    items = [
        {
            "order_item_id": item.order_item_id(),
            "quantity": item.whole("quantity", least=1, most=MOST_PIECES),
        }
        for item in lines.parts("items")
    ]
    lines.differ("items", "order_item_id", [str(one["order_item_id"]) for one in items])
    wish = {
        "package": str(package),
        "carrier_code": carrier_code,
        "carrier_name": carrier_name,
        "shipping_method": lines.text("shipping_method", optional=True, longest=100),
        "tracking_number": lines.text("tracking_number", longest=100),
        "shipped_at": lines.instant(
            "shipped_at", earliest=about.now - OLDEST, latest=about.now + LATEST
        ),
        "items": items,
    }
    return Wish(
        kind=ChangeKind.SHIPMENT,
        marketplace_id=marketplace_id,
        subject=order_id,
        key=f"{order_id}/{package}",
        reference=lines.reference(),
        wish=wish,
    )
