"""Bell and queue on Procrastinate and the real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from procrastinate import App

from evergrant.adapters import queue
from evergrant.adapters.bell import DELIVER, ProcrastinateBell
from evergrant.adapters.pulse import PostgresPulse
from evergrant.errors import Misconfigured, StoreUnavailable


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    async with queue.open_queue(database_url) as app:
        yield app


async def waiting(app: App) -> list[Any]:
    jobs = await app.job_manager.list_jobs_async(task=DELIVER)
    return [job.task_kwargs["item_id"] for job in jobs if job.status == "todo"]


async def test_a_ring_is_a_job_per_item(app: App) -> None:
    await ProcrastinateBell(app).ring(["out_1", "out_2"])
    assert await waiting(app) == ["out_1", "out_2"]


async def test_ringing_twice_is_one_job(app: App) -> None:
    bell = ProcrastinateBell(app)
    await bell.ring(["out_1", "out_1"])
    await asyncio.gather(*(bell.ring(["out_1", "out_2"]) for _ in range(10)))
    assert sorted(await waiting(app)) == ["out_1", "out_2"]


async def test_a_ring_for_later_waits_and_keeps_no_other_from_now(app: App) -> None:
    bell = ProcrastinateBell(app)
    await bell.ring_after(["out_1", "out_1"], timedelta(seconds=4.2))
    (later,) = await app.job_manager.list_jobs_async(task=DELIVER)
    assert later.scheduled_at is not None
    pause = later.scheduled_at - datetime.now(UTC)
    assert timedelta(0) < pause <= timedelta(seconds=5)
    await bell.ring(["out_1"])
    jobs = await app.job_manager.list_jobs_async(task=DELIVER)
    assert [job.scheduled_at is None for job in jobs] == [False, True]


async def test_ringing_for_nothing_is_nothing(app: App) -> None:
    await ProcrastinateBell(app).ring([])
    assert await waiting(app) == []


async def test_a_bell_never_raises(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Here the queue's tables are missing."""
    async with queue.open_queue(empty_database_url) as app:
        await ProcrastinateBell(app).ring(["out_1"])
    assert "a ring was lost" in caplog.text


async def test_a_bell_never_raises_when_it_is_closed(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with queue.open_queue(database_url) as app:
        bell = ProcrastinateBell(app)
    await bell.ring(["out_1"])
    assert "a ring was lost" in caplog.text


async def test_a_bell_keeps_nobody_waiting(
    app: App, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("lock table procrastinate.procrastinate_jobs")
        async with asyncio.timeout(60):
            await ProcrastinateBell(app, patience_s=0.2).ring(["out_1"])
    assert "a ring was lost" in caplog.text


async def test_a_ring_that_is_cancelled_stays_cancelled(app: App, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("lock table procrastinate.procrastinate_jobs")
        ringing = asyncio.create_task(ProcrastinateBell(app, patience_s=30).ring(["out_1"]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ringing, 0.2)
        assert ringing.cancelled()


async def test_jobs_of_a_worker_that_fell_silent_are_put_back(app: App, database_url: str) -> None:
    await ProcrastinateBell(app).ring(["out_1", "out_2"])
    dead = await app.job_manager.register_worker()
    alive = await app.job_manager.register_worker()
    for worker in (dead, alive):
        assert await app.job_manager.fetch_job(queues=None, worker_id=worker) is not None
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "update procrastinate.procrastinate_workers"
            " set last_heartbeat = now() - interval '1 minute' where id = %s",
            (dead,),
        )
    pulse = PostgresPulse(database_url)
    assert (await pulse.look()).alive(within_s=30) == 1
    await pulse.close()
    assert await queue.take_over_stalled(app, silent_for_s=30) == 1
    assert await waiting(app) == ["out_1"]
    assert await queue.take_over_stalled(app, silent_for_s=30) == 0


async def test_the_queue_of_a_database_without_one(empty_database_url: str) -> None:
    assert await queue.queue_is_there(empty_database_url) is False


@pytest.mark.parametrize("verb", [queue.queue_is_there, queue.database_time])
async def test_a_database_that_is_away(verb: Any) -> None:
    with pytest.raises(StoreUnavailable):
        await verb("postgresql://127.0.0.1:1/evergrant")


async def test_an_address_that_is_none() -> None:
    with pytest.raises(Misconfigured):
        await queue.queue_is_there("nonsense")
