"""The helpers for the two SDKs: configured for Evergrant, with nothing else changed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import secrets
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from evergrant_client.sdks import official, official_restricted, python_amazon_sp_api


def keys() -> tuple[str, str]:
    return f"egk_{secrets.token_hex(8)}", f"egc_{secrets.token_hex(8)}"


def test_the_official_sdk_asks_evergrant(monkeypatch: pytest.MonkeyPatch) -> None:
    api_key, connection_key = keys()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    posted: list[tuple[str, dict[str, str]]] = []

    def post(url: str, data: dict[str, str]) -> requests.Response:
        posted.append((url, data))
        answer = requests.Response()
        answer.status_code = 200
        answer._content = b'{"access_token": "a token", "expires_in": 3600}'
        return answer

    monkeypatch.setattr(requests, "post", post)
    client = official(
        "https://evergrant.example/", api_key, connection_key, region="EU", endpoint="http://amazon"
    )
    assert (root.level, root.handlers) == (level, handlers), "the SDK's habit is undone"
    [(url, data)] = posted
    assert url == "https://evergrant.example/auth/o2/token"
    assert (data["client_secret"], data["refresh_token"]) == (api_key, connection_key)
    assert client.api_client.default_headers["x-amz-access-token"] == "a token"


def test_python_amazon_sp_api_asks_evergrant() -> None:
    from sp_api.api import Sellers
    from sp_api.base import Marketplaces

    api_key, connection_key = keys()
    sellers = Sellers(
        marketplace=Marketplaces.DE,
        **python_amazon_sp_api("https://evergrant.example/desk", api_key, connection_key),
    )
    asked = sellers._auth
    with contextlib.closing(asked._transport), contextlib.closing(sellers._transport):
        assert asked.scheme + asked.host + asked.path == (
            "https://evergrant.example/desk/auth/o2/token"
        )
        assert asked.data["client_secret"] == api_key
        assert asked.data["refresh_token"] == connection_key


# --- through the gateway --------------------------------------------------------------------------


class Door:
    """A gateway that answers both of Amazon's addresses, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, dict[str, str], str]] = []
        self.expires_in = 3600
        self.passes = 0

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Any:
        self.shown.append((method, path, headers, body))
        if path == "/auth/o2/token":
            self.passes += 1
            return {
                "access_token": f"egp_{self.passes}",
                "token_type": "bearer",
                "expires_in": self.expires_in,
            }
        if path == "/tokens/2021-03-01/restrictedDataToken":
            self.passes += 1
            return {"restrictedDataToken": f"egp_{self.passes}", "expiresIn": self.expires_in}
        return {"payload": []}

    def asked(self, path: str) -> list[tuple[dict[str, str], str]]:
        return [(headers, body) for _, known, headers, body in self.shown if known == path]


@pytest.fixture
def door() -> Iterator[tuple[str, Door]]:
    known = Door()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length).decode()
            told = known.answer(self.command, self.path.partition("?")[0], headers, body)
            content = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", known
    finally:
        server.shutdown()
        server.server_close()
        serving.join(60)


EVERGRANT = "https://evergrant.example"
LOGIN, PARTICIPATIONS = "/auth/o2/token", "/sellers/v1/marketplaceParticipations"
RESTRICTED = "/tokens/2021-03-01/restrictedDataToken"


@pytest.fixture
def bearable() -> Iterator[None]:
    """The kits leave connections open; they are collected while nobody minds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.freeze()  # what was there before needs no looking at
        yield
        gc.collect()
        gc.unfreeze()


@pytest.mark.usefixtures("bearable")
def test_the_official_sdk_goes_through_the_gateway(door: tuple[str, Door]) -> None:
    gateway, known = door
    api_key, connection_key = keys()
    client = official(EVERGRANT, api_key, connection_key, region="EU", gateway=gateway)
    from spapi import SellersApi

    SellersApi(client.api_client).get_marketplace_participations()
    [(_, login)] = known.asked(LOGIN)
    assert parse_qs(login)["client_secret"] == [api_key]
    assert parse_qs(login)["refresh_token"] == [connection_key]
    [(headers, _)] = known.asked(PARTICIPATIONS)
    assert headers["x-amz-access-token"] == "egp_1"


@pytest.mark.usefixtures("bearable")
def test_the_official_sdk_without_a_grant(door: tuple[str, Door]) -> None:
    gateway, known = door
    api_key, _ = keys()
    scope = "sellingpartnerapi::notifications"
    official(EVERGRANT, api_key, region="EU", gateway=gateway, scope=scope, client_id="app_1")
    [(_, login)] = known.asked(LOGIN)
    asked = parse_qs(login)
    assert (asked["grant_type"], asked["scope"]) == (["client_credentials"], [scope])
    assert (asked["client_id"], asked["client_secret"]) == (["app_1"], [api_key])
    assert "refresh_token" not in asked


@pytest.mark.usefixtures("bearable")
def test_the_official_sdk_shows_personal_data_and_asks_again_in_time(
    door: tuple[str, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, known = door
    client = official(EVERGRANT, *keys(), region="EU", gateway=gateway)
    resource = {"method": "GET", "path": "/orders/v0/orders", "dataElements": ["buyerInfo"]}
    restricted = official_restricted(client, resource)
    from spapi import SellersApi

    SellersApi(restricted.api_client).get_marketplace_participations()
    SellersApi(client.api_client).get_marketplace_participations()
    [(headers, body)] = known.asked(RESTRICTED)
    assert headers["x-amz-access-token"] == "egp_1"
    assert json.loads(body) == {"restrictedResources": [resource]}
    used = [headers["x-amz-access-token"] for headers, _ in known.asked(PARTICIPATIONS)]
    assert used == ["egp_2", "egp_1"], "the first client is as it was"
    later = time.monotonic() + 3590
    monkeypatch.setattr("evergrant_client.sdks.monotonic", lambda: later)
    SellersApi(restricted.api_client).get_marketplace_participations()
    assert len(known.asked(RESTRICTED)) == 2


@pytest.mark.usefixtures("bearable")
def test_python_amazon_sp_api_goes_through_the_gateway(
    door: tuple[str, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sp_api.api import Notifications, Sellers
    from sp_api.base import Marketplaces

    monkeypatch.delenv("SP_API_DEFAULT_MARKETPLACE", raising=False)
    gateway, known = door
    api_key, connection_key = keys()
    at = {"gateway": gateway, "marketplace": Marketplaces.DE}
    for _ in range(2):
        settings = python_amazon_sp_api(EVERGRANT, api_key, connection_key, **at)
        with Sellers(**settings) as sellers:
            sellers.get_marketplace_participation()
    [(_, login)] = known.asked(LOGIN)
    assert parse_qs(login)["refresh_token"] == [connection_key]
    assert len(known.asked(PARTICIPATIONS)) == 2
    settings = python_amazon_sp_api(EVERGRANT, api_key, client_id="app_1", **at)
    with Notifications(**settings) as notifications:
        notifications.get_destinations()
    asked = parse_qs(known.asked(LOGIN)[1][1])
    assert (asked["client_id"], asked["grant_type"]) == (["app_1"], ["client_credentials"])
    [(headers, _)] = known.asked("/notifications/v1/destinations")
    assert headers["x-amz-access-token"] == "egp_2"


@pytest.mark.usefixtures("bearable")
async def test_its_asynchronous_classes_do_too(
    door: tuple[str, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SP_API_DEFAULT_MARKETPLACE", raising=False)
    gateway, known = door
    settings = python_amazon_sp_api(
        EVERGRANT, *keys(), gateway=gateway, marketplace=Marketplace(), asynchronous=True
    )
    from sp_api.asyncio.api import Sellers

    async with Sellers(**settings) as sellers:
        await asyncio.gather(*(sellers.get_marketplace_participation() for _ in range(3)))
    assert len(known.asked(LOGIN)) == 1
    assert len(known.asked(PARTICIPATIONS)) == 3


@dataclass(frozen=True)
class Marketplace:
    endpoint: str = "https://sellingpartnerapi-eu.amazon.com"
    marketplace_id: str = "A1PA6795UKMFR9"
    region: str = "eu-west-1"


@pytest.mark.usefixtures("bearable")
def test_tokens_are_remembered_by_address_and_for_their_own_life(
    door: tuple[str, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sp_api.api import Sellers

    monkeypatch.delenv("SP_API_DEFAULT_MARKETPLACE", raising=False)
    gateway, known = door
    api_key, connection_key = keys()
    here = {"gateway": gateway, "marketplace": Marketplace()}
    there = {"gateway": gateway.replace("127.0.0.1", "localhost"), "marketplace": Marketplace()}

    def token(**at: Any) -> str:
        with Sellers(**python_amazon_sp_api(EVERGRANT, api_key, connection_key, **at)) as sellers:
            return str(sellers.auth.access_token)

    assert (token(**here), token(**there), token(**here)) == ("egp_1", "egp_2", "egp_1")
    now = time.monotonic()
    monkeypatch.setattr("evergrant_client.sdks.monotonic", lambda: now + 3550)
    known.expires_in = 200
    assert token(**here) == "egp_3"
    monkeypatch.setattr("evergrant_client.sdks.monotonic", lambda: now + 3550 + 130)
    assert token(**here) == "egp_3"
    monkeypatch.setattr("evergrant_client.sdks.monotonic", lambda: now + 3550 + 141)
    assert token(**here) == "egp_4", "expires_in is looked at"


def test_what_the_sdk_cannot_do_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    api_key, connection_key = keys()
    monkeypatch.delenv("SP_API_DEFAULT_MARKETPLACE", raising=False)
    made = partial(python_amazon_sp_api, EVERGRANT, api_key, connection_key)
    with pytest.raises(ValueError, match="marketplace"):
        made(gateway="https://gateway.example")
    with pytest.raises(ValueError, match="EVERGRANT_GATEWAY_PORT"):
        made(gateway="https://evergrant.example/gateway", marketplace=Marketplace())
    with pytest.raises(ValueError, match="https"):
        made(gateway="http://gateway.example", marketplace=Marketplace())
    with pytest.raises(ValueError, match="https"):
        official(EVERGRANT, api_key, connection_key, region="EU", gateway="http://gateway.example")
    monkeypatch.setenv("SP_API_DEFAULT_MARKETPLACE", "DE")
    with pytest.raises(ValueError, match="SP_API_DEFAULT_MARKETPLACE"):
        made(gateway="https://gateway.example", marketplace=Marketplace())
