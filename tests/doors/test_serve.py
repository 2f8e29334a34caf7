"""One address, many doors: paths, the largest body, the last word, the socket, the end."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant.entrances import serve
from evergrant.entrances.ops import Meters
from evergrant.entrances.problems import Problem
from evergrant.entrances.serve import Doors, compose, listen
from evergrant.errors import Blame, Misconfigured

LIMIT = 2048


def door(name: str) -> ASGIApp:
    """Answers with its name, the path, and how many bytes of body it saw."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        read = 0
        more = True
        while more:
            message = await receive()
            read += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = json.dumps({"door": name, "path": scope["path"], "read": read}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


NAMES = ("ops", "access_token", "lwa", "api", "public", "mailbox")
BUILT: dict[str, Any] = {name: door(name) for name in NAMES}
ALL = Doors(**BUILT)


@asynccontextmanager
async def client(app: ASGIApp, **more: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://house.example", **more
    ) as http:
        yield http


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The real server on a free port."""
    listening = listen("127.0.0.1", 0)
    url = serve.url_of(listening)
    stop = asyncio.Event()
    running = asyncio.create_task(serve.serve(app, listening, stop))
    try:
        yield url
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await running


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/accounts/acc_1/access-token", "access_token"),
        ("POST", "/v1/accounts/acc_1/access-token", "access_token"),
        ("GET", "/v1/accounts/acc_1", "api"),
        ("GET", "/v1/accounts", "api"),
        ("GET", "/v1", "api"),
        ("GET", "/v1/docs", "api"),
        ("GET", "/v1/instances/ins_1/access-token", "api"),
        ("GET", "/openapi.json", "api"),
        ("POST", "/auth/o2/token", "lwa"),
        ("GET", "/connect/abcdef", "public"),
        ("POST", "/connect/abcdef", "public"),
        ("GET", "/callback", "public"),
        ("GET", "/amazon/login", "public"),
        ("GET", "/static/public.css", "public"),
        ("GET", "/", "public"),
        ("GET", "/dev/mailbox", "mailbox"),
        ("GET", "/dev/mailbox.json", "mailbox"),
        ("GET", "/healthz", "ops"),
        ("GET", "/readyz", "ops"),
        ("GET", "/metrics", "ops"),
    ],
)
async def test_every_path_has_its_door(method: str, path: str, expected: str) -> None:
    async with client(compose(ALL, Meters(), LIMIT)) as http:
        answer = await http.request(method, path)
    assert answer.json() == {"door": expected, "path": path, "read": 0}


@pytest.mark.parametrize(
    "path", ["/admin", "/v2/accounts", "/v1x", "/auth/o2/token/x", "/callback/x", "/.env"]
)
async def test_other_paths_are_not_found(path: str) -> None:
    async with client(compose(ALL, Meters(), LIMIT)) as http:
        answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "not_found"
    assert problem["blame"] == "caller"
    assert path not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/admin", "/konnect/abc", "/v1x", "/callback/x"])
async def test_a_person_who_mistyped_gets_a_page(method: str, path: str) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    meters = Meters()
    async with client(compose(ALL, meters, LIMIT)) as http:
        answer = await http.request(method, path, headers=browser)
        posted = await http.post(path, headers=browser)
    assert answer.status_code == 200
    assert method == "HEAD" or answer.json()["door"] == "public"
    assert posted.json()["code"] == "not_found", "nobody types a POST"
    assert (
        meters.registry.get_sample_value(
            "evergrant_requests_total", {"door": "none", "status": "200"}
        )
        == 1
    )


async def test_what_a_program_asks_for_is_no_matter_for_a_page() -> None:
    """Whatever it accepts: the door is known, and this role does not have it."""
    browser = {"accept": "text/html"}
    doors = Doors(ops=door("ops"), public=door("public"))
    async with client(compose(doors, Meters(), LIMIT)) as http:
        assert (await http.get("/v1/accounts", headers=browser)).json()["code"] == "not_found"
    async with client(compose(Doors(ops=door("ops")), Meters(), LIMIT)) as http:
        assert (await http.get("/admin", headers=browser)).json()["code"] == "not_found"


async def test_problems_of_the_house_look_like_those_of_the_api() -> None:
    document = Problem(status=1, code="c", blame=Blame.US, detail="d").document("r")
    async with client(compose(ALL, Meters(), LIMIT)) as http:
        large = await http.post("/v1/accounts", content=b"x" * (LIMIT + 1))
        wished = {"x-request-id": "from-the-caller-1"}
        nowhere = await http.get("/admin", headers=wished)
    for answer in (large, nowhere):
        assert set(document) <= set(answer.json())
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert re.fullmatch(r"req_[0-9a-f]{24}", large.json()["request_id"])
    assert large.json()["facts"] == {"limit_bytes": LIMIT}
    assert nowhere.json()["request_id"] == "from-the-caller-1"


async def test_a_door_that_this_role_lacks_is_not_found() -> None:
    async with client(compose(Doors(ops=door("ops")), Meters(), LIMIT)) as http:
        assert (await http.get("/v1/accounts")).status_code == 404
        assert (await http.get("/dev/mailbox")).status_code == 404
        assert (await http.get("/readyz")).status_code == 200


# --- the largest body -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/accounts", "/auth/o2/token", "/connect/abc", "/nowhere"])
@pytest.mark.parametrize("announced", [True, False])
async def test_no_door_sees_a_body_over_the_limit(path: str, announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1000

    content: Any = b"x" * 10_000 if announced else pieces()
    async with (
        served(compose(ALL, Meters(), LIMIT)) as url,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        answer = await http.post(f"{url}{path}", content=content)
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"
        assert answer.json()["blame"] == "caller"
        # The connection and the server are of use afterwards.
        assert (await http.get(f"{url}/healthz")).json()["door"] == "ops"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_up_to_the_limit_arrives_whole(announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 128):
            yield b"x" * 128

    content: Any = b"x" * LIMIT if announced else pieces()
    async with (
        served(compose(ALL, Meters(), LIMIT)) as url,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        answer = await http.post(f"{url}/v1/accounts", content=content)
    assert answer.json()["read"] == LIMIT


async def test_ten_megabytes_get_their_answer() -> None:
    """Refused without a broken pipe, though nobody wanted to read all of it."""
    async with (
        served(compose(ALL, Meters(), LIMIT)) as url,
        httpx2.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        answer = await http.post(f"{url}/callback", content=b"x" * 10_000_000)
    assert answer.status_code == 413


async def test_a_length_that_is_no_number_is_refused() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/accounts",
        "headers": [(b"content-length", b"-1")],
    }
    await compose(ALL, Meters(), LIMIT)(scope, receive, send)
    assert sent[0]["status"] == 413


# --- the last word ----------------------------------------------------------------------------


def broken(after_start: bool) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a row has no such column")

    return app


async def test_a_broken_door_says_a_number_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logged: list[dict[str, Any]] = []
    quiet = SimpleNamespace(exception=lambda _, **facts: logged.append(facts))
    monkeypatch.setattr(serve, "log", quiet)
    meters = Meters()
    app = compose(Doors(ops=door("ops"), api=broken(after_start=False)), meters, LIMIT)
    async with client(app) as http:
        answer = await http.get("/v1/accounts")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert answer.json()["blame"] == "us"
    assert [one["request_id"] for one in logged] == [answer.json()["request_id"]]
    assert "column" not in answer.text
    assert meters.registry.get_sample_value(
        "evergrant_requests_total", {"door": "api", "status": "500"}
    ) == pytest.approx(1)


async def test_a_door_that_breaks_halfway_does_not_answer_twice() -> None:
    app = compose(Doors(ops=door("ops"), api=broken(after_start=True)), Meters(), LIMIT)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(
        {"type": "http", "method": "GET", "path": "/v1/accounts", "headers": []}, receive, send
    )
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_answers_are_counted_by_door_and_status_and_never_by_path() -> None:
    from prometheus_client import generate_latest

    meters = Meters()
    async with client(compose(ALL, meters, LIMIT)) as http:
        for _ in range(3):
            await http.get("/connect/a-secret-link")
        await http.get("/nowhere-special")
    told = generate_latest(meters.registry).decode()
    assert 'evergrant_requests_total{door="public",status="200"} 3.0' in told
    assert 'evergrant_requests_total{door="none",status="404"} 1.0' in told
    assert 'evergrant_request_seconds_count{door="public"} 3.0' in told
    assert "a-secret-link" not in told
    assert "nowhere-special" not in told


# --- the socket and the end -------------------------------------------------------------------


async def test_a_taken_port_is_told_as_a_setting() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(Misconfigured, match="address already in use") as caught:
            listen("127.0.0.1", port)
    assert caught.value.setting == "EVERGRANT_PORT"


def test_a_foreign_address_is_told_as_a_setting() -> None:
    with pytest.raises(Misconfigured, match="cannot listen at"):
        listen("192.0.2.1", 0)


def test_the_address_of_a_socket() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert serve.url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_the_address_of_an_ipv6_socket() -> None:
    try:
        listening = listen("::1", 0)
    except Misconfigured:
        pytest.skip("no IPv6 loopback here")
    with listening:
        assert serve.url_of(listening).startswith("http://[::1]:")


async def test_what_is_under_way_is_finished_before_the_end() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"finished"})

    listening = listen("127.0.0.1", 0)
    url = serve.url_of(listening)
    stop = asyncio.Event()
    running = asyncio.create_task(serve.serve(slow, listening, stop))
    async with httpx2.AsyncClient(trust_env=False) as http:
        asking = asyncio.create_task(http.get(url))
        async with asyncio.timeout(60):
            await begun.wait()
        stop.set()
        go_on.set()
        async with asyncio.timeout(60):
            assert (await asking).text == "finished"
            await running
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0, "closed"


async def test_a_request_that_never_ends_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "GRACE_S", 0.3)
    begun = asyncio.Event()

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    listening = listen("127.0.0.1", 0)
    stop = asyncio.Event()
    running = asyncio.create_task(serve.serve(stuck, listening, stop))
    async with httpx2.AsyncClient(trust_env=False) as http:
        asking = asyncio.create_task(http.get(serve.url_of(listening)))
        async with asyncio.timeout(60):
            await begun.wait()
        stop.set()
        async with asyncio.timeout(60):
            await running
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
