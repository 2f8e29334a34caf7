"""Marked secrets go through everything; then everything is searched for them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gzip
import re
import secrets
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest

from demo.house import lever
from demo.partner import Browser
from demo.stage import wait_for
from evergrant.rules.applications import NOTIFICATIONS_SCOPE
from tests.journeys.conftest import Town, own_town_at
from tests.journeys.nearby import nearby
from tests.journeys.planes import NGINX, PARTICIPATIONS, RIGHTS, own_stream, ports, start_nginx

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("secrets")]


class Receiver(BaseHTTPRequestHandler):
    """A client instance that takes webhooks."""

    received: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append(body + str(self.headers).encode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []
    handler = type("Own", (Receiver,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def own_town(tmp_path: Path) -> Iterator[Town]:
    settings: dict[str, Any] = {"EVERGRANT_LOG_LEVEL": "debug", **ports()}
    with own_town_at(tmp_path, **settings) as town:
        yield town


#: Amazon's tokens and ours, also those that no test gets to see. Behind `egk_` and the id.
BY_SHAPE = re.compile(
    rb"Atz[ar](?:\.sprdt)?(?:\||%7[Cc]|\\u007[Cc])[A-Za-z0-9_%-]{16}"
    rb"|eg[cp]_[A-Za-z0-9_-]{24}|egk_[0-9a-z]{26}_[A-Za-z0-9_-]{16}|whsec_[A-Za-z0-9+/]{16}"
)


def forms_of(secret: str) -> set[bytes]:
    """How a secret may be written down: plain, percent-encoded, as base64, in hex."""
    raw = secret.encode()
    return {
        raw,
        quote(secret, safe="").encode(),
        base64.b64encode(raw).rstrip(b"=")[:-2],
        raw.hex().encode(),
    }


def test_no_secret_is_written_down(
    own_town: Town, receiver: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    town = own_town
    hook, received = receiver
    marked: dict[str, str] = {}
    pages: list[str] = []

    # Everything that is secret, put in by its own door.
    marked["API key"] = town.house.api_key
    marked["client secret"] = town.application["amazon"]["lwa_client_secret"]
    marked["AWS secret key"] = secrets.token_urlsafe(30)
    marked["AWS access key"] = "AKIA" + secrets.token_hex(8).upper()
    answer = town.house.ask(
        "PUT",
        f"/v1/applications/{town.application['id']}/credentials",
        {
            "lwa_client_id": town.application["amazon"]["lwa_client_id"],
            "lwa_client_secret": marked["client secret"],
            "role_arn": "arn:aws:iam::123456789012:role/rotation",
            "access_key": marked["AWS access key"],
            "secret_key": marked["AWS secret key"],
            "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets",
        },
    )
    pages.append(str(answer))
    changed = town.house.ask("PATCH", f"/v1/instances/{town.instance['id']}", {"webhook_url": hook})
    pages.append(str(changed))
    marked["signing secret"] = town.instance["signing_secret"].removeprefix("whsec_")

    # A consent in both shapes, one that fails, one adopted grant.
    for shape in ("always", "never"):
        town.lever("POST", "/login-leg", {"mode": shape})
        partner = town.partner()
        account = town.account(partner)
        link = town.invite(account)
        browser = Browser()
        pages.append(browser.open(link).html.replace(link, ""))
        pages.append(town.consent(link, partner, browser).html)
        marked[f"link {shape}"] = link.rpartition("/")[2]
        for url in browser.visited:
            query = parse_qs(urlsplit(url).query)
            for name in ("spapi_oauth_code", "amazon_state"):
                if name in query:
                    marked[f"{name} {shape}"] = query[name][0]
            if "state" in query and "/apps/authorize/" in url:
                marked[f"state {shape} {len(marked)}"] = query["state"][0]
        callback = next(url for url in browser.visited if "spapi_oauth_code" in url)
        pages.append(Browser().open(callback).html)
        browser.close()
    last = town.house.ask("GET", f"/v1/accounts/{account['id']}/access-token")
    marked["access token"] = last["access_token"]
    stranger = town.partner()
    failed = town.account(town.partner(), merchant_token="A" + secrets.token_hex(6).upper())
    pages.append(town.consent(town.invite(failed), stranger).html)
    adopted_partner = town.partner()
    adopted = town.account(adopted_partner)
    marked["refresh token"] = town.refresh_token(adopted_partner)
    pages.append(
        str(
            town.house.ask(
                "POST",
                f"/v1/accounts/{adopted['id']}/adopt",
                {"refresh_token": marked["refresh token"]},
            )
        )
    )
    key = town.house.ask("POST", f"/v1/accounts/{adopted['id']}/connection-keys", {"name": "sdk"})
    marked["connection key"] = key["secret"]

    pages += use_the_gateway(town, marked, account, adopted)

    # Bad weather and refusals, so that errors have something to say.
    for mode in ("500", "invalid_client", "garbage"):
        town.lever("POST", "/lwa/fail", {"mode": mode, "times": 1})
        town.move_clocks(7200)
        pages.append(town.house.send("GET", f"/v1/accounts/{account['id']}/access-token").text[:0])
    town.house.send(
        "POST",
        f"/v1/accounts/{failed['id']}/adopt",
        {"refresh_token": marked["refresh token"] + "x"},
    )
    town.house.send(
        "PUT",
        f"/v1/applications/{town.application['id']}/credentials",
        {"lwa_client_id": "nonsense", "lwa_client_secret": marked["client secret"], "bogus": 1},
    )
    wait_for("two webhooks", lambda: len(received) >= 2)

    # What was written down anywhere.
    dump = tmp_path / "dump.sql"
    operator = nearby(town.evergrant)
    operator.cli("db", "dump", str(dump), "--plain")
    journal = town.house.send("GET", "/v1/journal", limit=500).text
    places: dict[str, bytes] = {
        "dump": _unpacked(dump),
        "journal": journal.encode(),
        "reports": town.house.send("GET", "/v1/reports", limit=100).text.encode(),
        "pages": "\n".join(pages).encode(),
        "webhooks": b"\n".join(received),
        "metrics": town.house.send("GET", "/metrics").content,
        "accounts": town.house.send("GET", "/v1/accounts", limit=100).content,
        "applications": town.house.send("GET", "/v1/applications", limit=100).content,
        "gateway metrics": httpx2.get(f"{own_stream(town).url}/metrics", trust_env=False).content,
        "arguments": _arguments(),
        "check": operator.cli("settings").encode(),
        "cli": operator.cli("account", "list", "--json").encode(),
    }
    for log in (town.stage.folder / "logs").glob("*.log"):
        if log.stem != "emulator":
            places[log.name] = log.read_bytes()
    assert len(places["dump"]) > 10_000, "the dump holds the database"
    assert b"account.added" in places["journal"]
    found = [
        f"{name} in {place}"
        for name, secret in marked.items()
        for place, text in places.items()
        for form in forms_of(secret)
        if form in text
    ]
    assert not found
    assert not [place for place, text in places.items() if BY_SHAPE.search(text)]
    # The search would have found something: an identifier that may be written down is there.
    assert adopted["id"].encode() in places["dump"]
    lever(town.emulator, "GET", "/history")


def use_the_gateway(
    town: Town, marked: dict[str, str], account: dict[str, Any], adopted: dict[str, Any]
) -> list[str]:
    """Everything that is secret at the gateway, on each data plane; then the same in every place
    where it does not belong, in text and in JSON. Gives what was answered to that."""
    program = town.house.ask("POST", "/v1/api-keys", {"name": "p", "rights": [*RIGHTS, "manage"]})
    connection = f"/v1/accounts/{adopted['id']}/connection-keys"
    marked["program's key"] = program["secret"]
    made = town.house.ask("POST", connection, {"name": "rotated"})
    marked["former connection key"] = made["secret"]
    rotated = town.house.ask("POST", f"{connection}/{made['id']}/rotate", {"overlap_s": 3600})
    marked["rotated connection key"] = rotated["secret"]
    spare = town.house.ask("POST", "/v1/api-keys", {"name": "spare", "rights": list(RIGHTS)})
    marked["former key"] = spare["secret"]
    fresh = town.house.ask("POST", f"/v1/api-keys/{spare['id']}/rotate", {"overlap_s": 0})
    marked["rotated key"] = fresh["secret"]
    # A line for each is in text so far; this process says it in JSON.
    own = {"EVERGRANT_LOG_FORMAT": "json", "EVERGRANT_ROLE": "gateway", **ports()}
    env = {**town.evergrant.env, **own}
    in_json = dataclasses.replace(town.evergrant, env=env)
    running = in_json.another("in-json")
    planes = [own_stream(town), own_stream(dataclasses.replace(town, evergrant=running))]
    told: list[str] = []
    if NGINX is not None:
        planes.append(start_nginx(town))
        operator = nearby(town.evergrant)
        plane = operator.cli_json("apikey", "add", "shown", "--right", "data_plane")
        marked["data plane's key"] = plane["secret"]
        shown = operator.cli(
            *("gateway", "nginx-config", "--whole", "--api-key-file", "-", "--listen", "8443"),
            stdin=marked["data plane's key"],
        )
        assert "auth_request" in shown
        told.append(shown)
    for one in planes:
        with one.client() as http:
            told += _through(http, one.name, marked, account, town.application["id"])
    return told


def _through(
    http: httpx2.Client,
    name: str,
    marked: dict[str, str],
    account: dict[str, Any],
    application_id: str,
) -> list[str]:
    place = f"{name} {len(marked)}"
    client = {"client_id": "sdk", "client_secret": marked["rotated key"]}
    refresh = {"grant_type": "refresh_token", "refresh_token": marked["rotated connection key"]}
    handed = http.post("/auth/o2/token", data={**client, **refresh}).json()["access_token"]
    marked[f"pass {place}"] = handed
    scope = {"grant_type": "client_credentials", "scope": NOTIFICATIONS_SCOPE}
    form = {**client, **scope, "client_id": application_id}
    grantless = http.post("/auth/o2/token", data=form)
    assert grantless.status_code == 200, grantless.text
    marked[f"grantless pass {place}"] = grantless.json()["access_token"]
    order = {"method": "GET", "path": "/orders/v0/orders/{orderId}", "dataElements": ["buyerInfo"]}
    restricted = http.post(
        "/tokens/2021-03-01/restrictedDataToken",
        json={"restrictedResources": [order]},
        headers={"x-amz-access-token": handed},
    )
    marked[f"restricted pass {place}"] = restricted.json()["restrictedDataToken"]
    called = {}
    for what, target in (
        ("pass", PARTICIPATIONS),
        ("restricted pass", "/orders/v0/orders/902-1"),
        ("grantless pass", "/notifications/v1/destinations"),
    ):
        who = {"x-amz-access-token": marked[f"{what} {place}"], "x-evergrant-wait": "5"}
        answer = http.get(target, headers=who)
        assert "evergrant:" not in answer.text, answer.text
        called[what] = answer.status_code
    assert called["pass"] == 200
    key = marked["rotated key"]
    bearer = {"authorization": f"Bearer {key}", "x-evergrant-account": account["id"]}
    odd = {**bearer, "x-request-id": handed[:64]}
    assert http.get(PARTICIPATIONS, headers=odd).status_code == 200
    told = []
    for secret in (handed, key, marked["former key"], marked["rotated connection key"]):
        for headers in (
            {**bearer, "x-evergrant-account": secret},
            {**bearer, "x-evergrant-connection": secret + "x"},
            {**bearer, "x-evergrant-wait": secret},
            {**bearer, "x-evergrant-data-elements": secret},
            {"authorization": f"Bearer {key}", "x-request-id": secret[:64]},
            {"authorization": f"Bearer {key}", "x-evergrant-key": secret},
            {**bearer, "x-amz-access-token": f"Atza|{secret}"},
            {"authorization": f"Basic {secret}"},
            {"authorization": f"Bearer {secret}{secret}"},
        ):
            got = http.get(PARTICIPATIONS, headers=headers)
            told.append(f"{got.headers.get('content-type')} {got.text}")
        for target in (
            f"/{secret}/v1/x",
            f"/sellers/v1/{secret}?access_token={secret}",
            f"/sellers/v1/..?refresh_token={secret}",
        ):
            told.append(http.get(target).text)
        for form in (
            {**client, "grant_type": secret},
            {**client, "grant_type": "refresh_token", "refresh_token": secret + "x"},
            {"grant_type": "refresh_token", "client_id": secret, "client_secret": secret + "x"},
            {**client, "grant_type": "client_credentials", "scope": secret},
        ):
            told.append(http.post("/auth/o2/token", data=form).text)
        resource = {"method": secret, "path": f"/{secret}", "dataElements": [secret]}
        body = {"restrictedResources": [resource], "targetApplication": secret}
        told.append(
            http.post("/tokens/2021-03-01/restrictedDataToken", json=body, headers=bearer).text
        )
    assert len(told) > 60
    return told


def _arguments() -> bytes:
    """Of all processes that run here now."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(process.read_bytes())
    assert any(b"evergrant" in one for one in found)
    return b"\n".join(found)


def _unpacked(file: Path) -> bytes:
    raw = file.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
