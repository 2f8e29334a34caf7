"""The console of a house with very many accounts: its pages, and its files.

Answers for: each page that operators keep open, asked over HTTP from the real server and once more
in this process, where statements are counted; and for what a file of all accounts, or of the whole
journal, takes of memory. Does not answer for: many at once (``windows``), or for what the hot door
feels of it (``beside``).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2

from bench.console_house import ConsoleHouse, open_house
from bench.measures import Result, measure
from bench.minute import Counting
from bench.town import cpu_s, rss_mib
from demo.stage import Stage
from evergrant import wiring
from evergrant.entrances.console import build

__all__ = ["files", "pages"]

GOAL_MS = 100.0
GOAL_KB = 200.0
#: More than so many MiB for a file would mean that it grows with what is in it.
GOAL_FILE_MIB = 32.0
HERE = 3
LINES = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    path: str


ACCOUNT = "/console/accounts/acc_000123"
#: The list comes first: the goal is its.
LIST = (
    Page("accounts", "/console/accounts"),
    Page("search", "/console/accounts?q=heron+owner"),
    Page("filter and sort", "/console/accounts?region=eu&kind=seller&sort=ends"),
    Page("who needs somebody", "/console/accounts?needs=1&sort=needs"),
    Page("last page", "/console/accounts?page=1000"),
)
OTHERS = (
    Page("one account", ACCOUNT),
    Page("overview", "/console"),
    Page("feeds", "/console/feeds"),
    Page("journal", "/console/journal"),
)
#: Of the same server: the frame, a session, and next to nothing in it.
BARE = Page("bare", "/console/me")


def pages(stage: Stage, *, many: int = 10_000, seconds: float = 1.0) -> Result:
    """One page after the other, by one operator."""
    with open_house(stage, many=many, changes=100_000, lines=LINES, operators=1) as house:
        old_day = house.now.date().isoformat()
        begin = urlencode({"from": "2000-01-01", "until": old_day, "verb": "account.added"})
        others = (*OTHERS, Page("journal by verb and days", f"/console/journal?{begin}"))
        server = house.serve("web")
        pid = server.running.process.pid
        told = {
            page.name: _asked(pid, server.url, page, house.headers, seconds)
            for page in (BARE, *LIST, *others)
        }
        here = asyncio.run(_in_process(house, (*LIST, *others)))
    worst = max((told[page.name] for page in LIST), key=lambda one: float(one["p50_ms"]))
    largest = max(told.values(), key=lambda one: int(one["body_bytes"]))
    ratio = worst["p50_ms"] / told[BARE.name]["p50_ms"]
    lines = "; ".join(
        f"{name} {one['p50_ms']:.0f}/{one['p99_ms']:.0f} ms, {one['cpu_ms']:.0f} ms of CPU"
        + (f", {here[name]['statements']} statements" if name in here else "")
        + f", {one['body_bytes'] / 1024:.0f} KB"
        for name, one in told.items()
    )
    return Result(
        f"pages of the console over {many:,} accounts, over HTTP (p50/p99)",
        f"{lines}. The slowest of the list p50 {worst['p50_ms']:.0f} ms, {ratio:.1f} x a page of "
        f"the same server with nothing in it; the largest page {largest['body_bytes'] / 1024:.0f} "
        "KB",
        f"each page of the list p50 under {GOAL_MS:g} ms, every page under {GOAL_KB:g} KB",
        worst["p50_ms"] < GOAL_MS and largest["body_bytes"] < GOAL_KB * 1024,
        {"http": told, "in_process": here, "accounts": many},
    )


def _asked(
    pid: int, url: str, page: Page, headers: dict[str, str], seconds: float
) -> dict[str, Any]:
    """p50, p99, KB, and the CPU of the server for each of them."""
    measure(url, [page.path], headers, seconds=0.1, connections=1)
    before = cpu_s(pid)
    measured = measure(url, [page.path], headers, seconds=seconds, connections=1)
    measured["cpu_ms"] = (cpu_s(pid) - before) / measured["answers"] * 1000
    return measured


async def _in_process(house: ConsoleHouse, wanted: tuple[Page, ...]) -> dict[str, dict[str, Any]]:
    settings = house.settings
    counting = Counting()
    found = {}
    try:
        async with wiring.open_desk(settings) as desk:
            transport = httpx2.ASGITransport(app=build(desk, settings))
            async with httpx2.AsyncClient(
                transport=transport, base_url=settings.public_url, headers=house.headers
            ) as client:
                for page in wanted:
                    await client.get(page.path)
                    before, cpu, began = counting.statements, time.process_time(), time.monotonic()
                    for _ in range(HERE):
                        (await client.get(page.path)).raise_for_status()
                    found[page.name] = {
                        "statements": (counting.statements - before) // HERE,
                        "cpu_ms": (time.process_time() - cpu) / HERE * 1000,
                        "wall_ms": (time.monotonic() - began) / HERE * 1000,
                    }
    finally:
        counting.stop()
    return found


# --- files ----------------------------------------------------------------------------------------


def files(stage: Stage, *, many: int = 10_000, lines: int = LINES) -> Result:
    """All accounts as a file, then the journal, with the memory of the server beside it."""
    with open_house(stage, many=many, changes=1000, lines=lines, operators=1) as house:
        server = house.serve("web")
        pid = server.running.process.pid
        # What the first page loads is loaded for good.
        measure(server.url, ["/console/accounts"], house.headers, seconds=0.5, connections=1)
        empty = rss_mib(pid)
        accounts = _taken(server.url, "/console/accounts/export.csv", house, pid)
        journal = _taken(server.url, "/console/journal/export.csv", house, pid)
    most = max(accounts["most_mib"], journal["most_mib"]) - empty
    return Result(
        f"a file of {many:,} accounts, and one of {lines:,} lines of the journal",
        f"{accounts['seconds']:.1f} s and {journal['seconds']:.1f} s, {accounts['mib']:.1f} and "
        f"{journal['mib']:.1f} MiB long; the server took at most {most:.1f} MiB more than the "
        f"{empty:.0f} before; the longest pause between two pieces "
        f"{max(accounts['pause_s'], journal['pause_s']):.2f} s",
        f"at most {GOAL_FILE_MIB:g} MiB more",
        most <= GOAL_FILE_MIB,
        {"accounts": accounts, "journal": journal, "rss_mib_before": empty},
    )


def _taken(url: str, path: str, house: ConsoleHouse, pid: int) -> dict[str, float]:
    began = last = time.monotonic()
    length, most, pause = 0, 0.0, 0.0
    with httpx2.stream("GET", f"{url}{path}", headers=house.headers, timeout=120) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            now = time.monotonic()
            pause, last = max(pause, now - last), now
            length += len(piece)
            most = max(most, rss_mib(pid))
    return {
        "seconds": time.monotonic() - began,
        "mib": length / 2**20,
        "most_mib": most,
        "pause_s": pause,
    }
