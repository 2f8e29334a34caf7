"""What readers of lines work with: the line, what it is judged against, and what it becomes.

Answers for: taking fields out of a line strictly (types, shapes, amounts, instants), noting every
fault of it rather than the first, and naming fields that nobody reads with a guess at what was
meant. Does not answer for: which fields a kind has (the files beside this one).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from evergrant.rules.changes import ChangeKind
from evergrant.rules.faults import Fault
from evergrant.rules.flags import Flag
from evergrant.rules.marketplaces import (
    Marketplace,
    Marketplaces,
    PartnerKind,
    Region,
    VendorKind,
    country_code,
)
from evergrant.rules.wishes.words import (
    guess,
    how_to_write,
    is_empty,
    places_in_words,
    plain,
    shown,
)

__all__ = [
    "MOST_DIGITS",
    "MOST_PIECES",
    "Lines",
    "Reader",
    "Refused",
    "Wish",
    "WishGround",
    "decimals_of",
]

#: Digits before the point that an amount may have.
MOST_DIGITS = 12
#: Pieces of one thing.
MOST_PIECES = 999_999_999

#: Currencies of Amazon's stores that have no smaller unit (ISO 4217); all others have two places.
_WITHOUT_CENTS = frozenset({"JPY", "KRW", "VND", "CLP"})

_BLANKS: Mapping[int, None] = MappingProxyType(dict.fromkeys(map(ord, " \t\r\n")))
_LONGEST_AMOUNT = 40
_AMOUNT = re.compile(r"[0-9]+(?:\.([0-9]+))?")
_WHOLE = re.compile(r"[0-9]{1,18}")
_ORDER_ID = re.compile(r"[0-9]{3}-[0-9]{7}-[0-9]{7}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WishGround:
    """What lines are judged against: one account at one instant. ``participating``: ids of the
    marketplaces where it sells, None where Amazon has not told them (vendors, a fresh account)."""

    partner_kind: PartnerKind
    vendor_kind: VendorKind | None = None
    region: Region
    home_marketplace: str  # country code
    marketplaces: Marketplaces
    participating: frozenset[str] | None = None
    flags: Mapping[Flag, bool] = field(default_factory=dict)
    vendor_codes: tuple[str, ...] = ()
    now: datetime

    @property
    def home(self) -> Marketplace:
        return self.marketplaces.by_country(self.home_marketplace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a good line means. ``wish`` is JSON in one fixed form, so that two lines that mean the
    same are equal; it repeats neither ``subject`` nor ``marketplace_id``, and never the content of
    a file: that is ``attachment``."""

    kind: ChangeKind
    marketplace_id: str = ""  # "": it knows none (vendors)
    subject: str  # SKU of stock and price, Amazon's order id of everything else
    key: str  # what a later wish of the same kind and marketplace takes the place of
    reference: str = ""  # the caller's own name for it
    wish: Mapping[str, Any] = field(default_factory=dict)
    attachment: bytes | None = field(default=None, repr=False)


class Refused(ValueError):
    """A line that is not taken, with everything that is wrong with it. ``given``: what it holds,
    where nobody could make a line of it (a row of a file)."""

    def __init__(self, faults: Iterable[Fault], given: Mapping[str, object] | None = None) -> None:
        self.faults = tuple(faults)
        self.given = dict(given or {})
        super().__init__(" ".join(one.message for one in self.faults))


class Lines:
    """The fields of one line, or of one item within it.

    Every verb takes the field's name, gives what it means, or an empty value when it is absent or
    wrong; then a fault is noted. So a reader goes on to the end, and the caller hears of all
    faults at once. Fields that no verb asked for are unknown: ``settle`` notes them and raises.
    """

    def __init__(self, given: Mapping[str, object], within: str = "") -> None:
        """``within``: where these fields stand, "items[2]"."""
        self._given = given
        self._within = within
        self._asked: dict[str, None] = {}
        self._hidden: set[str] = set()
        self._parts: list[Lines] = []
        self._faults: list[Fault] = []

    # --- noting ---

    def fault(self, name: str | None, code: str, message: str, hint: str | None = None) -> None:
        """Notes what is wrong with a field, or (None) with the line as a whole. Messages never
        repeat a value: it may be a secret in the wrong field."""
        at = self._at(name) if name else self._within or None
        self._faults.append(Fault(code, message, field=at, hint=hint))

    def has_faults(self) -> bool:
        return bool(self.noted())

    def noted(self) -> list[Fault]:
        """All that was noted so far, without the names that nobody asked for."""
        return [*self._faults, *(fault for part in self._parts for fault in part.noted())]

    def not_here(self, name: str, why: str, hint: str | None = None) -> None:
        """A field that others have and this one must not: refused when it holds anything. Not
        offered as a guess for a name that nobody knows."""
        self._asked[name] = None
        self._hidden.add(name)
        if not is_empty(self._given.get(name)):
            self.fault(name, "not_here", why, hint)

    def settle(self) -> None:
        """Raises Refused when anything was wrong; names that nobody asked for are."""
        faults = self.faults()
        if faults:
            raise Refused(faults)

    def faults(self) -> list[Fault]:
        """All that was noted, and then the names that nobody asked for."""
        known = [name for name in self._asked if name not in self._hidden]
        unknown = [
            Fault(
                "unknown_field",
                "is no field that is known here.",
                field=self._at(shown(str(name))),
                hint=f"{guess(str(name), known)}Fields are: {', '.join(known)}.",
            )
            for name in self._given
            if name not in self._asked
        ]
        return [
            *self._faults,
            *(fault for part in self._parts for fault in part.faults()),
            *unknown,
        ]

    # --- reading ---

    def holds(self, name: str) -> bool:
        """Whether the field is there and not empty."""
        self._asked[name] = None
        return not is_empty(self._given.get(name))

    def text(
        self, name: str, *, optional: bool = False, longest: int = 200, shape: str = "",
        looks: str = "",
    ) -> str:  # fmt: skip
        """Printable text without blanks at its ends. ``shape``: a pattern that all of it must
        match; ``looks``: how to say that."""
        value = self._value(name, optional)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fault(name, "wrong_type", "must be text.")
            return ""
        text = value.strip()
        if not text.isprintable():
            self.fault(name, "not_printable", "holds characters that cannot be printed.")
        elif len(text) > longest:
            self.fault(name, "too_long", f"is longer than {longest} characters.")
        elif shape and not re.fullmatch(shape, text):
            self.fault(name, "wrong_shape", "does not look as it should.", looks or None)
        else:
            return text
        return ""

    def word(self, name: str, words: Collection[str], *, optional: bool = False) -> str:
        """One of these words; large and small letters, ``_``, ``-`` and blanks do not matter."""
        text = self.text(name, optional=optional)
        if not text:
            return ""
        known = {plain(word): word for word in words}
        if (found := known.get(plain(text))) is not None:
            return found
        self.fault(
            name,
            "unknown_value",
            "is none of the known values.",
            f"{guess(text, words)}Known are: {', '.join(words)}.",
        )
        return ""

    def whole(
        self, name: str, *, least: int = 0, most: int = MOST_PIECES, optional: bool = False
    ) -> int | None:
        """A whole number, as number or as digits."""
        value = self._value(name, optional)
        if value is None:
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value.strip())
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, "not_whole", "must be a whole number, without sign or separators.")
        elif not least <= value <= most:
            self.fault(name, "out_of_range", f"must be from {least} to {most}.")
        else:
            return value
        return None

    def amount(
        self, name: str, *, places: int = 2, zero: bool = False, optional: bool = False
    ) -> str:
        """Money as decimal text with exactly ``places`` places, above zero (or from zero on).
        Amounts that were written as a binary fraction are refused: nobody knows what was meant."""
        value = self._value(name, optional)
        if value is None:
            return ""
        if isinstance(value, float):
            self.fault(
                name,
                "not_decimal_text",
                "must be text: a number with a point loses its last digit in some programs.",
                'Write it in quotes: "19.99".',
            )
            return ""
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MOST_DIGITS:
            value = str(value)
        text = value.strip() if isinstance(value, str) else ""
        match = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST_AMOUNT else None
        if match is None:
            self.fault(
                name, "not_an_amount", "is not an amount.", how_to_write(value, places, zero=zero)
            )
            return ""
        number = Decimal(text)
        written = match[1] or ""
        # "1.000" is a thousand to some, one to others: no place more than anybody writes.
        if len(written) > max(places, 2) or len(written.rstrip("0")) > places:
            self.fault(name, "too_many_places", f"may have {places_in_words(places)} only.")
        elif number == 0 and not zero:
            self.fault(name, "not_above_zero", "must be above zero.")
        elif number >= Decimal(10) ** MOST_DIGITS:
            self.fault(name, "out_of_range", "is too large.")
        else:
            # Without the exponent form, and without a context that could round it.
            whole, _, fraction = text.partition(".")
            whole = whole.lstrip("0") or "0"
            return f"{whole}.{fraction[:places].ljust(places, '0')}" if places else whole
        return ""

    def instant(
        self, name: str, *, earliest: datetime, latest: datetime, optional: bool = False
    ) -> str:
        """An ISO 8601 instant with its time zone, within these bounds, as UTC to the second:
        ``2026-11-21T10:00:00Z``."""
        text = self.text(name, optional=optional)
        if not text:
            return ""
        looks = "It looks like 2026-11-21T10:00:00Z or 2026-11-21T11:00:00+01:00."
        try:
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is None:
                self.fault(name, "naive_instant", "must say its time zone.", looks)
                return ""
            instant = instant.astimezone(UTC).replace(microsecond=0)
        except (ValueError, OverflowError):
            self.fault(name, "not_an_instant", "is not an instant.", looks)
            return ""
        if not earliest - timedelta(seconds=1) <= instant <= latest:
            self.fault(
                name,
                "out_of_range",
                f"must lie between {earliest:%Y-%m-%d} and {latest:%Y-%m-%d %H:%M} UTC.",
            )
            return ""
        return instant.strftime("%Y-%m-%dT%H:%M:%SZ")

    def parts(self, name: str, *, most: int = 1000, optional: bool = False) -> list[Lines]:
        """A list of objects, each to be read in turn."""
        value = self._value(name, optional)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            self.fault(name, "wrong_type", "must be a list.")
            return []
        if not value and not optional:
            self.fault(name, "missing", "needs at least one.")
        if len(value) > most:
            self.fault(name, "too_many", f"may hold {most} at most.")
            return []
        found = []
        for number, one in enumerate(value):
            if not isinstance(one, Mapping):
                self.fault(f"{name}[{number}]", "wrong_type", "must be an object.")
                continue
            part = Lines(one, self._at(f"{name}[{number}]"))
            self._parts.append(part)
            found.append(part)
        return found

    def order_id(self, name: str = "order_id", *, optional: bool = False) -> str:
        """Amazon's order id, as sellers have it: 3, 7 and 7 digits (orders 2026-01-01 model)."""
        text = self.text(name, optional=optional)
        if not text or _ORDER_ID.fullmatch(text):
            return text
        self.fault(
            name,
            "not_an_order_id",
            "is not an order id of Amazon's.",
            "It looks like 302-1234567-1234567.",
        )
        return ""

    def order_item_id(self, name: str = "order_item_id") -> str:
        """Amazon's id of one line of an order."""
        return self.text(
            name,
            longest=64,
            shape=r"[A-Za-z0-9_\-]+",
            looks="It is digits, such as 68828574383266.",
        )

    def sku(self, name: str = "sku") -> str:
        """The seller's own name of a thing; Amazon takes 40 characters."""
        return self.text(name, longest=40)

    def currency(self, marketplace: Marketplace | None, name: str = "currency") -> str:
        """That of the marketplace, and it has to be said: an amount in another one is a mistake
        that costs money."""
        text = self.text(name, longest=10).upper()
        if not text or marketplace is None:
            return text
        if text != marketplace.currency:
            self.fault(
                name,
                "wrong_currency",
                f"must be {marketplace.currency}, the currency of {marketplace.name}.",
                "Name the 'marketplace' if another one is meant.",
            )
            return ""
        return text

    def content(self, name: str, *, begins: bytes, most: int) -> bytes:
        """A file: base64 text, or its bytes. ``begins``: how it has to begin; ``most``: bytes."""
        value = self._value(name, optional=False)
        if value is None:
            return b""
        if isinstance(value, str):
            try:
                value = b64decode(value.translate(_BLANKS), validate=True)
            except ValueError:
                self.fault(
                    name, "not_base64", "is not base64.", "Encode the file as RFC 4648 has it."
                )
                return b""
        kind = begins.decode().strip("%")
        if not isinstance(value, bytes):
            self.fault(name, "wrong_type", "must be text in base64.")
        elif len(value) > most:
            self.fault(name, "too_large", f"may have {most // 1024**2} MiB at most.")
        elif not value.startswith(begins):
            self.fault(name, "wrong_content", f"is no {kind}: it does not begin like one.")
        else:
            return value
        return b""

    def differ(self, name: str, by: str, values: Iterable[str]) -> None:
        """Notes a list whose parts are not all of different things."""
        seen: set[str] = set()
        for number, value in enumerate(values):
            if value and value in seen:
                self.fault(f"{name}[{number}]", "repeated", f"names a '{by}' for a second time.")
            seen.add(value)

    def marketplace_id(self, about: WishGround) -> str:
        """As ``marketplace``; its id."""
        found = self.marketplace(about)
        return found.marketplace_id if found else ""

    def marketplace(self, about: WishGround, name: str = "marketplace") -> Marketplace | None:
        """Of a country code or a marketplace id; the home marketplace when it is absent. It has to
        lie in the account's region, and the account has to sell there where Amazon told."""
        known = about.marketplaces
        text = self.text(name, optional=True)
        if not text:
            if self.holds(name):
                return None  # its fault is noted
            row: Marketplace | None = about.home
        else:
            row = known.by_id(text) or next(
                (one for one in known.rows if one.country_code == country_code(text)), None
            )
        if row is None:
            there = [one.country_code for one in known.in_region(about.region)]
            self.fault(
                name,
                "unknown_marketplace",
                "is no marketplace that we know.",
                f"{guess(text, there)}In this region there are: {', '.join(sorted(there))}.",
            )
            return None
        if row.region is not about.region:
            self.fault(
                name,
                "other_region",
                f"{row.name} is in region {row.region.value.upper()}; this account is in "
                f"{about.region.value.upper()}.",
                "A seller has one account for each region.",
            )
            return None
        if about.participating is not None and row.marketplace_id not in about.participating:
            sells = sorted(
                found.country_code
                for one in about.participating
                if (found := known.by_id(one)) is not None
            )
            self.fault(
                name,
                "not_participating",
                f"By what Amazon tells, this account does not sell in {row.name}.",
                f"It sells in: {', '.join(sells)}." if sells else None,
            )
            return None
        return row

    def reference(self, *, optional: bool = True) -> str:
        """The caller's own name for the line."""
        return self.text("reference", optional=optional, longest=100)

    # --- what stands behind the verbs ---

    def _value(self, name: str, optional: bool) -> object | None:
        self._asked[name] = None
        value = self._given.get(name)
        if is_empty(value):
            if not optional:
                self.fault(name, "missing", "is needed.")
            return None
        return value

    def _at(self, name: str) -> str:
        return f"{self._within}.{name}" if self._within else name


#: Reads the lines of one kind. It goes on to the end whatever is wrong; ``Lines`` notes it.
Reader = Callable[[Lines, WishGround], Wish]


def decimals_of(currency: str) -> int:
    """Places that amounts of this currency have."""
    return 0 if currency in _WITHOUT_CENTS else 2
