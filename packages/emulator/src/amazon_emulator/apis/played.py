"""Every operation that is played with state, gathered from the API modules.

Answers for: completeness of these two tables, of the regions' endpoints and of their sandboxes.
Nothing else may list operations.
"""

from __future__ import annotations

from amazon_emulator.apis import (
    application_management,
    catalog_items,
    direct_fulfillment_inventory,
    direct_fulfillment_orders,
    direct_fulfillment_payments,
    direct_fulfillment_sandbox,
    direct_fulfillment_shipping,
    direct_fulfillment_transactions,
    feeds,
    finances,
    listings_items,
    notifications,
    orders_2026,
    orders_v0,
    reports,
    sellers,
    tokens,
    vendor_invoices,
    vendor_orders,
    vendor_shipments,
    vendor_transactions,
)
from amazon_emulator.apis.operations import Operation

__all__ = ["OPERATIONS", "SANDBOX_OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = (
    *application_management.OPERATIONS,
    *catalog_items.OPERATIONS,
    *direct_fulfillment_inventory.OPERATIONS,
    *direct_fulfillment_orders.OPERATIONS,
    *direct_fulfillment_payments.OPERATIONS,
    *direct_fulfillment_sandbox.OPERATIONS,
    *direct_fulfillment_shipping.OPERATIONS,
    *direct_fulfillment_transactions.OPERATIONS,
    *feeds.OPERATIONS,
    *finances.OPERATIONS,
    *listings_items.OPERATIONS,
    *notifications.OPERATIONS,
    *orders_2026.OPERATIONS,
    *orders_v0.OPERATIONS,
    *reports.OPERATIONS,
    *sellers.OPERATIONS,
    *tokens.OPERATIONS,
    *vendor_invoices.OPERATIONS,
    *vendor_orders.OPERATIONS,
    *vendor_shipments.OPERATIONS,
    *vendor_transactions.OPERATIONS,
)

# What a sandbox does; all else it answers from the models' cases.
SANDBOX_OPERATIONS: tuple[Operation, ...] = (
    *direct_fulfillment_sandbox.OPERATIONS,
    *notifications.SANDBOX_OPERATIONS,
)
