"""What an operator asks the list of accounts for, as a value and as the query of an address.

Answers for: reading a query leniently (an address that somebody kept must still open the list:
what is not understood is left out), and writing it. Does not answer for: what is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from evergrant.ports.boards import AccountSort, AccountsWanted
from evergrant.rules import words
from evergrant.rules.attention import Need
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind

__all__ = ["LONGEST_SEARCH", "MOST_WORDS", "PAGE_SIZE", "AccountQuery", "AccountSort"]

Word = TypeVar("Word", bound=StrEnum)

PAGE_SIZE = 50
MOST_PER_PAGE = 200
LAST_PAGE = 100_000
LONGEST_SEARCH = 200
#: More than are ever typed; each costs a look into an index.
MOST_WORDS = 8
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountQuery:
    """``text``: beginnings of words of the name, the client e-mail, the merchant token or vendor
    codes, the selling partner id or the id. ``ends_within``: days in which the term ends. ``page``
    counts from 1."""

    text: str = ""
    states: frozenset[State] = frozenset()  # none: all
    partner_kind: PartnerKind | None = None
    vendor_kind: VendorKind | None = None
    region: Region | None = None
    application_id: str | None = None
    client_instance_id: str | None = None
    flag_off: Flag | None = None
    ends_within: int | None = None
    needing: bool = False
    need: Need | None = None
    sort: AccountSort = AccountSort.NAME
    descending: bool = False
    page: int = 1
    size: int = PAGE_SIZE

    @classmethod
    def read(cls, given: Mapping[str, str]) -> AccountQuery:
        """The values of an address's query: ``q state kind vendor region app instance off ends
        needs sort page``. ``sort=-ends`` is falling; ``needs=1`` all who need somebody, or the name
        of a need; ``state`` may name several, with commas."""
        text = given.get("q", "").strip()[:LONGEST_SEARCH]
        needs = given.get("needs", "").strip()
        sort = given.get("sort", "").strip()
        return cls(
            text=text,
            states=frozenset(
                state
                for name in given.get("state", "").split(",")
                if (state := _word(State, name)) is not None
            ),
            partner_kind=_word(PartnerKind, given.get("kind", "")),
            vendor_kind=_word(VendorKind, given.get("vendor", "")),
            region=_word(Region, given.get("region", "")),
            application_id=_id(given.get("app", "")),
            client_instance_id=_id(given.get("instance", "")),
            flag_off=_word(Flag, given.get("off", "")),
            ends_within=_number(given.get("ends", ""), 0, MOST_DAYS),
            needing=needs == "1",
            need=_word(Need, needs),
            sort=_word(AccountSort, sort.removeprefix("-")) or AccountSort.NAME,
            descending=sort.startswith("-"),
            page=_number(given.get("page", ""), 1, LAST_PAGE) or 1,
        )

    @classmethod
    def of_address(cls, query: str) -> AccountQuery:
        """As ``read``, of the text behind the ``?``."""
        return cls.read(dict(parse_qsl(query.removeprefix("?"))))

    def values(self) -> dict[str, str]:
        """What ``read`` reads; what is as usual is left out."""
        found = {
            "q": self.text,
            "state": ",".join(sorted(state.value for state in self.states)),
            "kind": _text(self.partner_kind),
            "vendor": _text(self.vendor_kind),
            "region": _text(self.region),
            "app": self.application_id or "",
            "instance": self.client_instance_id or "",
            "off": _text(self.flag_off),
            "ends": "" if self.ends_within is None else str(self.ends_within),
            "needs": _text(self.need) or ("1" if self.needing else ""),
            "sort": f"{'-' if self.descending else ''}{self.sort.value}",
            "page": str(self.page) if self.page > 1 else "",
        }
        if found["sort"] == AccountSort.NAME.value:
            del found["sort"]
        return {name: value for name, value in found.items() if value}

    def address(self) -> str:
        """The text behind the ``?``, always the same for the same query."""
        return urlencode(self.values())

    def but(self, **changes: Any) -> AccountQuery:
        """The same with other values, from its first page on unless a page is named."""
        return replace(self, **{"page": 1, **changes})

    @property
    def words(self) -> tuple[str, ...]:
        return words.split(self.text)[:MOST_WORDS]

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but sort and page is asked for."""
        return self.but(sort=AccountSort.NAME, descending=False) != AccountQuery(size=self.size)

    def wanted(self, now: datetime) -> AccountsWanted:
        return AccountsWanted(
            words=self.words,
            states=self.states,
            partner_kind=self.partner_kind,
            vendor_kind=self.vendor_kind,
            region=self.region,
            application_id=self.application_id,
            client_instance_id=self.client_instance_id,
            flag_off=self.flag_off,
            ends_until=None if self.ends_within is None else now + timedelta(days=self.ends_within),
            needing=self.needing,
            need=self.need,
        )


def _word(of: type[Word], text: str) -> Word | None:
    text = text.strip().lower().replace("-", "_")
    return of(text) if text in {one.value for one in of} else None


def _text(word: StrEnum | None) -> str:
    return "" if word is None else word.value


def _id(text: str) -> str | None:
    """No id holds NUL, and no database takes it: such a one is nobody's."""
    return text.strip().replace("\0", "\N{REPLACEMENT CHARACTER}") or None


def _number(text: str, least: int, most: int) -> int | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        return None
    return min(max(int(text), least), most)
