"""The gateway under attack: headers that say two things, paths that mean two things, and answers
that SDKs have to understand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sp_api.base.exceptions import get_exception_for_code
from spapi.rest import ApiException

from evergrant.entrances.gateway import asking, headers
from evergrant.errors import InvalidInput, TooLarge
from tests.doors.gateway_house import (
    FEEDS,
    PARTICIPATIONS,
    Answer,
    House,
    refused,
)
from tests.searching import cases


@pytest.fixture
async def house() -> House:
    return await House().open()


# --- headers ------------------------------------------------------------------------------------


async def test_what_ends_at_this_door(house: House) -> None:
    bearer = await house.bearer(await house.account())
    ending = {
        "connection": "keep-alive, X-Named, close",
        "x-named": "of one connection",
        "keep-alive": "timeout=5",
        "proxy-authorization": "Basic x",
        "proxy-connection": "keep-alive",
        "te": "trailers",
        "trailer": "x",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAAQCAAAAAAIAAAAA",
        "cookie": "evergrant_session=x",
        "expect": "100-continue",
        "forwarded": "for=10.0.0.1",
        "via": "1.1 house",
        "x-forwarded-for": "10.0.0.1",
        "x-forwarded-host": "connect.house.example",
        "x-forwarded-proto": "https",
        "x-real-ip": "10.0.0.1",
        "x-amz-security-token": "x",
        "x-request-id": "my-trace-0001",
        "x-evergrant-wait": "1",
        "x-evergrant-uri": "/",
        "x_something": "underscored",
    }
    travelling = {
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": "ERP/1 (Language=Python)",
        "x-amz-date": "20261121T120000Z",
        "x-something": "caf\u00c3\u00a9",
    }
    answer = await house.ask(
        "POST", FEEDS, [*bearer, *ending.items(), *travelling.items(), ("accept", "*/*")], b"{}"
    )
    assert answer.status == 200
    [seen] = house.fakes.upstream.seen
    assert [name.decode() for name, _ in seen.request.headers] == [*travelling, "accept"]
    assert dict(seen.request.headers)[b"x-something"] == "café".encode()
    assert seen.header("x-amz-date") == ["20261121T120000Z"]


@pytest.mark.parametrize("name", ["x-evergrant-anything", "x-evergrant-target", "x-evergrant-"])
async def test_what_begins_like_a_header_of_ours_and_is_none(house: House, name: str) -> None:
    bearer = await house.bearer(await house.account())
    refused(await house.ask("GET", PARTICIPATIONS, [*bearer, (name, "x")]), 400, "invalid_input")
    assert not house.fakes.upstream.seen


@pytest.mark.parametrize(
    "more",
    [
        [("content-length", "2"), ("content-length", "2")],
        [("content-length", "2"), ("content-length", "3")],
        [("content-length", "2"), ("transfer-encoding", "chunked")],
        [("content-length", "+2")],
        [("content-length", "-1")],
        [("content-length", "2, 2")],
        [("content-length", "0x2")],
        [("content-length", "9" * 30)],
        [("transfer-encoding", "gzip, chunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "identity")],
        [("transfer-encoding", "xchunked")],
        [("content_length", "2")],
        [("transfer_encoding", "chunked")],
        [("host_", "x"), ("x-amz-access_token", "x")],
        [("connection", "x-amz-access-token")],
        [("connection", "close, Host")],
        [("connection", "content-length")],
        [("x-a", "b\r\nx-amz-access-token: c")],
        [("x-a", "b\nc")],
        [("x-a", "b\x00c")],
        [("x-a", "\x7f")],
        [("x-a", "\xe9")],
        [("x a", "b")],
        [("", "b")],
        [("x-a:", "b")],
    ],
)
async def test_headers_that_say_two_things(house: House, more: list[tuple[str, str]]) -> None:
    bearer = await house.bearer(await house.account())
    answer = await house.ask("POST", FEEDS, [*bearer, *more], b"{}")
    refused(answer, 400, "invalid_input")
    assert not house.fakes.upstream.seen


async def test_headers_without_an_end(house: House) -> None:
    bearer = await house.bearer(await house.account())
    for more in ([("x-a", "a" * 70_000)], [(f"x-{at}", "a") for at in range(200)]):
        refused(await house.ask("GET", PARTICIPATIONS, [*bearer, *more]), 413, "too_large")


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "1e3", "1,5", "soon", "", "999999", "0x1"])
async def test_waits_that_are_none(house: House, wait: str) -> None:
    bearer = await house.bearer(await house.account())
    answer = await house.ask("GET", PARTICIPATIONS, [*bearer, ("x-evergrant-wait", wait)])
    refused(answer, 400, "invalid_input")


_NAMES = st.sampled_from(
    [
        b"connection",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"x-amz-access-token",
        b"x-evergrant-account",
        b"x-forwarded-for",
        b"cookie",
        b"accept",
        b"x-a",
        b"x_a",
    ]
)
_ANY_NAME = st.one_of(_NAMES, st.binary(max_size=12).map(bytes.lower))


@given(st.lists(st.tuples(_ANY_NAME, st.binary(max_size=20)), max_size=8))
@settings(max_examples=cases(120), deadline=None)
def test_nothing_of_ours_ever_travels(sent: list[tuple[bytes, bytes]]) -> None:
    try:
        read = headers.read(sent, asking.HEADERS)
    except (InvalidInput, TooLarge):
        return
    for name, value in read.travel:
        assert name not in asking.HEADERS
        assert not name.startswith((b"x-evergrant-", b"x-forwarded-"))
        assert name not in {b"connection", b"content-length", b"transfer-encoding", b"cookie"}
        assert b"_" not in name
        assert not {b"\r", b"\n", b"\x00"} & {bytes([one]) for one in value}
        value.decode("utf-8")


# --- paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        b"/sellers/v1/../v1/marketplaceParticipations",
        b"/sellers/v1/./marketplaceParticipations",
        b"/sellers/v1/%2e%2e/marketplaceParticipations",
        b"/sellers/v1/%2E./marketplaceParticipations",
        b"/sellers/v1/%252e%252e/marketplaceParticipations",
        b"/sellers/v1/..%2fmarketplaceParticipations",
        b"/sellers/v1/..%5cmarketplaceParticipations",
        b"/sellers/v1/\\marketplaceParticipations",
        b"//sellers/v1/marketplaceParticipations",
        b"/sellers//v1/marketplaceParticipations",
        b"//evil.example/sellers/v1/marketplaceParticipations",
        b"http://evil.example/sellers/v1/marketplaceParticipations",
        b"sellers/v1/marketplaceParticipations",
        b"*",
        b"/sellers/v1/marketplaceParticipations#x",
        b"/sellers/v1/marketplaceParticipations%00",
        b"/sellers/v1/marketplaceParticipations\x00",
        b"/sellers/v1/marketplaceParticipations%0d%0aHost:%20evil.example",
        b"/sellers/v1/marketplaceParticipations;x=/../..",
        b"/sellers/v1/marketplace Participations",
        b"/sellers/v1/marketplaceParticipations%",
        b"/sellers/v1/marketplaceParticipations%zz",
        b"/sellers/v1/\xe9",
        b"/sellers/v1/\xc3\xa9",
        b"/sellers/v1/%c0%ae%c0%ae/x",
        b"/sellers/v1/" + b"a" * 10_000,
        PARTICIPATIONS.encode() + b"?a=\xe9",
        PARTICIPATIONS.encode() + b"?a=b c",
        PARTICIPATIONS.encode() + b"?a=%0d%0a",
        PARTICIPATIONS.encode() + b"?a=#",
        PARTICIPATIONS.encode() + b"?" + b"a" * 40_000,
        b"@evil.example/sellers/v1/marketplaceParticipations",
        b":443/sellers/v1/marketplaceParticipations",
    ],
)
async def test_paths_that_mean_two_things(house: House, target: bytes) -> None:
    bearer = await house.bearer(
        await house.account(), "amazon_read", "amazon_write", "personal_data"
    )
    refused(await house.ask("GET", target, bearer), 400, "invalid_input")
    assert not house.fakes.upstream.seen


@pytest.mark.parametrize(
    "target",
    [
        "/listings/2021-08-01/items/A1/SKU%2F1%20%C3%BC?marketplaceIds=A1PA6795UKMFR9&x=a%2Bb+c",
        "/listings/2021-08-01/items/A1/a+b~c'(d)*!$&,=@:?x=%25",
        f"{PARTICIPATIONS}?NextToken=a/b+c==&q=[1]|2",
    ],
)
async def test_paths_travel_byte_for_byte(house: House, target: str) -> None:
    bearer = await house.bearer(await house.account())
    assert (await house.ask("GET", target, bearer)).status == 200
    [seen] = house.fakes.upstream.seen
    assert seen.request.target == target


# --- what SDKs make of it -----------------------------------------------------------------------


class _Response:
    """What the official SDK knows of an answer."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.reason = ""
        self.data = answer.body
        self._headers = {name.decode(): value.decode() for name, value in answer.raw_headers}

    def getheaders(self) -> dict[str, str]:
        return self._headers


async def test_sdks_show_our_words(house: House) -> None:
    account_id = await house.account()
    refusals = [
        await house.ask("GET", PARTICIPATIONS),
        await house.ask("POST", FEEDS, await house.bearer(account_id, "amazon_read"), b"{}"),
        await house.ask("GET", "/sellers/v1/..", await house.bearer(account_id)),
    ]
    for answer in refusals:
        detail = answer.json()["detail"]
        # python-amazon-sp-api hands `errors` to the exception of the status.
        told = json.loads(answer.body)
        raised = get_exception_for_code(answer.status)(
            told["errors"], headers=dict(answer.raw_headers)
        )
        assert detail in str(raised)
        # The official SDK keeps the body.
        official = ApiException(http_resp=_Response(answer))
        assert official.status == answer.status
        assert json.loads(official.body)["errors"][0]["message"] == detail
