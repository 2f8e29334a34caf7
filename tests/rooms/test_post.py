"""The post room: claims, retries, gives up in the open; what leaves the house is put together
at the last moment."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from standardwebhooks import Webhook

from evergrant.consent import LetterFacts
from evergrant.errors import NotDelivered, NotFound, SealBroken, StoreUnavailable
from evergrant.ports.things import (
    Account,
    Application,
    ClientInstance,
    JournalLine,
    OutboxItem,
    OutboxKind,
    OutboxState,
)
from evergrant.post import CLAIM, Post
from evergrant.rules import cadence, ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.secrecy import Secret
from evergrant.settings import House
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.mail import MemoryMail
from evergrant.testing.store import MemoryStore
from evergrant.testing.webhooks import MemoryWebhooks

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LINK = "https://connect.example/connect/" + "k" * 43
HOUSE = House(
    name="Northwind",
    public_url="https://connect.example",
    support_email="help@northwind.example",
    mail_from="connect@northwind.example",
)
APPLICATION = Application(
    id="app_1",
    name="Northwind Connect",
    kind=ApplicationKind.PUBLIC,
    partner_kinds=frozenset(PartnerKind),
    status=ApplicationStatus.DRAFT,
    application_id="amzn1.sp.solution.1",
    created_at=START,
    changed_at=START,
)
INSTANCE = ClientInstance(
    id="ins_1",
    name="ERP",
    webhook_url="https://erp.example/hook",
    created_at=START,
    changed_at=START,
)
ACCOUNT = Account(
    id="acc_1",
    name="Heron Books",
    partner_kind=PartnerKind.SELLER,
    client_email="shop@heron.example",
    application_id="app_1",
    client_instance_id="ins_1",
    region=Region.EU,
    home_marketplace="DE",
    created_at=START,
    changed_at=START,
)
INVITATION_FACTS = {
    "account_name": "Heron Books",
    "application_name": "Northwind Connect",
    "partner_kind": "seller",
    "central_host": "sellercentral-europe.amazon.com",
    "expires_at": START + timedelta(days=14),
}


class Reception:
    """Gives the facts of letters, as told."""

    def __init__(self) -> None:
        self.known: LetterFacts | Exception | None = LetterFacts(
            facts=INVITATION_FACTS, link=Secret(LINK)
        )

    async def letter_facts(self, item: OutboxItem) -> LetterFacts | None:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known


class Register:
    def __init__(self) -> None:
        self.secret: Secret | None = Secret("whsec_" + "c2lnbmluZyBzZWNyZXQgb2YgdGVzdHM=")

    async def signing_secrets(self, instance_id: str) -> tuple[Secret, ...]:
        return (self.secret,) if self.secret and instance_id == INSTANCE.id else ()


@dataclass
class World:
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    mail: MemoryMail = field(default_factory=MemoryMail)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    bell: MemoryBell = field(default_factory=MemoryBell)
    reception: Reception = field(default_factory=Reception)
    register: Register = field(default_factory=Register)
    house: House = HOUSE
    count: int = 0

    def post(self, **other: Any) -> Post:
        rooms: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "registry": self.register,
            "consent": self.reception,
            "sessions": None,
            "mail": self.mail,
            "webhooks": self.webhooks,
            "bell": self.bell,
            "house": self.house,
        }
        return Post(**(rooms | other))

    async def put(self, **wishes: Any) -> OutboxItem:
        self.count += 1
        item = OutboxItem(
            **{
                "id": ids.make(ids.Kind.OUTBOX, self.clock.now(), self.count.to_bytes(10, "big")),
                "kind": OutboxKind.MAIL,
                "topic": "invitation",
                "subject": "inv_1",
                "to": ACCOUNT.client_email,
                "account_id": ACCOUNT.id,
                "next_at": self.clock.now(),
                "created_at": self.clock.now(),
                **wishes,
            }
        )
        async with self.store.transaction() as tx:
            await tx.outbox.add(item)
        return item

    async def event(self, **wishes: Any) -> OutboxItem:
        told = {"kind": OutboxKind.WEBHOOK, "topic": "authorization.granted", "to": INSTANCE.id}
        return await self.put(**(told | {"subject": "aut_1"} | wishes))

    async def items(self, **equal: Any) -> list[OutboxItem]:
        async with self.store.transaction() as tx:
            return await tx.outbox.all(**equal)

    async def journal(self, verb: str) -> list[JournalLine]:
        async with self.store.transaction() as tx:
            return await tx.journal.read(verb=verb)


@pytest.fixture
async def world() -> World:
    world = World()
    async with world.store.transaction() as tx:
        await tx.applications.add(APPLICATION)
        await tx.instances.add(INSTANCE)
        await tx.accounts.add(ACCOUNT)
    return world


# --- letters ------------------------------------------------------------------------------------


async def test_a_letter_goes_out_once(world: World) -> None:
    item = await world.put(language="de")
    post = world.post()
    sent = await post.deliver(item.id)
    assert (sent.state, sent.attempts, sent.ended_at) == (OutboxState.SENT, 1, START)
    assert await post.deliver(item.id) == sent
    (letter,) = world.mail.letters
    assert letter.to == "shop@heron.example"
    assert "Guten Tag" in letter.text
    assert LINK in letter.text
    assert LINK in letter.html
    assert letter.id == item.id
    assert letter.headers == {"Reply-To": "help@northwind.example"}
    (line,) = await world.journal("letter.sent")
    assert line.account_id == ACCOUNT.id
    assert line.facts["to"] == "shop@heron.example"


async def test_the_link_is_stored_nowhere(world: World) -> None:
    item = await world.put()
    world.mail.fail_next()
    await world.post().deliver(item.id)
    world.clock.move(days=1)
    await world.post().deliver(item.id)
    stored = repr([await world.items(), await world.journal("letter.sent")])
    assert "k" * 43 not in stored


async def test_two_processes_send_one_letter(world: World) -> None:
    item = await world.put()
    await asyncio.gather(*(world.post().deliver(item.id) for _ in range(8)))
    assert len(world.mail.letters) == 1


async def test_nobody_sends_what_somebody_is_sending(world: World) -> None:
    """A second process comes while the first one speaks with the relay."""
    item = await world.put()
    post = world.post()

    class Slow(MemoryMail):
        async def send(self, letter: Any) -> None:
            again = await post.deliver(item.id)
            assert again.state is OutboxState.WAITING
            await super().send(letter)

    slow = Slow()
    await world.post(mail=slow).deliver(item.id)
    assert len(slow.letters) == 1
    assert world.mail.letters == []


async def test_the_ladder_is_climbed_to_its_end(world: World) -> None:
    item = await world.put()
    post = world.post()
    world.mail.fail_next(times=99)
    waits = []
    while (now := await post.deliver(item.id)).state is OutboxState.WAITING:
        assert now.last_error == "The mail relay answered 451 try later"
        waits.append(now.next_at - world.clock.now())
        assert await post.deliver(item.id) == now, "not before its time"
        world.clock.set(now.next_at)
    assert waits == list(cadence.MAIL)
    assert now.state is OutboxState.FAILED
    assert now.attempts == len(cadence.MAIL) + 1
    assert now.ended_at == world.clock.now()
    (line,) = await world.journal("letter.failed")
    assert line.facts["attempts"] == now.attempts
    assert "451" in line.facts["error"]


async def test_an_unknown_address_is_tried_once_and_told_to_operators(world: World) -> None:
    world.mail.refuse("shop@heron.example")
    item = await world.put()
    post = world.post()
    assert (await post.deliver(item.id)).state is OutboxState.FAILED
    (told,) = await world.items(topic="letter_undeliverable")
    assert await post.sweep() == [told.id]
    assert (await post.deliver(told.id)).state is OutboxState.SENT
    (letter,) = world.mail.letters
    assert letter.to == "help@northwind.example"
    assert "Heron Books" in letter.subject
    assert "shop@heron.example" in letter.text
    assert "550 no such user" in letter.text
    assert letter.headers == {}


async def test_bad_news_breed_no_bad_news(world: World) -> None:
    world.mail.refuse("help@northwind.example")
    for topic in ("letter_undeliverable", "support_report"):
        world.reception.known = NotFound()
        item = await world.put(
            topic=topic,
            to="help@northwind.example",
            subject="rep_1",
            facts={"to": "shop@heron.example", "letter": "invitation", "error": "550"},
        )
        assert (await world.post().deliver(item.id)).state is OutboxState.FAILED
    assert len(await world.items()) == 2


async def test_without_a_support_address_nobody_is_told_by_mail(world: World) -> None:
    world.mail.refuse("shop@heron.example")
    world.house = replace(HOUSE, support_email="")
    item = await world.put()
    assert (await world.post().deliver(item.id)).state is OutboxState.FAILED
    assert len(await world.items()) == 1


async def test_a_pointless_letter_is_dropped_and_alarms_nobody(world: World) -> None:
    world.reception.known = None
    item = await world.put()
    dropped = await world.post().deliver(item.id)
    assert dropped.state is OutboxState.FAILED
    assert "pointless" in dropped.last_error
    assert world.mail.letters == []
    assert len(await world.items()) == 1
    assert len(await world.journal("letter.dropped")) == 1


async def test_a_link_that_does_not_open_ends_the_letter(world: World) -> None:
    world.reception.known = SealBroken()
    item = await world.put()
    assert (await world.post().deliver(item.id)).state is OutboxState.FAILED


async def test_a_database_that_is_away_costs_an_attempt_only(world: World) -> None:
    world.reception.known = StoreUnavailable()
    item = await world.put()
    waiting = await world.post().deliver(item.id)
    assert waiting.state is OutboxState.WAITING
    assert waiting.next_at > START


async def test_the_support_letter_has_everything_in_a_table(world: World) -> None:
    world.reception.known = LetterFacts(
        facts={
            "reference": "EG-1",
            "account_name": "Heron <Books>",
            "what": "Another account consented.",
            "blame": "partner",
            "advice": "Ask them.",
            "rows": [("selling partner", "A1<b>")],
        }
    )
    item = await world.put(topic="support_report", to="help@northwind.example", subject="rep_1")
    await world.post().deliver(item.id)
    (letter,) = world.mail.letters
    assert "EG-1" in letter.subject
    assert "selling partner: A1<b>" in letter.text
    assert "A1&lt;b&gt;" in letter.html


async def test_an_item_that_is_none(world: World) -> None:
    with pytest.raises(NotFound):
        await world.post().deliver("out_none")


# --- processes that die ---------------------------------------------------------------------------


class Crash(Exception):
    """Stands for a process that ends in the middle."""


class Crashing:
    async def send(self, letter: Any) -> None:
        raise Crash


async def test_a_letter_survives_the_process_that_sends_it(world: World) -> None:
    item = await world.put()
    with pytest.raises(Crash):
        await world.post(mail=Crashing()).deliver(item.id)
    post = world.post()
    assert await post.sweep() == [], "it may still be on its way"
    world.clock.move(CLAIM)
    assert await post.sweep() == [item.id]
    assert (await post.deliver(item.id)).state is OutboxState.SENT


async def test_a_letter_that_kills_its_process_each_time_comes_to_an_end(world: World) -> None:
    item = await world.put()
    for _ in range(len(cadence.MAIL) + 1):
        with pytest.raises(Crash):
            await world.post(mail=Crashing()).deliver(item.id)
        (now,) = await world.items(id=[item.id])
        assert now.next_at >= world.clock.now() + CLAIM
        world.clock.set(now.next_at)
    ended = await world.post().deliver(item.id)
    assert ended.state is OutboxState.FAILED
    assert "never came to an end" in ended.last_error
    assert world.mail.letters == []


# --- events ---------------------------------------------------------------------------------------


async def test_an_event_is_signed_and_says_what_happened(world: World) -> None:
    facts = {"account_id": ACCOUNT.id, "selling_partner_id": "A1", "name": "Bücher"}
    item = await world.event(facts=facts)
    world.clock.move(seconds=5)
    assert (await world.post().deliver(item.id)).state is OutboxState.SENT
    (post,) = world.webhooks.posts
    assert post.url == "https://erp.example/hook"
    assert post.id == item.id
    assert post.at == world.clock.now()
    told = json.loads(post.body)
    assert told["type"] == "authorization.granted"
    assert datetime.fromisoformat(told["timestamp"]) == START
    assert told["data"] == {**facts, "subject": "aut_1"}
    assert world.register.secret is not None
    hook = Webhook(world.register.secret.reveal())
    assert hook.sign(post.id, post.at, post.body.decode()).startswith("v1,")
    assert world.register.secret.reveal() not in repr(post)


async def test_events_have_a_ladder_of_their_own(world: World) -> None:
    item = await world.event()
    world.webhooks.fail_next(times=2)
    post = world.post()
    first = await post.deliver(item.id)
    assert first.next_at == START + cadence.WEBHOOK[0]
    world.clock.set(first.next_at)
    second = await post.deliver(item.id)
    assert second.next_at - first.next_at == cadence.WEBHOOK[1]
    world.clock.set(second.next_at)
    assert (await post.deliver(item.id)).state is OutboxState.SENT


async def test_what_is_due_within_a_minute_is_rung_for(world: World) -> None:
    item = await world.event()
    world.webhooks.fail_next(times=3)
    post = world.post()
    for _ in range(3):
        again = await post.deliver(item.id)
        assert again.state is OutboxState.WAITING
        world.clock.move(again.next_at - world.clock.now())
    # The third pause is two minutes long: by then it was found by a look into the outbox.
    assert world.bell.set == [
        (item.id, timedelta(seconds=5)),
        (item.id, timedelta(seconds=30)),
    ]
    assert (await post.deliver(item.id)).state is OutboxState.SENT
    assert len(world.bell.set) == 2


async def test_a_receiver_that_is_gone_is_left_alone(world: World) -> None:
    item = await world.event()
    world.webhooks.fail_next(permanent=True)
    assert (await world.post().deliver(item.id)).state is OutboxState.FAILED
    (line,) = await world.journal("webhook.failed")
    assert "410" in line.facts["error"]
    assert len(await world.items()) == 1, "no letter to a partner was lost"


@pytest.mark.parametrize("what", ["instance", "url", "secret"])
async def test_an_event_that_nobody_can_receive_ends(world: World, what: str) -> None:
    item = await world.event(to="ins_gone" if what == "instance" else INSTANCE.id)
    if what == "url":
        async with world.store.transaction() as tx:
            await tx.instances.change(INSTANCE.id, webhook_url="")
    if what == "secret":
        world.register.secret = None
    assert (await world.post().deliver(item.id)).state is OutboxState.FAILED
    assert world.webhooks.posts == []


async def test_what_the_receiver_said_is_scrubbed(world: World) -> None:
    class Talkative:
        async def deliver(self, post: Any) -> None:
            raise NotDelivered("It said: api key egk_" + "x" * 30, permanent=False)

    item = await world.event()
    waiting = await world.post(webhooks=Talkative()).deliver(item.id)
    assert "x" * 30 not in waiting.last_error


# --- what is due ----------------------------------------------------------------------------------


async def test_sweep_gives_what_is_due_and_nothing_else(world: World) -> None:
    due = await world.put()
    later = await world.put(next_at=START + timedelta(minutes=5))
    await world.put(state=OutboxState.SENT)
    await world.put(state=OutboxState.FAILED)
    post = world.post()
    assert await post.sweep() == [due.id]
    world.clock.move(minutes=5)
    assert await post.sweep() == [due.id, later.id]
    assert cast("Any", await post.deliver(later.id)).state is OutboxState.SENT


async def test_a_writer_whose_clock_is_a_little_ahead_makes_nobody_wait(world: World) -> None:
    ahead = await world.put(next_at=START + timedelta(seconds=2))
    assert (await world.post().deliver(ahead.id)).state is OutboxState.SENT
    planned = await world.put(next_at=START + timedelta(minutes=1))
    assert (await world.post().deliver(planned.id)).state is OutboxState.WAITING


async def test_a_retry_waits_for_its_time_to_the_second(world: World) -> None:
    again = await world.put(attempts=1, next_at=START + timedelta(seconds=2))
    assert (await world.post().deliver(again.id)).attempts == 1
    assert not world.mail.letters
