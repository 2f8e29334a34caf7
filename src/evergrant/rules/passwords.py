"""Which passwords operators may have.

Answers for: length, and what is guessed first. Does not answer for: hashing (the key rack), or for
how often somebody may guess (``rules.lockout``).
"""

from __future__ import annotations

from collections.abc import Iterable

from evergrant.rules.faults import Fault

__all__ = ["LONGEST_PASSWORD", "SHORTEST_PASSWORD", "check_password"]

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256

_FEWEST_CHARACTERS = 5
# What is left of a guess when this is taken out of it decides: "Password2027!" is "2027!".
_GUESSED_FIRST = (
    "password", "passwort", "letmein", "welcome", "willkommen", "qwertyuiop", "qwertzuiop",
    "qwerty", "qwertz", "asdfghjkl", "1q2w3e4r", "12345678", "123456", "abcdefgh", "evergrant",
    "amazon", "administrator", "admin", "secret", "changeme",
)  # fmt: skip


def check_password(plain: str, about: Iterable[str]) -> str:
    """``plain`` as it is. ``about``: what a stranger knows of the person, such as name and mail
    address. Raises Fault."""
    if not SHORTEST_PASSWORD <= len(plain) <= LONGEST_PASSWORD:
        raise Fault(
            "bad_password",
            f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            field="password",
            hint="A few words are easy to keep.",
        )
    rest = plain.lower()
    known = {part for text in about for part in (text.lower(), *_parts(text))}
    for guess in sorted(known | set(_GUESSED_FIRST), key=len, reverse=True):
        if len(guess) >= 4:
            rest = rest.replace(guess, "")
    if len(set(plain)) < _FEWEST_CHARACTERS or len(rest.strip()) < _FEWEST_CHARACTERS:
        raise Fault(
            "bad_password",
            "is too easy to guess.",
            field="password",
            hint="A few words that have nothing to do with each other are easy to keep.",
        )
    return plain


def _parts(text: str) -> list[str]:
    for mark in "@.-_+":
        text = text.replace(mark, " ")
    return text.lower().split()
