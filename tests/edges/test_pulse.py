"""The pulse, read from the queue's own tables, and its twin for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from procrastinate import App

from evergrant.adapters import queue
from evergrant.adapters.pulse import PostgresPulse
from evergrant.errors import StoreUnavailable
from evergrant.ports.pulse import PulseSeen, WorkerSeen
from evergrant.testing.clock import FakeClock
from evergrant.testing.pulse import MemoryPulse


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    async with queue.open_queue(database_url) as app:
        yield app


@pytest.fixture
async def pulse(database_url: str) -> AsyncIterator[PostgresPulse]:
    pulse = PostgresPulse(database_url)
    yield pulse
    await pulse.close()


async def defer(app: App, name: str, queue_name: str, **more: Any) -> int:
    task = app.configure_task(name, queue=queue_name, allow_unknown=True, **more)
    return await task.defer_async()


async def do(url: str, statement: Any, *values: Any) -> None:
    async with await psycopg.AsyncConnection.connect(queue.conninfo_of(url)) as connection:
        await connection.execute(statement, values)


async def test_a_queue_where_nothing_ever_was(pulse: PostgresPulse) -> None:
    seen = await pulse.look()
    assert seen == PulseSeen(looked_at=seen.looked_at)
    assert seen.looked_at.utcoffset() is not None
    assert seen.alive() == 0


async def test_what_waits_by_queue_and_what_is_for_later(app: App, pulse: PostgresPulse) -> None:
    await defer(app, "a", "post")
    await defer(app, "b", "post")
    await defer(app, "c", "feeds")
    await defer(app, "d", "feeds", schedule_in={"hours": 1})
    seen = await pulse.look()
    assert seen.waiting == {"post": 2, "feeds": 1}
    assert seen.later == 1
    assert seen.running == 0
    assert 0 <= seen.oldest_waiting_s < 60


async def test_since_when_the_oldest_is_due(
    app: App, pulse: PostgresPulse, database_url: str
) -> None:
    job = await defer(app, "a", "post")
    await defer(app, "b", "post")
    await do(
        database_url,
        "UPDATE procrastinate_events SET at = at - interval '10 minutes' WHERE job_id = %s",
        job,
    )
    seen = await pulse.look()
    assert 600 <= seen.oldest_waiting_s < 660
    # One that was set for a time is due since then, not since it was asked for.
    await do(
        database_url,
        "UPDATE procrastinate_jobs SET scheduled_at = now() - interval '5 minutes' WHERE id = %s",
        job,
    )
    assert 300 <= (await pulse.look()).oldest_waiting_s < 360


async def test_workers_and_what_they_have_in_hand(
    app: App, pulse: PostgresPulse, database_url: str
) -> None:
    one = await app.job_manager.register_worker()
    other = await app.job_manager.register_worker()
    await do(
        database_url,
        "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'"
        " WHERE id = %s",
        other,
    )
    await defer(app, "a", "post")
    assert await app.job_manager.fetch_job(["post"], one) is not None
    seen = await pulse.look()
    assert seen.running == 1
    assert seen.waiting == {}
    assert [worker.id for worker in seen.workers] == [str(one), str(other)]
    assert [worker.queues for worker in seen.workers] == [("post",), ()]
    assert seen.alive() == 1
    assert seen.alive(within_s=600) == 2


async def test_failures_of_the_last_day_are_counted(
    app: App, pulse: PostgresPulse, database_url: str
) -> None:
    for name in ("a", "b"):
        await defer(app, name, "post")
        worker = await app.job_manager.register_worker()
        job = await app.job_manager.fetch_job(["post"], worker)
        assert job is not None
        await do(
            database_url,
            "SELECT procrastinate_finish_job_v1(%s, 'failed', false)",
            job.id,
        )
    assert (await pulse.look()).failed_last_day == 2
    await do(
        database_url,
        "UPDATE procrastinate_events SET at = at - interval '25 hours' WHERE job_id ="
        " (SELECT max(id) FROM procrastinate_jobs)",
    )
    assert (await pulse.look()).failed_last_day == 1


async def test_a_database_that_is_not_there_is_told() -> None:
    pulse = PostgresPulse("postgresql://nobody@127.0.0.1:1/none", patience_s=0.2)
    with pytest.raises(StoreUnavailable):
        await pulse.look()
    await pulse.close()


async def test_the_twin_says_what_it_is_told() -> None:
    clock = FakeClock()
    pulse = MemoryPulse(clock)
    seen = await pulse.look()
    assert seen.alive() == 1
    old = WorkerSeen(id="1", last_heartbeat_at=clock.now() - timedelta(hours=1))
    pulse.seen = PulseSeen(looked_at=clock.now(), waiting={"post": 3}, workers=(old,))
    assert (await pulse.look()).alive() == 0
    pulse.down = True
    with pytest.raises(StoreUnavailable):
        await pulse.look()
    await pulse.close()
