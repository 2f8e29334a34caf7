"""The house's colour, made readable.

Answers for: reading ``#rrggbb``, contrast as WCAG 2.2 counts it, and for the shades of one colour
that stay readable on light and on dark paper, as text and as a button. Does not answer for: where a
page or a letter uses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evergrant.rules.faults import Fault

__all__ = ["DARK_PAPER", "LIGHT_PAPER", "OURS", "Palette", "Shades", "contrast", "palette", "read"]

#: The papers of pages and letters that are hardest to read on: the darkest of the light ones and
#: the lightest of the dark ones.
LIGHT_PAPER = "#f1f4f3"
DARK_PAPER = "#26302e"
#: What WCAG 2.2 asks of normal text at level AA, and a little more for rounding.
LEAST = 4.55

_WHITE, _BLACK = "#ffffff", "#0b1211"
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_STEPS = 100
#: How much further the shade goes that shows a pointer over a button.
_FURTHER = 20


@dataclass(frozen=True, slots=True)
class Shades:
    """One colour on one paper: ``ink`` for links, outlines and the ground of buttons, ``deeper``
    for the same under the pointer, ``on`` for the words on such a ground."""

    ink: str
    deeper: str
    on: str


@dataclass(frozen=True, slots=True)
class Palette:
    light: Shades
    dark: Shades


#: The colour of a house that named none.
OURS = Palette(
    light=Shades(ink="#1f5f5b", deeper="#174a47", on="#ffffff"),
    dark=Shades(ink="#86d6ce", deeper="#9de0d9", on="#0c2422"),
)


def read(text: str) -> str:
    """``#rrggbb`` in small letters; ``#rgb`` is written out. Raises Fault."""
    colour = text.strip().lower()
    if re.fullmatch(r"#[0-9a-f]{3}", colour, re.ASCII):
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    if not _COLOUR.fullmatch(colour):
        raise Fault(
            "bad_colour",
            f"'{text[:20]}' is not a colour.",
            hint="Write it as # and six hexadecimal digits, such as #1f5f5b.",
        )
    return colour


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white), as WCAG 2.2 defines the contrast ratio."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def palette(colour: str) -> Palette:
    """Shades of ``colour`` (``#rrggbb``): itself where it can be read, else darker on light paper
    and lighter on dark paper until it can."""
    return Palette(
        light=_shades(colour, LIGHT_PAPER, towards=_BLACK),
        dark=_shades(colour, DARK_PAPER, towards=_WHITE),
    )


def _shades(colour: str, paper: str, *, towards: str) -> Shades:
    step = next(
        step for step in range(_STEPS + 1) if contrast(_mixed(colour, towards, step), paper) > LEAST
    )
    ink = _mixed(colour, towards, step)
    on = max((_WHITE, _BLACK), key=lambda words: contrast(words, ink))
    return Shades(ink=ink, deeper=_deeper(ink, on), on=on)


def _deeper(ink: str, on: str) -> str:
    """Away from the words upon it, so that they stay readable."""
    return _mixed(ink, _BLACK if on == _WHITE else _WHITE, _FURTHER)


def _mixed(colour: str, towards: str, step: int) -> str:
    return "#" + "".join(
        f"{round(one + (other - one) * step / _STEPS):02x}"
        for one, other in zip(_parts(colour), _parts(towards), strict=True)
    )


def _parts(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
