"""A reception on fakes, with an Amazon that selling partners consent at."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest

from evergrant import vault
from evergrant.accounts import Accounts
from evergrant.consent import Arrived, Consent, Departure, Onward
from evergrant.errors import ConsentRefused, OverLimit
from evergrant.ports.amazon import Hears, ReportedParticipation
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    Grant,
    Handshake,
    IntegrationCredentials,
    Invitation,
    OutboxItem,
    SupportReport,
)
from evergrant.registry import Registry
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.budgets import Importance
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from evergrant.settings import House
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.lwa import FakeLWA
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi
from evergrant.testing.store import MemoryStore
from evergrant.vault import Vault

PUBLIC_URL = "https://connect.northwind.example"
SUPPORT = "dev-support@northwind.example"
BOSS = Caller(kind=CallerKind.OPERATOR, id="opr_boss", name="Boss", rights=frozenset(Right))


@dataclass
class Trip:
    """One browser on its way through Amazon."""

    departure: Departure

    @property
    def browser(self) -> str:
        return self.departure.browser.reveal()

    @property
    def state(self) -> str:
        return parse_qs(urlsplit(self.departure.location.reveal()).query)["state"][0]


class Permits:
    """The gate as the reception sees it: what it gave leave for, and which answers it heard."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, str, str, float]] = []
        self.heard: list[int] = []
        self.spent_for_s: float | None = None
        self.importance: Importance | None = None

    @asynccontextmanager
    async def permitted(
        self,
        operation: str,
        access_token: Secret,
        *,
        account_id: str,
        application_id: str,
        region: Region,
        ready_to_wait_s: float,
        importance: Importance = Importance.SECOND,
    ) -> AsyncIterator[Hears]:
        assert access_token.reveal()
        self.importance = importance
        if self.spent_for_s is not None:
            raise OverLimit(f"{operation} is spent.", retry_after_s=self.spent_for_s)
        self.given.append((operation, account_id, application_id, region.value, ready_to_wait_s))
        yield lambda answer: self.heard.append(answer.status)


@dataclass
class Reception:
    """The room, the fakes that it stands on, and shortcuts to look at what it did."""

    support_email: str = SUPPORT
    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    bell: MemoryBell = field(default_factory=MemoryBell)

    def __post_init__(self) -> None:
        self.vault = Vault(MemoryKeyring())
        self.lwa = FakeLWA(self.clock)
        self.api = FakeSellingPartnerApi(self.lwa, self.clock)
        self.permits = Permits()
        self.registry = Registry(self.store, self.clock, self.vault, STANDARD)
        self.accounts = Accounts(self.store, self.clock, STANDARD)
        self.house = House(
            name="Northwind ERP",
            public_url=PUBLIC_URL,
            support_email=self.support_email,
            mail_from="connect@northwind.example",
        )
        self.consent = self.another()
        self.instance: ClientInstance
        self.application: Application

    def another(self) -> Consent:
        """A second process on the same store."""
        return Consent(
            store=self.store,
            clock=self.clock,
            vault=self.vault,
            registry=self.registry,
            accounts=self.accounts,
            lwa=self.lwa,
            selling_partner_api=self.api,
            permitted=self.permits.permitted,
            bell=self.bell,
            marketplaces=STANDARD,
            house=self.house,
            login_uri=f"{PUBLIC_URL}/amazon/login",
            redirect_uri=f"{PUBLIC_URL}/callback",
            invitation_life=timedelta(days=14),
            commit_patience_s=(0, 0, 0),
        )

    # --- what there is ---

    def tick(self) -> None:
        """Ids sort by the millisecond; what happens next is to sort behind."""
        self.clock.move(milliseconds=1)

    def id(self, kind: ids.Kind) -> str:
        self.tick()
        return ids.make(kind, self.clock.now(), secrets.token_bytes(10))

    async def add_instance(self, **wishes: Any) -> ClientInstance:
        now = self.clock.now()
        values = {"name": f"ERP {secrets.token_hex(2)}", "created_at": now, "changed_at": now}
        instance = ClientInstance(id=self.id(ids.Kind.INSTANCE), **{**values, **wishes})
        async with self.store.transaction() as tx:
            await tx.instances.add(instance)
        return instance

    async def add_application(self, *, complete: bool = True, **wishes: Any) -> Application:
        now = self.clock.now()
        values: dict[str, Any] = {
            "name": f"Connector {secrets.token_hex(2)}",
            "kind": ApplicationKind.PUBLIC,
            "partner_kinds": frozenset(PartnerKind),
            "status": ApplicationStatus.PUBLISHED,
            "application_id": f"amzn1.sp.solution.{_uuid()}",
            "created_at": now,
            "changed_at": now,
        }
        application = Application(id=self.id(ids.Kind.APPLICATION), **{**values, **wishes})
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.lwa.add_client(client_id, client_secret)
        async with self.store.transaction() as tx:
            await tx.applications.add(application)
            if complete:
                await tx.credentials.add(
                    IntegrationCredentials(
                        id=application.id, lwa_client_id=client_id, secret_set=True, changed_at=now
                    )
                )
                name = vault.client_secret(application.id)
                await self.vault.put(tx, name, client_secret, now=now)
        return application

    async def add_account(self, **wishes: Any) -> Account:
        now = self.clock.now()
        application = wishes.pop("application", self.application)
        instance = wishes.pop("instance", self.instance)
        kind = wishes.get("partner_kind", PartnerKind.SELLER)
        values: dict[str, Any] = {
            "name": f"Shop {secrets.token_hex(3)}",
            "partner_kind": kind,
            "vendor_kind": VendorKind.RETAIL if kind is PartnerKind.VENDOR else None,
            "client_email": f"owner-{secrets.token_hex(3)}@shop.example",
            "application_id": application.id,
            "client_instance_id": instance.id,
            "region": Region.EU,
            "home_marketplace": "DE",
            "created_at": now,
            "changed_at": now,
        }
        account = Account(id=self.id(ids.Kind.ACCOUNT), **{**values, **wishes})
        authorization = Authorization(
            id=self.id(ids.Kind.AUTHORIZATION),
            account_id=account.id,
            application_id=application.id,
            region=account.region,
            state=State.AWAITING,
            changed_at=now,
        )
        async with self.store.transaction() as tx:
            await tx.accounts.add(account)
            await tx.authorizations.add(authorization)
        return account

    def sells(self, selling_partner_id: str, *countries: str) -> None:
        """At Amazon there is such a seller."""
        rows = [STANDARD.by_country(country) for country in countries or ("DE", "FR")]
        self.api.participate(
            selling_partner_id,
            [
                ReportedParticipation(
                    marketplace_id=row.marketplace_id,
                    country_code=row.country_code,
                    name=row.name,
                    participating=True,
                )
                for row in rows
            ],
            endpoint=STANDARD.endpoint(rows[0].region),
        )

    async def client_id(self, application_id: str) -> str:
        async with self.store.transaction() as tx:
            credentials = await tx.credentials.get(application_id)
        assert credentials is not None
        return credentials.lwa_client_id

    # --- the way of a partner ---

    async def link(self, account: Account) -> str:
        """The secret part of the link."""
        self.tick()
        link = await self.consent.link(account.id, by=BOSS)
        return link.reveal().rpartition("/")[2]

    async def begin(self, account: Account, browser: str | None = None) -> Trip:
        return Trip(await self.consent.begin(await self.link(account), browser))

    async def code(self, account: Account, selling_partner_id: str) -> Secret:
        self.tick()
        client_id = await self.client_id(account.application_id)
        return self.lwa.code(client_id, f"{PUBLIC_URL}/callback", about=selling_partner_id)

    async def callback(
        self, trip: Trip, account: Account, shop: str, /, **changes: str | None
    ) -> str:
        """The query of Amazon's callback; a change to None leaves a parameter out."""
        query = {
            "state": trip.state,
            "selling_partner_id": shop,
            "spapi_oauth_code": (await self.code(account, shop)).reveal(),
            **changes,
        }
        return urlencode({name: value for name, value in query.items() if value is not None})

    def log_in_query(
        self, account_or_application: Account | Application, selling_partner_id: str, **changes: Any
    ) -> str:
        application = (
            account_or_application
            if isinstance(account_or_application, Application)
            else self.store.rows["applications"][account_or_application.application_id]
        )
        query = {
            "amazon_callback_uri": "https://sellercentral-europe.amazon.com/apps/authorize/confirm/"
            + application.application_id,
            "selling_partner_id": selling_partner_id,
            **changes,
        }
        raw_state = query.pop("amazon_state", quote(secrets.token_urlsafe(20)))
        kept = {name: value for name, value in query.items() if value is not None}
        return f"{urlencode(kept)}&amazon_state={raw_state}" if raw_state else urlencode(kept)

    async def exchanging(self, calls: int) -> None:
        """Waits until so many are asking LWA (which has to be on `hold`)."""
        for _ in range(1000):
            if self.lwa.count("exchange_code") >= calls:
                return
            await asyncio.sleep(0)
        raise AssertionError("LWA was not asked")

    async def connect(self, account: Account, selling_partner_id: str) -> Arrived:
        trip = await self.begin(account)
        query = await self.callback(trip, account, selling_partner_id)
        return await self.consent.accept(query, trip.browser)

    async def refused(self, trip: Trip, query: str, browser: str | None = "own") -> ConsentRefused:
        visitor = trip.browser if browser == "own" else browser
        with pytest.raises(ConsentRefused) as caught:
            await self.consent.accept(query, visitor)
        return caught.value

    # --- what came of it ---

    def authorization(self, account: Account) -> Authorization:
        (row,) = self.rows("authorizations", account_id=account.id)
        assert isinstance(row, Authorization)
        return row

    def grants(self, account: Account) -> list[Grant]:
        return self.rows("grants", authorization_id=self.authorization(account).id)

    def handshakes(self, account: Account) -> list[Handshake]:
        return self.rows("handshakes", account_id=account.id)

    def invitations(self, account: Account) -> list[Invitation]:
        return self.rows("invitations", account_id=account.id)

    def reports(self, **equal: Any) -> list[SupportReport]:
        return self.rows("reports", **equal)

    def outbox(self, topic: str | None = None) -> list[OutboxItem]:
        return self.rows("outbox", **({"topic": topic} if topic else {}))

    def rows(self, shelf: str, **equal: Any) -> list[Any]:
        found = [
            row
            for row in self.store.rows[shelf].values()
            if all(getattr(row, name) == value for name, value in equal.items())
        ]
        return sorted(found, key=lambda row: row.id)

    def verbs(self, account: Account | None = None) -> list[str]:
        return [
            line.verb
            for line in self.store.lines
            if account is None or line.account_id == account.id
        ]

    def nothing_stored(self, account: Account) -> bool:
        """No grant, no token, still waiting."""
        authorization = self.authorization(account)
        return (
            authorization.state is State.AWAITING
            and authorization.grant_id is None
            and not self.grants(account)
            and vault.access_token(authorization.id) not in self.store.rows["safe"]
        )

    async def sealed(self, name: str) -> str | None:
        async with self.store.transaction() as tx:
            secret = await self.vault.open(tx, name)
        return None if secret is None else secret.reveal()

    def written_down(self) -> str:
        """Everything that lies unsealed in the store, as one text to search for secrets."""
        rows = {name: rows for name, rows in self.store.rows.items() if name != "safe"}
        return repr((rows, self.store.lines))


def query_of(location: Secret | str) -> Mapping[str, str]:
    text = location.reveal() if isinstance(location, Secret) else location
    return dict(parse_qsl(urlsplit(text).query))


def onward(step: object) -> Onward:
    assert isinstance(step, Onward)
    return step


def _uuid() -> str:
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@pytest.fixture
async def reception() -> Reception:
    made = Reception()
    made.instance = await made.add_instance()
    made.application = await made.add_application()
    return made


@pytest.fixture
def now(reception: Reception) -> datetime:
    return reception.clock.now()
