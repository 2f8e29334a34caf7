"""Direct Fulfillment Inventory v1: submitInventoryUpdate (Amazon's model of that name).

What is kept of the stock is `trade.vendor_direct`'s business; Amazon has no operation to read it.
"""

from __future__ import annotations

from amazon_emulator.apis.operations import Operation
from amazon_emulator.apis.vendor_submissions import DIRECT_ROLES, wrapped
from amazon_emulator.trade.vendors.direct import INVENTORY

__all__ = ["OPERATIONS"]

OPERATIONS = (
    Operation(
        "submitInventoryUpdate",
        "POST",
        "/vendor/directFulfillment/inventory/v1/warehouses/{warehouseId}/items",
        DIRECT_ROLES,
        ("vendor",),
        wrapped(INVENTORY, warehouseId="warehouseId"),
    ),
)
