"""What vendors of direct fulfillment wish: stock, a shipment, an invoice, an order refused.

Answers for: what such lines may hold, and what they settle to. Does not answer for: Amazon's
documents (the kinds), or for fields of all vendors (``vendor_fields``).

An order is answered and confirmed as a whole: every line, every piece. What was accepted and cannot
be shipped after all is a shipment with the status FLOOR_DENIAL.

Sources: Amazon's models direct fulfillment inventory v1 and orders 2021-12-28, its SDK for direct
fulfillment shipping 2021-12-28 and payments v1, and its guide to direct fulfillment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes import vendor_fields as fields
from evergrant.rules.wishes.ground import MOST_PIECES, Lines, Wish, WishGround, decimals_of
from evergrant.rules.wishes.words import as_key

__all__ = ["ALLOWANCES", "CHARGES", "CODES", "cancellation", "invoice", "shipment", "stock"]

#: Amazon's reasons in retail, as the codes of direct fulfillment.
CODES = {"InvalidProductIdentifier": "02", "TemporarilyUnavailable": "03", "ObsoleteProduct": "71"}
#: What sellers call one of them.
_SYNONYMS = {"NoInventory": "TemporarilyUnavailable"}
_SHIP_ALL = "00"

CHARGES = (
    "GIFTWRAP", "FULFILLMENT", "MARKETINGINSERT", "PACKAGING", "LOADING", "FREIGHTOUT",
    "TAX_COLLECTED_AT_SOURCE",
)  # fmt: skip
ALLOWANCES = (
    "Discount", "DiscountIncentive", "Defective", "Promotional", "UnsaleableMerchandise", "Special",
)  # fmt: skip

_PAST = timedelta(days=365)
_AHEAD = timedelta(days=180)
#: Clocks differ; what lies ahead Amazon refuses.
_CLOCKS = timedelta(minutes=5)


# --- stock ----------------------------------------------------------------------------------------


def stock(lines: Lines, about: WishGround) -> Wish:
    """``warehouse``, ``sku`` or ``asin``, ``quantity``, ``availability`` (obsolete: for good).
    What a line does not name keeps its stock: Amazon is never sent a full update."""
    lines.marketplace(about)
    code = fields.vendor_code(lines, about)
    warehouse = _warehouse(lines)
    named = fields.product(lines)
    availability = lines.word("availability", ("Available", "Obsolete"), optional=True)
    wish = {
        "vendor_code": code,
        "warehouse": warehouse,
        **named,
        "quantity": lines.whole("quantity", most=MOST_PIECES),
        "unit": lines.text("unit", optional=True, longest=20) or "Each",
        "obsolete": availability == "Obsolete",
    }
    subject = f"{code}/{warehouse}/{named['sku'] or named['asin']}"
    return Wish(
        kind=ChangeKind.STOCK,
        subject=subject,
        key=subject,
        reference=lines.reference(),
        wish=fields.trimmed(wish),
    )


def _warehouse(lines: Lines) -> str:
    """Of the vendor, as Amazon has it registered."""
    return lines.text(
        "warehouse", shape=r"[A-Za-z0-9_.\-]{1,40}", looks="It is a code, such as WH01."
    )


# --- shipments ------------------------------------------------------------------------------------


def shipment(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``warehouse``, ``status`` (shipped where it is absent; floor_denial),
    ``shipped_at``, ``items``: every line [``line``, ``quantity``], ``containers`` [``id``,
    ``type``, ``tracking_number``, ``weight``, ``weight_unit``, ``items``]."""
    lines.marketplace(about)
    order_id = fields.order_number(lines)
    code = fields.vendor_code(lines, about)
    warehouse = _warehouse(lines)
    status = lines.word("status", ("SHIPPED", "FLOOR_DENIAL"), optional=True) or "SHIPPED"
    is_denied = status == "FLOOR_DENIAL"
    items: list[dict[str, Any]] = [
        {
            "line": one.whole("line", least=1, most=999_999),
            **fields.product(one, optional=True),
            "quantity": one.whole("quantity", least=0 if is_denied else 1),
        }
        for one in lines.parts("items")
    ]
    lines.differ("items", "line", [str(one["line"] or "") for one in items])
    if is_denied:
        lines.not_here("containers", "belongs to what was shipped.")
    wish = {
        "vendor_code": code,
        "warehouse": warehouse,
        "parties": fields.parties(lines, {}, fixed={"selling": code, "ship_from": warehouse}),
        "status": status,
        "shipped_at": lines.instant(
            "shipped_at", earliest=about.now - _PAST, latest=about.now + _CLOCKS
        ),
        "estimated_delivery_at": lines.instant(
            "estimated_delivery_at",
            earliest=about.now - _PAST,
            latest=about.now + _AHEAD,
            optional=True,
        ),
        "vendor_order_number": lines.text("vendor_order_number", optional=True, longest=60),
        "items": items,
        "containers": [] if is_denied else _containers(lines, {one["line"] for one in items}),
    }
    return Wish(
        kind=ChangeKind.SHIPMENT,
        subject=order_id,
        key=order_id,
        reference=lines.reference(),
        wish=fields.trimmed(wish),
    )


def _containers(lines: Lines, known: set[int | None]) -> list[dict[str, Any]]:
    found = []
    for number, one in enumerate(lines.parts("containers", optional=True), 1):
        packed = []
        for part in one.parts("items"):
            line = part.whole("line", least=1, most=999_999)
            if line is not None and line not in known:
                part.fault("line", "unknown_value", f"{line} is no 'line' of the items.")
            packed.append({"line": line, "quantity": part.whole("quantity", least=1)})
        found.append(
            {
                "id": one.text("id", longest=60),
                "type": one.word("type", ("Carton", "Pallet"), optional=True) or "Carton",
                "number": number,
                "tracking_number": one.text("tracking_number", optional=True, longest=100),
                "shipping_method": one.text("shipping_method", optional=True, longest=60),
                "carrier_code": one.text("carrier_code", optional=True, longest=30),
                "carrier_name": one.text("carrier_name", optional=True, longest=100),
                "manifest_id": one.text("manifest_id", optional=True, longest=60),
                "manifest_date": one.text("manifest_date", optional=True, longest=40),
                **fields.weight(one, ("KG", "LB"), optional=False),
                **fields.size(one, ("CM", "IN")),
                "items": packed,
            }
        )
    lines.differ("containers", "id", [str(one["id"]) for one in found])
    return found


# --- invoices -------------------------------------------------------------------------------------


def invoice(lines: Lines, about: WishGround) -> Wish:
    """Data, no file; there are no credit notes. ``invoice_number``, ``order_id`` (of items that
    name none), ``warehouse``, ``invoiced_at``, ``total``, ``currency``, ``items`` [``line``,
    ``quantity``, ``net_cost``, ``taxes``], ``taxes``, ``charges``, ``allowances``."""
    money = fields.currency(lines, about)
    places = decimals_of(money)
    order_id = fields.order_number(lines, optional=True)
    number = lines.text("invoice_number", longest=60)
    code = fields.vendor_code(lines, about)
    warehouse = _warehouse(lines)
    lines.not_here("pdf", "belongs to sellers' invoices: Amazon takes a vendor's as data.")
    if lines.word("document_type", ("invoice", "credit_note"), optional=True) == "credit_note":
        lines.fault(
            "document_type", "unavailable", "Direct fulfillment has no credit notes, only invoices."
        )
    items = [
        _invoiced_item(one, place, order_id, money)
        for place, one in enumerate(lines.parts("items", most=5000), 1)
    ]
    lines.differ("items", "line", [f"{one['order_id']} {one['line']}" for one in items])
    wish = {
        "invoice_number": number,
        "vendor_code": code,
        "warehouse": warehouse,
        "currency": money,
        "total": lines.amount("total", places=places),
        "invoiced_at": lines.instant(
            "invoiced_at", earliest=about.now - 2 * _PAST, latest=about.now + _CLOCKS
        ),
        "reference_number": lines.text("reference_number", optional=True, longest=100),
        "payment_terms_code": lines.text("payment_terms_code", optional=True, longest=60),
        "ship_to_country": lines.text(
            "ship_to_country", optional=True, shape="[A-Z]{2}", looks="Two capital letters: DE."
        ),
        "parties": fields.parties(
            lines,
            {"remit_to": code or "-"},
            ("bill_to", "bill_from"),
            fixed={"ship_from": warehouse},
            complete=True,
            tax_types=("VAT", "GST", "LocalTaxNumber"),
        ),
        "taxes": fields.taxes(lines, places),
        "charges": fields.charges(lines, "charges", CHARGES, places, described=False),
        "allowances": fields.charges(lines, "allowances", ALLOWANCES, places),
        "items": items,
    }
    first = order_id or next((one["order_id"] for one in items if one["order_id"]), "")
    return Wish(
        kind=ChangeKind.INVOICE,
        subject=first,
        key=as_key(number),
        reference=lines.reference(),
        wish=fields.trimmed(wish),
    )


def _invoiced_item(item: Lines, place: int, order_id: str, money: str) -> dict[str, Any]:
    own = fields.order_number(item, optional=bool(order_id))
    places = decimals_of(money)
    return {
        "line": str(item.whole("line", least=1, most=999_999, optional=True) or place),
        **fields.product(item, optional=True),
        "description": item.text("description", optional=True, longest=300),
        "quantity": item.whole("quantity", least=1),
        "net_cost": fields.cost(item, "net_cost", money),
        "order_id": own or order_id,
        "vendor_order_number": item.text("vendor_order_number", optional=True, longest=60),
        "hsn_code": item.text("hsn_code", optional=True, shape="[0-9]{2,12}", looks="Digits."),
        "taxes": fields.taxes(item, places),
        "charges": fields.charges(item, "charges", CHARGES, places, described=False),
        "allowances": fields.charges(item, "allowances", ALLOWANCES, places),
    }


# --- cancellations --------------------------------------------------------------------------------


def cancellation(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``warehouse``, ``reason`` or ``code`` (two digits, as agreed with Amazon),
    ``items``: every line [``line``, ``quantity`` (ordered)], ``vendor_order_number`` (the order's
    number where it is absent)."""
    lines.marketplace(about)
    order_id = fields.order_number(lines)
    code = fields.vendor_code(lines, about)
    status = lines.text("code", optional=True, shape="[0-9]{2}", looks="It is two digits: 03.")
    reason = lines.word("reason", (*CODES, *_SYNONYMS), optional=lines.holds("code"))
    if status == _SHIP_ALL:
        lines.fault("code", "nothing_rejected", "00 accepts the order: this cancels nothing.")
    items = [
        {
            "line": str(one.whole("line", least=1, most=999_999) or ""),
            **fields.product(one, optional=True),
            "quantity": one.whole("quantity", least=1),
        }
        for one in lines.parts("items")
    ]
    lines.differ("items", "line", [str(one["line"]) for one in items])
    reason = _SYNONYMS.get(reason, reason)
    wish = {
        "vendor_code": code,
        "warehouse": _warehouse(lines),
        "vendor_order_number": lines.text("vendor_order_number", optional=True, longest=60),
        "code": status or CODES.get(reason, ""),
        "reason": reason,
        "items": items,
    }
    return Wish(
        kind=ChangeKind.CANCELLATION,
        subject=order_id,
        key=order_id,
        reference=lines.reference(),
        wish=fields.trimmed(wish),
    )
