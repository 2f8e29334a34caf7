"""The house's logo and colour: what is taken, and what is refused in words."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from evergrant.errors import Misconfigured
from evergrant.rules.colours import OURS
from evergrant.rules.faults import Fault
from evergrant.settings import Looks, Settings
from evergrant.settings.looks import LARGEST_LOGO, read_logo


def png(width: int = 3, height: int = 2) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * 3 * min(width, 9)) * min(height, 9))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def webp(kind: bytes, head: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(head)) + head.ljust(20, b"\0")
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def svg(inside: str = '<path d="M0 0h9v9z"/>', before: str = "", root: str = "") -> bytes:
    xlink = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    return (
        f'{before}<svg xmlns="http://www.w3.org/2000/svg" {xlink} {root}>{inside}</svg>'
    ).encode()


LOSSY = webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 30, 20))
LOSSLESS = webp(b"VP8L", b"\x2f" + (29 | 19 << 14).to_bytes(4, "little"))
EXTENDED = webp(b"VP8X", b"\0" * 4 + (29).to_bytes(3, "little") + (19).to_bytes(3, "little"))


def on_disk(folder: Path, content: bytes) -> str:
    path = folder / "logo"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (png(), "image/png"),
        (LOSSY, "image/webp"),
        (LOSSLESS, "image/webp"),
        (EXTENDED, "image/webp"),
        (svg(), "image/svg+xml"),
        (svg(before='<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn -->'), "image/svg+xml"),
        (svg("<style>path{fill:url(#g)}</style><use href='#a'/>"), "image/svg+xml"),
        (svg("<image xlink:href='data:image/png;base64,AA=='/>"), "image/svg+xml"),
    ],
)
def test_pictures(tmp_path: Path, content: bytes, media_type: str) -> None:
    logo = read_logo(on_disk(tmp_path, content))
    assert (logo.content, logo.media_type) == (content, media_type)
    assert logo.in_letters is (media_type != "image/svg+xml")
    assert repr(content)[:20] not in repr(logo)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "neither PNG, SVG nor WebP"),
        (b"GIF89a" + b"\0" * 40, "neither PNG, SVG nor WebP"),
        (b"<html><body>x</body></html>", "neither PNG, SVG nor WebP"),
        (b'<svg viewBox="0 0 9 9"/>', "neither PNG, SVG nor WebP"),
        (svg()[:-4], "neither PNG, SVG nor WebP"),
        (png()[:20], "cut off"),
        (webp(b"VP8 ", b"\0" * 10), "cut off"),
        (LOSSY[:22], "cut off"),
        (png(0, 5), "0 by 5 pixels"),
        (png(9000, 5), "9000 by 5 pixels"),
        (png() + b"\0" * LARGEST_LOGO, "larger than 256 KiB"),
        (svg("<script>alert(1)</script>"), "<script>"),
        (svg("<foreignObject/>"), "<foreignobject>"),
        (svg(root='onload="alert(1)"'), "an attribute onload"),
        (svg("<a href='javascript:alert(1)'/>"), "links to something"),
        (svg("<use xlink:href='https://evil.example/x.svg#a'/>"), "links to something"),
        (svg("<image href='//evil.example/x.png'/>"), "links to something"),
        (svg("<style>@import 'https://evil.example/x.css';</style>"), "fetches something"),
        (svg("<path style='fill: url( \"https://evil.example/\")'/>"), "fetches something"),
        (svg("&e;", before="<!DOCTYPE svg [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"), "type"),
        (svg(before="<?xml-stylesheet href='x.css'?>"), "<?xml-stylesheet?>"),
    ],
)
def test_what_is_no_logo(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(Fault) as fault:
        read_logo(on_disk(tmp_path, content))
    assert why in fault.value.message


def test_a_logo_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.png", tmp_path):
        with pytest.raises(Misconfigured, match="EVERGRANT_HOUSE_LOGO"):
            Settings.from_environment({"EVERGRANT_HOUSE_LOGO": str(path)})


def test_the_house_wears_what_the_settings_say(tmp_path: Path) -> None:
    path = on_disk(tmp_path, png())
    settings = Settings.from_environment(
        {"EVERGRANT_HOUSE_LOGO": path, "EVERGRANT_HOUSE_COLOUR": "#E4572E"}
    )
    looks = settings.house.looks
    assert looks.logo == read_logo(path)
    assert looks.colour == "#e4572e"
    assert looks.palette != OURS
    assert looks.logo_path == f"/static/logo?v={read_logo(path).version}"
    shown = {row.name: row.value for row in settings.shown}
    assert shown["EVERGRANT_HOUSE_LOGO"] == path
    assert shown["EVERGRANT_HOUSE_COLOUR"] == "#E4572E"


def test_another_picture_has_another_address(tmp_path: Path) -> None:
    one = Looks(logo=read_logo(on_disk(tmp_path, png())))
    other = Looks(logo=read_logo(on_disk(tmp_path, png(4, 4))))
    assert one.logo_path != other.logo_path


def test_a_house_that_says_nothing_looks_like_us() -> None:
    looks = Settings.from_environment({}).house.looks
    assert looks == Looks()
    assert looks.palette == OURS
    assert looks.logo_path == ""


def test_a_colour_that_is_none() -> None:
    with pytest.raises(Misconfigured, match="is not a colour"):
        Settings.from_environment({"EVERGRANT_HOUSE_COLOUR": "green"})
