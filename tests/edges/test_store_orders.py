"""The contract of ``ports.Orders``, on the store in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from evergrant.adapters.store import open_store
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.traded import Order, OrderKind
from evergrant.ports.watched import EventRecord
from evergrant.testing.store import MemoryStore
from tests.edges.changes_ground import NOW, furnish

DAY = timedelta(days=1)
WITHIN_S = 60.0


def order(name: str, account_id: str = "acc_1", **values: Any) -> Order:
    values = {"client_instance_id": "ins_1", "created_at": NOW, "changed_at": NOW, **values}
    return Order(
        id=f"{account_id}/{name}",
        account_id=account_id,
        order_id=name,
        kind=OrderKind.SELLER,
        **values,
    )


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    opened: Store = MemoryStore()
    if request.param == "postgres":
        opened = await open_store(request.getfixturevalue("database_url"))
    async with opened.transaction() as tx:
        await furnish(tx)
    yield opened
    await opened.close()


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    one, other = await open_store(database_url), await open_store(database_url)
    async with one.transaction() as tx:
        await furnish(tx)
    yield one, other
    await one.close()
    await other.close()


async def put(store: Store, *orders: Order) -> None:
    async with store.transaction() as tx:
        for one in orders:
            await tx.orders.put(one)


async def read(store: Store, **asked: Any) -> list[str]:
    async with store.transaction() as tx:
        return [one.order_id for one in await tx.orders.read(**asked)]


async def last_position(store: Store) -> int:
    async with store.transaction() as tx:
        return (await tx.orders.read(limit=1000))[-1].position


async def test_who_reads_on_sees_each_change_once(store: Store) -> None:
    await put(store, order("a"), order("b"))
    assert await read(store) == ["a", "b"]
    read_until = await last_position(store)
    await put(store, order("c"), order("a", status="Shipped", position=1))
    assert await read(store, after=read_until) == ["c", "a"]
    assert await read(store) == ["b", "c", "a"]
    assert await read(store, after=-1, limit=1) == ["b"]
    async with store.transaction() as tx:
        (found,) = await tx.orders.read(after=read_until + 1)
        assert found == order("a", status="Shipped", position=found.position)
        assert await tx.orders.get("acc_1/a") == found


async def test_within_a_transaction_the_last_word_is_the_place(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.orders.add(order("a"))
        await tx.orders.add(order("b"))
        await tx.orders.put(order("a", status="Shipped"))
        await tx.orders.add(order("gone"))
        await tx.orders.drop("acc_1/gone")
        there = await tx.orders.get("acc_1/a")
        assert there is not None
        assert there.status == "Shipped"
        assert await tx.orders.read() == [], "they have no place before the commit"
    assert await read(store) == ["b", "a"]


async def test_whoever_completes_an_order_without_news_leaves_it_where_it_is(store: Store) -> None:
    await put(store, order("a", fetch_due_at=NOW), order("b"))
    async with store.transaction() as tx:
        changed = await tx.orders.change("acc_1/a", fetch_due_at=None)
        assert changed is not None
        assert changed.position < await last_of(tx)
    assert await read(store) == ["a", "b"]


async def last_of(tx: Transaction) -> int:
    return (await tx.orders.read())[-1].position


async def test_reading_what_concerns_one(store: Store) -> None:
    await put(
        store,
        order("a"),
        order("b", "acc_2"),
        order("c", "acc_2", client_instance_id="ins_2"),
    )
    assert await read(store, client_instance_id="ins_1") == ["a", "b"]
    assert await read(store, account_ids=["acc_2", "acc_9"]) == ["b", "c"]
    assert await read(store, account_ids=[]) == []
    assert await read(store, account_ids={"acc_2"}, client_instance_id="ins_2") == ["c"]


async def test_the_latest_are_found_the_newest_first(store: Store) -> None:
    read_ones = {"digest": "read"}
    await put(
        store,
        order("a", status="SHIPPED", **read_ones),
        order("b", "acc_2", **read_ones),
        order("c", "acc_2", client_instance_id="ins_2", status="SHIPPED", **read_ones),
        order("named-only"),
    )

    async def latest(**asked: Any) -> list[str]:
        async with store.transaction() as tx:
            return [one.order_id for one in await tx.orders.latest(**asked)]

    assert await latest() == ["c", "b", "a"]
    assert await latest(limit=2) == ["c", "b"]
    assert await latest(status="SHIPPED") == ["c", "a"]
    assert await latest(order_id="b") == ["b"]
    assert await latest(order_id="named-only") == []
    assert await latest(account_ids=["acc_2"]) == ["c", "b"]
    assert await latest(account_ids=[]) == []
    assert await latest(client_instance_id="ins_1", status="SHIPPED") == ["a"]
    async with store.transaction() as tx:
        second = (await tx.orders.latest(limit=2))[-1].position
    assert await latest(before=second) == ["a"]
    await put(store, order("a", status="SHIPPED", **read_ones))
    assert await latest() == ["a", "c", "b"]
    async with store.transaction() as tx:
        await tx.orders.put(order("d", **read_ones))
        assert "d" not in [one.order_id for one in await tx.orders.latest()]


async def test_an_order_is_added_once_and_of_an_account_that_is_there(store: Store) -> None:
    await put(store, order("a"))
    async with store.transaction() as tx:
        with pytest.raises(AlreadyThere) as refused:
            await tx.orders.add(order("a", status="Shipped"))
        assert refused.value.constraint == "orders_pkey"
        await tx.orders.add(order("b"))
    assert await read(store) == ["a", "b"]
    with pytest.raises(LookupError):
        await put(store, order("c", "acc_9"))


async def test_nothing_stays_after_a_rollback(store: Store) -> None:
    await put(store, order("a"))
    with contextlib.suppress(ZeroDivisionError):
        async with store.transaction() as tx:
            await tx.orders.put(order("a", status="Shipped"))
            await tx.orders.put(order("b"))
            raise ZeroDivisionError
    await put(store, order("c"))
    assert await read(store) == ["a", "c"]


async def test_what_did_not_change_for_long_is_forgotten(store: Store) -> None:
    await put(
        store,
        order("a", changed_at=NOW - 2 * DAY),
        order("b", changed_at=NOW),
        order("c", changed_at=NOW - 3 * DAY),
        order("d", changed_at=NOW - 4 * DAY),
    )
    async with store.transaction() as tx:
        assert await tx.orders.purge(NOW, limit=2) == ["acc_1/c", "acc_1/d"]
    async with store.transaction() as tx:
        assert await tx.orders.purge(NOW, limit=2) == ["acc_1/a"]
        assert await tx.orders.purge(NOW, limit=2) == []
    assert await read(store) == ["b"]


# --- two processes -----------------------------------------------------------------------------


async def until_one_waits(database_url: str) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = asyncio.get_running_loop().time() + WITHIN_S
    with psycopg.connect(database_url, autocommit=True) as watcher:
        while watcher.execute(waiting).fetchone() == (0,):
            assert asyncio.get_running_loop().time() < deadline, "nobody waits"
            await asyncio.sleep(0.01)


async def test_positions_follow_the_commits(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    async with one.transaction() as slow:
        await slow.orders.put(order("slow"))
        await put(other, order("quick"))
        assert await read(other) == ["quick"]
    assert await read(one) == ["quick", "slow"]


async def test_who_changes_the_same_order_waits_and_comes_after(
    nodes: tuple[Store, Store], database_url: str
) -> None:
    one, other = nodes
    await put(one, order("a"), order("b"))
    async with one.transaction() as first:
        await first.orders.put(order("a", status="first"))
        second = asyncio.create_task(put(other, order("a", status="second"), order("c")))
        await until_one_waits(database_url)
        # The second one holds no place in line, so the first may go through it.
        await first.orders.put(order("b", status="first"))
    await second
    assert await read(one) == ["b", "a", "c"]


async def test_orders_and_events_stand_in_one_line(nodes: tuple[Store, Store]) -> None:
    """Many who write both, in either order: nobody waits in a circle, nobody is missed."""
    event = EventRecord(
        id="", at=NOW, topic="order.received", subject="o", client_instance_id="ins_1"
    )
    seen: dict[str, list[str]] = {"orders": [], "events": []}

    async def write(store: Store, name: str, number: int) -> None:
        told = dataclasses.replace(event, id=f"evt_{name}_{number}")
        async with store.transaction() as tx:
            if number % 2:
                await tx.events.append(told, None)
            await tx.orders.put(order(f"{name}_{number}"))
            if not number % 3:
                await tx.events.append(dataclasses.replace(told, id=told.id + "_"), None)

    async def write_many(store: Store, name: str) -> None:
        for number in range(12):
            await write(store, name, number)

    async def read_on(writers: asyncio.Future[Any]) -> None:
        order_position = event_position = 0
        over = False
        while not over:
            over = writers.done()
            async with nodes[1].transaction() as tx:
                for found in await tx.orders.read(after=order_position, limit=3):
                    order_position = found.position
                    seen["orders"].append(found.order_id)
                for told in await tx.events.read(after=event_position, limit=3):
                    event_position = told.position
                    seen["events"].append(told.id)
                over = over and not await tx.orders.read(after=order_position, limit=1)
                over = over and not await tx.events.read(after=event_position, limit=1)

    async with asyncio.timeout(WITHIN_S):
        writers = asyncio.gather(
            *(write_many(nodes[number % 2], f"w{number}") for number in range(4))
        )
        await read_on(writers)
        await writers
    names = [f"w{writer}_{number}" for writer in range(4) for number in range(12)]
    assert sorted(seen["orders"]) == sorted(names)
    assert len(seen["events"]) == len(set(seen["events"])) == 4 * (6 + 4)
