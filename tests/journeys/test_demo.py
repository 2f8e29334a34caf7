"""`make demo` does what it promises, leaves nothing running, and can begin again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.stage import Stage, alone_in

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("demo")]


def test_the_demo_runs_and_could_start_clean(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--folder", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "callback after the log-in leg" in done.stdout
    assert "callback without the log-in leg" in done.stdout
    assert "amzn-sp-api" in done.stdout
    assert "python-amazon-sp-api" in done.stdout
    assert "The account's switch for it is off." in " ".join(done.stdout.split())
    assert "41.00 superseded, 39.90 accepted" in done.stdout
    assert "price of TEAPOT-12" in done.stdout
    assert "your Amazon permission" in " ".join(done.stdout.split())
    assert "409 grant_lapsed" in done.stdout
    left = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False)
    assert left.stdout == "", "no process of the demo is left"
    # As the next one begins: with the lock that this one let go, and nothing of what it left.
    assert (folder / "home" / "keyring").exists()
    with alone_in(folder):
        Stage.clean(folder)
    assert [file.name for file in folder.rglob("*")] == ["logs"]
