"""What people and databases write for one and the same thing.

Answers for: truths, instants, regions, marketplaces, kinds and languages in the forms in which they
are found in the field. Does not answer for: which of them are allowed together.

An instant without a zone is taken for UTC: a day more or less matters to nobody here, as reminders
come weekly.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from evergrant.rules.ids import LANGUAGES
from evergrant.rules.marketplaces import Marketplaces, PartnerKind, Region, VendorKind

__all__ = [
    "instant",
    "language",
    "listed",
    "marketplace",
    "partner_kinds",
    "region",
    "truth",
    "vendor_kind",
]

_YES = frozenset({"1", "true", "t", "yes", "y", "on", "x", "ja", "j", "wahr", "checked", "\1"})
_NO = frozenset({"0", "false", "f", "no", "n", "off", "", "nein", "falsch", "unchecked", "\0"})
_REGIONS = {
    Region.NA: ("na", "northamerica", "america", "americas", "us", "useast1"),
    Region.EU: ("eu", "europe", "euwest1", "emea"),
    Region.FE: ("fe", "fareast", "asia", "apac", "jp", "uswest2"),
}
_REGION_OF = {word: region for region, words in _REGIONS.items() for word in words}
_SELLERS = frozenset({"seller", "sellers", "sellercentral", "sc", "3p", "merchant"})
_VENDORS = frozenset({"vendor", "vendors", "vendorcentral", "vc", "1p"})
_BOTH = frozenset({"both", "all", "sellerandvendor", "sellersandvendors", "hybrid"})
_RETAIL = frozenset({"retail", "retailer", "wholesale", "1p", "purchaseorders"})
_DIRECT = frozenset(
    {"directfulfillment", "directfulfilment", "df", "dropship", "dropshipping", "direct"}
)
_TONGUES = {
    **dict.fromkeys(("eng", "english", "englisch", "anglais", "inglese", "inglés"), "en"),
    **dict.fromkeys(("deu", "ger", "german", "deutsch", "allemand", "tedesco", "alemán"), "de"),
    **dict.fromkeys(("fra", "fre", "french", "französisch", "français", "francese"), "fr"),
    **dict.fromkeys(("ita", "italian", "italienisch", "italien", "italiano"), "it"),
    **dict.fromkeys(("spa", "spanish", "spanisch", "espagnol", "spagnolo", "español"), "es"),
}


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text.casefold())


def truth(text: str) -> bool | None:
    """None where it is neither."""
    word = text.strip().casefold()
    return True if word in _YES else False if word in _NO else None


def listed(text: str) -> list[str]:
    """``A,B``, ``A; B``, ``{A,B}`` of PostgreSQL, ``["A", "B"]``."""
    return [
        part for part in re.split(r"[\s,;|]+", text.strip(" {}[]\t\n").replace('"', "")) if part
    ]


def instant(text: str) -> datetime | None:
    """None for what means "never" in databases. Raises ValueError, with words, for anything that is
    no instant or could be two."""
    text = text.strip()
    if not text or text.startswith("0000-00-00") or text in ("0", "-"):
        return None
    try:
        found = _instant(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError("is no date that can be read; write 2026-03-01") from None
    if found is None:
        raise ValueError("may be two dates, day or month first; write 2026-03-01")
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not 2000 <= found.year <= 2200:
        raise ValueError("is no date of this century")
    return found.astimezone(UTC)


def _instant(text: str) -> datetime | None:
    if re.fullmatch(r"\d{9,10}(\.\d+)?", text, re.ASCII):
        return datetime.fromtimestamp(float(text), UTC)
    if re.fullmatch(r"\d{12,13}", text, re.ASCII):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    german = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T,]+(\d\d:\d\d(?::\d\d)?))?", text)
    if german:
        day, month, year, time = german.groups()
        return datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}T{time or '00:00'}")
    slashed = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T,]+(\d\d:\d\d(?::\d\d)?))?", text)
    if slashed:
        one, other, year, time = slashed.groups()
        if int(one) <= 12 and int(other) <= 12 and one != other:
            return None
        day, month = (one, other) if int(one) > 12 else (other, one)
        return datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}T{time or '00:00'}")
    text = re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", text)
    text = re.sub(r" ?UTC$", "+00:00", text)
    found = datetime.fromisoformat(text)
    return found + timedelta(0)


def region(text: str) -> str:
    """``eu``; what nobody knows stays as it is."""
    host = re.search(r"sellingpartnerapi-(na|eu|fe)\b", text.casefold())
    if host:
        return host[1]
    found = _REGION_OF.get(_bare(text))
    return found.value if found else text.strip().lower()


def marketplace(text: str, marketplaces: Marketplaces) -> str:
    """A country code out of a code, an id of a marketplace, a name or an address; what nobody
    knows stays as it is."""
    text = text.strip()
    known = marketplaces.by_id(text)
    if known:
        return known.country_code
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    ending = re.search(r"(?:^|\.)amazon(\.[a-z.]+)$", host)
    for row in marketplaces.rows:
        if row.name.casefold() == text.casefold():
            return row.country_code
        if ending and row.seller_central.endswith(f".amazon{ending[1]}"):
            if not row.seller_central.endswith("sellercentral-europe.amazon.com"):
                return row.country_code
        elif ending and row.vendor_central.endswith(f".amazon{ending[1]}"):
            return row.country_code
    return text.upper()


def partner_kinds(text: str) -> list[str]:
    """Words of `PartnerKind`; what nobody knows stays as it is."""
    if _bare(text) in _BOTH:
        return [kind.value for kind in PartnerKind]
    return list(dict.fromkeys(_partner_kind(word) for word in listed(text) if word != "and"))


def _partner_kind(word: str) -> str:
    bare = _bare(word)
    if bare in _SELLERS:
        return PartnerKind.SELLER.value
    return PartnerKind.VENDOR.value if bare in _VENDORS else word.lower()


def vendor_kind(text: str) -> str:
    bare = _bare(text)
    if bare in _RETAIL:
        return VendorKind.RETAIL.value
    return VendorKind.DIRECT_FULFILLMENT.value if bare in _DIRECT else text.strip().lower()


def language(text: str) -> str | None:
    """None where there are no letters in it. A code may have a region behind it: ``de-AT``,
    ``fr_FR.UTF-8``, ``deDE``."""
    bare = _bare(text)
    code = re.split(r"[\W_]", text.strip().casefold())[0]
    found = _TONGUES.get(bare, code[:2] if len(code) in (2, 4) else code)
    return found if found in LANGUAGES else None
