"""The libraries that the client works in, behind one verb, and a town to call."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import requests
from requests.adapters import BaseAdapter

from evergrant_client import Evergrant, Retries
from evergrant_client.httpx import HttpxAuth, HttpxGatewayAuth
from evergrant_client.requests import RequestsAuth, RequestsGatewayAuth

URL = "https://evergrant.example"
GATEWAY = f"{URL}/gateway"
AMAZON = "https://sellingpartnerapi-eu.amazon.com"
API_KEY = "egk_made_up"
EXPIRED = {
    "errors": [{"code": "Unauthorized", "details": "The access token you provided has expired."}]
}
LIBRARIES = ["httpx2", "httpx2 async", "httpx", "httpx async", "requests"]

Reply = tuple[int, Any, dict[str, str]]
Go = Callable[..., Any]


class Town:
    """Evergrant, its gateway and Amazon behind one transport. Tokens are numbered."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.calls: list[Any] = []
        self.pauses: list[float] = []
        self.expires_in = 3600
        self.refused: set[str] = set()
        self.problem: Reply | None = None
        self.problems: list[Reply | None] = []
        self.same = False

    def answer(self, request: Any) -> Reply:
        url = urlsplit(str(request.url))
        if url.hostname == "evergrant.example" and not url.path.startswith("/gateway"):
            self.asked.append(request)
            if (problem := self._next_problem()) is not None:
                return problem
            number = 1 if self.same else len(self.asked)
            account_id = url.path.split("/")[3]
            told = {"access_token": f"{account_id}-{number}", "expires_in": self.expires_in}
            return 200, told, {}
        self.calls.append(request)
        if url.hostname == "evergrant.example":
            return self._next_problem() or (200, {"payload": "of Amazon"}, {})
        token = request.headers["x-amz-access-token"]
        return (403, EXPIRED, {}) if token in self.refused else (200, {"token": token}, {})

    def _next_problem(self) -> Reply | None:
        return self.problems.pop(0) if self.problems else self.problem

    def httpx2(self, request: httpx2.Request) -> httpx2.Response:
        status, body, headers = self.answer(request)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx2.Response(status, content=content, headers=headers)

    def httpx(self, request: httpx.Request) -> httpx.Response:
        status, body, headers = self.answer(request)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content, headers=headers)

    async def pause_async(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def evergrant(self, retries: Retries | None = None) -> Evergrant:
        transport = httpx2.MockTransport(self.httpx2)
        return Evergrant(
            URL,
            API_KEY,
            retries=retries,
            transport=transport,
            async_transport=transport,
            pause=self.pauses.append,
            pause_async=self.pause_async,
        )


class TownAdapter(BaseAdapter):
    """The town for requests."""

    def __init__(self, town: Town) -> None:
        super().__init__()
        self.town = town

    def send(self, request: Any, *_: Any, **__: Any) -> requests.Response:
        status, body, headers = self.town.answer(request.copy())
        answer = requests.Response()
        answer.status_code = status
        answer.headers.update(headers)
        answer.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        answer.request, answer.url = request, request.url
        answer.connection = self  # type: ignore[assignment]  # as its own adapter does
        return answer

    def close(self) -> None:
        """Nothing is open."""


def session(town: Town) -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    for scheme in ("https://", "http://"):
        made.mount(scheme, TownAdapter(town))
    return made


def go(library: str, town: Town, auth: Any, method: str, url: str, **more: Any) -> Any:
    """One request; ``auth`` is of httpx2 and is put into the library's own."""
    if library == "requests":
        with session(town) as known:
            return known.request(method, url, auth=dressed(library, auth), **more)
    kind = httpx if library.startswith("httpx ") or library == "httpx" else httpx2
    answer = town.httpx if kind is httpx else town.httpx2
    transport: Any = kind.MockTransport(answer)
    if "async" not in library:
        with kind.Client(transport=transport, auth=dressed(library, auth)) as client:
            return client.request(method, url, **more)

    async def run() -> Any:
        async with kind.AsyncClient(transport=transport, auth=dressed(library, auth)) as client:
            return await client.request(method, url, **more)

    return asyncio.run(run())


def dressed(library: str, auth: Any) -> Any:
    """What ``evergrant.auth(...)`` or ``evergrant.gateway(...)`` gave, for that library."""
    gateway = hasattr(auth, "url")
    if library == "requests":
        return RequestsGatewayAuth(auth) if gateway else RequestsAuth(*_parts(auth))
    if library.startswith("httpx2"):
        return auth
    return HttpxGatewayAuth(auth) if gateway else HttpxAuth(*_parts(auth))


def _parts(auth: Any) -> tuple[Evergrant, str, int]:
    return auth.evergrant, auth._account_id, auth._min_ttl_s
