"""Procrastinate on the same PostgreSQL: its connections, its workers, its jobs of dead workers.

Answers for: finding the queue in the schema that our migrations made for it (``procrastinate``,
beside our own tables). Does not answer for: what the jobs do (the worker).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import psycopg
from procrastinate import App, PsycopgConnector
from psycopg.conninfo import make_conninfo

from evergrant.adapters.store.address import to_psycopg, with_options
from evergrant.errors import StoreUnavailable

__all__ = [
    "SCHEMA",
    "conninfo_of",
    "database_time",
    "open_queue",
    "queue_is_there",
    "take_over_stalled",
]

#: As the migrations name it.
SCHEMA = "procrastinate"

Connection = psycopg.AsyncConnection[tuple[object, ...]]


def conninfo_of(url: str) -> str:
    """``url`` with the queue's schema as the search path."""
    return make_conninfo(
        with_options(to_psycopg(url), search_path=SCHEMA),
        application_name="evergrant-queue",
        connect_timeout=10,
    )


@asynccontextmanager
async def open_queue(url: str, *, connections: int = 2) -> AsyncIterator[App]:
    """An open Procrastinate app on the database at ``url``. ``connections``: at most so many; a
    worker needs one to listen, one for itself and one per job that ends at the same time.
    Raises StoreUnavailable when nothing answers there."""
    app = App(
        connector=PsycopgConnector(
            conninfo=conninfo_of(url), min_size=1, max_size=connections, timeout=10.0
        )
    )
    try:
        await app.open_async()
    except (psycopg.Error, OSError) as error:
        raise StoreUnavailable(facts={"error": type(error).__name__}) from None
    except Exception as error:
        # The pool's own errors and Procrastinate's wrapping of them, under many names.
        raise StoreUnavailable(facts={"error": type(error).__name__}) from error
    try:
        yield app
    finally:
        await app.close_async()


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    """One connection and transaction. Raises StoreUnavailable."""
    try:
        async with await psycopg.AsyncConnection.connect(conninfo_of(url)) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise StoreUnavailable(facts={"error": type(error).__name__}) from None


async def queue_is_there(url: str) -> bool:
    """Whether the queue's tables exist. Raises StoreUnavailable."""
    async with _connected(url) as connection:
        return await _is_there(connection)


async def database_time(url: str) -> datetime:
    """What the database's clock says. Raises StoreUnavailable."""
    async with _connected(url) as connection:
        cursor = await connection.execute("select clock_timestamp()")
        row = await cursor.fetchone()
        assert row is not None
        assert isinstance(row[0], datetime)
        return row[0]


async def _is_there(connection: Connection) -> bool:
    cursor = await connection.execute(
        "select to_regclass(%s) is not null", (f"{SCHEMA}.procrastinate_jobs",)
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def take_over_stalled(app: App, *, silent_for_s: float) -> int:
    """Puts jobs back whose worker has been silent for that long: it died. Each begins again from
    its beginning, with whichever worker is free. Gives their number."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_for_s))
    for job in stalled:
        await app.job_manager.retry_job(job)
    return len(stalled)
