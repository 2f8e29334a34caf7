"""A day in the kitchen: sellers of three regions and vendors of both kinds hand in changes of all
six kinds, some of them bad; switches, pauses and authorizations come and go; Amazon (the emulator)
keeps its limits and its models' contract, is slow, fails, and drops answers. Two nodes race for the
work.

An oracle that knows Evergrant's promises and none of its code says what becomes of every line, and
what Amazon has at the end. Both clocks are moved together to whatever is due next.

EVERGRANT_DAY=full plays it over 200 accounts with 100,000 changes, which takes minutes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest

from demo.stage import start_emulator
from evergrant.settings import Settings
from tests.emulator.conftest import models_folder
from tests.forked import warm_stage
from tests.journeys import day_node
from tests.journeys.day_books import Books
from tests.journeys.day_lines import draw
from tests.journeys.day_oracle import Oracle
from tests.journeys.day_plan import BEGIN, acts_at, wave_at
from tests.journeys.day_world import World

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

ROOT = Path(__file__).parents[2]
SEED = 20261121
FULL = os.environ.get("EVERGRANT_DAY") == "full"
#: Accounts, changes, waves, and up to how many listings go by single calls.
ACCOUNTS, CHANGES, WAVES, PATCH_MOST = (200, 100_000, 5, 20) if FULL else (16, 1_000, 3, 6)
if FULL and os.environ.get("EVERGRANT_DAY_SIZE"):
    ACCOUNTS, CHANGES = map(int, os.environ["EVERGRANT_DAY_SIZE"].split(","))
#: Time goes on by so much at least. Workers look each minute; where there is less time, more is
#: done at a stop.
LEAST = timedelta(seconds=60 if FULL else 120)


@dataclass
class Node:
    name: str
    pid: int
    reading: asyncio.StreamReader
    writing: asyncio.StreamWriter

    async def do(self, what: str) -> dict[str, Any]:
        self.writing.write(f"{json.dumps({'do': what})}\n".encode())
        async with asyncio.timeout(300):
            line = await self.reading.readline()
        assert line, f"node {self.name} died"
        said: dict[str, Any] = json.loads(line)
        return said


@dataclass
class Nodes:
    """Two that race for the same accounts."""

    nursery: subprocess.Popen[str]
    living: list[Node] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)

    async def open(self) -> None:
        both = asyncio.Event()

        async def come(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
            said = json.loads(await reading.readline())
            self.living.append(Node(said["name"], said["pid"], reading, writing))
            if len(self.living) == 2:
                both.set()

        self._server = await asyncio.start_server(come, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        assert self.nursery.stdin is not None
        for name in ("one", "two"):
            self.nursery.stdin.write(f"{json.dumps({'port': port, 'name': name})}\n")
        self.nursery.stdin.flush()
        async with asyncio.timeout(60):
            await both.wait()

    async def do(self, what: str) -> None:
        for said in await asyncio.gather(*(node.do(what) for node in self.living)):
            assert "error" not in said, f"{what}: {said}"
            if what == "work":
                self.told.update(said)

    def close(self) -> None:
        self._server.close()
        for node in self.living:
            node.writing.close()
        if self.nursery.stdin is not None:
            self.nursery.stdin.close()
        for node in self.living:
            try:
                os.kill(node.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self.nursery.wait(60)


def nursery(environ: dict[str, str], log: TextIO) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.day_node"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )


@asynccontextmanager
async def town(folder: Path, database_url: str) -> AsyncIterator[tuple[World, Nodes]]:
    plan = draw(ACCOUNTS, CHANGES, WAVES, SEED)
    stage = warm_stage(folder)
    models = models_folder()
    contract = ["--models", str(models), "--contract", "refuse"] if models else ["--no-models"]
    with stage.open():
        emulator = start_emulator(stage, "--gentle", *contract)
        (folder / "clock").write_text("0")
        (folder / "marketplaces.json").write_text(json.dumps(emulator.marketplaces()))
        environ = {
            "EVERGRANT_HOME": str(folder),
            "EVERGRANT_DATABASE_URL": database_url,
            "EVERGRANT_KEYRING": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "EVERGRANT_MARKETPLACES_FILE": str(folder / "marketplaces.json"),
            "EVERGRANT_CLOCK_FILE": str(folder / "clock"),
            "EVERGRANT_PATCH_MOST": str(PATCH_MOST),
            "EVERGRANT_LOG_LEVEL": "warning",
        }
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("EVERGRANT_")}
        with (folder / "nodes.log").open("w") as log:
            nodes = Nodes(nursery({**surroundings, **environ}, log))
            async with day_node.open_node(Settings.from_environment(environ)) as desk:
                world = World(plan, emulator, desk, folder)
                await world.begin()
                await nodes.open()
                try:
                    yield world, nodes
                finally:
                    nodes.close()


@dataclass
class Play:
    """From the first wave to the end of the day, from one instant at which something is due to the
    next one."""

    world: World
    nodes: Nodes
    stops: int = 0
    at: datetime = BEGIN

    async def run(self) -> None:
        for wave in range(WAVES):
            self.go(wave_at(wave))
            await self.world.hand_in(wave)
            self.world.make_weather(wave)
            await self.until(acts_at(wave))
            self.world.clear()
            await self.world.act(wave)
            self.at += timedelta(minutes=1)
            await self.until(wave_at(wave + 1))
        await self.nodes.do("orders")

    def go(self, to: datetime) -> None:
        self.at = to
        self.world.move(to)

    async def until(self, end: datetime) -> None:
        while True:
            await self.nodes.do("work")
            self.stops += 1
            due = await self.world.due()
            # A stop may have taken longer than a minute, and no clock goes back.
            to = max(due or end, self.at + LEAST, self.world.amazon.now())
            if to >= end:
                self.go(end)
                return
            self.go(to)


async def test_a_day_in_the_kitchen(
    tmp_path: Path, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    began_s = time.monotonic()
    async with town(tmp_path / "stage", database_url) as (world, nodes):
        expected = Oracle(world.plan)
        play = Play(world, nodes)
        ready_s = time.monotonic()
        await play.run()
        played_s = time.monotonic()
        books = Books(world, expected, all_orders=not FULL)
        await books.read()
        await books.judge()
        refusals = world.amazon.counts("status", kind="spapi")
        calls = sum(refusals.values())
        breaches = world.amazon.breaches(side="request")
        took = (
            f"{len(world.plan.shops)} accounts, {len(world.plan.lines):,} lines in {WAVES} waves, "
            f"two nodes: {ready_s - began_s:.0f} s to begin, {played_s - ready_s:.0f} s to play, "
            f"{time.monotonic() - played_s:.0f} s to judge; {play.stops} stops, {dict(nodes.told)}"
        )
        called = (
            f"{calls:,} calls at Amazon, by status {refusals}; {world.weather} met the weather; "
            f"events: {dict(sorted(books.events.items()))}"
        )
        shown = books.table([took, called])
        record_property("summary", shown)
        wrong = [*books.wrong, *map(str, breaches)]
        if refusals.get("429"):
            wrong.append(f"429: {world.amazon.counts('kind', status=429)}")
        assert not wrong, "\n".join([shown, "", *wrong[:60], f"{len(wrong)} in all"])
