"""The exact arithmetic of one plan: whole ticks, so that nothing drifts in a year.

Answers for: what one call costs, in ticks of a fraction of a microsecond that is chosen so that
both a microsecond and the cost of a call are whole numbers. It knows no buckets and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import gcd

__all__ = ["Measure", "exact"]

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Measure:
    """``ticks`` in a microsecond, ``cost`` of one call in ticks, ``burst`` calls at most, ``room``:
    the greatest debt in ticks with which one more call is allowed."""

    ticks: int
    cost: int
    burst: int
    room: int

    @classmethod
    def of(cls, rate: Fraction, burst: int) -> Measure:
        """For ``rate`` calls per second. Raises ValueError unless both are above zero."""
        if rate <= 0 or burst < 1:
            raise ValueError(
                f"a plan needs a rate above 0 and a burst of at least 1: {rate}, {burst}"
            )
        ticks, cost = rate.numerator, MICROSECONDS * rate.denominator
        common = gcd(ticks, cost)
        ticks, cost = ticks // common, cost // common
        return cls(ticks, cost, burst, (burst - 1) * cost)


def exact(value: object) -> Fraction:
    """The decimal number that was meant: 0.0083 is 83/10000, and not its nearest binary one.

    Raises ValueError for what is no finite number."""
    try:
        if isinstance(value, Fraction | int) and not isinstance(value, bool):
            return Fraction(value)
        if isinstance(value, float | str | Decimal):
            return Fraction(str(value).strip())
    except (ValueError, OverflowError, ZeroDivisionError):
        pass
    raise ValueError(f"{value!r} is no number")
