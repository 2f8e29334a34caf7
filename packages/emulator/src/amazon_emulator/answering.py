"""How a face answers over HTTP: JSON, dropped connections, cut bodies, odd header case.

Answers for: the way from a decided answer to the socket, failing modes included. What is answered
is decided by the faces.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amazon_emulator.stage import Stage
from amazon_emulator.weather import Spell

__all__ = [
    "HANG_UP",
    "MAX_CALL_BODY",
    "BodyTooLarge",
    "Dressed",
    "Dropped",
    "Truncated",
    "after_work",
    "as_json",
    "before_work",
    "body_of",
    "hang",
]

HANG_UP = "amazon_emulator.hang_up"
MAX_BODY = 1_000_000
MAX_CALL_BODY = 12_000_000  # invoices travel in calls, base64
# Not UTF-8 and not JSON, although the headers say so.
GARBAGE = {
    "lwa": b'{"access_token": "Atza|emul\xff\xfe',
    "spapi": b'{"payload": [{"marketpl\xff\xfe',
}


class BodyTooLarge(Exception):
    """More came in than is taken."""


async def body_of(request: Request, at_most: int = MAX_BODY) -> bytes:
    """The request's body, at most a megabyte if nothing else is said. Raises BodyTooLarge."""
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > at_most:
            raise BodyTooLarge
    return bytes(taken)


def as_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status,
        headers=dict(headers or {}),
        media_type="application/json",
    )


class Dropped(Response):
    """Closes the connection without a byte of answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(scope)


class Truncated(Response):
    """Promises all of an answer, sends half of it and closes the connection."""

    def __init__(self, whole: Response) -> None:
        super().__init__(b"")
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.whole.body)
        await send(
            {
                "type": "http.response.start",
                "status": self.whole.status_code,
                "headers": self.whole.raw_headers,
            }
        )
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        await _hang_up(scope)


async def _hang_up(scope: Scope) -> None:
    hang_up: Callable[[], None] = scope["extensions"][HANG_UP]
    hang_up()
    # The server learns of the closed connection in the next turns of the loop; only then may the
    # call return without an answer.
    for _ in range(3):
        await asyncio.sleep(0)


async def hang(stage: Stage, face: str, request: Request) -> Response:
    """Keeps the client waiting, then drops the connection."""
    gone = asyncio.ensure_future(_gone(request.receive))
    try:
        await stage.weather.hang(face, gone)
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
    return Dropped()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def before_work(
    stage: Stage, face: str, spell: Spell | None, request: Request
) -> Response | None:
    """What a failing mode answers without any work done; None: go on and work."""
    if spell is None:
        return None
    if spell.ms:
        await stage.weather.delay(face, spell.ms / 1000)
    match spell.mode:
        case "drop":
            return Dropped()
        case "hang":
            return await hang(stage, face, request)
        case "garbage":
            return Response(GARBAGE.get(face, GARBAGE["spapi"]), 200, media_type="application/json")
        case "empty":
            return Response(b"", 200, media_type="application/json")
        case "html":
            page = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
            return Response(page, 503, media_type="text/html")
    return None


async def after_work(
    stage: Stage, face: str, spell: Spell | None, request: Request, answer: Response
) -> Response:
    """What a failing mode makes of an answer whose work is done."""
    match spell.mode if spell else None:
        case "drop_after":
            return Dropped()
        case "hang_after":
            return await hang(stage, face, request)
        case "truncate":
            return Truncated(answer)
    return answer


class Dressed:
    """ASGI wrapper: `Date` by the emulator's clock, and header names in odd case unless gentle."""

    def __init__(self, app: ASGIApp, stage: Stage) -> None:
        self.app = app
        self.stage = stage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self.stage.clock.now(), usegmt=True)
                headers = [*message.get("headers", []), (b"date", date.encode())]
                if not self.stage.habits.gentle:
                    case = self.stage.dice.choice((bytes.title, bytes.upper, bytes.lower))
                    headers = [(case(name), value) for name, value in headers]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, dressed)
