"""Vendors' lines: which reader reads which kind of them, and what their changes mean to a plan.

Answers for: the readers by kind of vendor, how changes of one path are put together, and the sign
of those that may not be. Does not answer for: what a line may hold (``retail``, ``direct``), or for
kinds that Amazon has no operation for (``flags``).

What ``Wish.wish`` holds: the fields of the line under the same names, less those that stand beside
it or were not given, in one fixed form, and besides:

- all: ``vendor_code``; where the line names parties, ``parties`` by role: ``id``, ``address``,
  ``tax`` [``type``, ``number``]
- retail shipment and invoice: each item has its ``line`` and ``order_id``; an item of a credit note
  has what it is for in ``credit``
- retail cancellation: each item has ``accept``, ``backorder`` and ``reject``
- stock: ``obsolete`` (yes or no) instead of ``availability``
- direct-fulfillment cancellation: ``code`` (two digits)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from evergrant.rules.changes import ChangeKind
from evergrant.rules.marketplaces import VendorKind
from evergrant.rules.wishes import direct, retail
from evergrant.rules.wishes.ground import Reader

__all__ = ["ALONE", "ASKED_BEFORE", "READERS", "goes_alone", "submission_of"]

READERS: Mapping[tuple[VendorKind, ChangeKind], Reader] = MappingProxyType(
    {
        (VendorKind.RETAIL, ChangeKind.SHIPMENT): retail.shipment,
        (VendorKind.RETAIL, ChangeKind.INVOICE): retail.invoice,
        (VendorKind.RETAIL, ChangeKind.CANCELLATION): retail.cancellation,
        (VendorKind.DIRECT_FULFILLMENT, ChangeKind.STOCK): direct.stock,
        (VendorKind.DIRECT_FULFILLMENT, ChangeKind.SHIPMENT): direct.shipment,
        (VendorKind.DIRECT_FULFILLMENT, ChangeKind.INVOICE): direct.invoice,
        (VendorKind.DIRECT_FULFILLMENT, ChangeKind.CANCELLATION): direct.cancellation,
    }
)

#: ``Change.code`` of one that waits after a submission of several failed and Amazon did not say
#: which of them was at fault: it goes in a run of its own, so that nobody pays for another.
ALONE = "alone"
#: ``Change.attribute`` of one that Amazon may have had before: "it is a duplicate" then means that
#: it was taken.
ASKED_BEFORE = "asked_before"


def goes_alone(code: str) -> bool:
    """Whether a pending change of this code takes a run of its own."""
    return code == ALONE


def submission_of(wish: Mapping[str, Any]) -> str:
    """What ``FeedRun.submission`` of a vendor's run has to be: only changes of which this is equal
    go together. Stock: the warehouse, and the vendor code whose stock it is; else the empty text.
    """
    warehouse = wish.get("warehouse")
    if not warehouse or "quantity" not in wish:
        return ""
    return f"{wish['vendor_code']}/{warehouse}"
