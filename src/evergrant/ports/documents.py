"""The socket of Amazon's documents: bytes that go to, and come from, a presigned address.

Answers for: its shape. Does not answer for: what is in a document, for unpacking, or for asking
Amazon for the address.

Source: Amazon's feeds 2021-06-30 and reports 2021-06-30 models: an address is good for five
minutes; no access token goes there, and the Content-Type of an upload has to be, to the letter, the
one that createFeedDocument was told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from evergrant.rules.secrecy import Secret

__all__ = ["Documents", "Download"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A document that is coming. ``pieces`` are its bytes as they were sent: packed where
    ``content_encoding`` says gzip. Reading raises errors.AmazonUnavailable when it breaks off."""

    content_type: str
    content_encoding: str
    content_length: int | None
    pieces: AsyncIterator[bytes]


class Documents(Protocol):
    """Whoever has the address has the document: it is a secret. Raises errors.AmazonUnavailable
    (weather) and errors.CallDenied (the address is over, or the Content-Type is another one)."""

    async def upload(self, url: Secret, content: bytes, content_type: str) -> None: ...

    def download(self, url: Secret) -> AbstractAsyncContextManager[Download]:
        """Never follows a redirect."""
        ...

    async def close(self) -> None: ...
