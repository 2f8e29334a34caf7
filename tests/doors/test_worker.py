"""The worker's tasks on a queue in memory: what each does, and what becomes of a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from procrastinate import App
from procrastinate.testing import InMemoryConnector

from evergrant.adapters.bell import DELIVER, ORDERS, WORK
from evergrant.desk import Desk
from evergrant.doorbell import put_due
from evergrant.entrances.worker.tasks import Pace, define, work
from evergrant.errors import StoreUnavailable
from evergrant.feeds.keeping import Tidied
from evergrant.feeds.working import Worked
from evergrant.orders.values import Swept as OrdersSwept
from evergrant.ports.signed_in import OperatorSession, SignInMethod
from evergrant.ports.things import Operator, OutboxItem, OutboxKind, OutboxState
from evergrant.rotation import Turned
from evergrant.rules.rights import Role
from evergrant.testing.desk import Fakes, desk
from evergrant.watch import Probed, Swept
from tests.rooms.test_post import ACCOUNT, APPLICATION, INSTANCE


class Yard:
    """A worker's tasks on a desk of fakes."""

    def __init__(self) -> None:
        self.fakes = Fakes()
        self.desk: Desk = desk(self.fakes)
        self.app = App(connector=InMemoryConnector())
        self.ended: list[tuple[str, str]] = []
        self.posted: list[tuple[str, str]] = []
        self.watched: dict[str, int] = {}
        define(
            *(self.app, self.desk, self.fakes.bell, Pace(), self.count),
            lambda topic, outcome: self.posted.append((topic, outcome)),
            self.watched.__setitem__,
        )

    def count(self, task: str, outcome: str) -> None:
        self.ended.append((task, outcome))

    async def do(self, task: str, **facts: Any) -> None:
        """One job, as the queue would do it."""
        await self.app.tasks[task](**facts)

    async def put(self, id: str = "out_1", **facts: Any) -> None:
        now = self.fakes.clock.now()
        item = OutboxItem(
            id=id,
            kind=OutboxKind.WEBHOOK,
            topic="authorization.granted",
            subject="aut_1",
            **{"to": "ins_none", "next_at": now, "created_at": now, **facts},
        )
        async with self.fakes.store.transaction() as tx:
            await tx.outbox.add(item)


@pytest.fixture
def yard() -> Yard:
    return Yard()


async def test_a_job_delivers_its_item(yard: Yard) -> None:
    await yard.put()
    await yard.do(DELIVER, item_id="out_1")
    async with yard.fakes.store.transaction() as tx:
        item = await tx.outbox.get("out_1")
    # There is no such instance, so the post room gave it up in the open: it was its turn.
    assert item is not None
    assert item.state is OutboxState.FAILED
    assert yard.ended == [(DELIVER, "done")]


async def test_attempts_are_counted_by_topic_and_what_is_none_is_not(yard: Yard) -> None:
    await yard.put("out_1")
    await yard.put("out_2", next_at=yard.fakes.clock.now() + timedelta(hours=1))
    for _ in range(2):
        await yard.do(DELIVER, item_id="out_1")
    await yard.do(DELIVER, item_id="out_2")
    assert yard.posted == [("authorization.granted", "failed")]


async def test_whose_turn_it_is_is_rung_for(yard: Yard) -> None:
    async with yard.fakes.store.transaction() as tx:
        await tx.applications.add(APPLICATION)
        await tx.instances.add(INSTANCE)
        await tx.accounts.add(ACCOUNT)
    for place in (1, 2):
        await yard.put(f"out_{place}", account_id=ACCOUNT.id, to=INSTANCE.id, position=place)
    await yard.do(DELIVER, item_id="out_2")
    assert yard.posted == []
    await yard.do(DELIVER, item_id="out_1")
    assert yard.fakes.bell.rung == ["out_2"]
    await yard.do(DELIVER, item_id="out_2")
    assert len(yard.posted) == 2


async def test_a_ring_for_an_item_that_is_gone_is_no_failure(yard: Yard) -> None:
    await yard.do(DELIVER, item_id="out_none")
    assert yard.ended == [(DELIVER, "done")]


async def test_the_look_into_the_outbox_rings_for_what_is_due(yard: Yard) -> None:
    await yard.put("out_1")
    await yard.put("out_2", next_at=yard.fakes.clock.now() + timedelta(hours=1))
    await yard.do("post.sweep", timestamp=0)
    assert yard.fakes.bell.rung == ["out_1"]
    yard.fakes.clock.move(hours=2)
    await yard.do("post.sweep", timestamp=60)
    assert yard.fakes.bell.rung == ["out_1", "out_1", "out_2"]


ROUNDS = ["post.sweep", "watch.sweep", "watch.probe", "watch.rotate"]
KITCHEN = ["feeds.folder", "orders.sweep", "amazon_reports", "notifications"]
QUEUE = ["queue.recover", "queue.tidy"]


async def test_the_clock_tower_looks(yard: Yard) -> None:
    for task in ROUNDS:
        await yard.do(task, timestamp=0)
    assert yard.ended == [(task, "done") for task in ROUNDS]


async def test_what_the_clock_tower_did_is_counted_and_nothing_else(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swept() -> Swept:
        return Swept(reminders_told=3, terms_ended=1)

    async def probed() -> Probed:
        return Probed(passed=7)

    async def turned() -> Turned:
        return Turned(asked=1, promoted=2)

    for name, verb in (("sweep", swept), ("probe", probed), ("rotate", turned)):
        monkeypatch.setattr(yard.desk.watch, name, verb)
    for task in ROUNDS:
        await yard.do(task, timestamp=0)
    assert yard.watched == {
        "reminders_told": 3,
        "terms_ended": 1,
        "probes_passed": 7,
        "rotations_asked": 1,
        "rotations_promoted": 2,
    }


async def test_sessions_of_long_ago_are_forgotten(yard: Yard) -> None:
    now = yard.fakes.clock.now()
    over = OperatorSession(
        id="ses_1",
        operator_id="opr_1",
        secret_digest="d",
        method=SignInMethod.PASSWORD,
        address="203.0.113.7",
        origin="203.0.113.7",
        agent="tests",
        created_at=now,
        seen_at=now,
        ends_at=now + timedelta(days=7),
    )
    ada = Operator(
        id="opr_1",
        name="Ada",
        email="ada@house.example",
        role=Role.ADMIN,
        password_hash="",
        created_at=now,
    )
    async with yard.fakes.store.transaction() as tx:
        await tx.operators.add(ada)
        await tx.operator_sessions.add(over)
    await yard.do("sessions.tidy", timestamp=0)
    assert yard.fakes.store.rows["operator_sessions"] == {over.id: over}
    yard.fakes.clock.move(days=60)
    await yard.do("sessions.tidy", timestamp=3600)
    assert yard.fakes.store.rows["operator_sessions"] == {}
    assert yard.ended == [("sessions.tidy", "done")] * 2


@pytest.mark.parametrize("task", ROUNDS)
async def test_a_database_that_is_away_ends_a_look_and_nothing_else(
    yard: Yard, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailable

    monkeypatch.setattr(yard.fakes.store, "transaction", away)
    await yard.do(task, timestamp=0)
    assert yard.ended == [(task, "failed")]
    assert yard.fakes.bell.rung == []


async def test_a_mistake_of_ours_is_seen_by_the_queue(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(yard.fakes.store, "transaction", breaks)
    with pytest.raises(ZeroDivisionError):
        await yard.do("watch.sweep", timestamp=0)
    assert yard.ended == [("watch.sweep", "failed")]


def test_what_is_periodic(yard: Yard) -> None:
    crons = {
        task.task.name: task.cron for task in yard.app.periodic_registry.periodic_tasks.values()
    }
    assert {crons[name] for name in ROUNDS} == {"* * * * *"}
    assert set(crons) == {*ROUNDS, *KITCHEN, "feeds.tick", "feeds.tidy", "sessions.tidy", *QUEUE}
    # Whose turn it is and what Amazon has done is not looked for by the minute alone.
    assert {name: crons[name] for name in ("feeds.tick", "notifications")} == {
        "feeds.tick": "* * * * * */15",
        "notifications": "* * * * * */20",
    }
    # Each has a lock of its own: a round of one that waits for Amazon holds up none of the others.
    for name in (*ROUNDS, *KITCHEN, "feeds.tick", "feeds.tidy"):
        task = yard.app.tasks[name]
        assert (task.lock, task.queueing_lock) == (name, name)
    # However many accounts wait for their turn.
    for name in (*KITCHEN, "feeds.tidy"):
        task = yard.app.tasks[name]
        assert (task.queue, task.priority) == ("rounds", 1)
    assert yard.app.tasks[WORK].priority == 0


async def _until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not look():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_it_works_until_it_is_told_to_stop() -> None:
    fakes = Fakes()
    app = App(connector=InMemoryConnector())
    ended: list[str] = []
    stop = asyncio.Event()
    async with app.open_async():
        working = asyncio.create_task(
            work(
                app,
                desk(fakes),
                fakes.bell,
                stop,
                pace=Pace(poll_s=0.05),
                ended=lambda task, outcome: ended.append(f"{task} {outcome}"),
            )
        )
        await _until(lambda: DELIVER in app.tasks)
        await app.configure_task(DELIVER, queue="post").defer_async(item_id="out_none")
        await _until(lambda: f"{DELIVER} done" in ended)
        stop.set()
        async with asyncio.timeout(60):
            await working


async def test_a_queue_that_breaks_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    app = App(connector=InMemoryConnector())
    stop = asyncio.Event()
    tries = 0

    async def breaks(**_: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            stop.set()
        raise OSError("the connection is gone")

    monkeypatch.setattr(app, "run_worker_async", breaks)
    async with asyncio.timeout(60):
        await work(app, desk(fakes), fakes.bell, stop, pace=Pace(pause_after_trouble_s=0.01))
    assert tries == 4, "both of its workers, twice"


# --- the kitchen --------------------------------------------------------------------------------


async def test_whose_account_is_due_is_rung_for(yard: Yard) -> None:
    async with yard.fakes.store.transaction() as tx:
        await tx.applications.add(APPLICATION)
        await tx.instances.add(INSTANCE)
        await tx.accounts.add(ACCOUNT)
        await put_due(tx, ACCOUNT.id, yard.fakes.clock.now())
    await yard.do("feeds.tick", timestamp=0)
    assert yard.fakes.bell.work == [ACCOUNT.id]
    yard.fakes.store.down = True
    await yard.do("feeds.tick", timestamp=15)
    assert yard.ended == [("feeds.tick", "done"), ("feeds.tick", "failed")]


async def test_what_the_kitchen_did_is_counted(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    async def worked(account_id: str) -> Worked:
        return Worked(account_id=account_id, made=3, settled=2, troubled=1)

    async def swept() -> OrdersSwept:
        return OrdersSwept(accounts=1, received=4)

    async def tidied() -> Tidied:
        return Tidied(changes=7, runs=2)

    async def purged(now: datetime) -> int:
        return 5

    monkeypatch.setattr(yard.desk.feeds.work, "work", worked)
    monkeypatch.setattr(yard.desk.orders, "round", swept)
    monkeypatch.setattr(yard.desk.orders, "purge", purged)
    monkeypatch.setattr(yard.desk.feeds.keeping, "tidy", tidied)
    await yard.do(WORK, account_id="acc_1")
    for task in ("orders.sweep", "feeds.tidy"):
        await yard.do(task, timestamp=0)
    asked: list[str] = []

    async def swept_one(account_id: str) -> OrdersSwept:
        asked.append(account_id)
        return OrdersSwept(pages=2)

    monkeypatch.setattr(yard.desk.orders, "sweep_asked", swept_one)
    await yard.do(ORDERS, account_id="acc_1")
    assert asked == ["acc_1"]
    assert yard.watched == {
        "feeds_made": 3,
        "feeds_settled": 2,
        "feeds_troubled": 1,
        "orders_accounts": 1,
        "orders_pages": 2,
        "orders_received": 4,
        "forgotten_changes": 7,
        "forgotten_runs": 2,
        "forgotten_orders": 5,
    }


async def test_every_round_of_the_kitchen_comes_to_its_end_with_nothing_to_do(yard: Yard) -> None:
    for task in (*KITCHEN, "feeds.tidy"):
        await yard.do(task, timestamp=0)
    assert {outcome for _, outcome in yard.ended} == {"done"}
    assert yard.watched == {}


async def test_a_turn_for_an_account_that_is_gone_is_no_failure(yard: Yard) -> None:
    await yard.do(WORK, account_id="acc_none")
    assert yard.ended == [(WORK, "done")]
    assert yard.watched == {}
