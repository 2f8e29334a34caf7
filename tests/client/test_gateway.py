"""The way through the gateway, in every library: what is sent, where to, and what comes back."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evergrant_client import NO_RETRIES, Evergrant, Problem, Retries
from tests.client.hands import API_KEY, GATEWAY, LIBRARIES, URL, Town, go

PROBLEM = "application/problem+json"
FULL = (
    429,
    {"code": "over_limit", "blame": "caller", "permanent": False, "detail": "spent"},
    {"content-type": PROBLEM, "retry-after": "2"},
)
REFUSED = (
    403,
    {"code": "not_allowed", "blame": "caller", "permanent": True, "request_id": "req_7"},
    {"content-type": f"{PROBLEM}; charset=utf-8"},
)
OF_AMAZON: list[tuple[int, Any, dict[str, str]]] = [
    (429, {"errors": [{"code": "QuotaExceeded"}]}, {"content-type": "application/json"}),
    (403, {"errors": [{"code": "Unauthorized"}]}, {"content-type": "application/json"}),
    (503, b"<html>", {"content-type": "text/html"}),
    (400, {"code": "InvalidInput"}, {"content-type": "application/json"}),
    (404, b"not even JSON", {"content-type": PROBLEM}),
]


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(library: str, town: Town, auth: Any, method: str = "GET", **more: Any) -> Any:
    return go(library, town, auth, method, f"{GATEWAY}/sellers/v1/x", **more)


def test_the_key_and_the_account_are_named(library: str, town: Town) -> None:
    gateway = town.evergrant().gateway("acc_1")
    assert gateway.url == GATEWAY
    assert read(library, town, gateway).json() == {"payload": "of Amazon"}
    [call] = town.calls
    assert call.headers["authorization"] == f"Bearer {API_KEY}"
    assert call.headers["x-evergrant-account"] == "acc_1"
    for absent in ("x-evergrant-connection", "x-evergrant-wait", "x-amz-access-token"):
        assert absent not in call.headers
    assert town.asked == [], "no access token is asked for"


def test_a_connection_key_is_told_from_an_account(library: str, town: Town) -> None:
    read(library, town, town.evergrant().gateway("egc_made_up"))
    read(library, town, town.evergrant().gateway())
    named, bare = town.calls
    assert named.headers["x-evergrant-connection"] == "egc_made_up"
    for call in (named, bare):
        assert "x-evergrant-account" not in call.headers
    assert "x-evergrant-connection" not in bare.headers


def test_wishes_are_sent_and_those_of_a_request_go_first(library: str, town: Town) -> None:
    gateway = town.evergrant().gateway(
        "acc_1",
        wait=2.5,
        data_elements=["buyerInfo", "shippingAddress"],
        request_id=lambda: f"errand-{len(town.calls)}",
    )
    read(library, town, gateway)
    read(library, town, gateway, headers={"X-Evergrant-Wait": "0", "X-Request-Id": "mine"})
    first, second = ({**call.headers} for call in town.calls)
    lower = [
        {name.lower(): value for name, value in headers.items()} for headers in (first, second)
    ]
    assert lower[0]["x-evergrant-wait"] == "2.500"
    assert lower[0]["x-evergrant-data-elements"] == "buyerInfo,shippingAddress"
    assert [headers["x-request-id"] for headers in lower] == ["errand-0", "mine"]
    assert lower[1]["x-evergrant-wait"] == "0"


def test_over_limit_is_waited_for_when_reading(library: str, town: Town) -> None:
    town.problems = [FULL, FULL, None]
    answer = read(library, town, town.evergrant().gateway("acc_1"))
    assert answer.status_code == 200
    assert len(town.calls) == 3
    assert len(town.pauses) == 2
    assert all(2 <= pause <= 2.2 for pause in town.pauses)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_call_that_changes_something_is_told_at_once(
    library: str, town: Town, method: str
) -> None:
    town.problem = FULL
    with pytest.raises(Problem) as told:
        read(library, town, town.evergrant().gateway("acc_1"), method)
    assert (told.value.code, told.value.retry_after_s) == ("over_limit", 2.0)
    assert len(town.calls) == 1
    assert town.pauses == []


def test_patience_ends(library: str, town: Town) -> None:
    town.problem = FULL
    with pytest.raises(Problem):
        read(library, town, town.evergrant().gateway("acc_1", retries=Retries(patience_s=3)))
    assert len(town.calls) == 2
    with pytest.raises(Problem):
        read(library, town, town.evergrant(NO_RETRIES).gateway("acc_1"))
    assert len(town.calls) == 3


def test_what_is_for_good_is_told_at_once(library: str, town: Town) -> None:
    town.problem = REFUSED
    with pytest.raises(Problem) as told:
        read(library, town, town.evergrant().gateway("acc_1"))
    problem = told.value
    assert (problem.status, problem.code, problem.request_id) == (403, "not_allowed", "req_7")
    assert len(town.calls) == 1


@pytest.mark.parametrize("reply", OF_AMAZON, ids=["429", "403", "503", "400", "odd"])
def test_what_amazon_says_is_handed_on(
    library: str, town: Town, reply: tuple[int, Any, dict[str, str]]
) -> None:
    town.problem = reply
    answer = read(library, town, town.evergrant().gateway("acc_1"))
    assert answer.status_code == reply[0]
    assert len(town.calls) == 1
    assert town.pauses == []


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://sellingpartnerapi-eu.amazon.com/sellers/v1/x",
        "https://evergrant.example/v1/accounts",
        "https://evergrant.example/gatewayer/x",
        "https://evergrant.example:444/gateway/x",
        "https://evergrant.example.evil.example/gateway/x",
        "http://evergrant.example/gateway/x",
        "https://gateway@evil.example/gateway/x",
    ],
)
def test_the_key_is_for_the_gateway_alone(library: str, town: Town, elsewhere: str) -> None:
    with pytest.raises(ValueError, match="gateway") as told:
        go(library, town, town.evergrant().gateway("acc_1"), "GET", elsewhere)
    assert API_KEY not in str(told.value)
    assert town.calls == town.asked == []


def test_the_gateway_may_have_an_address_of_its_own(library: str, town: Town) -> None:
    own = Evergrant(URL, API_KEY, gateway_url="https://evergrant.example:8443")
    town.problem = (200, {}, {})
    go(library, town, own.gateway("acc_1"), "GET", "https://evergrant.example:8443/gateway/x")
    with pytest.raises(ValueError, match="gateway"):
        go(library, town, own.gateway("acc_1"), "GET", f"{GATEWAY}/x")


def test_it_is_not_reached_over_plain_http() -> None:
    with pytest.raises(ValueError, match="https"):
        Evergrant(URL, API_KEY, gateway_url="http://gateway.example")
    Evergrant(URL, API_KEY, gateway_url="http://127.0.0.1:8002")


def test_wrong_wishes_are_told_at_once(town: Town) -> None:
    evergrant = town.evergrant()
    for wrong in (
        {"wait": -1},
        {"wait": math.nan},
        {"wait": math.inf},
        {"data_elements": ["buyerInfo\r\nx: y"]},
    ):
        with pytest.raises(ValueError):
            evergrant.gateway("acc_1", **wrong)
    with pytest.raises(ValueError):
        evergrant.gateway("acc_1\r\nx: y")


def test_nothing_shows_a_secret(town: Town) -> None:
    gateway = town.evergrant().gateway("egc_made_up")
    steps = gateway.steps("GET", f"{GATEWAY}/x")
    shown = f"{gateway!r} {next(steps)!r} {gateway._way!r}"
    assert API_KEY not in shown
    assert "egc_made_up" not in shown
