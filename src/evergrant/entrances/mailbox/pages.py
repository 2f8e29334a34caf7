"""The pages of the development mailbox, under ``/dev/mailbox``.

Answers for: list, one letter, its HTML in a sandbox, JSON for scripts. Does not answer for:
receiving. The letters hold working links, so the pages are closed where the public URL is not one
of this machine: whoever forgot the mail relay would show every letter to everybody. And they only
answer to names of this machine (a page elsewhere could otherwise read them through a rebound name).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from evergrant.entrances.mailbox.sink import KeptLetter, Mailbox
from evergrant.rules.urls import is_loopback

__all__ = ["build"]

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# A letter is somebody's HTML: no scripts, no origin of its own, nothing from the network.
# Its links may leave the frame, by a click.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
_LETTER_POLICY = (
    f"sandbox {_SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'"
)
_CLOSED = (
    "The development mailbox is closed: its letters hold links that work, and EVERGRANT_PUBLIC_URL "
    "is reached by others. Set EVERGRANT_SMTP_URL to send letters; 'evergrant account link' shows "
    "the link of one account.\n"
)
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Handler = Callable[[Request], Awaitable[Response]]


def build(mailbox: Mailbox, public_url: str = "") -> Starlette:
    """``public_url``: where others reach this house. Unless that is this machine alone, every page
    is closed, whatever name it is asked by: a proxy in front may use any."""
    public_host = urlsplit(public_url).hostname or "localhost"
    pages = _Pages(mailbox, {*_LOCAL, public_host} if is_loopback(public_host) else ())
    return Starlette(
        routes=[
            Route("/dev/mailbox", pages.guarded(pages.inbox)),
            Route("/dev/mailbox/", pages.guarded(pages.inbox)),
            Route("/dev/mailbox.json", pages.guarded(pages.listing)),
            Route("/dev/mailbox/style.css", pages.guarded(pages.style)),
            Route("/dev/mailbox/{number}", pages.guarded(pages.letter)),
            Route("/dev/mailbox/{number}/html", pages.guarded(pages.html)),
        ]
    )


class _Pages:
    def __init__(self, mailbox: Mailbox, hosts: Iterable[str]) -> None:
        self._mailbox = mailbox
        self._hosts = frozenset(hosts)
        self._templates = Environment(
            loader=PackageLoader("evergrant.entrances.mailbox"),
            autoescape=True,
            undefined=StrictUndefined,
        )

    def guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            if not self._hosts:
                return PlainTextResponse(_CLOSED, 403)
            if (request.url.hostname or "") not in self._hosts:
                return PlainTextResponse("The mailbox answers to names of this machine only.", 421)
            response = await handler(request)
            for name, value in _HEADERS.items():
                response.headers[name] = value
            return response

        return answer

    async def inbox(self, request: Request) -> Response:
        return self._page("inbox.html", letters=self._mailbox.letters)

    async def letter(self, request: Request) -> Response:
        letter = self._letter(request)
        if letter is None:
            return self._page("missing.html", status=404)
        return self._page("letter.html", letter=letter, sandbox=_SANDBOX)

    async def html(self, request: Request) -> Response:
        letter = self._letter(request)
        if letter is None:
            return self._page("missing.html", status=404)
        return HTMLResponse(
            '<base target="_top">' + letter.html,
            headers={"content-security-policy": _LETTER_POLICY},
        )

    def _letter(self, request: Request) -> KeptLetter | None:
        number: str = request.path_params["number"]
        known = number.isascii() and number.isdigit() and len(number) < 10
        return self._mailbox.letter(int(number)) if known else None

    async def listing(self, request: Request) -> Response:
        """Newest first; ``?to=`` keeps the letters of one address."""
        to = request.query_params.get("to")
        letters = self._mailbox.to(to) if to else self._mailbox.letters
        return JSONResponse({"letters": [_as_json(letter) for letter in letters]})

    async def style(self, request: Request) -> Response:
        sheet = files("evergrant.entrances.mailbox").joinpath("templates/style.css")
        return Response(sheet.read_bytes(), media_type="text/css")

    def _page(self, name: str, *, status: int = 200, **facts: Any) -> Response:
        text = self._templates.get_template(name).render(**facts)
        return HTMLResponse(text, status, headers={"content-security-policy": _PAGE_POLICY})


def _as_json(letter: KeptLetter) -> dict[str, Any]:
    return {
        "number": letter.number,
        "at": letter.at.isoformat(),
        "from": letter.sender,
        "to": list(letter.to),
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "links": list(letter.links),
        "headers": [list(pair) for pair in letter.headers],
    }
