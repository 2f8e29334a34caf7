"""Words about lines: names that are told back, guesses at what was meant, how an amount is written.

Answers for: wording. Does not answer for: what is right or wrong (the readers).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType

from evergrant.rules.secrecy import scrub

__all__ = ["guess", "how_to_write", "is_empty", "places_in_words", "plain", "shown"]

_SEPARATORS: Mapping[int, None] = MappingProxyType(dict.fromkeys(map(ord, "_- ")))


def shown(name: str) -> str:
    """A name that the caller made up, fit to be told back."""
    text = "".join(mark if mark.isprintable() else "?" for mark in name[:60])
    return scrub(text)


def is_empty(value: object) -> bool:
    """Absent, or text of blanks alone."""
    return value is None or (isinstance(value, str) and not value.strip())


def plain(word: str) -> str:
    """For comparing words that people and programs write in their own ways."""
    return word.casefold().translate(_SEPARATORS)


def guess(text: str, words: Collection[str]) -> str:
    """A sentence with a blank behind it, or nothing."""
    known = {plain(word): word for word in words}
    close = difflib.get_close_matches(plain(text[:60]), list(known), n=1, cutoff=0.6)
    return f"Did you mean {known[close[0]]!r}? " if close else ""


def places_in_words(places: int) -> str:
    return f"{places} decimal places" if places else "no decimal places"


def how_to_write(value: object, places: int, *, zero: bool) -> str:
    """A hint for an amount that cannot be read."""
    example = "1999.00" if places else "1999"
    if isinstance(value, str) and "," in value:
        return f"Write it with a point and without separators of thousands: {example}."
    if isinstance(value, str) and value.strip().startswith("-"):
        return f"It must be {'zero or more' if zero else 'above zero'}: {example}."
    return f"Digits with a point, as text: {example}."
