"""The doorbell: whoever presses it is heard, however many press at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from evergrant.adapters.store import open_store
from evergrant.doorbell import press, put_due
from evergrant.outbox import put_event
from evergrant.ports.store import Store
from evergrant.ports.things import Account
from evergrant.ports.traded import AccountWork
from evergrant.rules.topics import EVENTS
from evergrant.testing.store import MemoryStore
from tests.rooms.hatch_ground import Hatch

HEARD = {
    "account.changed",
    "authorization.granted",
    "authorization.lapsed",
    "authorization.renewed",
    "authorization.revoked",
}


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    store = await open_store(request.getfixturevalue("database_url"), connections=40)
    yield store
    await store.close()


@pytest.fixture
async def hatch(store: Store) -> Hatch:
    return await Hatch(store=store).open()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add()


async def row(hatch: Hatch, account: Account) -> AccountWork | None:
    async with hatch.store.transaction() as tx:
        return await tx.work.get(account.id)


async def test_it_is_hung_up_when_it_is_first_needed(hatch: Hatch, account: Account) -> None:
    now = hatch.clock.now()
    async with hatch.store.transaction() as tx:
        assert await press(tx, account.id, now) is None
    assert await row(hatch, account) is None
    async with hatch.store.transaction() as tx:
        hung = await put_due(tx, account.id, now)
    assert (hung.due_at, hung.version) == (now, 1)
    assert await row(hatch, account) == hung


async def test_a_press_makes_it_due_and_changes_the_version(hatch: Hatch, account: Account) -> None:
    now = hatch.clock.now()
    for was, due in (
        (None, now),
        (now + timedelta(hours=1), now),
        (now - timedelta(hours=1), now - timedelta(hours=1)),
    ):
        async with hatch.store.transaction() as tx:
            known = await put_due(tx, account.id, now)
            await tx.work.change(account.id, due_at=was, paused_at=now, pause_note="why")
        async with hatch.store.transaction() as tx:
            pressed = await press(tx, account.id, now)
        assert pressed is not None
        assert (pressed.due_at, pressed.version) == (due, known.version + 1)
        assert (pressed.paused_at, pressed.pause_note) == (now, "why")
        assert await row(hatch, account) == pressed


async def test_very_many_at_once_are_all_heard(hatch: Hatch, account: Account) -> None:
    """The first of them hangs it up."""

    async def one() -> None:
        async with hatch.store.transaction() as tx:
            await put_due(tx, account.id, hatch.clock.now())
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(60)))
    found = await row(hatch, account)
    assert found is not None
    assert found.version == 60


async def test_whoever_gives_up_has_not_pressed(hatch: Hatch, account: Account) -> None:
    async def gives_up() -> None:
        async with hatch.store.transaction() as tx:
            await put_due(tx, account.id, hatch.clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await gives_up()
    assert await row(hatch, account) is None


async def test_events_that_are_of_use_press_it(hatch: Hatch, account: Account) -> None:
    heard = set()
    for topic in EVENTS:
        now = hatch.clock.move(seconds=1)
        async with hatch.store.transaction() as tx:
            await put_due(tx, account.id, now)
            await tx.work.change(account.id, due_at=None)
            authorization = await tx.authorizations.one(account_id=account.id)
            assert authorization is not None
            await put_event(tx, now=now, topic=topic, account=account, authorization=authorization)
        found = await row(hatch, account)
        assert found is not None
        assert found.due_at in (now, None)
        if found.due_at:
            heard.add(topic)
    assert heard == HEARD
