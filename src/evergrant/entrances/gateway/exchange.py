"""One request of a program: its body on the way in, the answer on the way out, and whether anybody
still waits for it.

Answers for: back-pressure both ways (nothing is read before there is room for it), small bodies
kept so that a call can be made again, noticing that the program hung up or fell silent and then
ending the work, and a cut connection where an answer broke off. Does not answer for: what passes
through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.types import Receive, Send

from evergrant.entrances.gateway.headers import Read

__all__ = ["DRAINED", "IDLE_S", "KEPT", "Exchange", "Gone"]

#: Bodies up to so many bytes are kept, and can be sent twice.
KEPT: Final = 64 * 1024
#: After so many seconds without a byte taken or given, nobody believes in the program any longer.
IDLE_S: Final = 60.0
#: Most calls are over before anybody would have looked; so a look at the connection, which costs
#: a task, comes only then.
_FIRST_LOOK_S: Final = 0.05
_LOOK_EVERY_S: Final = 5.0
#: Of a body that nobody wants, so much is read and thrown away, in bytes. A server that hangs up in
#: the middle of a body is seen by many clients as a broken connection, not as its answer.
DRAINED: Final = 64 * 1024 * 1024
_DRAIN_S: Final = 10.0


class Gone(Exception):
    """The program hung up before its body was whole."""


class Exchange:
    """``idle_s`` is for tests."""

    __slots__ = (
        "_begun",
        "_idle_s",
        "_kept",
        "_listening",
        "_look",
        "_loop",
        "_owes_end",
        "_receive",
        "_send",
        "_streamed",
        "_task",
        "_waiting_since_s",
        "_whole",
        "content_length",
        "expects",
        "gone",
        "has_body",
        "idle",
        "started",
    )

    def __init__(self, receive: Receive, send: Send, *, idle_s: float = IDLE_S) -> None:
        self._receive = receive
        self._send = send
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._look: asyncio.TimerHandle | None = None
        self._listening: asyncio.Task[None] | None = None
        self._waiting_since_s = 0.0
        self._kept: list[bytes] = []
        self._whole = True
        self._begun = False
        self._streamed = False
        self._owes_end = False
        self.has_body = self.expects = False
        self.content_length: int | None = None
        #: The head of the answer is out.
        self.started = False
        #: The program hung up; or it neither gave nor took a byte for too long.
        self.gone = self.idle = False

    def take(self, read: Read) -> None:
        """What the headers say of the body."""
        self.content_length = read.content_length
        self.has_body = read.has_body
        self.expects = read.expects
        self._whole = not read.has_body

    # --- in ---

    async def keep(self) -> None:
        """Reads the body if it is small; of a larger one without a length, its beginning. Raises
        Gone."""
        if self._whole or (self.content_length or 0) > KEPT:
            return
        size = 0
        while not self._whole and size <= KEPT:
            piece = await self._next()
            self._kept.append(piece)
            size += len(piece)

    @property
    def at_hand(self) -> bool:
        """The body can be sent, and sent again."""
        return self._whole and not self._streamed

    def whole_body(self) -> bytes:
        """Of a body that is at hand."""
        return self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)

    def body(self) -> tuple[AsyncIterator[bytes] | bytes | None, int | None]:
        """For the upstream, with its length if that is known."""
        if not self._whole:
            return self._pieces(), self.content_length
        if not self.has_body:
            return (None, None) if self.content_length is None else (b"", 0)
        whole = self.whole_body()
        return whole, len(whole)

    async def _pieces(self) -> AsyncIterator[bytes]:
        self._streamed = True
        kept, self._kept = self._kept, []
        for piece in kept:
            if piece:
                yield piece
        while not self._whole:
            piece = await self._next()
            if piece:
                yield piece

    async def _next(self) -> bytes:
        self._waiting_since_s = self._loop.time()
        self._begun = True
        try:
            message = await self._receive()
        finally:
            self._waiting_since_s = 0.0
        if message["type"] != "http.request":
            self.gone = True
            raise Gone
        self._whole = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def drain(self) -> None:
        """Lets a program that still sends come to the point where it listens. One that asked first
        whether it should send has sent nothing."""
        if self._whole or (self.expects and not self._begun) or self.gone or self.idle:
            return
        read = 0
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not self._whole and read < DRAINED:
                    read += len(await self._next())
        except (TimeoutError, Gone):
            return

    # --- out ---

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, piece: bytes, *, more: bool) -> None:
        """Returns when there is room for the next one. Without a last one (``more`` False) the
        server cuts the connection, so that nobody takes half an answer for a whole one."""
        if not (more or self._whole):
            # Amazon said all before the body was whole. See `finish`.
            self._owes_end = more = True
        self._waiting_since_s = self._loop.time()
        try:
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        finally:
            self._waiting_since_s = 0.0

    async def finish(self) -> None:
        """After all pieces, and when nobody reads the body any longer: the end of an answer that
        came before the program had sent its whole body."""
        if self._owes_end:
            await asyncio.sleep(0)  # who read the body for Amazon was told to stop, and now has
            await self.drain()
            self._whole, self._owes_end = True, False
            await self.piece(b"", more=False)

    # --- whether anybody still waits ---

    def watch(self) -> None:
        """From now on the task that runs is cancelled when the program is ``gone`` or ``idle``."""
        self._task = asyncio.current_task()
        self._look = self._loop.call_later(_FIRST_LOOK_S, self._looked)

    def unwatch(self) -> None:
        self._task = None
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def _looked(self) -> None:
        if self._listening is None and self._whole:
            self._listening = self._loop.create_task(self._listen())
        since_s = self._waiting_since_s
        if since_s and self._loop.time() - since_s >= self._idle_s:
            self.idle = True
            self._end()
            return
        every_s = min(_LOOK_EVERY_S, self._idle_s / 4)
        self._look = self._loop.call_later(every_s, self._looked)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._end()

    def _end(self) -> None:
        if self._task is not None and self._look is not None:
            self._look.cancel()
            self._task.cancel()
