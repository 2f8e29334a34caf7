"""Listings Items 2021-08-01."""

from __future__ import annotations

from amazon_emulator.faces.selling_partner_api.operations import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = ()
