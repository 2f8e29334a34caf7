"""Counts of calls: several processes add to the same rows, and none loses what another counted."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from evergrant.adapters.store import open_store
from evergrant.ports.store import COUNTED, Store
from evergrant.ports.things import CallCount
from evergrant.testing.store import MemoryStore

HOUR = datetime(2026, 3, 2, 9, tzinfo=UTC)


def count(account: str = "acc_1", operation: str = "feeds", hour: int = 0, **counts: Any) -> Any:
    at = HOUR + timedelta(hours=hour)
    return CallCount(
        id=f"{account}/{operation}/{at:%Y-%m-%dT%H}",
        account_id=account,
        operation=operation,
        hour_at=at,
        **{"last_at": at, **counts},
    )


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Store, Store]]:
    """One store, seen by two processes."""
    if request.param == "memory":
        memory = MemoryStore()
        yield memory, memory
        return
    url = request.getfixturevalue("database_url")
    one, other = await open_store(url), await open_store(url)
    yield one, other
    await one.close()
    await other.close()


@pytest.fixture
async def store(stores: tuple[Store, Store]) -> Store:
    return stores[0]


async def add_up(store: Store, *rows: CallCount) -> None:
    async with store.transaction() as tx:
        await tx.call_counts.add_up(rows)


async def everything(store: Store) -> list[CallCount]:
    async with store.transaction() as tx:
        return await tx.call_counts.all()


async def test_counts_add_up(store: Store) -> None:
    late = HOUR + timedelta(minutes=59)
    first = count(calls=3, waits=1, waited_ms=250, errors={"QuotaExceeded": 1}, last_at=late)
    more = count(calls=4, refused=2, throttled=5, errors={"QuotaExceeded": 2, "\u00fc": 1})
    await add_up(store, first)
    await add_up(store, more, count(operation="orders", calls=1))
    added, other = await everything(store)
    assert added == count(
        calls=7,
        waits=1,
        waited_ms=250,
        refused=2,
        throttled=5,
        errors={"QuotaExceeded": 3, "\u00fc": 1},
        last_at=late,
    )
    assert other.calls == 1
    await add_up(store)
    assert await everything(store) == [added, other]


def test_every_number_is_one_that_adds_up() -> None:
    numbers = {field.name for field in dataclasses.fields(CallCount) if field.default == 0}
    assert numbers == set(COUNTED)


async def test_one_row_twice_in_one_go(store: Store) -> None:
    await add_up(store, count(calls=1), count(calls=2, errors={"a": 1}), count(calls=3))
    (row,) = await everything(store)
    assert (row.calls, row.errors) == (6, {"a": 1})


async def test_what_is_rolled_back_was_not_counted(store: Store) -> None:
    await add_up(store, count(calls=1))
    with contextlib.suppress(ZeroDivisionError):
        async with store.transaction() as tx:
            await tx.call_counts.add_up([count(calls=5)])
            raise ZeroDivisionError
    assert [row.calls for row in await everything(store)] == [1]


async def test_processes_that_count_at_once_lose_nothing(stores: tuple[Store, Store]) -> None:
    """In opposite orders, too: rows are taken in one order, so nobody waits in a circle."""
    rows = [count(operation=f"op{number}", calls=1, errors={"x": 1}) for number in range(20)]

    async def process(number: int) -> None:
        for _ in range(10):
            await add_up(stores[number % 2], *(rows if number % 2 else reversed(rows)))

    await asyncio.gather(*(process(number) for number in range(6)))
    found = await everything(stores[0])
    assert [(row.calls, row.errors) for row in found] == [(60, {"x": 60})] * 20


async def test_reading_by_hour_account_and_operation(store: Store) -> None:
    await add_up(
        store,
        count("acc_2", hour=1),
        count("acc_1", hour=2),
        count("acc_1", hour=0),
        count("acc_1", "orders", hour=1),
    )

    async def read(**asked: Any) -> list[tuple[str, str, int]]:
        async with store.transaction() as tx:
            found = await tx.call_counts.read(**asked)
        return [(one.account_id, one.operation, one.hour_at.hour - HOUR.hour) for one in found]

    assert await read(since=HOUR) == [
        ("acc_1", "feeds", 0),
        ("acc_1", "orders", 1),
        ("acc_2", "feeds", 1),
        ("acc_1", "feeds", 2),
    ]
    assert await read(since=HOUR + timedelta(hours=1), account_id="acc_1") == [
        ("acc_1", "orders", 1),
        ("acc_1", "feeds", 2),
    ]
    assert await read(since=HOUR, account_id="acc_1", operation="orders") == [
        ("acc_1", "orders", 1)
    ]
    assert await read(since=HOUR + timedelta(seconds=1), account_id="acc_2") == [
        ("acc_2", "feeds", 1)
    ]
    assert await read(since=HOUR + timedelta(hours=3)) == []


async def test_reading_what_amazon_throttled(store: Store) -> None:
    await add_up(
        store, count("acc_1", throttled=2), count("acc_2"), count("acc_1", hour=1), count("acc_3")
    )
    async with store.transaction() as tx:
        found = await tx.call_counts.read(since=HOUR, throttled=True)
    assert [(row.account_id, row.hour_at, row.throttled) for row in found] == [("acc_1", HOUR, 2)]


async def test_purging_forgets_hours_that_are_earlier(store: Store) -> None:
    await add_up(store, *(count(hour=hour) for hour in range(5)))
    async with store.transaction() as tx:
        assert await tx.call_counts.purge(HOUR + timedelta(hours=2)) == 2
        assert await tx.call_counts.purge(HOUR + timedelta(hours=2)) == 0
    assert [row.hour_at.hour - HOUR.hour for row in await everything(store)] == [2, 3, 4]


async def test_counts_of_no_account(store: Store) -> None:
    """Grantless operations are called in no account's name."""
    await add_up(store, count("", calls=1))
    assert [row.account_id for row in await everything(store)] == [""]


async def test_numbers_that_no_integer_of_four_bytes_holds(store: Store) -> None:
    await add_up(store, count(waited_ms=3_000_000_000), count(waited_ms=3_000_000_000))
    assert [row.waited_ms for row in await everything(store)] == [6_000_000_000]


async def test_many_rows_are_one_statement(database_url: str) -> None:
    store = await open_store(database_url)
    try:
        rows = [count(operation=f"op{number}", calls=1) for number in range(1500)]
        async with store.transaction() as tx:
            await tx.call_counts.add_up(rows)
            await tx.call_counts.add_up(rows)
        assert {row.calls for row in await everything(store)} == {2}
    finally:
        await store.close()
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*), sum(calls) FROM call_counts").fetchone()
    assert row == (1500, 3000)
