"""Processes that begin warm are processes as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo.stage import wait_for
from tests.forked import Forked, launch, warm_stage

HERE = dict(os.environ)

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="forks are waited for by Linux' pidfd_open"
)


def evergrant(*words: str) -> list[str]:
    return [str(Path(sys.executable).parent / "evergrant"), *words]


def test_it_says_what_a_cold_start_says_and_ends_as_it(tmp_path: Path) -> None:
    for words, code in ((("--version",), 0), (("no-such-command",), 2)):
        log = tmp_path / f"{code}.log"
        warm = launch(evergrant(*words), HERE, log)
        assert isinstance(warm, Forked)
        cold = subprocess.run(evergrant(*words), capture_output=True, check=False)
        assert (warm.wait(60), log.read_bytes()) == (code, cold.stdout + cold.stderr)
        assert cold.returncode == code
        assert (warm.poll(), warm.returncode) == (code, code)


def test_it_has_its_own_session_and_environment_and_can_be_killed(tmp_path: Path) -> None:
    stage = warm_stage(tmp_path / "stage")
    told = tmp_path / "told"
    stillborn = "import os; print(os.environ['SAID'], os.getsid(0) == os.getpid())"
    assert launch([sys.executable, "-c", stillborn], {"SAID": "x"}, told).wait(60) == 0
    assert told.read_text() == "x True\n", "what is not ours starts cold"

    command = [str(Path(sys.executable).parent / "amazon-emulator"), "serve", "--port", "0"]
    addresses = tmp_path / "addresses"
    with stage.open():
        running = stage.start("e", [*command, "--addresses-file", str(addresses)], {})
        assert isinstance(running.process, Forked)
        assert os.getsid(running.process.pid) == running.process.pid
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(0.01)
        running.kill()
        assert running.process.returncode == -signal.SIGKILL
        running.process.send_signal(signal.SIGTERM)  # it means nobody else

    other = stage.start("e2", [*command, "--addresses-file", str(addresses)], {})
    try:
        assert other.process.pid != running.process.pid
    finally:
        other.stop()


def test_what_a_killed_asker_left_running_is_ended(tmp_path: Path) -> None:
    emulator = Path(sys.executable).parent / "amazon-emulator"
    asker = f"""
import os, signal, sys
from pathlib import Path
from demo.stage import wait_for
from tests.forked import launch
command = [{str(emulator)!r}, "serve", "--port", "0"]
print(launch(command, dict(os.environ), Path({str(tmp_path / "log")!r})).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    said = subprocess.run(
        [sys.executable, "-c", asker],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert said.returncode == -signal.SIGKILL, said.stderr
    wait_for("its child to end", lambda: not Path(f"/proc/{int(said.stdout)}").exists())
