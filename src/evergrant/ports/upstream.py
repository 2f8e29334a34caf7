"""The socket of the gateway's stream: one request to Amazon, body for body, both ways.

Answers for: what passes through it. Does not answer for: who may, whose access token, limits (the
gate), or for which headers travel (the door decides; the plug sends what it is given).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evergrant.rules.secrecy import Secret

__all__ = ["Upstream", "UpstreamAnswer", "UpstreamRequest"]

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """``target`` is path and query exactly as the caller encoded them. Without ``content_length``
    a body travels in chunks."""

    endpoint: str
    method: str
    target: str
    headers: Headers
    access_token: Secret
    body: AsyncIterator[bytes] | bytes | None = field(default=None, repr=False)
    content_length: int | None = None


class UpstreamAnswer(Protocol):
    """Status and headers are there; the body comes in pieces, undecoded, as fast as it is read."""

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """The next piece; an empty one is the end. Raises errors.AmazonUnavailable when the
        connection breaks in mid-body."""
        ...

    async def close(self) -> None:
        """Lets go of the connection, at whatever point the body is."""
        ...


class Upstream(Protocol):
    async def open(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Raises errors.AmazonUnavailable when there is no answer; then its fact ``sent`` says
        whether Amazon may have seen the request."""
        ...

    async def close(self) -> None: ...
