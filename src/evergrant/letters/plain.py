"""Names made harmless.

Answers for: what of a name that somebody typed may reach a page or a mail. Does not answer for:
markup; templates escape.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain"]

ELLIPSIS = "…"
#: Of a word that mail programs make a link of although nobody marked it up: it names a scheme,
#: begins with www, or has a path behind a host. A name like shop.example stays.
_ADDRESS = re.compile(r"(?i)://|\bwww\.|[^\W_]\.[^\W\d_]{2,}(?::\d+)?/")
_LINKING = re.compile(r"(?<!\[)[:.](?!\])")


def plain(text: object, limit: int = 80) -> str:
    """One line of ``text``, without control and direction-changing characters, at most ``limit``
    characters long.

    Line breaks could begin another header of a mail, direction marks can turn the words around a
    name about, and a very long name hides what stands after it. An address is written so that
    nobody's program makes a link of it: the only one that leads on is the letter's own.
    """
    kept = (
        " " if char.isspace() else char
        for char in str(text)
        # Cc: controls, Cf: formats (direction marks, zero-width), Cs: lone surrogates.
        if char.isspace() or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
    line = " ".join(map(_unlinked, "".join(kept).split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS


def _unlinked(word: str) -> str:
    return _LINKING.sub(r"[\g<0>]", word) if _ADDRESS.search(word) else word
