"""Headers that no page of ours goes without, whichever door it is behind.

Answers for: these headers, on every answer of a door, errors and files included. Does not answer
for: a page's policy on what it may load (each door says its own).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guarded"]

_EVERY_PAGE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
#: Browsers complain about it on plain http.
_HTTPS_ONLY = {"strict-transport-security": "max-age=31536000"}


class Guarded:
    """Puts them on every answer of ``app``. What a page says itself stays. ``own``: what this door
    has besides, or says otherwise."""

    def __init__(self, app: ASGIApp, own: Mapping[str, str], *, https: bool) -> None:
        self._app = app
        self._headers = {**_EVERY_PAGE, **(_HTTPS_ONLY if https else {}), **own}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded if scope["type"] == "http" else send)
