"""How often something is tried again, and how long is waited before.

Answers for: the arithmetic. Does not answer for: what may be tried again (``flow``), or sleeping.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

__all__ = ["NO_RETRIES", "Retries"]


@dataclass(frozen=True, slots=True)
class Retries:
    """``attempts`` more than the first; pauses double from ``first_pause_s`` on and are spread by
    chance between half and whole, so that many programs do not come back together. Where Evergrant
    says when to come again (``Retry-After``), that long is waited and a little more. No more than
    ``patience_s`` seconds are waited for one thing altogether; what would take longer is told at
    once."""

    attempts: int = 3
    first_pause_s: float = 0.25
    longest_pause_s: float = 5.0
    patience_s: float = 30.0

    def __post_init__(self) -> None:
        numbers = (self.first_pause_s, self.longest_pause_s, self.patience_s)
        if self.attempts < 0 or not all(math.isfinite(n) and n >= 0 for n in numbers):
            raise ValueError("numbers of Retries are finite and not below zero")

    def pause_s(
        self, before: int, waited_s: float, told_s: float | None, chance: float
    ) -> float | None:
        """The pause after ``before`` repeats and ``waited_s`` seconds of pauses; None: give up.
        ``chance`` is from 0 to 1."""
        if before >= self.attempts:
            return None
        if told_s is None:
            whole = min(self.longest_pause_s, self.first_pause_s * 2 ** min(before, 30))
            pause = whole * (0.5 + chance / 2)
        else:
            pause = told_s * (1 + chance / 10)
            if waited_s + told_s <= self.patience_s < waited_s + pause:
                pause = told_s
        return pause if waited_s + pause <= self.patience_s else None


NO_RETRIES = Retries(attempts=0)


class Patience:
    """What is left of it for one thing."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._repeats = 0
        self._waited_s = 0.0

    def pause_s(self, told_s: float | None) -> float | None:
        """Seconds to wait before the next attempt; None: there is none."""
        pause = self._retries.pause_s(
            self._repeats,
            self._waited_s,
            told_s,
            random.random(),  # noqa: S311  # spreads, hides nothing
        )
        if pause is not None:
            self._repeats += 1
            self._waited_s += pause
        return pause
