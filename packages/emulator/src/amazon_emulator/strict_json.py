"""Reads JSON as Amazon's front door does: no NaN, no endless numbers, no depth that breaks us."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["read"]


def read(text: bytes | str) -> Any:
    """The value. Raises ValueError, with words, for anything that is no JSON of UTF-8 text."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if _may_hold_halves(text):
            # Halves of characters are JSON but no text: they cannot be written again.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _may_hold_halves(text: bytes | str) -> bool:
    """Whether a second look is worth its time: an escape, the first byte of a half in UTF-8, or
    another encoding altogether."""
    if isinstance(text, str):
        return True
    return b"\\u" in text or b"\xed" in text or b"\0" in text


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _finite(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise ValueError(f"{word[:20]} is too large a number")
    return number
