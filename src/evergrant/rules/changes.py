"""What an integrator can wish for an account, in the six ways that the switches name.

Answers for: the kinds of changes and what each of them is: its switch, the lane in which nothing of
the same thing may be under way twice, whether Amazon may be told it twice; the states of a change.
Does not answer for: what a wish holds (``wishes``), which path it takes (``feedplans``), or for how
far a run came (``feedruns``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from evergrant.rules.flags import Flag

__all__ = [
    "FLAGS",
    "LANES",
    "OPEN",
    "SETTLED",
    "STATE_SETTING",
    "ChangeKind",
    "ChangeState",
    "Lane",
]


class ChangeKind(StrEnum):
    """One wish's kind, as programs and files name it."""

    STOCK = "stock"
    PRICE = "price"
    SHIPMENT = "shipment"
    INVOICE = "invoice"
    CANCELLATION = "cancellation"
    REFUND = "refund"


class Lane(StrEnum):
    """Within one lane, nothing about one subject (a SKU, an order) is in flight twice."""

    LISTING = "listing"  # stock and price: Amazon does not say which of two paths is faster
    ORDER = "order"  # shipments and cancellations: one order is not both at once
    INVOICE = "invoice"
    REFUND = "refund"


class ChangeState(StrEnum):
    PENDING = "pending"  # waits for a run
    IN_FLIGHT = "in_flight"  # belongs to a run that is under way
    ACCEPTED = "accepted"
    REFUSED = "refused"  # with Amazon's words, or ours
    SUPERSEDED = "superseded"  # a later change of the same thing took its place; never sent
    WITHDRAWN = "withdrawn"  # taken back before it was sent
    UNCERTAIN = "uncertain"  # sent, and nobody can tell what became of it: a person decides


OPEN = frozenset({ChangeState.PENDING, ChangeState.IN_FLIGHT, ChangeState.UNCERTAIN})
SETTLED = frozenset(ChangeState) - OPEN

FLAGS: Mapping[ChangeKind, Flag] = MappingProxyType(
    {
        ChangeKind.STOCK: Flag.UPDATE_STOCK,
        ChangeKind.PRICE: Flag.UPDATE_PRICE,
        ChangeKind.SHIPMENT: Flag.SHIP_ORDERS,
        ChangeKind.INVOICE: Flag.UPLOAD_INVOICES,
        ChangeKind.CANCELLATION: Flag.CANCEL_ORDERS,
        ChangeKind.REFUND: Flag.REFUND_ORDERS,
    }
)
LANES: Mapping[ChangeKind, Lane] = MappingProxyType(
    {
        ChangeKind.STOCK: Lane.LISTING,
        ChangeKind.PRICE: Lane.LISTING,
        ChangeKind.SHIPMENT: Lane.ORDER,
        ChangeKind.INVOICE: Lane.INVOICE,
        ChangeKind.CANCELLATION: Lane.ORDER,
        ChangeKind.REFUND: Lane.REFUND,
    }
)
#: They say how a thing is to be, not what is to happen to it: said twice, nothing is different, and
#: only the last one counts.
STATE_SETTING = frozenset({ChangeKind.STOCK, ChangeKind.PRICE})
