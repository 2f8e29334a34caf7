"""Direct Fulfillment Shipping 2021-12-28."""

from __future__ import annotations

from amazon_emulator.faces.selling_partner_api.operations import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = ()
