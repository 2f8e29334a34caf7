"""The socket of the limits: buckets that all processes and nodes share.

Answers for: what is asked of a bucket and what it says. Does not answer for: which buckets a call
draws on and with which plan (the gate), or for the arithmetic (``rules.budgets``, which also
defines what is asked and said).

One contract suite (``tests/edges/test_budgets.py``) runs on the pure rule, on the in-memory budgets
and on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from evergrant.rules.budgets import (
    Plan,
    Queued,
    Share,
    SharedBucket,
    Taken,
    Wish,
    is_low,
    left,
    standing,
)

__all__ = ["Budgets", "Level", "Queued", "Share", "Taken", "Wish"]


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

    @property
    def is_low(self) -> bool:
        return is_low(self.left, self.plan.burst)

    @classmethod
    def of(cls, name: str, bucket: SharedBucket, now_s: float) -> Level:
        """``now_s`` and the bucket's instants are seconds of the epoch."""
        return cls(
            bucket=name,
            plan=bucket.plan,
            fixed=bucket.fixed,
            left=left(bucket, now_s),
            full_in_s=max(bucket.theoretical_arrival_s - now_s, 0.0),
            waiting=len(standing(bucket, now_s)),
            reported_rate_per_s=bucket.reported_rate_per_s,
            reported_at=_instant(bucket.reported_at_s),
            throttled_at=_instant(bucket.throttled_at_s),
            used_at=_instant(bucket.used_at_s),
        )


def _instant(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


class Budgets(Protocol):
    """Raises errors.StoreUnavailable."""

    async def take(self, wish: Wish) -> Taken | Queued: ...

    async def give_back(
        self, shares: Sequence[Share], permits: int, *, receipts: Sequence[float]
    ) -> None:
        """Permits of one taking that were never used, with its receipts, one for each share. Never
        more than was taken. They are worth what they cost as far as Amazon's bucket cannot have
        stood full without them."""
        ...

    async def leave_line(self, wish: Wish) -> None:
        """Whoever stood in line with this ticket no longer waits."""
        ...

    async def learn(self, bucket: str, reported_rate_per_s: float) -> None:
        """Amazon reported this rate. It replaces that of the table from now on, the burst stays.
        Nonsense teaches nothing, and nor does a bucket that nobody ever drew on."""
        ...

    async def drain(self, shares: Sequence[Share]) -> None:
        """Amazon said 429: these buckets are empty now, whatever we thought."""
        ...

    async def look(self, prefix: str) -> Sequence[Level]:
        """Every bucket whose name begins so, in order of names."""
        ...

    async def low(self, *, limit: int) -> Sequence[Level]:
        """Buckets that are nearly empty now (``Level.is_low``), the emptiest first."""
        ...
