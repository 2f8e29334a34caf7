"""``evergrant events``, ``evergrant notices`` and what became of a client instance's events."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from standardwebhooks import Webhook

from evergrant import notices
from evergrant.adapters.store import open_store
from evergrant.rules.notices import NoticeKind
from tests.doors.cli_house import Cli

SHOP = "Blue Heron Books"


class Receiver(HTTPServer):
    """Takes one webhook after the other, or says no."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.took: list[tuple[dict[str, str], bytes]] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks"


class _Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.took.append((headers, self.rfile.read(int(headers["content-length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_are_read_shown_and_sent_again(connected: Cli, receiver: Receiver) -> None:
    (granted,) = connected("events", "list", "--account", SHOP, "--json").json["items"]
    assert granted["topic"] == "authorization.granted"
    assert granted["payload"]["data"]["account_name"] == SHOP
    assert SHOP in connected("events", "list").out
    assert connected("events", "list", "--after", str(granted["position"])).code == 0
    shown = connected("events", "show", granted["id"], "--json").json
    assert shown == granted
    drawn = connected("events", "show", granted["id"]).out
    assert json.loads(drawn[drawn.index("{") :]) == granted["payload"], "as it is sent"

    refused = connected("events", "resend", granted["id"])
    assert refused.code == 2
    assert "no webhook URL" in refused.err
    changed = connected(
        *("instance", "change", "ERP", "--webhook-url", receiver.url, "--renew-signing-secret"),
        "--json",
    ).json
    again = connected("events", "resend", granted["id"], "--json").json
    assert (again["event_id"], again["state"]) == (granted["id"], "waiting")
    (waiting,) = connected("instance", "deliveries", "ERP", "--state", "waiting", "--json").json[
        "items"
    ]
    assert waiting["id"] == again["id"]
    assert waiting["next_attempt_at"] is not None
    assert "waiting" in connected("instance", "deliveries", "ERP").out
    assert connected("instance", "deliveries", "ERP", "--state", "lost").code == 2

    tried = connected("instance", "test", "ERP", "--json").json
    assert tried["delivered"]
    ((headers, body),) = receiver.took
    assert Webhook(changed["signing_secret"]).verify(body, headers)["type"] == "webhook.test"
    receiver.status = 500
    said = connected("instance", "test", "ERP")
    assert said.code == 1
    assert "500" in said.out


async def put_up(database_url: str) -> None:
    now = datetime.now(UTC)
    store = await open_store(database_url)
    try:
        async with store.transaction() as tx:
            (account,) = await tx.accounts.all()
            await notices.put(
                tx,
                now=now,
                kind=NoticeKind.TERM_ENDING,
                subject="aut_1",
                account_id=account.id,
                message="It ends in nine days.",
            )
            (application,) = await tx.applications.all()
            await notices.put(
                tx,
                now=now,
                kind=NoticeKind.SECRET_ENDING,
                subject=application.id,
                application_id=application.id,
                message="It ended three days ago.",
            )
    finally:
        await store.close()


def test_the_board_is_read_and_settled(connected: Cli, database_url: str) -> None:
    assert "nothing to do" in connected("notices", "list").err
    assert connected("notices", "list", "--json").json == {"items": [], "next": None}
    assert connected("notices", "list", "--kind", "rain").code == 2
    unknown = connected("notices", "settle", "ntc_" + "0" * 26)
    assert unknown.code == 2
    assert "error[not_found]" in unknown.err
    asyncio.run(put_up(database_url))
    drawn = connected("notices", "list")
    assert SHOP in drawn.out
    assert "Northwind Connect" in drawn.out, "what is no account's names its application"
    assert "It ends in nine days." in drawn.out
    assert "evergrant account invite" in drawn.err, "what to do"
    (one,) = connected("notices", "list", "--account", SHOP, "--json").json["items"]
    assert (one["title"], one["gravity"]) == ("An authorization ends soon", "warning")
    settled = connected("notices", "settle", one["id"], "--json").json
    assert settled["settled_by"].startswith("command_line:")
    (other,) = connected("notices", "list", "--json").json["items"]
    assert other["title"] == "A client secret ends soon"
    assert settled["settled_by"] in connected("notices", "list", "--settled").out
