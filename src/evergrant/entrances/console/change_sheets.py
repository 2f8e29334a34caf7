"""Changes as rows of a file: what the upload takes, and what was refused, to be mended.

Answers for: the columns and example rows of each kind for an account, and writing a change as rows
that the reader of files (``feeds.files``) takes again as the same. Does not answer for: reading
files, or for what a line may hold (``rules.wishes``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from evergrant.feeds.files import ITEM_FIELDS, REMARK
from evergrant.ports.things import Account
from evergrant.ports.traded import Change
from evergrant.rules.changes import FLAGS, ChangeKind
from evergrant.rules.flags import view
from evergrant.rules.marketplaces import Marketplaces, PartnerKind, VendorKind
from evergrant.rules.wishes.ground import decimals_of

__all__ = ["COLUMNS", "Sheet", "rows_of", "sheet_for", "sheets_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One kind of change as a table. ``needed`` and ``more``: its columns; ``example``: rows."""

    kind: ChangeKind
    needed: tuple[str, ...]
    more: tuple[str, ...] = ()
    example: tuple[Mapping[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.needed, *self.more)


_K = ChangeKind
_ORDER = "302-1234567-1234567"
_REFUND_PARTS = ("principal", "tax", "shipping", "shipping_tax", "gift_wrap", "gift_wrap_tax")

#: Every column of every kind, in the order in which a file has them.
COLUMNS = (
    *("kind", "sku", "asin", "order_id", "reference", "invoice_number", "order_item_id", "line"),
    *("quantity", "price", "currency", "reason", *_REFUND_PARTS, "net_cost", "accept"),
    *("backorder", "reject", "order_lines", "revision", "package", "carrier_code", "carrier_name"),
    *("shipping_method", "tracking_number", "shipped_at", "warehouse", "vendor_code", "unit"),
    *("unit_size", "total", "vat", "document_type", "invoiced_at", "marketplace", REMARK),
)


def sheets_for(account: Account, marketplaces: Marketplaces, now: datetime) -> list[Sheet]:
    """Those kinds that Amazon has for this account and that fit into a table."""
    switches = view(account.flags, account.partner_kind, account.vendor_kind)
    found = (sheet_for(kind, account, marketplaces, now) for kind in ChangeKind)
    return [one for one in found if one is not None and switches[FLAGS[one.kind]] is not None]


def sheet_for(
    kind: ChangeKind, account: Account, marketplaces: Marketplaces, now: datetime
) -> Sheet | None:
    """None: such an account has no such changes, or they need more than a table holds."""
    home = marketplaces.by_country(account.home_marketplace)
    shipped = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    if account.partner_kind is PartnerKind.SELLER:
        return _of_seller(kind, home.currency, home.country_code, shipped)
    if account.vendor_kind is VendorKind.DIRECT_FULFILLMENT:
        return _OF_DIRECT.get(kind)
    return _OF_RETAIL.get(kind)


def _of_seller(kind: ChangeKind, currency: str, country: str, shipped: str) -> Sheet | None:
    price, refund = ("19.99", "16.80") if decimals_of(currency) else ("1999", "1680")
    common = ("marketplace", "reference")
    rows: list[tuple[str, ...]]
    if kind is _K.STOCK:
        rows = [("MUG-1", "12", country, ""), ("MUG-2", "0", country, "")]
        return _sheet(kind, ("sku", "quantity"), common, rows)
    if kind is _K.PRICE:
        rows = [("MUG-1", price, currency, country, "")]
        return _sheet(kind, ("sku", "price", "currency"), common, rows)
    if kind is _K.SHIPMENT:
        needed = (
            *("order_id", "order_item_id", "quantity", "carrier_code", "tracking_number"),
            "shipped_at",
        )
        more = ("package", "carrier_name", "shipping_method", *common)
        rows = [
            (_ORDER, "68828574383266", "1", "DHL", "00340434161094", shipped, "1"),
            (_ORDER, "68828574383274", "2", "DHL", "00340434161094", shipped, "1"),
        ]
        return _sheet(kind, needed, more, rows)
    if kind is _K.CANCELLATION:
        rows = [(_ORDER, "NoInventory", "68828574383266")]
        return _sheet(kind, ("order_id", "reason"), ("order_item_id", *common), rows)
    if kind is _K.REFUND:
        needed = ("reference", "order_id", "currency", "reason", "order_item_id", "principal")
        row = ("RMA-17", _ORDER, currency, "CustomerReturn", "68828574383266", refund)
        return _sheet(kind, needed, (*_REFUND_PARTS[1:], "marketplace"), [row])
    return None  # an invoice needs its PDF


def _sheet(
    kind: ChangeKind,
    needed: tuple[str, ...],
    more: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Sheet:
    columns = (*needed, *more)
    example = tuple(dict(zip(columns, row, strict=False)) for row in rows)
    return Sheet(kind=kind, needed=needed, more=more, example=example)


_ANSWERED = ("order_id", "order_lines", "line", "sku", "quantity", "net_cost", "reason")
_OF_RETAIL: Mapping[ChangeKind, Sheet] = MappingProxyType(
    {
        _K.CANCELLATION: _sheet(
            _K.CANCELLATION,
            _ANSWERED,
            ("accept", "backorder", "reject", "vendor_code", "reference"),
            [
                ("4Z32PABC", "2", "1", "MUG-1", "10", "12.50", "ObsoleteProduct", "6", "", "4"),
                ("4Z32PABC", "2", "2", "MUG-2", "5", "3.00", "ObsoleteProduct", "5", "", ""),
            ],
        ),
    }
)
_OF_DIRECT: Mapping[ChangeKind, Sheet] = MappingProxyType(
    {
        _K.STOCK: _sheet(
            _K.STOCK,
            ("warehouse", "sku", "quantity"),
            ("vendor_code", "reference"),
            [("WH01", "MUG-1", "12")],
        ),
        _K.CANCELLATION: _sheet(
            _K.CANCELLATION,
            ("order_id", "warehouse", "reason", "line", "sku", "quantity"),
            ("vendor_code", "reference"),
            [("DF0000002", "WH01", "TemporarilyUnavailable", "1", "MUG-1", "2")],
        ),
    }
)


# --- back into rows -----------------------------------------------------------------------------


def rows_of(change: Change, marketplaces: Marketplaces) -> list[dict[str, str]] | None:
    """The rows that mean this change, each of its items one, with what was said of it in the column
    that nobody reads. None: a table does not hold it (a PDF, cartons, parties)."""
    found = marketplaces.by_id(change.marketplace_id)
    whole = {
        "kind": change.kind.value,
        "marketplace": found.country_code if found else change.marketplace_id,
        "reference": change.reference,
        REMARK: ": ".join(one for one in (change.code, change.message) if one),
    }
    if change.kind is _K.PRICE or (change.kind is _K.STOCK and change.marketplace_id):
        whole["sku"] = change.subject
    elif change.kind is not _K.STOCK:
        whole["order_id"] = change.subject
    items: Sequence[Mapping[str, Any]] = change.wish.get("items") or [{}]
    rows = []
    for item in items:
        row = dict(whole)
        for name, value in {**change.wish, **item}.items():
            if name == "items":
                continue
            in_item = name in item
            if in_item and name not in ITEM_FIELDS.get(change.kind, ()):
                return None
            if name not in COLUMNS or not isinstance(value, (str, int)):
                return None
            row[name] = str(value)
        rows.append(row)
    return rows
