"""The guide for operators shows the pictures that the tests take, all of them and no other."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from tests.browser.looking import LARGEST_PICTURE
from tests.browser.looking import PICTURES as FOLDER
from tests.browser.test_console_pictures import PICTURES

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "console.md"
PALETTE = 3


def named() -> list[str]:
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(r"!\[([^\]]*)\]\(\.\./pictures/console/([\w-]+)\.png\)", text)
    assert all(len(words) > 20 for words, _ in found), "who cannot see a picture is told what it is"
    assert len(found) == text.count("!["), "a picture from elsewhere"
    return [name for _, name in found]


def test_the_guide_names_each_picture_once_and_no_other() -> None:
    assert sorted(named()) == sorted(PICTURES)


def test_each_picture_lies_there_small_and_with_few_colours() -> None:
    assert {one.stem for one in FOLDER.iterdir()} == set(PICTURES), "run: make pictures"
    for one in FOLDER.iterdir():
        data = one.read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n"), one.name
        width, height, _, kind = struct.unpack(">IIBB", data[16:26])
        assert kind == PALETTE, one.name
        assert len(data) <= LARGEST_PICTURE, one.name
        assert 300 < width <= 1280, one.name
        assert 300 < height <= 1280, one.name
