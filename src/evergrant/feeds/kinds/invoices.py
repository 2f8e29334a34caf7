"""UPLOAD_VAT_INVOICE: one PDF, which is one document and one feed.

Answers for: what goes beside the PDF: createFeed's options, by which Amazon knows what the PDF is
for. Does not answer for: the PDF itself, which lies sealed in the safe until it is sent, or for
whether Amazon calculates the seller's VAT (then it compares the totals).

Sources: Amazon's pages "invoice-feeds-attributes" (an order or a shipping id, the latter preferred;
credit notes name a transaction) and "vat-calculation-service-error-handling" (FeatureNotAvailable:
the seller is not enrolled; the same again helps nothing); the keys' spelling is that of sellers'
programs, as no page shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from evergrant.feeds.kinds import Ground
from evergrant.ports.traded import Change, FeedRun

__all__ = ["VatInvoice"]

_DOCUMENT_TYPES: Mapping[str, str] = MappingProxyType(
    {"invoice": "Invoice", "credit_note": "CreditNote"}
)


class VatInvoice:
    def content(self, ground: Ground, run: FeedRun, change: Change, attachment: bytes) -> bytes:
        return attachment

    def options(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Mapping[str, str]:
        """All values are text."""
        (change,) = changes
        wish = change.wish
        named = (
            {"metadata:shippingid": wish["shipping_id"]}
            if wish["shipping_id"]
            else {"metadata:OrderId": wish["order_id"]}
        )
        told = {
            **named,
            "metadata:InvoiceNumber": wish["invoice_number"],
            "metadata:TotalAmount": wish["total"],
            "metadata:TotalVATAmount": wish["vat"],
            "metadata:DocumentType": _DOCUMENT_TYPES[wish["document_type"]],
            "metadata:transactionid": wish["transaction_id"],
        }
        return {name: str(value) for name, value in told.items() if value}

    def marketplace_ids(self, ground: Ground, run: FeedRun) -> Sequence[str]:
        return (run.marketplace_id or ground.home_marketplace_id,)
