"""What holds for both data planes of the gateway: our own stream, and nginx with Evergrant
deciding. Tenancy, what reaches Amazon, and limits."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from demo.stage import wait_for
from tests.journeys.amazon_stub import Seen, Stub
from tests.journeys.conftest import Town
from tests.journeys.planes import (
    PARTICIPATIONS,
    Plane,
    api_key,
    connection_key,
    headers,
    own_stream,
    start_nginx,
    stub_account,
    town_with_stub,
)

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("planes")]

ITEMS = "/listings/2021-08-01/items/A1/SKU-1"
ORDERS = "/orders/v0/orders"
#: 5 a second, 10 at once; a call that is of no use to count is not asked for.
CATALOG = "/catalog/2022-04-01/items"


@dataclass
class Ground:
    """A town with a stub at Amazon's place in one region, and an account there."""

    town: Town
    stub: Stub
    stubbed: dict[str, Any]
    account: dict[str, Any]  # connected, at the emulator
    key: str

    def arrived(self, since: int) -> list[Seen]:
        return self.stub.seen[since:]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with town_with_stub(tmp_path_factory.mktemp("planes")) as (town, stub):
        wide = {"rate_per_s": 1000.0, "burst": 1000}
        account = stub_account(town)
        for operation in ("sellers.v1.getMarketplaceParticipations", "feeds.2021-06-30.createFeed"):
            wish = {"operation": operation, "account_id": account["id"], **wide}
            town.house.ask("POST", "/v1/plans", wish)
        yield Ground(town, stub, account, town.connected()[0], api_key(town))


@pytest.fixture(scope="module", params=["own stream", "nginx"])
def plane(request: pytest.FixtureRequest, ground: Ground) -> Plane:
    return own_stream(ground.town) if request.param == "own stream" else start_nginx(ground.town)


@pytest.fixture(scope="module")
def http(plane: Plane) -> Iterator[httpx2.Client]:
    with plane.client() as client:
        yield client


def asked_of_amazon(ground: Ground) -> int:
    """Calls that any face of SP-API has seen so far, but for a worker's own looks for orders."""
    emulated = 0
    for region in ("na", "eu"):
        told = ground.town.lever("GET", "/history/count", region=region, by="kind")
        emulated += int(told["count"]) - int(told["by"].get("spapi.searchOrders", 0))
    return emulated + len(ground.stub.seen)


def fresh(town: Town, **wishes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A partner of its own and its account. Its grant was pasted, which is sooner done than the way
    of the account that all share."""
    partner = town.partner()
    return town.adopted(partner, **wishes), partner


# --- a call -------------------------------------------------------------------------------------


def test_an_answer_of_amazon_passes_unchanged_with_what_we_know(
    ground: Ground, http: httpx2.Client
) -> None:
    account, _ = fresh(ground.town)
    answer = http.get(PARTICIPATIONS, headers=headers(ground.key, account))
    assert answer.status_code == 200, answer.text
    assert answer.json()["payload"][0]["marketplace"]["countryCode"]
    assert answer.headers["x-amzn-ratelimit-limit"] == "0.016"
    assert answer.headers["x-amzn-requestid"]
    assert answer.headers["x-evergrant-operation"] == "sellers.v1.getMarketplaceParticipations"
    assert answer.headers["x-evergrant-wait"] == "0"
    assert int(answer.headers["x-evergrant-permits-left"]) in range(15)
    assert answer.headers["x-evergrant-request-id"].startswith("req_")
    assert "x-evergrant-target" not in answer.headers
    assert "x-evergrant-access-token" not in answer.headers
    assert "x-evergrant-mark" not in answer.headers


def test_errors_of_amazon_pass_unchanged(ground: Ground, http: httpx2.Client) -> None:
    account, partner = fresh(ground.town)
    path = f"/listings/2021-08-01/items/{partner['selling_partner_id']}/NO-SUCH-SKU"
    answer = http.get(
        path, params={"marketplaceIds": "A1PA6795UKMFR9"}, headers=headers(ground.key, account)
    )
    assert answer.status_code == 404, answer.text
    assert "evergrant" not in answer.text
    assert answer.json()["errors"]
    assert answer.headers["x-amzn-errortype"]


def test_a_connection_key_says_which_account_it_is(ground: Ground, http: httpx2.Client) -> None:
    account = ground.account
    who = {**headers(ground.key), "x-evergrant-connection": connection_key(ground.town, account)}
    assert http.get(PARTICIPATIONS, headers=who).status_code == 200


def test_an_sdk_gets_a_pass_and_calls_with_it(ground: Ground, http: httpx2.Client) -> None:
    account = ground.account
    form = {
        "grant_type": "refresh_token",
        "client_id": "any name",
        "client_secret": ground.key,
        "refresh_token": connection_key(ground.town, account),
    }
    told = http.post("/auth/o2/token", data=form)
    assert told.status_code == 200, told.text
    access_token = told.json()["access_token"]
    assert access_token.startswith("egp_")
    called = http.get(PARTICIPATIONS, headers={"x-amz-access-token": access_token})
    assert called.status_code == 200, called.text
    resources = {"restrictedResources": [{"method": "GET", "path": "/orders/v0/orders/{orderId}"}]}
    restricted = http.post(
        "/tokens/2021-03-01/restrictedDataToken",
        json=resources,
        headers={"x-amz-access-token": access_token},
    )
    assert restricted.status_code == 200, restricted.text
    assert restricted.json()["restrictedDataToken"].startswith("egp_")


def test_personal_data_takes_a_restricted_data_token_and_the_right_to_it(
    ground: Ground, http: httpx2.Client
) -> None:
    account, partner = fresh(ground.town)
    wish = {"selling_partner_id": partner["selling_partner_id"], "age_seconds": 3600}
    (order,) = ground.town.lever("POST", "/orders", wish)["items"]
    path = f"{ORDERS}/{order['order_id']}"
    elements = {"x-evergrant-data-elements": "buyerInfo,shippingAddress"}
    plain = http.get(path, headers=headers(ground.key, account))
    assert plain.status_code == 200, plain.text
    assert "ShippingAddress" not in plain.json()["payload"] or not plain.json()["payload"][
        "ShippingAddress"
    ].get("Name")
    told = http.get(path, headers={**headers(ground.key, account), **elements})
    assert told.status_code == 200, told.text
    assert told.json()["payload"]["ShippingAddress"]["Name"]
    poor = api_key(ground.town, "amazon_read", "amazon_write")
    before = asked_of_amazon(ground)
    refused = http.get(path, headers={**headers(poor, account), **elements})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert asked_of_amazon(ground) == before


# --- tenancy ------------------------------------------------------------------------------------


def test_a_key_never_reaches_an_account_of_another_instance(
    ground: Ground, http: httpx2.Client
) -> None:
    town = ground.town
    ours, _ = fresh(town)
    other = town.house.ask("POST", "/v1/instances", {"name": f"Other {secrets.token_hex(4)}"})
    theirs, _ = fresh(town, client_instance_id=other["id"])
    key = api_key(town, client_instance_id=town.instance["id"])
    their_connection = connection_key(town, theirs)
    our_connection = connection_key(town, ours)
    assert http.get(PARTICIPATIONS, headers=headers(key, ours)).status_code == 200
    before = asked_of_amazon(ground)
    attempts: list[dict[str, str]] = [
        headers(key, theirs),
        {**headers(key), "x-evergrant-connection": their_connection},
        {**headers(key, ours), "x-evergrant-connection": their_connection},
        {**headers(key, theirs), "x-evergrant-connection": our_connection},
        {"x-amz-access-token": key, "x-evergrant-account": theirs["id"]},
        {"authorization": f"Bearer {their_connection}", "x-evergrant-account": theirs["id"]},
        {**headers(key), "x-evergrant-account": theirs["id"].upper()},
        {**headers(key), "x-evergrant-account": f"{ours['id']},{theirs['id']}"},
        {**headers(key), "x-evergrant-account": f"{ours['id']} {theirs['id']}"},
    ]
    for attempt in attempts:
        answer = http.get(PARTICIPATIONS, headers=attempt)
        assert answer.status_code in (400, 401, 403, 404), (attempt.keys(), answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert theirs["name"] not in answer.text
    pass_of_theirs = http.post(
        "/auth/o2/token",
        data={
            "grant_type": "refresh_token",
            "client_id": "x",
            "client_secret": key,
            "refresh_token": their_connection,
        },
    )
    assert pass_of_theirs.status_code in (400, 401, 403), pass_of_theirs.text
    assert "access_token" not in pass_of_theirs.json()
    assert asked_of_amazon(ground) == before


def test_two_accounts_named_at_once_are_none(ground: Ground, plane: Plane) -> None:
    first, second = ground.account, ground.stubbed
    before = asked_of_amazon(ground)
    for name, values in (
        ("x-evergrant-account", (first["id"], second["id"])),
        ("authorization", (f"Bearer {ground.key}", f"Bearer {api_key(ground.town)}")),
    ):
        sent = {**headers(ground.key, first)}
        sent.pop(name)
        lines = [f"{one}: {value}" for one, value in sent.items()]
        lines += [f"{name}: {value}" for value in values]
        answer = plane.say(_request("GET", PARTICIPATIONS, *lines))
        assert answer.split(b" ")[1] in (b"400", b"401"), answer
    assert asked_of_amazon(ground) == before


def test_keys_that_are_bound_to_accounts_reach_these_alone(
    ground: Ground, http: httpx2.Client
) -> None:
    ours, theirs = ground.account, ground.stubbed
    key = api_key(ground.town, account_ids=[ours["id"]])
    assert http.get(PARTICIPATIONS, headers=headers(key)).status_code == 200
    refused = http.get(PARTICIPATIONS, headers=headers(key, theirs))
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_rights_by_group(ground: Ground, http: httpx2.Client) -> None:
    account = ground.account
    before = asked_of_amazon(ground)
    for rights, method, path in (
        (("access_tokens", "read", "write", "manage"), "GET", PARTICIPATIONS),
        (("amazon_write",), "GET", PARTICIPATIONS),
        (("amazon_read",), "POST", "/feeds/2021-06-30/documents"),
        (("amazon_read",), "DELETE", "/feeds/2021-06-30/feeds/1"),
        (("amazon_read", "amazon_write"), "POST", "/no/such/path"),
    ):
        answer = http.request(method, path, headers=headers(api_key(ground.town, *rights), account))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (rights, path)
    assert asked_of_amazon(ground) == before


def test_a_revoked_key_stops_within_a_second(ground: Ground, http: httpx2.Client) -> None:
    made = ground.town.house.ask(
        "POST", "/v1/api-keys", {"name": "short", "rights": ["amazon_read"]}
    )
    who = headers(made["secret"], ground.stubbed)
    assert http.get(PARTICIPATIONS, headers=who).status_code == 200
    identity = made.get("id") or made["api_key"]["id"]
    ground.town.house.ask("DELETE", f"/v1/api-keys/{identity}")
    revoked_s = opened_s = time.monotonic()

    def stopped() -> bool:
        nonlocal opened_s
        began_s = time.monotonic()
        if http.get(PARTICIPATIONS, headers=who).status_code == 401:
            return True
        opened_s = began_s
        return False

    wait_for("the key to stop", stopped, within_s=60)
    # When the last call began that it opened. What a process that is out of breath was reading when
    # the key was revoked counts from its end.
    assert opened_s - revoked_s < 1.0 + 5.0


# --- what reaches Amazon ------------------------------------------------------------------------


def _request(method: str, target: str, *lines: str, body: bytes = b"", close: bool = True) -> bytes:
    ending = ("connection: close",) if close else ()
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "host: gateway.test", *lines, *ending])
    return f"{head}\r\n\r\n".encode("latin-1") + body


def _who(ground: Ground) -> list[str]:
    return [f"{name}: {value}" for name, value in headers(ground.key, ground.stubbed).items()]


def test_nothing_of_ours_and_nothing_of_one_connection_goes_to_amazon(
    ground: Ground, plane: Plane
) -> None:
    since = len(ground.stub.seen)
    lines = [
        *_who(ground),
        "X-Evergrant-Wait: 5",
        "X-Evergrant-Data-Elements:",
        "X-Amz-Security-Token: made-up",
        "Proxy-Authorization: Basic made-up",
        "Keep-Alive: timeout=9",
        "TE: trailers",
        "Upgrade: h2c",
        "Cookie: evergrant=made-up",
        "X-Forwarded-For: 10.0.0.9",
        "X-Forwarded-Proto: https",
        "Forwarded: for=10.0.0.9",
        "Via: 1.1 somebody",
        "X-Real-IP: 10.0.0.9",
        "X-Request-Id: a-request-of-mine",
        "Accept: application/json",
        "X-Amzn-Shipping-Business-Id: AmazonShipping_UK",
    ]
    answer = plane.say(_request("GET", f"{PARTICIPATIONS}?a=b%20c&d=", *lines))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    (seen,) = ground.arrived(since)
    assert seen.line == f"GET {PARTICIPATIONS}?a=b%20c&d= HTTP/1.1"
    named = {name.lower() for name, _ in seen.headers}
    assert named <= {
        "accept",
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
        "x-amz-access-token",
        "x-amz-date",
        "x-amzn-shipping-business-id",
    }
    assert seen.all("host") == [urlsplit(ground.stub.url).netloc]
    (access_token,) = seen.all("x-amz-access-token")
    assert access_token.startswith("Atza|")
    assert "Language=" in seen.all("user-agent")[0]
    assert seen.all("x-amz-date")
    assert ground.key not in seen.raw
    assert b"a-request-of-mine" in answer


def test_tokens_of_amazon_that_a_program_brings_are_never_forwarded(
    ground: Ground, plane: Plane
) -> None:
    since = len(ground.stub.seen)
    made_up = f"Atza|{secrets.token_hex(20)}"
    for lines in (
        [f"x-amz-access-token: {made_up}"],
        [f"x-amz-access-token: {made_up}", f"x-evergrant-account: {ground.stubbed['id']}"],
        [*_who(ground), f"x-amz-access-token: {made_up}"],
        [f"authorization: Bearer {made_up}", f"x-evergrant-account: {ground.stubbed['id']}"],
    ):
        answer = plane.say(_request("GET", PARTICIPATIONS, *lines))
        assert answer.split(b" ")[1] in (b"400", b"401"), answer
        assert made_up.encode() not in answer
    for imitation in ("x_amz_access_token", "X-Amz_Access-Token"):
        plane.say(_request("GET", PARTICIPATIONS, *_who(ground), f"{imitation}: {made_up}"))
    for seen in ground.arrived(since):
        assert made_up not in seen.raw


SMUGGLED = "/sellers/v1/marketplaceParticipations?smuggled=1"


def _smuggled() -> str:
    return f"GET {SMUGGLED} HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["content-length: 2", "content-length: 60"], "{}" + _smuggled()),
        (["content-length: 2", "transfer-encoding: chunked"], "0\r\n\r\n" + _smuggled()),
        (["transfer-encoding: chunked", "content-length: 5"], "0\r\n\r\n" + _smuggled()),
        (["transfer-encoding: xchunked", "content-length: 2"], "{}" + _smuggled()),
        (["transfer-encoding: chunked, identity"], "0\r\n\r\n" + _smuggled()),
        (["transfer-encoding: chunked", "transfer-encoding: x"], "0\r\n\r\n" + _smuggled()),
        (["transfer-encoding : chunked"], "0\r\n\r\n" + _smuggled()),
        (["transfer_encoding: chunked", "content-length: 2"], "{}" + _smuggled()),
        (["content-length: +2"], "{}" + _smuggled()),
        (["content-length: 0x2"], "{}" + _smuggled()),
        (["content-length: 2,2"], "{}" + _smuggled()),
        (["x-a: b\rc: d", "content-length: 2"], "{}" + _smuggled()),
        (["x-a: b\nx-amz-access-token: stolen", "content-length: 2"], "{}" + _smuggled()),
        (["x-a: b", " folded: x", "content-length: 2"], "{}" + _smuggled()),
        (["x-a: b\x00c", "content-length: 2"], "{}" + _smuggled()),
        (["connection: x-amz-access-token, close", "content-length: 2"], "{}" + _smuggled()),
    ],
)
def test_no_second_request_is_smuggled_in_a_first(
    ground: Ground, plane: Plane, lines: list[str], body: str
) -> None:
    since = len(ground.stub.seen)
    request = _request(
        "POST",
        "/feeds/2021-06-30/feeds",
        *_who(ground),
        *lines,
        body=body.encode("latin-1"),
        close=False,
    )
    with contextlib.suppress(TimeoutError):  # the other end may wait for more
        plane.say(request, within_s=0.3)
    # Behind it on the wire, whatever was smuggled would have come first.
    marker = plane.say(_request("GET", PARTICIPATIONS, *_who(ground)))
    assert marker.startswith(b"HTTP/1.1 200")
    for seen in ground.arrived(since):
        assert "smuggled" not in seen.line
        assert seen.all("x-amz-access-token") != ["stolen"]
        assert len(seen.all("x-amz-access-token")) == 1
        assert not (seen.all("content-length") and seen.all("transfer-encoding"))


def _pairs(ground: Ground) -> dict[str, str]:
    return headers(ground.key, ground.stubbed)


@pytest.mark.parametrize(
    "target",
    [
        "/sellers/v1/../../orders/v0/orders",
        "/sellers/v1/%2e%2e/%2e%2e/orders/v0/orders",
        "/sellers/v1/.%2E/orders",
        "/sellers/v1/./marketplaceParticipations",
        "/sellers/v1/%252e%252e/orders",
        "/..%2f..%2forders/v0/orders",
        "/sellers\\v1\\marketplaceParticipations",
        "/sellers/v1/marketplaceParticipations%00",
        "/sellers/v1/marketplaceParticipations%0d%0ax-a:%20b",
        "//sellers/v1/marketplaceParticipations",
        "//evil.example/sellers/v1/marketplaceParticipations",
        "/sellers//v1/marketplaceParticipations",
        "/sellers/v1/marketplaceParticipations;a=b",
        "/sellers/v1/marketplaceParticipations?a=\x7f",
        "/sellers/v1/marketplaceParticipations?a=%0d%0ax",
        "/sellers/v1/marketplaceParticipations?a=\xff",
        "/sellers/v1/market placeParticipations",
        "sellers/v1/marketplaceParticipations",
        "@evil.example/sellers/v1/marketplaceParticipations",
        ":80/sellers/v1/marketplaceParticipations",
        "/%73ellers/v1/%c0%ae%c0%ae/x",
        "/-evergrant/decide",
        "/-evergrant/not-found",
        "/../-evergrant/decide",
    ],
)
def test_path_tricks_go_nowhere(ground: Ground, plane: Plane, target: str) -> None:
    before = asked_of_amazon(ground)
    key = api_key(ground.town, "amazon_read", "amazon_write")
    lines = [f"{name}: {value}" for name, value in headers(key, ground.stubbed).items()]
    answer = plane.say(_request("GET", target, *lines))
    assert answer.split(b" ")[1] in (b"400", b"403", b"404"), answer
    assert b"Atza|" not in answer
    assert asked_of_amazon(ground) == before


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/sellers/v1/marketplaceParticipations",
        "https://user:password@evil.example:444/sellers/v1/marketplaceParticipations",
        "/sellers/v1/marketplaceParticipations#evil",
    ],
)
def test_absolute_addresses_go_to_nobody_but_amazon(
    ground: Ground, plane: Plane, target: str
) -> None:
    since = len(ground.stub.seen)
    answer = plane.say(_request("GET", target, *_who(ground)))
    assert answer.split(b" ")[1] in (b"200", b"400"), answer
    for seen in ground.arrived(since):
        assert "evil" not in seen.raw
        assert seen.line.startswith("GET /sellers/v1/marketplaceParticipations")


def test_no_real_restricted_data_token_leaves_the_house(
    ground: Ground, http: httpx2.Client
) -> None:
    account = ground.account
    body = {"restrictedResources": [{"method": "GET", "path": "/orders/v0/orders"}]}
    for path in (
        "/tokens/2021-03-01/restrictedDataToken",
        "/tokens/2021-03-01/restrictedDataToken/",
        "/tokens/2021-03-01/%72estrictedDataToken",
        "/tokens/2021-03-01/RestrictedDataToken",
        "/tokens/2021-03-01/restrictedDataToken%20",
        "/tokens/2021-03-01/restrictedDataToken%2Ftokens%2F",
        "/tokens/2021-03-01//restrictedDataToken",
    ):
        answer = http.post(path, json=body, headers=headers(ground.key, account))
        assert "Atz" not in answer.text, path


def test_encoded_slashes_and_odd_names_travel_byte_for_byte(ground: Ground, plane: Plane) -> None:
    since = len(ground.stub.seen)
    target = "/listings/2021-08-01/items/A1/SKU%2F1%20%C3%BC+a?marketplaceIds=A1VC38T7YXB528&x=%2f,"
    answer = plane.say(_request("GET", target, *_who(ground)))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    (seen,) = ground.arrived(since)
    assert seen.line == f"GET {target} HTTP/1.1"


# --- bodies -------------------------------------------------------------------------------------

LARGE = 64 * 1024 * 1024


def _pieces(size: int) -> Iterator[bytes]:
    piece = b"\n" * 65536
    for _ in range(size // len(piece)):
        yield piece


def test_large_bodies_go_both_ways(ground: Ground, http: httpx2.Client) -> None:
    since = len(ground.stub.seen)
    who = _pairs(ground)
    uploaded = http.post(
        "/feeds/2021-06-30/feeds",
        content=_pieces(LARGE),
        headers={**who, "content-type": "application/octet-stream"},
    )
    assert uploaded.status_code == 200, uploaded.text
    assert ground.arrived(since)[-1].body_bytes == LARGE
    came = 0
    with http.stream("GET", f"{PARTICIPATIONS}?bytes={LARGE}", headers=who) as answer:
        for piece in answer.iter_raw():
            came += len(piece)
    assert came == LARGE


def test_a_body_is_passed_on_while_it_comes(ground: Ground, plane: Plane) -> None:
    since = len(ground.stub.seen)
    lines = [*_who(ground), "content-length: 300000"]
    parts = urlsplit(plane.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as line:
        line.sendall(_request("POST", "/feeds/2021-06-30/feeds", *lines, body=b"\n" * 200_000))
        wait_for(
            "the first part at Amazon",
            lambda: any(seen.body_bytes >= 100_000 for seen in ground.arrived(since)),
            within_s=60,
        )
        assert not ground.arrived(since)[-1].whole
        line.sendall(b"\n" * 100_000)
        assert line.recv(100).startswith(b"HTTP/1.1 200")


def test_expect_continue(ground: Ground, plane: Plane) -> None:
    lines = [*_who(ground), "content-length: 2", "expect: 100-continue"]
    parts = urlsplit(plane.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as line:
        line.sendall(_request("POST", "/feeds/2021-06-30/feeds", *lines))
        came = line.recv(1000)
        assert came.startswith(b"HTTP/1.1 100")
        line.sendall(b"{}")
        while b"HTTP/1.1 200" not in came:
            more = line.recv(1000)
            assert more, came
            came += more


def test_an_answer_that_breaks_off_is_not_made_whole(ground: Ground, plane: Plane) -> None:
    answer = plane.say(_request("GET", f"{PARTICIPATIONS}?cut=100000", *_who(ground)))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 502"))
    if head.startswith(b"HTTP/1.1 200"):
        assert len(body) < 200_000
        assert not body.endswith(b"0\r\n\r\n")


# --- limits and problems ------------------------------------------------------------------------


def test_a_spent_limit_is_told_by_us_and_amazon_is_not_asked(
    ground: Ground, http: httpx2.Client
) -> None:
    account, partner = fresh(ground.town)
    who = {**headers(ground.key, account), "x-evergrant-wait": "0"}
    answers = [http.get(PARTICIPATIONS, headers=who) for _ in range(20)]
    counts = Counter(answer.status_code for answer in answers)
    # Of 15; the first look at a fresh grant was one, and the last may come a moment later.
    assert counts[200] in (13, 14), counts
    assert counts[200] + counts[429] == 20, counts
    refused = answers[-1]
    assert refused.json()["code"] == "over_limit"
    assert 1 <= int(refused.headers["retry-after"]) <= 70
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["errors"][0]["code"] == "QuotaExceeded"
    asked = ground.town.lever(
        "GET",
        "/history/count",
        kind="spapi.getMarketplaceParticipations",
        partner=partner["selling_partner_id"],
        by="status",
    )
    assert set(asked["by"]) == {"200"}, asked


def test_many_workers_make_all_calls_that_are_permitted_and_none_is_throttled(
    ground: Ground, plane: Plane
) -> None:
    """10 at once and 5 a second: 25 calls take three seconds."""
    account, partner = fresh(ground.town)
    item = f"/listings/2021-08-01/items/{partner['selling_partner_id']}/SKU"
    who = {**headers(ground.key, account), "x-evergrant-wait": "30"}
    numbers = itertools.count()
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def worker() -> None:
        with plane.client() as client:
            while next(numbers) < 25:
                answer = client.get(item, params={"marketplaceIds": "A1PA6795UKMFR9"}, headers=who)
                with lock:
                    statuses[answer.status_code] += 1

    began_s = time.monotonic()
    with ThreadPoolExecutor(4) as hands:
        for done in [hands.submit(worker) for _ in range(4)]:
            done.result()
    took_s = time.monotonic() - began_s
    assert sum(statuses.values()) == 25
    assert set(statuses) <= {200, 404}, statuses
    assert took_s > 2.5, "no faster than Amazon allows"
    asked = ground.town.lever(
        "GET", "/history", partner=partner["selling_partner_id"], status="429", limit="5"
    )
    assert asked["count"] == 0, asked


def test_a_partner_that_has_to_act_is_told_as_everywhere(
    ground: Ground, http: httpx2.Client
) -> None:
    account = ground.town.account(ground.town.partner())
    answer = http.get(PARTICIPATIONS, headers=headers(ground.key, account))
    assert answer.status_code == 409, answer.text
    problem = answer.json()
    assert (problem["code"], problem["blame"]) == ("not_yet_authorized", "partner")
    assert problem["request_id"] == answer.headers["x-evergrant-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "CONNECT", "PROPFIND"])
def test_other_methods_are_none_of_the_apis(ground: Ground, plane: Plane, method: str) -> None:
    before = asked_of_amazon(ground)
    answer = plane.say(_request(method, PARTICIPATIONS, *_who(ground)))
    assert answer.split(b" ")[1] in (b"400", b"405"), answer
    assert asked_of_amazon(ground) == before


def test_head_has_no_body(ground: Ground, plane: Plane) -> None:
    answer = plane.say(_request("HEAD", PARTICIPATIONS, *_who(ground)))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"", head
    refused = plane.say(_request("HEAD", PARTICIPATIONS))
    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401")
    assert body == b""


def _lines(sent: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in sent.items()]
