"""The pipe to the Selling Partner API. One contract for fake and pipe, then the bytes."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from evergrant.adapters.amazon import HttpSellingPartnerApi, user_agent
from evergrant.errors import (
    AmazonUnavailable,
    CallDenied,
    EvergrantError,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.amazon import (
    Answer,
    Call,
    LwaClient,
    ReportedParticipation,
    RestrictedResource,
    SellingPartnerApi,
)
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.lwa import FakeLWA
from evergrant.testing.selling_partner_api import (
    EXPIRED,
    INVALID,
    LACKING,
    WRONG_REGION,
    FakeSellingPartnerApi,
)

EU = "https://sellingpartnerapi-eu.amazon.com"
NA = "https://sellingpartnerapi-na.amazon.com"
PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
VENDOR_PROBE = "/vendor/orders/v1/purchaseOrdersStatus"
RESTRICTED = "/tokens/2021-03-01/restrictedDataToken"

ADDRESS = RestrictedResource(method="GET", path="/orders/v0/orders/{orderId}/address")
ORDERS = RestrictedResource(
    method="GET", path="/orders/v0/orders", data_elements=("buyerInfo", "shippingAddress")
)

GERMANY = ReportedParticipation(
    marketplace_id="A1PA6795UKMFR9",
    country_code="DE",
    name="Amazon.de",
    store_name="Tante Emma & Söhne",
    domain_name="www.amazon.de",
    currency="EUR",
    participating=True,
    suspended=False,
)
ODD = ReportedParticipation(
    marketplace_id="A38D8NSA03LJTC", country_code="DE", name="Non-Amazon DE", suspended=True
)


def pipe(handler: object, clock: FakeClock | None = None) -> HttpSellingPartnerApi:
    return HttpSellingPartnerApi(
        user_agent=user_agent("Evergrant", "0.1"),
        clock=clock or FakeClock(),
        transport=httpx2.MockTransport(handler),  # type: ignore[arg-type]
    )


def answering(
    status: int, body: object = b"", headers: dict[str, str] | None = None
) -> HttpSellingPartnerApi:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return pipe(lambda request: httpx2.Response(status, content=content, headers=headers))


# --- one contract -----------------------------------------------------------------------------


@dataclass
class Amazon:
    clock: FakeClock
    lwa: FakeLWA
    fake: FakeSellingPartnerApi
    api: SellingPartnerApi

    async def token(self, about: str) -> Secret:
        secret = Secret(secrets.token_hex(16))
        self.lwa.add_client("client-1", secret)
        client = LwaClient(
            application_id="app_1",
            lwa_client_id="client-1",
            lwa_client_secret=secret,
            lwa_url="https://api.amazon.com/auth/o2/token",
        )
        return (await self.lwa.refresh(client, self.lwa.grant("client-1", about))).access_token


def speaking(fake: FakeSellingPartnerApi, clock: FakeClock) -> HttpSellingPartnerApi:
    """The fake's decisions in the bytes of the models."""

    async def handler(request: httpx2.Request) -> httpx2.Response:
        endpoint = f"{request.url.scheme}://{request.url.host}"
        token = Secret(request.headers["x-amz-access-token"])
        try:
            if request.url.path == PARTICIPATIONS:
                rows = await fake.participations(endpoint, token)
                return httpx2.Response(200, json={"payload": [written(row) for row in rows]})
            if request.url.path == VENDOR_PROBE:
                await fake.probe_vendor(endpoint, token, clock.now())
                return httpx2.Response(200, json={"payload": {"ordersStatus": []}})
            if request.url.path == RESTRICTED:
                given = await fake.restricted_data_token(
                    endpoint, token, wanted(json.loads(request.content))
                )
                return httpx2.Response(
                    200,
                    json={
                        "restrictedDataToken": given.restricted_data_token.reveal(),
                        "expiresIn": given.expires_in_s,
                    },
                )
        except CallDenied as denied:
            return httpx2.Response(
                denied.status,
                headers={"x-amzn-RequestId": denied.request_id},
                json={
                    "errors": [
                        {
                            "code": denied.amazon_code,
                            "message": denied.facts["amazon_message"],
                            "details": denied.details,
                        }
                    ]
                },
            )
        answer = await fake.send(
            Call(endpoint=endpoint, method=request.method, path=request.url.path), token
        )
        return httpx2.Response(answer.status, content=answer.body, headers=dict(answer.headers))

    return pipe(handler, clock)


def wanted(body: dict[str, list[dict[str, Any]]]) -> list[RestrictedResource]:
    return [
        RestrictedResource(
            method=one["method"], path=one["path"], data_elements=one.get("dataElements", ())
        )
        for one in body["restrictedResources"]
    ]


def written(row: ReportedParticipation) -> dict[str, object]:
    return {
        "marketplace": {
            "id": row.marketplace_id,
            "countryCode": row.country_code,
            "name": row.name,
            "defaultCurrencyCode": row.currency,
            "defaultLanguageCode": "de_DE",
            "domainName": row.domain_name,
        },
        "participation": {
            "isParticipating": row.participating,
            "hasSuspendedListings": row.suspended,
        },
        "storeName": row.store_name,
    }


@pytest.fixture(params=["fake", "pipe"])
async def amazon(request: pytest.FixtureRequest) -> AsyncIterator[Amazon]:
    clock = FakeClock()
    lwa = FakeLWA(clock)
    fake = FakeSellingPartnerApi(lwa, clock)
    if request.param == "fake":
        yield Amazon(clock, lwa, fake, fake)
        return
    real = speaking(fake, clock)
    yield Amazon(clock, lwa, fake, real)
    await real.close()


async def test_a_seller_is_told_where_it_sells(amazon: Amazon) -> None:
    amazon.fake.participate("A1", [GERMANY, ODD], endpoint=EU)
    token = await amazon.token("A1")
    assert await amazon.api.participations(EU, token) == [GERMANY, ODD]


async def test_a_vendor_is_probed(amazon: Amazon) -> None:
    amazon.fake.vendor("V1", endpoint=EU)
    await amazon.api.probe_vendor(EU, await amazon.token("V1"), amazon.clock.now())


async def test_a_vendor_has_no_participations_and_a_seller_no_vendor_orders(
    amazon: Amazon,
) -> None:
    amazon.fake.vendor("V1")
    amazon.fake.participate("A1", [GERMANY])
    with pytest.raises(CallDenied) as denied:
        await amazon.api.participations(EU, await amazon.token("V1"))
    assert (denied.value.status, denied.value.amazon_code) == (403, "Unauthorized")
    with pytest.raises(CallDenied):
        await amazon.api.probe_vendor(EU, await amazon.token("A1"), amazon.clock.now())


async def test_only_details_tell_why_a_403(amazon: Amazon) -> None:
    amazon.fake.participate("A1", [GERMANY], endpoint=EU)
    token = await amazon.token("A1")
    with pytest.raises(CallDenied) as denied:
        await amazon.api.participations(NA, token)
    assert denied.value.details == WRONG_REGION
    with pytest.raises(CallDenied) as denied:
        await amazon.api.participations(EU, Secret("Atza|" + secrets.token_hex(8)))
    assert denied.value.details == INVALID
    amazon.clock.move(hours=1)
    with pytest.raises(CallDenied) as denied:
        await amazon.api.participations(EU, token)
    assert denied.value.details == EXPIRED
    assert denied.value.request_id == "fake-request"


async def test_whatever_amazon_answers_to_send_is_the_answer(amazon: Amazon) -> None:
    token = await amazon.token("A1")
    amazon.fake.answer(
        "GET",
        "/orders",
        Answer(status=429, headers={}, body=b'{"errors":[{"code":"QuotaExceeded"}]}'),
        Answer(status=200, headers={"x-amzn-ratelimit-limit": "0.5"}, body=b'{"payload":[]}'),
    )
    call = Call(endpoint=EU, method="GET", path="/orders")
    assert (await amazon.api.send(call, token)).status == 429
    answer = await amazon.api.send(call, token)
    assert (answer.status, answer.body) == (200, b'{"payload":[]}')
    assert answer.headers["x-amzn-ratelimit-limit"] == "0.5"
    unknown = await amazon.api.send(Call(endpoint=EU, method="GET", path="/nowhere"), token)
    assert unknown.status == 403, "an unknown path is a 403 at Amazon"


async def test_a_restricted_data_token_stands_for_what_was_named(amazon: Amazon) -> None:
    token = await amazon.token("A1")
    given = await amazon.api.restricted_data_token(EU, token, [ADDRESS, ORDERS])
    assert given.expires_in_s == 3600
    issued = amazon.fake.issued(given.restricted_data_token)
    assert issued is not None
    assert (issued.about, issued.endpoint) == ("A1", EU)
    assert issued.resources == (
        ("GET", "/orders/v0/orders/{orderId}/address", ()),
        ("GET", "/orders/v0/orders", ("buyerInfo", "shippingAddress")),
    )


async def test_a_restricted_data_token_opens_nothing_else(amazon: Amazon) -> None:
    ok = Answer(status=200, headers={}, body=b"{}")
    for path in ("/orders/v0/orders/902-1/address", "/orders/v0/orders/902-1/buyerInfo"):
        amazon.fake.answer("GET", path, ok)
        amazon.fake.answer("POST", path, ok)
    token = await amazon.token("A1")
    given = await amazon.api.restricted_data_token(EU, token, [ADDRESS])

    async def status(method: str, what: str, endpoint: str = EU) -> int:
        call = Call(endpoint=endpoint, method=method, path=f"/orders/v0/orders/902-1/{what}")
        return (await amazon.api.send(call, given.restricted_data_token)).status

    assert await status("GET", "address") == 200
    assert await status("GET", "buyerInfo") == 403
    assert await status("POST", "address") == 403
    assert await status("GET", "address", NA) == 403
    amazon.clock.move(hours=1)
    assert await status("GET", "address") == 403


async def test_a_role_that_is_missing_is_told_in_amazons_words(amazon: Amazon) -> None:
    amazon.fake.withhold("A1", "shippingAddress")
    token = await amazon.token("A1")
    with pytest.raises(CallDenied) as denied:
        await amazon.api.restricted_data_token(EU, token, [ADDRESS, ORDERS])
    assert (denied.value.status, denied.value.amazon_code) == (400, "InvalidInput")
    assert f"{LACKING}: [shippingAddress]" in str(denied.value)
    with pytest.raises(CallDenied) as denied:
        await amazon.api.restricted_data_token(EU, Secret("Atza|x"), [ADDRESS])
    assert denied.value.details == INVALID


async def test_the_fake_makes_weather() -> None:
    clock = FakeClock()
    lwa = FakeLWA(clock)
    fake = FakeSellingPartnerApi(lwa, clock)
    amazon = Amazon(clock, lwa, fake, fake)
    fake.participate("A1", [GERMANY])
    token = await amazon.token("A1")
    fake.fail(lambda: Throttled(), times=1)
    with pytest.raises(Throttled):
        await fake.participations(EU, token)
    assert await fake.participations(EU, token) == [GERMANY]
    fake.fail()
    with pytest.raises(AmazonUnavailable):
        await fake.participations(EU, token)
    fake.clear()
    fake.disown(token)
    with pytest.raises(CallDenied) as denied:
        await fake.participations(EU, token)
    assert denied.value.details == EXPIRED
    assert fake.count("participations", "A1") == fake.count() == 4


# --- the bytes --------------------------------------------------------------------------------


async def test_a_request_carries_what_amazon_wants() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"payload": []})

    clock = FakeClock(datetime(2026, 7, 1, 12, 30, 5, tzinfo=UTC))
    api = pipe(handler, clock)
    token = Secret("Atza|made-up")
    await api.participations(EU, token)
    await api.probe_vendor(NA, token, clock.now())
    await api.send(
        Call(
            endpoint=EU,
            method="POST",
            path="/feeds/2021-06-30/documents",
            query=(("a", "1"), ("a", "2 & 3")),
            headers={"Accept-Language": "de"},
            body=b'{"contentType":"text/xml"}',
        ),
        token,
    )
    await api.close()
    for request in seen:
        assert request.headers["x-amz-access-token"] == "Atza|made-up"
        assert request.headers["x-amz-date"] == "20260701T123005Z"
        assert request.headers["user-agent"].startswith("Evergrant/0.1 (Language=Python/")
        assert "authorization" not in request.headers
    first, probe, post = seen
    assert str(first.url) == EU + PARTICIPATIONS
    assert "content-length" not in first.headers
    assert "content-type" not in first.headers
    assert dict(probe.url.params) == {
        "limit": "1",
        "createdAfter": "2026-06-24T12:30:05Z",
        "createdBefore": "2026-07-01T12:30:05Z",
    }
    assert post.headers["content-type"] == "application/json"
    assert post.headers["accept-language"] == "de"
    assert post.url.params.get_list("a") == ["1", "2 & 3"]
    assert post.content == b'{"contentType":"text/xml"}'


async def test_an_encoded_path_arrives_as_it_was_written() -> None:
    seen: list[bytes] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.raw_path)
        return httpx2.Response(200)

    path = "/listings/2021-08-01/items/A1/SKU%2F7%20%C3%BC"
    await pipe(handler).send(Call(endpoint=EU, method="GET", path=path), Secret("t"))
    assert seen == [path.encode()]


async def test_a_restricted_data_token_is_asked_for_in_amazons_words() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"restrictedDataToken": "Atz.sprdt|x", "expiresIn": 60})

    given = await pipe(handler).restricted_data_token(EU, Secret("Atza|y"), [ADDRESS, ORDERS])
    assert (given.restricted_data_token.reveal(), given.expires_in_s) == ("Atz.sprdt|x", 60)
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", EU + RESTRICTED)
    assert request.headers["x-amz-access-token"] == "Atza|y"
    assert json.loads(request.content) == {
        "restrictedResources": [
            {"method": "GET", "path": "/orders/v0/orders/{orderId}/address"},
            {
                "method": "GET",
                "path": "/orders/v0/orders",
                "dataElements": ["buyerInfo", "shippingAddress"],
            },
        ]
    }


async def test_an_older_answer_lies_in_a_payload() -> None:
    told = {"payload": {"restrictedDataToken": "Atz.sprdt|x", "expiresIn": 3600}}
    given = await answering(200, told).restricted_data_token(EU, Secret("t"), [ADDRESS])
    assert (given.restricted_data_token.reveal(), given.expires_in_s) == ("Atz.sprdt|x", 3600)


async def test_no_life_is_longer_than_a_day() -> None:
    told = {"restrictedDataToken": "Atz.sprdt|x", "expiresIn": 10**400}
    given = await answering(200, told).restricted_data_token(EU, Secret("t"), [ADDRESS])
    assert given.expires_in_s == 86_400


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", UnreadableAnswer),
        (200, {}, UnreadableAnswer),
        (200, {"payload": None}, UnreadableAnswer),
        (200, {"payload": []}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x"}, UnreadableAnswer),
        (200, {"restrictedDataToken": "", "expiresIn": 60}, UnreadableAnswer),
        (200, {"restrictedDataToken": 7, "expiresIn": 60}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x", "expiresIn": 0}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x", "expiresIn": -1}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x", "expiresIn": True}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x", "expiresIn": "60"}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x\r\ny: z", "expiresIn": 60}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x y", "expiresIn": 60}, UnreadableAnswer),
        (200, {"restrictedDataToken": "ü", "expiresIn": 60}, UnreadableAnswer),
        (200, {"restrictedDataToken": "x" * 9000, "expiresIn": 60}, UnreadableAnswer),
        (200, {"restrictedDataToken": "Atza|own", "expiresIn": 60}, UnreadableAnswer),
        (400, {"errors": [{"code": "InvalidInput", "message": "x"}]}, CallDenied),
        (403, b"", CallDenied),
        (429, b"", Throttled),
        (500, b"", AmazonUnavailable),
    ],
)
async def test_every_answer_about_a_restricted_data_token_means_something(
    status: int, body: object, kind: type[EvergrantError]
) -> None:
    with pytest.raises(EvergrantError) as told:
        await answering(status, body).restricted_data_token(EU, Secret("Atza|own"), [ADDRESS])
    assert type(told.value) is kind
    assert "Atza|own" not in f"{told.value} {told.value.facts}"


async def test_unusual_rows_do_not_break_onboarding() -> None:
    body = {
        "payload": [
            {"marketplace": {"id": "A38D8NSA03LJTC"}},
            {"marketplace": {"id": "ANEW", "name": None}, "participation": "yes", "storeName": 7},
            {"marketplace": {}},
            {"participation": {"isParticipating": True}},
            None,
            "?",
        ],
        "something": "new",
    }
    rows = await answering(200, body).participations(EU, Secret("t"))
    assert [row.marketplace_id for row in rows] == ["A38D8NSA03LJTC", "ANEW"]
    assert not any(row.participating or row.suspended for row in rows)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", UnreadableAnswer),
        (200, b"<html>", UnreadableAnswer),
        (200, [], UnreadableAnswer),
        (200, {"payload": {}}, UnreadableAnswer),
        (302, b"", UnreadableAnswer),
        (400, {"errors": [{"code": "InvalidInput", "message": "x"}]}, CallDenied),
        (401, b"", CallDenied),
        (403, [{"code": "Unauthorized", "message": "x", "details": "y"}], CallDenied),
        (403, {"errors": [None]}, CallDenied),
        (404, b"<html>", CallDenied),
        (429, {"errors": [{"code": "QuotaExceeded", "message": "x"}]}, Throttled),
        (500, {"errors": [{"code": "InternalFailure", "message": "x"}]}, AmazonUnavailable),
        (503, b"", AmazonUnavailable),
    ],
)
async def test_every_answer_means_something(
    status: int, body: object, kind: type[EvergrantError]
) -> None:
    with pytest.raises(EvergrantError) as told:
        await answering(status, body).participations(EU, Secret("t"))
    assert type(told.value) is kind


async def test_a_refusal_keeps_what_support_will_ask_for() -> None:
    token = "Atza|" + secrets.token_hex(16)
    api = answering(
        403,
        {"errors": [{"code": "Unauthorized", "message": f"no {token}", "details": EXPIRED}]},
        {"x-amzn-RequestId": "4f1c"},
    )
    with pytest.raises(CallDenied) as denied:
        await api.participations(EU, Secret(token))
    assert (denied.value.details, denied.value.request_id) == (EXPIRED, "4f1c")
    assert token not in f"{denied.value} {denied.value.facts}"


async def test_a_compressed_answer_is_read_and_no_longer_called_so() -> None:
    import gzip

    api = answering(200, gzip.compress(b'{"payload": []}'), {"content-encoding": "gzip"})
    answer = await api.send(Call(endpoint=EU, method="GET", path="/x"), Secret("t"))
    assert answer.body == b'{"payload": []}'
    assert not {"content-encoding", "content-length"} & set(answer.headers)


@pytest.mark.parametrize("status", [301, 404, 429, 500, 503])
async def test_send_raises_for_no_status(status: int) -> None:
    api = answering(status, b"words")
    answer = await api.send(Call(endpoint=EU, method="GET", path="/x"), Secret("t"))
    assert (answer.status, answer.body) == (status, b"words")


async def test_no_answer_is_weather_and_shows_no_token() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"could not send {request.headers['x-amz-access-token']}")

    token = Secret("Atza|" + secrets.token_hex(16))
    with pytest.raises(AmazonUnavailable) as told:
        await pipe(handler).participations(EU, token)
    assert token.reveal() not in str(told.value)
    assert told.value.__context__ is None


async def test_a_hanging_amazon_is_left_in_time() -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(3600)
        return httpx2.Response(200)

    api = HttpSellingPartnerApi(
        user_agent="x", clock=FakeClock(), timeout_s=0.05, transport=httpx2.MockTransport(handler)
    )
    with pytest.raises(AmazonUnavailable, match=r"0\.05 seconds"):
        await api.participations(EU, Secret("t"))


async def test_what_is_late_never_leaves() -> None:
    """The clock is looked at when the connection stands, right before the first byte."""
    heard: list[bytes] = []
    serving: set[asyncio.Task[Any] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        heard.append(await reader.read(65_536))
        if heard[-1]:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    clock = FakeClock()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    api = HttpSellingPartnerApi(user_agent="x", clock=clock)
    wanted = Call(
        endpoint=f"http://{host}:{port}",
        method="POST",
        path="/feeds/2021-06-30/feeds",
        body=b"{}",
        begin_before=clock.now() + timedelta(seconds=60),
    )
    try:
        assert (await api.send(wanted, Secret("t"))).status == 200
        clock.move(seconds=61)
        with pytest.raises(AmazonUnavailable) as late:
            await api.send(wanted, Secret("t"))
        assert late.value.facts["sent"] is False
        assert late.value.__context__ is None
    finally:
        await api.close()
        await asyncio.gather(*(task for task in serving if task is not None))
        server.close()
        await server.wait_closed()
    assert [bool(one) for one in heard[:1]] == [True]
    assert not any(heard[1:])
