"""Names made harmless.

Answers for: what of a name that somebody typed may reach a page or a mail. Does not answer for:
markup; templates escape.
"""

from __future__ import annotations

import unicodedata

__all__ = ["plain"]

ELLIPSIS = "…"


def plain(text: object, limit: int = 80) -> str:
    """One line of ``text``, without control and direction-changing characters, at most ``limit``
    characters long.

    Line breaks could begin another header of a mail, direction marks can turn the words around a
    name about, and a very long name hides what stands after it.
    """
    kept = (
        " " if char.isspace() else char
        for char in str(text)
        # Cc: controls, Cf: formats (direction marks, zero-width), Cs: lone surrogates.
        if char.isspace() or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS
