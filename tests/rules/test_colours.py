"""The house's colour: whatever it is, what is written in it and on it can be read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from evergrant.rules.colours import (
    DARK_PAPER,
    LIGHT_PAPER,
    OURS,
    Palette,
    contrast,
    palette,
    read,
)
from evergrant.rules.faults import Fault

AA = 4.5
COLOURS = some.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def readable(found: Palette) -> None:
    for shades, papers in (
        (found.light, (LIGHT_PAPER, "#ffffff", "#f6f7f5")),
        (found.dark, (DARK_PAPER, "#1d2422", "#141918")),
    ):
        for ink in (shades.ink, shades.deeper):
            assert contrast(ink, shades.on) >= AA, "words on a button"
            assert all(contrast(ink, paper) >= AA for paper in papers), "a link"


@given(COLOURS)
@example("#ffffff")
@example("#000000")
@example("#ffff00")
@example("#777777")
def test_every_colour_can_be_read(colour: str) -> None:
    readable(palette(colour))


def test_ours_can_be_read() -> None:
    readable(OURS)


def test_a_colour_that_can_be_read_stays_itself() -> None:
    assert palette("#1f5f5b").light.ink == "#1f5f5b"
    assert palette("#86d6ce").dark.ink == "#86d6ce"


def test_a_colour_stays_recognisable() -> None:
    """Red stays the strongest part of a red."""
    for shades in (palette("#e4572e").light, palette("#e4572e").dark):
        red, green, blue = bytes.fromhex(shades.ink[1:])
        assert red > green > blue


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#ffffff", "#000000", 21.0), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1.0)],
)
def test_contrast_as_wcag_counts_it(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(one, other) == contrast(other, one)


@pytest.mark.parametrize(
    ("text", "colour"), [(" #1F5F5B ", "#1f5f5b"), ("#0aF", "#00aaff"), ("#000000", "#000000")]
)
def test_colours_as_people_write_them(text: str, colour: str) -> None:
    assert read(text) == colour


@pytest.mark.parametrize("text", ["", "1f5f5b", "teal", "#12345", "#1234567", "#gggggg", "#١٢٣٤٥٦"])
def test_what_is_no_colour(text: str) -> None:
    with pytest.raises(Fault, match="is not a colour"):
        read(text)
