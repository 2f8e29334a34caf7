"""Every process of a run names the cases alike, else they cannot share the work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_two_processes_collect_the_same() -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    one, other = (
        {line for line in process.communicate(timeout=120)[0].splitlines() if "::" in line}
        for process in started
    )
    assert len(one) > 1000
    assert one == other, sorted(one ^ other)[:10]
