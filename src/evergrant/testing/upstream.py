"""Amazon behind the gateway, in memory.

Answers for: remembering each request with its whole body, answering as it was told to, in pieces
and with gaps where a test wants them, and breaking off where a connection would. Does not answer
for: what Amazon would really say (the emulator does).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from evergrant.errors import AmazonUnavailable
from evergrant.ports.upstream import UpstreamRequest

__all__ = ["FakeUpstream", "Played", "Seen"]

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived. ``broken``: its body broke off."""

    request: UpstreamRequest
    access_token: str = field(repr=False)
    body: bytes = b""
    broken: bool = False

    def header(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode() for one, value in self.request.headers if one.lower() == wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One answer. ``breaks``: after its pieces the connection breaks. ``hold``: what is waited
    for before the head is sent; ``hold_body``: before each piece."""

    status: int = 200
    headers: Headers = ((b"Content-Type", b"application/json"),)
    pieces: Sequence[bytes] = (b'{"payload":[]}',)
    breaks: bool = False
    hold: asyncio.Event | None = None
    hold_body: asyncio.Event | None = None


class FakeUpstream:
    """``ports.upstream.Upstream``. What is queued by `play` and `fail` comes first, one for each
    request; then ``answer``, for ever."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer: Played | Callable[[Seen], Played] = Played()
        #: Answers that were opened, and how many of them were closed.
        self.opened = self.closed = 0
        #: Requests that are waited with.
        self.under_way = 0
        self._queued: deque[Played | AmazonUnavailable] = deque()

    def play(self, *answers: Played) -> None:
        self._queued.extend(answers)

    def fail(self, *, sent: bool, timed_out: bool = False) -> None:
        """The next request gets no answer."""
        facts: dict[str, object] = {"sent": sent, **({"timed_out": True} if timed_out else {})}
        self._queued.append(AmazonUnavailable("Nobody answered.", facts=facts))

    async def open(self, request: UpstreamRequest) -> _Answer:
        seen = await self._take(request)
        self.seen.append(seen)
        if seen.broken:
            raise AmazonUnavailable("The body broke off.", facts={"sent": True})
        played = self._queued.popleft() if self._queued else self.answer
        if isinstance(played, AmazonUnavailable):
            raise played
        if callable(played):
            played = played(seen)
        self.under_way += 1
        try:
            if played.hold is not None:
                await played.hold.wait()
        finally:
            self.under_way -= 1
        self.opened += 1
        return _Answer(self, played)

    async def close(self) -> None:
        """There is nothing to close."""

    async def _take(self, request: UpstreamRequest) -> Seen:
        token = request.access_token.reveal()
        if request.body is None or isinstance(request.body, bytes):
            return Seen(request=request, access_token=token, body=request.body or b"")
        body = bytearray()
        try:
            async for piece in request.body:
                body += piece
        except Exception:  # noqa: BLE001 - as at a socket: a body that breaks off, whyever
            return Seen(request=request, access_token=token, body=bytes(body), broken=True)
        return Seen(request=request, access_token=token, body=bytes(body))


class _Answer:
    def __init__(self, upstream: FakeUpstream, played: Played) -> None:
        self._upstream = upstream
        self._played = played
        self._pieces = iter(played.pieces)
        self._closed = False
        self.status = played.status
        self.headers = played.headers

    async def read(self) -> bytes:
        for piece in self._pieces:
            if self._played.hold_body is not None:
                await self._played.hold_body.wait()
            await asyncio.sleep(0)
            if piece:
                return piece
        if self._played.breaks:
            raise AmazonUnavailable("The connection broke.", facts={"sent": True})
        return b""

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._upstream.closed += 1
