"""Searching orders by the instant of their creation or last update, page by page.

Answers for: the rules that both versions of the Orders API share (Amazon's models ordersV0 and
orders_2026-01-01): exactly one of the two ranges, an upper end at least two minutes in the past, at
most 100 orders a page, and pages that neither lose nor repeat an order while others change.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.trade.orders.orders import Order, Orders

__all__ = ["SETTLED", "Names", "Page", "Span", "choices", "page", "read_span", "span_of"]

# Orders of the last two minutes are not told of yet.
SETTLED = timedelta(minutes=2)


@dataclass(frozen=True)
class Names:
    """The four parameters, as each version spells them."""

    created_after: str
    created_before: str
    updated_after: str
    updated_before: str


@dataclass(frozen=True)
class Span:
    """From ``after`` to ``before``, both included; ``told``: the upper end that was given."""

    by: Literal["created", "updated"]
    after: datetime
    before: datetime
    told: datetime | None = None

    def holds(self, order: Order) -> bool:
        return self.after <= self.instant(order) <= self.before

    def instant(self, order: Order) -> datetime:
        """As answers write it, to the millisecond."""
        instant = order.created_at if self.by == "created" else order.updated_at
        finer = instant.microsecond % 1000
        return instant - timedelta(microseconds=finer) if finer else instant


def read_span(call: Call, names: Names) -> Span:
    """Raises Denied unless exactly one range is given, and rightly."""
    created = call.instant(names.created_after)
    updated = call.instant(names.updated_after)
    if (created is None) == (updated is None):
        raise Denied.invalid(
            f"Exactly one of {names.created_after} and {names.updated_after} must be provided"
        )
    if created is not None:
        by: Literal["created", "updated"] = "created"
        after, upper, others = created, names.created_before, (names.updated_before,)
    else:
        assert updated is not None
        by, after, upper, others = "updated", updated, names.updated_before, (names.created_before,)
    for other in others:
        if call.query(other) is not None:
            raise Denied.invalid(f"{other} must not be provided with this range")
    told = call.instant(upper)
    latest = call.now - SETTLED
    if told is not None and told > latest:
        raise Denied.invalid(f"{upper} must be at least two minutes before the time of the request")
    if told is not None and told < after:
        raise Denied.invalid(f"{upper} must be equal to or after the lower end of the range")
    return Span(by, after, told or latest, told)


def span_of(facts: dict[str, Any]) -> Span:
    """From what a page mark holds."""
    by: Literal["created", "updated"] = "created" if facts["by"] == "created" else "updated"
    return Span(by, read_instant(facts["after"]), read_instant(facts["before"]))


def choices(call: Call, name: str, known: tuple[str, ...]) -> set[str]:
    """The values of a list parameter. Raises Denied for one that is not known."""
    wished = set(call.queries(name))
    strange = sorted(wished - set(known))
    if strange:
        raise Denied.invalid(
            f"Value {strange[0]!r} at '{name}' failed to satisfy constraint: Member must satisfy "
            f"enum value set: [{', '.join(known)}]"
        )
    return wished


@dataclass(frozen=True)
class Page:
    """Some orders, and where the next page begins; None after the last."""

    orders: list[Order]
    position: list[str] | None


def page(
    call: Call,
    span: Span,
    size: int,
    keep: Callable[[Order], bool],
    position: list[str] | None = None,
) -> Page:
    """The orders of a span, oldest first, beginning behind ``position``."""

    def place(order: Order) -> tuple[datetime, str]:
        return span.instant(order), order.order_id

    orders = call.stage.of(Orders).shown(call.partner.selling_partner_id, call.region, call.now)
    behind = None if position is None else (read_instant(position[0]), position[1])
    found = (
        order
        for order in orders
        if span.holds(order) and (behind is None or place(order) > behind) and keep(order)
    )
    first = heapq.nsmallest(size + 1, found, key=place)
    shown = first[:size]
    if len(first) == len(shown):
        return Page(shown, None)
    instant, order_id = place(shown[-1])
    return Page(shown, [str(stamp(instant)), order_id])
