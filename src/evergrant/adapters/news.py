"""News of the house by PostgreSQL's LISTEN: one connection for all who listen in this process.

Answers for: ``ports.News``: hearing what transactions told (``store.crier``), coming back when
the connection broke, and saying then that everything has to be read again. Does not answer for:
what is news.

Nobody listens, no connection: it is made for the first listener and stays. A connection pooler in
between has to pool sessions, as for locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import psycopg
from psycopg import sql

from evergrant.adapters.store.address import to_psycopg, with_options
from evergrant.adapters.store.crier import CHANNEL, from_payload
from evergrant.ports.news import LOOK_AGAIN, Hearing, Listeners

__all__ = ["PostgresNews"]

log = logging.getLogger(__name__)

#: Seconds from the first try to connect again to the second; then twice as long each time.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
#: A connection that was silent for so many seconds is asked whether it lives.
SILENCE_S = 20.0
CONNECT_WITHIN_S = 5


class PostgresNews:
    """``ports.News``. Belongs to the event loop in which somebody listens first."""

    def __init__(
        self,
        url: str,
        *,
        room: int = 200,
        first_pause_s: float = FIRST_PAUSE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._conninfo = with_options(
            to_psycopg(url),
            tcp_keepalives_idle="30",
            tcp_keepalives_interval="10",
            tcp_keepalives_count="3",
        )
        self._listeners = Listeners(room)
        self._first_pause_s = first_pause_s
        self._silence_s = silence_s
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._closed = False

    def listen(self) -> Hearing:
        hearing = self._listeners.add()
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._hear(), name="news")
        return hearing

    @property
    def heard(self) -> bool:
        return self._task is None or self._connected.is_set()

    async def connected(self) -> None:
        """Returns once news comes, for those who want to be sure that they miss none."""
        await self._connected.wait()

    async def close(self) -> None:
        self._closed = True
        self._listeners.end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _hear(self) -> None:
        pause_s = self._first_pause_s
        while True:
            try:
                async with await self._connect() as connection:
                    pause_s = self._first_pause_s
                    await self._listen(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("no news for a while, the database is asked again: %r", error)
            finally:
                self._connected.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=CONNECT_WITHIN_S,
            application_name="evergrant news",
        )

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self._connected.set()
        # Whoever listened before this moment may have missed something.
        self._listeners.tell([LOOK_AGAIN])
        while True:
            async with contextlib.aclosing(
                connection.notifies(timeout=self._silence_s)
            ) as notifies:
                async for notice in notifies:
                    self._listeners.tell(from_payload(notice.payload))
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await connection.execute("SELECT 1")
