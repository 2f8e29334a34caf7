"""The measures themselves. Each gives a result with a goal beside it; none of them asserts."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bench.town import HOUR, Town, cpu_s, path_of, rss_mib
from demo.stage import Evergrant, free_port, wait_for

CONNECTIONS = 32
READY_WITHIN_S = 30.0


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    what: str
    figure: str
    goal: str
    reached: bool
    details: dict[str, Any]


# --- the hot door -------------------------------------------------------------------------------


def hot_token(town: Town, *, seconds: float = 3.0, rounds: int = 5) -> Result:
    """Answers per second of the hot door, against a bare JSON application on the same server.
    Rounds alternate, so that a busy machine is busy for both; the median of the ratios counts."""
    api = town.api_process("hot")
    account_id = town.account()
    headers = {"authorization": f"Bearer {town.house.api_key}"}
    first = measure(api.url, [path_of(account_id)], headers, seconds=0.5)
    bare_url, bare_pid = _start_bare(town, first["body_bytes"])
    hot_pid = api.running.process.pid
    bare, hot = [], []
    for _ in range(rounds):
        bare.append(_with_cpu(bare_pid, bare_url, ["/"], headers, seconds))
        hot.append(_with_cpu(hot_pid, api.url, [path_of(account_id)], headers, seconds))
    ratios = [
        ours["per_second"] / theirs["per_second"] for ours, theirs in zip(hot, bare, strict=True)
    ]
    ratio = statistics.median(ratios)
    return Result(
        "hot access token over HTTP, against a bare ASGI JSON application",
        f"{ratio:.2f} x ({_median(hot, 'per_second'):,.0f} of {_median(bare, 'per_second'):,.0f} "
        f"answers/s; p50 {_median(hot, 'p50_ms'):.2f} ms, p99 {_median(hot, 'p99_ms'):.2f} ms; "
        f"CPU per answer {_median(hot, 'cpu_us'):.0f} us, bare {_median(bare, 'cpu_us'):.0f} us)",
        ">= 0.80 x",
        ratio >= 0.8,
        {"ratios": ratios, "bare": bare, "hot": hot, "connections": CONNECTIONS},
    )


def _with_cpu(
    pid: int, url: str, paths: list[str], headers: dict[str, str], seconds: float
) -> dict[str, Any]:
    """Also what the server spent on each answer: that hardly depends on who else is busy."""
    before = cpu_s(pid)
    measured = measure(url, paths, headers, seconds=seconds)
    measured["cpu_us"] = (cpu_s(pid) - before) / measured["answers"] * 1e6
    return measured


def _start_bare(town: Town, body_bytes: int) -> tuple[str, int]:
    port = free_port()
    running = town.stage.start(
        "bare", [sys.executable, "-m", "bench.bare", str(port), str(body_bytes)], {}
    )
    url = f"http://127.0.0.1:{port}"

    def look() -> bool:
        running.check()
        try:
            measure(url, ["/"], {}, seconds=0.01, connections=1)
        except RuntimeError:
            return False
        return True

    wait_for("the bare application", look, READY_WITHIN_S)
    return url, running.process.pid


def measure(
    urls: str | Sequence[str],
    paths: list[str],
    headers: dict[str, str],
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    headers_in_turn: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    addresses = [urlsplit(url) for url in ([urls] if isinstance(urls, str) else urls)]
    errand = {
        "host": addresses[0].hostname,
        "ports": [address.port for address in addresses],
        "paths": paths,
        "headers": headers,
        "connections": connections,
        "seconds": seconds,
        "headers_in_turn": headers_in_turn,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(errand),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _median(rows: Sequence[dict[str, Any]], name: str) -> float:
    return float(statistics.median(row[name] for row in rows))


# --- the herd -----------------------------------------------------------------------------------


def herd(town: Town, callers: int) -> Result:
    """So many callers at once, of one cold account, over two processes: how often was LWA asked."""
    processes = [town.api_process(f"herd-{callers}-{n}") for n in (1, 2)]
    account_id = town.account()
    town.move_clocks(2 * HOUR)
    before = town.lwa_calls()
    answers = _ask_all(processes, [path_of(account_id)] * callers, town.house.api_key)
    calls = town.lwa_calls() - before
    tokens = {json.loads(body)["access_token"] for _, body in answers}
    failed = sum(1 for status, _ in answers if status != 200)
    return Result(
        f"{callers:,} callers, one cold account, two processes",
        f"{calls} LWA call{'s' if calls != 1 else ''}, {len(tokens)} token for all, "
        f"{failed} failed",
        "exactly 1 LWA call",
        calls == 1 and len(tokens) == 1 and not failed,
        {"lwa_calls": calls, "tokens": len(tokens), "failed": failed},
    )


def _ask_all(
    processes: Sequence[Evergrant], paths: Sequence[str], api_key: str, *, at_once: int = 2000
) -> list[tuple[int, bytes]]:
    """One connection per path, all open before the first word is said."""

    async def run() -> list[tuple[int, bytes]]:
        slots = asyncio.Semaphore(at_once)
        ready = asyncio.Barrier(len(paths)) if len(paths) <= at_once else None

        async def ask(number: int, path: str) -> tuple[int, bytes]:
            address = urlsplit(processes[number % len(processes)].url)
            async with slots:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                if ready is not None:
                    await ready.wait()
                writer.write(
                    f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\n"
                    f"authorization: Bearer {api_key}\r\nconnection: close\r\n\r\n".encode()
                )
                answer = await reader.read()
                writer.close()
                await writer.wait_closed()
            head, _, body = answer.partition(b"\r\n\r\n")
            return int(head.split(b" ", 2)[1]), body

        return await asyncio.gather(*(ask(n, path) for n, path in enumerate(paths)))

    return asyncio.run(run())


# --- the dead grant ------------------------------------------------------------------------------


def revoked(town: Town) -> Result:
    """A selling partner revoked its consent and the access token ran out: how long until the
    caller knows, and why, and what the caller after that costs."""
    api = town.api_process("revoked")
    account_id = town.account()
    town.lever("POST", "/revoke", {"selling_partner_id": town.partners[account_id]})
    town.move_clocks(2 * HOUR)
    before = town.lwa_calls()
    began = time.perf_counter()
    [(status, body)] = _ask_all([api], [path_of(account_id)], town.house.api_key)
    took_ms = (time.perf_counter() - began) * 1000
    calls = town.lwa_calls() - before
    again = _ask_all([api], [path_of(account_id)] * 50, town.house.api_key)
    later_calls = town.lwa_calls() - before - calls
    told = json.loads(body)
    reason = "invalid grant parameter" in told.get("detail", "")
    return Result(
        "a revoked grant",
        f"told after {took_ms:.0f} ms and {calls} LWA calls, "
        f"{'with' if reason else 'WITHOUT'} Amazon's reason; 50 more callers: {later_calls} calls",
        "at once, with Amazon's reason, 1-2 LWA calls",
        status == 409
        and reason
        and 1 <= calls <= 2
        and later_calls == 0
        and {one for one, _ in again} == {409},
        {"ms": took_ms, "lwa_calls": calls, "later_lwa_calls": later_calls, "problem": told},
    )


# --- many accounts ------------------------------------------------------------------------------


def many_accounts(town: Town, accounts: int) -> Result:
    """So many accounts, each read three times after their tokens ran out: LWA calls and memory."""
    account_ids = [town.account() for _ in range(accounts)]
    api = town.api_process("many")
    pid = api.running.process.pid
    empty_mib = rss_mib(pid)
    town.move_clocks(2 * HOUR)
    before = town.lwa_calls()
    tokens: dict[str, set[str]] = {account_id: set() for account_id in account_ids}
    failed = 0
    for _ in range(3):
        for chunk in range(0, accounts, 50):
            some = account_ids[chunk : chunk + 50]
            answers = _ask_all([api], [path_of(one) for one in some], town.house.api_key)
            for account_id, (status, body) in zip(some, answers, strict=True):
                if status == 200:
                    tokens[account_id].add(json.loads(body)["access_token"])
                else:
                    failed += 1
    calls = town.lwa_calls() - before
    full_mib = rss_mib(pid)
    headers = {"authorization": f"Bearer {town.house.api_key}"}
    warm = measure(api.url, [path_of(one) for one in account_ids], headers, seconds=3.0)
    shared = len(set().union(*tokens.values())) != accounts
    return Result(
        f"{accounts:,} accounts read three times",
        f"{calls:,} LWA calls, {full_mib:.0f} MiB ({full_mib - empty_mib:+.1f} for the accounts), "
        f"{failed} failed; then {warm['per_second']:,.0f} answers/s over all of them",
        f"{accounts:,} LWA calls, < 150 MiB",
        calls == accounts and full_mib < 150 and not failed and not shared,
        {
            "lwa_calls": calls,
            "rss_mib": full_mib,
            "rss_mib_before": empty_mib,
            "failed": failed,
            "one_token_for_two": shared,
            "warm": warm,
        },
    )
