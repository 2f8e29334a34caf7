"""The webhook socket: one contract on the shipped fake and on HTTP; what goes over the wire."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from evergrant.adapters.webhooks import HttpWebhooks
from evergrant.adapters.webhooks.sender import EXCERPT
from evergrant.errors import NotDelivered
from evergrant.ports import WebhookPost, Webhooks
from evergrant.rules.secrecy import Secret
from evergrant.testing.webhooks import MemoryWebhooks

SIGNING = Secret("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())


def post(url: str = "https://erp.example/hook", **wishes: Any) -> WebhookPost:
    facts: dict[str, Any] = {
        "id": "out_1",
        "url": url,
        "body": '{"type":"authorization.granted","data":{"name":"Bücher"}}'.encode(),
        "signing_secret": SIGNING,
        "at": datetime.now(UTC),
    }
    return WebhookPost(**(facts | wishes))


@dataclass
class Receiver:
    """A real HTTP/1.1 receiver on loopback that answers as told and keeps what came."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    hang: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((head[0], headers, body))
        if self.hang is not None:
            await self.hang.wait()
        writer.write(self.answer)
        await writer.drain()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.get_running_loop().create_task(receiver.serve(reader, writer)))

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    if receiver.hang is not None:
        receiver.hang.set()
    server.close()
    await asyncio.sleep(0)  # who was accepted a moment ago begins now
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def http() -> AsyncIterator[HttpWebhooks]:
    webhooks = HttpWebhooks(allow_local=True, timeout_s=5)
    yield webhooks
    await webhooks.close()


# --- the contract -------------------------------------------------------------------------------


@dataclass
class Case:
    webhooks: Webhooks
    url: str
    count: Callable[[], int]
    gone: Callable[[], None]
    away: Callable[[], None]


@pytest.fixture(params=["memory", "http"])
async def case(request: pytest.FixtureRequest, receiver: Receiver, http: HttpWebhooks) -> Case:
    if request.param == "memory":
        memory = MemoryWebhooks()
        return Case(
            memory,
            "https://erp.example/hook",
            lambda: len(memory.posts),
            lambda: memory.fail_next(permanent=True),
            memory.fail_next,
        )

    def answers(line: str) -> Callable[[], None]:
        def change() -> None:
            receiver.answer = f"HTTP/1.1 {line}\r\nconnection: close\r\n\r\n".encode()

        return change

    return Case(
        http,
        receiver.url,
        lambda: len(receiver.requests),
        answers("410 Gone"),
        answers("503 Busy"),
    )


async def test_a_2xx_is_delivered(case: Case) -> None:
    await case.webhooks.deliver(post(case.url))
    assert case.count() == 1


async def test_gone_is_for_good_and_busy_is_not(case: Case) -> None:
    case.gone()
    with pytest.raises(NotDelivered) as caught:
        await case.webhooks.deliver(post(case.url))
    assert caught.value.permanent
    assert caught.value.facts["status"] == 410
    case.away()
    with pytest.raises(NotDelivered) as caught:
        await case.webhooks.deliver(post(case.url))
    assert not caught.value.permanent
    assert caught.value.facts["status"] == 503


@pytest.mark.parametrize(
    "url",
    [
        *("", "erp.example", "ftp://erp.example", "javascript:alert(1)", "https:///hook"),
        *("https://user:pass@erp.example/hook", "https://user@erp.example/hook"),
    ],
)
async def test_a_url_that_is_none(case: Case, url: str) -> None:
    with pytest.raises(NotDelivered) as caught:
        await case.webhooks.deliver(post(url))
    assert caught.value.permanent
    assert case.count() == 0


# --- what goes over the wire --------------------------------------------------------------------


async def test_receivers_can_check_the_signature(receiver: Receiver, http: HttpWebhooks) -> None:
    sent = post(receiver.url)
    await http.deliver(sent)
    ((line, headers, body),) = receiver.requests
    assert line == "POST /hook?x=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "out_1"
    hook = Webhook(SIGNING.reveal())
    assert hook.verify(body, headers) == {
        "type": "authorization.granted",
        "data": {"name": "Bücher"},
    }
    with pytest.raises(WebhookVerificationError):
        hook.verify(body.replace(b"granted", b"revoked"), headers)
    assert SIGNING.reveal() not in str(receiver.requests)


async def test_a_former_secret_signs_as_well(receiver: Receiver, http: HttpWebhooks) -> None:
    former = Secret("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    foreign = Webhook("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    await http.deliver(post(receiver.url, also_signed_with=(former,)))
    ((_, headers, body),) = receiver.requests
    assert len(headers["webhook-signature"].split(" ")) == 2
    for known in (SIGNING, former):
        assert Webhook(known.reveal()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        foreign.verify(body, headers)


async def test_redirects_are_not_followed(receiver: Receiver, http: HttpWebhooks) -> None:
    receiver.answer = (
        f"HTTP/1.1 307 Go\r\nlocation: {receiver.url}\r\nconnection: close\r\n\r\n".encode()
    )
    with pytest.raises(NotDelivered, match="redirects are not followed") as caught:
        await http.deliver(post(receiver.url))
    assert not caught.value.permanent
    assert len(receiver.requests) == 1


async def test_a_refusal_is_quoted_short_and_scrubbed(
    receiver: Receiver, http: HttpWebhooks
) -> None:
    said = b"password=hunter2hunter2 " + b"no " * 100_000
    receiver.answer = (
        b"HTTP/1.1 500 Oh\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(said) + said
    )
    with pytest.raises(NotDelivered) as caught:
        await http.deliver(post(receiver.url))
    assert "hunter2" not in caught.value.message
    assert len(caught.value.message) < EXCERPT + 100


async def test_a_receiver_that_never_answers(receiver: Receiver) -> None:
    receiver.hang = asyncio.Event()
    webhooks = HttpWebhooks(allow_local=True, timeout_s=0.1)
    with pytest.raises(NotDelivered, match="No answer") as caught:
        await webhooks.deliver(post(receiver.url))
    assert not caught.value.permanent
    await webhooks.close()


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 500 Oh\r\n", b"HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n"]
)
async def test_a_receiver_that_drips_is_left_after_the_time(begin: bytes) -> None:
    """Each piece comes well within the time; the answer as a whole does not."""
    stop = asyncio.Event()

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        with contextlib.suppress(ConnectionError):
            while not stop.is_set():
                writer.write(b"1\r\nx\r\n" if b"chunked" in begin else b"x-more: 1\r\n")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await stop.wait()
        writer.close()

    server = await asyncio.start_server(drips, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    webhooks = HttpWebhooks(allow_local=True, timeout_s=0.3)
    with pytest.raises(NotDelivered, match="No answer within") as caught:
        await webhooks.deliver(post(f"http://127.0.0.1:{port}/hook"))
    assert not caught.value.permanent
    stop.set()
    await webhooks.close()
    server.close()
    await server.wait_closed()


async def test_the_body_of_a_success_is_not_read(receiver: Receiver, http: HttpWebhooks) -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\nconnection: close\r\n\r\n"
    receiver.answer = endless + b"x" * 1000
    async with asyncio.timeout(60):
        await http.deliver(post(receiver.url))


async def test_a_receiver_that_talks_no_http(receiver: Receiver, http: HttpWebhooks) -> None:
    receiver.answer = b"220 relay.example ESMTP\r\n"
    with pytest.raises(NotDelivered) as caught:
        await http.deliver(post(receiver.url))
    assert not caught.value.permanent


async def test_nobody_listens(receiver: Receiver, http: HttpWebhooks) -> None:
    with pytest.raises(NotDelivered) as caught:
        await http.deliver(post("http://127.0.0.1:1/hook"))
    assert not caught.value.permanent


async def test_an_unusable_former_secret_keeps_nothing_back(
    receiver: Receiver, http: HttpWebhooks
) -> None:
    await http.deliver(post(receiver.url, also_signed_with=(Secret("whsec_%%%"),)))
    ((_, headers, body),) = receiver.requests
    assert Webhook(SIGNING.reveal()).verify(body, headers)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_a"])
async def test_an_unusable_signing_secret(
    receiver: Receiver, http: HttpWebhooks, secret: str
) -> None:
    with pytest.raises(NotDelivered) as caught:
        await http.deliver(post(receiver.url, signing_secret=Secret(secret)))
    assert caught.value.permanent
    assert receiver.requests == []


async def test_the_environments_proxy_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    webhooks = HttpWebhooks(allow_local=True)
    await webhooks.deliver(post(receiver.url))
    await webhooks.close()
    assert len(receiver.requests) == 1
