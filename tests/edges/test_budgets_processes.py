"""Several processes on one bucket: all of the plan, never more, nobody starved, nobody blocked."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from evergrant.adapters.budgets import open_budgets
from evergrant.ports.budgets import Share, Taken, Wish
from evergrant.rules.budgets import ASK_AGAIN_WITHIN_S, GRACE_S, Plan

BUCKET = "app/acc/eu/op"
#: A permit too many is told at once. What a machine had no time for proves nothing: of so many
#: rushes, each at a bucket of its own, one has to go as it should.
RUSHES = 3
#: Told by one line of JSON; says "ready", waits for a line, and then one line for each answer with
#: permits: which worker, how many, and when (the machine's monotonic clock, the same for all).
WORKERS = """
import asyncio, json, sys, time
from evergrant.adapters.budgets import open_budgets
from evergrant.ports.budgets import Share, Taken, Wish
from evergrant.rules.budgets import Plan

told = json.loads(sys.argv[1])

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

async def worker(budgets, ticket, most):
    share = Share(bucket=told["bucket"], plan=Plan(*told["plan"]))
    wish = Wish(shares=[share], ticket=ticket, most=most)
    while True:
        answer = await budgets.take(wish)
        if isinstance(answer, Taken):
            say(ticket, answer.permits, time.monotonic())
        else:
            await asyncio.sleep(answer.seconds)

async def main():
    budgets = await open_budgets(told["url"])
    say("ready")
    sys.stdin.readline()
    say("begins", 0, time.monotonic())
    await asyncio.gather(*(worker(budgets, *one) for one in told["workers"]))

asyncio.run(main())
"""


class Crew:
    """One process with its workers, and what they got."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.began_s = 0.0
        self.got: list[tuple[str, int, float]] = []
        self._reading: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        assert self.process.stdout is not None
        assert await self.process.stdout.readline() == b"ready\n"

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if not line.endswith(b"\n"):
                return  # killed in the middle of a word
            who, permits, at_s = line.decode().split()
            if who == "begins":
                self.began_s = float(at_s)
            else:
                self.got.append((who, int(permits), float(at_s)))

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self._reading is not None:
            await self._reading

    @property
    def permits(self) -> int:
        return sum(permits for _, permits, _ in self.got)


@asynccontextmanager
async def crews(
    url: str, plan: tuple[float, int], *teams: list[tuple[str, int]], bucket: str = BUCKET
) -> AsyncIterator[list[Crew]]:
    async with AsyncExitStack() as stack:
        found = []
        for team in teams:
            told = json.dumps({"url": url, "plan": plan, "workers": team, "bucket": bucket})
            crew = Crew(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-c",
                    WORKERS,
                    told,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
            )
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


async def test_all_of_the_plan_and_never_more(database_url: str) -> None:
    await best_of(partial(all_of_the_plan, database_url))


async def all_of_the_plan(database_url: str, bucket: str) -> None:
    rate, burst, wanted = 50.0, 100, 290

    teams = [("a1", 1), ("a2", 1)], [("b1", 1), ("b2", 3)]
    async with crews(database_url, (rate, burst), *map(list, teams), bucket=bucket) as found:
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


async def test_who_is_killed_loses_what_was_in_hand(database_url: str) -> None:
    """A plan that refills nothing while we look: every permit can be counted."""
    plan, most = (1e-6, 600), 2
    teams = [("a1", most), ("a2", most)], [("b1", most), ("b2", most)]
    async with crews(database_url, plan, *map(list, teams)) as (killed, other):
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


async def test_who_is_killed_in_line_blocks_nobody_for_long(database_url: str) -> None:
    await best_of(partial(one_is_killed_in_line, database_url))


async def one_is_killed_in_line(database_url: str, bucket: str) -> None:
    plan = (4.0, 1)
    teams = [("a1", 1), ("a2", 1), ("a3", 1)], [("b1", 1)]
    async with crews(database_url, plan, *map(list, teams), bucket=bucket) as (killed, other):
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


async def test_two_callers_in_two_processes_share(database_url: str) -> None:
    """Although one wants fifty at a time."""
    await best_of(partial(two_share, database_url))


async def two_share(database_url: str, bucket: str) -> None:
    burst = 4
    teams = [("greedy", 50)], [("modest", 1)]
    async with crews(database_url, (20.0, burst), *map(list, teams), bucket=bucket) as (
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
