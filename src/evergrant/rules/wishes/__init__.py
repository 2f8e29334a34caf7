"""What an integrator wishes, line by line: what a line may hold, and what it means.

Answers for: reading a line of any kind against the account it is for. Does not answer for: what was
wished before (the kitchen's hatch knows), or for whether a switch is on: that only makes it wait.

What ``Wish.wish`` holds, by kind (sellers; vendors: see ``vendors``):

- stock: ``quantity`` (number)
- price: ``price`` (decimal text), ``currency``
- shipment: ``package`` (digits), ``carrier_code``, ``carrier_name``, ``shipping_method`` (may be
  ""), ``tracking_number``, ``shipped_at`` (UTC, ``…Z``), ``items`` [``order_item_id``,
  ``quantity``]
- invoice: ``order_id`` and ``shipping_id`` (one may be ""), ``invoice_number``, ``total``, ``vat``,
  ``document_type`` (invoice, credit_note), ``transaction_id`` (may be ""), ``pdf_sha256`` (hex),
  ``pdf_bytes``
- cancellation: ``reason``, ``items`` [``order_item_id``] (those of the order)
- refund: ``currency``, ``reason``, ``items`` [``order_item_id`` and those of ``principal``,
  ``tax``, ``shipping``, ``shipping_tax``, ``gift_wrap``, ``gift_wrap_tax`` that are above zero]
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evergrant.rules import flags
from evergrant.rules.changes import FLAGS, ChangeKind
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.wishes.cancellation import cancellation
from evergrant.rules.wishes.ground import Lines, Reader, Refused, Wish, WishGround
from evergrant.rules.wishes.invoice import invoice
from evergrant.rules.wishes.price import price
from evergrant.rules.wishes.refund import refund
from evergrant.rules.wishes.shipment import shipment
from evergrant.rules.wishes.stock import stock
from evergrant.rules.wishes.vendors import READERS as VENDORS_READERS

__all__ = ["Lines", "Reader", "Refused", "Wish", "WishGround", "read"]

_SELLERS_READERS: Mapping[ChangeKind, Reader] = MappingProxyType(
    {
        ChangeKind.STOCK: stock,
        ChangeKind.PRICE: price,
        ChangeKind.SHIPMENT: shipment,
        ChangeKind.INVOICE: invoice,
        ChangeKind.CANCELLATION: cancellation,
        ChangeKind.REFUND: refund,
    }
)


def read(line: Mapping[str, object], about: WishGround) -> Wish:
    """What a line means for this account. Raises Refused with all that is wrong with it."""
    lines = Lines(line)
    word = lines.word("kind", [kind.value for kind in ChangeKind])
    if not word:
        # Which fields it may have hangs on the kind: there is nothing else to say of it.
        raise Refused(lines.noted())
    kind = ChangeKind(word)
    if not flags.available(FLAGS[kind], about.partner_kind, about.vendor_kind):
        lines.fault("kind", "unavailable", _why_unavailable(kind, about))
        raise Refused(lines.noted())
    if about.partner_kind is PartnerKind.SELLER:
        reader = _SELLERS_READERS[kind]
    else:
        reader = VENDORS_READERS[about.vendor_kind or VendorKind.RETAIL, kind]
    wish = reader(lines, about)
    lines.settle()
    return wish


def _why_unavailable(kind: ChangeKind, about: WishGround) -> str:
    direct = about.vendor_kind is VendorKind.DIRECT_FULFILLMENT
    who = "direct-fulfillment vendors" if direct else "retail vendors"
    what = {
        ChangeKind.STOCK: "take no stock from",
        ChangeKind.PRICE: "take no prices from",
        ChangeKind.REFUND: "take no refunds from",
    }
    return f"Amazon's interfaces {what[kind]} {who}."
