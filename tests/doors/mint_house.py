"""A house with one connected account, for the tests of the two token doors."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from dataclasses import dataclass, field
from typing import Any

from evergrant.accounts import NewAccount
from evergrant.desk import Desk
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from evergrant.testing import desk as testing_desk
from evergrant.testing.desk import Fakes
from evergrant.tokens import Tokens

SETTINGS = Settings.from_environment({})


@dataclass
class House:
    fakes: Fakes = field(default_factory=Fakes)
    desk: Desk = field(init=False)
    application_id: str = ""
    instance_id: str = ""
    lwa_client_id: str = ""

    def __post_init__(self) -> None:
        desk = testing_desk.desk(self.fakes)
        # As wired, but nobody waits in real time between two tries.
        tokens = Tokens(
            store=self.fakes.store,
            clock=self.fakes.clock,
            vault=desk.vault,
            registry=desk.registry,
            lwa=self.fakes.lwa,
            bell=self.fakes.bell,
            sleep=_no_time,
        )
        self.desk = dataclasses.replace(desk, tokens=tokens)

    async def open(self) -> House:
        number = secrets.token_hex(4)
        application = await self.desk.registry.add_application(
            NewApplication(
                name=f"Connector {number}",
                kind=ApplicationKind.PRIVATE,
                partner_kinds=frozenset(PartnerKind),
                status=ApplicationStatus.PUBLISHED,
                application_id=f"amzn1.sp.solution.{_uuid()}",
            ),
            by=SYSTEM,
        )
        self.application_id = application.id
        self.lwa_client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(self.lwa_client_id, client_secret)
        await self.desk.registry.set_credentials(
            application.id,
            Credentials(lwa_client_id=self.lwa_client_id, lwa_client_secret=client_secret),
            by=SYSTEM,
        )
        self.instance_id = (
            await self.desk.registry.add_instance(NewInstance(name=f"ERP {number}"), by=SYSTEM)
        ).instance.id
        return self

    async def account(self, *, connected: bool = True) -> str:
        """The id of a seller's account; the grant's name at the fake LWA is the id."""
        account = await self.desk.accounts.add(
            NewAccount(
                name=f"Shop {secrets.token_hex(4)}",
                partner_kind=PartnerKind.SELLER,
                client_email="owner@shop.example",
                application_id=self.application_id,
                client_instance_id=self.instance_id,
                region="eu",
                home_marketplace="DE",
            ),
            by=SYSTEM,
        )
        if connected:
            refresh_token = self.fakes.lwa.grant(self.lwa_client_id, account.id)
            await self.desk.consent.adopt(
                account.id,
                refresh_token,
                by=SYSTEM,
                selling_partner_id=f"A{secrets.token_hex(6).upper()}",
            )
        return account.id

    async def api_key(self, *rights: str, instance: str | None = None) -> str:
        made = await self.desk.people.add_api_key(
            name="a program",
            rights=rights or ("access_tokens",),
            client_instance_id=instance,
            by=SYSTEM,
        )
        return made.secret.reveal()

    async def connection_key(self, account_id: str) -> str:
        made = await self.desk.people.add_connection_key(account_id, name="SDK", by=SYSTEM)
        return made.secret.reveal()

    def about(self, access_token: Any) -> str:
        issued = self.fakes.lwa.issued(Secret(access_token))
        assert issued is not None, "no token of Amazon's at all"
        return issued.about


async def _no_time(seconds: float) -> None:
    await asyncio.sleep(0)


def _uuid() -> str:
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
