"""A year and a half of the watch: both clocks moved together, a day at a time, over shops with all
kinds of behaviour; real PostgreSQL, Amazon (the emulator), a mail server and webhook receivers.

An oracle that knows Evergrant's promises and none of its code says what has to happen on which day.
What arrived and what the books say has to be that, each exactly once. Then the same with two nodes,
one of which is killed again and again in the middle of its work.

EVERGRANT_YEAR=full plays both over 200 accounts with a look on every day, which takes minutes.
Usually only the second is played, with 30 accounts, one of each behaviour, whose years end on few
days, and of the mornings on which nothing has to happen only some are looked at: what happens by
itself is found by that look, and told as something that was not to happen. It holds nothing back
that the first one shows: what was in no killed node's hands comes a single time there too.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest

from demo.stage import Emulator, Stage, start_emulator
from evergrant.settings import Settings
from tests.forked import warm_stage
from tests.journeys import year_node
from tests.journeys.year_arrivals import MailServer, Now, Receivers
from tests.journeys.year_books import differences, read_board, read_events, read_journal, table
from tests.journeys.year_oracle import Happened, Oracle
from tests.journeys.year_plan import DAYS, PAUSE, SOON, Plan, afternoon, draw, morning
from tests.journeys.year_world import World, environment

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

ROOT = Path(__file__).parents[2]
SEED = 20261121
FULL = os.environ.get("EVERGRANT_YEAR") == "full"
ACCOUNTS, ENDS, QUIET = (200, None, 1) if FULL else (30, 4, 60)
#: A node is killed in about one look of so many.
KILLED_EVERY = 8 if FULL else 4
KILLED_AT_LEAST = 10
#: Events are forgotten after 90 days.
READ_EVERY = 30
AFTER_A_KILL = timedelta(minutes=5)

#: One look of every node.
Look = Callable[[datetime], Awaitable[None]]


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    stage = warm_stage(tmp_path / "stage")
    with stage.open():
        yield stage


@asynccontextmanager
async def town(
    plan: Plan, stage: Stage, database_url: str, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[World, dict[str, str]]]:
    """Amazon, the mail server, the receivers, and a desk at which people are served."""
    emulator: Emulator = start_emulator(stage, "--gentle", "--no-limits")
    now, out = Now(), Happened()
    mails, receivers = MailServer(plan, now, out), Receivers(now, out)
    mail_port, receiver_port = await mails.open(), await receivers.open()
    environ = environment(stage.folder, database_url, emulator, mail_port)
    for name in ("IDLE_S", "EXPECTING_S"):
        patch.setattr(f"evergrant.rotation.arrivals.{name}", 0.0)
    try:
        async with year_node.open_node(Settings.from_environment(environ)) as desk:
            world = World(plan, emulator, desk, stage.folder, now, mails, receivers, out)
            try:
                await world.begin(receiver_port)
                yield world, environ
            finally:
                await world.close()
    finally:
        mails.close()
        receivers.close()


async def play(world: World, look: Look) -> None:
    """From the first day to the last one."""
    read = 0

    async def look_at(at: datetime) -> None:
        world.move(at)
        await look(at)
        if world.now.day in world.plan.long:
            # What Amazon has to say of a new client secret comes when it comes: on a starved
            # machine not within one look.
            for turn in (1, 2, 3):
                world.move(at + turn * SOON)
                await look(at + turn * SOON)

    for day in range(DAYS):
        if day in PAUSE:
            continue
        if day in world.plan.looked:
            await look_at(morning(day))
        if day in world.plan.busy:
            await world.act(day)
            await look_at(afternoon(day))
        if os.environ.get("EVERGRANT_YEAR_TRACE") and day % 20 == 0:
            print("day", day, time.strftime("%H:%M:%S"), file=sys.__stderr__, flush=True)
        if day % READ_EVERY == 0 or day == DAYS - 1:
            read = await read_events(world.desk, world, read)
    await read_journal(world.desk, world)
    await read_board(world.desk, world)


def judge(
    world: World, expected: Happened, say: list[str], record: Callable[[str, object], None]
) -> None:
    asked = world.amazon.count(operation="rotateApplicationClientSecret")
    say.append(
        f"{len(world.plan.lives)} accounts, {DAYS} days, {len(world.plan.looked)} mornings, "
        f"{len(world.plan.busy)} afternoons; letters repeated: {world.mails.repeats.total()}, "
        f"webhooks repeated: {world.receivers.repeats.total()}, "
        f"refused by an instance that was down: {sum(world.receivers.refused.values())}; "
        f"links read out by the house: {world.copied_links}; "
        f"Amazon was asked to rotate {asked} times"
    )
    shown = table(world.plan, expected, world.out, say)
    record("summary", shown)
    strange = [*world.strange, *world.mails.strange, *world.receivers.strange]
    wrong = [*strange, *differences(expected, world.out)]
    assert not wrong, "\n".join([shown, "", *wrong[:60], f"{len(wrong)} in all"])
    rotations = [thing for thing in expected.things if thing[1] == "rotation asked"]
    assert asked == len(rotations) == 9


@pytest.mark.skipif(not FULL, reason="two nodes play it below; one alone does with `make year`")
async def test_each_thing_happens_once_and_on_its_day(
    stage: Stage,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    began_s = time.monotonic()
    plan = draw(ACCOUNTS, SEED, ends=ENDS)
    expected = Oracle.hurried(plan, QUIET).out
    async with town(plan, stage, database_url, monkeypatch) as (world, _):

        async def look(at: datetime) -> None:
            await year_node.look(world.desk)

        await play(world, look)
        took_s, own_s = time.monotonic() - began_s, time.process_time()
        says = [f"one node, {took_s:.0f} s ({own_s:.0f} s of this process's own)"]
        judge(world, expected, says, record_property)
        assert not world.mails.repeats
        assert not world.receivers.repeats


# --- two nodes ------------------------------------------------------------------------------


@dataclass
class Node:
    name: str
    pid: int
    reading: asyncio.StreamReader
    writing: asyncio.StreamWriter

    async def look(self, die_at: tuple[str, int] | None = None) -> dict[str, Any] | None:
        """What it says of its look; None: it was killed."""
        self.writing.write(f"{json.dumps({'die_at': die_at})}\n".encode())
        async with asyncio.timeout(300):  # beside other tests a look may take a minute
            line = await self.reading.readline()
        if not line:
            return None
        said: dict[str, Any] = json.loads(line)
        return said


@dataclass
class Nodes:
    """Where nodes come from, and those that live."""

    world: World
    nursery: subprocess.Popen[str]
    server: asyncio.Server | None = None
    port: int = 0
    living: dict[str, Node] = field(default_factory=dict)
    coming: dict[str, asyncio.Future[Node]] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)  # by step
    killed_on: Counter[int] = field(default_factory=Counter)  # by day
    errors: list[str] = field(default_factory=list)
    steps: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._come, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        for name in ("one", "two"):
            await self.start(name)

    async def start(self, name: str) -> None:
        coming = self.coming[name] = asyncio.get_running_loop().create_future()
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(f"{json.dumps({'port': self.port, 'name': name})}\n")
        self.nursery.stdin.flush()
        async with asyncio.timeout(60):
            self.living[name] = await coming

    async def _come(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        said = json.loads(await reading.readline())
        node = Node(said["name"], said["pid"], reading, writing)
        self.coming.pop(node.name).set_result(node)

    async def look(self, at: datetime) -> None:
        """Both at once. Where one of them is killed it comes back, and some minutes later both look
        again: what it had in its hands is nobody's before that."""
        fate = self._fate()
        if not await self._both(fate):
            at += AFTER_A_KILL
            self.world.move(at)
            await self._both(None)

    def _fate(self) -> tuple[str, int] | None:
        if not self.steps or self.dice.randrange(KILLED_EVERY):
            return None
        # Rare steps as often as frequent ones; where it does not come to that step, it lives.
        step = self.dice.choice(year_node.STEPS)
        usual = self.steps[step]
        return step, self.dice.randint(1, max(1, usual))

    async def _both(self, fate: tuple[str, int] | None) -> bool:
        """False: one was killed."""
        doomed = "two" if fate else ""
        names = list(self.living)
        said = await asyncio.gather(
            *(self.living[name].look(fate if name == doomed else None) for name in names)
        )
        whole = True
        for name, told in zip(names, said, strict=True):
            if told is None:
                assert fate is not None, f"node {name} died by itself"
                self.killed[fate[0]] += 1
                self.killed_on[self.world.now.day] += 1
                whole = False
                self.living.pop(name).writing.close()
                await self.start(name)
            elif "error" in told:
                self.errors.append(f"day {self.world.now.day}, node {name}: {told['error']}")
            elif not fate:
                self.steps = Counter(told["steps"])
        return whole

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
        for node in self.living.values():
            node.writing.close()
        if self.nursery.stdin is not None:
            self.nursery.stdin.close()
        for node in self.living.values():
            try:
                os.kill(node.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self.nursery.wait(60)


def nursery(environ: dict[str, str], log: TextIO) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.year_node"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def test_the_same_with_two_nodes_one_of_them_killed_again_and_again(
    stage: Stage,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    began_s = time.monotonic()
    plan = draw(ACCOUNTS, SEED, ends=ENDS)
    expected = Oracle.hurried(plan, QUIET).out
    async with town(plan, stage, database_url, monkeypatch) as (world, environ):
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("EVERGRANT_")}
        log = (stage.folder / "nodes.log").open("w")
        nodes = Nodes(world, nursery({**surroundings, **environ}, log))
        try:
            await nodes.open()
            await play(world, nodes.look)
        finally:
            nodes.close()
            log.close()
        killed = sum(nodes.killed.values())
        where = ", ".join(f"{step} {times}" for step, times in sorted(nodes.killed.items()))
        judge(
            world,
            expected,
            [f"two nodes, {time.monotonic() - began_s:.0f} s; killed {killed} times: {where}"],
            record_property,
        )
        assert not nodes.errors, nodes.errors[:10]
        assert killed >= KILLED_AT_LEAST
        # Only what a killed node had in its hands comes again, and on that day.
        for repeats in (world.mails.repeats, world.receivers.repeats):
            for day, times in repeats.items():
                assert times <= nodes.killed_on[day] * year_node.AT_ONCE, (day, repeats)
