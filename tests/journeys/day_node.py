"""A worker node of Evergrant's for the simulated day: real rooms over real pipes, which do what is
due when they are told to.

Started as a program it is the place where nodes come from: each line of its input is a JSON object
``{"port": where the play listens, "name": ...}``, for which it forks a node. A node calls at that
port, says its name, and gets a line for each errand: ``{"do": "work"}`` or ``{"do": "orders"}``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import boto3  # noqa: F401  # once, before the nodes
import botocore.session  # noqa: F401

from evergrant import wiring
from evergrant.adapters.store import open_store  # noqa: F401
from evergrant.desk import Desk
from evergrant.settings import Cooking, Settings
from evergrant.testing.bell import MemoryBell

__all__ = ["open_node", "work"]

NEVER = timedelta(days=365_000)
#: A permit that is not there goes back to wait by the steered clock, not in the test's own time.
PATIENCE_S = 0.02
#: Accounts that a node has in hand at a time: on a busy machine calls of many more come later than
#: the margin of the limits forgives (a fifth of a second for patchListingsItem, which gets nearest
#: to its limit). And how often one of them has a turn at a stop.
AT_ONCE = 2
MOST_TURNS = 4


def _impatient() -> None:
    of_settings: Any = Settings.cooking

    def cooking(self: Settings) -> Cooking:
        settled: Cooking = of_settings.fget(self)
        return replace(settled, patience_s=PATIENCE_S)

    Settings.cooking = property(cooking)  # type: ignore[method-assign, assignment]


@asynccontextmanager
async def open_node(settings: Settings) -> AsyncIterator[Desk]:
    """No bell: all that is due is looked for. Nobody is probed."""
    settings = replace(settings, probe_every=NEVER)
    async with wiring.open_desk(settings, bell=MemoryBell()) as desk:
        yield desk


async def work(desk: Desk, dice: random.Random) -> dict[str, int]:
    """As workers do each minute, until nothing is due: both nodes find the same accounts."""
    began_s = time.process_time()
    told: Counter[str] = Counter()
    turns: Counter[str] = Counter()
    room = asyncio.Semaphore(AT_ONCE)

    async def turn(account_id: str) -> None:
        async with room:
            worked = await desk.feeds.work.work(account_id)
        told.update(turns=1, made=worked.made, settled=worked.settled, troubled=worked.troubled)

    while True:
        due = [one for one in await desk.feeds.work.tick() if turns[one] < MOST_TURNS]
        if not due:
            told["cpu_ms"] = round((time.process_time() - began_s) * 1000)
            return dict(told)
        dice.shuffle(due)
        some = due[:AT_ONCE]
        turns.update(some)
        await asyncio.gather(*map(turn, some))


async def _live(port: int, name: str) -> None:
    _impatient()
    dice = random.Random(name)
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    async with open_node(Settings.from_environment()) as desk:
        writing.write(f"{json.dumps({'name': name, 'pid': os.getpid()})}\n".encode())
        while line := await reading.readline():
            said: dict[str, Any]
            try:
                if json.loads(line)["do"] == "orders":
                    said = asdict(await desk.orders.round())
                else:
                    said = await work(desk, dice)
            except Exception as error:  # noqa: BLE001 - the play tells it
                traceback.print_exc()
                said = {"error": repr(error)}
            writing.write(f"{json.dumps(said, default=str)}\n".encode())
    writing.close()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        wish = json.loads(line)
        if os.fork() == 0:
            code = 1
            try:
                os.close(0)
                asyncio.run(_live(wish["port"], wish["name"]))
                code = 0
            except BaseException:  # noqa: BLE001 - told by the log and the code
                traceback.print_exc()
            finally:
                os._exit(code)


if __name__ == "__main__":
    main()
