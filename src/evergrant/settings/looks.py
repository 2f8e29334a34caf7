"""How the house looks to its customers: its logo and its colour.

Answers for: reading both, once, at the start, and for what is wrong with a file. Does not answer
for: serving the logo, or for which shade goes where.

A logo is a picture that pages show in an ``<img>`` and never as markup of their own. An SVG is a
program as well as a picture, so one that holds scripts, entities or anything from afar is refused
here, and whatever is served is served in a sandbox.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from evergrant.rules.colours import OURS, Palette, palette
from evergrant.rules.faults import Fault

__all__ = ["LARGEST_LOGO", "Logo", "Looks", "read_logo"]

#: Bytes. Every visitor loads it once, on a phone as well.
LARGEST_LOGO = 256 * 1024
#: Pixels of either side: more is a photograph.
LARGEST_SIDE = 4000

_PNG, _WEBP, _SVG = "image/png", "image/webp", "image/svg+xml"
_HINT = "A PNG, SVG or WebP file of at most 256 KiB."
_HARMLESS = "Save it as plain SVG, without scripts, entities and linked files, or as PNG."
_SVG_ROOT = "http://www.w3.org/2000/svg svg"
#: Elements that do something, or that bring other languages along.
_LIVELY = frozenset({"script", "foreignobject", "iframe", "embed", "object", "audio", "video"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    content: bytes = field(repr=False)
    media_type: str

    @property
    def version(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(self.content).hexdigest()[:12]

    @property
    def in_letters(self) -> bool:
        """Most mail programs show no SVG."""
        return self.media_type != _SVG


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """``colour``: ``#rrggbb``, None for ours."""

    colour: str | None = None
    logo: Logo | None = None

    @property
    def palette(self) -> Palette:
        return OURS if self.colour is None else palette(self.colour)

    @property
    def logo_path(self) -> str:
        """Below the public URL, with the content's mark in it; empty without a logo."""
        return "" if self.logo is None else f"/static/logo?v={self.logo.version}"


def read_logo(text: str) -> Logo:
    """The picture in the file ``text``. Raises Fault."""
    try:
        with Path(text).expanduser().open("rb") as file:
            content = file.read(LARGEST_LOGO + 1)
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be opened"
        raise Fault("bad_logo", f"cannot read {text[:200]}: {why}.") from None
    if len(content) > LARGEST_LOGO:
        raise Fault("bad_logo", f"{text[:200]} is larger than 256 KiB.", hint=_HINT)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Logo(content=_checked(content, _png_size(content)), media_type=_PNG)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Logo(content=_checked(content, _webp_size(content)), media_type=_WEBP)
    _check_svg(content)
    return Logo(content=content, media_type=_SVG)


def _checked(content: bytes, size: tuple[int, int]) -> bytes:
    width, height = size
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise Fault(
            "bad_logo",
            f"the picture is {width} by {height} pixels.",
            hint=f"Each side may have {LARGEST_SIDE} at most.",
        )
    return content


def _png_size(content: bytes) -> tuple[int, int]:
    """From the IHDR chunk, which comes first (PNG specification, 11.2.1)."""
    if len(content) < 33 or content[12:16] != b"IHDR":
        raise Fault("bad_logo", "the PNG file is cut off.", hint=_HINT)
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _webp_size(content: bytes) -> tuple[int, int]:
    """From the first chunk: lossy, lossless or extended (RFC 9649, 2.5 to 2.7)."""
    kind, head = content[12:16], content[20:30]
    if len(content) < 30:
        kind = b""
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(head[4:7], "little"),
            1 + int.from_bytes(head[7:10], "little"),
        )
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[:1] == b"\x2f":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise Fault("bad_logo", "the WebP file is cut off.", hint=_HINT)


def _check_svg(content: bytes) -> None:
    """Well formed, an SVG, and nothing in it that runs or fetches. Raises Fault."""
    parser = expat.ParserCreate(namespace_separator=" ")
    seen: list[str] = []
    words: list[str] = []

    def opened(name: str, attributes: dict[str, str]) -> None:
        if not seen and name != _SVG_ROOT:
            raise Fault("bad_logo", "the file is neither PNG, SVG nor WebP.", hint=_HINT)
        seen.append(name)
        _check_element(name, attributes)

    def document_type(*_: object) -> None:
        raise Fault("bad_logo", "the SVG file has a document type.", hint=_HARMLESS)

    def instruction(target: str, _data: str) -> None:
        raise Fault("bad_logo", f"the SVG file has a <?{target[:20]}?>.", hint=_HARMLESS)

    parser.StartElementHandler = opened
    parser.StartDoctypeDeclHandler = document_type
    parser.ProcessingInstructionHandler = instruction
    parser.CharacterDataHandler = words.append
    try:
        parser.Parse(content, True)
    except expat.ExpatError:
        raise Fault("bad_logo", "the file is neither PNG, SVG nor WebP.", hint=_HINT) from None
    _check_words("".join(words))


def _check_element(name: str, attributes: dict[str, str]) -> None:
    element = name.rpartition(" ")[2].lower()
    if element in _LIVELY:
        raise Fault("bad_logo", f"the SVG file has a <{element}>.", hint=_HARMLESS)
    for attribute, value in attributes.items():
        key = attribute.rpartition(" ")[2].lower()
        if key.startswith("on"):
            raise Fault("bad_logo", f"the SVG file has an attribute {key}.", hint=_HARMLESS)
        within = value.strip().lower().startswith(("#", "data:image/png", "data:image/jpeg"))
        if key in ("href", "src") and value.strip() and not within:
            raise Fault("bad_logo", "the SVG file links to something.", hint=_HARMLESS)
        _check_words(value)


def _check_words(text: str) -> None:
    """Of style sheets and of attributes: what they fetch stands in ``url()`` or ``@import``."""
    bare = "".join(text.split()).lower().replace("'", "").replace('"', "")
    if "@import" in bare or bare.count("url(") != bare.count("url(#"):
        raise Fault("bad_logo", "the SVG file fetches something.", hint=_HARMLESS)
