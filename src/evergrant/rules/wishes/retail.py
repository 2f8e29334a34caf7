"""What vendors of Amazon retail wish: announce a shipment, invoice, refuse lines of an order.

Answers for: what such lines may hold, and what they settle to. Does not answer for: Amazon's
documents (the kinds), or for fields of all vendors (``vendor_fields``).

Amazon counts every line that an acknowledgement leaves out as rejected, and what was rejected is
never accepted again. So a cancellation names every line of the order, says how many there are
(``order_lines``), and how much of each is accepted.

Sources: Amazon's models vendor orders, vendor shipping and vendor payments v1, and its vendor
guides (acknowledgements: 24 hours, replaced for 48; shipment identifiers: unique for 365 days).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes import vendor_fields as fields
from evergrant.rules.wishes.ground import Lines, Wish, WishGround, decimals_of
from evergrant.rules.wishes.words import as_key

__all__ = ["ALLOWANCES", "CHARGES", "REASONS", "cancellation", "invoice", "shipment"]

#: Amazon's reasons of a rejection.
REASONS = ("TemporarilyUnavailable", "InvalidProductIdentifier", "ObsoleteProduct")
#: What sellers call one of them.
_SYNONYMS = {"NoInventory": "TemporarilyUnavailable"}

CHARGES = (
    "Freight", "Packing", "Duty", "Service", "SmallOrder", "InsurancePlacementCost",
    "InsuranceFee", "SpecialHandlingService", "CollectionAndRecyclingService",
    "EnvironmentalProtectionService", "TaxCollectedAtSource",
)  # fmt: skip
ALLOWANCES = (
    "Discount", "DiscountIncentive", "Defective", "Promotional", "UnsaleableMerchandise", "Special",
)  # fmt: skip
_STRUCTURES = (
    "PalletizedAssortmentCase", "LooseAssortmentCase", "PalletOfItems", "PalletizedStandardCase",
    "LooseStandardCase", "MasterPallet", "MasterCase",
)  # fmt: skip
_TERMS = (
    "Basic", "EndOfMonth", "FixedDate", "Proximo", "PaymentDueUponReceiptOfInvoice",
    "LetterofCredit",
)  # fmt: skip
_CREDIT_NOTE = (
    "reference_invoice_number", "debit_note_number", "returns_reference_number", "rma_id",
    "coop_reference_number", "consignors_reference_number",
)  # fmt: skip
_WEIGHTS = ("Kg", "G", "Lb", "Oz")
_LENGTHS = ("Meter", "In", "Ft", "Yard")
_VOLUMES = ("CuM", "CuFt", "CuIn", "CuY")

_MOST_LINES = 999_999
_PAST = timedelta(days=365)
_AHEAD = timedelta(days=180)
#: Clocks differ; what lies ahead Amazon refuses.
_CLOCKS = timedelta(minutes=5)
_CARTON = r"[A-Za-z0-9_.\-]{1,40}"


# --- shipments ------------------------------------------------------------------------------------


def shipment(lines: Lines, about: WishGround) -> Wish:
    """Advance ship notice. ``shipment_id`` (unused for 365 days), ``confirmation_type`` (original
    where it is absent; replace: in the place of an earlier one), ``order_id`` (of items that name
    none), ``ship_from``, ``ship_to``, ``shipped_at``, ``items`` [``sku`` or ``asin``, ``quantity``,
    ``order_id``], and what the carrier and the cartons and pallets are."""
    lines.marketplace(about)
    shipment_id = lines.text("shipment_id", longest=60)
    order_id = fields.order_number(lines, optional=True)
    code = fields.vendor_code(lines, about)
    items = [
        _shipped_item(one, number, order_id)
        for number, one in enumerate(lines.parts("items", most=10_000), 1)
    ]
    lines.differ("items", "line", [one["line"] for one in items])
    known = frozenset(one["line"] for one in items)
    wish = {
        "shipment_id": shipment_id,
        "confirmation_type": lines.word("confirmation_type", ("Original", "Replace"), optional=True)
        or "Original",
        "vendor_code": code,
        "parties": fields.parties(lines, {"ship_from": "", "ship_to": ""}, fixed={"selling": code}),
        "shipped_at": lines.instant(
            "shipped_at", earliest=about.now - _PAST, latest=about.now + _CLOCKS
        ),
        "estimated_delivery_at": lines.instant(
            "estimated_delivery_at",
            earliest=about.now - _PAST,
            latest=about.now + _AHEAD,
            optional=True,
        ),
        **_transport(lines),
        "items": items,
        **_packing(lines, known),
    }
    first = order_id or next((one["order_id"] for one in items if one["order_id"]), "")
    return Wish(
        kind=ChangeKind.SHIPMENT,
        subject=first,
        key=as_key(shipment_id),
        reference=lines.reference(),
        wish=fields.trimmed(wish),
    )


def _shipped_item(item: Lines, number: int, order_id: str) -> dict[str, Any]:
    own = fields.order_number(item, optional=bool(order_id))
    line = item.whole("line", least=1, most=_MOST_LINES, optional=True)
    return {
        "line": f"{line or number:03d}",
        **fields.product(item),
        **fields.quantity(item),
        "order_id": own or order_id,
        "lot_number": item.text("lot_number", optional=True, longest=100),
        "expires_on": _day(item, "expires_on"),
        "made_on": _day(item, "made_on"),
        "country_of_origin": item.text(
            "country_of_origin", optional=True, shape="[A-Z]{2}", looks="Two capital letters: DE."
        ),
    }


def _day(lines: Lines, name: str) -> str:
    shape = r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    return lines.text(name, optional=True, shape=shape, looks="It looks like 2026-11-21.")


def _transport(lines: Lines) -> dict[str, Any]:
    return {
        "shipment_type": lines.word(
            "shipment_type", ("SmallParcel", "LessThanTruckLoad", "TruckLoad"), optional=True
        ),
        "shipment_structure": lines.word("shipment_structure", _STRUCTURES, optional=True),
        "amazon_reference_number": lines.text("amazon_reference_number", optional=True, longest=60),
        "carrier_code": lines.text("carrier_code", optional=True, longest=30),
        "tracking_number": lines.text("tracking_number", optional=True, longest=100),
        "transport_mode": lines.word("transport_mode", ("Road", "Air", "Ocean"), optional=True),
        "bill_of_lading": lines.text("bill_of_lading", optional=True, longest=60),
        **fields.weight(lines, _WEIGHTS),
        **fields.weight(lines, _VOLUMES, name="volume"),
        "carton_count": lines.whole("carton_count", least=1, most=1_000_000, optional=True),
        "pallet_count": lines.whole("pallet_count", least=1, most=100_000, optional=True),
    }


def _packing(lines: Lines, known: frozenset[str]) -> dict[str, Any]:
    """``cartons`` and ``pallets``; a carton says on which ``pallet`` it stands."""
    cartons = [
        {
            "carton": _carton(one, "carton", number),
            **_identified(one, needed=False),
            "pallet": one.text("pallet", optional=True, longest=60),
            "tracking_number": one.text("tracking_number", optional=True, longest=100),
            **fields.weight(one, _WEIGHTS),
            **fields.size(one, _LENGTHS),
            "items": _packed(one, known),
        }
        for number, one in enumerate(lines.parts("cartons", most=10_000, optional=True), 1)
    ]
    pallets = [
        {
            **_identified(one, needed=True),
            "tier": one.whole("tier", least=1, most=1000, optional=True),
            "block": one.whole("block", least=1, most=1000, optional=True),
            **fields.weight(one, _WEIGHTS),
            **fields.size(one, _LENGTHS),
            "items": _packed(one, known, optional=True),
        }
        for one in lines.parts("pallets", most=1000, optional=True)
    ]
    lines.differ("cartons", "carton", [str(one["carton"]) for one in cartons])
    lines.differ("pallets", "id", [str(one["id"]) for one in pallets])
    there = {one["id"] for one in pallets}
    for number, carton in enumerate(cartons):
        if carton["pallet"] and carton["pallet"] not in there:
            lines.fault(f"cartons[{number}].pallet", "unknown_value", "is none of the 'pallets'.")
    return {"cartons": cartons, "pallets": pallets}


def _carton(one: Lines, name: str, number: int) -> str:
    return one.text(name, optional=True, shape=_CARTON) or f"{number:03d}"


def _identified(one: Lines, *, needed: bool) -> dict[str, str]:
    return {
        "id": one.text("id", optional=not needed, longest=60),
        "id_type": one.word("id_type", fields.ID_TYPES, optional=True)
        or ("SSCC" if one.holds("id") else ""),
    }


def _packed(
    holder: Lines, known: frozenset[str], *, optional: bool = False
) -> list[dict[str, Any]]:
    found = []
    for one in holder.parts("items", most=10_000, optional=optional):
        line = one.whole("line", least=1, most=_MOST_LINES)
        named = f"{line or 0:03d}"
        if line and known and named not in known:
            one.fault("line", "unknown_value", f"{line} is no 'line' of the items.")
        found.append({"line": named, **fields.quantity(one)})
    return found


# --- invoices -------------------------------------------------------------------------------------


def invoice(lines: Lines, about: WishGround) -> Wish:
    """Data, no file. ``invoice_number``, ``document_type`` (invoice, credit_note), ``order_id`` (of
    items that name none), ``invoiced_at``, ``total``, ``currency``, ``items`` [``sku`` or ``asin``,
    ``quantity``, ``net_cost``, ``taxes``], ``taxes``, ``charges``, ``allowances``."""
    money = fields.currency(lines, about)
    places = decimals_of(money)
    is_credit = lines.word("document_type", ("invoice", "credit_note"), optional=True)
    order_id = fields.order_number(lines, optional=True)
    number = lines.text("invoice_number", longest=60)
    code = fields.vendor_code(lines, about)
    items = [
        _invoiced_item(one, place, order_id, money, is_credit=is_credit == "credit_note")
        for place, one in enumerate(lines.parts("items", most=5000), 1)
    ]
    lines.differ("items", "line", [str(one["line"]) for one in items])
    lines.not_here("pdf", "belongs to sellers' invoices: Amazon takes a vendor's as data.")
    wish = {
        "invoice_number": number,
        "document_type": is_credit or "invoice",
        "vendor_code": code,
        "currency": money,
        "total": lines.amount("total", places=places),
        "invoiced_at": lines.instant(
            "invoiced_at", earliest=about.now - 2 * _PAST, latest=about.now + _CLOCKS
        ),
        "reference_number": lines.text("reference_number", optional=True, longest=100),
        "parties": fields.parties(
            lines, {"remit_to": code or "-"}, ("ship_to", "ship_from", "bill_to")
        ),
        "taxes": fields.taxes(lines, places),
        "charges": fields.charges(lines, "charges", CHARGES, places),
        "allowances": fields.charges(lines, "allowances", ALLOWANCES, places),
        "payment_terms": lines.word("payment_terms", _TERMS, optional=True),
        "net_due_days": lines.whole("net_due_days", most=1000, optional=True),
        "discount_due_days": lines.whole("discount_due_days", most=1000, optional=True),
        "discount_percent": lines.amount("discount_percent", places=4, optional=True),
        "items": items,
    }
    first = order_id or next((one["order_id"] for one in items if one["order_id"]), "")
    return Wish(
        kind=ChangeKind.INVOICE,
        subject=first or number,
        key=as_key(number),
        reference=lines.reference(),
        wish=fields.trimmed(wish),
    )


def _invoiced_item(
    item: Lines, place: int, order_id: str, money: str, *, is_credit: bool
) -> dict[str, Any]:
    own = fields.order_number(item, optional=is_credit or bool(order_id))
    places = decimals_of(money)
    credit = {
        name: item.text(name, optional=True, longest=100) if is_credit else ""
        for name in _CREDIT_NOTE
    }
    if not is_credit:
        for name in (*_CREDIT_NOTE, "goods_returned_on"):
            item.not_here(name, "belongs to credit notes only.")
    return {
        "line": item.whole("line", least=1, most=_MOST_LINES, optional=True) or place,
        **fields.product(item),
        **fields.quantity(item),
        "net_cost": fields.cost(item, "net_cost", money),
        "order_id": own or order_id,
        "hsn_code": item.text("hsn_code", optional=True, shape="[0-9]{2,12}", looks="Digits."),
        "taxes": fields.taxes(item, places),
        "charges": fields.charges(item, "charges", CHARGES, places),
        "allowances": fields.charges(item, "allowances", ALLOWANCES, places),
        "credit": credit
        | {"goods_returned_on": _day(item, "goods_returned_on") if is_credit else ""},
    }


# --- cancellations --------------------------------------------------------------------------------


def cancellation(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``reason``, ``order_lines`` (how many the order has), ``items``: all of them
    [``line``, ``sku`` or ``asin``, ``quantity`` (ordered), ``net_cost``, and of it ``accept``,
    ``backorder`` and ``reject``, which is all of it where none of the three is said]. ``revision``
    (1 where it is absent): a later answer to the same order, within 48 hours."""
    money = fields.currency(lines, about)
    order_id = fields.order_number(lines)
    code = fields.vendor_code(lines, about)
    revision = lines.whole("revision", least=1, most=1000, optional=True) or 1
    reason = _reason(lines, optional=True)
    count = lines.whole("order_lines", least=1, most=10_000)
    items = [_answered_item(one, reason, money, about) for one in lines.parts("items", most=10_000)]
    for by in ("line", "sku", "asin"):
        lines.differ("items", by, [one[by] for one in items])
    if count and items and count != len(items):
        lines.fault(
            "items",
            "lines_left_out",
            f"names {len(items)} of the order's {count} lines.",
            "Amazon counts a line that is left out as rejected: name those that you deliver, "
            "too, with 'accept'.",
        )
    if items and not lines.has_faults() and not any(one["reject"] for one in items):
        lines.fault("items", "nothing_rejected", "rejects nothing: this cancels nothing.")
    return Wish(
        kind=ChangeKind.CANCELLATION,
        subject=order_id,
        key=order_id if revision == 1 else f"{order_id}/{revision}",
        reference=lines.reference(),
        wish=fields.trimmed(
            {"revision": revision, "vendor_code": code, "currency": money, "items": items}
        ),
    )


def _reason(lines: Lines, *, optional: bool) -> str:
    word = lines.word("reason", (*REASONS, *_SYNONYMS), optional=optional)
    return _SYNONYMS.get(word, word)


def _answered_item(item: Lines, reason: str, money: str, about: WishGround) -> dict[str, Any]:
    number = item.whole("line", least=1, most=_MOST_LINES, optional=True)
    line = str(number or "")
    quantity = fields.quantity(item)
    ordered = quantity["quantity"]
    found = {
        "line": line,
        **fields.product(item, optional=bool(line)),
        **quantity,
        "net_cost": fields.cost(item, "net_cost", money),
        "list_price": fields.cost(item, "list_price", money, optional=True),
        "discount_multiplier": item.amount("discount_multiplier", places=4, optional=True),
        **_shares(item, ordered),
    }
    for name in ("ship_at", "deliver_at"):
        found[name] = item.instant(
            name, earliest=about.now - _PAST, latest=about.now + 2 * _AHEAD, optional=True
        )
    own = _reason(item, optional=True)
    if found["reject"]:
        if not own and not reason and not item.holds("reason"):
            item.fault("reason", "missing", "is needed, here or for the whole line.")
        found["reason"] = own or reason
    shares = (found["accept"], found["backorder"], found["reject"])
    if ordered and None not in shares and sum(shares) != ordered:
        item.fault(
            "quantity",
            "does_not_add_up",
            f"is {ordered}, but 'accept', 'backorder' and 'reject' make {sum(shares)}.",
        )
    return found


def _shares(item: Lines, ordered: int | None) -> dict[str, int | None]:
    """Of the ordered quantity; None where it cannot be known."""
    names = ("accept", "backorder", "reject")
    if not any(item.holds(name) for name in names):
        return {"accept": 0, "backorder": 0, "reject": ordered}
    return {name: item.whole(name) if item.holds(name) else 0 for name in names}
