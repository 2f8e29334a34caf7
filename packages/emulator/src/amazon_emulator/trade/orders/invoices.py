"""Invoices that sellers upload: the feed UPLOAD_VAT_INVOICE, and which invoices are missing.

Answers for: one PDF for one order or shipment, the rules of Amazon's pages
'invoice-feeds-attributes' and 'vat-calculation-service-error-handling' (totals are compared for
sellers in the VAT Calculation Service alone; `FeatureNotAvailable`), every upload with what became
of it, and the rows of the VAT invoice data report. Of a PDF it sees how it begins and ends.

What is approximated: the feed's result is an XML processing report; codes from 990001 on are the
emulator's own; without the service nothing but the names of the document is wanted.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade.feeds.processing import Outcome, Processor, Work
from amazon_emulator.trade.orders import feed_xml, money
from amazon_emulator.trade.orders.feed_xml import Result
from amazon_emulator.trade.orders.feeds_errands import Named, amount_of, code_of, order_of
from amazon_emulator.trade.orders.feeds_xml import XML_REPORT
from amazon_emulator.trade.orders.file import Place
from amazon_emulator.trade.orders.orders import Booking, Order, Orders, Refused

__all__ = ["COUNTRIES", "PROCESSORS", "Claim", "Invoices", "Upload", "vat_of"]

# Where the feed is taken: Amazon's pages on uploading invoices and on the invoice data report.
COUNTRIES = ("ES", "GB", "FR", "DE", "IT", "NL", "PL", "SE", "IE", "BE")
KEYS = (
    *("orderid", "shippingid", "invoicenumber", "totalamount", "totalvatamount"),
    *("documenttype", "transactionid"),
)

_END = 1024  # bytes in which readers of PDF look for the end mark
_TWO_DOCUMENTS = re.compile(rb"%%EOF\s*%PDF-")


@dataclass(frozen=True)
class Claim:
    """What the feed's options say of the document; empty where they say nothing."""

    order_id: str = ""
    shipping_id: str = ""
    invoice_number: str = ""
    total: str = ""
    vat: str = ""
    document_type: str = "Invoice"
    transaction_id: str = ""


@dataclass(frozen=True)
class Upload:
    """One document that came in. ``code`` is empty when it was accepted; ``duplicate``: an earlier
    one for the same was accepted, too."""

    partner_id: str
    feed_id: str
    at: datetime
    claim: Claim
    bytes_: int
    sha256: str
    code: str = ""
    words: str = ""
    duplicate: bool = False

    @property
    def what_for(self) -> tuple[str, str, str, str]:
        claim = self.claim
        return (claim.order_id, claim.shipping_id, claim.document_type, claim.transaction_id)


@dataclass
class Invoices:
    """All uploads, and how sellers stand with the VAT Calculation Service."""

    uploads: list[Upload] = field(default_factory=list)
    in_service: set[str] = field(default_factory=set)  # sellers whose VAT Amazon calculates
    unavailable: set[str] = field(default_factory=set)  # sellers not opted in for own invoices

    def of_order(self, order: Order) -> list[Upload]:
        """What its seller uploaded for it, in order of arrival; not what others tried."""
        return [
            upload
            for upload in self.uploads
            if upload.claim.order_id == order.order_id and upload.partner_id == order.partner_id
        ]

    def has_accepted(self, upload: Upload) -> bool:
        """Whether one was accepted for the same order, shipment or refund. Only the seller that
        has the order can have uploaded it."""
        return any(not known.code and known.what_for == upload.what_for for known in self.uploads)

    def missing_and_present(
        self, stage: Stage, partner_id: str, marketplace_ids: tuple[str, ...], *, pending_only: bool
    ) -> list[dict[str, str]]:
        """Rows of the VAT invoice data report, one for each shipment and refund in the stores;
        empty for sellers outside the VAT Calculation Service, who have no such report."""
        if partner_id not in self.in_service:
            return []
        rows = []
        for order in stage.of(Orders).of_partner(partner_id):
            if order.marketplace.country_code not in COUNTRIES:
                continue
            if marketplace_ids and order.marketplace.id not in marketplace_ids:
                continue
            for booking in order.bookings:
                row = self._row(order, booking)
                if not pending_only or row["invoice-status"] != "Accepted":
                    rows.append(row)
        return rows

    def _row(self, order: Order, booking: Booking) -> dict[str, str]:
        meant = [known for known in self.of_order(order) if _meant(known, booking)]
        accepted = [known for known in meant if not known.code]
        # What was accepted once stays so, whatever is uploaded after it.
        last = (accepted or meant)[-1] if meant else None
        status = "Pending" if last is None else "Rejected" if last.code else "Accepted"
        return {
            "marketplace-id": order.marketplace.id,
            "order-id": order.order_id,
            "shipping-id": booking.booking_id if booking.kind == "Shipment" else "",
            "transaction-id": booking.booking_id,
            "transaction-type": "SHIPMENT" if booking.kind == "Shipment" else "RETURN",
            "order-date": str(stamp(order.created_at)),
            "transaction-date": str(stamp(booking.posted_at)),
            "currency": order.currency,
            "total-amount": money.write(booking.net(), order.currency),
            "total-vat-amount": money.write(vat_of(booking), order.currency),
            "invoice-number": last.claim.invoice_number if last else "",
            "invoice-status": status,
            "invoice-status-description": last.words if last else "",
        }

    def as_json(self) -> Any:
        """For the world file."""
        return {
            "in_service": sorted(self.in_service),
            "unavailable": sorted(self.unavailable),
            "uploads": [
                {**vars(known), "at": stamp(known.at), "claim": dict(vars(known.claim))}
                for known in self.uploads
            ],
        }

    def load(self, stage: Stage, given: Any) -> None:
        """From a world file. Raises ValueError that names the place."""
        place = Place(given, "invoices")
        in_service = place.texts("in_service")
        unavailable = place.texts("unavailable")
        uploads = place.all("uploads", _read_upload)
        place.done()
        self.in_service.update(in_service)
        self.unavailable.update(unavailable)
        self.uploads.extend(uploads)


def vat_of(booking: Booking) -> Decimal:
    """The tax in a booking."""
    return sum(
        (line.amounts.get(name, money.ZERO) for line in booking.lines for name in money.TAXES),
        money.ZERO,
    )


def _meant(upload: Upload, booking: Booking) -> bool:
    claim = upload.claim
    if booking.kind == "Refund":
        return claim.transaction_id == booking.booking_id
    return claim.document_type == "Invoice" and claim.shipping_id in ("", booking.booking_id)


def _read_upload(place: Place) -> Upload:
    inner = place.within("claim")
    claim = Claim(**{name: inner.text(name) for name in Claim.__annotations__})
    inner.done()
    upload = Upload(
        partner_id=place.text("partner_id"),
        feed_id=place.text("feed_id"),
        at=place.instant("at"),
        claim=claim,
        bytes_=place.count("bytes_"),
        sha256=place.text("sha256"),
        code=place.text("code", ""),
        words=place.text("words", ""),
        duplicate=place.truth("duplicate", default=False),
    )
    place.done()
    return upload


# --- the feed -------------------------------------------------------------------------------------


def _process(work: Work) -> Outcome:
    invoices = work.stage.of(Invoices)
    results: list[Result] = []
    claim = Claim()
    code = words = ""
    try:
        claim, strange = _claim(work)
        _check(work, claim)
        order, shipment = _what_for(work, claim)
        claim = replace(claim, order_id=order.order_id)
        if work.partner.selling_partner_id in invoices.in_service:
            _check_totals(order, shipment, claim)
        if strange:
            text = f"Not looked at: {', '.join(strange)}."
            results.append(Result(1, code_of(Refused("ignored", text)), text, "Warning"))
    except Refused as refused:
        code, words = code_of(refused), refused.words
        results = [Result(1, code, words, order_id=claim.order_id)]
    upload = Upload(
        partner_id=work.partner.selling_partner_id,
        feed_id=work.feed_id,
        at=work.now,
        claim=claim,
        bytes_=len(work.content),
        sha256=hashlib.sha256(work.content).hexdigest(),
        code=code,
        words=words,
    )
    upload = replace(upload, duplicate=not code and invoices.has_accepted(upload))
    invoices.uploads.append(upload)
    merchant_id = work.partner.selling_partner_id
    return Outcome(
        "DONE", feed_xml.report(work.report_feed_id, merchant_id, 1, results), XML_REPORT
    )


def _claim(work: Work) -> tuple[Claim, list[str]]:
    """From `metadata:*`, in any case of letters, and the keys that mean nothing here."""
    found: dict[str, str] = {}
    strange = []
    for key, value in work.options.items():
        kind, _, name = key.lower().partition(":")
        if kind != "metadata" or name not in KEYS:
            strange.append(key)
        elif name in found:
            raise Refused("metadata", f"{key} stands there more than once.")
        else:
            found[name] = value.strip()
    document_type = found.get("documenttype") or "Invoice"
    for known in ("Invoice", "CreditNote"):
        if document_type.lower() == known.lower():
            document_type = known
    claim = Claim(
        order_id=found.get("orderid", ""),
        shipping_id=found.get("shippingid", ""),
        invoice_number=found.get("invoicenumber", ""),
        total=found.get("totalamount", ""),
        vat=found.get("totalvatamount", ""),
        document_type=document_type,
        transaction_id=found.get("transactionid", ""),
    )
    return claim, strange


def _check(work: Work, claim: Claim) -> None:
    """Raises Refused: what is wrong whichever order it is for."""
    partner_id = work.partner.selling_partner_id
    stores = {store.marketplace.id: store for store in work.partner.participations}
    for wanted in work.marketplace_ids:
        if wanted not in stores or stores[wanted].marketplace.country_code not in COUNTRIES:
            raise Refused("marketplace", f"Invoices are not taken in marketplace {wanted}.")
    if partner_id in work.stage.of(Invoices).unavailable:
        words = "The seller has not opted in to upload invoices of its own."
        raise Refused("feature", words, "FeatureNotAvailable")
    work.stage.of(Orders).refuse_if_wished("invoice", partner_id)
    _check_document(work)
    if claim.document_type not in ("Invoice", "CreditNote"):
        raise Refused("metadata", f"DocumentType {claim.document_type!r} is not known.")
    if claim.document_type == "CreditNote" and not claim.transaction_id:
        raise Refused("metadata", "A credit note needs a TransactionId.")


def _check_document(work: Work) -> None:
    if work.content_type.partition(";")[0].strip().lower() != "application/pdf":
        words = f"The document's Content-Type is {work.content_type}, not application/pdf."
        raise Refused("document", words)
    if not work.content.startswith(b"%PDF-"):
        raise Refused("document", "The document is no PDF: it does not begin with %PDF-.")
    if b"%%EOF" not in work.content[-_END:]:
        raise Refused("document", "The document is cut off: its end mark %%EOF is missing.")
    if _TWO_DOCUMENTS.search(work.content):
        raise Refused("document", "The document holds more than one PDF.")


def _what_for(work: Work, claim: Claim) -> tuple[Order, Booking | None]:
    """The order, and the one shipment where that is named. Raises Refused."""
    order, shipment = _named(work, claim)
    if order.marketplace.id not in work.marketplace_ids:
        raise Refused("marketplace", f"The order is of marketplace {order.marketplace.id}.")
    return order, shipment


def _named(work: Work, claim: Claim) -> tuple[Order, Booking | None]:
    if claim.shipping_id:
        for order in work.stage.of(Orders).of_partner(work.partner.selling_partner_id):
            for booking in order.bookings:
                if booking.kind == "Shipment" and booking.booking_id == claim.shipping_id:
                    if claim.order_id not in ("", order.order_id):
                        words = "OrderId and ShippingId belong to different orders."
                        raise Refused("metadata", words)
                    return order, booking
        raise Refused("unknown_order", f"The shipment {claim.shipping_id} was not found.")
    if not claim.order_id:
        raise Refused("metadata", "One of metadata:ShippingId and metadata:OrderId is required.")
    return order_of(work, Named(claim.order_id)), None


def _check_totals(order: Order, shipment: Booking | None, claim: Claim) -> None:
    """Raises Refused: Amazon has calculated the tax itself and compares."""
    for name, text in (
        ("InvoiceNumber", claim.invoice_number),
        ("TotalAmount", claim.total),
        ("TotalVATAmount", claim.vat),
    ):
        if not text:
            raise Refused("metadata", f"metadata:{name} is required.")
    if claim.document_type == "CreditNote":
        meant = [b for b in order.bookings if b.kind == "Refund"]
        meant = [b for b in meant if b.booking_id == claim.transaction_id]
    else:
        meant = [shipment] if shipment else [b for b in order.bookings if b.kind == "Shipment"]
    if not meant:
        raise Refused("unknown_order", "There is no such shipment or refund to be invoiced.")
    for name, text, wanted in (
        ("TotalAmount", claim.total, sum((b.net() for b in meant), money.ZERO)),
        ("TotalVATAmount", claim.vat, sum((vat_of(b) for b in meant), money.ZERO)),
    ):
        amount = amount_of(text, order.currency)
        # Credit notes are written with a minus or without.
        if (abs(amount) if claim.document_type == "CreditNote" else amount) != wanted:
            expected = money.write(wanted, order.currency)
            raise Refused("amount", f"{name} is {text}, Amazon calculated {expected}.")


PROCESSORS: dict[str, Processor] = {"UPLOAD_VAT_INVOICE": _process}
