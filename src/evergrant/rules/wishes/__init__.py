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
- cancellation: ``reason``, ``items`` [``order_item_id``] (may be empty: the order as a whole)
- refund: ``currency``, ``reason``, ``items`` [``order_item_id`` and those of ``principal``,
  ``tax``, ``shipping``, ``shipping_tax``, ``gift_wrap``, ``gift_wrap_tax`` that are above zero]
"""

from __future__ import annotations

from evergrant.rules.wishes.ground import Lines, Refused, Wish, WishGround

__all__ = ["Lines", "Refused", "Wish", "WishGround"]
