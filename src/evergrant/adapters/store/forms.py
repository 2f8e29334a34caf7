"""How a thing becomes a row, and a row a thing.

Answers for: one form per kind of thing, made from its type hints: values of the wrong type are
refused before the database sees them, instants are in UTC, text is text that PostgreSQL takes.
Does not answer for: tables and statements.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from evergrant.rules.flags import Flag

__all__ = ["Form"]

Thing = TypeVar("Thing")


@dataclasses.dataclass(frozen=True)
class _Part:
    """One field: into the database, and out of it."""

    store: Callable[[Any], Any]
    load: Callable[[Any], Any]


class Form(Generic[Thing]):
    """The form of one kind of thing. Raises TypeError for a value or a name that does not fit."""

    def __init__(self, thing: type[Thing], shelf: str) -> None:
        hints = typing.get_type_hints(thing)
        self._thing = thing
        self._shelf = shelf
        self._parts = {
            field.name: _part(hints[field.name])
            for field in dataclasses.fields(thing)  # type: ignore[arg-type]
        }

    def row(self, thing: Thing) -> dict[str, Any]:
        if type(thing) is not self._thing:
            wanted, got = self._thing.__name__, type(thing).__name__
            raise TypeError(f"{self._shelf} holds {wanted}, not {got}")
        try:
            return {name: part.store(getattr(thing, name)) for name, part in self._parts.items()}
        except TypeError:
            # Once more, slowly: this way says which field it was.
            return {name: self.value(name, getattr(thing, name)) for name in self._parts}

    def thing(self, row: Mapping[str, Any]) -> Thing:
        return self._thing(**{name: part.load(row[name]) for name, part in self._parts.items()})

    def value(self, name: str, value: Any) -> Any:
        """One field's value as its column takes it."""
        part = self._parts.get(name)
        if part is None:
            raise TypeError(f"{self._shelf} has no field {name!r}")
        try:
            return part.store(value)
        except TypeError as error:
            raise TypeError(f"{self._shelf}.{name}: {error}") from None


def _part(hint: Any) -> _Part:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (some,) = (part for part in inner if part is not type(None))
        return _nullable(_part(some))
    if origin is frozenset:
        kind = inner[0]
        if kind is str:
            return _Part(
                lambda value: sorted(_text(item) for item in _a(frozenset, value)), frozenset
            )
        return _Part(
            lambda value: sorted(_exactly(kind, item).value for item in _a(frozenset, value)),
            lambda stored: frozenset(kind(item) for item in stored),
        )
    if origin is tuple:
        item_in = _part(inner[0]).store
        return _Part(lambda value: [item_in(item) for item in _a(tuple, value)], tuple)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _FLAGS if inner[0] is Flag else _JSON
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _Part(lambda value: _exactly(hint, value).value, hint)
    plain = {str: _TEXT, datetime: _INSTANT}
    return plain.get(hint) or _Part(lambda value: _exactly(hint, value), _as_it_is)


def _nullable(part: _Part) -> _Part:
    return _Part(
        lambda value: None if value is None else part.store(value),
        lambda stored: None if stored is None else part.load(stored),
    )


def _as_it_is(stored: Any) -> Any:
    return stored


def _a(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"wants {kind.__name__}, got {type(value).__name__}")
    return value


def _exactly(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"wants {kind.__name__}, got {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    return _storable(_exactly(str, value))


def _storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor lone surrogates; a browser sends both when asked to."""
    if text.isascii() and "\0" not in text:
        return text
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _instant(value: Any) -> datetime:
    at: datetime = _exactly(datetime, value)
    if at.tzinfo is None:
        raise TypeError("wants an aware instant, got a naive one")
    return at.astimezone(UTC)


def _flags(value: Any) -> dict[str, bool]:
    return {
        _exactly(Flag, flag).value: _exactly(bool, on) for flag, on in _a(Mapping, value).items()
    }


def _json(value: Any) -> Any:
    told = json.dumps(dict(_a(Mapping, value)), allow_nan=False)
    plain = json.loads(told)
    # What is not storable is not ASCII either, and then stands there escaped.
    return _json_storable(plain) if "\\u" in told else plain


def _json_storable(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        return [_json_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _json_storable(item) for name, item in value.items()}
    return value


_TEXT = _Part(_text, _as_it_is)
_INSTANT = _Part(_instant, lambda stored: stored.astimezone(UTC))
_JSON = _Part(_json, _as_it_is)
_FLAGS = _Part(_flags, lambda stored: {Flag(flag): on for flag, on in stored.items()})
