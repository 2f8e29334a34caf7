"""Renewals on PostgreSQL, where the sweep, the mint and two browsers really run side by side."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from sqlalchemy import text

from evergrant import vault
from evergrant.adapters.store.transactions import PostgresTransaction
from evergrant.errors import AmazonUnavailable, EvergrantError
from evergrant.ports.things import Account
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.tokens import Tokens
from evergrant.watch.lapses import Lapses
from tests.rooms.conftest import Reception, Trip
from tests.rooms.test_consent_postgres import SHOP, authorization, here, rows, store, verbs

__all__ = ["here", "store"]


def mint(here: Reception) -> Tokens:
    return Tokens(
        store=here.store,
        clock=here.clock,
        vault=here.vault,
        registry=here.registry,
        lwa=here.lwa,
        bell=here.bell,
        remember_s=0.0,
    )


@pytest.fixture
async def account(here: Reception) -> Account:
    here.sells(SHOP)
    made = await here.add_account()
    await here.connect(made, SHOP)
    return made


async def refresh_token(here: Reception, grant_id: str | None) -> Secret:
    async with here.store.transaction() as tx:
        found = await here.vault.open(tx, vault.refresh_token(grant_id or ""))
    assert found is not None
    return found


@pytest.mark.parametrize("old_dies", [False, True], ids=["old lives", "old is refused"])
async def test_sweep_refresh_and_two_renewals_at_once_end_active_with_a_new_year(
    here: Reception, account: Account, old_dies: bool
) -> None:
    """In the minute in which the term ends everybody is at it."""
    before = await authorization(here, account)
    here.clock.move(days=366)
    if old_dies:
        here.lwa.revoke(await refresh_token(here, before.grant_id))
    link = (await here.consent.link(account.id, by=SYSTEM)).reveal().rpartition("/")[2]
    trips = [Trip(await here.consent.begin(link, None)) for _ in range(2)]
    queries = [await here.callback(trip, account, SHOP) for trip in trips]
    tower = Lapses(store=here.store, vault=here.vault, bell=here.bell)
    ended = await asyncio.gather(
        *(
            here.another().accept(query, trip.browser)
            for trip, query in zip(trips, queries, strict=True)
        ),
        tower.round(here.clock.now()),
        *(mint(here).mint(account.id, by=SYSTEM) for _ in range(3)),
        return_exceptions=True,
    )
    troubles = [end for end in ended if isinstance(end, BaseException)]
    assert all(isinstance(trouble, EvergrantError) for trouble in troubles), troubles
    assert not any(isinstance(end, BaseException) for end in ended[:2]), "no consent gets lost"
    after = await authorization(here, account)
    grants = await rows(here, "grants", authorization_id=after.id)
    assert after.state is State.ACTIVE
    assert after.granted_at == here.clock.now()
    assert [grant.id for grant in grants if grant.superseded_at is None] == [after.grant_id]
    assert (await mint(here).mint(account.id, by=SYSTEM)).grant_id == after.grant_id
    assert await rows(here, "notices", settled_at=None) == []


async def test_two_processes_bring_the_former_grant_back_once(
    here: Reception, account: Account
) -> None:
    before = await authorization(here, account)
    here.api.fail(AmazonUnavailable)
    await here.connect(account, SHOP)
    here.clock.move(hours=2)
    here.lwa.revoke(await refresh_token(here, (await authorization(here, account)).grant_id))
    tokens = await asyncio.gather(*(mint(here).mint(account.id, by=SYSTEM) for _ in range(6)))
    after = await authorization(here, account)
    assert (after.state, after.grant_id) == (State.ACTIVE, before.grant_id)
    assert (await verbs(here)).count("authorization.grant_restored") == 1
    assert here.lwa.count("refresh") == 3, "twice the new one, once the former"
    assert len({token.value.reveal() for token in tokens}) == 1


async def test_many_refusals_at_once_make_one_link(here: Reception, account: Account) -> None:
    made = len(await rows(here, "invitations"))
    links = await asyncio.gather(*(here.another().renewal_link(account.id) for _ in range(8)))
    assert None not in links
    assert len({link.reveal() for link in links if link is not None}) == 1
    assert len(await rows(here, "invitations")) == made + 1


async def test_no_link_goes_to_an_address_that_is_being_corrected(
    here: Reception, account: Account
) -> None:
    """Whoever writes a letter at that moment waits for the correction, and then follows it."""
    async with here.store.transaction() as tx:
        await tx.accounts.change(account.id, client_email="right@shop.example")
        inviting = asyncio.create_task(here.consent.invite(account.id, by=SYSTEM))
        waiting = text(
            "select 1 from pg_locks where not granted"
            " and pg_backend_pid() = any(pg_blocking_pids(pid))"
        )
        async with asyncio.timeout(60):
            connection = cast("PostgresTransaction", tx).connection
            while (await connection.execute(waiting)).scalar() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    invitation = await inviting
    assert invitation.email == "right@shop.example"
    (letter,) = await rows(here, "outbox", topic="renewal")
    assert letter.to == "right@shop.example"
