"""What the pages wear: sheets, pictures, the one script, and the house's own logo and colour.

Answers for: the files below ``/static`` and their addresses, which change with their content, so
that browsers may keep them for good. Does not answer for: which logo and colour are good enough
(settings), or for what a page says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from evergrant.rules.colours import Palette
from evergrant.settings import Looks

__all__ = ["Dress", "Kept", "ours"]

_OURS = {
    "public.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "close.js": "text/javascript; charset=utf-8",
}
#: A logo may be a document of its own when somebody opens its address: nothing in it runs. Mail
#: programs in a browser show it on their pages.
_LOGO_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One file as it is served."""

    content: bytes = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Dress:
    """The files of one house. ``sheets``: addresses, in the order in which they count; ``logo``:
    an address, or empty."""

    def __init__(self, looks: Looks) -> None:
        self._kept = dict(ours())
        if looks.colour is not None:
            sheet = _sheet(looks.palette).encode()
            self._kept["house.css"] = Kept(content=sheet, media_type=_OURS["public.css"])
        if looks.logo is not None:
            self._kept["logo"] = Kept(
                content=looks.logo.content,
                media_type=looks.logo.media_type,
                headers=_LOGO_HEADERS,
            )
        self.sheets = tuple(self._address(name) for name in self._kept if name.endswith(".css"))
        self.icon = self._address("icon.svg")
        self.script = self._address("close.js")
        self.logo = looks.logo_path

    def get(self, name: str) -> Kept | None:
        return self._kept.get(name)

    def _address(self, name: str) -> str:
        return f"/static/{name}?v={hashlib.sha256(self._kept[name].content).hexdigest()[:12]}"


@cache
def ours() -> Mapping[str, Kept]:
    """What every house wears."""
    folder = files("evergrant.entrances.public").joinpath("static")
    return {
        name: Kept(content=folder.joinpath(name).read_bytes(), media_type=media_type)
        for name, media_type in _OURS.items()
    }


def _sheet(palette: Palette) -> str:
    light, dark = (
        f":root {{ --deep: {shades.ink}; --deeper: {shades.deeper}; --on-deep: {shades.on}; }}"
        for shades in (palette.light, palette.dark)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"
