"""The socket of the limits: buckets that all processes and nodes share.

Answers for: what is asked of a bucket and what it says. Does not answer for: which buckets a call
draws on and with which plan (the gate), or for the arithmetic (``rules.budgets``).

One contract suite (``tests/edges/test_budgets.py``) runs on the pure rule, on the in-memory budgets
and on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evergrant.rules.budgets import Importance, Plan

__all__ = ["Budgets", "Level", "Queued", "Share", "Taken", "Wish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One bucket that a wish draws on. ``bucket`` is its name:
    ``application/account/region/operation``; of a bucket that all accounts of an application share
    the two in the middle are ``*``."""

    bucket: str
    plan: Plan
    #: An operator set the plan: what Amazon reports is kept and shown, and changes nothing.
    fixed: bool = False
    #: Tokens that a wish of this importance leaves for more important ones.
    reserve: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Permits for calls that draw on all of ``shares`` (one or two). The emptier decides.

    ``ticket`` names who stands in line: one caller of one process. Whoever asks again with the same
    ticket keeps the place; ``""`` does not stand in line.
    """

    shares: Sequence[Share]
    ticket: str = ""
    importance: Importance = Importance.LAST
    most: int = 1  # permits that are of use now; at least one is given, or none


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """``permits`` of those wished for. ``left``: whole tokens left in the emptier bucket for wishes
    of this importance."""

    permits: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Not now. After ``seconds`` it is of use to ask again; the place in line is kept until a short
    while after that. ``ahead``: tickets that come first."""

    seconds: float
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One bucket as it is now. ``plan`` is the one in force at its last use; ``reported_*`` what
    Amazon's ``x-amzn-RateLimit-Limit`` last said."""

    bucket: str
    plan: Plan
    fixed: bool
    left: float  # tokens, fractions included
    full_in_s: float
    waiting: int
    reported_rate_per_s: float | None
    reported_at: datetime | None
    throttled_at: datetime | None  # Amazon's last 429
    used_at: datetime | None


class Budgets(Protocol):
    """Raises errors.StoreUnavailable."""

    async def take(self, wish: Wish) -> Taken | Queued: ...

    async def give_back(self, shares: Sequence[Share], permits: int) -> None:
        """Permits that were taken and never used. Never more than was taken."""
        ...

    async def leave_line(self, wish: Wish) -> None:
        """Whoever stood in line with this ticket no longer waits."""
        ...

    async def learn(self, bucket: str, reported_rate_per_s: float) -> None:
        """Amazon reported this rate. It replaces that of the table from now on, the burst stays."""
        ...

    async def drain(self, shares: Sequence[Share]) -> None:
        """Amazon said 429: these buckets are empty now, whatever we thought."""
        ...

    async def look(self, prefix: str) -> Sequence[Level]:
        """Every bucket whose name begins so, in order of names."""
        ...
