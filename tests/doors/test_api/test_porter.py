"""What every request passes first: key, size, media type; and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import structlog
from starlette.types import Message

from evergrant.errors import StoreUnavailable
from tests.doors.test_api.conftest import BODY_LIMIT, House

Json = dict[str, Any]


@pytest.mark.parametrize(
    "authorization",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic {key}"],
        ["{key}"],
        ["Bearer {key}x"],
        ["Bearer egk_" + "0" * 26 + "_" + "x" * 43],
        ["Bearer {key}", "Bearer {key}"],
        ["Bearer \xff\xfe"],
    ],
    ids=str,
)
async def test_without_a_good_key_there_is_nothing(
    house: House, caller: httpx2.AsyncClient, authorization: list[str]
) -> None:
    key = caller.headers["authorization"].removeprefix("Bearer ")
    stranger = await house.stranger()
    headers = [
        ("authorization", one.replace("{key}", key).encode("latin-1")) for one in authorization
    ]
    for method, path in (
        ("GET", "/v1/accounts"),
        ("POST", "/v1/accounts"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/accounts"),
    ):
        refused = await stranger.request(
            method, path, headers=[(n.encode(), v) for n, v in headers]
        )
        assert refused.status_code == 401
        assert refused.json()["code"] == "not_authenticated"
        assert refused.headers["www-authenticate"] == 'Bearer realm="evergrant"'
        assert key not in refused.text


async def test_the_word_bearer_may_be_written_anyhow(
    house: House, caller: httpx2.AsyncClient
) -> None:
    key = caller.headers["authorization"].removeprefix("Bearer ")
    stranger = await house.stranger()
    for written in (f"bearer {key}", f"BEARER   {key}  "):
        told = await stranger.get("/v1/whoami", headers={"authorization": written})
        assert told.status_code == 200


async def test_a_stranger_is_refused_before_the_body_is_read(house: House) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 100

    stranger = await house.stranger()
    refused = await stranger.post("/v1/accounts", content=body())
    assert refused.status_code == 401
    assert read == 0


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    caller: httpx2.AsyncClient, announced: bool
) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1_000
            yield b" " * 1_000

    content = b" " * (BODY_LIMIT + 1) if announced else body()
    refused = await caller.post(
        "/v1/instances", content=content, headers={"content-type": "application/json"}
    )
    assert refused.status_code == 413
    assert refused.json()["code"] == "too_large"
    assert refused.json()["facts"] == {"limit_bytes": BODY_LIMIT}
    assert (await caller.get("/v1/instances")).json()["items"] == []


async def test_too_large_is_known_before_it_is_held(house: House) -> None:
    """Straight at the door: after the limit, nothing is read before the answer is on its way."""
    key = await house.caller()
    sent: list[Message] = []
    asked_after_limit = 0
    given = 0

    async def receive() -> Message:
        nonlocal given, asked_after_limit
        if given > BODY_LIMIT and not sent:
            asked_after_limit += 1
        given += 5_000
        more = given < 10 * BODY_LIMIT
        return {"type": "http.request", "body": b"x" * 5_000, "more_body": more}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/accounts",
        "query_string": b"",
        "headers": [(b"authorization", key.headers["authorization"].encode())],
    }
    await house.app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert asked_after_limit == 0


async def test_a_body_of_just_the_limit_is_read(caller: httpx2.AsyncClient) -> None:
    content = b'{"name": "x"}'.ljust(BODY_LIMIT)
    added = await caller.post(
        "/v1/instances", content=content, headers={"content-type": "application/json"}
    )
    assert added.status_code == 201


async def test_a_caller_that_hangs_up_gets_no_answer(house: House) -> None:
    key = await house.caller()
    sent: list[Message] = []
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"na', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/instances",
        "query_string": b"",
        "headers": [(b"authorization", key.headers["authorization"].encode())],
    }
    await house.app(scope, receive, send)
    assert sent == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
    ids=str,
)
async def test_what_is_not_sent_as_json_is_not_taken_for_it(
    caller: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    refused = await caller.post("/v1/instances", content=b'{"name": "x"}', headers=headers)
    assert refused.status_code == 415
    assert refused.json()["code"] == "unsupported_media_type"
    assert (await caller.get("/v1/instances")).json()["items"] == []


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'],
)
async def test_json_has_some_names(caller: httpx2.AsyncClient, kind: str) -> None:
    added = await caller.post(
        "/v1/instances", content=b'{"name": "x"}', headers={"content-type": kind}
    )
    assert added.status_code == 201


async def test_merge_patches_may_say_so(caller: httpx2.AsyncClient, account: Json) -> None:
    changed = await caller.patch(
        f"/v1/accounts/{account['id']}",
        content=b'{"notes": "x"}',
        headers={"content-type": "application/merge-patch+json"},
    )
    assert changed.json()["notes"] == "x"


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("PUT", "/v1/accounts", 405, "GET, POST"),
        ("DELETE", "/v1/accounts/acc_" + "0" * 26, 405, "GET, PATCH"),
        ("OPTIONS", "/v1/whoami", 405, "GET"),
        ("BREW", "/v1/whoami", 405, "GET"),
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/v1/accounts/", 404, None),
        ("GET", "/v1//accounts", 404, None),
    ],
)
async def test_other_methods_and_paths_are_problems_too(
    caller: httpx2.AsyncClient, method: str, path: str, status: int, allowed: str | None
) -> None:
    refused = await caller.request(method, path)
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers.get("allow") == allowed
    assert refused.json()["code"] in ("not_found", "method_not_allowed")


async def test_every_answer_has_a_number_and_is_kept_by_nobody(
    caller: httpx2.AsyncClient,
) -> None:
    for path in ("/v1/whoami", "/v1/nothing", "/v1/accounts?limit=0"):
        answer = await caller.get(path)
        number = answer.headers["x-request-id"]
        assert number.startswith("req_")
        assert answer.json().get("request_id", number) == number
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("wished", "taken"),
    [("0f3c1c9e-5a0b-4b3a", True), ("a" * 65, False), ("short", False), ("with space 123", False)],
)
async def test_a_request_id_may_be_brought(
    caller: httpx2.AsyncClient, wished: str, taken: bool
) -> None:
    answer = await caller.get("/v1/whoami", headers={"x-request-id": wished})
    assert (answer.headers["x-request-id"] == wished) is taken


async def test_a_mistake_of_ours_tells_nothing_but_its_number(
    house: House, caller: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the inner parts")

    monkeypatch.setattr(house.desk.accounts, "list", broken)
    with structlog.testing.capture_logs() as lines:
        answer = await caller.get("/v1/accounts")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert answer.json()["blame"] == "us"
    assert "inner parts" not in answer.text
    assert [line["log_level"] for line in lines] == ["error"]
    assert lines[0]["exc_info"]


async def test_a_database_that_is_away_is_told_as_such(
    house: House, caller: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(house.desk.accounts, "list", away)
    refused = await caller.get("/v1/accounts")
    assert refused.status_code == 503
    assert refused.json()["permanent"] is False
    assert "retry-after" in refused.headers
    monkeypatch.setattr(house.desk.people, "authenticate", away)
    assert (await caller.get("/v1/accounts")).status_code == 503
