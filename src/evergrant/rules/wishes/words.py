"""Words about lines: names that are told back, guesses at what was meant, how an amount is written.

Answers for: wording. Does not answer for: what is right or wrong (the readers).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from types import MappingProxyType

from evergrant.rules.secrecy import scrub

__all__ = ["as_key", "guess", "how_to_write", "is_empty", "places_in_words", "plain", "shown"]

#: Small Cyrillic and Greek letters whose capitals look as Latin ones do.
_ALIKE: Mapping[int, str] = MappingProxyType(
    {
        ord(other): latin
        for others, latins in (
            (
                "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u051b\u051d",
                "abekmhopctyxsijqw",
            ),
            (
                "\u03b1\u03b2\u03b5\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03b6",
                "abehikmnoptyxz",
            ),
        )
        for other, latin in zip(others, latins, strict=True)
    }
)
#: Of marks that nobody sees.
_UNSEEN = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp"})
_SELECTORS = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_MINUS = "\N{MINUS SIGN}"
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


def as_key(text: str) -> str:
    """For telling whether two names of a thing that happens once are the same: however they are
    cased, spaced and encoded, and whatever alphabet their letters were taken from."""
    folded = unicodedata.normalize("NFKC", _SELECTORS.sub("", text)).casefold().translate(_ALIKE)
    bare = "".join(
        "-" if mark == _MINUS or unicodedata.category(mark) == "Pd" else mark
        for mark in folded
        if unicodedata.category(mark) not in _UNSEEN
    )
    return unicodedata.normalize("NFKC", bare.upper())


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
