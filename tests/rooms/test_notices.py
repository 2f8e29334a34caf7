"""The notice board, in memory and on PostgreSQL: one open notice per kind and subject, whoever else
comes at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from evergrant import notices
from evergrant.adapters.store import open_store
from evergrant.errors import InvalidInput, NotAllowed, NotFound, StoreUnavailable
from evergrant.notices import Notices
from evergrant.ports.store import AlreadyThere, Store
from evergrant.ports.watched import Notice
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.testing.clock import FakeClock
from evergrant.testing.store import MemoryStore
from tests.rooms.post_ground import Ground

KIND = NoticeKind.SECRET_ENDING


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    store = await open_store(request.getfixturevalue("database_url"))
    yield store
    await store.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def put(store: Store, clock: FakeClock, **wishes: Any) -> bool:
    told: dict[str, Any] = {"kind": KIND, "subject": "app_1", "message": "It ends soon."}
    async with store.transaction() as tx:
        return await notices.put(tx, now=clock.now(), **(told | wishes))


async def settle(store: Store, clock: FakeClock, *kinds: NoticeKind, subject: str = "app_1") -> int:
    async with store.transaction() as tx:
        return await notices.settle(tx, now=clock.now(), kinds=kinds or [KIND], subject=subject)


async def board(store: Store, **equal: Any) -> list[Notice]:
    async with store.transaction() as tx:
        return await tx.notices.all(**equal)


async def test_the_same_again_is_no_news_and_counts_up(store: Store, clock: FakeClock) -> None:
    began = clock.now()
    assert await put(store, clock, days_left=30)
    clock.move(days=7)
    assert not await put(store, clock, message="It ends sooner.", days_left=23)
    (one,) = await board(store)
    assert (one.times, one.first_at, one.last_at) == (2, began, clock.now())
    assert (one.message, one.facts) == ("It ends sooner.", {"days_left": 23})
    # Another subject or another kind hangs beside it.
    assert await put(store, clock, subject="app_2")
    assert await put(store, clock, kind=NoticeKind.SECRET_DEAD)
    assert len(await board(store)) == 3


async def test_what_was_settled_comes_back_as_a_new_one(store: Store, clock: FakeClock) -> None:
    await put(store, clock)
    clock.move(hours=1)
    assert await settle(store, clock) == 1
    assert await settle(store, clock) == 0
    clock.move(hours=1)
    assert await put(store, clock)
    old, new = await board(store)
    assert (old.settled_at, old.settled_by) == (clock.now() - timedelta(hours=1), "system")
    assert (new.settled_at, new.times) == (None, 1)


async def test_only_the_kinds_and_the_subject_that_were_named_are_settled(
    store: Store, clock: FakeClock
) -> None:
    for kind in (KIND, NoticeKind.SECRET_DEAD, NoticeKind.QUEUE_TROUBLE):
        await put(store, clock, kind=kind)
    await put(store, clock, subject="app_2")
    assert await settle(store, clock, KIND, NoticeKind.SECRET_DEAD) == 2
    left = await board(store, settled_at=None)
    assert {(one.kind, one.subject) for one in left} == {
        (NoticeKind.QUEUE_TROUBLE, "app_1"),
        (KIND, "app_2"),
    }


async def test_a_transaction_goes_on_after_a_notice_that_hung_there(
    store: Store, clock: FakeClock
) -> None:
    """A unique key that refuses a row must not spoil what else is written in the same commit."""
    await put(store, clock)
    async with store.transaction() as tx:
        assert not await notices.put(
            tx, now=clock.now(), kind=KIND, subject="app_1", message="again"
        )
        assert await notices.put(tx, now=clock.now(), kind=KIND, subject="app_2", message="another")
    assert {one.subject for one in await board(store, settled_at=None)} == {"app_1", "app_2"}


async def test_a_rolled_back_fact_takes_its_notice_along(store: Store, clock: FakeClock) -> None:
    async def fails() -> None:
        async with store.transaction() as tx:
            await notices.put(tx, now=clock.now(), kind=KIND, subject="app_1", message="x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await board(store) == []
    assert await put(store, clock)


async def test_many_at_once_are_one_notice_that_counts_them_all(
    store: Store, clock: FakeClock
) -> None:
    news = await asyncio.gather(*(put(store, clock) for _ in range(8)))
    assert sum(news) == 1
    (one,) = await board(store)
    assert one.times == 8


async def test_putting_up_while_it_is_settled_loses_nothing(store: Store, clock: FakeClock) -> None:
    """Whoever comes last decides: a fact that was told after the settling hangs there."""
    for _ in range(6):
        await put(store, clock)
        told = await asyncio.gather(
            put(store, clock), settle(store, clock), put(store, clock), settle(store, clock)
        )
        hanging = await board(store, settled_at=None)
        assert len(hanging) <= 1
        assert await put(store, clock) == (not hanging), told
        await settle(store, clock)


class Busy:
    """A shelf on which somebody else is always first."""

    async def add(self, notice: Notice) -> None:
        raise AlreadyThere("notices_open_key")

    async def one(self, **_: Any) -> None:
        return None


async def test_a_board_on_which_there_is_no_getting_through_says_so(clock: FakeClock) -> None:
    class Tx:
        notices = Busy()

    with pytest.raises(StoreUnavailable):
        await notices.put(
            Tx(),  # type: ignore[arg-type]
            now=clock.now(),
            kind=KIND,
            subject="app_1",
            message="x",
        )


async def test_words_of_others_are_scrubbed_and_short(store: Store, clock: FakeClock) -> None:
    await put(store, clock, message="password=hunter2hunter2 " + "x" * 5000)
    (one,) = await board(store)
    assert "hunter2" not in one.message
    assert len(one.message) <= 500


# --- those who look at it -------------------------------------------------------------------------


async def looked_at() -> tuple[Ground, Notices]:
    """Two client instances of two accounts each; a notice about each account, about each instance,
    and about the application."""
    ground = await Ground().open(instances=2, accounts=2)
    async with ground.store.transaction() as tx:
        for account in ground.accounts:
            await notices.put(
                tx,
                now=ground.clock.now(),
                kind=NoticeKind.TERM_ENDING,
                subject=ground.authorizations[account.id].id,
                account_id=account.id,
                message="It ends soon.",
            )
        for instance_id in ground.instances:
            await notices.put(
                tx,
                now=ground.clock.now(),
                kind=NoticeKind.EVENTS_UNDELIVERED,
                subject=instance_id,
                message="It takes nothing.",
            )
        await notices.put(tx, now=ground.clock.now(), kind=KIND, subject="app_1", message="x")
    return ground, Notices(ground.store, ground.clock)


def caller(*rights: Right, **reach: Any) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_1",
        name="ERP",
        rights=frozenset(rights or Right),
        **reach,
    )


async def test_the_board_ends_at_the_reach() -> None:
    ground, room = await looked_at()
    mine = {one.id for one in ground.accounts[:2]}
    whole = await room.list(by=SYSTEM)
    assert len(whole) == 7
    of_instance = caller(client_instance_id=ground.instances[0])
    seen = await room.list(by=of_instance)
    assert {one.account_id or one.subject for one in seen} == {*mine, ground.instances[0]}
    of_account = caller(account_ids=frozenset([ground.accounts[0].id]))
    assert [one.account_id for one in await room.list(by=of_account)] == [ground.accounts[0].id]
    for who, there in ((of_instance, seen), (of_account, await room.list(by=of_account))):
        for notice in whole:
            if notice in there:
                assert await room.get(notice.id, by=who) == notice
                continue
            for verb in (room.get, room.settle):
                with pytest.raises(NotFound):
                    await verb(notice.id, by=who)
        with pytest.raises(NotFound):
            await room.list(by=who, account_id=ground.accounts[2].id)


async def test_pages_leave_nothing_out() -> None:
    ground, room = await looked_at()
    who = caller(client_instance_id=ground.instances[0])
    found: list[Notice] = []
    while page := await room.list(by=who, after=found[-1].id if found else None, limit=1):
        found += page
    assert found == await room.list(by=who)
    assert len(found) == 3
    with pytest.raises(InvalidInput):
        await room.list(by=who, after="acc_1")
    with pytest.raises(InvalidInput):
        await room.list(by=who, limit=0)


async def test_an_operator_settles_what_was_seen_to() -> None:
    ground, room = await looked_at()
    (notice,) = await room.list(by=SYSTEM, kind=KIND)
    ground.clock.move(hours=1)
    settled = await room.settle(notice.id, by=caller())
    assert (settled.settled_at, settled.settled_by) == (ground.clock.now(), "api_key:key_1")
    assert await room.settle(notice.id, by=SYSTEM) == settled, "the first one did it"
    assert await room.list(by=SYSTEM, kind=KIND) == []
    assert await room.list(by=SYSTEM, kind=KIND, open_only=False) == [settled]
    async with ground.store.transaction() as tx:
        (line,) = await tx.journal.read(verb="notice.settled")
    assert (line.caller, line.facts["about"]) == ("api_key:key_1", "app_1")


async def test_without_the_right_nothing_is_shown_or_settled() -> None:
    _, room = await looked_at()
    (notice,) = await room.list(by=SYSTEM, kind=KIND)
    with pytest.raises(NotAllowed):
        await room.list(by=caller(Right.WRITE))
    with pytest.raises(NotAllowed):
        await room.get(notice.id, by=caller(Right.WRITE))
    with pytest.raises(NotAllowed):
        await room.settle(notice.id, by=caller(Right.READ))
