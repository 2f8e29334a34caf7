"""The script of a simulated day in the kitchen: who is there, what each hands in and what happens.

Answers for: accounts with their behaviours, and the shape of what they hand in. Does not answer
for: the lines themselves (day_lines), doing any of it (day_world), or for what has to come of it
(day_oracle).

The day has waves: at each, every account hands in one batch or two. `ACTS_AFTER` a wave all that
can go has gone; then people act (switches, pauses, authorizations), and so on until the next wave.
What is done "after wave -1" is so from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = [
    "ACTS_AFTER",
    "AGAIN",
    "BAD",
    "BEGIN",
    "CURRENCIES",
    "FAILING",
    "KINDS",
    "WAREHOUSE",
    "Act",
    "Fields",
    "Line",
    "Plan",
    "Shop",
    "acts_at",
    "behaving",
    "wave_at",
]

KINDS = ("stock", "price", "shipment", "invoice", "cancellation", "refund")
BEGIN = datetime(2031, 3, 3, 6, tzinfo=UTC)
STEP = timedelta(minutes=120)
ACTS_AFTER = timedelta(minutes=75)
#: Of the lines that are no repetition.
BAD = 0.02
#: Of the lines that are about something which happens once.
AGAIN = 0.06
Fields = dict[str, Any]
#: Feed type, status, and whether with a report.
Troubles = tuple[tuple[str, str, str], ...]

CURRENCIES = {
    **dict.fromkeys(("DE", "FR", "IT", "ES"), "EUR"),
    "US": "USD",
    "CA": "CAD",
    "MX": "MXN",
    "JP": "JPY",
    "AU": "AUD",
    "PL": "PLN",
}
#: Region, home, marketplaces.
HOMES = (
    ("eu", "DE", ("DE", "FR", "IT")),
    ("na", "US", ("US", "CA", "MX")),
    ("fe", "JP", ("JP",)),
    ("eu", "FR", ("FR", "DE")),
    ("fe", "AU", ("AU",)),
    ("na", "CA", ("CA", "US")),
    ("eu", "PL", ("PL", "DE", "ES")),
)
VENDOR_HOMES = (("eu", "DE"), ("na", "US"), ("eu", "FR"))
#: A SKU that Amazon refuses whatever is said of it, and its words.
FAILING = ("BAD-1", "8560", "The SKU data provided does not match the day's script.")
WAREHOUSE = "WH01"


def wave_at(wave: int) -> datetime:
    return BEGIN + wave * STEP


def acts_at(wave: int) -> datetime:
    return wave_at(wave) + ACTS_AFTER


@dataclass(frozen=True)
class Act:
    """``what``: off, on (a switch), pause, resume, lapse, renew; after a wave. ``kind``: of the
    switch."""

    after: int
    what: str
    kind: str = ""


@dataclass
class Shop:
    """One account. ``troubles``: how Amazon ends some feeds of its in the middle of the day."""

    number: int
    behaviour: str
    role: str  # seller, retail, direct
    region: str
    home: str
    marketplaces: tuple[str, ...]
    acts: tuple[Act, ...] = ()
    troubles: Troubles = ()
    in_vat_service: bool = False
    skus: tuple[str, ...] = ()
    orders: list[Fields] = field(default_factory=list)  # as Amazon's levers take them

    @property
    def name(self) -> str:
        return f"Day {self.number:03d} {self.role} {self.behaviour}"

    @property
    def vendor_code(self) -> str:
        return f"V{self.number:04d}"


@dataclass(frozen=True)
class Line:
    """One line as it is handed in. ``sort``: "good", or what is bad about it; ``slot``: what it is
    about, within its account and kind; ``of``: the line that it repeats or contradicts."""

    number: int
    shop: Shop
    wave: int
    batch: int
    kind: str
    sort: str
    slot: str
    fields: Fields
    of: int = 0


@dataclass
class Plan:
    waves: int
    shops: list[Shop]
    lines: list[Line]

    def batches(self, wave: int) -> dict[tuple[int, int], list[Line]]:
        """By shop and batch, in the order in which they are handed in."""
        found: dict[tuple[int, int], list[Line]] = {}
        for line in self.lines:
            if line.wave == wave:
                found.setdefault((line.shop.number, line.batch), []).append(line)
        return dict(sorted(found.items()))


# --- who is there ---------------------------------------------------------------------------------


def _sellers(last: int) -> Sequence[tuple[str, tuple[Act, ...], Troubles]]:
    """``last``: the number of the last wave."""
    mid = last // 2
    order_kinds = ("shipment", "cancellation", "refund")
    return (
        (
            "all on, in trouble",
            (),
            (
                ("JSON_LISTINGS_FEED", "DONE", "none"),
                ("POST_PAYMENT_ADJUSTMENT_DATA", "CANCELLED", "usual"),
            ),
        ),
        ("stock off all day", (Act(-1, "off", "stock"),), ()),
        ("price off and on", (Act(0, "off", "price"), Act(last - 1, "on", "price")), ()),
        ("pauses", (Act(0, "pause"), Act(last - 1, "resume")), ()),
        ("lapses and renews", (Act(0, "lapse"), Act(last - 1, "renew")), ()),
        (
            "orders off at first",
            (
                *(Act(-1, "off", kind) for kind in order_kinds),
                *(Act(mid, "on", kind) for kind in order_kinds),
            ),
            (("JSON_LISTINGS_FEED", "CANCELLED", "usual"),),
        ),
        (
            "evening off",
            tuple(Act(mid, "off", kind) for kind in ("invoice", "price", "refund")),
            (("JSON_LISTINGS_FEED", "FATAL", "usual"),),
        ),
        ("paused for good", (Act(mid, "pause"),), ()),
        ("lapses for good", (Act(mid, "lapse"),), ()),
        ("all on", (), ()),
    )


def _retail(last: int) -> Sequence[tuple[str, tuple[Act, ...]]]:
    return (
        ("all on", ()),
        ("shipments off at first", (Act(-1, "off", "shipment"), Act(last - 1, "on", "shipment"))),
        ("invoices off all day", (Act(-1, "off", "invoice"),)),
    )


def _direct(last: int) -> Sequence[tuple[str, tuple[Act, ...]]]:
    return (
        ("all on", ()),
        ("stock off and on", (Act(0, "off", "stock"), Act(last - 1, "on", "stock"))),
        ("pauses", (Act(0, "pause"), Act(last - 1, "resume"))),
    )


def behaving(accounts: int, waves: int) -> list[Shop]:
    """One account in ten is a retail vendor, one in ten one of direct fulfillment; three of each
    at least."""
    vendors = max(3, accounts // 10)
    sellers, retail, direct = _sellers(waves - 1), _retail(waves - 1), _direct(waves - 1)
    shops: list[Shop] = []
    for number in range(1, accounts + 1):
        place = number - 1
        if place < accounts - 2 * vendors:
            name, acts, troubles = sellers[place % len(sellers)]
            region, home, markets = HOMES[place % len(HOMES)]
            shop = Shop(number, name, "seller", region, home, markets, acts, troubles)
            shop.in_vat_service = region == "eu" and place % 2 == 0
        else:
            role, table = ("retail", retail) if place % 2 else ("direct", direct)
            name, acts = table[place // 2 % len(table)]
            region, home = VENDOR_HOMES[place % len(VENDOR_HOMES)]
            shop = Shop(number, name, role, region, home, (home,), acts)
        shops.append(shop)
    return shops
