"""Bodies on their way in: how large, and how long they may take.

Answers for: no door seeing more bytes than it takes, nor waiting for them for ever. Does not answer
for: the gateway's bodies, which are streamed and never kept.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant.entrances import large_bodies, problems
from evergrant.entrances.programs import REQUEST_ID, request_id
from evergrant.errors import TooLarge

__all__ = ["BODY_WITHIN_S", "DRAINED", "BodyLimit"]

#: Of a body that is too large, so much is still read and thrown away, in bytes. A server that
#: hangs up in the middle of a body is seen by many clients as a broken connection, not as 413.
DRAINED = 64 * 1024 * 1024
_DRAIN_S = 10.0
#: So long a body may take to arrive, in seconds. For headers the server itself waits as long.
BODY_WITHIN_S = 30.0


class _Arriving:
    """A body on its way. After ``within_s`` the door hears that the client went away: who sends a
    byte a minute must not hold connections for ever."""

    def __init__(self, receive: Receive, send: Send, within_s: float) -> None:
        self._receive = receive
        self._send = send
        self._until_s = asyncio.get_running_loop().time() + within_s
        self._whole = self._cut = self._answered = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        self._cut = message["type"] != "http.request"
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await self._send(message)

    @property
    def in_vain(self) -> bool:
        """It never arrived whole, and the door said nothing to it."""
        return self._cut and not self._answered


class BodyLimit:
    """Lets no door see more bytes than the limit, nor wait for them longer than ``within_s``. A
    body without a declared length is read before the door is opened, so that the door never sees
    half of one that is too large. ``large_bodies`` says where more is allowed, and more time."""

    def __init__(self, inner: ASGIApp, limit: int, within_s: float = BODY_WITHIN_S) -> None:
        self._inner = inner
        self._limit = limit
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        length: bytes | None = None
        chunked = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
        if not chunked and length in (None, b"0"):
            await self._inner(scope, receive, send)
            return
        limit = large_bodies.allowed(scope, self._limit)
        fits = length is not None and length.isdigit() and int(length) <= limit
        more_s = int(length or 0) / large_bodies.SLOWEST if fits else 0.0
        body = _Arriving(receive, send, self._within_s + more_s)
        if chunked:
            await self._unannounced(scope, body.receive, body.send)
        elif not fits:
            await _drain(receive)
            if large_bodies.turns_away_itself(scope):
                marked = {**scope, large_bodies.TOO_LARGE: limit}
                await self._inner(marked, _nothing, body.send)
            else:
                await self._refuse(scope, send)
        else:
            await self._inner(scope, body.receive, body.send)
        if body.in_vain:
            told = problems.of_row("bad_request", detail="The body did not arrive whole in time.")
            await problems.answer(told, _request_id(scope), send)

    async def _unannounced(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client went away
            read += message.get("body", b"")
            more = message.get("more_body", False)
            if len(read) > self._limit:
                if more:
                    await _drain(receive)
                await self._refuse(scope, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(read), "more_body": False}

        await self._inner(scope, again, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        error = TooLarge(
            "The request is larger than this door takes.",
            hint=f"At most {self._limit} bytes are taken (EVERGRANT_BODY_LIMIT).",
            facts={"limit_bytes": self._limit},
        )
        await problems.answer(problems.of_error(error), _request_id(scope), send)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drain(receive: Receive) -> None:
    read = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            while read < DRAINED:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                read += len(message.get("body", b""))
    except TimeoutError:
        return


def _request_id(scope: Scope) -> str:
    wished = dict(scope["headers"]).get(REQUEST_ID.encode(), b"")
    return request_id(wished.decode("latin-1"))
