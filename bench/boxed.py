"""Measures of the emulator alone: how soon it is up, and what it answers on one core.

Answers for: the figures that `docs/performance.md` says of it. Amazon's models are looked for where
the emulator looks for them; without any, the start with models is told as not measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from amazon_emulator import Levers
from amazon_emulator.models import find_folder
from bench.measures import Result
from bench.town import cpu_s
from demo.stage import Emulator, Stage, start_emulator

__all__ = ["start", "throughput"]

PAIRS = 400
PATH = "/vendor/orders/v1/purchaseOrdersStatus?limit=1"  # 10 a second for each pair


def throughput(stage: Stage, *, seconds: float = 5.0) -> Result:
    """Answers per second of one core with the limits on: calls of many vendors in turn, each well
    within its own bucket, none refused. The load comes from another core, where there is one."""
    emulator = start_emulator(stage, "--gentle", "--no-models")
    pid = emulator.running.process.pid
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {core})
    address = urlsplit(emulator.addresses["eu"])
    errand: dict[str, Any] = {
        "host": address.hostname,
        "ports": [address.port],
        "paths": [PATH],
        "headers": {},
        "headers_in_turn": [{"x-amz-access-token": one} for one in _access_tokens(emulator)],
        "connections": 16,
        "seconds": seconds,
    }
    before = cpu_s(pid)
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(errand),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    figures: dict[str, Any] = json.loads(done.stdout)
    figures["cpu_us"] = (cpu_s(pid) - before) / figures["answers"] * 1e6
    rate = figures["per_second"]
    return Result(
        f"the emulator on one core, limits on, {PAIRS} vendors in turn",
        f"{rate:,.0f} answers/s, none refused; p50 {figures['p50_ms']:.1f} ms, "
        f"p99 {figures['p99_ms']:.1f} ms; {figures['cpu_us']:.0f} us of CPU per answer",
        ">= 200 answers/s",
        rate >= 200,
        figures,
    )


def _access_tokens(emulator: Emulator) -> list[str]:
    levers = Levers(emulator.addresses["levers"])
    application = levers.application("Bench")
    tokens = []
    for number in range(PAIRS):
        vendor = levers.partner("vendor", name=f"Vendor {number}", home="DE")
        made = levers.pull(
            "POST",
            "/world/access-tokens",
            {
                "selling_partner_id": vendor["selling_partner_id"],
                "application_id": application["application_id"],
            },
        )
        tokens.append(str(made["access_token"]))
    return tokens


def start(stage: Stage, *, rounds: int = 5) -> Result:
    """From the start of the process to the addresses file, which is written when every face
    answers; with and without Amazon's models, in turn, the median of each."""
    models = find_folder(None, os.environ, [Path.cwd()])
    bare, full = [], []
    for _ in range(rounds):
        bare.append(_timed(lambda: start_emulator(stage, "--no-models")))
        if models is not None:
            full.append(_timed(lambda: start_emulator(stage, "--models", str(models))))
    figures = {"without_models_s": bare, "with_models_s": full}
    told = f"{statistics.median(bare):.2f} s without models"
    reached = statistics.median(bare) < 2.0
    if full:
        told += f", {statistics.median(full):.2f} s with all that were found"
        reached = reached and statistics.median(full) < 5.0
    else:
        told += "; with models NOT MEASURED: no folder of them was found"
    return Result(
        "the emulator's start", told, "< 2 s without, < 5 s with models", reached, figures
    )


def _timed(begin: Callable[[], Emulator]) -> float:
    began = time.perf_counter()
    emulator = begin()
    took = time.perf_counter() - began
    emulator.running.stop()
    return took
