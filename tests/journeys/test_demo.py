"""`make demo` does what it promises, twice, and leaves nothing running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("demo")]


def test_the_demo_runs_and_starts_clean(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "demo", "--folder", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "callback after the log-in leg" in done.stdout
        assert "callback without the log-in leg" in done.stdout
        assert "amzn-sp-api" in done.stdout
        assert "python-amazon-sp-api" in done.stdout
        assert "your Amazon permission" in " ".join(done.stdout.split())
        assert "409 grant_lapsed" in done.stdout
    left = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False)
    assert left.stdout == "", "no process of the demo is left"
