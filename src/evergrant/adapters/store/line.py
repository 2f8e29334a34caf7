"""The line before the commit: positions in the order in which transactions commit.

Answers for: one lock that everybody takes who has events or orders to number, as the very last
thing. Does not answer for: the numbers (``events``, ``orders``).

A sequence alone gives numbers in the order of the asking: a transaction that asked first and
commits last would slip its rows in behind a reader who has gone on. So the transactions that number
something stand in line for one lock, take it as the very last thing before the commit, and
PostgreSQL frees it when the commit is visible. Whoever holds it needs nothing of anybody else any
more, which is why nobody can wait in a circle for it. It is one lock for events and orders: with
two, whoever has both would hold the first while waiting for the second.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evergrant.adapters.store.locks import lock_number

__all__ = ["LINE", "stand_in_line"]

#: No name of a lock of the rooms begins like this.
LINE = lock_number("store: the line of those who write events")


async def stand_in_line(connection: AsyncConnection) -> None:
    await connection.execute(select(func.pg_advisory_xact_lock(LINE)))
