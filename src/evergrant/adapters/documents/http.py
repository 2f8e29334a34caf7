"""Uploads and downloads of Amazon's documents over HTTPS.

Answers for: ``ports.documents.Documents``: presigned addresses only over https (plain http on this
machine alone), bounds on size and time, no redirects, no access token, and that an address, which
is a secret, stands in no error and no log. Does not answer for: trying again, or for unpacking.

Source: Amazon's feeds 2021-06-30 and reports 2021-06-30 models; users' reports in selling-partner-
api-models issues 756 and 2303: the Content-Type is signed with the address, so another one gives
403.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2

from evergrant.errors import AmazonUnavailable, CallDenied
from evergrant.ports.documents import Download
from evergrant.rules.secrecy import Secret
from evergrant.rules.urls import is_loopback

__all__ = ["MOST_BYTES", "HttpDocuments"]

#: Of one document, as it comes. Amazon's largest reports are packed and far smaller.
MOST_BYTES = 512 * 1024 * 1024
#: An address is good for five minutes; whatever was begun in them may take a while longer.
LONGEST_S = 15 * 60.0


class HttpDocuments:
    """``timeout_s``: for connecting, and for each piece. ``longest_s``: for all of one document.
    ``transport`` and ``verify`` are for tests."""

    def __init__(
        self,
        *,
        timeout_s: float,
        user_agent: str,
        longest_s: float = LONGEST_S,
        most_bytes: int = MOST_BYTES,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._longest_s = longest_s
        self._most_bytes = most_bytes
        self._client = httpx2.AsyncClient(
            timeout=timeout_s,
            # "identity": what is packed is Amazon's doing alone, and the port gives it as it is.
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
            verify=verify,
            transport=transport,
        )

    async def upload(self, url: Secret, content: bytes, content_type: str) -> None:
        """``content_type`` as createFeedDocument was told, to the letter."""
        request = self._client.build_request(
            "PUT", _address(url), content=content, headers={"Content-Type": content_type}
        )
        lost = ""
        try:
            async with asyncio.timeout(self._longest_s):
                answer = await self._client.send(request, stream=True)
                await answer.aclose()
        except (httpx2.HTTPError, TimeoutError) as error:
            lost = type(error).__name__
        # Outside the except block: nothing that knows the address hangs on this error.
        if lost:
            raise _lost("upload", lost)
        _refuse(answer.status_code)

    @asynccontextmanager
    async def download(self, url: Secret) -> AsyncIterator[Download]:
        """Pieces are read while the block lasts. A document that is too large is a CallDenied of
        status 413, as soon as that is known."""
        answer = await self._opened(_address(url))
        try:
            _refuse(answer.status_code)
            length = _length(answer)
            if length is not None and length > self._most_bytes:
                raise self._too_large()
            yield Download(
                content_type=answer.headers.get("content-type", ""),
                content_encoding=answer.headers.get("content-encoding", ""),
                content_length=length,
                pieces=self._pieces(answer, length),
            )
        finally:
            await answer.aclose()

    async def close(self) -> None:
        await self._client.aclose()

    async def _opened(self, address: httpx2.URL) -> httpx2.Response:
        request = self._client.build_request("GET", address)
        try:
            return await self._client.send(request, stream=True)
        except httpx2.HTTPError as error:
            lost = type(error).__name__
        raise _lost("download", lost)

    async def _pieces(self, answer: httpx2.Response, length: int | None) -> AsyncIterator[bytes]:
        size, lost = 0, ""
        until_s = self._monotonic() + self._longest_s
        pieces = aiter(answer.aiter_raw())
        while not lost:
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                break
            except httpx2.HTTPError as error:
                lost = type(error).__name__
                continue
            size += len(piece)
            if size > self._most_bytes:
                raise self._too_large()
            if self._monotonic() > until_s:
                lost = "TimeoutError"
                continue
            yield piece
        if not lost and length is not None and size != length:
            lost = "too short"
        if lost:
            raise _lost("download", lost)

    def _too_large(self) -> CallDenied:
        return CallDenied(413, "", f"The document is larger than {self._most_bytes:,} bytes.")


def _address(url: Secret) -> httpx2.URL:
    """Raises CallDenied: whoever answered with that was not Amazon, or it was cut."""
    try:
        parsed = httpx2.URL(url.reveal())
    except httpx2.InvalidURL:
        parsed = None
    here = parsed is not None and parsed.scheme == "http" and is_loopback(parsed.host)
    if parsed is None or not parsed.host or not (parsed.scheme == "https" or here):
        raise CallDenied(400, "", "The address of the document is not one of https.")
    return parsed


def _length(answer: httpx2.Response) -> int | None:
    told = answer.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else None


def _refuse(status: int) -> None:
    if status >= 500 or status in (408, 429):
        raise AmazonUnavailable(f"Amazon's documents answered {status}.", facts={"status": status})
    if status >= 300:
        raise CallDenied(status, "", "Amazon's documents refused the address.")
    if status not in (200, 201, 204):
        raise AmazonUnavailable(f"Amazon's documents answered {status}.", facts={"status": status})


def _lost(what: str, error: str) -> AmazonUnavailable:
    """With nothing of the error's own words: they may hold the address."""
    return AmazonUnavailable(f"The {what} broke off ({error}).", facts={"error": error})
