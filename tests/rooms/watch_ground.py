"""A house whose time is moved by hand: desks on one store, accounts, and what became of them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from evergrant.accounts import NewAccount
from evergrant.desk import Desk
from evergrant.ports.things import Authorization, OutboxItem
from evergrant.ports.watched import EventRecord, Notice, Reminder
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Watching
from evergrant.testing.desk import Fakes, desk

ENDING, DIGEST = "authorization_ending", "operators_digest"


@dataclass
class Town:
    """One desk, or several, on the same fakes."""

    fakes: Fakes = field(default_factory=Fakes)
    watching: Watching = field(default_factory=Watching)

    def __post_init__(self) -> None:
        self.desk = self.another()
        self.application_id = ""
        self.instance_id = ""
        self.client_ids: dict[str, str] = {}

    def another(self) -> Desk:
        """A second process."""
        return desk(self.fakes, watching=self.watching)

    async def open(self) -> Town:
        added = await self.desk.registry.add_instance(
            NewInstance(name="ERP", webhook_url="https://erp.example/hooks"), by=SYSTEM
        )
        self.instance_id = added.instance.id
        self.application_id = await self.application()
        return self

    # --- what there is ---

    async def application(self, kind: str = "public", **wishes: Any) -> str:
        text = secrets.token_hex(16)
        added = await self.desk.registry.add_application(
            NewApplication(
                name=f"Connector {text[:6]}",
                kind=kind,
                partner_kinds=["seller", "vendor"],
                status="published",
                application_id="amzn1.sp.solution."
                f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
                **wishes,
            ),
            by=SYSTEM,
        )
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(client_id, client_secret)
        self.client_ids[added.id] = client_id
        await self.desk.registry.set_credentials(
            added.id,
            Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret),
            by=SYSTEM,
        )
        return added.id

    async def account(
        self,
        name: str = "",
        *,
        granted_at: datetime | None,
        application_id: str | None = None,
        **wishes: Any,
    ) -> str:
        """Connected by a refresh token of that day, which may lie further back than one may say."""
        self.fakes.clock.move(milliseconds=1)  # ids sort by it
        name = name or f"Shop {secrets.token_hex(4)}"
        fields: dict[str, Any] = {
            "partner_kind": "seller",
            "client_email": f"{secrets.token_hex(3)}@shop.example",
            "client_instance_id": self.instance_id,
            "region": "eu",
            "home_marketplace": "DE",
        }
        application_id = application_id or self.application_id
        added = await self.desk.accounts.add(
            NewAccount(name=name, application_id=application_id, **(fields | wishes)), by=SYSTEM
        )
        await self.renew(added.id, granted_at)
        return added.id

    async def renew(self, account_id: str, granted_at: datetime | None) -> None:
        async with self.fakes.store.transaction() as tx:
            account = await tx.accounts.get(account_id)
        assert account is not None
        await self.desk.consent.adopt(
            account_id,
            self.fakes.lwa.grant(self.client_ids[account.application_id], secrets.token_hex(4)),
            granted_at=granted_at,
            by=SYSTEM,
        )

    # --- time ---

    async def at(self, instant: datetime) -> None:
        """It is that instant, and every process looks around."""
        self.fakes.clock.set(instant)
        await self.desk.watch.sweep()

    async def sail(self, until: datetime, step: timedelta = timedelta(days=1)) -> None:
        """Time goes on by steps, and at each of them the tower looks around."""
        while self.fakes.clock.now() + step <= until:
            await self.at(self.fakes.clock.now() + step)

    # --- what became of it ---

    async def authorization(self, account_id: str) -> Authorization:
        async with self.fakes.store.transaction() as tx:
            found = await tx.authorizations.one(account_id=account_id)
        assert found is not None
        return found

    async def mails(self, topic: str, account_id: str | None = None) -> list[OutboxItem]:
        about: dict[str, Any] = {} if account_id is None else {"account_id": account_id}
        async with self.fakes.store.transaction() as tx:
            return await tx.outbox.all(topic=topic, **about)

    async def letters(self, account_id: str) -> list[tuple[str, int, bool]]:
        """The day of each, the days that it says are left, and whether it says that all is over."""
        return [
            (f"{item.created_at:%Y-%m-%d}", item.facts["days_left"], item.facts["over"])
            for item in await self.mails(ENDING, account_id)
        ]

    async def digests(self) -> list[OutboxItem]:
        return await self.mails(DIGEST)

    async def ledger(self, **equal: Any) -> list[Reminder]:
        async with self.fakes.store.transaction() as tx:
            return await tx.reminders.all(**equal)

    async def told(self, account_id: str, topic: str | None = None) -> list[EventRecord]:
        async with self.fakes.store.transaction() as tx:
            found = await tx.events.read(account_ids=[account_id], limit=500, topic=topic)
        return [one for one in found if one.topic.startswith("authorization.")]

    async def board(self, account_id: str, kind: NoticeKind | None = None) -> list[Notice]:
        """What hangs there now."""
        narrowed: dict[str, Any] = {} if kind is None else {"kind": kind}
        async with self.fakes.store.transaction() as tx:
            return await tx.notices.all(account_id=account_id, settled_at=None, **narrowed)

    async def journal(self, verb: str) -> list[Any]:
        async with self.fakes.store.transaction() as tx:
            return await tx.journal.read(limit=500, verb=verb)
