"""The client: remembers, asks, puts the token on, and hands problems on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
import requests

import evergrant_client
from evergrant.entrances import access_token
from evergrant_client import AccessToken, Evergrant, Problem, Unreachable, Unreadable
from evergrant_client.httpx import HttpxAuth
from evergrant_client.protocol import Desk
from evergrant_client.requests import RequestsAuth
from tests.doors.mint_house import SETTINGS, House

URL = "https://evergrant.example"
AMAZON = "https://sellingpartnerapi-eu.amazon.com"
API_KEY = "egk_made_up"
EXPIRED = {
    "errors": [{"code": "Unauthorized", "details": "The access token you provided has expired."}]
}


class Town:
    """Evergrant and Amazon behind one transport. Tokens are numbered."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.calls: list[Any] = []
        self.expires_in = 3600
        self.refused: set[str] = set()
        self.problem: tuple[int, Any, dict[str, str]] | None = None
        self.same = False

    def answer(self, request: Any) -> tuple[int, Any, dict[str, str]]:
        if request.url.host == "evergrant.example":
            self.asked.append(request)
            if self.problem is not None:
                return self.problem
            number = 1 if self.same else len(self.asked)
            account_id = request.url.path.split("/")[3]
            return (
                200,
                {"access_token": f"{account_id}-{number}", "expires_in": self.expires_in},
                {},
            )
        self.calls.append(request)
        token = request.headers["x-amz-access-token"]
        return (403, EXPIRED, {}) if token in self.refused else (200, {"token": token}, {})

    def httpx2(self, request: httpx2.Request) -> httpx2.Response:
        status, body, headers = self.answer(request)
        return httpx2.Response(status, json=body, headers=headers)

    def httpx(self, request: httpx.Request) -> httpx.Response:
        status, body, headers = self.answer(request)
        return httpx.Response(status, json=body, headers=headers)


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def evergrant(town: Town) -> Evergrant:
    transport = httpx2.MockTransport(town.httpx2)
    return Evergrant(URL, API_KEY, transport=transport, async_transport=transport)


Get = Callable[..., Any]


@pytest.fixture(params=["httpx2", "httpx2 async", "httpx", "httpx async"])
def get(request: pytest.FixtureRequest, town: Town, evergrant: Evergrant) -> Get:
    """``get(account_id, method)``: one call to Amazon, each library its own way."""

    def go(account_id: str, method: str = "GET", **how: Any) -> Any:
        url = how.pop("url", f"{AMAZON}/x")
        if request.param == "httpx2":
            transport = httpx2.MockTransport(town.httpx2)
            with httpx2.Client(transport=transport, auth=evergrant.auth(account_id, **how)) as c:
                return c.request(method, url)
        if request.param == "httpx":
            with httpx.Client(
                transport=httpx.MockTransport(town.httpx),
                auth=HttpxAuth(evergrant, account_id, **how),
            ) as client:
                return client.request(method, url)

        async def run() -> Any:
            if request.param == "httpx2 async":
                async with httpx2.AsyncClient(
                    transport=httpx2.MockTransport(town.httpx2),
                    auth=evergrant.auth(account_id, **how),
                ) as c2:
                    return await c2.request(method, url)
            async with httpx.AsyncClient(
                transport=httpx.MockTransport(town.httpx),
                auth=HttpxAuth(evergrant, account_id, **how),
            ) as c:
                return await c.request(method, url)

        return asyncio.run(run())

    return go


def test_each_account_calls_with_its_own_token(town: Town, get: Get) -> None:
    for _ in range(3):
        for account_id in ("acc_1", "acc_2"):
            assert get(account_id).json()["token"].startswith(account_id)
    assert len(town.asked) == 2, "the tokens were remembered"
    assert town.asked[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert all("authorization" not in call.headers for call in town.calls)


def test_a_token_that_lives_too_short_is_asked_for_again(town: Town, get: Get) -> None:
    town.expires_in = 50
    get("acc_1")
    get("acc_1")
    assert len(town.asked) == 2
    get("acc_1", min_ttl=10)
    assert len(town.asked) == 2
    assert str(town.asked[0].url).endswith("?min_ttl=60")


def test_a_reading_call_is_sent_again_with_another_token(town: Town, get: Get) -> None:
    town.refused = {"acc_1-1"}
    answer = get("acc_1")
    assert (answer.status_code, answer.json()["token"]) == (200, "acc_1-2")
    assert len(town.calls) == 2


def test_it_is_sent_again_once_and_a_call_that_changes_something_never(
    town: Town, get: Get
) -> None:
    town.same, town.refused = True, {"acc_1-1"}
    answer = get("acc_1")
    assert (answer.status_code, answer.json()) == (403, EXPIRED), "Amazon's answer, not Evergrant's"
    assert len(town.calls) == 2
    assert get("acc_1", "POST").status_code == 403
    assert len(town.calls) == 3


def test_a_problem_is_raised_before_amazon_is_called(town: Town, get: Get) -> None:
    town.problem = (
        409,
        {
            "code": "grant_refused",
            "blame": "partner",
            "detail": "no longer accepted",
            "permanent": True,
            "hint": "Send a link.",
            "request_id": "req_1",
        },
        {},
    )
    with pytest.raises(Problem) as told:
        get("acc_1")
    problem = told.value
    assert (problem.status, problem.code, problem.blame) == (409, "grant_refused", "partner")
    assert (problem.permanent, problem.hint) == (True, "Send a link.")
    assert town.calls == []


def test_no_token_leaves_over_plain_http(town: Town, get: Get) -> None:
    with pytest.raises(ValueError, match="https"):
        get("acc_1", url="http://sellingpartnerapi-eu.amazon.com/x")
    assert town.asked == town.calls == []
    assert get("acc_1", url="http://127.0.0.1/x").status_code == 200


def test_requests(town: Town, evergrant: Evergrant) -> None:
    prepared = requests.Request(
        "GET", f"{AMAZON}/x", auth=RequestsAuth(evergrant, "acc_1")
    ).prepare()
    assert prepared.headers["x-amz-access-token"] == "acc_1-1"


async def test_asking_directly(town: Town, evergrant: Evergrant) -> None:
    token = await evergrant.access_token_async("acc_1")
    assert await asyncio.to_thread(evergrant.access_token, "acc_1") is token
    assert 3590 < token.left_s() <= 3600
    assert len(town.asked) == 1
    assert await evergrant.access_token_async("acc/../../2", 0) is not token
    assert town.asked[-1].url.raw_path.startswith(b"/v1/accounts/acc%2F..%2F..%2F2/access-token")


def test_what_answers_is_not_evergrant(town: Town, evergrant: Evergrant) -> None:
    answers: list[tuple[int, Any, dict[str, str]]] = [
        (502, {"error": "bad gateway"}, {}),
        (404, None, {}),
        (200, [], {}),
        (200, {"access_token": 7, "expires_in": 1}, {}),
        (200, {"access_token": "x"}, {}),
    ]
    for answer in answers:
        town.problem = answer
        with pytest.raises(Unreadable, match=r"evergrant\.example"):
            evergrant.access_token("acc_1")


def test_weather_says_when_to_come_again(town: Town, evergrant: Evergrant) -> None:
    town.problem = (
        503,
        {"code": "amazon_unavailable", "blame": "amazon", "permanent": False},
        {"retry-after": "5"},
    )
    with pytest.raises(Problem) as told:
        evergrant.access_token("acc_1")
    assert (told.value.permanent, told.value.retry_after_s) == (False, 5.0)


async def test_no_answer() -> None:
    def nobody(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"with {request.headers['authorization']}")

    transport = httpx2.MockTransport(nobody)
    evergrant = Evergrant(URL, API_KEY, transport=transport, async_transport=transport)
    with pytest.raises(Unreachable) as told:
        evergrant.access_token("acc_1")
    assert API_KEY not in str(told.value)
    with pytest.raises(Unreachable):
        await evergrant.access_token_async("acc_1")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://evergrant.example", API_KEY),
        ("evergrant.example", API_KEY),
        ("ftp://evergrant.example", API_KEY),
        ("https://", API_KEY),
        ("https://evergrant.example/?x=1", API_KEY),
        (URL, ""),
        (URL, "egk_\r\nx: y"),
        (URL, "schlüssel"),
    ],
)
def test_a_wrong_address_or_key_is_told_at_once(url: str, key: str) -> None:
    with pytest.raises(ValueError):
        Evergrant(url, key)
    Evergrant("http://127.0.0.1:8080/", API_KEY)


def test_nothing_shows_a_secret(town: Town, evergrant: Evergrant) -> None:
    token = evergrant.access_token("acc_1")
    shown = f"{evergrant!r} {evergrant} {token!r} {token} {evergrant.question('acc_1', 60)!r}"
    assert token.value not in shown
    assert API_KEY not in shown


def test_a_newer_token_is_not_forgotten_for_an_older_one() -> None:
    desk = Desk(URL, API_KEY)
    old, new = AccessToken("old", 1e12), AccessToken("new", 1e12)
    desk._remembered["acc_1"] = new
    desk.forget("acc_1", old)
    assert desk.at_hand("acc_1", 60) is new
    desk.forget("acc_1", new)
    assert desk.at_hand("acc_1", 60) is None


async def test_client_and_door_understand_each_other() -> None:
    house = await House().open()
    account_id = await house.account()
    transport = httpx2.ASGITransport(app=access_token.build(house.desk, SETTINGS))
    evergrant = Evergrant(URL, await house.api_key(), async_transport=transport)
    token = await evergrant.access_token_async(account_id)
    assert house.about(token.value) == account_id
    assert 3590 < token.left_s() <= 3600
    with pytest.raises(Problem) as told:
        await evergrant.access_token_async(account_id, min_ttl=5000)
    assert told.value.code == "invalid_input"
    assert told.value.flaws[0]["parameter"] == "min_ttl"


def test_the_public_face() -> None:
    for name in evergrant_client.__all__:
        assert getattr(evergrant_client, name) is not None


def test_it_needs_nothing_of_the_server_and_no_sdk() -> None:
    """In a fresh interpreter: what importing the whole client brings along."""
    program = (
        "import sys, evergrant_client, evergrant_client.requests, evergrant_client.sdks;"
        "print(sorted({n.partition('.')[0] for n in sys.modules}"
        " & {'evergrant','amazon_emulator','spapi','sp_api','requests','httpx'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
