"""Vendor Invoices v1: submitInvoices (Amazon's vendorInvoices model).

What is kept of an invoice and why one fails is `trade.vendor_invoices`' business.
"""

from __future__ import annotations

from amazon_emulator.apis.operations import Operation
from amazon_emulator.apis.vendor_submissions import RETAIL_ROLES, wrapped
from amazon_emulator.trade.vendors.invoices import RETAIL_INVOICES

__all__ = ["OPERATIONS"]

OPERATIONS = (
    Operation(
        "submitInvoices",
        "POST",
        "/vendor/payments/v1/invoices",
        RETAIL_ROLES,
        ("vendor",),
        wrapped(RETAIL_INVOICES),
    ),
)
