"""The frame around every page: session, guard, form, handler, and what is said when one breaks.

Answers for: that order. Does not answer for: who is recognised (`sessions`), or for any page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from evergrant.entrances import large_bodies, problems
from evergrant.entrances.console import forms, guard, paper
from evergrant.entrances.console.asking import LIVE, Asked
from evergrant.entrances.console.doors import Door, all_doors
from evergrant.entrances.console.seals import Cookies
from evergrant.errors import EvergrantError, StoreUnavailable, TooLarge
from evergrant.rules.faults import Fault

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.sessions import Present
    from evergrant.settings import Settings

__all__ = ["build"]

_FOREIGN = (
    "This form was not sent from a page of this console, or it lay open for too long. Nothing was "
    "changed."
)
_LOOK_LATER = "Nothing is lost. Load this page again in a moment."
_LOOK_FIRST = "Look in a moment whether it was done before you send it once more."


def build(desk: Desk, settings: Settings, *, has_mailbox: bool = False) -> ASGIApp:
    """The console as an ASGI application; answers every path that it is given."""
    https = settings.public_url.startswith("https://")
    frame = _Frame(desk, settings, Cookies(https=https), has_mailbox)
    by_path: dict[str, dict[str, Door]] = defaultdict(dict)
    for door in all_doors():
        if door.method in by_path[door.path]:
            raise ValueError(f"two doors for {door.method} {door.path}")
        by_path[door.path][door.method] = door
    # Fixed addresses first: /accounts/new is no account of the name "new".
    ordered = sorted(by_path, key=lambda path: ("{" in path, path.count("{"), path))
    routes = [
        Route(path, frame.answering(by_path[path]), methods=list(by_path[path])) for path in ordered
    ]
    app = Starlette(
        routes=[Route("/console/static/{name}", _static), *routes],
        exception_handlers={
            HTTPException: frame.on_http_error,
            EvergrantError: frame.on_error,
            guard.ForeignForm: frame.on_foreign_form,
            ClientDisconnect: _on_half_a_form,
        },
    )
    return paper.guarded(app, https=https)


class _Frame:
    def __init__(self, desk: Desk, settings: Settings, cookies: Cookies, has_mailbox: bool) -> None:
        self._desk = desk
        self._settings = settings
        self._cookies = cookies
        self._has_mailbox = has_mailbox
        self._places = large_bodies.Places()

    def answering(self, doors: dict[str, Door]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            door = doors["GET" if request.method == "HEAD" else request.method]
            asked = await self._asked(request)
            turned = guard.turned_away(door, asked)
            if turned is not None:
                return turned
            if door.method == "GET":
                return await self._handled(door, asked)
            guard.check_sender(request, self._settings.public_url)
            with self._place_for(request):
                asked = asked.with_form(*await forms.read(request))
                guard.check_proof_of(asked)
                return await self._handled(door, asked)

        return answer

    async def _handled(self, door: Door, asked: Asked) -> Response:
        try:
            return await door.handler(asked)
        except Fault as fault:
            return self._trouble(asked, 400, fault.message, fault.hint)

    def _place_for(self, request: Request) -> AbstractContextManager[None]:
        """Raises TooLarge, and OverLimit where others send large files at this moment."""
        most = request.scope.get(large_bodies.TOO_LARGE)
        if most is not None:
            raise TooLarge(
                f"What you sent is larger than this page takes ({_size(most)}). "
                "Nothing was changed.",
                hint="Split a file, or hand it in through the folder or the command line.",
                facts={"limit_bytes": most},
            )
        announced = request.headers.get("content-length", "")
        large = announced.isdecimal() and int(announced) > self._settings.body_limit
        return self._places.one() if large else nullcontext()

    async def _asked(self, request: Request) -> Asked:
        secret = self._cookies.read_session(request)
        present = None
        if secret is not None:
            # An open page that reads itself again keeps nobody signed in.
            quietly = LIVE in request.headers
            present = await self._desk.sessions.recognise(secret, quietly=quietly)
        return self._asked_by(request, present)

    async def _asked_in_trouble(self, request: Request, error: Exception) -> Asked:
        """Where nobody can be recognised now, what is wrong is told as to a stranger: it names
        nothing of the house, and the session stays what it is."""
        if isinstance(error, StoreUnavailable):
            return self._asked_by(request, None)
        try:
            return await self._asked(request)
        except StoreUnavailable:
            return self._asked_by(request, None)

    def _asked_by(self, request: Request, present: Present | None) -> Asked:
        return Asked(
            desk=self._desk,
            settings=self._settings,
            request=request,
            cookies=self._cookies,
            now=self._desk.clock.now(),
            present=present,
            visit=self._cookies.read_visit(request) or self._cookies.fresh_visit(),
            has_mailbox=self._has_mailbox,
        )

    # --- what goes wrong --------------------------------------------------------------------------

    async def on_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, EvergrantError)
        asked = await self._asked_in_trouble(request, error)
        hint = error.hint
        if isinstance(error, StoreUnavailable):
            then = _LOOK_LATER if request.method == "GET" else _LOOK_FIRST
            hint = f"{then} {hint or ''}".strip()
        return self._trouble(asked, problems.status_of(type(error)), str(error), hint)

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        asked = await self._asked_in_trouble(request, error)
        words = _WORDS.get(error.status_code, error.detail)
        return self._trouble(asked, error.status_code, words, None)

    async def on_foreign_form(self, request: Request, error: Exception) -> Response:
        asked = await self._asked_in_trouble(request, error)
        return self._trouble(asked, 403, _FOREIGN, "Load the page again and send it from there.")

    def _trouble(self, asked: Asked, status: int, words: str, hint: str | None) -> Response:
        return asked.page("trouble.html", status, words=words, hint=hint, number=status)


def _size(count: int) -> str:
    return f"{count // 1024**2:,} MiB" if count >= 1024**2 else f"{count // 1024:,} KiB"


_WORDS = {
    404: "There is no such page here.",
    405: "This address does not take that.",
}


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kept = paper.static(name)
    if kept is None:
        raise HTTPException(404)
    content, media_type, version = kept
    known = request.query_params.get("v") == version
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if known else "no-cache",
        # Weak: the same for both of its shapes.
        "etag": f'W/"{version}"',
        "vary": "accept-encoding",
    }
    # Scripts import each other by plain names, so browsers ask for those with every page.
    if f'"{version}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = paper.squeezed(name)
        headers["content-encoding"] = "gzip"
    return Response(content, media_type=media_type, headers=headers)


async def _on_half_a_form(request: Request, error: Exception) -> Response:
    return PlainTextResponse("", 400)
