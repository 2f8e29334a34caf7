"""Keys where it takes a real database: who rotates at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import Conflict
from evergrant.people import People
from evergrant.ports.store import Store
from evergrant.rules.rights import SYSTEM
from evergrant.testing.clock import FakeClock


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    one, other = await open_store(database_url), await open_store(database_url)
    yield one, other
    await one.close()
    await other.close()


async def test_processes_that_rotate_at_once_make_one_new_key(stores: tuple[Store, Store]) -> None:
    clock = FakeClock()
    racks = [People(store, clock) for store in stores]
    for _ in range(5):
        old = await racks[0].add_api_key(name="ERP", rights=["read"], by=SYSTEM)
        told = await asyncio.gather(
            *(racks[number % 2].rotate_api_key(old.key.id, by=SYSTEM) for number in range(8)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Conflict) for one in told) == 7, told
        (new,) = [one for one in told if not isinstance(one, BaseException)]
        assert (await racks[0].api_key(old.key.id, by=SYSTEM)).replaced_by == new.key.id
        assert {str(one.facts["replaced_by"]) for one in told if isinstance(one, Conflict)} == {
            new.key.id
        }
    async with stores[0].transaction() as tx:
        assert await tx.api_keys.count() == 10


async def test_who_is_revoked_while_being_rotated_has_no_successor_or_was_replaced(
    stores: tuple[Store, Store],
) -> None:
    clock = FakeClock()
    one, other = (People(store, clock) for store in stores)
    for _ in range(10):
        old = await one.add_api_key(name="ERP", rights=["read"], by=SYSTEM)
        rotated, _ = await asyncio.gather(
            one.rotate_api_key(old.key.id, by=SYSTEM),
            other.revoke_api_key(old.key.id, by=SYSTEM),
            return_exceptions=True,
        )
        row = await one.api_key(old.key.id, by=SYSTEM)
        assert row.revoked_at is not None
        assert (row.replaced_by is None) == isinstance(rotated, Conflict), rotated
