"""The mint where it counts: two processes' worth of connections on one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import GrantRefused, StoreUnavailable
from evergrant.rules.lifecycle import State
from evergrant.tokens import AccessToken
from tests.rooms.mint_ground import Ground, until


@pytest.fixture
async def ground(database_url: str) -> AsyncIterator[Ground]:
    here = await open_store(database_url, connections=4)
    there = await open_store(database_url, connections=4)
    try:
        yield Ground(here, there)
    finally:
        await here.close()
        await there.close()


async def test_a_herd_in_two_processes_costs_one_call(ground: Ground) -> None:
    held = await ground.account(await ground.application(), await ground.instance())
    tokens = await asyncio.gather(
        *(ground.mint(held, process) for process in (ground.here, ground.there) for _ in range(50))
    )
    assert ground.lwa.count() == 1
    assert len({token.value.reveal() for token in tokens}) == 1
    assert {token.account_id for token in tokens} == {held.account_id}


async def test_many_cold_accounts_at_once_do_not_wait_for_each_other_for_ever(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    shops = [await ground.account(application, instance) for _ in range(60)]
    async with asyncio.timeout(60):
        both = await asyncio.gather(
            *(
                ground.mint(shop, process)
                for process in (ground.here, ground.there)
                for shop in shops
            )
        )
    assert ground.lwa.count() == len(shops)
    for shop, one, other in zip(shops, both[:60], both[60:], strict=True):
        assert ground.about(one) == shop.about
        assert one.value == other.value


async def test_a_herd_at_a_revoked_grant_moves_it_once(ground: Ground) -> None:
    held = await ground.account(await ground.application(), await ground.instance())
    ground.lwa.revoke(held.about)
    answers = await asyncio.gather(
        *(ground.mint(held, process) for process in (ground.here, ground.there) for _ in range(20)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, GrantRefused) for answer in answers)
    assert ground.lwa.count() == 2
    assert (await ground.authorization(held)).state is State.REVOKED
    assert len(await ground.diary(held.authorization_id)) == 1
    [item] = await ground.outbox()
    assert ground.bell.rung == [item.id]


async def test_a_grant_that_is_replaced_while_amazon_thinks_leaves_nothing_behind(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    old = await ground.account(application, instance, about="old grant")
    with ground.lwa.hold():
        waiting = asyncio.create_task(ground.mint(old))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        await ground.grant(old.account_id, old.authorization_id, application, about="new grant")
    assert ground.about(await waiting) == "new grant"
    assert ground.about(await ground.mint(old, ground.there)) == "new grant"


async def test_a_process_that_loses_its_lock_blocks_nobody(
    ground: Ground, database_url: str
) -> None:
    held = await ground.account(await ground.application(), await ground.instance())
    with ground.lwa.hold():
        doomed = asyncio.create_task(ground.mint(held))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        other = asyncio.create_task(ground.mint(held, ground.there))
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        await until("the second process asks", lambda: ground.lwa.count() == 2)
    assert ground.about(await other) == held.about
    # The first one may have its answer or a database error, but never another's token.
    [ended] = await asyncio.gather(doomed, return_exceptions=True)
    assert isinstance(ended, AccessToken | StoreUnavailable)
    for process in (ground.here, ground.there):
        assert ground.about(await ground.mint(held, process)) == held.about
