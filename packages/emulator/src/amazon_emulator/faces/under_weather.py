"""Bad weather for whole faces: documents and queues, which do not look out of the window.

Answers for: failing modes around a face that knows nothing of them. Login with Amazon and the
Selling Partner API look for themselves, since they know who asks only after reading.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amazon_emulator import answering, issuing
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents import FOLDER, Documents
from amazon_emulator.weather import Failure, Spell

__all__ = ["UnderWeather"]

GARBAGE = b"\x1f\x8b\xff\xfe{"
DOCUMENT_OPERATIONS = {"PUT": "upload", "GET": "download"}


class UnderWeather:
    """ASGI wrapper of one face. ``face``: "documents", whose operations are upload and download,
    or "aws", whose operations are named as AWS names them (ReceiveMessage, AssumeRole)."""

    def __init__(self, app: ASGIApp, stage: Stage, face: str) -> None:
        self.app = app
        self.stage = stage
        self.face = face

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not any(spell.face == self.face for spell in self.stage.weather.spells):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        body, gone = await _read(receive)
        spell = self._meet(request, body)
        if spell is None:
            await self.app(scope, _again(body, receive), send)
            return
        answer = None if gone else await self._before(spell, Request(scope, receive))
        if answer is None:
            answer = await _caught(self.app, scope, _again(body, receive))
            failure = spell.failure
            if failure is not None:
                answer = self._error(failure)
            answer = await answering.after_work(
                self.stage, self.face, spell, Request(scope, receive), answer
            )
        await answer(scope, receive, send)

    def _meet(self, request: Request, body: bytes) -> Spell | None:
        if self.face == "documents":
            document_id = request.scope["path"].removeprefix(FOLDER)
            document = self.stage.of(Documents).get(document_id)
            return self.stage.weather.meet(
                self.face,
                operation=DOCUMENT_OPERATIONS.get(request.method),
                partner=document.partner_id if document else None,
                region=document.region if document else None,
            )
        return self.stage.weather.meet(self.face, operation=_action(request, body))

    async def _before(self, spell: Spell, request: Request) -> Response | None:
        failure = spell.failure
        if failure is not None and not failure.after_work:
            if spell.ms:
                await self.stage.weather.delay(self.face, spell.ms / 1000)
            return self._error(failure)
        if spell.mode == "garbage":
            return Response(GARBAGE, 200, media_type="application/json")
        return await answering.before_work(self.stage, self.face, spell, request)

    def _error(self, failure: Failure) -> Response:
        request_id = issuing.request_id()
        if self.face == "documents":
            words = (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                f"<Error><Code>{_xml(failure.code)}</Code>"
                f"<Message>{_xml(failure.message)}</Message>"
                f"<RequestId>{request_id}</RequestId></Error>"
            )
            headers = {"x-amz-request-id": request_id}
            return Response(words, failure.status, headers, media_type="application/xml")
        kind = f"com.amazonaws.sqs#{failure.code}"
        headers = {"x-amzn-requestid": request_id, "x-amzn-query-error": f"{failure.code};Receiver"}
        return answering.as_json(
            {"__type": kind, "message": failure.message}, failure.status, headers
        )


def _action(request: Request, body: bytes) -> str | None:
    """From `X-Amz-Target: AmazonSQS.ReceiveMessage`, or from the form of the query protocol."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    pairs = [*request.query_params.items(), *parse_qsl(body[:100_000].decode("latin-1"))]
    return dict(pairs).get("Action")


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The whole body, and whether the client has left."""
    taken = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(taken), True
        taken += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(taken), False


def _again(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """The body once more, then whatever comes."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _caught(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """What the face answers, before anybody else sees it."""
    status, headers, body = 500, [], bytearray()

    async def catch(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await app(scope, receive, catch)
    answer = Response(bytes(body), status)
    answer.raw_headers = headers
    return answer
