"""Client instances that take events, refuse them, or are slow about it; and who sends them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from evergrant.naming import new_id
from evergrant.outbox import put_event
from evergrant.ports import WebhookPost
from evergrant.ports.store import Store
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    OutboxItem,
    OutboxKind,
    OutboxState,
)
from evergrant.ports.watched import EventRecord
from evergrant.post import Post
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.secrecy import Secret
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import HOUSE
from evergrant.testing.mail import MemoryMail
from evergrant.testing.store import MemoryStore

Answers = Callable[[WebhookPost], Awaitable[None]]
TOPIC = "authorization.expiring"


class Crash(Exception):
    """Stands for a process that ends in the middle."""


@dataclass
class Receivers:
    """``ports.Webhooks``: all client instances. ``took`` is what arrived, in order: the id and the
    number of each, and where. ``answers`` says what each one does by its URL."""

    took: list[tuple[str, str, int]] = field(default_factory=list)
    posts: list[WebhookPost] = field(default_factory=list)
    answers: dict[str, Answers] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)

    async def deliver(self, post: WebhookPost) -> None:
        self.at_once[post.url] = self.at_once.get(post.url, 0) + 1
        most = max(self.most_at_once.get(post.url, 0), self.at_once[post.url])
        self.most_at_once[post.url] = most
        try:
            if answer := self.answers.get(post.url):
                await answer(post)
            self.take(post)
        finally:
            self.at_once[post.url] -= 1

    def take(self, post: WebhookPost) -> None:
        told = json.loads(post.body)["data"]
        self.posts.append(post)
        self.took.append((post.id, told["account_id"], told["number"]))

    def first_of(self, account_id: str) -> list[int]:
        """Numbers of this account's events, in the order in which each came for the first time."""
        return list(dict.fromkeys(number for _, of, number in self.took if of == account_id))


class Register:
    async def signing_secrets(self, instance_id: str) -> tuple[Secret, ...]:
        return (Secret("whsec_" + "c2lnbmluZyBzZWNyZXQgb2YgdGVzdHM="),)


@dataclass
class Ground:
    store: Store = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    receivers: Receivers = field(default_factory=Receivers)
    bell: MemoryBell = field(default_factory=MemoryBell)
    instances: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    authorizations: dict[str, Authorization] = field(default_factory=dict)
    _numbers: int = 0

    async def open(self, *, instances: int = 1, accounts: int = 1) -> Ground:
        """``accounts`` for each client instance."""
        now, tag = self.clock.now(), secrets.token_hex(4)
        async with self.store.transaction() as tx:
            application = Application(
                id=f"app_{tag}",
                name=f"Connector {tag}",
                kind=ApplicationKind.PUBLIC,
                partner_kinds=frozenset(PartnerKind),
                status=ApplicationStatus.DRAFT,
                application_id=f"amzn1.sp.solution.{tag}",
                created_at=now,
                changed_at=now,
            )
            await tx.applications.add(application)
            for place in range(instances):
                instance = ClientInstance(
                    id=f"ins_{tag}_{place}",
                    name=f"ERP {tag} {place}",
                    webhook_url=f"https://erp{place}.example/hooks",
                    created_at=now,
                    changed_at=now,
                )
                await tx.instances.add(instance)
                self.instances.append(instance.id)
                for number in range(accounts):
                    await self._add_account(tx, application, instance, f"{tag}_{place}_{number}")
        return self

    async def _add_account(
        self, tx: Any, application: Application, instance: ClientInstance, tag: str
    ) -> None:
        now = self.clock.now()
        account = Account(
            id=f"acc_{tag}",
            name=f"Shop {tag}",
            partner_kind=PartnerKind.SELLER,
            client_email="shop@heron.example",
            application_id=application.id,
            client_instance_id=instance.id,
            region=Region.EU,
            home_marketplace="DE",
            created_at=now,
            changed_at=now,
        )
        authorization = Authorization(
            id=f"aut_{tag}",
            account_id=account.id,
            application_id=application.id,
            region=Region.EU,
            state=State.ACTIVE,
            changed_at=now,
        )
        await tx.accounts.add(account)
        await tx.authorizations.add(authorization)
        self.accounts.append(account)
        self.authorizations[account.id] = authorization

    def post(self, **other: Any) -> Post:
        """The post room of one more process."""
        rooms: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "registry": Register(),
            "consent": None,
            "sessions": None,
            "mail": MemoryMail(),
            "webhooks": self.receivers,
            "bell": self.bell,
            "house": HOUSE,
        }
        return Post(**(rooms | other))

    def url(self, place: int) -> str:
        return f"https://erp{place}.example/hooks"

    async def tell(self, account: Account | None = None, times: int = 1) -> list[str]:
        """Events of one account, numbered in their order; gives the ids of their webhooks."""
        account = account or self.accounts[0]
        told: list[str] = []
        for _ in range(times):
            self._numbers += 1
            async with self.store.transaction() as tx:
                item = await put_event(
                    tx,
                    now=self.clock.now(),
                    topic=TOPIC,
                    account=account,
                    authorization=self.authorizations[account.id],
                    number=self._numbers,
                )
            assert item is not None
            told.append(item.id)
        return told

    async def tell_instance(self, place: int, times: int) -> None:
        """Events of no account, each in a line of its own."""
        now = self.clock.now()
        async with self.store.transaction() as tx:
            for number in range(times):
                event = EventRecord(
                    id=new_id(ids.Kind.EVENT, now),
                    at=now,
                    topic=TOPIC,
                    subject="app_1",
                    client_instance_id=self.instances[place],
                    facts={"number": number},
                )
                item = OutboxItem(
                    id=new_id(ids.Kind.OUTBOX, now),
                    kind=OutboxKind.WEBHOOK,
                    topic=event.topic,
                    subject=event.subject,
                    to=event.client_instance_id,
                    facts=event.facts,
                    next_at=now,
                    created_at=now,
                )
                await tx.events.append(event, item)

    async def item(self, id: str) -> OutboxItem:
        async with self.store.transaction() as tx:
            found = await tx.outbox.get(id)
        assert found is not None
        return found

    async def items(self, **equal: Any) -> list[OutboxItem]:
        async with self.store.transaction() as tx:
            return await tx.outbox.all(**equal)

    async def waiting(self) -> list[OutboxItem]:
        return await self.items(state=OutboxState.WAITING)

    async def answer_the_bell(self, post: Post) -> int:
        """Does what was rung for, and what that rings for; gives how many rings it were."""
        answered = 0
        while self.bell.rung:
            await post.deliver(self.bell.rung.pop(0))
            answered += 1
        return answered


async def yields(times: int) -> None:
    """Lets others have their turn."""
    for _ in range(times):
        await asyncio.sleep(0)
