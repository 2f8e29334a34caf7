"""Reads what a lever was given, strictly: unknown fields and wrong types are told, not ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

__all__ = ["Wish", "WrongWish"]

T = TypeVar("T")
_MISSING: Any = object()


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
            given = json.loads(body)
            # Escaped halves of characters are JSON but no text: they cannot be written again.
            json.dumps(given, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
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
        if not math.isfinite(value):
            raise WrongWish(f"{name!r} must be a finite number")
        return value

    def count(self, name: str, default: int | None = None) -> int | None:
        """A whole number of at least 1, or null."""
        value = self._take(name, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise WrongWish(f"{name!r} must be a whole number of at least 1")
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
