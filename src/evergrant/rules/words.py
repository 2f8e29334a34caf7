"""The words by which accounts are found: small letters, without accents, split where they end.

Answers for: how a text is taken apart, the same for what is stored and for what is typed. Does not
answer for: finding. The store's trigger does the same in SQL; one suite of tests runs over both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["FOLDS", "LONGEST_WORD", "SPELT_OUT", "folded", "split"]

LONGEST_WORD = 60
#: Letters that are written with two where there is no such key.
SPELT_OUT: Mapping[str, str] = MappingProxyType({"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"})
_BARE = {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t"}
#: Latin with accents, Greek, Cyrillic, Vietnamese, and the wide letters of Japanese keyboards.
_BLOCKS = ((0xC0, 0x250), (0x370, 0x530), (0x1E00, 0x1F00), (0xFF01, 0xFF5F))
_MARKS = range(0x300, 0x370)
_GAPS = (*range(0xA0, 0xC0), *range(0x2000, 0x2070), *range(0x3000, 0x3004), 0x30FB)
_BETWEEN = re.compile(r"[\x00-/:-`{-\x7f]+")


def _fold(letter: str) -> str:
    small = unicodedata.normalize("NFKD", letter.lower()).lower()
    bare = "".join(part for part in small if ord(part) not in _MARKS)
    bare = _BARE.get(bare, bare)
    # What stands for several letters is only made small, where that is one letter too.
    return bare if len(bare) == 1 else letter.lower() if len(letter.lower()) == 1 else letter


def _folds() -> dict[str, str]:
    found = {chr(mark): "" for mark in _MARKS} | {chr(gap): " " for gap in _GAPS}
    for first, behind in ((ord("A"), ord("[")), *_BLOCKS):
        found |= {
            letter: bare
            for letter in map(chr, range(first, behind))
            if (bare := _fold(letter)) != letter
        }
    return found


#: One letter for one letter; an empty text: it goes.
FOLDS: Mapping[str, str] = MappingProxyType(_folds())
_TABLE = str.maketrans(dict(FOLDS))


def folded(text: str) -> str:
    """Small letters without accents, everything else as it is."""
    text = text.lower() if text.isascii() else text.translate(_TABLE)
    for letter, spelt in SPELT_OUT.items():
        text = text.replace(letter, spelt)
    return text


def split(text: str) -> tuple[str, ...]:
    """Its words, each once, in their order: what stands between signs and spaces."""
    words = (word[:LONGEST_WORD] for word in _BETWEEN.split(folded(text)))
    return tuple(dict.fromkeys(word for word in words if word))
