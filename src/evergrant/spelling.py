"""Guesses what was meant by a name that nobody knows.

Answers for: one sentence, or silence. Does not answer for: whether the name is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A sentence with the closest known name, or None when nothing is close."""
    spelled = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), list(spelled), n=1, cutoff=0.6)
    return f"Did you mean {spelled[close[0]]!r}?" if close else None
