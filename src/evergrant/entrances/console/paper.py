"""The paper that the console is printed on: templates, style sheet, scripts, headers.

Answers for: rendering, for the filters that pages use, and for what no answer goes without. Does
not answer for: what a page says.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.types import ASGIApp

from evergrant.entrances.guarded import Guarded
from evergrant.letters import plain

__all__ = ["ago", "day", "guarded", "minute", "policy", "press", "squeezed", "static"]

_HERE = "evergrant.entrances.console"
#: Embeddings, overrides and isolates of the writing's direction (Unicode's bidirectional controls).
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def policy(form_action: Iterable[str] = ("'self'",)) -> str:
    """The Content-Security-Policy: our own files alone, nothing inline, nobody frames it.
    ``form_action``: where forms of this page may lead, redirects included."""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; "
        f"form-action {' '.join(form_action)}; frame-ancestors 'none'"
    )


# --- filters ----------------------------------------------------------------------------------


def day(instant: datetime) -> str:
    """12 May 2027, in UTC."""
    utc = instant.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}"


def minute(instant: datetime) -> str:
    """12 May 2027 14:05 UTC."""
    return f"{day(instant)} {instant.astimezone(UTC):%H:%M} UTC"


_STEPS = (
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


def ago(instant: datetime, now: datetime) -> str:
    """ "3 days ago", "in 2 hours", "just now"."""
    apart = now - instant
    for step, name in _STEPS:
        count = abs(apart) // step
        if count:
            words = f"{count} {name}{'' if count == 1 else 's'}"
            return f"{words} ago" if apart > timedelta() else f"in {words}"
    return "just now"


def number(value: int) -> str:
    """12,345."""
    return f"{value:,}"


def unturned(value: Any) -> Any:
    """Without what turns the writing about: in a name it would turn the words beside it too, and
    whoever reads them. Letters that are written from the right turn by themselves."""
    if not isinstance(value, str) or not _TURNING.search(value):
        return value
    kept = _TURNING.sub("", value)
    # It was Markup before, and nothing was added.
    return Markup(kept) if isinstance(value, Markup) else kept  # noqa: S704


@cache
def press() -> Environment:
    """The templates with their filters; one per process."""
    made = Environment(
        loader=PackageLoader(_HERE),
        autoescape=True,
        finalize=unturned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters |= {
        "plain": plain,
        "day": day,
        "minute": minute,
        "number": number,
        "ago": ago,
    }
    made.globals |= {
        "sheet": _address("console.css"),
        "scripts": _scripts(),
        "icon": _address("icon.svg"),
    }
    return made


# --- files ------------------------------------------------------------------------------------


def _folder(name: str) -> list[Traversable]:
    folder = files(_HERE).joinpath("static", name)
    return sorted(
        (one for one in folder.iterdir() if one.name.endswith(f".{name}")), key=lambda one: one.name
    )


@cache
def static(name: str) -> tuple[bytes, str, str] | None:
    """Content, media type and version of a file that pages use. ``console.css`` is all sheets in
    the order of their names."""
    known = {one.name: one for one in _folder("js")}
    if name == "console.css":
        content = b"\n".join(one.read_bytes() for one in _folder("css"))
    elif name == "icon.svg":
        content = files(_HERE).joinpath("static", name).read_bytes()
    elif name in known:
        content = known[name].read_bytes()
    else:
        return None
    version = hashlib.sha256(content).hexdigest()[:12]
    return content, _MEDIA_TYPES[name.rpartition(".")[2]], version


@cache
def squeezed(name: str) -> bytes:
    """A file by gzip. Files alone: a page holds the proof of its forms beside what others typed,
    and the length of what is squeezed together tells of both (the attack called BREACH)."""
    kept = static(name)
    assert kept is not None, name
    return gzip.compress(kept[0], mtime=0)


def _address(name: str) -> str:
    """Changes with the content, so that browsers may keep it for good."""
    kept = static(name)
    assert kept is not None, name
    return f"/console/static/{name}?v={kept[2]}"


#: What other scripts import by its plain name; named on the page it would be loaded twice.
_IMPORTED = frozenset({"reading.js"})


def _scripts() -> list[str]:
    return [_address(one.name) for one in _folder("js") if one.name not in _IMPORTED]


def guarded(app: ASGIApp, *, https: bool) -> ASGIApp:
    """The door with its headers."""
    own = {
        "referrer-policy": "same-origin",
        "content-security-policy": policy(),
        # The window for the phone is opened by a page of ours and goes to Amazon and back.
        "cross-origin-opener-policy": "same-origin-allow-popups",
    }
    return Guarded(app, own, https=https)
