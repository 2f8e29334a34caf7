"""What it costs those who write that open pages hear of it.

Answers for: small transactions of several writers at once, told as the store tells them, not told
at all, and told within the transaction itself, in turn. Does not answer for: how soon news comes.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from bench.measures import Result
from demo.stage import Stage
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.news import PostgresNews
from evergrant.adapters.store import PostgresStore, migrate, open_store
from evergrant.adapters.store.crier import CHANNEL, Crier, to_payloads
from evergrant.adapters.store.transactions import PostgresTransaction
from evergrant.ports.news import Gathered
from evergrant.ports.things import JournalLine

__all__ = ["news"]

WRITERS = 8
GOAL = 0.9
_TELL = Crier.tell
_END = PostgresTransaction.end


def news(stage: Stage, *, seconds: float = 0.25, rounds: int = 50) -> Result:
    """Writers that append one line of the journal in each transaction, as quickly as they can."""
    with EmbeddedPostgres(stage.folder / "news") as server:
        url = server.url("postgres")
        asyncio.run(migrate(url))
        told, silent, inside = asyncio.run(_in_turn(url, seconds, rounds))
    # Rounds are short and many, so that whoever else is busy is so for all of them.
    ratio = statistics.mean(told) / statistics.mean(silent)
    of_inside = statistics.mean(inside) / statistics.mean(silent)
    return Result(
        f"{WRITERS} writers of one line each, told to a page that is open",
        f"{ratio:.2f} x as many transactions as without news ({statistics.mean(told):,.0f} of "
        f"{statistics.mean(silent):,.0f}/s); with NOTIFY within "
        f"the transactions {of_inside:.2f} x",
        f">= {GOAL:.1f} x",
        ratio >= GOAL,
        {"told": told, "silent": silent, "inside": inside, "writers": WRITERS},
    )


async def _in_turn(
    url: str, seconds: float, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    told: list[float] = []
    silent: list[float] = []
    inside: list[float] = []
    store = await open_store(url, connections=WRITERS)
    page = PostgresNews(url)
    hearing = page.listen()
    await page.connected()

    async def listen() -> None:
        async for _ in hearing:
            pass

    listening = asyncio.create_task(listen())
    try:
        for _ in range(rounds):
            told.append(await _round(store, seconds))
            async with _telling(_nothing, _END):
                silent.append(await _round(store, seconds))
            async with _telling(_nothing, _told_inside):
                inside.append(await _round(store, seconds))
        return told, silent, inside
    finally:
        await page.close()
        await listening
        await store.close()


@asynccontextmanager
async def _telling(tell: Callable[..., None], end: Callable[..., Any]) -> AsyncIterator[None]:
    Crier.tell = tell  # type: ignore[method-assign]
    PostgresTransaction.end = end  # type: ignore[method-assign]
    try:
        yield
    finally:
        Crier.tell = _TELL  # type: ignore[method-assign]
        PostgresTransaction.end = _END  # type: ignore[method-assign]


def _nothing(crier: Crier, told: Gathered) -> None:
    """The comparison: nobody is told."""


async def _told_inside(tx: PostgresTransaction) -> None:
    await _END(tx)
    for payload in to_payloads(tx.news.all()):
        await tx.connection.execute(select(func.pg_notify(CHANNEL, payload)))


async def _round(store: PostgresStore, seconds: float) -> float:
    began = time.perf_counter()
    counts = await asyncio.gather(*(_write(store, began + seconds) for _ in range(WRITERS)))
    return sum(counts) / (time.perf_counter() - began)


async def _write(store: PostgresStore, until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        line = JournalLine(at=datetime.now(UTC), caller="system", verb="bench.wrote", subject="x")
        async with store.transaction() as tx:
            await tx.journal.append(line)
        count += 1
    return count
