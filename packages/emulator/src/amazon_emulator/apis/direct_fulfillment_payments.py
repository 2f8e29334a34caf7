"""Direct Fulfillment Payments v1: submitInvoice (shapes: Amazon's Python SDK).

What is kept of an invoice and why one fails is `trade.vendor_invoices`' business.
"""

from __future__ import annotations

from amazon_emulator.apis.operations import Operation
from amazon_emulator.apis.vendor_submissions import DIRECT_ROLES, wrapped
from amazon_emulator.trade.vendors.invoices import DIRECT_INVOICES

__all__ = ["OPERATIONS"]

OPERATIONS = (
    Operation(
        "submitInvoice",
        "POST",
        "/vendor/directFulfillment/payments/v1/invoices",
        DIRECT_ROLES,
        ("vendor",),
        wrapped(DIRECT_INVOICES),
    ),
)
