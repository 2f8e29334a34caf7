"""A house that writes letters, for the tests of what becomes of them."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evergrant.accounts import NewAccount
from evergrant.consent.digest import Table
from evergrant.outbox import put_mail
from evergrant.ports.things import Authorization, OutboxItem, OutboxState
from evergrant.ports.watched import Notice
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes, desk
from evergrant.watch.daily_letter import BOARD

__all__ = ["FACTS", "LINK", "LetterHouse", "digest", "message_id", "report"]

LINK = "https://connect.example/connect/" + "k" * 43


def digest(ending: int = 1, account_name: str = "Heron Books") -> dict[str, Any]:
    """A row in every table, and ``ending`` of those that end."""
    row = {
        "account_id": "acc_1",
        "account_name": account_name,
        "authorization_id": "aut_1",
        "ends_at": datetime(2026, 12, 5, tzinfo=UTC),
        "days_left": 14,
        "letter_to": "shop@heron.example",
        "link": Secret(LINK),
    }
    tables: dict[str, list[dict[str, Any]]] = {
        "ending": [row | {"account_name": f"{account_name} {n}"} for n in range(ending)],
        "lapsed": [row | {"days_left": -3}],
        "refused": [
            row
            | {
                "refused_at": datetime(2026, 11, 19, tzinfo=UTC),
                "days_left": -2,
                "amazon_said": "The request has an invalid grant parameter : refresh_token",
            }
        ],
        "believed": [row | {"link": None}],
        "undated": [row | {"ends_at": None}],
        "secrets": [row | {"application_name": account_name}],
        "secrets_over": [row | {"application_name": account_name, "days_left": -3}],
        "undelivered": [{"to": "shop@heron.example", "topic": "renewal", "error": account_name}],
        "board": [
            {"kind": kind.value, "name": account_name, "message": f"{account_name} is in trouble."}
            for kind in BOARD
        ],
    }
    shown = {name: Table(rows[:100], max(0, len(rows) - 100)) for name, rows in tables.items()}
    return shown | {"matters": sum(len(rows) for rows in tables.values())}


#: Whatever any letter tells.
FACTS: dict[str, Any] = {
    "house_name": "Northwind",
    "support_email": "help@northwind.example",
    "account_name": "Heron Books",
    "application_name": "Northwind Connect",
    "partner_kind": "seller",
    "central_host": "sellercentral-europe.amazon.com",
    "client_email": "shop@heron.example",
    "expires_at": datetime(2026, 12, 5, tzinfo=UTC),
    "interrupted_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    "link": LINK,
    "reference": "EG-7F3K-92QD",
    "what": "Another account consented.",
    "blame": "partner",
    "advice": "Ask them.",
    "rows": [("reason", "wrong_selling_partner")],
    "to": "shop@heron.example",
    "error": "550 no such user",
    "ends_at": datetime(2026, 12, 5, tzinfo=UTC),
    "days_left": 14,
    "over": False,
    "application_id": "app_01k9z4h6q8w2e5r7t9y1a3s5d7",
    "amazon_said": "invalid_client: Client authentication failed",
    "since_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    "secret_ends_at": None,
    "accounts": 214,
    "operator_name": "Ada Field",
    "invited_by": "Bea Moor",
    "address": "198.51.100.7",
    "locked_until": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    "knows_password": False,
    "change": "password_set",
    "changed_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    "changed_by": "Cy Reed",
    "told_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    **digest(),
}


def message_id(item: OutboxItem) -> str:
    return f"<{item.id}@northwind.example>"


def report(item: OutboxItem, *, action: str = "failed", to: str = "") -> bytes:
    """As a mail server writes it about that letter."""
    return f"""\
From: MAILER-DAEMON@mx.northwind.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.northwind.example

Final-Recipient: rfc822; {to or item.to}
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/rfc822

Message-ID: {message_id(item)}
Subject: Renew

Hello
--b--
""".encode()


@dataclass
class LetterHouse:
    """One application, and as many connected accounts as a test wants."""

    fakes: Fakes = field(default_factory=Fakes)
    application_id: str = ""
    instance_id: str = ""

    def __post_init__(self) -> None:
        self.desk = desk(self.fakes)

    @property
    def now(self) -> datetime:
        return self.fakes.clock.now()

    async def open(self) -> LetterHouse:
        register = self.desk.registry
        application = await register.add_application(
            NewApplication(
                name="Northwind Connect",
                kind=ApplicationKind.PUBLIC,
                partner_kinds=["seller", "vendor"],
                status=ApplicationStatus.PUBLISHED,
                application_id=f"amzn1.sp.solution.{uuid.uuid4()}",
            ),
            by=SYSTEM,
        )
        self.client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(self.client_id, client_secret)
        await register.set_credentials(
            application.id,
            Credentials(lwa_client_id=self.client_id, lwa_client_secret=client_secret),
            by=SYSTEM,
        )
        self.application_id = application.id
        instance = await register.add_instance(
            NewInstance(name="ERP", webhook_url="https://erp.example/hook"), by=SYSTEM
        )
        self.instance_id = instance.instance.id
        return self

    async def account(self, name: str = "Heron Books", **wishes: Any) -> str:
        """Granted just now."""
        facts: dict[str, Any] = {
            "name": name,
            "partner_kind": "seller",
            "client_email": "shop@heron.example",
            "application_id": self.application_id,
            "client_instance_id": self.instance_id,
            "region": "eu",
            "home_marketplace": "DE",
        }
        account = await self.desk.accounts.add(NewAccount(**(facts | wishes)), by=SYSTEM)
        await self.renew(account.id, f"A{secrets.token_hex(6).upper()}")
        return account.id

    async def renew(self, account_id: str, selling_partner_id: str = "") -> None:
        """By a pasted refresh token, which is the shortest way."""
        authorization = await self.authorization(account_id)
        partner = selling_partner_id or authorization.selling_partner_id
        await self.desk.consent.adopt(
            account_id,
            self.fakes.lwa.grant(self.client_id, partner),
            selling_partner_id=partner,
            granted_at=self.now,
            by=SYSTEM,
        )

    async def authorization(self, account_id: str) -> Authorization:
        async with self.fakes.store.transaction() as tx:
            found = await tx.authorizations.one(account_id=account_id)
        assert found is not None
        return found

    async def ending(self, account_id: str, **other: Any) -> OutboxItem:
        """The letter to the client, written and not delivered."""
        ends_at = (await self.authorization(account_id)).term_ends_at
        assert ends_at is not None
        facts = {"days_left": 1, "ends_at": ends_at.isoformat(), "over": False, **other}
        async with self.fakes.store.transaction() as tx:
            item = await self.desk.consent.put_renewal_letter(
                tx, account_id, now=self.now, topic="authorization_ending", facts=facts
            )
        assert item is not None
        return item

    async def digest(self, **tables: list[dict[str, Any]]) -> OutboxItem:
        async with self.fakes.store.transaction() as tx:
            return await put_mail(
                tx,
                now=self.now,
                topic="operators_digest",
                subject="operators",
                to="dev-support@northwind.example",
                facts=tables,
            )

    async def row(self, account_id: str) -> dict[str, Any]:
        """Of the digest, as the clock tower writes it."""
        authorization = await self.authorization(account_id)
        account = (await self.desk.accounts.get(account_id, by=SYSTEM)).account
        ends_at = authorization.term_ends_at
        return {
            "account_id": account_id,
            "account_name": account.name,
            "authorization_id": authorization.id,
            "ends_at": ends_at.isoformat() if ends_at else None,
            "days_left": 9,
            "letter_to": account.client_email,
        }

    async def sent(self, item: OutboxItem) -> OutboxItem:
        """Delivered, and taken by the relay."""
        done = await self.desk.post.deliver(item.id)
        assert done.state is OutboxState.SENT, done.last_error
        return done

    async def item(self, id: str) -> OutboxItem:
        async with self.fakes.store.transaction() as tx:
            found = await tx.outbox.get(id)
        assert found is not None
        return found

    async def notices(self) -> list[Notice]:
        return await self.desk.notices.list(by=SYSTEM)
