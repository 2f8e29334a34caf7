"""The paper that pages are printed on: templates, languages, headers.

Answers for: rendering in the visitor's language and for the headers that every answer of this door
carries. Does not answer for: what a page says.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant.letters import LANGUAGES, plain, tongue

__all__ = ["NAMES", "Guarded", "language_of", "page", "policy"]

#: Every language by the name that its speakers give it.
NAMES = {"en": "English", "de": "Deutsch", "fr": "Français", "it": "Italiano", "es": "Español"}
#: Browsers complain about these on plain http.
_HTTPS_ONLY = {
    "strict-transport-security": "max-age=31536000",
    "cross-origin-opener-policy": "same-origin",
}


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


class Guarded:
    """Puts on every answer what no page may go without. What a page says itself stays."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = {
            # The address of a page may hold a secret: it is told to nobody, kept by nobody.
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
            "content-security-policy": policy(),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "x-robots-tag": "noindex, nofollow",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
            **(_HTTPS_ONLY if https else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send)
