"""Records of vendors as plain JSON and back, strictly, by their own field types.

Answers for: the pages that vendors fill in a world file. Instants become ISO 8601 texts in UTC,
records become objects with the names of their fields. It knows no record in particular.
"""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.stage import Stage

__all__ = ["check_vendor", "plain", "read"]

T = TypeVar("T")


def plain(value: Any) -> Any:
    """JSON for a record, an instant, a list or dict of these, or JSON itself."""
    if is_dataclass(value) and not isinstance(value, type):
        return {known.name: plain(getattr(value, known.name)) for known in fields(value)}
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def read(kind: type[T], given: Any, where: str) -> T:
    """The record. Raises ValueError that names the place when something is missing, unknown or of
    another type."""
    return cast("T", _value(kind, given, where))


def _value(kind: Any, given: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return given
    if origin is Literal:
        return _one_of(get_args(kind), given, where)
    if origin in (Union, types.UnionType):
        inner = next(part for part in get_args(kind) if part is not type(None))
        return None if given is None else _value(inner, given, where)
    if origin is list:
        return [
            _value(get_args(kind)[0], each, f"{where}[{place}]")
            for place, each in enumerate(_plain(list, given, where))
        ]
    if origin is dict:
        return {
            name: _value(get_args(kind)[1], each, f"{where}.{name}")
            for name, each in _plain(dict, given, where).items()
        }
    if is_dataclass(kind):
        return _record(kind, _plain(dict, given, where), where)
    if kind is datetime:
        return _instant(given, where)
    return _plain(kind, given, where)


def _record(kind: Any, given: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown field {unknown[0]!r}")
    for name, each in known.items():
        needed = each.default is MISSING and each.default_factory is MISSING
        if needed and name not in given:
            raise ValueError(f"{where}: {name!r} is missing")
    return kind(
        **{name: _value(hints[name], each, f"{where}.{name}") for name, each in given.items()}
    )


_WORDS = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}


def _plain(kind: Any, given: Any, where: str) -> Any:
    wanted = (int, float) if kind is float else kind
    if not isinstance(given, wanted) or (isinstance(given, bool) and kind is not bool):
        words = _WORDS.get(kind, "a list" if kind is list else "an object")
        raise ValueError(f"{where} must be {words}")
    return given


def _one_of(choices: tuple[Any, ...], given: Any, where: str) -> Any:
    if given not in choices:
        raise ValueError(f"{where} must be one of {', '.join(map(str, choices))}")
    return given


def _instant(given: Any, where: str) -> datetime:
    try:
        return read_instant(_plain(str, given, where))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def check_vendor(stage: Stage, partner_id: str, where: str) -> None:
    """Raises ValueError unless this is a vendor of the world."""
    partner = stage.world.partners.get(partner_id)
    if partner is None or partner.kind != "vendor":
        raise ValueError(f"{where}: no vendor has the id {partner_id!r}")
