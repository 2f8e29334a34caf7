"""Processes that begin warm: forked from an interpreter that has imported everything already.

Answers for: starting `evergrant ...`, `amazon-emulator ...` and modules of the tests as processes
of their own (own id, session, environment, log, exit code) without the two seconds of CPU that each
start costs. Does not answer for: what a cold start shows, such as the command line in the list of
processes (``cold_start``); the demo and the tests of the doors start cold.

The house of the forks runs no thread and opens nothing, so that a child is what a fresh process
would be. It lives as long as the process that asked for it, and ends what that one left running.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer.main

from demo.stage import Stage, cold_start

__all__ = ["Forked", "launch", "warm_stage"]

#: Console scripts that are served, with the function that each of them calls.
SCRIPTS = {
    "evergrant": ("evergrant.entrances.cli", "main"),
    "amazon-emulator": ("amazon_emulator.cli", "main"),
}
#: Imported with all that is in them: a command imports what it needs late, when it is a child.
WARM = ("evergrant", "amazon_emulator")
#: What no process of ours imports, or only when it is Alembic that reads it.
COLD = ("evergrant.testing", "amazon_emulator.pytest_plugin", "__main__", "migrations")
#: What they or their libraries import only when it is needed.
LATE = (
    "argon2",
    "encodings.idna",
    "granian.server.embed",
    "httpcore2._backends.auto",
    "procrastinate.worker",
    "typer._adapters",
    "uvloop",
)
_LONGEST = 1 << 20
#: What is left running when the tests were ended has so long to end in order.
_PATIENCE_S = 20.0


def warm_stage(folder: Path) -> Stage:
    """As `Stage.clean`; what it starts begins warm where that goes."""
    return Stage.clean(folder, launch)


def launch(command: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A `Launch` of the stage. Raises RuntimeError when the house of the forks is gone."""
    if not _is_ours(command):
        return cold_start(command, env, log)
    return _house().start(list(command), dict(env), log)


def _is_ours(command: Sequence[str]) -> bool:
    if not hasattr(os, "pidfd_open"):
        return False
    if Path(command[0]).parent != Path(sys.executable).parent:
        return False
    return Path(command[0]).name in SCRIPTS or (command[0] == sys.executable and command[1] == "-m")


class Forked(subprocess.Popen[bytes]):
    """A process of the house of the forks, to be asked as any other."""

    def __init__(self, house: _House, command: list[str], pid: int) -> None:
        # Nothing of Popen's own: that would start a process.
        self.args = command
        self.pid = pid
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None
        self._house = house
        self._ending = os.pidfd_open(pid)
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        with self._asking:
            if self.returncode is None:
                ended, _, _ = select.select([self._ending], [], [], timeout)
                if not ended:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self.returncode = self._house.code_of(self.pid)
                os.close(self._ending)
            return int(self.returncode)

    def send_signal(self, sig: int) -> None:
        # Its number is its own until it was waited for.
        if self.poll() is None:
            os.kill(self.pid, sig)

    def __del__(self, *_: Any) -> None:
        """Popen warns of children that still run; ours are the stage's errand."""


class _House:
    """This end of the line to the interpreter that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parent.parent,
                env={k: v for k, v in os.environ.items() if not k.startswith("EVERGRANT_")},
                start_new_session=True,
            )
        self._line = ours
        self._turn = threading.Lock()
        atexit.register(self._close)

    def start(self, command: list[str], env: dict[str, str], log: Path) -> Forked:
        wish = {"command": command, "env": env, "log": str(log), "folder": os.getcwd()}  # noqa: PTH109
        return Forked(self, command, self._ask(wish))

    def code_of(self, pid: int) -> int:
        return self._ask({"ended": pid})

    def _ask(self, wish: Mapping[str, Any]) -> int:
        said = json.dumps(wish).encode()
        assert len(said) < _LONGEST
        with self._turn:
            self._line.sendall(said)
            answer = self._line.recv(_LONGEST)
        if not answer:
            raise RuntimeError("the house of the forks is gone; its last words are above")
        return int(answer)

    def _close(self) -> None:
        self._line.close()
        self._process.wait(2 * _PATIENCE_S)


@functools.cache
def _house() -> _House:
    return _House()


# --- the other end ------------------------------------------------------------------------------


def _next_errand(line: socket.socket) -> list[str]:
    """Serves until the line is closed. It comes back in a child, with what that child shall do."""
    living: set[int] = set()
    while said := line.recv(_LONGEST):
        wish = json.loads(said)
        if "ended" in wish:
            _, status = os.waitpid(wish["ended"], 0)
            living.discard(wish["ended"])
            line.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        settled, settling = os.pipe()
        pid = os.fork()
        if pid == 0:
            line.close()
            os.close(settled)
            _settle(wish)
            os.close(settling)
            return list(wish["command"])
        os.close(settling)
        # Only then it is a session of its own, which can be signalled as a whole.
        os.read(settled, 1)
        os.close(settled)
        living.add(pid)
        line.send(str(pid).encode())
    _end(living)
    sys.exit()


def _end(living: set[int]) -> None:
    """In order where that goes, so that an embedded PostgreSQL ends with its Evergrant."""
    for pid in living:
        os.kill(pid, signal.SIGTERM)  # nobody waited for it: its number is its own
    patience_ends_s = time.monotonic() + _PATIENCE_S
    while living and time.monotonic() < patience_ends_s:
        ended = {pid for pid in living if os.waitpid(pid, os.WNOHANG) != (0, 0)}
        living -= ended
        if not ended:
            time.sleep(0.05)
    for pid in living:
        os.killpg(pid, signal.SIGKILL)


def _settle(wish: Mapping[str, Any]) -> None:
    os.setsid()
    os.chdir(wish["folder"])
    os.environ.clear()
    os.environ.update(wish["env"])
    log = os.open(wish["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]


def _run(command: Sequence[str]) -> None:
    name = Path(command[0]).name
    if name in SCRIPTS:
        module, function = SCRIPTS[name]
        sys.argv = list(command)
        getattr(importlib.import_module(module), function)()
    else:
        sys.argv = list(command[2:])
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)


def _warm_up() -> None:
    for package in map(importlib.import_module, WARM):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith(COLD) and not found.name.startswith(COLD):
                importlib.import_module(found.name)
    for module in LATE:
        # A library of another version keeps such a thing elsewhere; then it comes late.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # The commands are the same whichever of them is called.
    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(importlib.import_module("evergrant.entrances.cli.root").app)


def _main() -> None:
    _warm_up()
    # What is there already is shared with the children, not copied by their collector.
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, threading.enumerate()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.socket(fileno=int(sys.argv[1])) as line:
        command = _next_errand(line)
    _run(command)


if __name__ == "__main__":
    _main()
