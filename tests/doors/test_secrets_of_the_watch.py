"""Whatever the watch does, and whatever goes wrong with it, no secret is written down.

A year passes in a house whose secrets were all made up for this test: links of renewals, refresh
tokens, client secrets that are in force, former, received, refused or pasted, keys of AWS, bodies
of the queue, keys of programs. Everything that ever goes into the safe is noted by itself, so a new
kind of secret is searched for without anybody thinking of it; every address of the interface that
shows anything is asked, so is a new one.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from evergrant import logs
from evergrant.entrances import access_token, api, ops
from evergrant.entrances.ops import Meters
from evergrant.errors import EvergrantError, GrantRefused, NotDelivered
from evergrant.ports import WebhookPost
from evergrant.ports.things import OutboxItem, OutboxState
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.rights import SYSTEM, Right
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault
from tests.doors.gateway_house import SETTINGS
from tests.doors.test_tenancy import OPERATIONS
from tests.house.test_logs import Sink, _as_before
from tests.rooms.letters_ground import report as returned
from tests.rooms.rotation_ground import QUEUE_URL, World, new_secret, new_secret_body

__all__ = ["_as_before"]

SHOP = "A1SHOPSHOPSHOP"
#: They are asked to show a secret, and show it.
SHOWING = {"getLink", "getAccessToken"}
LINK = re.compile(r"/connect/([A-Za-z0-9_-]{16,})")

#: What is shown of these is searched beside it, in `test_secrets_of_the_kitchen`.
OF_THE_KITCHEN = (
    *("{change_id}", "{intake_id}", "{order_id}", "{report_id}", "{run_id}"),
    "/amazon-reports/at-amazon",
)


@dataclass
class Watched:
    """The house, what was secret in it, and what was said anywhere."""

    world: World
    sink: Sink
    secrets: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    key: str = ""
    key_id: str = ""

    def mark(self, name: str, secret: Secret | str) -> Secret:
        plain = secret.reveal() if isinstance(secret, Secret) else secret
        self.secrets[f"{name} {len(self.secrets)}"] = plain
        return Secret(plain)

    @property
    def links(self) -> list[str]:
        return [text for name, text in self.secrets.items() if name.startswith("invitation")]

    @asynccontextmanager
    async def door(self) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=api.build(self.world.desk, SETTINGS))
        bearer = {"authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://v1.test", headers=bearer
        ) as http:
            yield http

    async def send(self, method: str, path: str, body: Any = None, *, status: int) -> None:
        async with self.door() as http:
            answer = await http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        self.said.append(f"{answer.headers} {answer.text}")

    async def fails(self, work: Any, kind: type[EvergrantError] = EvergrantError) -> None:
        with pytest.raises(kind) as caught:
            await work
        error = caught.value
        self.said.append(f"{error!r} {error} {error.facts} {error.hint} {error.__context__!r}")

    async def deliver_all(self) -> list[OutboxItem]:
        async with self.world.store.transaction() as tx:
            waiting = await tx.outbox.all(state=OutboxState.WAITING)
        return [await self.world.desk.post.deliver(item.id) for item in waiting]

    async def everything_shown(self, ids: dict[str, str]) -> str:
        """What every address says that shows anything."""
        found = []
        async with self.door() as http:
            for name, (method, path, _) in OPERATIONS.items():
                kitchens = any(one in path for one in OF_THE_KITCHEN)
                if method == "GET" and name not in SHOWING and not kitchens:
                    answer = await http.get(path.format_map(ids))
                    assert answer.status_code == 200, (name, answer.text)
                    found.append(answer.text)
        assert len(found) > 25
        return "\n".join(found)

    def written(self) -> str:
        """All that lies in the store unsealed."""
        store: Any = self.world.store
        rows = {name: list(found.values()) for name, found in store.rows.items() if name != "safe"}
        return repr((rows, store.events, store.lines))


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch, _as_before: None) -> Watched:
    sink = Sink()
    logs.configure("text", "debug", sink)
    found = Watched(World(), sink)
    put = Vault.put

    async def noted(self: Vault, tx: Any, name: str, secret: Secret, **more: Any) -> None:
        found.mark(name, secret)
        await put(self, tx, name, secret, **more)

    monkeypatch.setattr(Vault, "put", noted)
    await found.world.furnish()
    desk = found.world.desk
    await desk.registry.change_application(
        found.world.application_id,
        {"kind": ApplicationKind.PUBLIC.value, "status": ApplicationStatus.PUBLISHED.value},
        by=SYSTEM,
    )
    made = await desk.people.add_api_key(
        name="all", rights=[right.value for right in Right], by=SYSTEM
    )
    found.key_id = made.key.id
    found.key = found.mark("API key", made.secret).reveal()
    return found


async def rotated(watched: Watched) -> None:
    """Asked for, received, refused for a while, promoted; and all that a queue may hold."""
    world = watched.world
    app = f"/v1/applications/{world.application_id}"
    credentials = {
        "lwa_client_id": world.client_id,
        "queue_url": QUEUE_URL,
        "role_arn": "arn:aws:iam::123456789012:role/rotation",
        "access_key": watched.mark(
            "AWS access key", "AKIA" + secrets.token_hex(8).upper()
        ).reveal(),
        "secret_key": watched.mark("AWS secret key", secrets.token_urlsafe(30)).reveal(),
    }
    await watched.send("PUT", f"{app}/credentials", credentials, status=200)
    await watched.send("PUT", f"{app}/credentials", credentials | {"bogus": 1}, status=422)
    now = world.clock.now()
    for client_id in ("amzn1.application-oa2-client." + secrets.token_hex(16), world.client_id):
        stray = watched.mark("in the queue", new_secret())
        world.queue.put(QUEUE_URL, new_secret_body(client_id, stray, now))
    stray = watched.mark("in the queue", new_secret())
    other_type = new_secret_body(world.client_id, stray, now)
    world.queue.put(QUEUE_URL, other_type | {"notificationType": stray.reveal()})
    world.queue.put(QUEUE_URL, f'{{"newClientSecret": "{stray.reveal()}", ')
    world.queue.put(QUEUE_URL, {stray.reveal(): stray.reveal(), "notificationType": "X"})
    await world.round()
    world.queue.refuse()
    await world.round()
    world.queue.fail()
    await world.pass_time(timedelta(hours=30), timedelta(hours=6))
    world.queue.heal()
    world.lwa.unknown_until = world.clock.now() + timedelta(hours=40)
    await watched.send("POST", f"{app}/secret", {"lwa_client_secret": "short"}, status=422)
    wrong = watched.mark("pasted and wrong", new_secret()).reveal()
    await watched.send("POST", f"{app}/secret", {"lwa_client_secret": wrong}, status=422)
    await watched.send("POST", f"{app}/secret", {"lwa_client_secret": wrong, "x": 1}, status=422)
    await watched.send("POST", f"{app}/secret", {"secret": wrong}, status=422)
    await world.pass_time(timedelta(days=12), timedelta(hours=6))
    by_hand = watched.mark("in the console", world.amazon.rotate(world.client_id, sends=False))
    pasted = {"lwa_client_secret": by_hand.reveal()}
    await watched.send("POST", f"{app}/secret", pasted, status=200)
    await watched.send("POST", f"{app}/rotation", status=409)
    assert "rotation.received" in await world.verbs()


class Receiver:
    """A client instance that sends back whatever it was sent."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.took: list[str] = []

    async def deliver(self, post: WebhookPost) -> None:
        self.took.append(f"{post!r} {post.body.decode()}")
        raise NotDelivered(
            f"The receiver answered 500: {post.body.decode()[:200]}", permanent=False
        )


async def lived_a_year(watched: Watched) -> str:
    """Reminded, bounced, lapsed, renewed, and the renewal refused; gives what an end told."""
    world, desk = watched.world, watched.world.desk
    token = watched.mark("refresh token", world.lwa.grant(world.client_id, SHOP))
    account = f"/v1/accounts/{world.account_id}"
    adopted = {"refresh_token": token.reveal(), "selling_partner_id": SHOP}
    wrong = watched.mark("refused refresh token", f"Atzr|{secrets.token_hex(40)}").reveal()
    await watched.send("POST", f"{account}/adopt", {"refresh_token": wrong}, status=409)
    adopted["granted_at"] = world.clock.now().isoformat()
    await watched.send("POST", f"{account}/adopt", adopted, status=200)
    for days in (336, 7, 7, 7, 7, 3):
        world.clock.move(days=days)
        # The secret of the application is renewed in the console meanwhile.
        fresh = watched.mark("in the console", world.amazon.rotate(world.client_id, sends=False))
        await desk.rotations.paste(world.application_id, fresh, by=SYSTEM)
        await desk.watch.sweep()
        done = await watched.deliver_all()
    assert watched.links
    (reminder, *_) = [item for item in done if item.topic == "authorization_ending"]
    link = f"https://connect.northwind.example/connect/{watched.links[-1]}"
    for words in (link, quote(link, safe=""), quote(link, safe="").lower(), f"<{link}>"):
        report = returned(reminder).decode().replace("no such user", f"blocked URL {words}")
        await desk.bounces.take_report(report.encode(), by=SYSTEM)
        await watched.send(
            "POST",
            "/v1/mail/bounces",
            {"message_id": reminder.id, "reason": f"blocked URL {words}", "permanent": True},
            status=200,
        )
        async with world.store.transaction() as tx:  # so that the next report is news again
            await tx.outbox.change(reminder.id, state=OutboxState.SENT, last_error="")
    transport = httpx2.ASGITransport(app=access_token.build(desk, SETTINGS))
    async with httpx2.AsyncClient(transport=transport, base_url="http://v1.test") as http:
        bearer = {"authorization": f"Bearer {watched.key}"}
        refused = await http.get(f"{account}/access-token", headers=bearer)
    assert refused.status_code == 409, refused.text
    # Renewed, not proven, refused, and the one before comes back.
    renewed = watched.mark("renewed", world.lwa.grant(world.client_id, SHOP))
    world.amazon.fail(times=5)
    adopted |= {"refresh_token": renewed.reveal(), "granted_at": world.clock.now().isoformat()}
    await watched.send("POST", f"{account}/adopt", adopted, status=200)
    world.lwa.revoke(renewed)
    world.clock.move(hours=2)
    await desk.tokens.mint(world.account_id, by=SYSTEM)
    world.lwa.revoke(token)
    world.clock.move(hours=2)
    await watched.fails(desk.tokens.mint(world.account_id, by=SYSTEM), GrantRefused)
    await desk.watch.sweep()
    await watched.deliver_all()
    return refused.text


async def test_no_secret_of_the_watch_is_written_down(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, desk = watched.world, watched.world.desk
    receiver = Receiver(watched)
    monkeypatch.setattr(world.fakes.webhooks, "deliver", receiver.deliver)
    await rotated(watched)
    refusal = await lived_a_year(watched)
    # The secret dies: one incident.
    world.lwa.known[world.client_id].clear()
    await watched.fails(desk.tokens.mint(world.account_id, by=SYSTEM))
    await watched.deliver_all()
    books = await desk.moving.export(by=SYSTEM)

    async with world.store.transaction() as tx:
        event = (await tx.events.read(limit=1))[0]
        notice = (await tx.notices.all(limit=1))[0]
        report = (await tx.reports.all(limit=1))[0]
    ids = {
        "account_id": world.account_id,
        "application_id": world.application_id,
        "instance_id": world.instance_id,
        "event_id": event.id,
        "notice_id": notice.id,
        "reference": report.reference,
        "api_key_id": watched.key_id,
    }
    await watched.send("POST", f"/v1/events/{event.id}/resend", status=202)
    await watched.send("POST", f"/v1/instances/{world.instance_id}/test-delivery", status=200)
    letters = "\n".join(f"{one.subject} {one.text} {one.html}" for one in world.fakes.mail.letters)
    meters = Meters()
    transport = httpx2.ASGITransport(app=ops.build(desk, meters, {}))
    async with httpx2.AsyncClient(transport=transport, base_url="http://ops.test") as http:
        metrics = (await http.get("/metrics")).text
    places = {
        "store": watched.written(),
        "logs": watched.sink.getvalue(),
        "answers": "\n".join(watched.said),
        "webhooks": "\n".join(receiver.took),
        "interface": await watched.everything_shown(ids),
        "export": books.text(),
        "metrics": metrics,
        "letters": letters,
        "refusal": refusal,
    }
    kinds = {name.partition("/")[0].partition(" ")[0] for name in watched.secrets}
    assert len(kinds) >= 8, kinds
    assert len(watched.secrets) > 30
    found = [
        (name, place)
        for name, secret in watched.secrets.items()
        for place, text in places.items()
        for form in forms_of(secret)
        if form in text and not (name.startswith("invitation") and place in ("letters", "refusal"))
    ]
    assert not found
    # The search would have found something.
    assert all(world.account_id in places[one] for one in ("store", "webhooks", "interface"))
    assert LINK.search(refusal), "the refusal carries the link"
    assert any(link in letters for link in watched.links)
    topics = {one.topic for one in world.store.events}
    assert {"authorization.expiring", "authorization.lapsed", "authorization.failed"} <= topics
    assert {"secret.rotated", "secret.dead"} & topics


def forms_of(secret: str) -> set[str]:
    """How a secret may be written down: plain, percent-encoded, as base64, in hex."""
    raw = secret.encode()
    return {
        secret,
        quote(secret, safe=""),
        base64.b64encode(raw).decode().rstrip("=")[:-2],
        raw.hex(),
    }
