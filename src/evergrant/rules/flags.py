"""The six switches of an account.

Answers for: which of them exist for which kind of account. Does not answer for: the work that
they switch.

A switch that Amazon has no counterpart for is *unavailable*, which is neither on nor off: vendors
set no prices and refund nothing (Amazon sells), and a retail vendor has no stock of its own to
report, while a direct-fulfillment vendor has. Sources: the operations of Amazon's vendor API models
(there is none for prices or refunds, and submitInventoryUpdate is of direct fulfillment alone);
selling-partner-api-models issue 564, selling-partner-api-docs issue 2604.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from evergrant.rules.marketplaces import PartnerKind, VendorKind

__all__ = ["ALL_ON", "Flag", "available", "view"]


class Flag(StrEnum):
    UPDATE_STOCK = "update_stock"
    UPDATE_PRICE = "update_price"
    SHIP_ORDERS = "ship_orders"
    UPLOAD_INVOICES = "upload_invoices"
    CANCEL_ORDERS = "cancel_orders"
    REFUND_ORDERS = "refund_orders"


#: What a new account gets.
ALL_ON: Mapping[Flag, bool] = MappingProxyType(dict.fromkeys(Flag, True))

_NOT_FOR_VENDORS = frozenset({Flag.UPDATE_PRICE, Flag.REFUND_ORDERS})
_NOT_FOR_RETAIL_VENDORS = _NOT_FOR_VENDORS | {Flag.UPDATE_STOCK}


def available(flag: Flag, partner_kind: PartnerKind, vendor_kind: VendorKind | None = None) -> bool:
    """Whether Amazon has such a thing for this kind of account."""
    if partner_kind is PartnerKind.SELLER:
        return True
    if vendor_kind is VendorKind.DIRECT_FULFILLMENT:
        return flag not in _NOT_FOR_VENDORS
    return flag not in _NOT_FOR_RETAIL_VENDORS


def view(
    flags: Mapping[Flag, bool], partner_kind: PartnerKind, vendor_kind: VendorKind | None = None
) -> dict[Flag, bool | None]:
    """All six in their order: True, False, or None where unavailable. A flag that was never
    stored is on."""
    return {
        flag: flags.get(flag, True) if available(flag, partner_kind, vendor_kind) else None
        for flag in Flag
    }
