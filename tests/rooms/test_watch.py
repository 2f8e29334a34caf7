"""The clock tower: what time alone brings about, at the right instant, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evergrant import vault
from evergrant.bounces import Bounces
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    OutboxKind,
)
from evergrant.rotation import Turned
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.secrecy import Secret
from evergrant.settings import Watching
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import HOUSE
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.store import MemoryStore
from evergrant.watch import KEPT_AFTER_EXPIRY, Swept, Watch

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDS = START + timedelta(days=365)


class Reception:
    def __init__(self) -> None:
        self.lost: list[str] = []
        self.stumbles = False
        self.asked_at: list[datetime] = []
        self.owed: list[str] = []
        self.tokens: list[Secret] = []

    async def lose_stale(self, now: datetime) -> Sequence[str]:
        self.asked_at.append(now)
        if self.stumbles:
            raise LookupError("a handshake without an account")
        return self.lost

    async def look_where_due(self, access_token_of: Callable[[str], Awaitable[Secret]]) -> int:
        self.tokens = [await access_token_of(account_id) for account_id in self.owed]
        return len(self.tokens)


class Mint:
    async def mint(self, account_id: str, *, by: Caller) -> Any:
        assert by is SYSTEM
        return SimpleNamespace(value=Secret(f"access token of {account_id}"))


class Locksmith:
    def __init__(self) -> None:
        self.promotes = 0

    async def tell_ends(self) -> Turned:
        return Turned()

    async def round(self) -> Turned:
        return Turned(asked=3, promoted=self.promotes)


class World:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(START)
        self.vault = vault.Vault(MemoryKeyring())
        self.bell = MemoryBell()
        self.reception = Reception()
        self.locksmith = Locksmith()

    def watch(self) -> Watch:
        rooms: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "vault": self.vault,
            "consent": self.reception,
            "tokens": Mint(),
            "rotations": self.locksmith,
            "bounces": Bounces(self.store, self.clock),
            "bell": self.bell,
            "house": HOUSE,
            "watching": Watching(reminder_days=()),
        }
        return Watch(**rooms)

    async def authorization(self, number: int = 1, **wishes: Any) -> Authorization:
        """An account and its authorization, active for a year from START."""
        account = Account(
            id=f"acc_{number}",
            name=f"Shop {number}",
            partner_kind=PartnerKind.SELLER,
            client_email="shop@heron.example",
            application_id="app_1",
            client_instance_id="ins_1",
            region=Region.EU,
            home_marketplace="DE",
            created_at=START,
            changed_at=START,
        )
        facts: dict[str, Any] = {
            "id": f"aut_{number}",
            "account_id": account.id,
            "application_id": "app_1",
            "region": Region.EU,
            "state": State.ACTIVE,
            "selling_partner_id": f"A{number}",
            "granted_at": START,
            "term_ends_at": ENDS,
            "changed_at": START,
        }
        authorization = Authorization(**(facts | wishes))
        async with self.store.transaction() as tx:
            await tx.accounts.add(account)
            await tx.authorizations.add(authorization)
        return authorization

    async def now_is(self, number: int = 1) -> Authorization:
        async with self.store.transaction() as tx:
            found = await tx.authorizations.get(f"aut_{number}")
        assert found is not None
        return found

    async def put(self, name: str, expires_at: datetime | None) -> None:
        async with self.store.transaction() as tx:
            await self.vault.put(tx, name, Secret("x"), now=self.clock.now(), expires_at=expires_at)

    async def safe(self) -> list[str]:
        async with self.store.transaction() as tx:
            return [sealed.id for sealed in await tx.safe.all()]

    async def webhooks(self) -> list[Any]:
        async with self.store.transaction() as tx:
            return await tx.outbox.all(kind=OutboxKind.WEBHOOK)

    async def journal(self) -> list[Any]:
        async with self.store.transaction() as tx:
            return await tx.journal.read(limit=500)


@pytest.fixture
async def world() -> World:
    world = World()
    async with world.store.transaction() as tx:
        await tx.applications.add(
            Application(
                id="app_1",
                name="Northwind Connect",
                kind=ApplicationKind.PUBLIC,
                partner_kinds=frozenset(PartnerKind),
                status=ApplicationStatus.DRAFT,
                application_id="amzn1.sp.solution.1",
                created_at=START,
                changed_at=START,
            )
        )
        await tx.instances.add(
            ClientInstance(
                id="ins_1",
                name="ERP",
                webhook_url="https://erp.example/hook",
                created_at=START,
                changed_at=START,
            )
        )
    return world


async def test_a_quiet_minute(world: World) -> None:
    await world.authorization()
    assert await world.watch().sweep() == Swept()
    assert world.reception.asked_at == [START]
    assert await world.journal() == []


async def test_lost_handshakes_are_the_receptions_matter(world: World) -> None:
    world.reception.lost = ["hsk_1", "hsk_2"]
    assert (await world.watch().sweep()).handshakes_lost == 2


async def test_rotations_are_the_locksmiths_matter(world: World) -> None:
    world.locksmith.promotes = 2
    watch = world.watch()
    assert (await watch.sweep()).secrets_promoted == 0, "they may wait for AWS, apart from all else"
    assert (await watch.rotate()).promoted == 2
    assert (await watch.sweep_all()).secrets_promoted == 2


async def test_looks_that_are_owed_are_made_with_access_tokens_of_the_mint(world: World) -> None:
    world.reception.owed = ["acc_1", "acc_2"]
    watch = world.watch()
    assert (await watch.sweep()).looks_made == 0, "they wait for Amazon, and reminders for nobody"
    assert (await watch.probe()).first_looks == 2
    assert [token.reveal() for token in world.reception.tokens] == [
        "access token of acc_1",
        "access token of acc_2",
    ]


async def test_a_term_ends_at_its_instant_and_once(world: World) -> None:
    before = await world.authorization()
    await world.put(vault.access_token("aut_1"), ENDS + timedelta(minutes=30))
    watch = world.watch()
    world.clock.set(ENDS - timedelta(microseconds=1))
    assert (await watch.sweep()).terms_ended == 0
    world.clock.set(ENDS)
    assert (await watch.sweep()).terms_ended == 1
    assert (await watch.sweep()).terms_ended == 0
    lapsed = await world.now_is()
    assert lapsed.state is State.LAPSED
    assert lapsed.version == before.version + 1
    assert lapsed.changed_at == ENDS
    assert lapsed.selling_partner_id == before.selling_partner_id
    assert await world.safe() == [], "its access token is served no more"
    (line,) = await world.journal()
    assert (line.verb, line.subject, line.account_id) == ("authorization.lapsed", "aut_1", "acc_1")
    assert line.facts["before"] == "active"
    assert line.facts["after"] == "lapsed"


async def test_the_client_instance_hears_of_it(world: World) -> None:
    await world.authorization()
    world.clock.set(ENDS)
    await world.watch().sweep()
    (item,) = await world.webhooks()
    assert (item.kind, item.topic, item.to) == (
        OutboxKind.WEBHOOK,
        "authorization.lapsed",
        "ins_1",
    )
    assert item.facts["account_id"] == "acc_1"
    assert item.facts["state"] == "lapsed"
    assert datetime.fromisoformat(item.facts["term_ends_at"]) == ENDS
    assert item.id in world.bell.rung


async def test_an_instance_without_webhook_hears_nothing(world: World) -> None:
    await world.authorization()
    async with world.store.transaction() as tx:
        await tx.instances.change("ins_1", webhook_url="")
    world.clock.set(ENDS)
    assert (await world.watch().sweep()).terms_ended == 1
    assert await world.webhooks() == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.ACTIVE])
async def test_only_what_is_active_can_lapse(world: World, state: State) -> None:
    await world.authorization(state=state)
    world.clock.set(ENDS + timedelta(days=1))
    assert (await world.watch().sweep()).terms_ended == 0
    assert (await world.now_is()).state is state


async def test_a_term_without_a_known_end_never_ends(world: World) -> None:
    await world.authorization(term_ends_at=None)
    world.clock.move(days=4000)
    assert (await world.watch().sweep()).terms_ended == 0


async def test_a_renewal_in_the_last_moment_wins(world: World) -> None:
    """It commits between the look and the change."""
    await world.authorization()
    world.clock.set(ENDS)
    renewed_until = ENDS + timedelta(days=365)
    original = world.store.transaction
    looks = 0

    def transaction() -> Any:
        nonlocal looks
        looks += 1
        return original() if looks != 2 else renewing()

    @asynccontextmanager
    async def renewing() -> AsyncIterator[Any]:
        async with original() as tx:
            await tx.authorizations.change("aut_1", term_ends_at=renewed_until, version=1)
        async with original() as tx:
            yield tx

    world.store.transaction = transaction  # type: ignore[method-assign]
    assert (await world.watch().sweep()).terms_ended == 0
    now = await world.now_is()
    assert (now.state, now.term_ends_at) == (State.ACTIVE, renewed_until)
    assert await world.webhooks() == []


async def test_two_towers_end_each_term_once(world: World) -> None:
    for number in range(20):
        await world.authorization(number)
    world.clock.set(ENDS)
    rounds = await asyncio.gather(*(world.watch().sweep() for _ in range(3)))
    assert sum(swept.terms_ended for swept in rounds) == 20
    told = {item.id for item in await world.webhooks()}
    assert len(told) == 20
    assert told < set(world.bell.rung)
    assert len(await world.journal()) == 20


async def test_expired_secrets_leave_the_safe(world: World) -> None:
    await world.put(vault.access_token("aut_1"), START + timedelta(hours=1))
    await world.put(vault.access_token("aut_2"), START + timedelta(hours=3))
    await world.put(vault.refresh_token("grt_1"), None)
    watch = world.watch()
    world.clock.set(START + timedelta(hours=1) + KEPT_AFTER_EXPIRY)
    assert (await watch.sweep()).secrets_swept == 0
    world.clock.move(seconds=1)
    assert (await watch.sweep()).secrets_swept == 1
    assert await world.safe() == [vault.access_token("aut_2"), vault.refresh_token("grt_1")]
    assert (await watch.sweep()).secrets_swept == 0


async def test_one_step_that_stumbles_keeps_no_other_from_its_work(world: World) -> None:
    await world.authorization()
    await world.put(vault.access_token("aut_9"), START)
    world.reception.stumbles = True
    world.clock.set(ENDS)
    with pytest.raises(LookupError):
        await world.watch().sweep()
    assert (await world.now_is()).state is State.LAPSED
    assert await world.safe() == []


async def test_every_trouble_is_told_and_the_first_one_raised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.authorization()
    world.reception.stumbles = True
    logged: list[BaseException] = []
    log = SimpleNamespace(error=lambda said, exc_info: logged.append(exc_info))
    monkeypatch.setattr("evergrant.watch.log", log)

    async def broken(_: Bounces) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(Bounces, "settle_arrived", broken)
    world.clock.set(ENDS)
    with pytest.raises(LookupError):
        await world.watch().sweep()
    assert [type(one) for one in logged] == [ZeroDivisionError]
    async with world.store.transaction() as tx:
        (letter,) = await tx.outbox.all(topic="operators_digest")
    assert letter.facts["lapsed"], "and the daily letter is written all the same"


async def test_a_decade_asleep_ends_everything_in_order(world: World) -> None:
    for number in range(3):
        await world.authorization(number, term_ends_at=ENDS + timedelta(days=number))
    world.clock.move(days=3650)
    assert (await world.watch().sweep()).terms_ended == 3
    assert [line.subject for line in await world.journal()] == ["aut_0", "aut_1", "aut_2"]
