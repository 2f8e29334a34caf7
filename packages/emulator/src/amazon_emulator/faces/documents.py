"""The storage behind feeds and reports: uploads and downloads at presigned addresses.

Answers for: S3's way over HTTP: PUT and GET, its XML errors ('RESTErrorResponses' of the S3 API
reference), no SP-API token, a length that must be known beforehand, and a largest upload. Who may
do what is decided by `trade.documents`; addresses and signatures by its `presigning`.
"""

from __future__ import annotations

import hashlib
import secrets
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from amazon_emulator import answering
from amazon_emulator.history import Asked, note_facts
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents.documents import FOLDER, Document, Documents
from amazon_emulator.trade.documents.presigning import Refused
from amazon_emulator.weather import Failure, Spell

__all__ = ["Storage", "face", "refusal"]

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
OPERATIONS = {"PUT": "upload", "GET": "download"}
GARBAGE = b"\x1f\x8b\xff\xfe{"  # looks packed and is not


def refusal(refused: Refused) -> Response:
    """In S3's XML."""
    request_id = secrets.token_hex(8).upper()
    more = "".join(f"<{name}>{escape(words)}</{name}>" for name, words in refused.more.items())
    host_id = secrets.token_urlsafe(42)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message>{more}"
        f"<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>"
    )
    headers = {"x-amz-request-id": request_id, "x-amz-id-2": host_id}
    return Response(body.encode(), refused.status, headers, media_type="application/xml")


class Storage:
    """The one endpoint."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def __call__(self, request: Request) -> Response:
        asked = self.note(request)
        spell = self.stage.weather.meet(
            "documents",
            operation=OPERATIONS.get(request.method),
            partner=asked.partner,
            region=asked.region,
        )
        asked.weather = spell.mode if spell else None
        answer = await self.before(spell, request)
        if answer is None:
            try:
                answer = await self.work(request, spell, asked)
            except ClientDisconnect:
                asked.status = 0
                return answering.Dropped()
        asked.status = answer.status_code
        answer = await answering.after_work(self.stage, "documents", spell, request, answer)
        if isinstance(answer, answering.Dropped):
            asked.status = 0
        return answer

    def note(self, request: Request) -> Asked:
        path = _path(request)
        method = request.method.lower()
        asked = self.stage.history.note(
            self.stage.clock.now(), f"documents.{method}", "documents", request.method, path
        )
        asked.template = f"{FOLDER}{{documentId}}"
        asked.user_agent = request.headers.get("user-agent")
        document = self.stage.of(Documents).get(path.removeprefix(FOLDER))
        if document is not None:
            asked.partner = document.partner_id
            asked.region = document.region
        return asked

    async def before(self, spell: Spell | None, request: Request) -> Response | None:
        failure = spell.failure if spell else None
        if spell is not None and failure is not None and not failure.after_work:
            if spell.ms:
                await self.stage.weather.delay("documents", spell.ms / 1000)
            return _failed(failure)
        if spell is not None and spell.mode == "garbage":
            return Response(GARBAGE, 200)
        return await answering.before_work(self.stage, "documents", spell, request)

    async def work(self, request: Request, spell: Spell | None, asked: Asked) -> Response:
        try:
            answer = await self.serve(request)
        except Refused as refused:
            asked.error = refused.code
            return refusal(refused)
        asked.work_done = True
        failure = spell.failure if spell else None
        return _failed(failure) if failure is not None else answer

    async def serve(self, request: Request) -> Response:
        """Raises Refused."""
        documents = self.stage.of(Documents)
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        document = documents.check(
            request.method,
            _path(request),
            query,
            dict(request.headers.items()),
            self.stage.clock.now(),
        )
        if request.method == "PUT":
            content = await self.uploaded(request)
            document.content = content
            note_facts(bytes=len(content))
            etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
            return Response(b"", 200, {"etag": f'"{etag}"', "x-amz-id-2": secrets.token_hex(24)})
        note_facts(bytes=len(document.content or b""))
        return _download(document, dict(query).get("response-content-encoding"))

    async def uploaded(self, request: Request) -> bytes:
        """The whole body. Raises Refused; a client that leaves early has uploaded nothing."""
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            raise Refused(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                {"Header": "Transfer-Encoding"},
            )
        bound = self.stage.of(Documents).max_upload
        said = request.headers.get("content-length")
        if said is None:
            words = "You must provide the Content-Length HTTP header."
            raise Refused(411, "MissingContentLength", words)
        # The server has seen to it that this is a number, and takes no more than it says.
        if int(said) > bound:
            raise _too_large(said, bound)
        return await request.body()


def face(stage: Stage) -> ASGIApp:
    return Starlette(routes=[Route("/{path:path}", Storage(stage).__call__, methods=METHODS)])


def _path(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path", b"") or request.scope["path"].encode()
    return unquote(raw.split(b"?")[0].decode("latin-1"))


def _failed(failure: Failure) -> Response:
    return refusal(Refused(failure.status, failure.code, failure.message))


def _download(document: Document, encoding: str | None) -> Response:
    content = document.content or b""
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    headers = {"content-type": document.content_type, "etag": f'"{etag}"'}
    if encoding is not None:
        headers["content-encoding"] = encoding
    return Response(content, 200, headers)


def _too_large(size: str, bound: int) -> Refused:
    return Refused(
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        {"ProposedSize": size, "MaxSizeAllowed": str(bound)},
    )
