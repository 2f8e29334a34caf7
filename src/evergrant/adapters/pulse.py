"""How the queue and its workers are, read from Procrastinate's own tables.

Answers for: ``ports.Pulse``, in one statement on a connection of its own, kept for the next look.
Does not answer for: the queue itself (``adapters.queue``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from evergrant.adapters.queue import conninfo_of
from evergrant.adapters.store.trouble import plainly
from evergrant.ports.pulse import PulseSeen, WorkerSeen

__all__ = ["PostgresPulse"]

#: Jobs that are over may be very many: the failed ones are found by the index on their events.
_LOOK: LiteralString = """
WITH open AS MATERIALIZED (
    SELECT j.id, j.status, j.queue_name, j.worker_id,
           coalesce(j.scheduled_at, d.at, now()) AS due_at
      FROM procrastinate_jobs j
      LEFT JOIN LATERAL (
           SELECT max(e.at) AS at FROM procrastinate_events e
            WHERE e.job_id = j.id AND e.type IN ('deferred', 'deferred_for_retry')) AS d ON true
     WHERE j.status IN ('todo', 'doing')
)
SELECT clock_timestamp() AS looked_at,
       (SELECT coalesce(json_object_agg(queue_name, number), '{}')
          FROM (SELECT queue_name, count(*) AS number FROM open
                 WHERE status = 'todo' AND due_at <= now() GROUP BY queue_name) AS by_queue
       ) AS waiting,
       (SELECT count(*) FROM open WHERE status = 'todo' AND due_at > now()) AS later,
       (SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::float FROM open
         WHERE status = 'todo' AND due_at <= now()) AS oldest_waiting_s,
       (SELECT count(*) FROM open WHERE status = 'doing') AS running,
       (SELECT count(*) FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id
         WHERE j.status = 'failed' AND e.type = 'failed' AND e.at > now() - interval '1 day'
       ) AS failed_last_day,
       (SELECT coalesce(json_agg(json_build_object(
                   'id', w.id::text, 'at', w.last_heartbeat, 'queues', (
                        SELECT coalesce(json_agg(DISTINCT o.queue_name), '[]') FROM open o
                         WHERE o.status = 'doing' AND o.worker_id = w.id)
               ) ORDER BY w.id), '[]')
          FROM procrastinate_workers w) AS workers
"""


class PostgresPulse:
    """``ports.Pulse``. Opened by the first look; ``patience_s`` bounds the wait for it."""

    def __init__(self, url: str, *, patience_s: float = 5.0) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[dict[str, Any]]] = (
            AsyncConnectionPool(
                conninfo_of(url),
                kwargs={
                    "autocommit": True,
                    "row_factory": dict_row,
                    "application_name": "evergrant pulse",
                },
                min_size=0,
                max_size=1,
                max_idle=60,
                timeout=patience_s,
                open=False,
                check=AsyncConnectionPool.check_connection,
                name="evergrant-pulse",
            )
        )

    async def look(self) -> PulseSeen:
        with plainly():
            await self._pool.open()
            async with self._pool.connection() as connection:
                row = await (await connection.execute(_LOOK)).fetchone()
        assert row is not None
        workers = [
            WorkerSeen(
                id=one["id"],
                last_heartbeat_at=datetime.fromisoformat(one["at"]),
                queues=tuple(one["queues"]),
            )
            for one in row.pop("workers")
        ]
        return PulseSeen(**row, workers=tuple(workers))

    async def close(self) -> None:
        await self._pool.close()
