"""Documents stream: an answer is read beforehand only where somebody looks into it."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from evergrant_client import Evergrant, Problem
from evergrant_client.httpx import HttpxAuth
from evergrant_client.protocol import AccessToken
from tests.client.hands import API_KEY, EXPIRED, URL

PIECES = 5


class Document:
    """A body that tells how much of it was taken."""

    def __init__(self, kind: Any, piece: bytes = b"x" * 1000) -> None:
        taken: list[int] = []
        self.taken = taken

        class Sync(kind.SyncByteStream):  # type: ignore[misc]
            def __iter__(self) -> Iterator[bytes]:
                for number in range(PIECES):
                    taken.append(number)
                    yield piece

        class Async(kind.AsyncByteStream):  # type: ignore[misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                for number in range(PIECES):
                    taken.append(number)
                    yield piece

        self.sync, self.asynchronous = Sync(), Async()


@pytest.fixture
def evergrant() -> Evergrant:
    made = Evergrant(URL, API_KEY)
    made._remembered["acc_1"] = AccessToken(secrets.token_hex(8), time.monotonic() + 3600)
    return made


@pytest.fixture(params=["httpx2", "httpx"])
def kind(request: pytest.FixtureRequest) -> Any:
    return {"httpx2": httpx2, "httpx": httpx}[request.param]


def auth_of(kind: Any, evergrant: Evergrant) -> Any:
    return evergrant.auth("acc_1") if kind is httpx2 else HttpxAuth(evergrant, "acc_1")


@pytest.mark.parametrize("status", [200, 404, 429, 503])
def test_what_nobody_looks_into_is_not_read(kind: Any, evergrant: Evergrant, status: int) -> None:
    document = Document(kind)
    transport = kind.MockTransport(lambda _: kind.Response(status, stream=document.sync))
    with (
        kind.Client(transport=transport, auth=auth_of(kind, evergrant)) as client,
        client.stream("GET", "https://amazon.example/x") as answer,
    ):
        assert document.taken == []
        pieces = answer.iter_bytes()
        next(pieces)
        assert len(document.taken) < PIECES
        pieces.close()


async def test_nor_asynchronously(kind: Any, evergrant: Evergrant) -> None:
    document = Document(kind)
    transport = kind.MockTransport(lambda _: kind.Response(200, stream=document.asynchronous))
    async with (
        kind.AsyncClient(transport=transport, auth=auth_of(kind, evergrant)) as client,
        client.stream("GET", "https://amazon.example/x") as answer,
    ):
        assert document.taken == []
        assert len(await answer.aread()) == PIECES * 1000


def test_a_refusal_that_was_looked_into_is_still_there(kind: Any, evergrant: Evergrant) -> None:
    transport = kind.MockTransport(lambda _: kind.Response(403, json=EXPIRED))
    with (
        kind.Client(transport=transport, auth=auth_of(kind, evergrant)) as client,
        client.stream("POST", "https://amazon.example/x") as answer,
    ):
        assert b"".join(answer.iter_bytes()) == kind.Response(403, json=EXPIRED).content


async def test_somebody_who_gives_up_while_waiting_leaves_nothing_open() -> None:
    """Cancelled in the middle of a pause: the first answer is closed, and nothing is sent."""
    sent: list[int] = []
    full = {"code": "over_limit", "permanent": False}
    headers = {"content-type": "application/problem+json", "retry-after": "20"}

    def answer(_: httpx2.Request) -> httpx2.Response:
        sent.append(1)
        return httpx2.Response(429, json=full, headers=headers)

    gateway = Evergrant(URL, API_KEY).gateway("acc_1")
    transport = httpx2.MockTransport(answer)
    async with httpx2.AsyncClient(
        base_url=gateway.url, auth=gateway, transport=transport
    ) as client:
        with anyio.move_on_after(0.05) as scope:
            await client.get("/x")
        assert scope.cancelled_caught
        assert len(sent) == 1
        with pytest.raises(Problem):
            await client.post("/x")
