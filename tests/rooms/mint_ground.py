"""A small Amazon and two processes of Evergrant on one store, for the tests of mint and gate."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant import vault as safe
from evergrant.ports.store import Store
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    Grant,
    GrantSource,
    IntegrationCredentials,
    JournalLine,
    OutboxItem,
)
from evergrant.registry import Registry
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.ids import Kind
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.lwa import FakeLWA
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi
from evergrant.testing.store import MemoryStore
from evergrant.tokens import AccessToken, Tokens
from evergrant.vault import Vault

PROGRAM = Caller(
    kind=CallerKind.API_KEY, id="key_1", name="ERP", rights=frozenset({Right.ACCESS_TOKENS})
)
OPERATOR = Caller(kind=CallerKind.OPERATOR, id="opr_1", name="Ada", rights=frozenset(Right))


class Stopwatch:
    """Monotonic seconds, moved by hand (and by a grain at each look, as time does); sleeping
    moves them and is remembered."""

    def __init__(self) -> None:
        self.at_s = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        self.at_s += 1e-6
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at_s += seconds
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Held:
    """One account and the name of its grant at Amazon."""

    account_id: str
    authorization_id: str
    grant_id: str
    about: str
    refresh_token: Secret


class Ground:
    """``stores``: that of the first process and that of the second; in memory they share one."""

    def __init__(self, *stores: Store) -> None:
        self.clock = FakeClock()
        self.watch = Stopwatch()
        self.memory = MemoryStore()
        self.store: Store = stores[0] if stores else self.memory
        self.vault = Vault(MemoryKeyring())
        self.registry = Registry(self.store, self.clock, self.vault, STANDARD)
        self.lwa = FakeLWA(self.clock)
        self.api = FakeSellingPartnerApi(self.lwa, self.clock)
        self.bell = MemoryBell()
        self.here = self.process()
        self.there = self.process(stores[-1] if stores else None)

    def process(self, store: Store | None = None, **settings: Any) -> Tokens:
        """One more process on the same database."""
        store = store or self.store
        return Tokens(
            store=store,
            clock=self.clock,
            vault=self.vault,
            registry=Registry(store, self.clock, self.vault, STANDARD),
            lwa=self.lwa,
            bell=self.bell,
            selling_partner_api=self.api,
            marketplaces=STANDARD,
            monotonic=self.watch,
            sleep=self.watch.sleep,
            **settings,
        )

    def id(self, kind: Kind) -> str:
        return ids.make(kind, self.clock.now(), secrets.token_bytes(10))

    async def application(self, *, secret: bool = True) -> str:
        now = self.clock.now()
        application = Application(
            id=self.id(Kind.APPLICATION),
            name=f"House {secrets.token_hex(4)}",
            kind=ApplicationKind.PUBLIC,
            partner_kinds=frozenset(PartnerKind),
            status=ApplicationStatus.PUBLISHED,
            application_id=f"amzn1.sp.solution.{secrets.token_hex(8)}",
            created_at=now,
            changed_at=now,
        )
        client_id, client_secret = f"client-{secrets.token_hex(4)}", Secret(secrets.token_hex(16))
        async with self.store.transaction() as tx:
            await tx.applications.add(application)
            await tx.credentials.add(
                IntegrationCredentials(
                    id=application.id, lwa_client_id=client_id, secret_set=secret, changed_at=now
                )
            )
            if secret:
                await self.vault.put(tx, safe.client_secret(application.id), client_secret, now=now)
        self.lwa.add_client(client_id, client_secret)
        return application.id

    async def instance(self, *, webhook: bool = True) -> str:
        now = self.clock.now()
        instance = ClientInstance(
            id=self.id(Kind.INSTANCE),
            name=f"Instance {secrets.token_hex(4)}",
            webhook_url="https://erp.example/hook" if webhook else "",
            created_at=now,
            changed_at=now,
        )
        async with self.store.transaction() as tx:
            await tx.instances.add(instance)
        return instance.id

    async def account(
        self,
        application_id: str,
        instance_id: str,
        *,
        region: Region = Region.EU,
        state: State = State.ACTIVE,
        selling_partner_id: str = "",
        term_ends_at: datetime | None = None,
        about: str = "",
    ) -> Held:
        """An account whose consent was given just now. AWAITING: without a grant."""
        now = self.clock.now()
        account = Account(
            id=self.id(Kind.ACCOUNT),
            name=f"Shop {secrets.token_hex(6)}",
            partner_kind=PartnerKind.SELLER,
            client_email="owner@shop.example",
            application_id=application_id,
            client_instance_id=instance_id,
            region=region,
            home_marketplace="DE",
            created_at=now,
            changed_at=now,
        )
        authorization = Authorization(
            id=self.id(Kind.AUTHORIZATION),
            account_id=account.id,
            application_id=application_id,
            region=region,
            state=State.AWAITING,
            selling_partner_id=selling_partner_id or f"A{secrets.token_hex(6).upper()}",
            changed_at=now,
        )
        async with self.store.transaction() as tx:
            await tx.accounts.add(account)
            await tx.authorizations.add(authorization)
        if state is State.AWAITING:
            return Held(account.id, authorization.id, "", "", Secret(""))
        held = await self.grant(
            account.id, authorization.id, application_id, about=about or account.name
        )
        async with self.store.transaction() as tx:
            await tx.authorizations.change(
                authorization.id,
                state=state,
                term_ends_at=term_ends_at or now + timedelta(days=365),
            )
        return held

    async def grant(
        self, account_id: str, authorization_id: str, application_id: str, *, about: str
    ) -> Held:
        """A fresh grant for this account, put where the reception puts it."""
        now = self.clock.now()
        async with self.store.transaction() as tx:
            credentials = await tx.credentials.get(application_id)
            assert credentials is not None
            refresh_token = self.lwa.grant(credentials.lwa_client_id, about)
            grant = Grant(
                id=self.id(Kind.GRANT),
                authorization_id=authorization_id,
                source=GrantSource.CONSENT,
                selling_partner_id="",
                granted_at=now,
                term_ends_at=None,
                created_at=now,
            )
            await tx.grants.add(grant)
            await tx.authorizations.change(
                authorization_id, state=State.ACTIVE, grant_id=grant.id, granted_at=now
            )
            await self.vault.put(tx, safe.refresh_token(grant.id), refresh_token, now=now)
        return Held(account_id, authorization_id, grant.id, about, refresh_token)

    async def mint(self, held: Held, process: Tokens | None = None, **how: Any) -> AccessToken:
        return await (process or self.here).mint(held.account_id, by=PROGRAM, **how)

    def about(self, token: AccessToken) -> str:
        """Whose token it is, as Amazon knows it."""
        issued = self.lwa.issued(token.value)
        assert issued is not None, "no token of Amazon's at all"
        return issued.about

    async def authorization(self, held: Held) -> Authorization:
        async with self.store.transaction() as tx:
            found = await tx.authorizations.get(held.authorization_id)
        assert found is not None
        return found

    async def diary(self, subject: str) -> list[JournalLine]:
        async with self.store.transaction() as tx:
            return await tx.journal.read(subject=subject)

    async def board(self) -> set[NoticeKind]:
        """What hangs on the notice board."""
        async with self.store.transaction() as tx:
            return {notice.kind for notice in await tx.notices.all(settled_at=None)}

    async def outbox(self) -> list[OutboxItem]:
        async with self.store.transaction() as tx:
            return await tx.outbox.all()


async def until(what: str, look: Any, within_s: float = 60.0) -> None:
    """Lets others run until ``look()`` is true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not look():
        assert loop.time() < deadline, f"waited for {what}"
        await asyncio.sleep(0)
