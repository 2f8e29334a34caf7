"""The limiter at work: two processes with two workers each, one operation, Amazon's limits on.

``python -m bench.limiter ACCOUNT SECONDS NAME FOLDER`` is one of the processes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.gateway import OPERATION, PATH
from bench.measures import Result
from bench.town import Town
from demo.stage import wait_for
from evergrant.calls import Asked
from evergrant.desk import Desk
from evergrant.errors import EvergrantError
from evergrant.rules.rights import command_line
from evergrant.settings import Settings
from evergrant.wiring import open_desk

RATE, BURST = 10.0, 200
AT_ONCE = 4


def limiter(town: Town, *, seconds: float = 20.0) -> Result:
    """What of the permitted calls was made: burst and rate, counted by the emulator."""
    amazons = OPERATION.rpartition(".")[2]
    town.lever("PUT", "/limits", {"enforced": True})
    town.lever("PUT", "/limits/plan", {"operation": amazons, "rate": RATE, "burst": BURST})
    plan = {"operation": OPERATION, "rate_per_s": RATE, "burst": BURST}
    town.house.ask("POST", "/v1/plans", plan)
    account_id = town.account()
    folder = town.stage.folder / "limiter"
    folder.mkdir()
    running = [
        town.stage.start(
            f"limiter-{n}",
            [sys.executable, "-m", "bench.limiter", account_id, str(seconds), f"w{n}", str(folder)],
            town.evergrant.env,
        )
        for n in range(2)
    ]
    wait_for("both processes", lambda: len(list(folder.glob("*.ready"))) == len(running), 60)
    town.lever("POST", "/limits/fill", {"operation": amazons})
    town.lever("DELETE", "/history")
    (folder / "go").touch()
    for one in running:
        one.process.wait(seconds + 60)
    told = town.lever("GET", "/history", operation=amazons, limit=1000)
    met = Counter(int(item["status"]) for item in told["items"])
    at = sorted(datetime.fromisoformat(item["at"]) for item in told["items"])
    took_s = (at[-1] - at[0]).total_seconds()
    permitted = BURST + RATE * took_s
    share = met[200] / permitted
    return Result(
        f"four workers in two processes, one operation at {RATE:g}/s, burst {BURST}",
        f"{share:.1%} of {permitted:.0f} permitted calls in {took_s:.1f} s, {met[429]} met a 429",
        ">= 99 %, no 429",
        share >= 0.99 and not met[429],
        {"met": met, "permitted": permitted, "seconds": took_s},
    )


async def _work(desk: Desk, account_id: str, worker: str, until_s: float) -> None:
    async def call() -> None:
        while time.monotonic() < until_s:
            try:
                await desk.calls.send(
                    account_id, "GET", PATH, by=command_line(worker), ready_to_wait_s=5.0
                )
            except EvergrantError:
                continue  # what the emulator counted is what counts

    await asyncio.gather(*(call() for _ in range(AT_ONCE)))


async def _run(account_id: str, seconds: float, name: str, folder: Path) -> None:
    async with open_desk(Settings.from_environment(os.environ)) as desk:
        asked = Asked(account_id=account_id, method="GET", path=PATH)
        desk.calls.give_back(await desk.calls.admit(asked, by=command_line(name)))
        (folder / f"{name}.ready").touch()
        go = folder / "go"
        while not _exists(go):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        until_s = time.monotonic() + seconds
        await asyncio.gather(*(_work(desk, account_id, f"{name}-{n}", until_s) for n in range(2)))


def _exists(file: Path) -> bool:
    return file.exists()


def main(arguments: list[str]) -> Any:
    account_id, seconds, name, folder = arguments
    return asyncio.run(_run(account_id, float(seconds), name, Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
