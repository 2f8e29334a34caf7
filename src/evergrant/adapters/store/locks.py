"""Locks over all processes and nodes: PostgreSQL's session-level advisory locks.

Answers for: one holder per name, and freedom when the holder's connection or process dies. Does
not answer for: transactions; a lock is held on a connection of its own, outside any.

Within a process the callers of one name queue here, so that a name costs one connection however
many wait for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from evergrant.adapters.store.address import with_options
from evergrant.adapters.store.trouble import plainly
from evergrant.errors import StoreUnavailable

__all__ = ["AdvisoryLocks", "lock_number"]


def lock_number(name: str) -> int:
    """A name as the 64 bits that PostgreSQL takes."""
    digest = hashlib.sha256(f"evergrant/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class AdvisoryLocks:
    """``most`` bounds the connections: so many names are held or waited for at a time."""

    def __init__(
        self, conninfo: str, *, most: int, patience_s: float, connect_within_s: float
    ) -> None:
        self._patience_s = patience_s
        self._room = asyncio.Semaphore(most)
        conninfo = with_options(
            conninfo,
            lock_timeout=f"{patience_s * 1000:.0f}",
            # A node that vanished without a word frees its locks after a minute, not after hours.
            tcp_keepalives_idle="30",
            tcp_keepalives_interval="10",
            tcp_keepalives_count="3",
        )
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo,
            kwargs={"autocommit": True, "application_name": "evergrant locks"},
            min_size=0,
            max_size=most,
            timeout=connect_within_s,
            max_idle=60,
            open=False,
            check=AsyncConnectionPool.check_connection,
            name="evergrant-locks",
        )
        self._turns: dict[str, asyncio.Lock] = {}
        self._queues: dict[str, int] = defaultdict(int)

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Raises StoreUnavailable when the lock was not to be had within the patience."""
        async with self._turn(name), self._place():
            with plainly():
                connection = await self._pool.getconn()
            try:
                await self._lock(connection, name)
                try:
                    yield
                finally:
                    await self._unlock(connection, name)
            finally:
                await self._pool.putconn(connection)

    async def _lock(self, connection: psycopg.AsyncConnection[Any], name: str) -> None:
        try:
            with plainly():
                await connection.execute("SELECT pg_advisory_lock(%s)", (lock_number(name),))
        except BaseException:
            # Whether the lock was given in the last moment is unknown: the connection goes.
            await connection.close()
            raise

    async def _unlock(self, connection: psycopg.AsyncConnection[Any], name: str) -> None:
        try:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (lock_number(name),))
        except psycopg.Error:
            # The connection is dead, and the lock with it; what was done under it is done.
            await connection.close()
        except BaseException:
            await connection.close()
            raise

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """Among the callers of this name in this process."""
        turn = self._turns.setdefault(name, asyncio.Lock())
        self._queues[name] += 1
        try:
            await self._patiently(turn.acquire())
            try:
                yield
            finally:
                turn.release()
        finally:
            self._queues[name] -= 1
            if not self._queues[name]:
                del self._queues[name], self._turns[name]

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Among the names of this process: the pool's wait is kept for a database that is gone."""
        await self._patiently(self._room.acquire())
        try:
            yield
        finally:
            self._room.release()

    async def _patiently(self, waiting: Awaitable[bool]) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await waiting
        except TimeoutError:
            raise StoreUnavailable("Waited too long for another caller.") from None
