"""The invoice, or credit note, of one order as a PDF, for sellers in Europe.

Answers for: what such a line may hold. Does not answer for: vendors' invoices, which are data and
no file (``vendors``), or for whether the seller is enrolled for it at Amazon.

Sources: Amazon's pages "invoice-feeds-attributes" and "report-type-values-invoice-data" (feed type
UPLOAD_VAT_INVOICE: its marketplaces; an order or a shipping id; credit notes name a transaction).
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes.ground import Lines, Wish, WishGround
from evergrant.rules.wishes.words import as_key

__all__ = ["LARGEST_PDF", "MARKETPLACES", "invoice"]

#: Bytes of one PDF.
LARGEST_PDF = 10 * 1024 * 1024
#: Countries whose stores take invoices.
MARKETPLACES = ("BE", "DE", "ES", "FR", "IE", "IT", "NL", "PL", "SE", "UK")


def invoice(lines: Lines, about: WishGround) -> Wish:
    """``order_id`` or ``shipping_id`` (or both), ``invoice_number``, ``total``, ``vat``,
    ``document_type`` (invoice where it is absent; credit_note), ``transaction_id`` (of a credit
    note), ``pdf`` (base64)."""
    marketplace = lines.marketplace(about)
    if marketplace is not None and marketplace.country_code not in MARKETPLACES:
        lines.fault(
            "marketplace",
            "not_available",
            f"Amazon takes no invoices for {marketplace.name}.",
            f"It takes them for: {', '.join(MARKETPLACES)}.",
        )
    order_id = lines.order_id(optional=True)
    shipping_id = lines.text(
        "shipping_id", optional=True, longest=60, shape="[A-Za-z0-9_.-]+",
        looks="It is the letters and digits that Amazon's report of shipments names.",
    )  # fmt: skip
    if not lines.holds("order_id") and not lines.holds("shipping_id"):
        lines.fault("order_id", "missing", "is needed, or the 'shipping_id'.")
    document_type = lines.word("document_type", ("invoice", "credit_note"), optional=True)
    is_credit_note = document_type == "credit_note"
    transaction_id = ""
    if is_credit_note:
        transaction_id = lines.text("transaction_id", longest=100)
    else:
        lines.not_here("transaction_id", "belongs to credit notes only.")
    total = lines.amount("total")
    vat = lines.amount("vat", zero=True)
    if total and vat and Decimal(vat) >= Decimal(total):
        lines.fault("vat", "out_of_range", "must be less than the total, which includes it.")
    number = lines.text("invoice_number", longest=60)
    pdf = lines.content("pdf", begins=b"%PDF", most=LARGEST_PDF)
    return Wish(
        kind=ChangeKind.INVOICE,
        marketplace_id=marketplace.marketplace_id if marketplace else "",
        subject=order_id or shipping_id,
        key=as_key(number),
        reference=lines.reference(),
        wish={
            "order_id": order_id,
            "shipping_id": shipping_id,
            "invoice_number": number,
            "total": total,
            "vat": vat,
            "document_type": document_type or "invoice",
            "transaction_id": transaction_id,
            "pdf_sha256": hashlib.sha256(pdf).hexdigest(),
            "pdf_bytes": len(pdf),
        },
        attachment=pdf,
    )
