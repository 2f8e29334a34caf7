"""Marked secrets go through everything; then everything is searched for them."""

from __future__ import annotations

import base64
import gzip
import secrets
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from demo.house import lever
from demo.partner import Browser
from demo.stage import wait_for
from tests.journeys.conftest import Town, own_town_at

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
    with own_town_at(tmp_path, EVERGRANT_LOG_LEVEL="debug") as town:
        yield town


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
    town.evergrant.cli("db", "dump", str(dump), "--plain")
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
        "check": town.evergrant.cli("settings").encode(),
        "cli": town.evergrant.cli("account", "list", "--json").encode(),
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
    # The search would have found something: an identifier that may be written down is there.
    assert adopted["id"].encode() in places["dump"]
    lever(town.emulator, "GET", "/history")


def _unpacked(file: Path) -> bytes:
    raw = file.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
