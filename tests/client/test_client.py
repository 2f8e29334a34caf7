"""The client: remembers, asks, puts the token on, and hands problems on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import requests

import evergrant_client
from evergrant.entrances import access_token
from evergrant_client import (
    NO_RETRIES,
    AccessToken,
    Evergrant,
    Problem,
    Retries,
    Unreachable,
    Unreadable,
)
from evergrant_client.protocol import Desk
from evergrant_client.requests import RequestsAuth
from tests.client.hands import AMAZON, API_KEY, EXPIRED, LIBRARIES, URL, Town, go
from tests.doors.mint_house import SETTINGS, House


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def evergrant(town: Town) -> Evergrant:
    return town.evergrant()


Get = Callable[..., Any]


@pytest.fixture(params=LIBRARIES)
def get(request: pytest.FixtureRequest, town: Town, evergrant: Evergrant) -> Get:
    """``get(account_id, method)``: one call to Amazon, each library its own way."""

    def call(account_id: str, method: str = "GET", **how: Any) -> Any:
        url = how.pop("url", f"{AMAZON}/x")
        return go(request.param, town, evergrant.auth(account_id, **how), method, url)

    return call


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
            "renewal_url": "https://connect.house.example/connect/abc",
        },
        {},
    )
    with pytest.raises(Problem) as told:
        get("acc_1")
    problem = told.value
    assert (problem.status, problem.code, problem.blame) == (409, "grant_refused", "partner")
    assert (problem.permanent, problem.hint) == (True, "Send a link.")
    assert problem.renewal_url == "https://connect.house.example/connect/abc"
    assert problem.renewal_url not in f"{problem} {problem!r}", "whoever has it can use it"
    assert Problem(409, {"code": "grant_refused", "renewal_url": None}, None).renewal_url == ""
    assert town.calls == []


def test_no_token_leaves_over_plain_http(town: Town, get: Get) -> None:
    with pytest.raises(ValueError, match="https"):
        get("acc_1", url="http://sellingpartnerapi-eu.amazon.com/x")
    assert town.asked == town.calls == []
    assert get("acc_1", url="http://127.0.0.1/x").status_code == 200


def test_requests_prepares_with_the_token_on(town: Town, evergrant: Evergrant) -> None:
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


WEATHER: list[tuple[int, Any, dict[str, str]]] = [
    (503, {"code": "amazon_unavailable", "permanent": False}, {"retry-after": "5"}),
    (429, {"code": "throttled", "permanent": False}, {"retry-after": "5"}),
    (502, b"<html>a proxy whose Evergrant starts again</html>", {}),
]


@pytest.mark.parametrize("weather", WEATHER, ids=["503", "429", "proxy"])
async def test_weather_is_waited_for(
    town: Town, evergrant: Evergrant, weather: tuple[int, Any, dict[str, str]]
) -> None:
    town.problems = [weather, weather, None]
    assert evergrant.access_token("acc_1").value == "acc_1-3"
    assert len(town.pauses) == 2
    if "retry-after" in weather[2]:
        assert all(5 <= pause <= 5.5 for pause in town.pauses)
    town.problems = [weather, None]
    token = await evergrant.access_token_async("acc_2")
    assert token.value == "acc_2-5"
    assert len(town.pauses) == 3


def test_what_is_for_good_or_too_late_is_told_at_once(town: Town, evergrant: Evergrant) -> None:
    town.problem = (409, {"code": "grant_refused", "permanent": True}, {})
    with pytest.raises(Problem):
        evergrant.access_token("acc_1")
    town.problem = (503, {"code": "amazon_unavailable", "permanent": False}, {"retry-after": "60"})
    with pytest.raises(Problem):
        evergrant.access_token("acc_1")
    town.problem = (404, b"no Evergrant at all", {})
    with pytest.raises(Unreadable):
        evergrant.access_token("acc_1")
    assert len(town.asked) == 3
    assert town.pauses == []


async def test_no_answer_is_tried_again(town: Town) -> None:
    tries: list[int] = []

    def awakes(request: httpx2.Request) -> httpx2.Response:
        tries.append(1)
        if len(tries) % 3:
            raise httpx2.ConnectError("nobody there yet")
        return town.httpx2(request)

    transport = httpx2.MockTransport(awakes)
    evergrant = Evergrant(
        URL,
        API_KEY,
        transport=transport,
        async_transport=transport,
        retries=Retries(attempts=2),
        pause=town.pauses.append,
        pause_async=town.pause_async,
    )
    assert evergrant.access_token("acc_1").value == "acc_1-1"
    assert (await evergrant.access_token_async("acc_2")).value == "acc_2-2"
    assert len(tries) == 6
    assert len(town.pauses) == 4


async def test_no_answer() -> None:
    def nobody(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"with {request.headers['authorization']}")

    transport = httpx2.MockTransport(nobody)
    evergrant = Evergrant(
        URL, API_KEY, transport=transport, async_transport=transport, retries=NO_RETRIES
    )
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
        (URL, "egk_ two words"),
        ("https://somebody:secret@evergrant.example", API_KEY),
        ("https://evergrant.example:no-port", API_KEY),
        (URL, "schlüssel"),
    ],
)
def test_a_wrong_address_or_key_is_told_at_once(url: str, key: str) -> None:
    with pytest.raises(ValueError) as told:
        Evergrant(url, key)
    assert "secret" not in str(told.value)
    Evergrant("http://127.0.0.1:8080/", API_KEY)


def test_a_key_in_the_place_of_the_address_is_not_shown() -> None:
    with pytest.raises(ValueError) as told:
        Evergrant(API_KEY, URL)
    assert API_KEY not in str(told.value)


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
