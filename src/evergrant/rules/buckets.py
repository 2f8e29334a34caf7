"""A plain token bucket, as arithmetic.

Answers for: plans, how much of a limit is left, how long to wait. Does not answer for: buckets that
many share (``rules.budgets``).

Kept as GCRA: one number per bucket, the theoretical arrival time, instead of a level and an
instant. It is exactly equal to a token bucket of ``burst`` tokens refilled at ``rate_per_s``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "FULL",
    "GRAIN_S",
    "LARGEST",
    "Bucket",
    "Granted",
    "Plan",
    "Wait",
    "available",
    "is_rate",
    "take",
]

# Nothing that Amazon publishes or reports is anywhere near.
_SLOWEST_PER_S, _FASTEST_PER_S = 1e-6, 1e6
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """``rate_per_s`` tokens a second are refilled, up to ``burst``. A millionth to a million."""

    rate_per_s: float
    burst: int

    def __post_init__(self) -> None:
        if not (is_rate(self.rate_per_s) and 1 <= self.burst <= LARGEST):
            raise ValueError(f"not a usage plan: {self.rate_per_s}/s, burst {self.burst}")

    @property
    def interval_s(self) -> float:
        """Seconds that one token needs to come back."""
        return 1 / self.rate_per_s


def is_rate(rate_per_s: float) -> bool:
    """Whether that can be the rate of a plan."""
    return _SLOWEST_PER_S <= rate_per_s <= _FASTEST_PER_S  # False for nan


# --- a plain bucket -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bucket:
    """``theoretical_arrival_s``: the second at which the bucket would be full again."""

    theoretical_arrival_s: float


#: Never used before.
FULL = Bucket(-math.inf)


@dataclass(frozen=True, slots=True)
class Granted:
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


# Below this, a difference is the rounding of floats: a millionth of a second is nobody's limit.
GRAIN_S = 1e-6


def take(bucket: Bucket, plan: Plan, now_s: float, *, reserve: int = 0) -> Granted | Wait:
    """One permit, leaving at least ``reserve`` tokens for more important work."""
    if not 0 <= reserve < plan.burst:
        raise ValueError(f"cannot reserve {reserve} of {plan.burst}")
    full_at_s = max(bucket.theoretical_arrival_s, now_s) + plan.interval_s
    wait_s = full_at_s - now_s - (plan.burst - reserve) * plan.interval_s
    if wait_s > GRAIN_S:
        return Wait(wait_s)
    return Granted(Bucket(full_at_s))


def available(bucket: Bucket, plan: Plan, now_s: float) -> float:
    """Tokens left, fractions included: 0 to ``burst``."""
    missing_s = max(bucket.theoretical_arrival_s - now_s, 0.0)
    return min(max(plan.burst - missing_s * plan.rate_per_s, 0.0), float(plan.burst))
