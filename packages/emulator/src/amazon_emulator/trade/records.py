"""Reads the records of a world file strictly: what is wrong is told with its place.

Answers for: types, missing and unknown fields. It knows no state.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from amazon_emulator.clock import read_instant

__all__ = ["Record", "instant_of", "records", "rows"]

T = TypeVar("T")
LARGEST = 10**15
_MISSING: Any = object()


@dataclass
class Record:
    """One JSON object and where it stands. All verbs raise ValueError that names the place."""

    fields: dict[str, Any]
    place: str
    _used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, given: Any, place: str) -> Record:
        if not isinstance(given, dict):
            raise _fault(place, "must be an object")
        return cls(given, place)

    def raw(self, name: str, default: Any = _MISSING) -> Any:
        self._used.add(name)
        value = self.fields.get(name, default)
        if value is _MISSING:
            raise self._wrong(name, "is missing")
        return value

    def text(self, name: str, default: Any = _MISSING) -> str:
        value = self.raw(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "must be a text")
        return value

    def maybe(self, name: str) -> str | None:
        return None if self.raw(name, None) is None else self.text(name)

    def truth(self, name: str, default: Any = _MISSING) -> bool:
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "must be true or false")
        return value

    def maybe_truth(self, name: str) -> bool | None:
        return None if self.raw(name, None) is None else self.truth(name)

    def number(
        self,
        name: str,
        default: Any = _MISSING,
        *,
        lowest: int = -LARGEST,
        highest: int = LARGEST,
    ) -> int:
        """A whole number within these bounds, which are included."""
        value = self.raw(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, "must be a whole number")
        if not lowest <= value <= highest:
            raise self._wrong(name, f"must be from {lowest} to {highest}")
        return value

    def maybe_count(self, name: str) -> int | None:
        """A whole number that is not negative, or none."""
        return None if self.raw(name, None) is None else self.number(name, lowest=0)

    def digits(self, name: str) -> str:
        """A text of at most 18 digits, as Amazon numbers feeds and reports."""
        value = self.text(name)
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise self._wrong(name, "must be a text of up to 18 digits")
        return value

    def maybe_base64(self, name: str) -> bytes | None:
        text = self.maybe(name)
        try:
            return None if text is None else base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):  # ValueError: it is not even ASCII
            raise self._wrong(name, "is not base64") from None

    def seconds(self, name: str, default: Any = _MISSING) -> float:
        """A length of time, at most a year."""
        value = self.raw(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "must be a number of seconds")
        if not 0 <= value <= 365 * 86400:
            raise self._wrong(name, "must be from 0 to 31536000 seconds")
        return float(value)

    def choice(self, name: str, choices: Iterable[T], default: Any = _MISSING) -> T:
        value = self.raw(name, default)
        allowed = tuple(choices)
        # 1 equals true to Python and to nobody else.
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise self._wrong(name, f"must be one of {', '.join(map(str, allowed))}")
        return cast("T", value)

    def instant(self, name: str) -> datetime:
        return instant_of(self.text(name), f"{self.place}.{name}")

    def maybe_instant(self, name: str) -> datetime | None:
        return None if self.raw(name, None) is None else self.instant(name)

    def texts(self, name: str, default: Any = _MISSING) -> tuple[str, ...]:
        value = self.raw(name, default)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong(name, "must be a list of texts")
        return tuple(value)

    def text_table(self, name: str) -> dict[str, str]:
        value = self.raw(name, {})
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise self._wrong(name, "must be an object of texts")
        return dict(value)

    def done(self) -> None:
        """Raises ValueError when there are fields that nobody asked for."""
        unknown = sorted(set(self.fields) - self._used)
        if unknown:
            raise _fault(self.place, f"unknown: {', '.join(unknown)}")

    def _wrong(self, name: str, words: str) -> ValueError:
        return _fault(f"{self.place}.{name}", words)


def _fault(place: str, words: str) -> ValueError:
    return ValueError(f"{place}: {words}")


def records(given: Any, place: str) -> list[Record]:
    """A list of objects. Raises ValueError."""
    return [Record.of(one, f"{place}[{number}]") for number, one in enumerate(rows(given, place))]


def rows(given: Any, place: str) -> list[Any]:
    """A list. Raises ValueError."""
    if not isinstance(given, list):
        raise _fault(place, "must be a list")
    return given


def instant_of(text: str, place: str) -> datetime:
    """An ISO 8601 instant with an offset, in years that bear additions. Raises ValueError."""
    try:
        instant = read_instant(text)
    except ValueError as wrong:
        raise _fault(place, f"{wrong}") from None
    if not 1000 <= instant.year <= 9000:
        raise _fault(place, "must be of the years 1000 to 9000")
    return instant
