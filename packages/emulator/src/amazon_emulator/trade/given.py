"""Reads objects of a world file whose fields are all there, each of a plain type.

Answers for: the shorter way beside `records`, for parts that leave nothing out: all fields at once,
by their types. What the parts mean is known by those who keep them.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator.trade.records import instant_of as instant
from amazon_emulator.trade.records import rows

__all__ = ["fields", "instant", "rows", "texts"]

_WORDS = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}

Kind = type | tuple[type, ...]


def fields(given: Any, place: str, /, **kinds: Kind) -> dict[str, Any]:
    """An object that has exactly these fields with these types. Raises ValueError."""
    if not isinstance(given, dict):
        raise ValueError(f"{place}: must be an object")  # noqa: TRY004  # the file is wrong
    unknown = sorted(set(given) - set(kinds))
    if unknown:
        raise ValueError(f"{place}: unknown: {', '.join(map(str, unknown))}")
    for name, kind in kinds.items():
        if name not in given:
            raise ValueError(f"{place}: {name!r} is missing")
        if not _is(given[name], kind):
            raise ValueError(f"{place}: {name!r} must be {_words(kind)}")
    return dict(given)


def texts(given: list[Any], place: str) -> list[str]:
    """Raises ValueError when something in the list is no text."""
    if not all(isinstance(entry, str) for entry in given):
        raise ValueError(f"{place}: must be a list of texts")
    return list(given)


def _is(value: Any, kind: Kind) -> bool:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # true is a whole number to Python and to nobody else.
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _words(kind: Kind) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(_WORDS[one] for one in kinds)
