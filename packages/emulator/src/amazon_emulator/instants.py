"""Instants as people write them by hand: ISO 8601, or "-3 days" from the present.

Answers for: reading them, and for putting the first form in the place of the second in whole files.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.clock import read_instant, stamp

__all__ = ["is_relative", "made_absolute", "read"]

_RELATIVE = re.compile(r"([+-])\s?([0-9]{1,6})\s(second|minute|hour|day|week)s?")


def is_relative(text: str) -> bool:
    """Whether it is a distance such as "-3 days", "+10 minutes" or "-1 week"."""
    return _RELATIVE.fullmatch(text.strip()) is not None


def read(text: str, now: datetime) -> datetime:
    """The instant. Raises ValueError with words for a person when it is none."""
    found = _RELATIVE.fullmatch(text.strip())
    if found is None:
        return read_instant(text)
    sign, number, unit = found.groups()
    distance = timedelta(**{f"{unit}s": int(number)})
    try:
        return now + distance if sign == "+" else now - distance
    except OverflowError:
        raise ValueError(f"{text!r} is too far from the present") from None


def made_absolute(given: Any, now: datetime) -> Any:
    """The same JSON with instants in the place of distances, wherever one stands as a value."""
    if isinstance(given, str):
        return stamp(read(given, now)) if is_relative(given) else given
    if isinstance(given, list):
        return [made_absolute(one, now) for one in given]
    if isinstance(given, dict):
        return {name: made_absolute(one, now) for name, one in given.items()}
    return given
