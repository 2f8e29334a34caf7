"""The crier: tells PostgreSQL's listeners what the transactions of this process have changed.

Answers for: the channel, its messages, and telling them soon after the commit and never without
one, many transactions in one go. Does not answer for: what is news (``telling``), or for hearing it
(``adapters.news``).

Not within the transactions themselves: a NOTIFY takes one lock for the whole server until its
commit is on the disk, so those who told would commit one after the other (measured: half as many
small transactions a second, see docs/performance.md). A process that is killed in the moment
between takes its news with it; pages are then as old as the next piece of news finds them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from evergrant.ports.news import LOOK_AGAIN, Gathered, Tidings

__all__ = ["CHANNEL", "Crier", "from_payload", "to_payloads"]

log = logging.getLogger(__name__)

#: Where the news of one house is told. Other databases of the server have channels of their own.
CHANNEL = "evergrant_news"
#: PostgreSQL takes 7,999 bytes.
MOST_BYTES = 7_000
#: What is told within so many seconds goes together.
EVERY_S = 0.2
#: A database that did not hear is told again after so many.
AGAIN_S = 5.0

#: What nobody would miss after a crash of the server need not wait for its disk.
_TELL: LiteralString = (
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, payload)"
    " FROM unnest(%s::text[]) AS payload"
)


def to_payloads(tidings: Iterable[Tidings]) -> list[str]:
    """As few messages as they fit into."""
    payloads: list[str] = []
    length = MOST_BYTES
    for one in tidings:
        told = json.dumps([one.topic, one.account_id, one.subject], separators=(",", ":"))
        if length + len(told) + 1 > MOST_BYTES:
            payloads.append(told)
            length = len(told) + 2
        else:
            payloads[-1] += "," + told
            length += len(told) + 1
    return [f"[{payload}]" for payload in payloads]


def from_payload(payload: str) -> Sequence[Tidings]:
    """What another version wrote and this one cannot read is LOOK_AGAIN."""
    try:
        told = json.loads(payload)
        return [
            Tidings(str(topic), account_id and str(account_id), str(subject))
            for topic, account_id, subject in told
        ]
    except (ValueError, TypeError):
        return [LOOK_AGAIN]


class Crier:
    """One per store. Never stands in the way of the one who has news."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[dict[str, Any]]],
        *,
        every_s: float | None = None,
    ) -> None:
        self._pool = pool
        self._every_s = EVERY_S if every_s is None else every_s
        self._news = Gathered()
        self._round: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def tell(self, news: Gathered) -> None:
        """Of a transaction that is committed."""
        if not news:
            return
        self._news.take(news)
        if self._round is None and not self._closing.is_set():
            self._round = asyncio.create_task(self._go_round(), name="crier")

    async def close(self) -> None:
        """What was not told yet is told first."""
        self._closing.set()
        if self._round is not None:
            await self._round

    async def _go_round(self) -> None:
        pause_s = self._every_s
        try:
            while self._news:
                await self._wait(pause_s)
                pause_s = self._every_s if await self._cry() else AGAIN_S
                if self._closing.is_set() and pause_s == AGAIN_S:
                    return
        finally:
            self._round = None

    async def _wait(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _cry(self) -> bool:
        told = self._news.all()
        self._news.clear()
        try:
            async with self._pool.connection() as connection:
                await connection.execute(_TELL, (CHANNEL, to_payloads(told)))
        except (psycopg.Error, PoolTimeout, OSError) as error:
            log.warning("news was not told and is told as a whole later: %r", error)
            self._news.clear()
            self._news.add(LOOK_AGAIN)
            return False
        return True
