from __future__ import annotations

import pytest

from evergrant.rules.flags import ALL_ON, Flag, available, view
from evergrant.rules.marketplaces import PartnerKind, VendorKind

SELLER, VENDOR = PartnerKind.SELLER, PartnerKind.VENDOR
RETAIL, DIRECT = VendorKind.RETAIL, VendorKind.DIRECT_FULFILLMENT


def test_all_six_are_on_at_first() -> None:
    assert len(ALL_ON) == 6
    assert all(ALL_ON.values())


@pytest.mark.parametrize(
    ("kind", "vendor_kind", "missing"),
    [
        (SELLER, None, set()),
        (VENDOR, DIRECT, {Flag.UPDATE_PRICE, Flag.REFUND_ORDERS}),
        (VENDOR, RETAIL, {Flag.UPDATE_PRICE, Flag.REFUND_ORDERS, Flag.UPDATE_STOCK}),
        # Nobody said which kind of vendor: the careful answer.
        (VENDOR, None, {Flag.UPDATE_PRICE, Flag.REFUND_ORDERS, Flag.UPDATE_STOCK}),
    ],
)
def test_availability(
    kind: PartnerKind, vendor_kind: VendorKind | None, missing: set[Flag]
) -> None:
    assert {flag for flag in Flag if not available(flag, kind, vendor_kind)} == missing


def test_unavailable_is_neither_on_nor_off() -> None:
    seen = view({**ALL_ON, Flag.SHIP_ORDERS: False}, VENDOR, RETAIL)
    assert seen[Flag.UPDATE_PRICE] is None
    assert seen[Flag.SHIP_ORDERS] is False
    assert seen[Flag.UPLOAD_INVOICES] is True
    assert list(seen) == list(Flag)


def test_a_flag_that_was_never_stored_is_on() -> None:
    assert view({}, SELLER)[Flag.UPDATE_STOCK] is True
