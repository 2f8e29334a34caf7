"""The pipe to LWA. One contract for fake and pipe, then the bytes, then the bad days."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import secrets
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from evergrant.adapters.amazon import HttpLWA, user_agent
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationRefused,
    CodeRefused,
    EvergrantError,
    GrantRefused,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.amazon import LWA, LwaClient, TokenAnswer
from evergrant.rules.applications import NOTIFICATIONS_SCOPE
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.lwa import REFUSED_CLIENT, REFUSED_CODE, REFUSED_GRANT, FakeLWA

URL = "https://api.amazon.com/auth/o2/token"
REDIRECT_URI = "https://house.example/callback"
AGENT = user_agent("Evergrant", "0.1")


def client_of(secret: Secret, client_id: str = "client-1", url: str = URL) -> LwaClient:
    return LwaClient(
        application_id="app_1", lwa_client_id=client_id, lwa_client_secret=secret, lwa_url=url
    )


def answering(
    status: int, body: bytes | object = b"", headers: dict[str, str] | None = None
) -> HttpLWA:
    """The pipe, with an LWA that always answers this."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=content, headers=headers)

    return HttpLWA(user_agent=AGENT, transport=httpx2.MockTransport(handler))


# --- one contract -----------------------------------------------------------------------------


def speaking(
    fake: FakeLWA,
) -> Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]:
    """The fake's decisions in LWA's bytes."""

    async def handler(request: httpx2.Request) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        client = client_of(Secret(form["client_secret"]), form["client_id"])
        try:
            match form["grant_type"]:
                case "authorization_code":
                    answer = await fake.exchange_code(
                        client, Secret(form["code"]), form["redirect_uri"]
                    )
                case "refresh_token":
                    answer = await fake.refresh(client, Secret(form["refresh_token"]))
                case _:
                    answer = await fake.grantless(client, form["scope"])
        except (GrantRefused, CodeRefused) as refused:
            told = {"error": "invalid_grant", "error_description": refused.reason}
            return httpx2.Response(400, json=told)
        except ApplicationRefused as refused:
            told = {"error": refused.error, "error_description": refused.reason}
            status = 401 if refused.error == "invalid_client" else 400
            return httpx2.Response(status, json=told)
        body: dict[str, object] = {
            "access_token": answer.access_token.reveal(),
            "token_type": "bearer",
            "expires_in": answer.expires_in_s,
        }
        if answer.refresh_token is not None:
            body["refresh_token"] = answer.refresh_token.reveal()
        return httpx2.Response(200, json=body)

    return handler


@dataclass
class Amazon:
    clock: FakeClock
    fake: FakeLWA
    lwa: LWA
    client: LwaClient


@pytest.fixture(params=["fake", "pipe"])
async def amazon(request: pytest.FixtureRequest) -> AsyncIterator[Amazon]:
    clock = FakeClock()
    fake = FakeLWA(clock)
    secret = Secret(secrets.token_hex(16))
    fake.add_client("client-1", secret)
    if request.param == "fake":
        yield Amazon(clock, fake, fake, client_of(secret))
        return
    pipe = HttpLWA(user_agent=AGENT, transport=httpx2.MockTransport(speaking(fake)))
    yield Amazon(clock, fake, pipe, client_of(secret))
    await pipe.close()


async def test_a_code_is_exchanged_once(amazon: Amazon) -> None:
    code = amazon.fake.code("client-1", REDIRECT_URI, "A1")
    answer = await amazon.lwa.exchange_code(amazon.client, code, REDIRECT_URI)
    assert answer.expires_in_s == 3600
    assert answer.refresh_token is not None
    issued = amazon.fake.issued(answer.access_token)
    assert issued is not None
    assert issued.about == "A1"
    with pytest.raises(CodeRefused) as refused:
        await amazon.lwa.exchange_code(amazon.client, code, REDIRECT_URI)
    assert refused.value.reason == REFUSED_CODE


async def test_a_code_dies_after_five_minutes(amazon: Amazon) -> None:
    code = amazon.fake.code("client-1", REDIRECT_URI)
    amazon.clock.move(minutes=5)
    with pytest.raises(CodeRefused):
        await amazon.lwa.exchange_code(amazon.client, code, REDIRECT_URI)


async def test_a_code_is_bound_to_its_redirect_uri_and_its_client(amazon: Amazon) -> None:
    other = Secret(secrets.token_hex(16))
    amazon.fake.add_client("client-2", other)
    code = amazon.fake.code("client-1", REDIRECT_URI)
    with pytest.raises(CodeRefused):
        await amazon.lwa.exchange_code(amazon.client, code, REDIRECT_URI + "/other")
    with pytest.raises(CodeRefused):
        await amazon.lwa.exchange_code(client_of(other, "client-2"), code, REDIRECT_URI)
    await amazon.lwa.exchange_code(amazon.client, code, REDIRECT_URI)


async def test_a_refresh_gives_a_new_access_token_and_the_same_refresh_token(
    amazon: Amazon,
) -> None:
    refresh_token = amazon.fake.grant("client-1", "A1")
    first = await amazon.lwa.refresh(amazon.client, refresh_token)
    second = await amazon.lwa.refresh(amazon.client, refresh_token)
    assert first.access_token != second.access_token
    assert first.refresh_token == second.refresh_token == refresh_token


async def test_a_swapped_refresh_token_arrives(amazon: Amazon) -> None:
    refresh_token = amazon.fake.grant("client-1")
    fresh = amazon.fake.swap_refresh_token(refresh_token)
    assert (await amazon.lwa.refresh(amazon.client, refresh_token)).refresh_token == fresh
    with pytest.raises(GrantRefused):
        await amazon.lwa.refresh(amazon.client, refresh_token)


@pytest.mark.parametrize("why", ["revoked", "made up", "of another client"])
async def test_a_refused_grant_comes_with_amazons_words(amazon: Amazon, why: str) -> None:
    client, refresh_token = amazon.client, amazon.fake.grant("client-1")
    if why == "revoked":
        amazon.fake.revoke(refresh_token)
    elif why == "made up":
        refresh_token = Secret("Atzr|" + secrets.token_hex(8))
    else:
        other = Secret(secrets.token_hex(16))
        amazon.fake.add_client("client-2", other)
        client = client_of(other, "client-2")
    with pytest.raises(GrantRefused) as refused:
        await amazon.lwa.refresh(client, refresh_token)
    assert refused.value.reason == REFUSED_GRANT


async def test_a_wrong_client_secret_is_the_applications_trouble(amazon: Amazon) -> None:
    refresh_token = amazon.fake.grant("client-1")
    wrong = client_of(Secret(secrets.token_hex(16)))
    with pytest.raises(ApplicationRefused) as refused:
        await amazon.lwa.refresh(wrong, refresh_token)
    assert (refused.value.error, refused.value.reason) == ("invalid_client", REFUSED_CLIENT)


async def test_grantless_tokens_come_without_a_refresh_token(amazon: Amazon) -> None:
    answer = await amazon.lwa.grantless(amazon.client, NOTIFICATIONS_SCOPE)
    assert answer.refresh_token is None
    with pytest.raises(ApplicationRefused) as refused:
        await amazon.lwa.grantless(amazon.client, "profile")
    assert refused.value.error == "invalid_scope"


async def test_a_secret_that_was_rotated_out_works_beside_the_new_one(amazon: Amazon) -> None:
    fresh = Secret(secrets.token_hex(16))
    amazon.fake.add_client("client-1", fresh)
    refresh_token = amazon.fake.grant("client-1")
    await amazon.lwa.refresh(amazon.client, refresh_token)
    await amazon.lwa.refresh(client_of(fresh), refresh_token)
    amazon.fake.drop_secrets("client-1")
    with pytest.raises(ApplicationRefused):
        await amazon.lwa.refresh(client_of(fresh), refresh_token)


# --- the fake's own faces -----------------------------------------------------------------------


async def test_the_fake_makes_weather_and_keeps_count() -> None:
    fake = FakeLWA(FakeClock())
    secret = Secret(secrets.token_hex(16))
    fake.add_client("client-1", secret)
    refresh_token = fake.grant("client-1", "A1")
    fake.fail(lambda: Throttled(retry_after_s=2), times=1)
    with pytest.raises(Throttled):
        await fake.refresh(client_of(secret), refresh_token)
    await fake.refresh(client_of(secret), refresh_token)
    fake.fail()
    with pytest.raises(AmazonUnavailable):
        await fake.refresh(client_of(secret), refresh_token)
    fake.clear()
    fake.revoke("A1")
    with pytest.raises(GrantRefused):
        await fake.refresh(client_of(secret), refresh_token)
    fake.reinstate("A1")
    await fake.refresh(client_of(secret), refresh_token)
    assert fake.count("refresh", "A1") == fake.count() == 5


# --- the bytes --------------------------------------------------------------------------------


async def test_the_request_is_the_form_that_amazon_documents() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(
            200,
            json={
                "access_token": "Atza|made-up",
                "token_type": "bearer",
                "expires_in": 3600,
                "refresh_token": "Atzr|made-up",
                "something_new": {"nobody": "knows"},
            },
        )

    pipe = HttpLWA(user_agent=AGENT, transport=httpx2.MockTransport(handler))
    odd = client_of(Secret("a+b&c=d %/ü"))
    await pipe.exchange_code(odd, Secret("RHx&y"), REDIRECT_URI)
    await pipe.refresh(odd, Secret("Atzr|x+y"))
    await pipe.grantless(odd, NOTIFICATIONS_SCOPE)
    assert {str(request.url) for request in seen} == {URL}
    assert {request.method for request in seen} == {"POST"}
    assert {request.headers["content-type"] for request in seen} == {
        "application/x-www-form-urlencoded;charset=UTF-8"
    }
    assert {request.headers["user-agent"] for request in seen} == {AGENT}
    credentials = {"client_id": ["client-1"], "client_secret": ["a+b&c=d %/ü"]}
    assert [parse_qs(request.content.decode(), strict_parsing=True) for request in seen] == [
        {
            "grant_type": ["authorization_code"],
            "code": ["RHx&y"],
            "redirect_uri": [REDIRECT_URI],
            **credentials,
        },
        {"grant_type": ["refresh_token"], "refresh_token": ["Atzr|x+y"], **credentials},
        {
            "grant_type": ["client_credentials"],
            "scope": [NOTIFICATIONS_SCOPE],
            **credentials,
        },
    ]


async def refresh(pipe: HttpLWA, refresh_token: str = "Atzr|made-up") -> TokenAnswer:
    try:
        return await pipe.refresh(client_of(Secret("made-up-client-key")), Secret(refresh_token))
    finally:
        await pipe.close()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "x : refresh_token"}, GrantRefused),
        (400, {"error": "invalid_grant"}, GrantRefused),
        (401, {"error": "invalid_client", "error_description": "x"}, ApplicationRefused),
        (400, {"error": "unauthorized_client"}, ApplicationRefused),
        (401, {"error": "unauthorized_client"}, ApplicationRefused),
        (400, {"error": "invalid_scope"}, ApplicationRefused),
        (
            403,
            {
                "errors": [
                    {
                        "code": "Unauthorized",
                        "message": "Access denied.",
                        "details": "The LWA secret token you provided has expired.",
                    }
                ]
            },
            ApplicationRefused,
        ),
        (400, {"error": "invalid_request"}, UnreadableAnswer),
        (400, {"error": "unsupported_grant_type"}, UnreadableAnswer),
        (403, {"error": "access_denied"}, UnreadableAnswer),
        (400, {"error": "server_error"}, AmazonUnavailable),
        (400, {"error": "temporarily_unavailable"}, AmazonUnavailable),
        (500, {"error": "server_error"}, AmazonUnavailable),
        (503, {"error": "invalid_grant"}, AmazonUnavailable),
        (502, b"<html>Bad gateway</html>", AmazonUnavailable),
        (429, {"error": "invalid_grant"}, Throttled),
        (429, b"", Throttled),
        (400, b"", UnreadableAnswer),
        (400, b"<html>", UnreadableAnswer),
        (401, b"null", UnreadableAnswer),
        (403, [], UnreadableAnswer),
        (404, {"error": 7}, UnreadableAnswer),
        (403, {"errors": "?"}, UnreadableAnswer),
        (403, {"errors": [None, {"code": None}]}, UnreadableAnswer),
        (302, b"", UnreadableAnswer),
        (204, b"", UnreadableAnswer),
        (200, b"", UnreadableAnswer),
        (200, b"<html>Sign in</html>", UnreadableAnswer),
        (200, b"\xff\xfe\x00", UnreadableAnswer),
        (200, b"[" * 100_000, UnreadableAnswer),
        (200, [], UnreadableAnswer),
        (200, {}, UnreadableAnswer),
        (200, {"access_token": "", "expires_in": 3600}, UnreadableAnswer),
        (200, {"access_token": 7, "expires_in": 3600}, UnreadableAnswer),
        (200, {"access_token": "a\r\nb: c", "expires_in": 3600}, UnreadableAnswer),
        (200, {"access_token": "ätza", "expires_in": 3600}, UnreadableAnswer),
        (200, {"access_token": "Atza|x"}, UnreadableAnswer),
        (200, {"access_token": "Atza|x", "expires_in": 0}, UnreadableAnswer),
        (200, {"access_token": "Atza|x", "expires_in": -5}, UnreadableAnswer),
        (200, {"access_token": "Atza|x", "expires_in": True}, UnreadableAnswer),
        (200, {"access_token": "Atza|x", "expires_in": None}, UnreadableAnswer),
        (200, {"access_token": "Atza|x", "expires_in": "soon"}, UnreadableAnswer),
    ],
)
async def test_every_answer_means_something(
    status: int, body: Any, kind: type[EvergrantError]
) -> None:
    with pytest.raises(EvergrantError) as told:
        await refresh(answering(status, body))
    assert type(told.value) is kind


async def test_what_amazon_says_is_kept_for_a_person() -> None:
    body = {"error": "invalid_client", "error_description": " Client\n authentication \tfailed"}
    with pytest.raises(ApplicationRefused) as told:
        await refresh(answering(401, body, {"x-amzn-RequestId": "7f3a"}))
    assert told.value.error == "invalid_client"
    assert told.value.reason == "Client authentication failed"
    assert told.value.facts["amazon_request_id"] == "7f3a"
    with pytest.raises(UnreadableAnswer, match="invalid_request: client_id is missing"):
        await refresh(
            answering(
                400, {"error": "invalid_request", "error_description": "client_id is missing"}
            )
        )


async def test_retry_after_is_honoured_where_there_is_one() -> None:
    for header, seconds in (("7", 7.0), ("", None), ("soon", None), ("-1", None), ("1e99", None)):
        with pytest.raises(Throttled) as told:
            await refresh(answering(429, b"", {"retry-after": header}))
        assert told.value.retry_after_s == seconds


async def test_seconds_as_text_are_understood_and_a_year_is_not_believed() -> None:
    answer = await refresh(answering(200, {"access_token": "Atza|x", "expires_in": "3600"}))
    assert (answer.expires_in_s, answer.refresh_token) == (3600, None)
    answer = await refresh(answering(200, {"access_token": "Atza|x", "expires_in": 10**9}))
    assert answer.expires_in_s <= timedelta(days=1).total_seconds()


async def test_an_exchange_without_a_refresh_token_is_no_answer() -> None:
    pipe = answering(200, {"access_token": "Atza|x", "expires_in": 3600})
    with pytest.raises(UnreadableAnswer, match="refresh token"):
        await pipe.exchange_code(client_of(Secret("k")), Secret("c"), REDIRECT_URI)
    pipe = answering(400, {"error": "invalid_grant", "error_description": REFUSED_CODE})
    with pytest.raises(CodeRefused) as refused:
        await pipe.exchange_code(client_of(Secret("k")), Secret("c"), REDIRECT_URI)
    assert refused.value.reason == REFUSED_CODE
    with pytest.raises(ApplicationRefused):
        await pipe.grantless(client_of(Secret("k")), NOTIFICATIONS_SCOPE)


async def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(307, headers={"location": "https://evil.example/auth/o2/token"})

    pipe = HttpLWA(user_agent=AGENT, transport=httpx2.MockTransport(handler))
    with pytest.raises(UnreadableAnswer):
        await refresh(pipe)
    assert seen == [URL]


async def test_each_verb_is_one_request() -> None:
    asked = 0

    def handler(request: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        return httpx2.Response(503)

    with pytest.raises(AmazonUnavailable):
        await refresh(HttpLWA(user_agent=AGENT, transport=httpx2.MockTransport(handler)))
    assert asked == 1


# --- bad days, on real sockets ------------------------------------------------------------------


@dataclass
class Host:
    """A server that speaks as a test tells it to."""

    url: str
    done: asyncio.Event


@pytest.fixture
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    behave: Callable[[asyncio.StreamWriter, asyncio.Event], Awaitable[None]] = request.param
    done = asyncio.Event()
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            await behave(writer, done)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield Host(f"http://127.0.0.1:{port}/auth/o2/token", done)
    done.set()
    server.close()
    # Before Python 3.12 the server does not wait for them, and they would outlive the loop; who
    # was accepted a moment ago begins now.
    await asyncio.sleep(0)
    await asyncio.gather(*(one for one in serving if one), return_exceptions=True)
    await server.wait_closed()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


async def hang(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    await done.wait()


async def drop(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    writer.transport.abort()


async def cut(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    writer.write(HEAD + b'content-length: 500\r\n\r\n{"access_token": "Atza|')
    await writer.drain()
    writer.transport.abort()


async def garbage(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    writer.write(b"\x00\x01 this is not HTTP at all\r\n\r\n")
    await writer.drain()


async def drip(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    """A byte now and then: no single read ever times out."""
    writer.write(HEAD + b"content-length: 100000\r\n\r\n")
    while not done.is_set():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flood(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(64):
        writer.write(chunk)
        await writer.drain()


async def bomb(writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
    body = gzip.compress(b" " * (8 * 1024 * 1024))
    writer.write(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


@pytest.mark.parametrize("host", [hang, drop, cut, garbage, drip, flood, bomb], indirect=True)
async def test_bad_days_are_weather_and_end_in_time(host: Host) -> None:
    pipe = HttpLWA(user_agent=AGENT, timeout_s=0.3)
    refresh_token, client_secret = Secret(secrets.token_hex(16)), Secret(secrets.token_hex(16))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(AmazonUnavailable) as told:
        await pipe.refresh(client_of(client_secret, url=host.url), refresh_token)
    assert loop.time() - began < 5
    await pipe.close()
    error: BaseException | None = told.value
    assert error is not None
    assert error.__context__ is None, "what httpx2 raised knows the request"
    assert error.__cause__ is None
    shown = "".join(
        traceback.TracebackException.from_exception(
            told.value.with_traceback(told.value.__traceback__.tb_next),  # type: ignore[union-attr]
            capture_locals=True,
        ).format()
    )
    assert refresh_token.reveal() not in shown
    assert client_secret.reveal() not in shown
    assert "Login with Amazon" in str(told.value)


async def test_nobody_listening_is_weather() -> None:
    probe = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    pipe = HttpLWA(user_agent=AGENT, timeout_s=2)
    with pytest.raises(AmazonUnavailable, match="not reached"):
        await pipe.refresh(
            client_of(Secret("k"), url=f"http://127.0.0.1:{port}/auth/o2/token"), Secret("r")
        )
    await pipe.close()


async def test_an_answer_that_echoes_secrets_does_not_spread_them() -> None:
    refresh_token = "Atzr|" + secrets.token_hex(16)
    odd = secrets.token_hex(8)
    body = {
        "error": "invalid_grant",
        "error_description": f"refresh_token={refresh_token} client_secret={odd} Atza|{odd}abcdef",
    }
    pipe = answering(400, body)
    with pytest.raises(GrantRefused) as told:
        await pipe.refresh(client_of(Secret(odd)), Secret(refresh_token))
    shown = f"{told.value} {told.value.reason} {told.value.facts}"
    assert refresh_token not in shown
    assert odd not in shown


async def test_words_are_bounded() -> None:
    body = {"error": "x" * 10_000, "error_description": "y" * 1_000_000}
    with pytest.raises(UnreadableAnswer) as told:
        await refresh(answering(400, body))
    assert len(str(told.value)) < 1000


# --- how we introduce ourselves -------------------------------------------------------------------


def test_the_user_agent_has_amazons_shape() -> None:
    assert AGENT.startswith("Evergrant/0.1 (Language=Python/3.")
    assert "; Platform=" in AGENT
    assert AGENT.endswith(")")


@pytest.mark.parametrize(
    ("name", "version", "begins"),
    [
        ("A/B", "1", "A\\/B/1 ("),
        ("Shop", "1.0 (beta)", "Shop/1.0 \\(beta) ("),
        ("C\\D", "1", "C\\\\D/1 ("),
        ("Bücher\r\nX: y", "1", "BcherX: y/1 ("),
        ("", "1", "Evergrant/1 ("),
    ],
)
def test_what_has_a_meaning_is_escaped(name: str, version: str, begins: str) -> None:
    assert user_agent(name, version).startswith(begins)


def test_the_user_agent_is_never_refused_for_its_length() -> None:
    assert len(user_agent("n" * 10_000, "9" * 10_000)) <= 500
