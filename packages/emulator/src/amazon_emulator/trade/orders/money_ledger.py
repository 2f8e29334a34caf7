"""All bookings of a seller in one region, in the order in which they were posted.

Answers for: what both Finances APIs tell of: which bookings are old enough to be told, and the
settlement group of each. What is approximated: a group is two weeks of one currency; Amazon's fees
are not played, so a seller gets all that a buyer pays.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders.orders import Booking, Order, Orders

__all__ = ["GROUP_LASTS", "Entry", "Group", "entries", "group_of", "groups"]

GROUP_LASTS = timedelta(days=14)
_EPOCH = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Group:
    """Two weeks of one seller's bookings in one currency."""

    group_id: str
    currency: str
    starts_at: datetime

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + GROUP_LASTS


@dataclass(frozen=True)
class Entry:
    """One booking with its order."""

    order: Order
    booking: Booking

    @property
    def key(self) -> tuple[datetime, str]:
        return self.booking.posted_at, self.booking.booking_id

    @property
    def group(self) -> Group:
        return group_of(self.order, self.booking.posted_at)


def entries(
    stage: Stage,
    partner_id: str,
    region: Region,
    now: datetime,
    lag: timedelta,
    order_id: str | None = None,
) -> list[Entry]:
    """The oldest first, of one order or of all; those of the last ``lag`` are not told of yet."""
    kept = stage.of(Orders)
    one = kept.find(order_id) if order_id is not None else None
    orders = kept.of_partner(partner_id) if order_id is None else [one] if one else []
    found = [
        Entry(order, booking)
        for order in orders
        if order.partner_id == partner_id and order.marketplace.region == region
        for booking in order.bookings
        if booking.posted_at <= now - lag
    ]
    return sorted(found, key=lambda entry: entry.key)


def group_of(order: Order, posted_at: datetime) -> Group:
    """The group that a booking of this order belongs to."""
    number = (posted_at - _EPOCH) // GROUP_LASTS
    seed = f"{order.partner_id} {order.marketplace.region} {order.currency} {number}".encode()
    group_id = hashlib.sha256(seed).hexdigest()[:32]
    return Group(group_id, order.currency, _EPOCH + number * GROUP_LASTS)


def groups(told: list[Entry]) -> list[tuple[Group, list[Entry]]]:
    """By group, the latest first."""
    found: dict[str, tuple[Group, list[Entry]]] = {}
    for entry in told:
        group = entry.group
        found.setdefault(group.group_id, (group, []))[1].append(entry)
    rows = sorted(found.values(), key=lambda row: row[0].group_id)
    return sorted(rows, key=lambda row: row[0].starts_at, reverse=True)
