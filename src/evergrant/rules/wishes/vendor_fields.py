"""What vendors' lines have in common: codes, parties, things, quantities, measures, taxes.

Answers for: these fields, wherever they stand, in one fixed form. Does not answer for: which of
them a kind of line has (``retail``, ``direct``).

A party is named by its id in a field of its own (``ship_to``: "DEM1"); ``parties`` adds address and
tax number by ``role``. Settled, ``parties`` holds ``id``, ``address`` and ``tax`` by role.

Sources: Amazon's models vendor orders, shipping and payments v1; direct fulfillment payments v1 and
shipping 2021-12-28 (official SDK).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from evergrant.rules.wishes.ground import MOST_PIECES, Lines, WishGround, decimals_of

__all__ = [
    "ID_TYPES",
    "TAX_TYPES",
    "charges",
    "cost",
    "currency",
    "order_number",
    "parties",
    "product",
    "quantity",
    "size",
    "taxes",
    "trimmed",
    "vendor_code",
    "weight",
]

#: Amazon's names of taxes on vendors' invoices.
TAX_TYPES = (
    "VAT", "GST", "MwSt.", "TVA", "DomesticVAT", "Consumption", "CGST", "SGST", "CESS", "UTGST",
    "IGST", "PST", "ST", "MutuallyDefined",
)  # fmt: skip
ID_TYPES = ("SSCC", "AMZNCC", "GTIN", "BPS", "CID")
_PARTY_ID = r"\S{1,40}"
_ORDER_NUMBER = r"[A-Za-z0-9]{1,40}"
_ADDRESS = {
    "name": 200,
    "address_line1": 180,
    "address_line2": 180,
    "address_line3": 180,
    "city": 100,
    "county": 100,
    "district": 100,
    "state": 100,
    "postal_code": 30,
    "country_code": 2,
    "phone": 40,
}
_ALWAYS = ("name", "address_line1", "country_code")
#: Amounts of one piece may be finer than the currency's smallest coin.
_COST_PLACES = 6


def trimmed(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not given, at any depth: one form for lines that mean the same."""
    found = {name: _trimmed(value) for name, value in wish.items()}
    return {name: value for name, value in found.items() if value not in ("", None, [], {})}


def _trimmed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return trimmed(value)
    if isinstance(value, list):
        return [_trimmed(one) for one in value]
    return value


# --- whose it is ----------------------------------------------------------------------------------


def vendor_code(lines: Lines, about: WishGround) -> str:
    """The account's own, where it has exactly one."""
    known = about.vendor_codes
    said = lines.text(
        "vendor_code",
        optional=len(known) == 1,
        longest=10,
        shape="[A-Za-z0-9]{3,10}",
        looks="It is 3 to 10 letters and digits, such as ABC12.",
    ).upper()
    if not said:
        return known[0] if len(known) == 1 and not lines.holds("vendor_code") else ""
    if known and said not in known:
        lines.fault(
            "vendor_code",
            "other_vendor_code",
            f"{said!r} is no vendor code of this account.",
            f"Its vendor codes are: {', '.join(known)}.",
        )
        return ""
    return said


def order_number(lines: Lines, name: str = "order_id", *, optional: bool = False) -> str:
    """Amazon's purchase order number: letters and digits, mostly eight."""
    return lines.text(
        name,
        optional=optional,
        shape=_ORDER_NUMBER,
        looks="A purchase order number is letters and digits, such as 4Z32PABC.",
    )


def currency(lines: Lines, about: WishGround) -> str:
    """As the line says; else that of its marketplace, or of the account's home marketplace."""
    marketplace = lines.marketplace(about)
    if lines.holds("currency"):
        return lines.currency(marketplace)
    return marketplace.currency if marketplace else ""


def parties(
    lines: Lines,
    needed: Mapping[str, str],
    optional: Collection[str] = (),
    *,
    fixed: Mapping[str, str] = MappingProxyType({}),
    complete: bool = False,
    tax_types: tuple[str, ...] = ("VAT", "GST"),
) -> dict[str, Any]:
    """By role. ``needed``: with the id that counts where the line names none ("": it must name
    one); ``fixed``: with the id that other fields of the line give; ``complete``: an address needs
    city, state and postal code, too."""
    found: dict[str, dict[str, Any]] = {}
    for role, default in needed.items():
        found[role] = {"id": _party_id(lines, role, optional=bool(default)) or default}
    for role in optional:
        if party_id := _party_id(lines, role, optional=True):
            found[role] = {"id": party_id}
    roles = (*needed, *optional, *fixed)
    given = lines.parts("parties", most=len(roles), optional=True)
    said = [part.word("role", roles) for part in given]
    lines.differ("parties", "role", said)
    for role, part in zip(said, given, strict=True):
        more = {"address": _address(part, complete=complete), "tax": _tax(part, tax_types)}
        if role in fixed:
            found[role] = {"id": fixed[role], **more}
        elif role and role not in found:
            if not lines.has_faults():
                lines.fault(role, "missing", "is needed: its address is given.")
        elif role:
            found[role] |= more
    return found


def _party_id(lines: Lines, role: str, *, optional: bool) -> str:
    return lines.text(
        role, optional=optional, shape=_PARTY_ID, looks="It is a code without blanks, such as DEM1."
    )


def _address(part: Lines, *, complete: bool) -> dict[str, str]:
    given = any(part.holds(name) for name in _ADDRESS)
    needed = (*_ALWAYS, "city", "state", "postal_code") if complete else _ALWAYS
    return {
        name: part.text(
            name,
            optional=not given or name not in needed,
            longest=longest,
            shape="[A-Z]{2}" if name == "country_code" else "",
            looks="It is two capital letters, such as DE." if name == "country_code" else "",
        )
        for name, longest in _ADDRESS.items()
    }


def _tax(part: Lines, types: tuple[str, ...]) -> dict[str, str]:
    kind = part.word("tax_type", types, optional=True)
    number = part.text("tax_number", optional=not kind, longest=60)
    if number and not kind:
        part.fault("tax_type", "missing", "is needed with a 'tax_number'.")
    return {"type": kind, "number": number}


# --- things ---------------------------------------------------------------------------------------


def product(lines: Lines, *, optional: bool = False) -> dict[str, str]:
    """``sku`` (the vendor's own name, as in the order), ``asin``, or both."""
    asin = lines.text(
        "asin", optional=True, shape="[A-Z0-9]{10}", looks="It is 10 capital letters and digits."
    )
    sku = lines.text("sku", optional=True, longest=100)
    if not optional and not lines.holds("asin") and not lines.holds("sku"):
        lines.fault("sku", "missing", "is needed, or the 'asin'.")
    return {"asin": asin, "sku": sku}


def quantity(lines: Lines, *, least: int = 1) -> dict[str, Any]:
    """``quantity`` in ``unit`` (eaches where it is absent, cases), of ``unit_size`` pieces."""
    amount = lines.whole("quantity", least=least, most=MOST_PIECES)
    unit = lines.word("unit", ("Eaches", "Cases"), optional=True) or "Eaches"
    size_of_case = lines.whole("unit_size", least=1, most=100_000, optional=True)
    return {"quantity": amount, "unit": unit, "unit_size": size_of_case}


def weight(
    lines: Lines, units: tuple[str, ...], *, name: str = "weight", optional: bool = True
) -> dict[str, str]:
    """A measure and its unit, ``<name>`` and ``<name>_unit``: both or none."""
    value = _decimal(lines, name, optional=optional and not lines.holds(f"{name}_unit"))
    unit = lines.word(f"{name}_unit", units, optional=not lines.holds(name))
    return {name: value, f"{name}_unit": unit}


def size(lines: Lines, units: tuple[str, ...]) -> dict[str, str]:
    """``length``, ``width``, ``height`` and ``size_unit``: all or none."""
    names = ("length", "width", "height")
    given = any(lines.holds(name) for name in (*names, "size_unit"))
    found = {name: _decimal(lines, name, optional=not given) for name in names}
    return found | {"size_unit": lines.word("size_unit", units, optional=not given)}


# --- money ----------------------------------------------------------------------------------------


def cost(lines: Lines, name: str, money: str, *, optional: bool = False) -> str:
    """The price of one piece, above zero: with the currency's places, or more where they count."""
    text = lines.amount(name, places=_COST_PLACES, optional=optional)
    least = decimals_of(money)
    whole, _, fraction = text.partition(".")
    kept = fraction[:least] + fraction[least:].rstrip("0")
    return f"{whole}.{kept}" if kept else whole


def taxes(lines: Lines, places: int) -> list[dict[str, str]]:
    """``taxes`` [``type``, ``rate`` ("0.19"), ``amount``, ``taxable``]."""
    return [
        {
            "type": one.word("type", TAX_TYPES),
            "rate": _decimal(one, "rate", zero=True),
            "amount": one.amount("amount", places=places, zero=True),
            "taxable": one.amount("taxable", places=places, zero=True, optional=True),
        }
        for one in lines.parts("taxes", most=20, optional=True)
    ]


def charges(
    lines: Lines, name: str, types: tuple[str, ...], places: int, *, described: bool = True
) -> list[dict[str, Any]]:
    """``charges`` or ``allowances`` [``type``, ``amount``, ``description``, ``taxes``]."""
    return [
        {
            "type": one.word("type", types),
            "amount": one.amount("amount", places=places, zero=True),
            "description": one.text("description", optional=True) if described else "",
            "taxes": taxes(one, places),
        }
        for one in lines.parts(name, most=50, optional=True)
    ]


def _decimal(lines: Lines, name: str, *, optional: bool = True, zero: bool = False) -> str:
    text = lines.amount(name, places=_COST_PLACES, zero=zero, optional=optional)
    return re.sub(r"\.?0+$", "", text) if "." in text else text
