"""Permits from PostgreSQL, alone: ``python -m bench.budgets``.

Prints permits per second and p50 on an embedded server: one ask after the other; 64 callers at
once, each ask with a statement of its own and then together; on one bucket and on a thousand; from
four processes; with a logged table and with an unlogged one. And how much of what a plan permits is
granted.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from evergrant.adapters.budgets import PostgresBudgets
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import migrate
from evergrant.ports.budgets import Share, Taken, Wish
from evergrant.rules.budgets import Plan

ENDLESS = Plan(1e6, 1_000_000)


def share(number: int, plan: Plan = ENDLESS) -> Share:
    return Share(bucket=f"app_1/acc_{number}/eu/orders.v0.getOrder", plan=plan)


async def hammer(
    url: str, *, seconds: float, callers: int, buckets: int, together: int, lanes: int
) -> tuple[int, list[float]]:
    """How many permits, and the seconds that each ask took."""
    budgets = PostgresBudgets(url, connections=lanes)
    budgets.TOGETHER = together
    await budgets.open()
    took: list[float] = []
    permits = 0

    async def caller(number: int, until: float) -> None:
        nonlocal permits
        count = 0
        while (began := time.perf_counter()) < until:
            wish = Wish(shares=[share((number * 17 + count) % buckets)], ticket=f"t{number}")
            answer = await budgets.take(wish)
            took.append(time.perf_counter() - began)
            permits += isinstance(answer, Taken)
            count += 1

    for warm in range(buckets):
        await budgets.take(Wish(shares=[share(warm)]))
    until = time.perf_counter() + seconds
    await asyncio.gather(*(caller(number, until) for number in range(callers)))
    await budgets.close()
    return permits, took


def _process(url: str, seconds: float, said: multiprocessing.Queue[int]) -> None:
    permits, _ = asyncio.run(
        hammer(url, seconds=seconds, callers=64, buckets=1, together=64, lanes=2)
    )
    said.put(permits)


def many_processes(url: str, processes: int, seconds: float) -> float:
    context = multiprocessing.get_context("spawn")
    said: multiprocessing.Queue[int] = context.Queue()
    workers = [
        context.Process(target=_process, args=(url, seconds, said)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    total = sum(said.get() for _ in workers)
    for worker in workers:
        worker.join()
    return total / seconds


async def used(url: str, plan: Plan, seconds: float, workers: int) -> float:
    """Granted, as a share of what the plan permits in the same time."""
    budgets = PostgresBudgets(url)
    await budgets.open()
    at: list[float] = []
    name = share(int(time.time() * 1000), plan)

    async def worker(number: int, until: float) -> None:
        while time.monotonic() < until:
            answer = await budgets.take(Wish(shares=[name], ticket=f"w{number}"))
            if isinstance(answer, Taken):
                at.append(time.monotonic())
            else:
                await asyncio.sleep(answer.seconds)

    began = time.monotonic()
    await asyncio.gather(*(worker(number, began + seconds) for number in range(workers)))
    await budgets.close()
    return len(at) / (plan.burst + plan.rate_per_s * (at[-1] - at[0]))


def line(what: str, per_s: float, took: Sequence[float] = ()) -> None:
    ms = [value * 1000 for value in sorted(took)]
    tail = (
        f"  p50 {statistics.median(ms):6.2f} ms  p99 {ms[int(len(ms) * 0.99)]:6.2f} ms"
        if ms
        else ""
    )
    print(f"{what:<62}{per_s:>8.0f}/s{tail}", flush=True)


def measure(url: str, seconds: float, suffix: str) -> None:
    cases = [
        ("one caller, one after the other", 1, 1, 64, 1),
        ("64 callers, 1 bucket, a statement for each ask", 64, 1, 1, 2),
        ("64 callers, 1 bucket, together", 64, 1, 64, 2),
        ("64 callers, 1000 buckets, a statement for each ask", 64, 1000, 1, 2),
        ("64 callers, 1000 buckets, together", 64, 1000, 64, 2),
    ]
    for what, callers, buckets, together, lanes in cases:
        permits, took = asyncio.run(
            hammer(
                url,
                seconds=seconds,
                callers=callers,
                buckets=buckets,
                together=together,
                lanes=lanes,
            )
        )
        line(what + suffix, permits / seconds, took)
    line("4 processes of 64 callers, 1 bucket" + suffix, many_processes(url, 4, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.budgets", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measure")
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory(prefix="evergrant-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        url = server.url("postgres")
        asyncio.run(migrate(url))
        measure(url, seconds, "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE budgets SET UNLOGGED")
        measure(url, seconds, " (unlogged)")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE budgets SET LOGGED")
        for plan in (Plan(5, 1), Plan(5, 10), Plan(100, 100)):
            granted = asyncio.run(used(url, plan, max(seconds, 4.0), 4))
            print(f"{plan.rate_per_s:g}/s, burst {plan.burst}: {granted:.2%} of the plan")


if __name__ == "__main__":
    main()
