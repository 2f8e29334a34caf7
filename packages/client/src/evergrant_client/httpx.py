"""``auth=`` for a client of httpx. Needs httpx; nothing else of this package does."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from evergrant_client.flow import flow
from evergrant_client.protocol import MIN_TTL_S, Desk

__all__ = ["HttpxAuth"]


class HttpxAuth(httpx.Auth):
    """``httpx.Client(auth=HttpxAuth(evergrant, account_id))``, or an ``AsyncClient``. Leave its
    ``follow_redirects`` off: httpx would take the access token along to any host."""

    requires_response_body = True

    def __init__(self, evergrant: Desk, account_id: str, min_ttl: int = MIN_TTL_S) -> None:
        self._desk = evergrant
        self._account_id = account_id
        self._min_ttl_s = min_ttl

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        yield from flow(httpx, self._desk, self._account_id, self._min_ttl_s, request)
