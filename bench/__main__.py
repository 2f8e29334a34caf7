"""``python -m bench``: all measures, or those that are named. Exit code 1 when a goal is missed."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bench import boxed, gateway, limiter
from bench.beside import beside
from bench.console import files, pages
from bench.gallery import gallery
from bench.kitchen import kitchen
from bench.measures import Result, herd, hot_token, many_accounts, revoked
from bench.minute import watch_minute
from bench.news import news
from bench.plan import plan
from bench.scan import scan
from bench.town import Town, machine
from bench.windows import windows
from demo.stage import Stage

MEASURES: dict[str, Callable[[Town, argparse.Namespace], Result]] = {
    "hot": lambda town, asked: hot_token(town, seconds=asked.seconds, rounds=asked.rounds),
    "herd": lambda town, asked: herd(town, 50),
    "crowd": lambda town, asked: herd(town, 1000),
    "revoked": lambda town, asked: revoked(town),
    "accounts": lambda town, asked: many_accounts(town, asked.accounts),
    "stream": lambda town, asked: gateway.stream(town, seconds=asked.seconds, rounds=asked.rounds),
    "data-plane": lambda town, asked: gateway.data_plane(
        town, seconds=asked.seconds, rounds=asked.rounds
    ),
    "limiter": lambda town, asked: limiter.limiter(town),
    "warm": lambda town, asked: gateway.warm(town, asked.accounts),
}


ALONE: dict[str, Callable[[Stage, argparse.Namespace], Result]] = {
    "emulator": lambda stage, asked: boxed.throughput(stage, seconds=asked.seconds),
    "emulator-start": lambda stage, asked: boxed.start(stage, rounds=asked.rounds),
    "scan": lambda stage, asked: scan(stage, many=asked.authorizations, rounds=asked.rounds),
    "watch-minute": lambda stage, asked: watch_minute(stage, many=asked.authorizations),
    "kitchen": lambda stage, asked: kitchen(stage),
    "news": lambda stage, asked: news(stage),
    "plan": lambda stage, asked: plan(stage, changes=asked.changes),
    "gallery": lambda stage, asked: gallery(stage, rounds=asked.rounds),
    "console": lambda stage, asked: pages(stage),
    "console-files": lambda stage, asked: files(stage),
    "console-windows": lambda stage, asked: windows(stage),
    "console-beside": lambda stage, asked: beside(stage),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("measure", nargs="*", choices=[[], *MEASURES, *ALONE], help="default: all")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round (hot, emulator)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="per side (hot, emulator-start, scan, gallery)"
    )
    parser.add_argument("--accounts", type=int, default=1000, help="how many (accounts)")
    parser.add_argument(
        "--authorizations", type=int, default=100_000, help="how many (scan, watch-minute)"
    )
    parser.add_argument(
        "--changes", type=int, default=200_000, help="how many (plan); 1000000 for the whole crowd"
    )
    parser.add_argument("--json", type=Path, help="write every figure there")
    asked = parser.parse_args()
    print(f"Evergrant on {machine()}, Python {sys.version.split()[0]}\n", flush=True)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="evergrant-bench-") as folder:
        for name in asked.measure or [*MEASURES, *ALONE]:
            # A town for each: what one measure leaves running does not disturb the next.
            with Stage.clean(Path(folder) / name).open() as stage:
                if name in ALONE:
                    result = ALONE[name](stage, asked)
                else:
                    with contextlib.closing(Town(stage)) as town:
                        result = MEASURES[name](town, asked)
            results.append(result)
            mark = "reached" if result.reached else "MISSED"
            print(
                f"{result.what}\n    {result.figure}\n    goal {result.goal}: {mark}\n", flush=True
            )
    if asked.json:
        asked.json.write_text(json.dumps([asdict(result) for result in results], indent=2))
    return 0 if all(result.reached for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
