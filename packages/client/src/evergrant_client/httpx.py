"""``auth=`` for a client of httpx. Needs httpx; nothing else of this package does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import httpx

from evergrant_client.client import Evergrant, EvergrantAuth, GatewayAuth
from evergrant_client.driving import drive, drive_async
from evergrant_client.protocol import MIN_TTL_S

__all__ = ["HttpxAuth", "HttpxGatewayAuth"]


class _Auth(httpx.Auth):
    def __init__(self, auth: EvergrantAuth | GatewayAuth) -> None:
        self._auth = auth

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        steps = self._auth.steps(request.method, str(request.url))
        return drive(self._auth.evergrant, steps, request)

    def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        steps = self._auth.steps(request.method, str(request.url))
        return drive_async(self._auth.evergrant, steps, request)


class HttpxAuth(_Auth):
    """``httpx.Client(auth=HttpxAuth(evergrant, account_id))``, or an ``AsyncClient``."""

    def __init__(self, evergrant: Evergrant, account_id: str, min_ttl: int = MIN_TTL_S) -> None:
        super().__init__(evergrant.auth(account_id, min_ttl))


class HttpxGatewayAuth(_Auth):
    """``httpx.Client(base_url=gateway.url, auth=HttpxGatewayAuth(gateway))``, or an
    ``AsyncClient``, where ``gateway`` is ``evergrant.gateway(...)``."""

    def __init__(self, gateway: GatewayAuth) -> None:
        super().__init__(gateway)
