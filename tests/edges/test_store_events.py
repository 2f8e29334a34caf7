"""Events come in the order in which their transactions commit, and deliveries stand in line."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.adapters.store import open_store
from evergrant.adapters.store.events import LINE
from evergrant.ports import things as t
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.watched import EventRecord
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.testing.store import MemoryStore
from tests.searching import cases

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WITHIN_S = 60.0
ACCOUNTS = ("acc_1", "acc_2")


class RolledBackError(Exception):
    pass


def event(name: str, **values: Any) -> EventRecord:
    known: dict[str, Any] = {
        "id": f"evt_{name}",
        "at": NOW,
        "topic": "authorization.granted",
        "subject": "aut_1",
        "client_instance_id": "ins_1",
        "account_id": "acc_1",
        "facts": {"state": "active", "list": [1, None, "ü"]},
    }
    return EventRecord(**{**known, **values})


def delivery(of: EventRecord, **values: Any) -> t.OutboxItem:
    known: dict[str, Any] = {
        "id": of.id.replace("evt_", "out_"),
        "kind": t.OutboxKind.WEBHOOK,
        "topic": of.topic,
        "subject": of.subject,
        "to": of.client_instance_id,
        "account_id": of.account_id,
        "facts": of.facts,
        "next_at": NOW,
        "created_at": NOW,
    }
    return t.OutboxItem(**{**known, **values})


async def furnish(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.applications.add(
            t.Application(
                id="app_1",
                name="Northwind",
                kind=ApplicationKind.PUBLIC,
                partner_kinds=frozenset({PartnerKind.SELLER}),
                status=ApplicationStatus.PUBLISHED,
                application_id="amzn1.sp.solution.1",
                created_at=NOW,
                changed_at=NOW,
            )
        )
        await tx.instances.add(
            t.ClientInstance(id="ins_1", name="ERP", created_at=NOW, changed_at=NOW)
        )
        for name in ACCOUNTS:
            await tx.accounts.add(
                t.Account(
                    id=name,
                    name=name,
                    partner_kind=PartnerKind.SELLER,
                    client_email="a@partner.example",
                    application_id="app_1",
                    client_instance_id="ins_1",
                    region=Region.EU,
                    home_marketplace="DE",
                    created_at=NOW,
                    changed_at=NOW,
                )
            )


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        store: Store = MemoryStore()
    else:
        store = await open_store(request.getfixturevalue("database_url"))
    await furnish(store)
    yield store
    await store.close()


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes on one PostgreSQL."""
    one, other = await open_store(database_url), await open_store(database_url)
    await furnish(one)
    yield one, other
    await one.close()
    await other.close()


async def roll_back(store: Store, *events: EventRecord, forget: int = 0) -> int:
    forgotten = 0
    with contextlib.suppress(RolledBackError):
        async with store.transaction() as tx:
            for one in events:
                await tx.events.append(one, delivery(one))
            if forget:
                forgotten = await tx.events.purge(NOW, forget)
            raise RolledBackError
    return forgotten


async def append(store: Store, *events: EventRecord, sent: bool = False) -> None:
    async with store.transaction() as tx:
        for one in events:
            await tx.events.append(one, delivery(one) if sent else None)


async def append_with(store: Store, one: EventRecord, **values: Any) -> None:
    async with store.transaction() as tx:
        await tx.accounts.change("acc_1", notes="with it")
        await tx.events.append(one, delivery(one, **values))


async def read(store: Store, **asked: Any) -> list[str]:
    async with store.transaction() as tx:
        found = await tx.events.read(**asked)
    positions = [one.position for one in found]
    assert positions == sorted(set(positions), reverse=asked.get("newest_first", False))
    return [one.id.removeprefix("evt_") for one in found]


# --- one writer ---------------------------------------------------------------------------------


async def test_an_event_comes_back_with_a_position(store: Store) -> None:
    first, second = event("a"), event("b", account_id=None, at=NOW + timedelta(days=1))
    await append(store, first, second)
    async with store.transaction() as tx:
        found = await tx.events.read()
        assert [dataclasses.replace(one, position=0) for one in found] == [first, second]
        assert 0 < found[0].position < found[1].position
        assert await tx.events.get("evt_b") == found[1]
        assert await tx.events.get("evt_unknown") is None


async def test_a_position_that_is_brought_along_counts_for_nothing(store: Store) -> None:
    await append(store, event("a", position=99))
    await append(store, event("b", position=5))
    assert await read(store) == ["a", "b"]
    assert await read(store, after=98) == []


async def test_the_delivery_goes_out_with_the_event(store: Store) -> None:
    one = event("a")
    await append(store, event("b"))
    await append(store, one, sent=True)
    async with store.transaction() as tx:
        found = await tx.events.get(one.id)
        assert found is not None
        assert found.position > 1
        wanted = dataclasses.replace(delivery(one), event_id=one.id, position=found.position)
        assert await tx.outbox.all() == [wanted]


async def test_nothing_shows_before_the_commit(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.events.append(event("a"), delivery(event("a")))
        assert await tx.events.read() == []
        assert await tx.events.get("evt_a") is None
        assert await tx.outbox.count() == 0


async def test_nothing_stays_after_a_rollback(store: Store) -> None:
    await roll_back(store, event("a"))
    await append(store, event("b"), sent=True)
    assert await read(store) == ["b"]
    async with store.transaction() as tx:
        assert [item.id for item in await tx.outbox.all()] == ["out_b"]


async def test_a_commit_that_fails_leaves_no_gap_that_anybody_waits_at(store: Store) -> None:
    await append(store, event("a"))
    lost = event("lost")
    with pytest.raises(LookupError):
        await append_with(store, lost, account_id="acc_unknown")
    with pytest.raises(AlreadyThere, match="events_pkey"):
        await append(store, event("lost"), event("a"))
    with pytest.raises(AlreadyThere, match="events_pkey"):
        await append(store, event("lost"), event("lost"))
    await append(store, event("b"))
    assert await read(store) == ["a", "b"]
    async with store.transaction() as tx:
        assert await tx.accounts.count(notes="with it") == 0
        assert await tx.outbox.count() == 0


@pytest.mark.parametrize(
    "broken",
    [{"at": NOW.replace(tzinfo=None)}, {"topic": None}, {"account_id": 7}, {"facts": {"a": {1}}}],
)
async def test_what_does_not_fit_is_refused_where_it_is_said(
    store: Store, broken: dict[str, Any]
) -> None:
    async with store.transaction() as tx:
        with pytest.raises(TypeError):
            await tx.events.append(event("a", **broken), None)
        with pytest.raises(TypeError):
            await tx.events.append(event("b"), delivery(event("b"), next_at=None))
        await tx.events.append(event("c"), None)
    assert await read(store) == ["c"]


async def test_after_the_end_nothing_is_taken(store: Store) -> None:
    async with store.transaction() as tx:
        pass
    with pytest.raises(RuntimeError):
        await tx.events.append(event("a"), None)
    with pytest.raises(RuntimeError):
        await tx.scans.closed_since(NOW, limit=1)


async def test_reading_on(store: Store) -> None:
    await append(store, *(event(name) for name in "abcd"))
    async with store.transaction() as tx:
        second = (await tx.events.read())[1]
    assert await read(store, limit=2) == ["a", "b"]
    assert await read(store, after=second.position, limit=1) == ["c"]
    assert await read(store, after=second.position) == ["c", "d"]


async def test_reading_back_from_the_newest(store: Store) -> None:
    await append(store, *(event(name) for name in "abcd"), event("e", account_id="acc_2"))
    async with store.transaction() as tx:
        third = (await tx.events.read())[2]
    assert await read(store, newest_first=True) == ["e", "d", "c", "b", "a"]
    assert await read(store, newest_first=True, account_ids=["acc_1"], limit=2) == ["d", "c"]
    assert await read(store, newest_first=True, after=third.position) == ["b", "a"]
    assert await read(store, newest_first=True, topic="secret.rotated") == []


async def test_reading_what_concerns_one(store: Store) -> None:
    await append(
        store,
        event("a"),
        event("b", client_instance_id="ins_2"),
        event("c", account_id="acc_2"),
        event("d", account_id=None, topic="secret.rotated"),
    )
    assert await read(store, client_instance_id="ins_1") == ["a", "c", "d"]
    assert await read(store, account_ids=["acc_1"]) == ["a", "b"]
    assert await read(store, account_ids={"acc_1", "acc_2"}) == ["a", "b", "c"]
    assert await read(store, account_ids=()) == []
    assert await read(store, topic="secret.rotated") == ["d"]
    assert await read(store, client_instance_id="ins_1", account_ids=["acc_1"]) == ["a"]


async def test_very_many_at_once(store: Store) -> None:
    many = [event(f"{number:05}", account_id=None) for number in range(1100)]
    await append(store, *many, sent=True)
    assert await read(store, limit=9999) == [one.id.removeprefix("evt_") for one in many]
    async with store.transaction() as tx:
        assert await tx.outbox.count() == 1100


async def test_what_is_old_and_over_is_forgotten(store: Store) -> None:
    old = NOW - timedelta(days=40)
    await append(store, *(event(name, at=old) for name in "ab"), event("n"), sent=True)
    await append(store, event("c", at=old - timedelta(days=1)), event("d", at=old))
    async with store.transaction() as tx:
        assert await tx.events.purge(old, 10) == 1  # strictly older
    assert await read(store) == ["a", "b", "n", "d"]
    async with store.transaction() as tx:
        await tx.outbox.change("out_a", state=t.OutboxState.SENT, ended_at=NOW)
        assert await tx.events.purge(NOW, 1) == 1
        assert await tx.events.get("evt_a") is None
    assert await roll_back(store, forget=9) == 1
    assert await read(store) == ["b", "n", "d"]
    async with store.transaction() as tx:
        await tx.outbox.change("out_b", state=t.OutboxState.FAILED, ended_at=NOW)
        await tx.outbox.drop("out_n")
        assert await tx.events.purge(NOW, 9) == 2
        assert await tx.events.purge(NOW, 9) == 0
    assert await read(store) == ["n"]


# --- the line -----------------------------------------------------------------------------------


async def line_of(store: Store, name: str) -> tuple[bool, str | None]:
    async with store.transaction() as tx:
        item = await tx.outbox.get(f"out_{name}")
        assert item is not None
        behind = await tx.outbox.next_in_line(item)
        name_behind = None if behind is None else behind.id.removeprefix("out_")
        return await tx.outbox.is_held_up(item), name_behind


async def test_events_of_one_account_stand_in_line(store: Store) -> None:
    for name in "abc":
        await append(store, event(name), sent=True)
    assert [await line_of(store, name) for name in "abc"] == [
        (False, "b"),
        (True, "c"),
        (True, None),
    ]
    async with store.transaction() as tx:
        await tx.outbox.change("out_a", state=t.OutboxState.SENT)
    assert await line_of(store, "a") == (False, "b")
    assert await line_of(store, "b") == (False, "c")
    async with store.transaction() as tx:
        await tx.outbox.change("out_b", state=t.OutboxState.FAILED)
    assert await line_of(store, "a") == (False, "c")
    assert await line_of(store, "c") == (False, None)


@pytest.mark.parametrize(
    "other",
    [
        {"to": "ins_2"},
        {"account_id": "acc_2"},
        {"account_id": None},
        {"kind": t.OutboxKind.MAIL},
        {"state": t.OutboxState.SENT},
        {"state": t.OutboxState.FAILED},
    ],
)
async def test_others_do_not_hold_it_up(store: Store, other: dict[str, Any]) -> None:
    one, two = event("a"), event("b")
    async with store.transaction() as tx:
        await tx.events.append(one, delivery(one, **other))
        await tx.events.append(two, delivery(two))
    assert await line_of(store, "b") == (False, None)
    held, behind = await line_of(store, "a")
    assert held is False
    assert behind == ("b" if "state" in other else None)


async def test_events_of_no_account_and_mails_never_wait(store: Store) -> None:
    for name in "ab":
        one = event(name, account_id=None)
        await append(store, one, sent=True)
    for name in "cd":
        one = event(name)
        async with store.transaction() as tx:
            await tx.events.append(one, delivery(one, kind=t.OutboxKind.MAIL))
    for name in "abcd":
        assert await line_of(store, name) == (False, None)


async def test_webhooks_without_an_event_go_first_in_the_order_of_their_ids(store: Store) -> None:
    """Those of before there were events."""
    await append(store, event("c"), sent=True)
    async with store.transaction() as tx:
        for name in "ba":
            await tx.outbox.add(delivery(event(name)))
    assert [await line_of(store, name) for name in "abc"] == [
        (False, "b"),
        (True, "c"),
        (True, None),
    ]


# --- two processes ------------------------------------------------------------------------------


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN_S:g} s"
        await asyncio.sleep(0.01)


def waiting(connection: psycopg.Connection[Any]) -> list[str]:
    """What sessions of this database wait for."""
    found = connection.execute(
        "SELECT wait_event FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [row[0] for row in found]


@pytest.fixture
def watcher(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


async def test_positions_follow_the_commits(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    async with one.transaction() as early:
        await early.events.append(event("early"), delivery(event("early")))
        async with other.transaction() as late:
            await late.events.append(event("late"), delivery(event("late")))
        assert await read(other) == ["late"]
    assert await read(other) == ["late", "early"]
    assert await line_of(one, "late") == (False, "early")
    assert await line_of(one, "early") == (True, None)


async def test_who_has_no_position_yet_waits_for_who_has_one(
    nodes: tuple[Store, Store], database_url: str, watcher: psycopg.Connection[Any]
) -> None:
    """Between its position and its commit a transaction may take long: its server may be slow."""
    one, other = nodes
    with psycopg.connect(database_url) as slow:
        slow.execute("SELECT pg_advisory_xact_lock(%s)", (LINE,))
        slow.execute(
            "INSERT INTO events (id, at, topic, subject, client_instance_id, facts)"
            " VALUES ('evt_slow', now(), 'a.b', 's', 'ins_1', '{}')"
        )
        quick = asyncio.create_task(append(one, event("quick")))
        await until(lambda: "advisory" in waiting(watcher), "the second writer waits")
        assert await read(other) == []
        # Whoever has no events to write waits for nobody.
        async with other.transaction() as tx:
            await tx.accounts.change("acc_1", notes="meanwhile")
        slow.commit()
    await quick
    assert await read(other) == ["slow", "quick"]


async def test_a_writer_that_dies_in_line_holds_nobody_up(
    nodes: tuple[Store, Store], database_url: str, watcher: psycopg.Connection[Any]
) -> None:
    one, _ = nodes
    slow = psycopg.connect(database_url)
    slow.execute("SELECT pg_advisory_xact_lock(%s)", (LINE,))
    quick = asyncio.create_task(append(one, event("quick")))
    await until(lambda: "advisory" in waiting(watcher), "the second writer waits")
    slow.close()
    await asyncio.wait_for(quick, WITHIN_S)
    assert await read(one) == ["quick"]


async def test_a_reader_that_reads_on_misses_nothing(nodes: tuple[Store, Store]) -> None:
    writers, each = 12, 8
    seen: list[str] = []
    after = 0

    async def write(number: int) -> None:
        store = nodes[number % 2]
        for count in range(each):
            name = f"{number}/{count}"
            # Every third one falls over after its neighbours have appended theirs.
            with contextlib.suppress(RolledBackError):
                async with store.transaction() as tx:
                    await tx.events.append(event(name), None)
                    await tx.accounts.change(ACCOUNTS[(number + count) % 2], notes=name)
                    if (number + count) % 3 == 0:
                        raise RolledBackError

    async def read_on() -> None:
        nonlocal after
        async with nodes[1].transaction() as tx:
            for one in await tx.events.read(after=after, limit=5):
                seen.append(one.id)
                after = one.position

    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(write(number)) for number in range(writers)]
        while not all(task.done() for task in tasks):
            await read_on()
    while len(seen) < (before := len(seen) + 1):
        await read_on()
        if len(seen) < before:
            break
    kept = {
        f"evt_{number}/{count}"
        for number in range(writers)
        for count in range(each)
        if (number + count) % 3
    }
    assert sorted(seen) == sorted(kept)
    async with nodes[0].transaction() as tx:
        assert seen == [one.id for one in await tx.events.read(limit=999)]


async def test_rows_and_the_line_are_never_waited_for_in_a_circle(
    nodes: tuple[Store, Store], watcher: psycopg.Connection[Any]
) -> None:
    """One has said its event and wants the row; the other has the row and says its event."""
    one, other = nodes

    async def first(tx: Transaction) -> None:
        await tx.accounts.change("acc_1", notes="first")

    async with asyncio.timeout(WITHIN_S), one.transaction() as early:
        await early.events.append(event("early"), delivery(event("early")))
        async with other.transaction() as late:
            await late.accounts.change("acc_1", notes="late")
            change = asyncio.create_task(first(early))
            await until(lambda: bool(waiting(watcher)), "the first one waits for the row")
            await late.events.append(event("late"), delivery(event("late")))
        await change
    assert await read(one) == ["late", "early"]


async def test_a_renamed_account_is_waited_for_before_the_line(
    nodes: tuple[Store, Store], watcher: psycopg.Connection[Any]
) -> None:
    """A webhook's reference has to wait for a row whose key may change. Whoever waits for it must
    not hold the line: the one that changes the row comes there too."""
    one, other = nodes
    async with asyncio.timeout(WITHIN_S):
        async with one.transaction() as renaming:
            await renaming.accounts.change("acc_1", name="Renamed")
            await renaming.events.append(event("renamed", account_id=None), None)
            about = asyncio.create_task(append(other, event("about"), sent=True))
            await until(lambda: bool(waiting(watcher)), "the other one waits for the row")
        await about
    assert await read(one) == ["renamed", "about"]


async def test_two_purges_at_once_share_the_work(nodes: tuple[Store, Store]) -> None:
    old = NOW - timedelta(days=1)
    await append(nodes[0], *(event(str(number), at=old) for number in range(6)))
    async with nodes[0].transaction() as one, nodes[1].transaction() as other:
        assert await one.events.purge(NOW, 4) == 4
        assert await other.events.purge(NOW, 4) == 2
    assert await read(nodes[0]) == []


# --- both stores tell the same ------------------------------------------------------------------

one_event = st.tuples(
    st.sampled_from(["ins_1", "ins_2"]),
    st.sampled_from([None, *ACCOUNTS]),
    st.sampled_from(["a.b", "c.d"]),
    st.sampled_from([None, *t.OutboxState]),
    st.integers(0, 2),
)
stories = st.lists(st.tuples(st.lists(one_event, max_size=4), st.booleans()), max_size=5)


async def live_through(store: Store, story: Any, before: datetime) -> list[Any]:
    number = 0
    for events, commits in story:
        with contextlib.suppress(RolledBackError):
            async with store.transaction() as tx:
                for instance, account, topic, state, days in events:
                    number += 1
                    one = event(
                        f"{number:02}",
                        client_instance_id=instance,
                        account_id=account,
                        topic=topic,
                        at=NOW + timedelta(days=days),
                    )
                    sent = delivery(one, state=state) if state else None
                    await tx.events.append(one, sent)
                if not commits:
                    raise RolledBackError
    async with store.transaction() as tx:
        answers: list[Any] = [
            await tx.events.read(),
            await tx.events.read(client_instance_id="ins_1", account_ids=["acc_1"], limit=2),
            await tx.events.read(after=2, topic="a.b"),
        ]
        for item in await tx.outbox.all():
            answers += [item, await tx.outbox.is_held_up(item), await tx.outbox.next_in_line(item)]
        answers += [await tx.events.purge(before, 3), await tx.events.read()]
    return answers


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_they_tell_the_same(runner: asyncio.Runner, database_url: str) -> None:
    postgres = runner.run(open_store(database_url))
    runner.run(furnish(postgres))

    async def in_memory(story: Any, before: datetime) -> list[Any]:
        memory = MemoryStore()
        await furnish(memory)
        return await live_through(memory, story, before)

    with psycopg.connect(database_url, autocommit=True) as connection:

        @settings(
            max_examples=cases(25),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(stories, st.integers(0, 3).map(lambda days: NOW + timedelta(days=days)))
        def compare(story: Any, before: datetime) -> None:
            connection.execute("DELETE FROM events; DELETE FROM outbox")
            connection.execute("ALTER TABLE events ALTER position RESTART")
            ours = runner.run(live_through(postgres, story, before))
            assert ours == runner.run(in_memory(story, before))

        try:
            compare()
        finally:
            runner.run(postgres.close())
