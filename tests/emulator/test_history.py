"""The history answers questions, and nothing that was issued is ever found in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import httpx2
import pytest
from botocore.config import Config

from amazon_emulator import LeverError
from amazon_emulator.history import History, note_facts, without_credentials
from tests.emulator.conftest import House

ACCOUNT = "/sellers/v1/account"
FEEDS = "/feeds/2021-06-30"
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
BY_TEMPLATE = "GET /orders/v0/orders/{orderId}"
CLIENTS = ("httpx2", "httpcore2", "boto", "urllib3", "asyncio")


# --- questions ------------------------------------------------------------------------------------


def test_how_many_calls_of_an_operation_for_a_partner(house: House) -> None:
    one, other = house.seller(), house.seller()
    tokens = {seller["name"]: house.access_token(seller) for seller in (one, other)}
    for times, seller in ((3, one), (1, other)):
        for _ in range(times):
            house.call(ACCOUNT, tokens[seller["name"]])
    levers = house.amazon.levers
    assert levers.count(operation="getAccount") == 4
    assert levers.count(operation="getAccount", partner=one["selling_partner_id"]) == 3
    assert levers.count(operation=f"GET {ACCOUNT}", partner=other["selling_partner_id"]) == 1
    assert levers.count(operation=ACCOUNT, status=200) == 4
    assert levers.count(operation=f"POST {ACCOUNT}".replace("POST", "GET"), status=403) == 0
    assert levers.count(operation="createFeed") == 0
    assert levers.counts("partner", operation="getAccount") == {
        one["selling_partner_id"]: 3,
        other["selling_partner_id"]: 1,
    }
    assert [asked["status"] for asked in levers.history(operation="getAccount")] == [200] * 4


def test_since_when(house: House) -> None:
    token = house.access_token(house.seller())
    house.call(ACCOUNT, token)
    levers = house.amazon.levers
    levers.advance(600)
    between = levers.now()
    house.call(ACCOUNT, token)
    assert levers.count(operation="getAccount", since=between) == 1
    assert levers.count(operation="getAccount", until=between) == 1
    assert levers.count(operation="getAccount", since="-5 minutes") == 1
    assert levers.count(operation="getAccount", since="-1 hour") == 2
    assert levers.count(operation="getAccount", since=between, until=between) == 0


def test_the_application_is_known_by_any_of_its_ids(house: House) -> None:
    house.call(ACCOUNT, house.access_token(house.seller()))
    for known in (house.application_id, house.client["client_id"]):
        assert house.amazon.levers.count(operation="getAccount", application_id=known) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"operation": "getAcount"}, "404 .*no operation of Amazon's is known as 'getAcount'"),
        ({"operation": "PUT /sellers/v1/account"}, "404"),
        ({"partner": "nobody"}, "404 .*no partner"),
        ({"application_id": "nobody"}, "404 .*no application"),
        ({"since": "yesterday"}, "422 .*'since': 'yesterday' is not"),
        ({"colour": "red"}, "422 .*unknown: colour; known: kind"),
        ({"after": "x"}, "422"),
        ({"by": "colour"}, "422 .*'by' must be one of kind"),
    ],
    ids=str,
)
def test_a_count_that_could_only_be_zero_is_told(
    house: House, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(LeverError, match=words):
        house.amazon.levers.pull("GET", "/history/count", **wrong)


def test_an_operation_is_told_from_its_namesake() -> None:
    history = History()
    for template in ("/orders/v0/orders/{orderId}", "/orders/2026-01-01/orders/{orderId}"):
        asked = history.note(NOW, "spapi.getOrder", "eu", "GET", template)
        asked.template = template
    assert len(list(history.which(operation="getOrder"))) == 2
    [found] = history.which(operation=BY_TEMPLATE)
    assert found.path == "/orders/v0/orders/{orderId}"
    assert list(history.which(operation=BY_TEMPLATE.replace("GET", "POST"))) == []
    assert list(history.which(operation="getOrders")) == []


def test_facts_are_small_and_no_secrets() -> None:
    history = History()
    asked = history.note(NOW, "spapi.createFeed", "eu", "POST", "/feeds")
    note_facts(feed_type="JSON_LISTINGS_FEED", skus=12, nothing=None)
    history.note(NOW, "spapi.createFeed", "eu", "POST", "/feeds")
    note_facts(feed_type="POST_ORDER_FULFILLMENT_DATA")
    assert asked.facts == {"feed_type": "JSON_LISTINGS_FEED", "skus": 12}
    assert [one.number for one in history.which(facts={"skus": "12"})] == [1]
    assert [one.number for one in history.which(facts={"feed_type": "JSON_LISTINGS_FEED"})] == [1]
    assert list(history.which(facts={"colour": "red"})) == []
    for wrong in ("x" * 121, "Atza|emulated-" + "x" * 20):
        with pytest.raises(ValueError, match="is no small fact"):
            note_facts(feed_type=wrong)


@pytest.mark.parametrize(
    "secret",
    [
        "Atza|emulated-abc_DEF-123",
        "Atzr|emulated-abc",
        "Atz.sprdt|emulated-abc",
        "Atza%7Cemulated-abc",
        "amzn1.oa2-cs.v1.emulatedabc",
        "amzn1.oa2-cs.v1.0a0b0c",
        "AKIAABCDEFGHIJKLMNOP",
        "EMU0123456789abcdefg",
        "pass-0123456789ab",
        "emulated/0123456789-abcdefghij",
        "emulated-0123456789_abcdefghij",
    ],
)
def test_credentials_are_unsaid(secret: str) -> None:
    said = without_credentials(f"before {secret}&after=1")
    assert said in ("before [credential]&after=1", "before [credential]")
    assert "before" in said
    asked = History().note(NOW, "spapi.unknown", "eu", "GET", f"/x/{secret}")
    asked.query = f"token={secret}&a=b"
    asked.user_agent = secret
    assert secret not in json.dumps(asked.as_json())
    assert secret not in repr(asked)


def test_what_is_no_credential_stays() -> None:
    for said in ("/sellers/v1/account", "marketplaceIds=A1PA6795UKMFR9", "A1EMULATED0001", "EMU"):
        assert without_credentials(said) == said


# --- secrets --------------------------------------------------------------------------------------


@dataclass
class Day:
    """A day at the emulator, and every secret that was issued on it."""

    house: House
    secrets: set[str] = field(default_factory=set)

    def keep(self, *values: Any) -> None:
        self.secrets |= {str(value) for value in values if value}

    def spapi(
        self, method: str, path: str, token: str, body: Any = None, status: int = 200
    ) -> dict[str, Any]:
        answer = self.house.http.request(
            method,
            f"{self.house.amazon.addresses['eu']}{path}",
            headers={"x-amz-access-token": token},
            json=body,
        )
        assert answer.status_code == status, answer.text
        return dict(answer.json()) if answer.content else {}

    def signed_in(self) -> tuple[dict[str, Any], str]:
        """Somebody consents; the code is exchanged, the refresh token used."""
        self.house.amazon.levers.login_leg("never")
        seller = self.house.seller()
        code = self.house.consented(seller).brought["spapi_oauth_code"]
        first = self.house.exchange(code).json()
        second = self.house.refresh(first["refresh_token"]).json()
        self.keep(seller["password"], code)
        self.keep(first["refresh_token"], first["access_token"], second["access_token"])
        return seller, str(second["access_token"])

    def feed(self, token: str) -> None:
        made = self.spapi(
            *("POST", f"{FEEDS}/documents", token, {"contentType": "application/json"}), status=201
        )
        self.presigned(made["url"])
        content = json.dumps({"header": {}, "messages": []}).encode()
        put = self.house.http.put(
            made["url"], content=content, headers={"content-type": "application/json"}
        )
        assert put.status_code == 200
        feed = self.spapi(
            "POST",
            f"{FEEDS}/feeds",
            token,
            {
                "feedType": "JSON_LISTINGS_FEED",
                "marketplaceIds": ["A1PA6795UKMFR9"],
                "inputFeedDocumentId": made["feedDocumentId"],
            },
            status=202,
        )
        self.house.amazon.levers.advance(3600)
        # The hour has ended the access token too.
        refused = self.house.http.get(
            f"{self.house.amazon.addresses['eu']}{FEEDS}/feeds/{feed['feedId']}",
            headers={"x-amz-access-token": token},
        )
        assert refused.status_code == 403

    def presigned(self, url: str) -> None:
        query = parse_qs(urlsplit(url).query)
        self.keep(*query["X-Amz-Signature"])

    def restricted(self, token: str) -> None:
        path = "/orders/v0/orders/{orderId}/buyerInfo"
        made = self.spapi(
            "POST",
            "/tokens/2021-03-01/restrictedDataToken",
            token,
            {"restrictedResources": [{"method": "GET", "path": path}]},
        )
        self.keep(made["restrictedDataToken"])
        self.house.call("/orders/v0/orders/123-1234567-1234567/buyerInfo", made[
            "restrictedDataToken"
        ])  # fmt: skip

    def queue(self) -> None:
        levers = self.house.amazon.levers
        key = levers.pull("POST", "/world/aws-keys", {"name": "reader"})
        self.keep(key["secret_access_key"])
        made = levers.pull("POST", "/queues", {"name": "news"})
        sqs = boto3.client(
            "sqs",
            endpoint_url=self.house.amazon.addresses["aws"],
            region_name=made["region"],
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )
        sqs.receive_message(QueueUrl=made["url"], WaitTimeSeconds=0)
        sqs.close()

    def rotation(self) -> None:
        fresh = self.house.amazon.levers.rotate(self.house.application_id)
        self.keep(fresh["lwa_client_secret"])
        scope = "sellingpartnerapi::notifications"
        granted = self.house.lwa(
            grant_type="client_credentials",
            scope=scope,
            client_secret=fresh["lwa_client_secret"],
        ).json()
        self.keep(granted["access_token"])
        self.spapi("GET", "/notifications/v1/destinations", granted["access_token"])

    def mishaps(self, token: str) -> None:
        """Programs err: credentials in addresses, in user agents, in other fields."""
        eu, lwa = (self.house.amazon.addresses[face] for face in ("eu", "lwa"))
        http = self.house.http
        http.get(f"{eu}{ACCOUNT}", params={"access_token": token})
        http.get(f"{eu}/tokens/{quote(token, safe='')}/x", headers={"x-amz-access-token": token})
        http.get(f"{eu}{ACCOUNT}", headers={"user-agent": f"program {token}"})
        self.house.lwa(grant_type="client_credentials", scope=token)
        self.house.lwa(grant_type=token)
        http.post(f"{lwa}/auth/o2/token", content=token)
        http.post(f"{lwa}/auth/o2/{quote(token, safe='')}")
        levers = self.house.amazon.addresses["levers"]
        http.post(f"{levers}/history", json={"x": token})


def everything_said(house: House) -> Iterator[tuple[str, str]]:
    """What levers tell without being asked for credentials."""
    levers = house.amazon.levers
    listed = levers.pull("GET", "/")
    yield "/", json.dumps(listed)
    for lever in listed["levers"]:
        path = lever["path"]
        if lever["method"] != "GET" or "{" in path:
            continue
        query = {"operation": "getAccount"} if path == "/limits/plan" else {}
        yield path, json.dumps(levers.pull("GET", path, **query), ensure_ascii=False)


def test_no_secret_is_ever_told_again(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    day = Day(house)
    day.keep(house.application["lwa_client_secret"])
    day.keep(house.grant(house.vendor()))
    seller, token = day.signed_in()
    day.spapi("GET", ACCOUNT, token)
    day.restricted(token)
    day.mishaps(token)
    day.queue()
    day.feed(token)
    day.rotation()
    house.amazon.levers.revoke(seller["selling_partner_id"])
    assert len(day.secrets) >= 12
    said = dict(everything_said(house))
    assert {"/history", "/world", "/world/grants", "/queues", "/weather"} <= set(said)
    logged = [
        f"{record.name}: {record.getMessage()} {record.exc_text or ''}"
        for record in caplog.records
        if not record.name.startswith(CLIENTS)
    ]
    said |= {"logs": "\n".join(logged), "terminal": "".join(capfd.readouterr())}
    for secret in day.secrets:
        for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            told = [place for place, text in said.items() if form in text]
            assert told == [], f"a secret that begins with {secret[:12]!r} is told by {told}"
    feeds = house.amazon.levers.counts("facts.feed_type", operation="createFeed")
    assert feeds == {"JSON_LISTINGS_FEED": 1}
    assert house.amazon.levers.count(facts={"feed_type": "JSON_LISTINGS_FEED"}) == 1
    assert house.amazon.levers.count(kind="spapi") >= 8
    assert house.amazon.levers.count(kind="lwa") >= 5


def test_refusals_repeat_no_secret(house: House) -> None:
    token = house.access_token(house.seller())
    answers: list[httpx2.Response] = [
        house.refresh(token),
        house.exchange(token),
        house.lwa(grant_type=token),
        house.lwa(grant_type="client_credentials", scope=token),
        house.http.get(f"{house.amazon.addresses['eu']}/x/{quote(token, safe='')}"),
        house.call(ACCOUNT, f"{token}x"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        assert token not in answer.text


def test_old_entries_are_let_go() -> None:
    history = History()
    for number in range(200_010):
        history.note(NOW + timedelta(seconds=number), "lwa.refresh", "lwa", "POST", "/")
    assert len(list(history.which())) == 200_000
    assert history.first_kept == 11


def test_what_callers_send_is_kept_short(house: House) -> None:
    """200,000 entries stay small, whatever is asked."""
    long = "x" * 20_000
    token = house.access_token(house.seller())
    url = f"{house.amazon.addresses['eu']}/x/{long}"
    house.http.get(
        url, params={"a": long}, headers={"x-amz-access-token": token, "user-agent": long}
    )
    [asked] = house.amazon.levers.history(kind="spapi")
    assert asked["path"].startswith("/x/xxx")
    assert all(len(str(value)) < 1100 for value in asked.values())
    edge = History().note(NOW, "spapi.unknown", "eu", "GET", "/" + "x" * 995 + "/Atza|emulated-abc")
    assert "Atz" not in edge.path
