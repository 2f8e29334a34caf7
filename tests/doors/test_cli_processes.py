"""The long-running commands as processes: address, readiness, roles, signals, ends."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from evergrant.entrances import ops
from evergrant.entrances.cli import processes
from evergrant.errors import Misconfigured
from evergrant.settings import Settings
from tests.command_line import said

EVERGRANT = Path(sys.executable).parent / "evergrant"
T = TypeVar("T")

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]


def wait_for(look: Callable[[], T | None], within_s: float = 60) -> T:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {within_s:g} s in vain")


@dataclass
class Started:
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def end(self, which: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(which)
        return self.process.wait(60)


@dataclass
class Programs:
    """Starts `evergrant ...` on one database; ends what it started."""

    folder: Path
    environ: dict[str, str]
    started: list[Started]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(EVERGRANT), *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def migrate(self) -> None:
        assert said(self.environ, "migrate").code == 0

    def start(self, *arguments: str, **environ: str) -> Started:
        log = self.folder / f"{len(self.started)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(EVERGRANT), *arguments],
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        self.started.append(Started(process, log))
        return self.started[-1]

    def answering(self, *arguments: str, **environ: str) -> tuple[Started, str]:
        """Starts one, waits until it is ready, gives its address."""
        file = self.folder / f"{len(self.started)}.address"
        started = self.start(*arguments, "--address-file", str(file), **environ)

        def look() -> str | None:
            assert started.process.poll() is None, started.said
            return file.read_text().strip() if file.exists() else None

        url = wait_for(look)
        assert httpx2.get(f"{url}/readyz", timeout=30, trust_env=False).status_code == 200
        return started, url


@pytest.fixture
def programs(tmp_path: Path, database_url: str) -> Iterator[Programs]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EVERGRANT_")}
    environ |= {
        "EVERGRANT_HOME": str(tmp_path / "home"),
        "EVERGRANT_DATABASE_URL": database_url,
        "EVERGRANT_PORT": "0",
        "EVERGRANT_LOG_FORMAT": "json",
    }
    programs = Programs(tmp_path, environ, [])
    yield programs
    for started in programs.started:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()


def get(url: str) -> httpx2.Response:
    return httpx2.get(url, timeout=30, trust_env=False)


def ended_in_order(started: Started, url: str, which: signal.Signals) -> None:
    assert started.end(which) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def test_up_on_any_free_port_until_it_is_told_to_stop(programs: Programs) -> None:
    started, url = programs.answering("up")
    assert f"Evergrant listens at {url}" in started.said
    assert get(f"{url}/healthz").text == "alive\n"
    assert get(f"{url}/dev/mailbox.json").json() == {"letters": []}
    assert get(f"{url}/openapi.json").status_code == 200
    assert get(f"{url}/connect/none").status_code in (404, 410)
    assert "evergrant_requests_total" in get(f"{url}/metrics").text
    made = said(programs.environ, "apikey", "add", "x", "--right", "read", "--json").json
    answer = httpx2.get(
        f"{url}/v1/accounts",
        headers={"authorization": f"Bearer {made['secret']}"},
        timeout=30,
        trust_env=False,
    )
    assert answer.json()["items"] == []
    ended_in_order(started, url, signal.SIGTERM)
    lines = [json.loads(line) for line in started.said.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines][-1] == "stopped"
    assert {line["level"] for line in lines} == {"info"}


def test_who_started_it_is_told_how_to_become_the_first_admin(programs: Programs) -> None:
    """At the port that was free: otherwise the links of a trial would lead nowhere. A server on the
    same database, with the doors of people alone, says it no more; Ctrl-C ends both."""
    first, url = programs.answering("up", EVERGRANT_LOG_FORMAT="text")
    assert f"{url}/console\n" in first.said
    assert f"{url}/console/first\n" in first.said
    (code,) = re.findall(r"With the code +(\S+)", first.said)
    page = get(f"{url}/console/first")
    assert page.status_code == 200
    assert code not in page.text
    (proof,) = re.findall(r'name="proof" value="([^"]+)"', page.text)
    form = {
        "proof": proof,
        "code": code,
        "name": "Ada Field",
        "email": "ada@northwind.example",
        "password": (password := secrets.token_hex(12)),
        "again": password,
    }
    answer = httpx2.post(
        f"{url}/console/first", data=form, cookies=page.cookies, timeout=30, trust_env=False
    )
    assert answer.status_code == 303, answer.text
    again, web = programs.answering("serve", EVERGRANT_LOG_FORMAT="text", EVERGRANT_ROLE="web")
    assert "With the code" not in again.said
    doors_only(web, ["/robots.txt"], ["/openapi.json", "/v1/accounts", "/auth/o2/token"])
    ended_in_order(again, web, signal.SIGINT)
    ended_in_order(first, url, signal.SIGINT)


def doors_only(url: str, here: list[str], not_here: list[str]) -> None:
    for path in here:
        assert get(f"{url}{path}").status_code == 200, path
    for path in not_here:
        answer = get(f"{url}{path}")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json", path


def test_a_role_has_its_doors_only(programs: Programs) -> None:
    """That of programs; of people's, the test above."""
    programs.migrate()
    _, url = programs.answering("serve", EVERGRANT_ROLE="api")
    doors_only(url, ["/openapi.json"], ["/callback", "/connect/x", "/dev/mailbox"])


async def test_who_finds_no_migrations_says_what_to_run(
    programs: Programs, empty_database_url: str
) -> None:
    programs.environ["EVERGRANT_DATABASE_URL"] = empty_database_url
    ended = programs.run("serve")
    assert ended.returncode == 1
    assert "error[misconfigured]" in ended.stderr
    assert "evergrant migrate" in ended.stderr or "evergrant up" in ended.stderr
    assert "Traceback" not in ended.stderr
    with pytest.raises(Misconfigured) as refused:
        await processes.run_worker(settings_of(programs))
    assert "evergrant migrate" in f"{refused.value} {refused.value.hint}"


def settings_of(programs: Programs, **more: str) -> Settings:
    given = {name: value for name, value in programs.environ.items() if "EVERGRANT_" in name}
    return Settings.from_environment({**given, **more})


async def test_figures_name_as_many_accounts_as_the_settings_say(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Metered(Exception):
        pass

    def meters(*, account_series: int) -> Any:
        raise Metered(account_series)

    monkeypatch.setattr(ops, "Meters", meters)
    programs.migrate()
    settings = settings_of(programs, EVERGRANT_METRICS_ACCOUNTS="7")
    for run in (processes.run_serve, processes.run_up):
        with pytest.raises(Metered) as caught:
            await run(settings)
        assert caught.value.args == (7,)


async def test_up_counts_what_its_worker_does(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    async def work(*_: Any, **given: Any) -> None:
        told.update(given)

    monkeypatch.setattr(processes, "work", work)
    await processes.run_up(settings_of(programs))
    meters = told["ended"].__self__
    assert told["posted"] == meters.posted
    assert told["watched"] == meters.watched


async def test_a_taken_port_is_told_before_anything_is_made(
    programs: Programs, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = settings_of(programs, EVERGRANT_PORT=str(taken.getsockname()[1]))
        with pytest.raises(Misconfigured, match="address already in use") as refused:
            await processes.run_up(settings)
    assert refused.value.setting == "EVERGRANT_PORT"
    assert not (tmp_path / "home").exists()


def test_check_ends_with_1_when_something_does_not_work(programs: Programs) -> None:
    programs.migrate()
    fine = said(programs.environ, "check", "--json")
    assert fine.code == 0, fine.out
    assert {item["code"] for item in json.loads(fine.out)["items"]} >= {"EG031", "EG034"}
    programs.environ["EVERGRANT_DATABASE_URL"] = "postgresql://127.0.0.1:1/evergrant"
    broken = said(programs.environ, "check", "--json")
    assert broken.code == 1
    assert "EG010" in broken.out
    assert broken.err == ""
