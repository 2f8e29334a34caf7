"""Direct Fulfillment Sandbox Test Data 2021-10-28."""

from __future__ import annotations

from amazon_emulator.faces.selling_partner_api.operations import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = ()
