"""Reads what a lever was given, strictly: unknown fields and wrong types are told, not ignored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from amazon_emulator import strict_json

__all__ = ["Wish", "WrongWish"]

T = TypeVar("T")
_MISSING: Any = object()

LARGEST = 10**12  # in seconds that is far beyond the calendar
MOST = 10**9
DIGITS = 12


class WrongWish(Exception):
    """What was asked cannot be done; the message says why."""

    def __init__(self, words: str, status: int = 422) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Wish:
    """A JSON object, path parameters and query of one pull of a lever."""

    body: dict[str, Any]
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, body: bytes, path: dict[str, str], query: dict[str, str]) -> Wish:
        """Raises WrongWish when the body is no JSON object."""
        if not body.strip():
            return cls({}, path, query)
        try:
            given = strict_json.read(body)
        except ValueError:
            raise WrongWish("the body is not JSON", 400) from None
        if not isinstance(given, dict):
            raise WrongWish("the body must be a JSON object", 400)
        return cls(given, path, query)

    def text(self, name: str, default: str | None = _MISSING) -> str:
        """A text; None only where the default is None (ask `maybe` for that)."""
        value = self._take(name, default)
        if not isinstance(value, str) or not value.strip():
            raise WrongWish(f"{name!r} must be a text that is not empty")
        return value

    def maybe(self, name: str) -> str | None:
        """A text that may be left out or null."""
        return None if self._take(name, None) is None else self.text(name)

    def truth(self, name: str, default: bool = _MISSING) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise WrongWish(f"{name!r} must be true or false")
        return value

    def number(self, name: str, default: float = _MISSING) -> float:
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongWish(f"{name!r} must be a number")
        if not -LARGEST <= value <= LARGEST:
            raise WrongWish(f"{name!r} must be a number from -{LARGEST} to {LARGEST}")
        return value

    def count(self, name: str, default: int | None = None) -> int | None:
        """A whole number from 1 to a milliard, or null."""
        value = self._take(name, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
            raise WrongWish(f"{name!r} must be a whole number from 1 to {MOST}")
        return value

    def texts(self, name: str, default: Iterable[str] = _MISSING) -> list[str]:
        value = self._take(name, list(default) if default is not _MISSING else default)
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise WrongWish(f"{name!r} must be a list of texts")
        return value

    def choice(self, name: str, choices: Iterable[T], default: Any = _MISSING) -> T:
        value = self._take(name, default)
        allowed = list(choices)
        if value not in allowed:
            raise WrongWish(f"{name!r} must be one of {', '.join(map(str, allowed))}")
        return cast("T", value)

    def raw(self, name: str, default: Any = _MISSING) -> Any:
        return self._take(name, default)

    def has(self, name: str) -> bool:
        self._used.add(name)
        return name in self.body

    def whole(self, name: str, default: int) -> int:
        """A whole number of the query, not below zero. Raises WrongWish."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
            raise WrongWish(f"{name!r} must be a whole number")
        return int(text)

    def done(self) -> None:
        """Nothing else was wished. Raises WrongWish that names what was not understood."""
        unknown = sorted(set(self.body) - self._used)
        if unknown:
            known = ", ".join(sorted(self._used)) or "nothing"
            raise WrongWish(f"unknown: {', '.join(unknown)}; this lever knows {known}")

    def _take(self, name: str, default: Any) -> Any:
        self._used.add(name)
        value = self.body.get(name, default)
        if value is _MISSING:
            raise WrongWish(f"{name!r} is missing")
        return value
