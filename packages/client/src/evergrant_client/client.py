"""The client for httpx2: access tokens asked for directly, and ``auth=`` for your own client."""

from __future__ import annotations

from collections.abc import Generator

import httpx2

from evergrant_client.flow import flow
from evergrant_client.protocol import MIN_TTL_S, AccessToken, Desk, Unreachable

__all__ = ["Evergrant", "EvergrantAuth"]


class EvergrantAuth(httpx2.Auth):
    """``auth=`` for an ``httpx2.Client`` or ``httpx2.AsyncClient`` that speaks with Amazon. What
    it asks Evergrant goes out through the same client, its proxy and time-outs. Leave
    ``follow_redirects`` of that client off, as it is: httpx2 would take the access token along to
    any host that it is sent to."""

    requires_response_body = True

    def __init__(self, desk: Desk, account_id: str, min_ttl_s: int = MIN_TTL_S) -> None:
        self._desk = desk
        self._account_id = account_id
        self._min_ttl_s = min_ttl_s

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        yield from flow(httpx2, self._desk, self._account_id, self._min_ttl_s, request)


class Evergrant(Desk):
    """One Evergrant, one API key (right ``access_tokens``). Make one and keep it: it remembers
    access tokens until they are used up. ``transport`` and ``async_transport`` are for tests."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
        async_transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, api_key)
        self._timeout_s = timeout_s
        self._transport = transport
        self._async_transport = async_transport

    def auth(self, account_id: str, min_ttl: int = MIN_TTL_S) -> EvergrantAuth:
        """``min_ttl``: seconds that the access token has to live when a call begins."""
        return EvergrantAuth(self, account_id, min_ttl)

    def access_token(self, account_id: str, min_ttl: int = MIN_TTL_S) -> AccessToken:
        """Raises Problem, Unreachable, Unreadable."""
        token = self.at_hand(account_id, min_ttl)
        if token is not None:
            return token
        question = self.question(account_id, min_ttl)
        try:
            with httpx2.Client(timeout=self._timeout_s, transport=self._transport) as http:
                answer = http.get(question.url, headers=dict(question.headers))
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        return self.read(account_id, question, answer.status_code, answer.headers, answer.content)

    async def access_token_async(self, account_id: str, min_ttl: int = MIN_TTL_S) -> AccessToken:
        """As ``access_token``, without blocking the event loop."""
        token = self.at_hand(account_id, min_ttl)
        if token is not None:
            return token
        question = self.question(account_id, min_ttl)
        try:
            async with httpx2.AsyncClient(
                timeout=self._timeout_s, transport=self._async_transport
            ) as http:
                answer = await http.get(question.url, headers=dict(question.headers))
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        return self.read(account_id, question, answer.status_code, answer.headers, answer.content)

    def _unreachable(self, error: httpx2.TransportError) -> Unreachable:
        return Unreachable(f"{self.url} does not answer ({type(error).__name__}).")
