"""Uploads and downloads with httpx2.

Answers for: ``ports.documents.Documents``. Does not answer for: trying again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from evergrant.errors import AmazonUnavailable, CallDenied
from evergrant.ports.documents import Download
from evergrant.rules.secrecy import Secret

__all__ = ["HttpDocuments"]


class HttpDocuments:
    """``timeout_s``: for connecting, and for each piece."""

    def __init__(self, *, timeout_s: float, user_agent: str) -> None:
        self._client = httpx2.AsyncClient(
            timeout=timeout_s, headers={"User-Agent": user_agent}, follow_redirects=False
        )

    async def upload(self, url: Secret, content: bytes, content_type: str) -> None:
        try:
            answer = await self._client.put(
                url.reveal(), content=content, headers={"Content-Type": content_type}
            )
        except httpx2.HTTPError as error:
            raise AmazonUnavailable(facts={"error": type(error).__name__}) from None
        _refuse(answer.status_code)

    @asynccontextmanager
    async def download(self, url: Secret) -> AsyncIterator[Download]:
        try:
            async with self._client.stream("GET", url.reveal()) as answer:
                _refuse(answer.status_code)
                yield Download(
                    content_type=answer.headers.get("content-type", ""),
                    content_encoding=answer.headers.get("content-encoding", ""),
                    content_length=None,
                    pieces=answer.aiter_raw(),
                )
        except httpx2.HTTPError as error:
            raise AmazonUnavailable(facts={"error": type(error).__name__}) from None

    async def close(self) -> None:
        await self._client.aclose()


def _refuse(status: int) -> None:
    if status >= 500:
        raise AmazonUnavailable(facts={"status": status})
    if status >= 300:
        raise CallDenied(status)
