"""PostgreSQL goes away under whoever writes events: none is lost, doubled or read out of order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest

from evergrant.adapters.store.events import LINE
from evergrant.errors import StoreUnavailable
from evergrant.ports.store import AlreadyThere, Store
from evergrant.ports.watched import EventRecord
from tests.edges.test_store_events import ACCOUNTS, delivery, event, nodes, until, waiting, watcher

__all__ = ["nodes", "watcher"]

WRITERS, EACH, KILLS = 6, 10, 6
#: As a server that is shut down at once ends its sessions.
KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def stubbornly(work: Callable[[], Awaitable[None]]) -> None:
    """As the rooms' callers do, until it is known to have happened."""
    while True:
        try:
            return await work()
        except StoreUnavailable:
            await asyncio.sleep(0)


@pytest.fixture
def killer(database_url: str) -> Iterator[Callable[[], int]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield lambda: len(connection.execute(KILL).fetchall())


async def test_sessions_that_are_killed_lose_and_double_nothing(
    nodes: tuple[Store, Store], killer: Callable[[], int]
) -> None:
    seen: list[EventRecord] = []
    chance = random.Random(5)
    killed = 0

    async def write(writer: int) -> None:
        for number in range(EACH):
            one = event(f"{writer:02}/{number:02}", account_id=ACCOUNTS[writer % 2])

            async def put(one: EventRecord = one, store: Store = nodes[writer % 2]) -> None:
                try:
                    async with store.transaction() as tx:
                        await tx.accounts.change(str(one.account_id), notes=one.id)
                        await tx.events.append(one, delivery(one))
                except AlreadyThere:
                    """The commit whose answer got lost."""

            await stubbornly(put)

    async def read_on() -> None:
        async with nodes[1].transaction() as tx:
            found = await tx.events.read(after=seen[-1].position if seen else 0, limit=7)
        seen.extend(found)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(write(writer)) for writer in range(WRITERS)]
        while not all(task.done() for task in tasks):
            await stubbornly(read_on)
            if killed < KILLS and chance.random() < 0.3:
                killed += bool(killer())
    assert killed > 2, "they were killed while they wrote"
    while len(seen) < WRITERS * EACH:
        before = len(seen)
        await stubbornly(read_on)
        assert len(seen) > before, "an event is lost"
    names = [one.id for one in seen]
    assert len(names) == len(set(names)) == WRITERS * EACH
    for writer in range(WRITERS):
        own = [name for name in names if name.startswith(f"evt_{writer:02}/")]
        assert own == sorted(own), "in the order in which they were told"
    async with nodes[0].transaction() as tx:
        assert names == [one.id for one in await tx.events.read(limit=999)]
        waiting_for = await tx.outbox.all(limit=999)
    assert sorted(str(item.event_id) for item in waiting_for) == sorted(names), "each is delivered"


async def test_who_is_killed_at_the_commit_has_told_all_or_nothing(
    nodes: tuple[Store, Store],
    database_url: str,
    watcher: psycopg.Connection[object],
) -> None:
    """It waits in the line of those who write events: its facts are written, and not committed."""
    one, other = nodes
    with psycopg.connect(database_url) as first:
        first.execute("SELECT pg_advisory_xact_lock(%s)", (LINE,))

        async def write() -> None:
            async with one.transaction() as tx:
                await tx.accounts.change("acc_1", notes="with it")
                await tx.events.append(event("lost"), delivery(event("lost")))

        task = asyncio.create_task(write())
        await until(lambda: "advisory" in waiting(watcher), "the writer waits")
        assert watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'advisory'"
        ).fetchall()
        with pytest.raises(StoreUnavailable):
            await task
    async with other.transaction() as tx:
        account = await tx.accounts.get("acc_1")
        assert account is not None
        assert account.notes == ""
        assert not await tx.events.read()
        assert not await tx.outbox.all()
    await stubbornly(write)
    async with other.transaction() as tx:
        assert [one.id for one in await tx.events.read()] == ["evt_lost"]
