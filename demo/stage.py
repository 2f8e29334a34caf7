"""Starts and stops the processes of the demo, the journeys and the benchmarks.

Answers for: free ports, clean folders, waiting until a process is ready, ending what it started
(by process id) and nothing else. A process that dies early is told with the end of its log.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

BIN = Path(sys.executable).parent
READY_WITHIN_S = 90.0
PORT_TRIES = 5


class StageError(RuntimeError):
    """A process did not come up, or fell over. The message ends with its last log lines."""


def free_port() -> int:
    """A port that was free a moment ago. Whoever uses it must cope with losing the race."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else stages anything in ``folder`` meanwhile: a clean start would pull the database
    from under a running demo."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(f"another one runs in {folder}; end it first (Ctrl-C there)") from None
        yield


T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], within_s: float = 30.0) -> T:
    """Looks again and again until ``look`` gives something, or tells what it waited for."""
    deadline = time.monotonic() + within_s
    pause_s = 0.01
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StageError(f"waited {within_s:.0f} s for {what}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.25)


@dataclass
class Running:
    """One process of ours and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check(self) -> None:
        if (code := self.process.poll()) is not None:
            raise StageError(f"{self.name} ended with code {code}; its log says:\n{self.tail()}")

    def kill(self) -> None:
        """As a power cut would: no chance to tidy up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, within_s: float = 20.0) -> None:
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise StageError(
                f"{self.name} did not stop within {within_s:.0f} s; its log says:\n{self.tail()}"
            ) from None


#: Starts a command in a session of its own, in exactly this environment; all that it says is
#: added to the file.
Launch = Callable[[Sequence[str], Mapping[str, str], Path], "subprocess.Popen[bytes]"]


def cold_start(
    command: Sequence[str], env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603  # our own programs, fixed arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )


@dataclass
class Stage:
    """A folder, an environment and the processes that run in it."""

    folder: Path
    running: list[Running] = field(default_factory=list)
    launch: Launch = cold_start

    @classmethod
    def clean(cls, folder: Path, launch: Launch = cold_start) -> Stage:
        """Begins with an empty folder; what an earlier run left is removed."""
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "logs").mkdir(parents=True)
        return cls(folder, launch=launch)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Running:
        log = self.folder / "logs" / f"{name}.log"
        surroundings = _without_ours(os.environ)
        process = self.launch(command, {**surroundings, "PYTHONUNBUFFERED": "1", **env}, log)
        running = Running(name, process, log)
        self.running.append(running)
        return running

    def stop(self) -> None:
        """Ends everything, last started first; tells the first that would not end by itself."""
        trouble: StageError | None = None
        for running in reversed(self.running):
            try:
                running.stop()
            except StageError as error:
                trouble = trouble or error
        self.running.clear()
        if trouble:
            raise trouble

    @contextlib.contextmanager
    def open(self) -> Iterator[Stage]:
        try:
            yield self
        except BaseException:
            for running in reversed(self.running):
                # In order where that goes: an embedded PostgreSQL that outlives its folder would
                # take the socket of the next one away.
                try:
                    running.stop()
                except (StageError, KeyboardInterrupt):
                    running.kill()
            _end_databases(self.folder)
            raise
        else:
            self.stop()


def _end_databases(folder: Path) -> None:
    """A server that was killed on its way up or down leaves its embedded PostgreSQL behind."""
    for written in folder.glob("**/postgres/data/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError):
            number = int(written.read_text().split("\n", 1)[0])
            if os.fsencode(folder) in Path(f"/proc/{number}/cmdline").read_bytes():
                os.kill(number, signal.SIGINT)  # rolls back what is open, and ends


@dataclass(frozen=True)
class Emulator:
    """Addresses of the emulator's faces, and its levers."""

    addresses: Mapping[str, str]
    running: Running

    def marketplaces(self) -> dict[str, Any]:
        """What Evergrant needs to take the emulator for Amazon: an override of its table."""
        return {
            "lwa_url": f"{self.addresses['lwa']}/auth/o2/token",
            "all_seller_central": self.addresses["seller_central"],
            "all_vendor_central": self.addresses["vendor_central"],
            "regions": {
                region: {"endpoint": self.addresses[region]} for region in ("na", "eu", "fe")
            },
        }


def start_emulator(stage: Stage, *options: str, name: str = "emulator") -> Emulator:
    addresses = stage.folder / f"{name}.json"
    addresses.unlink(missing_ok=True)
    running = stage.start(
        name,
        [
            str(BIN / "amazon-emulator"),
            "serve",
            "--port",
            "0",
            "--addresses-file",
            str(addresses),
            *options,
        ],
        {},
    )

    def look() -> dict[str, str] | None:
        running.check()
        return json.loads(addresses.read_text()) if addresses.exists() else None

    return Emulator(wait_for("the emulator's addresses", look, READY_WITHIN_S), running)


@dataclass
class Evergrant:
    """One Evergrant installation: its address, its settings, its command line."""

    stage: Stage
    url: str
    env: dict[str, str]
    running: Running

    def cli(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs `evergrant ...` beside the server, as an operator would; gives what it printed."""
        done = subprocess.run(  # noqa: S603
            [str(BIN / "evergrant"), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={**_without_ours(os.environ), **self.env},
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise StageError(f"evergrant {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def cli_json(self, *arguments: str, stdin: str | None = None) -> Any:
        return json.loads(self.cli(*arguments, "--json", stdin=stdin))

    def another(self, name: str, *arguments: str) -> Evergrant:
        """One more server process on the same database, with the same public address."""
        return _started(self.stage, name, self.env, list(arguments) or ["serve"])

    def restart(self) -> None:
        """The same installation again, on the same address, after its process ended."""
        fresh = _launch(self.stage, self.running.name, self.env, ["up"], self.url)
        if fresh is None:
            raise StageError(f"{self.url} was taken by another program meanwhile")
        self.running = fresh.running


def start_evergrant(
    stage: Stage,
    emulator: Emulator,
    settings: Mapping[str, str] | None = None,
    *,
    port: int | None = None,
) -> Evergrant:
    """`evergrant up` with its own home below the stage's folder, facing the emulator."""
    table = stage.folder / "marketplaces.json"
    table.write_text(json.dumps(emulator.marketplaces(), indent=2))
    env = {
        "EVERGRANT_HOME": str(stage.folder / "home"),
        "EVERGRANT_MARKETPLACES_FILE": str(table),
        "EVERGRANT_HOUSE_NAME": "Northwind Commerce Software",
        "EVERGRANT_MAIL_FROM": "connect@northwind.example",
        "EVERGRANT_SUPPORT_EMAIL": "dev-support@northwind.example",
        **(settings or {}),
    }
    return _started(stage, "evergrant", env, ["up"], public=True, port=port)


def _started(
    stage: Stage,
    name: str,
    env: dict[str, str],
    command: list[str],
    *,
    public: bool = False,
    port: int | None = None,
) -> Evergrant:
    for _ in range(PORT_TRIES):
        if port and not is_free(port):
            raise StageError(f"port {port} is taken by another program")
        url = f"http://127.0.0.1:{port or free_port()}"
        own = {**env, "EVERGRANT_PUBLIC_URL": url} if public else dict(env)
        started = _launch(stage, name, own, command, url)
        if started is not None:
            return started
    raise StageError(f"found no free port for {name} in {PORT_TRIES} tries")


def _launch(
    stage: Stage, name: str, env: dict[str, str], command: list[str], url: str
) -> Evergrant | None:
    """None when the port was taken in the meantime."""
    port = url.rpartition(":")[2]
    running = stage.start(name, [str(BIN / "evergrant"), *command], {**env, "EVERGRANT_PORT": port})

    def look() -> bool:
        running.check()
        return _answers(f"{url}/readyz")

    try:
        wait_for(f"{name} at {url}", look, READY_WITHIN_S)
    except StageError:
        if "address already in use" in running.tail(40).lower():
            stage.running.remove(running)
            return None
        raise
    return Evergrant(stage, url, {**env, "EVERGRANT_PORT": port}, running)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if not k.startswith("EVERGRANT_")}
