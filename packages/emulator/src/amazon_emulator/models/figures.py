"""Numbers within the bounds of a schema.

Answers for: the number nearest to nought that keeps to bounds and steps, and others after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Span"]


@dataclass(frozen=True)
class Span:
    """From ``low`` to ``high``, None where there is no border; an open border is none of it."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    step: float = 1

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Span:
        """The bounds of a schema of a number, in the words of draft 4."""
        return cls(
            _number(schema.get("minimum")),
            _number(schema.get("maximum")),
            schema.get("exclusiveMinimum") is True,
            schema.get("exclusiveMaximum") is True,
            _number(schema.get("multipleOf")) or 1,
        )

    def stepped(self, turn: int) -> float:
        """A multiple of the step, another one for each ``turn``."""
        if self.low is not None and (self.low > 0 or (self.low == 0 and self.open_low)):
            first = math.ceil(self.low / self.step)
            if self.open_low and first * self.step <= self.low:
                first += 1
            return (first + turn) * self.step
        if self.high is not None and (self.high < 0 or (self.high == 0 and self.open_high)):
            last = math.floor(self.high / self.step)
            if self.open_high and last * self.step >= self.high:
                last -= 1
            return (last - turn) * self.step
        value = turn * self.step
        return value if self.high is None or value <= self.high else -value

    def between(self, turn: int) -> float:
        """Any number inside, where no multiple of the step is."""
        low = self.low if self.low is not None else (self.high or 0) - 1
        high = self.high if self.high is not None else low + 1
        return low + (high - low) * (turn + 1) / (turn + 2)


def _number(given: Any) -> float | None:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return given
    return None
