"""Whoever ends the demo while it plays, or closes its terminal, ends all that it started."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.stage import StageError, wait_for

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("demo")]


def test_ended_while_the_server_comes_up(tmp_path: Path) -> None:
    folder, log = tmp_path / "demo", tmp_path / "said"
    with log.open("wb") as sink:
        demo = _demo(folder, stdout=sink, stderr=subprocess.STDOUT)
    try:
        started = wait_for("the server", lambda: _server_and_all(demo, folder), 60)
    finally:
        demo.send_signal(signal.SIGTERM)
        code = demo.wait(60)
    assert code == 130, log.read_text()
    assert "everything that was started has been ended" in log.read_text()
    _nothing_lives(started, folder)


def test_its_terminal_is_closed_while_it_plays(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ours, theirs = pty.openpty()
    try:
        demo = _demo(
            folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    finally:
        os.close(theirs)
    try:
        said = b""
        while b"Seller Central at" not in said:
            said += os.read(ours, 4096)
        started = _all(demo, folder)
    finally:
        os.close(ours)
        code = demo.wait(60)
    assert code == 130
    _nothing_lives(started, folder)


def _demo(folder: Path, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "demo", "--folder", str(folder)],
        cwd=ROOT,
        start_new_session=True,
        **more,
    )


def _server_and_all(demo: subprocess.Popen[bytes], folder: Path) -> set[tuple[int, str]] | None:
    """The demo's processes, as soon as there is a PostgreSQL among them."""
    found = _all(demo, folder)
    return found if any("postgres" in _words(pid) for pid, _ in found) else None


def _all(demo: subprocess.Popen[bytes], folder: Path) -> set[tuple[int, str]]:
    """PostgreSQL is nobody's child, and known by its folder."""
    assert demo.poll() is None
    rows = list(_processes())
    wanted = {demo.pid, *(pid for pid, _, _ in rows if str(folder) in _words(pid))}
    while more := {pid for pid, parent, _ in rows if parent in wanted} - wanted:
        wanted |= more
    return {(pid, began) for pid, _, began in rows if pid in wanted}


def _nothing_lives(started: set[tuple[int, str]], folder: Path) -> None:
    """Of these, each known by when it began, and of any that were started later."""
    assert len(started) >= 2, "the demo, the emulator"

    def left() -> list[str]:
        return [
            _words(pid)
            for pid, _, began in _processes()
            if (pid, began) in started or str(folder) in _words(pid)
        ]

    # What a database that was just coming up began for that ends a moment after it.
    try:
        wait_for("all to be gone", lambda: not left(), 10)
    except StageError:
        raise AssertionError(left()) from None


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, parent, and when it began."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[0] != "Z":
                yield int(entry.name), int(stat[1]), stat[19]


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
