"""The paper that pages are printed on: templates, languages, headers.

Answers for: rendering in the visitor's language and for the headers that every answer of this door
carries. Does not answer for: what a page says.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp

from evergrant.entrances.guarded import Guarded
from evergrant.letters import LANGUAGES, plain, tongue

__all__ = ["NAMES", "guarded", "language_of", "page", "policy"]

#: Every language by the name that its speakers give it.
NAMES = {"en": "English", "de": "Deutsch", "fr": "Français", "it": "Italiano", "es": "Español"}


def policy(form_action: Iterable[str] = ("'self'",), *, script: bool = False) -> str:
    """The Content-Security-Policy: nothing comes from afar, nobody frames it, and nothing runs,
    except our own ``script`` on a page that can close its window."""
    told = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action {' '.join(form_action)}; frame-ancestors 'none'"
    )
    return f"{told}; script-src 'self'" if script else told


def language_of(*wishes: str | None, accept: str = "") -> str:
    """The first wish that is a language of ours, else the best of ``Accept-Language``, else
    English."""
    for wish in wishes:
        if wish in LANGUAGES:
            return wish
    for wish in _accepted(accept):
        if wish in LANGUAGES:
            return wish
    return LANGUAGES[0]


def _accepted(header: str) -> list[str]:
    """The languages of an ``Accept-Language`` header (RFC 9110, 12.5.4), most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        name, _, parameter = part.strip().partition(";")
        weight = parameter.strip().removeprefix("q=")
        try:
            weighed.append((float(weight) if weight else 1.0, name.split("-")[0].strip().lower()))
        except ValueError:
            continue
    return [name for weight, name in sorted(weighed, key=lambda one: -one[0]) if weight > 0]


def page(
    template: str,
    language: str,
    *,
    status: int = 200,
    form_action: Iterable[str] = ("'self'",),
    script: bool = False,
    **facts: Any,
) -> HTMLResponse:
    """Renders ``template`` in ``language``."""
    text = _press(language).get_template(template).render(**facts)
    return HTMLResponse(
        text,
        status,
        headers={
            "content-language": language,
            "content-security-policy": policy(form_action, script=script),
        },
    )


@cache
def _press(language: str) -> Environment:
    spoken = tongue(language)
    press = Environment(
        loader=PackageLoader("evergrant.entrances.public"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    press.install_gettext_translations(spoken.translations, newstyle=True)  # type: ignore[attr-defined]
    press.policies["ext.i18n.trimmed"] = True
    press.filters |= {"plain": plain, "day": spoken.day, "say": spoken.say}
    press.globals["language"] = language
    return press


def guarded(app: ASGIApp, *, https: bool) -> ASGIApp:
    """The door with its headers."""
    own = {
        # The address of a page may hold a secret: it is told to nobody, kept by nobody.
        "referrer-policy": "no-referrer",
        "content-security-policy": policy(),
    }
    if https:
        own["cross-origin-opener-policy"] = "same-origin"  # browsers complain on plain http
    return Guarded(app, own, https=https)
