"""What the order book gives to whoever asks.

Answers for: shapes. Does not answer for: the rows of the store (``ports.traded``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evergrant.ports.traded import Order, OrderKind
from evergrant.rules.lifecycle import State

__all__ = ["OrderTold", "SweepState", "Swept"]


@dataclass(slots=True, kw_only=True)
class Swept:
    """What one round did: counts."""

    opened: int = 0  # accounts that are swept from now on
    accounts: int = 0  # taken up
    pages: int = 0
    received: int = 0  # orders that were new
    changed: int = 0
    repeated: int = 0  # orders that were as we knew them
    fetched: int = 0  # completed one by one
    waiting: int = 0  # accounts without a permit for now
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """How far the orders of one account were read, and what stands against it."""

    account_id: str
    account_name: str
    kind: OrderKind
    state: State
    bound_at: datetime | None = None  # everything that changed before was seen
    swept_at: datetime | None = None
    due_at: datetime | None = None  # None: not before the account is authorized
    under_way: bool = False  # between two pages
    lacks: str = ""  # one word of `rules.order_sweeps.Lack`
    why: str = ""  # the same as a sentence
    last_error: str = ""
    failures: int = 0
    orders: int | None = None  # that are kept; of one account only


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTold:
    """One order as it is handed on. ``body`` is Amazon's; with ``opened`` whole, else without what
    is personal."""

    order: Order
    body: Mapping[str, Any] = field(repr=False)
    opened: bool = False
