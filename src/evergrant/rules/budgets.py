"""Token buckets, as arithmetic.

Answers for: how much of a limit is left and how long to wait. Does not answer for: keeping the
buckets (an adapter does, in one statement) or for knowing Amazon's numbers.

Kept as GCRA: one number per bucket, the theoretical arrival time, instead of a level and an
instant. It is exactly equal to a token bucket of ``burst`` tokens refilled at ``rate_per_s``.
Source of the model: Amazon's page "usage-plans-and-rate-limits".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

__all__ = [
    "FULL",
    "Bucket",
    "Granted",
    "Importance",
    "Plan",
    "Wait",
    "available",
    "learn",
    "take",
]


class Importance(IntEnum):
    """Who comes first when a bucket runs low."""

    FIRST = 0  # cancellations and refunds: late costs money
    SECOND = 1  # what Evergrant does for the account by itself
    LAST = 2  # programs through the gateway


@dataclass(frozen=True, slots=True)
class Plan:
    """``rate_per_s`` tokens a second are refilled, up to ``burst``."""

    rate_per_s: float
    burst: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate_per_s) and self.rate_per_s > 0 and self.burst >= 1):
            raise ValueError(f"not a usage plan: {self.rate_per_s}/s, burst {self.burst}")

    @property
    def interval_s(self) -> float:
        """Seconds that one token needs to come back."""
        return 1 / self.rate_per_s


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
_GRAIN_S = 1e-6


def take(bucket: Bucket, plan: Plan, now_s: float, *, reserve: int = 0) -> Granted | Wait:
    """One permit, leaving at least ``reserve`` tokens for more important work."""
    if not 0 <= reserve < plan.burst:
        raise ValueError(f"cannot reserve {reserve} of {plan.burst}")
    full_at_s = max(bucket.theoretical_arrival_s, now_s) + plan.interval_s
    wait_s = full_at_s - now_s - (plan.burst - reserve) * plan.interval_s
    if wait_s > _GRAIN_S:
        return Wait(wait_s)
    return Granted(Bucket(full_at_s))


def available(bucket: Bucket, plan: Plan, now_s: float) -> float:
    """Tokens left, fractions included: 0 to ``burst``."""
    missing_s = max(bucket.theoretical_arrival_s - now_s, 0.0)
    return min(max(plan.burst - missing_s * plan.rate_per_s, 0.0), float(plan.burst))


def learn(plan: Plan, reported_rate_per_s: float | None) -> Plan:
    """The plan after Amazon reported its rate (``x-amzn-RateLimit-Limit``). The burst is not
    reported and stays. Anything that is no rate teaches nothing."""
    if (
        reported_rate_per_s is None
        or not math.isfinite(reported_rate_per_s)
        or reported_rate_per_s <= 0
    ):
        return plan
    return replace(plan, rate_per_s=reported_rate_per_s)
