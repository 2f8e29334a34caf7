"""What a column does to a value, for the store in memory.

Answers for: refusing values of the wrong type and giving back what PostgreSQL would give back
(instants in UTC, JSON without tuples, text without NUL). Does not answer for: rows and keys.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from evergrant.rules.flags import Flag

__all__ = ["Settling"]

_Settle = Callable[[Any], Any]


class Settling:
    """Settles the values of one kind of thing."""

    def __init__(self, thing: type[Any], name: str) -> None:
        self._thing = thing
        self._name = name
        hints = typing.get_type_hints(thing)
        self._fields: dict[str, _Settle] = {
            field.name: _settle_for(hints[field.name]) for field in dataclasses.fields(thing)
        }

    def row(self, thing: Any) -> Any:
        if type(thing) is not self._thing:
            raise TypeError(
                f"{self._name} holds {self._thing.__name__}, not {type(thing).__name__}"
            )
        return dataclasses.replace(
            thing,
            **{name: self._settled(name, getattr(thing, name)) for name in self._fields},
        )

    def text(self, value: Any) -> str:
        return _text(value)

    def check_changes(self, values: Mapping[str, Any]) -> None:
        if "id" in values:
            raise TypeError("An id does not change.")
        for name, value in values.items():
            self._settled(name, value)

    def matcher(
        self, equal: Mapping[str, Any], before: tuple[str, datetime] | None
    ) -> Callable[[Any], bool]:
        wanted = {name: self._wanted(name, value) for name, value in equal.items()}
        early, limit = (before[0], self._settled(*before)) if before else (None, None)

        def matches(row: Any) -> bool:
            if early is not None:
                at = getattr(row, early)
                if at is None or not at < limit:
                    return False
            return all(getattr(row, name) in values for name, values in wanted.items())

        return matches

    def _wanted(self, name: str, value: Any) -> list[Any]:
        several = isinstance(value, (list, tuple, set, frozenset))
        return [
            None if item is None else self._settled(name, item)
            for item in (value if several else [value])
        ]

    def _settled(self, name: str, value: Any) -> Any:
        settle = self._fields.get(name)
        if settle is None:
            raise TypeError(f"{self._name} has no field {name!r}")
        try:
            return settle(value)
        except TypeError as error:
            raise TypeError(f"{self._name}.{name}: {error}") from None


def _settle_for(hint: Any) -> _Settle:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [part for part in parts if part is not type(None)]
        settle = _settle_for(inner)
        return lambda value: None if value is None else settle(value)
    if origin is frozenset:
        settle = _settle_for(parts[0])
        return lambda value: frozenset(settle(item) for item in _a(frozenset, value))
    if origin is tuple:
        settle = _settle_for(parts[0])
        return lambda value: tuple(settle(item) for item in _a(tuple, value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _flags if parts[0] is Flag else _json
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: _exactly(hint, value)
    plain: dict[Any, _Settle] = {str: _text, datetime: _instant}
    return plain.get(hint, lambda value: _exactly(hint, value))


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
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _instant(value: Any) -> datetime:
    at: datetime = _exactly(datetime, value)
    if at.tzinfo is None:
        raise TypeError("wants an aware instant, got a naive one")
    return at.astimezone(UTC)


def _flags(value: Any) -> dict[Flag, bool]:
    return {_exactly(Flag, flag): _exactly(bool, on) for flag, on in _a(Mapping, value).items()}


def _json(value: Any) -> dict[str, Any]:
    plain = json.loads(json.dumps(dict(_a(Mapping, value)), allow_nan=False))
    return typing.cast("dict[str, Any]", _json_storable(plain))


def _json_storable(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        return [_json_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _json_storable(item) for name, item in value.items()}
    return value
