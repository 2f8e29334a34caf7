"""The client for httpx2: access tokens asked for directly, and ``auth=`` for your own client."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from typing import Any

import anyio
import httpx2

from evergrant_client.driving import drive, drive_async
from evergrant_client.flow import Direct, Gateway, Steps, Wait, asking, flow
from evergrant_client.protocol import (
    MIN_TTL_S,
    AccessToken,
    Answer,
    Desk,
    Question,
    Unreachable,
    checked_address,
)
from evergrant_client.retries import Retries

__all__ = ["Evergrant", "EvergrantAuth", "GatewayAuth"]


class Evergrant(Desk):
    """One Evergrant, one API key. Make one and keep it: it remembers access tokens until they are
    used up.

    ``gateway_url`` is where the gateway answers; unset, it is below ``/gateway`` of ``url``.
    ``retries`` is for what is asked of Evergrant (``NO_RETRIES`` for none). ``verify`` and
    ``proxy`` are httpx2's and hold for questions to Evergrant, which have connections of their own.
    ``transport``, ``async_transport``, ``pause`` and ``pause_async`` are for tests.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        gateway_url: str | None = None,
        retries: Retries | None = None,
        timeout_s: float = 30.0,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        transport: httpx2.BaseTransport | None = None,
        async_transport: httpx2.AsyncBaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        pause_async: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        super().__init__(url, api_key)
        self.gateway_url = checked_address(gateway_url or f"{self.url}/gateway")
        self.retries = retries or Retries()
        self.pause = pause
        self.pause_async = pause_async
        self._connecting: dict[str, Any] = {"timeout": timeout_s, "proxy": proxy}
        self._verify = verify
        self._making = threading.Lock()
        self._transport = transport
        self._async_transport = async_transport

    def auth(self, account_id: str, min_ttl: int = MIN_TTL_S) -> EvergrantAuth:
        """For a client that speaks with Amazon itself; the key needs the right ``access_tokens``.
        ``min_ttl``: seconds that the access token has to live when a call begins."""
        return EvergrantAuth(self, account_id, min_ttl)

    def gateway(
        self,
        account: str | None = None,
        *,
        wait: float | None = None,
        data_elements: Sequence[str] = (),
        request_id: Callable[[], str] | None = None,
        retries: Retries | None = None,
    ) -> GatewayAuth:
        """For a client that speaks with Amazon through the gateway; the key needs the right
        ``amazon_read`` or ``amazon_write``, and no token of Amazon comes here.

        ``account``: its id (``acc_…``), or a connection key (``egc_…``); None where the key reaches
        one account only. ``wait``: seconds that the gateway may keep a call until Amazon's limit
        has room for it. ``data_elements``: the personal data that is wanted, for instance
        ``["buyerInfo"]`` (right ``personal_data``). ``request_id``: makes an id for each call. What
        a request says by headers of its own (``x-evergrant-wait``) goes first.
        """
        way = Gateway(
            self.gateway_url,
            self._api_key,
            account,
            wait_s=wait,
            data_elements=data_elements,
            request_id=request_id,
        )
        return GatewayAuth(self, way, retries or self.retries)

    def access_token(self, account_id: str, min_ttl: int = MIN_TTL_S) -> AccessToken:
        """Raises Problem, Unreachable, Unreadable."""
        token = self.at_hand(account_id, min_ttl)
        if token is not None:
            return token
        steps = asking(self, account_id, min_ttl, self.retries)
        with httpx2.Client(
            transport=self._transport, verify=self._trust(), **self._connecting
        ) as http:
            outcome: Any = None
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as done:
                    return _token(done)
                match step:
                    case Wait(seconds):
                        self.pause(seconds)
                        outcome = None
                    case Question(url, headers):
                        try:
                            answer = http.get(url, headers=dict(headers))
                        except httpx2.TransportError as error:
                            outcome = self._unreachable(error)
                        else:
                            outcome = _answer(answer)

    async def access_token_async(self, account_id: str, min_ttl: int = MIN_TTL_S) -> AccessToken:
        """As ``access_token``, without blocking the event loop."""
        token = self.at_hand(account_id, min_ttl)
        if token is not None:
            return token
        steps = asking(self, account_id, min_ttl, self.retries)
        async with httpx2.AsyncClient(
            transport=self._async_transport, verify=self._trust(), **self._connecting
        ) as http:
            outcome: Any = None
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as done:
                    return _token(done)
                match step:
                    case Wait(seconds):
                        await self.pause_async(seconds)
                        outcome = None
                    case Question(url, headers):
                        try:
                            answer = await http.get(url, headers=dict(headers))
                        except httpx2.TransportError as error:
                            outcome = self._unreachable(error)
                        else:
                            outcome = _answer(answer)

    def _unreachable(self, error: httpx2.TransportError) -> Unreachable:
        return Unreachable(f"{self.url} does not answer ({type(error).__name__}).")

    def _trust(self) -> ssl.SSLContext | bool:
        """Reading the certificates of the world takes longer than a question: it is done once."""
        if self._verify is True and self.url.startswith("https"):
            with self._making:
                if self._verify is True:
                    self._verify = httpx2.create_ssl_context()
        return self._verify


class EvergrantAuth(httpx2.Auth):
    """``auth=`` for an ``httpx2.Client`` or ``httpx2.AsyncClient`` that speaks with Amazon itself.
    What it asks Evergrant goes out over a connection of its own."""

    def __init__(self, evergrant: Evergrant, account_id: str, min_ttl_s: int = MIN_TTL_S) -> None:
        self.evergrant = evergrant
        self._account_id = account_id
        self._min_ttl_s = min_ttl_s

    def steps(self, method: str, url: str) -> Steps:
        """What is to be done for one request, for whoever drives it."""
        way = Direct(self.evergrant, self._account_id, self._min_ttl_s)
        return flow(way, self.evergrant.retries, method, url)

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        return drive(self.evergrant, self.steps(request.method, str(request.url)), request)

    def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        return drive_async(self.evergrant, self.steps(request.method, str(request.url)), request)


class GatewayAuth(httpx2.Auth):
    """``auth=`` for an ``httpx2.Client`` or ``httpx2.AsyncClient`` with ``base_url=auth.url``.
    ``Evergrant.gateway`` makes it."""

    def __init__(self, evergrant: Evergrant, way: Gateway, retries: Retries) -> None:
        self.evergrant = evergrant
        self._way = way
        self._retries = retries

    @property
    def url(self) -> str:
        """Where the gateway answers. Requests to any other place are refused."""
        return self._way.url

    def steps(self, method: str, url: str) -> Steps:
        """What is to be done for one request, for whoever drives it."""
        return flow(self._way, self._retries, method, url)

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        return drive(self.evergrant, self.steps(request.method, str(request.url)), request)

    def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        return drive_async(self.evergrant, self.steps(request.method, str(request.url)), request)


def _answer(answer: httpx2.Response) -> Answer:
    return Answer(answer.status_code, answer.headers, answer.content)


def _token(done: StopIteration) -> AccessToken:
    token: AccessToken = done.value
    return token
