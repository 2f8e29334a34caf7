"""Very many windows of the console that are open while very much happens.

Answers for: so many windows on one process, each with a stream of its own and reading its page
again as the console's script does (``static/js/live.js``), so much news a second, and what the
process and PostgreSQL spend on it. Does not answer for: one page (``console``).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.console_house import ConsoleHouse, open_house
from bench.measures import Result
from bench.town import cpu_s, rss_mib
from demo.stage import Stage
from evergrant.adapters.store import open_store
from evergrant.ports.things import JournalLine

__all__ = ["windows"]

WINDOWS = 200
#: So many windows one operator has open.
EACH = 8
NEWS_PER_S = 50
#: What is open: half of them look at the list, the others at what needs somebody and at the feeds.
PATHS = ("/console/accounts", "/console", "/console/accounts", "/console/feeds")
#: As in ``static/js/live.js``.
REST_S, REST_TIMES = 1.0, 8.0
WARM_S = 3.0
GOAL_CPU = 0.95
GOAL_P50_MS = 2_000.0


@dataclass
class Seen:
    news: int = 0
    reads: list[float] = field(default_factory=list)


def windows(stage: Stage, *, many: int = 10_000, seconds: float = 10.0) -> Result:
    operators = WINDOWS // EACH
    with open_house(stage, many=many, changes=100_000, lines=1000, operators=operators) as house:
        server = house.serve("web")
        told = asyncio.run(_watched(house, server.url, server.running.process.pid, seconds))
    return Result(
        f"{WINDOWS} open windows over {many:,} accounts, {NEWS_PER_S} changes a second",
        f"each window told {told['news_per_window_s']:.2f} times a second and read again every "
        f"{told['every_s']:.0f} s ({told['reads_per_s']:.0f} pages a second in all, p50 "
        f"{told['p50_ms']:.0f} ms); {told['cpu']:.2f} of a core for the process, "
        f"{told['database_cpu']:.2f} for PostgreSQL, {told['rss_mib']:.0f} MiB; at rest "
        f"{told['rest_cpu']:.2f} of a core",
        f"a page again within {GOAL_P50_MS / 1000:g} s",
        told["p50_ms"] < GOAL_P50_MS,
        told,
    )


async def _watched(house: ConsoleHouse, url: str, pid: int, seconds: float) -> dict[str, Any]:
    seen = [Seen() for _ in range(WINDOWS)]
    stop = asyncio.Event()
    open_windows = [
        asyncio.create_task(
            _window(url, PATHS[number % len(PATHS)], house.cookies[number // EACH], seen[number])
        )
        for number in range(WINDOWS)
    ]
    database = _postgres_of(house)
    try:
        await asyncio.sleep(WARM_S)
        rest = _spent([pid])
        await asyncio.sleep(1.0)
        rest = _spent([pid]) - rest
        news = asyncio.create_task(_news(house.url, stop))
        await asyncio.sleep(WARM_S)
        for one in seen:
            one.news, one.reads = 0, []
        began, cpu, of_database = time.monotonic(), _spent([pid]), _spent(database)
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        cpu, of_database = _spent([pid]) - cpu, _spent(database) - of_database
        reads = [one for window in seen for one in window.reads]
        told = {
            "news_per_window_s": sum(one.news for one in seen) / WINDOWS / took,
            "reads_per_s": len(reads) / took,
            "every_s": WINDOWS * took / max(len(reads), 1),
            "p50_ms": statistics.median(reads or [took]) * 1000,
            "cpu": cpu / took,
            "database_cpu": of_database / took,
            "rss_mib": rss_mib(pid),
            "rest_cpu": rest,
            "lost": sum(1 for task in open_windows if task.done()),
        }
        stop.set()
        await news
        return told
    finally:
        for task in open_windows:
            task.cancel()
        await asyncio.gather(*open_windows, return_exceptions=True)


async def _news(url: str, stop: asyncio.Event) -> None:
    """Lines of the journal of other accounts each, evenly."""
    store = await open_store(url, connections=2)
    try:
        number, next_at = 0, time.monotonic()
        while not stop.is_set():
            number += 1
            account_id = f"acc_{number % 9999 + 1:06}"
            line = JournalLine(
                at=datetime.now(UTC),
                caller="system",
                verb="bench.wrote",
                subject=account_id,
                account_id=account_id,
            )
            async with store.transaction() as tx:
                await tx.journal.append(line)
            next_at += 1 / NEWS_PER_S
            await asyncio.sleep(max(next_at - time.monotonic(), 0))
    finally:
        await store.close()


# --- one window -----------------------------------------------------------------------------------


async def _window(url: str, path: str, cookie: str, seen: Seen) -> None:
    fresh = asyncio.Event()
    reading = asyncio.create_task(_read_again(url, path, cookie, seen, fresh))
    try:
        reader, writer = await _ask(url, "/console/news?for=*", cookie)
        try:
            while line := await reader.readline():
                if line.startswith(b"event: news"):
                    seen.news += 1
                    fresh.set()
        finally:
            writer.close()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    raise RuntimeError("the stream of a window ended")


async def _read_again(url: str, path: str, cookie: str, seen: Seen, fresh: asyncio.Event) -> None:
    while True:
        await fresh.wait()
        fresh.clear()
        began = time.monotonic()
        reader, writer = await _ask(url, path, cookie, "x-evergrant-live: 1\r\nconnection: close")
        answer = await reader.read()
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the server answered {answer[:200]!r}")
        took = time.monotonic() - began
        seen.reads.append(took)
        await asyncio.sleep(max(REST_S, REST_TIMES * took))


async def _ask(
    url: str, path: str, cookie: str, more: str = "accept: text/event-stream"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\ncookie: {cookie}\r\n{more}\r\n\r\n"
    writer.write(head.encode())
    return reader, writer


# --- what it costs --------------------------------------------------------------------------------


def _postgres_of(house: ConsoleHouse) -> list[int]:
    """The database's main process; what its children spent is counted where they are found."""
    (found,) = (house.stage.folder / "database").rglob("postmaster.pid")
    return [int(found.read_text().splitlines()[0])]


def _spent(pids: list[int]) -> float:
    """Of these processes and of their children, as far as they live."""
    every = {int(one.name): one for one in Path("/proc").iterdir() if one.name.isdigit()}
    family = set(pids) | {pid for pid, folder in every.items() if _parent(folder) in pids}
    total = 0.0
    for pid in family:
        try:
            total += cpu_s(pid)
        except OSError:
            continue  # it ended meanwhile
    return total


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
