"""What every request passes before a route sees it: request id, API key, size, media type.

Answers for: refusing before reading (no key: the body is never read), the limit on the body
whether or not its length was announced, the headers that every answer carries, and that a mistake
of ours ends as a problem and a log line. Does not answer for: rights; each room checks them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant import logs
from evergrant.entrances import large_bodies, problems
from evergrant.entrances.problems import Problem
from evergrant.entrances.programs import HEADERS, REQUEST_ID, api_key_in, request_id
from evergrant.errors import EvergrantError, TooLarge
from evergrant.rules.rights import Caller

__all__ = ["Porter", "Refused", "request_id_of"]

Authenticate = Callable[[str], Awaitable[Caller]]

_JSON = re.compile(
    r"""application/(?:json|merge-patch\+json)\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?\Z""",
    re.ASCII | re.IGNORECASE,
)
# Which encoding it is, its bytes say.
_CSV = re.compile(r"text/csv\s*(?:;.*)?\Z", re.ASCII | re.IGNORECASE)
# A body that is too large is thrown away for this long, so that the caller, who is still sending,
# reads the answer instead of a broken connection.
_LINGER_S: Final = 2.0

_log = logs.logger(__name__)


class Refused(Exception):
    """A problem that is known before any room is asked."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.code)


class Gone(Exception):
    """The caller hung up while sending."""


class Porter:
    """Stands in front of the application, as plain ASGI."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticate: Authenticate,
        body_limit: int,
        open_paths: frozenset[str],
    ) -> None:
        self._app = app
        self._authenticate = authenticate
        self._body_limit = body_limit
        self._open_paths = open_paths
        self._places = large_bodies.Places()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given_id = request_id(Headers(scope=scope).get(REQUEST_ID, ""))
        scope.setdefault("state", {})["request_id"] = given_id
        outgoing = _Outgoing(send, given_id)
        with logs.about(request_id=given_id):
            try:
                await self._pass_on(scope, receive, outgoing)
            except Gone:
                return
            except Refused as refused:
                await problems.answer(refused.problem, given_id, outgoing)
            except TooLarge as error:
                await problems.answer(problems.of_error(error), given_id, outgoing)
                await _linger(receive)
            except EvergrantError as error:
                await problems.answer(problems.of_error(error), given_id, outgoing)
            except Exception:  # noqa: BLE001  # the last one who can answer
                _log.exception("request failed", method=scope["method"], route=_route(scope))
                if not outgoing.started:
                    await problems.answer(problems.unexpected(), given_id, outgoing)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["path"] not in self._open_paths:
            scope["state"]["caller"] = await self._authenticate(
                api_key_in(headers.getlist("authorization"))
            )
        if _announced(headers) <= self._body_limit:
            await self._read_on(scope, headers, self._body_limit, receive, send)
            return
        limit = large_bodies.allowed(scope, self._body_limit)
        if _announced(headers) > limit:
            raise _too_large(limit)
        with self._places.one():
            await self._read_on(scope, headers, limit, receive, send)

    async def _read_on(
        self, scope: Scope, headers: Headers, limit: int, receive: Receive, send: Send
    ) -> None:
        body = await _body(limit, receive)
        if body:
            _check_media_type(headers, with_csv=large_bodies.takes_csv(scope))
        await self._app(scope, _replay(body, receive), send)


def _announced(headers: Headers) -> int:
    announced = headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdigit() else 0


async def _body(limit: int, receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    hint = "No request of this API needs that much. Is it meant for another address?"
    if limit == large_bodies.LARGEST_CHANGES:
        hint = "Hand in several smaller batches, one after the other."
    return TooLarge(
        f"The body is larger than {limit} bytes; it was not read.",
        hint=hint,
        facts={"limit_bytes": limit},
    )


class _Outgoing:
    """``send`` that puts the common headers on, and knows whether an answer has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self._request_id
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def request_id_of(request: Request) -> str:
    return str(request.state.request_id)


def _route(scope: Scope) -> str:
    """The route's pattern, not the path: a path may hold what the caller mistyped."""
    return str(getattr(scope.get("route"), "path", "unknown"))


def _check_media_type(headers: Headers, *, with_csv: bool) -> None:
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(problems.of_row("unsupported_media_type", detail="The body is compressed."))
    media_type = headers.get("content-type", "").strip()
    if _JSON.match(media_type) or (with_csv and _CSV.match(media_type)):
        return
    if with_csv:
        raise Refused(
            problems.of_row(
                "unsupported_media_type",
                detail="The body is sent neither as JSON nor as CSV.",
                hint="Send 'Content-Type: application/json' or 'text/csv' (UTF-8, no "
                "Content-Encoding).",
            )
        )
    raise Refused(problems.of_row("unsupported_media_type"))


def _replay(body: bytes, receive: Receive) -> Receive:
    """``receive`` for the application: the body that was read, then what the server says."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _linger(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body", False):
                continue
    except TimeoutError:
        return
