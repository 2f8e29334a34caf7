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
        # Escaped halves of characters are JSON but no text: they cannot be written again.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _finite(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise ValueError(f"{word[:20]} is too large a number")
    return number
