"""The store on PostgreSQL.

Answers for: ``ports.Store``: transactions, locks, quick reads, and plain errors. Does not answer
for: the schema (``migrating``) and for a server to talk to (``adapters.embedded_postgres``).

Advisory locks belong to a session, so a connection pooler in between has to pool sessions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import create_async_engine

from evergrant.adapters.store.address import to_psycopg, with_options
from evergrant.adapters.store.crier import Crier
from evergrant.adapters.store.locks import AdvisoryLocks
from evergrant.adapters.store.quick import PostgresQuickReads
from evergrant.adapters.store.transactions import PostgresTransaction
from evergrant.adapters.store.trouble import plainly
from evergrant.errors import StoreUnavailable
from evergrant.ports import store as ports

__all__ = ["PostgresStore", "open_store"]

#: How long a statement waits for somebody else's change before it gives up.
LOCK_TIMEOUT = "20s"


async def open_store(
    url: str, *, connections: int = 10, locks: int = 16, patience_s: float = 60.0
) -> PostgresStore:
    """A store on the database at ``url``, which has to be migrated.

    Takes up to ``connections`` for transactions, as many for quick reads, and ``locks`` for
    locks. ``patience_s`` bounds the wait for a lock. Raises Misconfigured for a bad ``url`` and
    StoreUnavailable when nothing answers there. Belongs to the event loop that opened it.
    """
    store = PostgresStore(url, connections=connections, locks=locks, patience_s=patience_s)
    try:
        await store.open()
        await store.ping()
    except BaseException:
        await store.close()
        raise
    return store


class PostgresStore:
    """``ports.Store``. Made by ``open_store``."""

    #: Seconds that a transaction or quick read waits for a free or living connection.
    PATIENCE_S = 5.0

    def __init__(self, url: str, *, connections: int, locks: int, patience_s: float) -> None:
        conninfo = with_options(to_psycopg(url), timezone="UTC")
        # A process that stops in the middle of a transaction must not stop the others for long.
        self._conninfo = with_options(
            conninfo, lock_timeout=LOCK_TIMEOUT, idle_in_transaction_session_timeout="60s"
        )
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._connect,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=self.PATIENCE_S,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        self._quick = PostgresQuickReads(conninfo, most=connections, patience_s=self.PATIENCE_S)
        self._locks = AdvisoryLocks(
            conninfo, most=locks, patience_s=patience_s, connect_within_s=self.PATIENCE_S
        )
        self.quick: ports.QuickReads = self._quick
        self._crier = Crier(self._quick.pool)

    async def open(self) -> None:
        # Once without a pool: a pool says that it waited in vain, libpq says why.
        try:
            await (await self._connect()).close()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(f"The database does not answer: {error}") from None
        await self._quick.open()
        await self._locks.open()

    def transaction(self) -> AbstractAsyncContextManager[ports.Transaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[ports.Transaction]:
        with plainly():
            async with self._engine.begin() as connection:
                tx = PostgresTransaction(connection)
                try:
                    yield tx
                    await tx.end()
                finally:
                    tx.over = True
        self._crier.tell(tx.news)

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._locks.hold(name)

    async def ping(self) -> None:
        await self._quick.ping()

    async def close(self) -> None:
        await self._crier.close()
        await self._locks.close()
        await self._quick.close()
        await self._engine.dispose()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            self._conninfo, connect_timeout=round(self.PATIENCE_S), application_name="evergrant"
        )
