"""Messages of Amazon as they come: JSON whose keys differ in their case from one to the next.

Answers for: telling what is no such message, and one that says a thing twice, differently. Does not
answer for: what a message is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Misshapen", "lowered", "mapping", "read_json"]


class Misshapen(Exception):
    """Holds the sentence, which quotes nothing of the message."""


def read_json(text: str) -> object:
    """Raises Misshapen."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Misshapen("The message is no JSON.") from None


def mapping(value: object, what: str) -> dict[str, Any]:
    """With its keys in small letters. Raises Misshapen."""
    if not isinstance(value, Mapping):
        raise Misshapen(f"{what} is missing or has another shape than Amazon's.")
    return lowered(value)


def lowered(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that differ in their case alone, with different values, say two things at once. Raises
    Misshapen."""
    found: dict[str, Any] = {}
    for name, inner in value.items():
        known = found.setdefault(name.lower(), inner)
        if known is not inner and known != inner:
            raise Misshapen("The message says the same thing twice, differently.")
    return found
