"""Which orders are asked for next: windows of time, lists, and how long a failure is waited for.

Answers for: the span of a sweep from the bound of the last one, the lists that make it complete,
what is asked of an order as far as Amazon's roles allow, what an account lacks, and the next
instant after a failure. Does not answer for: asking, or for what is found.

What the numbers come from (Amazon's models and pages): ``lastUpdatedBefore`` of searchOrders lies
at least two minutes in the past; getPurchaseOrders takes spans of seven days at most and lists what
was created or what was changed, never both at once; getOrders of direct fulfillment lists by the
instant of creation alone, so that a later change is only seen by looking once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "BEHIND",
    "DIRECT_LISTS",
    "FIRST_SPAN",
    "KEPT",
    "LEVELS",
    "RETAIL_LISTS",
    "SELLER_LISTS",
    "Lack",
    "Listing",
    "Place",
    "Window",
    "after_failure",
    "asked_for",
    "halved",
    "is_new_day",
    "less_than",
    "lists_after",
    "next_bound",
    "seller_window",
    "vendor_window",
    "why",
]

#: So long an order is kept after its last change (Amazon's Data Protection Policy: 30 days for
#: personal data), so nothing that is older is asked for either.
KEPT = timedelta(days=30)
FIRST_SPAN = KEPT
#: Amazon takes two minutes; its clock and ours may differ by some seconds.
SETTLED = timedelta(minutes=3)
OVERLAP_OF_SELLERS = timedelta(minutes=10)
#: Vendors' calls are cheap (ten a second), and their lists lag.
OVERLAP_OF_VENDORS = timedelta(hours=1)
LONGEST = timedelta(days=7)
#: A bound this far back has windows before it that were not read.
BEHIND = timedelta(hours=1)
SHORTEST = timedelta(hours=1)

#: After failures in a row.
LADDER: Sequence[timedelta] = (
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
)


class Lack(StrEnum):
    """Why orders of an account are not read, or not whole."""

    MERCHANT_TOKEN = "merchant_token"  # noqa: S105
    VENDOR_CODE = "vendor_code"
    TAX_DATA = "tax_data"
    PERSONAL_DATA = "personal_data"

    @property
    def stops(self) -> bool:
        """Whether nothing is asked at all."""
        return self in (Lack.MERCHANT_TOKEN, Lack.VENDOR_CODE)


_WHY: Mapping[Lack, str] = MappingProxyType(
    {
        Lack.MERCHANT_TOKEN: "The account has no merchant token: its orders are not read. Add it.",
        Lack.VENDOR_CODE: "The account has no vendor code: its orders are not read. Add one.",
        Lack.TAX_DATA: "Amazon refuses the application the buyers' tax data (roles Tax Invoicing "
        "or Tax Remittance): orders come without. It is asked again once a day.",
        Lack.PERSONAL_DATA: "Amazon refuses the application personal data (role Direct-to-Consumer "
        "Delivery): orders come without buyer and address. It is asked again once a day.",
    }
)


def why(lack: str) -> str:
    """As a sentence; empty for none."""
    return _WHY[Lack(lack)] if lack else ""


# --- what is asked of an order --------------------------------------------------------------------

#: Of orders 2026-01-01. PAYMENT is not asked for: nobody needs a buyer's card to ship goods.
_HARMLESS = (
    "FULFILLMENT",
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "PACKAGES",
    "FULFILLMENT_ORDERS",
)
#: The most that is asked for, and what is asked for instead where Amazon refuses.
LEVELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": ("BUYER", "RECIPIENT", "TAX", *_HARMLESS),
        Lack.TAX_DATA.value: ("BUYER", "RECIPIENT", *_HARMLESS),
        Lack.PERSONAL_DATA.value: _HARMLESS,
    }
)
_DOWN: Mapping[str, str] = MappingProxyType(
    {"": Lack.TAX_DATA.value, Lack.TAX_DATA.value: Lack.PERSONAL_DATA.value}
)


def asked_for(lack: str) -> tuple[str, ...]:
    return LEVELS[lack]


def less_than(lack: str) -> str | None:
    """What is tried after a refusal at this level; None: it was the last."""
    return _DOWN.get(lack)


def is_new_day(last_at: datetime | None, now: datetime) -> bool:
    """What Amazon refused is tried again once a day: roles are added."""
    return last_at is None or last_at.date() != now.date()


# --- windows --------------------------------------------------------------------------------------


class Listing(StrEnum):
    """The lists that Amazon has of orders."""

    UPDATED = "updated"
    CREATED = "created"
    CHANGED = "changed"


SELLER_LISTS = (Listing.UPDATED,)
RETAIL_LISTS = (Listing.CREATED, Listing.CHANGED)
DIRECT_LISTS = (Listing.CREATED,)


def lists_after(lists: Sequence[Listing], one: Listing) -> Listing | None:
    place = lists.index(one) + 1
    return lists[place] if place < len(lists) else None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a window was read: a list, and Amazon's mark of its next page (empty: the first)."""

    listing: Listing
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.listing.value}:{self.mark}"

    @classmethod
    def read(cls, text: str) -> Place:
        listing, _, mark = text.partition(":")
        return cls(Listing(listing), mark)


@dataclass(frozen=True, slots=True)
class Window:
    """Whole seconds. What changed from ``since`` until ``until``."""

    since: datetime
    until: datetime


def seller_window(bound: datetime | None, now: datetime) -> Window | None:
    """At most seven days, so that it is read before Amazon's marks of its pages die (24 hours, in
    which a full bucket and its refill give some 500 pages). None: nothing could be new."""
    return _window(bound, now, OVERLAP_OF_SELLERS)


def vendor_window(
    bound: datetime | None, now: datetime, swept_at: datetime | None
) -> Window | None:
    """At most seven days; where that does not reach until now, the next window goes on. Once an
    hour all of the last seven days is looked through, for changes that no list tells of."""
    found = _window(bound, now, OVERLAP_OF_VENDORS)
    if found is None or (swept_at is not None and _hour(swept_at) == _hour(now)):
        return found
    back = max(found.until - LONGEST, _second(now - FIRST_SPAN))
    return Window(min(found.since, back), found.until)


def _window(bound: datetime | None, now: datetime, overlap: timedelta) -> Window | None:
    settled = _second(now - SETTLED)
    if bound is not None and settled <= bound:
        return None
    oldest = now - FIRST_SPAN
    since = _second(oldest if bound is None else max(bound - overlap, oldest))
    return Window(since, min(settled, since + LONGEST))


def halved(window: Window) -> Window:
    """Its first half: what is tried when the marks of a window's pages died on the way."""
    half = max((window.until - window.since) / 2, SHORTEST)
    return Window(window.since, min(window.until, _second(window.since + half)))


def next_bound(bound: datetime | None, window: Window, read_until: datetime | None) -> datetime:
    """Everything that changed before was seen. Amazon may say that it read less far than it was
    asked to; never farther. A bound does not go back."""
    reached = window.until if read_until is None else min(read_until, window.until)
    return reached if bound is None else max(bound, reached)


def after_failure(now: datetime, failures: int) -> datetime:
    """``failures`` in a row, at least one."""
    return now + LADDER[min(failures, len(LADDER)) - 1]


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _hour(at: datetime) -> tuple[object, int]:
    return at.date(), at.hour
