"""Amazon's reports on their way through: a document as an answer that streams.

Answers for: the name under which it is saved, closing what it comes from however it ends, and an
answer that is cut off where the document is, so that nobody takes a half for the whole. Does not
answer for: who may have it, or for opening it (the reading room).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from evergrant import logs
from evergrant.amazon_reports import OpenReport
from evergrant.errors import EvergrantError
from evergrant.rules.amazon_reports import file_name

__all__ = ["streamed"]

_log = logs.logger(__name__)


async def streamed(opening: AbstractAsyncContextManager[OpenReport]) -> StreamingResponse:
    """``opening``: of ``AmazonReports.open``. What goes wrong before the first byte is raised."""
    async with AsyncExitStack() as stack:
        coming = await stack.enter_async_context(opening)
        first = await anext(coming.pieces, b"")
        return _Streamed(coming, _whole(first, coming.pieces), stack.pop_all())


class _Streamed(StreamingResponse):
    """Closes what it streams from, however it ends. Where that breaks off, no end is sent: the
    server cuts the connection, and nobody takes a half for the whole."""

    def __init__(
        self, coming: OpenReport, pieces: AsyncIterator[bytes], stack: AsyncExitStack
    ) -> None:
        self._stack = stack
        self._report_id = coming.report.id
        name = file_name(coming.report.report_type, coming.report.id, coming.content_type)
        # Not ``media_type``: Starlette would add a charset that nobody knows.
        headers = {
            "content-type": coming.content_type,
            "content-disposition": f'attachment; filename="{name}"',
        }
        super().__init__(pieces, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            try:
                await super().__call__(scope, receive, send)
            except EvergrantError as broken:
                _log.info("a document broke off", report_id=self._report_id, error=broken.code)


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
