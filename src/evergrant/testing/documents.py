"""Amazon's documents in memory.

Answers for: ``ports.documents.Documents``: what was uploaded where, and what lies there to be
downloaded. Does not answer for: addresses that end after five minutes, unless a test says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from evergrant.errors import CallDenied, EvergrantError
from evergrant.ports.documents import Download
from evergrant.rules.secrecy import Secret

__all__ = ["MemoryDocuments", "Uploaded"]


@dataclass(frozen=True, slots=True)
class Uploaded:
    content: bytes
    content_type: str


class MemoryDocuments:
    """``uploads`` by address; ``give`` makes an address that takes one Content-Type only, as
    Amazon's do; ``put`` lays a document down for download. ``fail`` is asked before every act
    (``upload`` or ``download``) and may give an error to raise."""

    def __init__(self) -> None:
        self.uploads: dict[str, Uploaded] = {}
        self._given: dict[str, str] = {}
        self.fail: Callable[[str, str], EvergrantError | None] = lambda act, url: None
        self._lying: dict[str, tuple[bytes, str, str]] = {}

    def give(self, url: str, content_type: str) -> None:
        self._given[url] = content_type

    def put(
        self, url: str, content: bytes, content_type: str = "", content_encoding: str = ""
    ) -> None:
        self._lying[url] = content, content_type, content_encoding

    async def upload(self, url: Secret, content: bytes, content_type: str) -> None:
        self._refuse("upload", url)
        if self._given.get(url.reveal(), content_type) != content_type:
            raise CallDenied(403, "SignatureDoesNotMatch")
        self.uploads[url.reveal()] = Uploaded(content, content_type)

    @asynccontextmanager
    async def download(self, url: Secret) -> AsyncIterator[Download]:
        self._refuse("download", url)
        found = self._lying.get(url.reveal())
        if found is None:
            raise CallDenied(404)
        content, content_type, content_encoding = found
        yield Download(
            content_type=content_type,
            content_encoding=content_encoding,
            content_length=len(content),
            pieces=_pieces(content),
        )

    async def close(self) -> None:
        return

    def _refuse(self, act: str, url: Secret) -> None:
        error = self.fail(act, url.reveal())
        if error is not None:
            raise error


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]
