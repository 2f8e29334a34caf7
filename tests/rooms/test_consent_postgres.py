"""The same reception on PostgreSQL, where transactions really run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from evergrant import vault
from evergrant.adapters.store import open_store
from evergrant.consent import Arrived, Consent
from evergrant.errors import Conflict, ConsentRefused
from evergrant.ports.store import Store
from evergrant.ports.things import Account, Authorization, HandshakeStep, InvitationState
from evergrant.rules.lifecycle import State
from evergrant.testing.store import MemoryStore
from tests.rooms.conftest import BOSS, SUPPORT, Reception
from tests.rooms.test_consent_looks import tower

SHOP = "A1SHOPSHOPSHOP"
OTHER = "A2OTHEROTHER22"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = await open_store(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def here(store: Store) -> Reception:
    reception = Reception(store=cast("MemoryStore", store))
    reception.instance = await reception.add_instance(webhook_url="https://erp.example/hook")
    reception.application = await reception.add_application()
    return reception


async def rows(here: Reception, shelf: str, **equal: Any) -> list[Any]:
    async with here.store.transaction() as tx:
        found: list[Any] = await getattr(tx, shelf).all(**equal)
    return found


async def authorization(here: Reception, account: Account) -> Authorization:
    (row,) = await rows(here, "authorizations", account_id=account.id)
    assert isinstance(row, Authorization)
    return row


async def verbs(here: Reception) -> list[str]:
    async with here.store.transaction() as tx:
        return [line.verb for line in await tx.journal.read(limit=500)]


async def at_once(
    here: Reception, accounts: list[Account], shops: list[str]
) -> list[Arrived | BaseException]:
    """Every callback believed, every code exchanged, then all of them stored at the same time."""
    trips = [await here.begin(account) for account in accounts]
    queries = [
        await here.callback(trip, account, shop)
        for trip, account, shop in zip(trips, accounts, shops, strict=True)
    ]
    rooms = [here.another() for _ in trips]
    with here.lwa.hold():
        tasks = [
            asyncio.create_task(room.accept(query, trip.browser))
            for room, query, trip in zip(rooms, queries, trips, strict=True)
        ]
        async with asyncio.timeout(60):
            await _asked(here, len(tasks))
    return await asyncio.gather(*tasks, return_exceptions=True)


async def _asked(here: Reception, calls: int) -> None:
    while here.lwa.count("exchange_code") < calls:  # noqa: ASYNC110 - the fake has no event
        await asyncio.sleep(0.002)


def refusals(ended: list[Arrived | BaseException]) -> list[str]:
    odd = [end for end in ended if not isinstance(end, (Arrived, ConsentRefused))]
    assert odd == []
    return [end.reason for end in ended if isinstance(end, ConsentRefused)]


async def test_the_whole_way(here: Reception) -> None:
    here.sells(SHOP)
    account = await here.add_account()
    await here.consent.invite(account.id, by=BOSS)
    trip = await here.begin(account)
    query = await here.callback(trip, account, SHOP)
    arrived = await here.consent.accept(query, trip.browser)
    assert arrived.connected
    assert set(arrived.marketplaces) == {"Germany", "France"}
    granted = await authorization(here, account)
    assert granted.state is State.ACTIVE
    (grant,) = await rows(here, "grants")
    assert grant.handshake_id == trip.departure.handshake_id
    assert await here.sealed(vault.refresh_token(grant.id))
    assert await here.sealed(vault.access_token(granted.id))
    (event,) = await rows(here, "outbox", topic="authorization.granted")
    assert event.facts["selling_partner_id"] == SHOP
    (invitation,) = await rows(here, "invitations")
    assert invitation.state is InvitationState.SPENT
    again = await here.consent.accept(query, trip.browser)
    assert again == arrived
    renewed = await here.connect(account, SHOP)
    assert renewed.renewal
    assert "authorization.renewed" in await verbs(here)


async def test_one_callback_sent_many_times_at_once(here: Reception) -> None:
    account = await here.add_account()
    trip = await here.begin(account)
    query = await here.callback(trip, account, SHOP)
    rooms = [here.another() for _ in range(8)]
    arrived = await asyncio.gather(*(room.accept(query, trip.browser) for room in rooms))
    assert here.lwa.count("exchange_code") == 1
    assert any(one.connected for one in arrived)
    assert len(await rows(here, "grants")) == 1


async def test_many_accounts_race_for_one_shop(here: Reception) -> None:
    accounts = [await here.add_account() for _ in range(6)]
    ended = await at_once(here, accounts, [SHOP] * 6)
    assert refusals(ended) == ["already_connected"] * 5
    states = [(await authorization(here, account)).state for account in accounts]
    assert states.count(State.ACTIVE) == 1
    assert states.count(State.AWAITING) == 5
    assert len(await rows(here, "grants")) == 1
    assert len(await rows(here, "handshakes", step=HandshakeStep.FAILED)) == 5
    assert len(await rows(here, "reports", reason="already_connected")) == 5


async def test_two_shops_race_for_one_account(here: Reception) -> None:
    account = await here.add_account()
    ended = await at_once(here, [account] * 6, [SHOP, OTHER] * 3)
    won = {end.account_id for end in ended if isinstance(end, Arrived)}
    assert won == {account.id}
    assert refusals(ended) == ["wrong_selling_partner"] * 3
    settled = await authorization(here, account)
    grants = await rows(here, "grants")
    assert {grant.selling_partner_id for grant in grants} == {settled.selling_partner_id}
    assert len(grants) == settled.version == 3
    assert [grant.id for grant in grants if grant.superseded_at is None] == [settled.grant_id]


async def test_a_dead_process_is_found_once(here: Reception) -> None:
    account = await here.add_account()
    trip = await here.begin(account)
    query = await here.callback(trip, account, SHOP)
    with here.lwa.hold():
        request = asyncio.create_task(here.consent.accept(query, trip.browser))
        async with asyncio.timeout(60):
            await _asked(here, 1)
        (finishing,) = here.consent._arrivals._finishing
        finishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert await rows(here, "grants") == []
    here.clock.move(minutes=6)
    towers: list[Consent] = [here.another() for _ in range(5)]
    found = await asyncio.gather(*(one.lose_stale(here.clock.now()) for one in towers))
    assert sum(map(len, found)) == 1
    assert (await verbs(here)).count("handshake.lost") == 1
    (item,) = await rows(here, "outbox", topic="authorization_interrupted")
    assert item.to == SUPPORT
    assert (await here.consent.letter_facts(item)) is not None


async def test_many_invite_at_once_and_one_link_works(here: Reception) -> None:
    account = await here.add_account()
    await asyncio.gather(*(here.another().invite(account.id, by=BOSS) for _ in range(6)))
    found = await rows(here, "invitations")
    assert len(found) == 6
    assert sum(one.state is InvitationState.OPEN for one in found) == 1


async def test_many_ask_for_the_link_at_once_and_get_the_same(here: Reception) -> None:
    account = await here.add_account()
    links = await asyncio.gather(*(here.another().link(account.id, by=BOSS) for _ in range(6)))
    assert len({link.reveal() for link in links}) == 1
    assert len(await rows(here, "invitations")) == 1


async def test_one_refresh_token_pasted_into_many_forms_at_once(here: Reception) -> None:
    accounts = [await here.add_account() for _ in range(4)]
    pasted = here.lwa.grant(await here.client_id(here.application.id), SHOP)
    ended = await asyncio.gather(
        *(here.another().adopt(account.id, pasted, by=BOSS) for account in accounts),
        return_exceptions=True,
    )
    assert sum(isinstance(end, Conflict) for end in ended) == 3
    states = [(await authorization(here, account)).state for account in accounts]
    assert states.count(State.ACTIVE) == 1


async def test_cold_arrivals_at_once_write_one_letter(here: Reception) -> None:
    account = await here.add_account()
    await here.connect(account, SHOP)
    query = here.log_in_query(here.application, SHOP)
    await asyncio.gather(*(here.another().log_in(query, None) for _ in range(6)))
    assert len(await rows(here, "outbox", topic="renewal")) == 1


async def test_several_towers_make_each_owed_look_once(here: Reception) -> None:
    here.sells(SHOP)
    here.api.fail(times=1)
    account = await here.add_account()
    await here.connect(account, SHOP)
    assert await rows(here, "participations") == []
    here.api.clear()
    here.clock.move(minutes=3)
    rounds = await asyncio.gather(*(tower(here).sweep() for _ in range(4)))
    assert sum(swept.looks_made for swept in rounds) == 1
    assert here.api.count("participations") == 2
    assert {row.country_code for row in await rows(here, "participations")} == {"DE", "FR"}
    assert (await authorization(here, account)).look_due_at is None
