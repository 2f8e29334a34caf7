"""Several processes on one bucket: all of the plan, never more, nobody starved, nobody blocked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evergrant.adapters.budgets import open_budgets
from evergrant.ports.budgets import Share, Taken, Wish
from evergrant.rules.budgets import ASK_AGAIN_WITHIN_S, GRACE_S, Plan

BUCKET = "app/acc/eu/op"
#: A permit too many is told at once. What a machine had no time for proves nothing: of so many
#: rushes, each at a bucket of its own, one has to go as it should.
RUSHES = 3
#: Where crews come from: whoever connects to its socket gets a process of its own, forked from one
#: that has imported everything. A crew is told by one line of JSON and says its number; a second
#: line lets it begin, and then comes a line for each answer with permits: which worker, how many,
#: and when (the machine's monotonic clock, the same for all). The nursery ends with its input.
NURSERY = """
import asyncio, gc, json, os, select, signal, socket, sys, time
from evergrant.adapters.budgets import open_budgets
from evergrant.ports.budgets import Share, Taken, Wish
from evergrant.rules.budgets import Plan

async def crew(line):
    reading, writing = await asyncio.open_connection(sock=line)

    def say(*words):
        writing.write((" ".join(map(str, words)) + "\\n").encode())

    async def worker(budgets, ticket, most):
        share = Share(bucket=told["bucket"], plan=Plan(*told["plan"]))
        wish = Wish(shares=[share], ticket=ticket, most=most)
        while True:
            answer = await budgets.take(wish)
            if isinstance(answer, Taken):
                say(ticket, answer.permits, time.monotonic())
            else:
                await asyncio.sleep(answer.seconds)

    told = json.loads(await reading.readline())
    budgets = await open_budgets(told["url"])
    say(os.getpid())
    await reading.readline()
    say("begins", 0, time.monotonic())
    work = asyncio.gather(*(worker(budgets, *one) for one in told["workers"]))
    hung_up = asyncio.create_task(reading.read())
    await asyncio.wait([work, hung_up], return_when=asyncio.FIRST_COMPLETED)
    os._exit(0 if hung_up.done() else 1)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX) as door:
    door.bind(sys.argv[1])
    door.listen()
    print("ready", flush=True)
    gc.freeze()
    while True:
        called, _, _ = select.select([door, sys.stdin], [], [])
        if sys.stdin in called:
            break
        line, _ = door.accept()
        if os.fork() == 0:
            asyncio.run(crew(line))
        line.close()
"""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its socket."""
    door = tmp_path_factory.mktemp("crews") / "door"
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(door)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield door
        process.stdin.close()
        assert process.wait(60) == 0


class Crew:
    """One process with its workers, and what they got."""

    def __init__(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        self.began_s = 0.0
        self.got: list[tuple[str, int, float]] = []
        self._lines, self._writing = reading, writing
        self._pid = 0
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def at(cls, nursery: Path, told: dict[str, Any]) -> Crew:
        crew = cls(*await asyncio.open_unix_connection(nursery))
        crew._writing.write(f"{json.dumps(told)}\n".encode())
        return crew

    async def ready(self) -> None:
        self._pid = int(await self._lines.readline())

    def begin(self) -> None:
        self._writing.write(b"go\n")
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            async for line in self._lines:
                if not line.endswith(b"\n"):
                    return  # killed in the middle of a word
                who, permits, at_s = line.decode().split()
                if who == "begins":
                    self.began_s = float(at_s)
                else:
                    self.got.append((who, int(permits), float(at_s)))

    async def kill(self) -> None:
        """And hears its last words. It lives no longer than its line."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._pid = 0
        if self._reading is not None:
            await self._reading
        self._writing.close()

    @property
    def permits(self) -> int:
        return sum(permits for _, permits, _ in self.got)


@asynccontextmanager
async def crews(
    nursery: Path,
    url: str,
    plan: tuple[float, int],
    *teams: list[tuple[str, int]],
    bucket: str = BUCKET,
) -> AsyncIterator[list[Crew]]:
    async with AsyncExitStack() as stack:
        found = []
        for team in teams:
            told = {"url": url, "plan": plan, "workers": team, "bucket": bucket}
            crew = await Crew.at(nursery, told)
            stack.push_async_callback(crew.kill)
            found.append(crew)
        async with asyncio.timeout(60):
            await asyncio.gather(*(crew.ready() for crew in found))
        for crew in found:
            crew.begin()
        yield found


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


class HadNoTime(Exception):
    """A machine that was busy with something else."""


async def best_of(play: Callable[[str], Awaitable[None]]) -> None:
    slow: list[str] = []
    while len(slow) < RUSHES:
        try:
            await play(f"app/rush-{len(slow)}/eu/op")
        except HadNoTime as busy:
            slow.append(str(busy))
        else:
            return
    pytest.fail("\n".join(slow))


async def test_all_of_the_plan_and_never_more(nursery: Path, database_url: str) -> None:
    await best_of(partial(all_of_the_plan, nursery, database_url))


async def all_of_the_plan(nursery: Path, database_url: str, bucket: str) -> None:
    rate, burst, wanted = 50.0, 100, 290

    teams = [("a1", 1), ("a2", 1)], [("b1", 1), ("b2", 3)]
    async with crews(
        nursery, database_url, (rate, burst), *map(list, teams), bucket=bucket
    ) as found:
        await until(lambda: sum(crew.permits for crew in found) >= wanted)
    at_s = sorted(at for crew in found for _, permits, at in crew.got for _ in range(permits))
    # Nobody can have got one before both were told to begin.
    began_s = min(crew.began_s for crew in found)
    for count, last_s in enumerate(at_s, 1):
        assert count <= burst + rate * (last_s - began_s)
    # The best of the last ones: a worker that is late at the very end lost nothing yet.
    used = [
        count / (burst + rate * (last_s - at_s[0]))
        for count, last_s in list(enumerate(at_s, 1))[wanted - 60 :]
    ]
    assert all(permits > 0 for crew in found for _, permits, _ in crew.got)
    assert len({who for crew in found for who, _, _ in crew.got}) == 4
    if max(used) < 0.99:
        raise HadNoTime(f"only {max(used):.3f} of the plan")


async def test_who_is_killed_loses_what_was_in_hand(nursery: Path, database_url: str) -> None:
    """A plan that refills nothing while we look: every permit can be counted."""
    plan, most = (1e-6, 600), 2
    teams = [("a1", most), ("a2", most)], [("b1", most), ("b2", most)]
    async with crews(nursery, database_url, plan, *map(list, teams)) as (killed, other):
        await until(lambda: killed.permits >= 40)
        await killed.kill()
        budgets = await open_budgets(database_url)
        share = Share(bucket=BUCKET, plan=Plan(*plan))
        rest = 0
        async with asyncio.timeout(60):
            # Till the bucket is empty; whoever died in line is forgotten before long.
            while (await budgets.look(""))[0].left >= 1:
                answer = await budgets.take(Wish(shares=[share], ticket="rest", most=99))
                if isinstance(answer, Taken):
                    rest += answer.permits
                else:
                    await asyncio.sleep(min(answer.seconds, 0.05))
        (level,) = await budgets.look("")
        await budgets.close()
        await until(lambda: killed.permits + other.permits + rest >= 600 - 1 - 2 * most)
        await other.kill()
    assert level.left < 1
    counted = killed.permits + other.permits + rest
    assert 600 - 1 - 2 * most <= counted <= 600


async def test_who_is_killed_in_line_blocks_nobody_for_long(
    nursery: Path, database_url: str
) -> None:
    await best_of(partial(one_is_killed_in_line, nursery, database_url))


async def one_is_killed_in_line(nursery: Path, database_url: str, bucket: str) -> None:
    plan = (4.0, 1)
    teams = [("a1", 1), ("a2", 1), ("a3", 1)], [("b1", 1)]
    async with crews(nursery, database_url, plan, *map(list, teams), bucket=bucket) as (
        killed,
        other,
    ):
        await until(lambda: killed.permits >= 2 and other.permits >= 1)
        await killed.kill()
        before = len(other.got)
        await until(lambda: len(other.got) >= before + 6)
        last_s = max(at_s for _, _, at_s in killed.got)
    instants = [last_s, *(at_s for _, _, at_s in other.got if at_s > last_s)]
    gaps = [later - sooner for sooner, later in itertools.pairwise(instants)]
    # A second for a machine that is busy with something else.
    if max(gaps) > ASK_AGAIN_WITHIN_S + GRACE_S + 2 / plan[0] + 1.0:
        raise HadNoTime(f"nothing for {max(gaps):.1f} s")


async def test_two_callers_in_two_processes_share(nursery: Path, database_url: str) -> None:
    """Although one wants fifty at a time."""
    await best_of(partial(two_share, nursery, database_url))


async def two_share(nursery: Path, database_url: str, bucket: str) -> None:
    burst = 4
    teams = [("greedy", 50)], [("modest", 1)]
    async with crews(nursery, database_url, (20.0, burst), *map(list, teams), bucket=bucket) as (
        greedy,
        modest,
    ):
        await until(lambda: greedy.permits and modest.permits)
        since_s = max(greedy.got[0][2], modest.got[0][2])
        await until(lambda: greedy.permits + modest.permits >= 50 + burst)
    shares = [
        sum(permits for _, permits, at_s in crew.got if at_s > since_s) for crew in (greedy, modest)
    ]
    if min(shares) < 0.3 * sum(shares):
        raise HadNoTime(f"shared as {shares}")
