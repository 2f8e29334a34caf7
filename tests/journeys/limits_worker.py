"""A process of the house that calls one operation as often as it is let: two workers at one desk.

Run by ``test_limits`` as ``python -m tests.journeys.limits_worker``. It tells that it is ready by
making a file, begins when another one is there, and writes down what it met.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from evergrant.calls import Asked
from evergrant.desk import Desk
from evergrant.errors import EvergrantError
from evergrant.rules.rights import command_line
from evergrant.settings import Settings
from evergrant.wiring import open_desk

PATH = "/sellers/v1/marketplaceParticipations"
WORKERS = 2
#: Calls of one worker that are under way at a time: enough that somebody always waits.
AT_ONCE = 4


async def work(desk: Desk, account_id: str, worker: str, until_s: float) -> Counter[str]:
    met: Counter[str] = Counter()

    async def call() -> None:
        while time.monotonic() < until_s:
            try:
                answer = await desk.calls.send(
                    account_id, "GET", PATH, by=command_line(worker), ready_to_wait_s=10.0
                )
                met[str(answer.status)] += 1
            except EvergrantError as error:
                met[error.code] += 1

    await asyncio.gather(*(call() for _ in range(AT_ONCE)))
    return met


async def warm_up(desk: Desk, account_id: str, callers: int) -> None:
    """What a process that works has in memory; its permits go back at once."""
    asked = Asked(account_id=account_id, method="GET", path=PATH)
    leaves = await asyncio.gather(
        *(desk.calls.admit(asked, by=command_line(f"warm-{n}")) for n in range(callers))
    )
    for leave in leaves:
        desk.calls.give_back(leave)


async def run(account_id: str, seconds: float, name: str, folder: Path) -> None:
    async with open_desk(Settings.from_environment(os.environ)) as desk:
        await warm_up(desk, account_id, WORKERS * AT_ONCE)
        write(folder / f"{name}.ready", "")
        while not exists(folder / "go"):  # made by another process
            await warm_up(desk, account_id, 1)
            await asyncio.sleep(0.1)
        until_s = time.monotonic() + seconds
        met = await asyncio.gather(
            *(work(desk, account_id, f"{name}-{n}", until_s) for n in range(WORKERS))
        )
    write(folder / f"{name}.json", json.dumps(sum(met, Counter())))


def write(file: Path, text: str) -> None:
    """At once: whoever waits for the file finds it whole."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def exists(file: Path) -> bool:
    return file.exists()


if __name__ == "__main__":
    _, account, wanted_s, own_name, place = sys.argv
    asyncio.run(run(account, float(wanted_s), own_name, Path(place)))
