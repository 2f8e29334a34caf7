"""Starting and stopping: in a program and as a process; ports, threads, signals."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from typer.testing import CliRunner

from amazon_emulator import Emulator, Levers, NotLoopback, __version__, cli
from amazon_emulator.stage import FACES
from tests.emulator.aws_desk import Program, until
from tests.emulator.conftest import House

COMMAND = str(Path(sys.executable).parent / "amazon-emulator")


def taken(address: str) -> bool:
    parts = urlsplit(address)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def test_stopping_leaves_no_thread_and_no_socket() -> None:
    before = set(threading.enumerate())
    with Emulator() as amazon:
        assert set(amazon.addresses) == set(FACES)
        assert len(set(amazon.addresses.values())) == len(FACES)
        assert all(taken(address) for address in amazon.addresses.values())
    assert set(threading.enumerate()) <= before
    assert not any(taken(address) for address in amazon.addresses.values())


def test_it_can_start_again_and_keeps_its_world() -> None:
    amazon = Emulator(gentle=True)
    amazon.stop()
    with amazon:
        amazon.levers.partner("seller")
        with pytest.raises(RuntimeError, match="already"):
            amazon.start()
    with amazon:
        assert len(amazon.levers.pull("GET", "/world/partners")["items"]) == 1


def test_two_emulators_know_nothing_of_each_other() -> None:
    with Emulator() as one, Emulator() as other:
        one.levers.partner("seller")
        assert other.levers.pull("GET", "/world/partners")["items"] == []


def test_starts_and_stops_leave_nothing_behind() -> None:
    threads, files = set(threading.enumerate()), open_files()
    one, other = Emulator(), Emulator()
    for _ in range(3):
        with one, other:
            assert one.levers.now() is not None
            assert other.levers.now() is not None
    assert set(threading.enumerate()) <= threads
    gc.collect()
    assert open_files() <= files


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_hold_its_ports() -> None:
    """A child that lives on, as of multiprocessing, keeps nobody waiting at a dead port."""
    amazon = Emulator(gentle=True).start()
    ask, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(ask, 1)
        os._exit(0)
    try:
        assert amazon.levers.now() is not None, "the parent answers as before"
        amazon.stop()
        assert not any(taken(address) for address in amazon.addresses.values())
    finally:
        os.write(told, b"x")
        os.waitpid(child, 0)
        os.close(ask)
        os.close(told)


ODD_REQUESTS = {
    "no path": b"GET x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "whole address": b"GET http://x/sellers HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "odd bytes": b"GET /%00/%ff?a=%00&b=%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "old": b"GET / HTTP/1.0\r\n\r\n",
    "odd headers": b"GET / HTTP/1.1\r\nhost: x\r\nx-amz-access-token: \xff\r\ncookie: a=\xff\r\n"
    b"user-agent: \xff\r\nauthorization: Basic \xff\r\nconnection: close\r\n\r\n",
    "two tokens": b"GET / HTTP/1.1\r\nhost: x\r\nx-amz-access-token: a\r\n"
    b"x-amz-access-token: b\r\nconnection: close\r\n\r\n",
    "odd type": b"POST /auth/o2/token HTTP/1.1\r\nhost: x\r\ncontent-type: text/\xff\r\n"
    b"authorization: Basic \xff\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
    "half characters": b"POST /auth/o2/token HTTP/1.1\r\nhost: x\r\ncontent-length: 24\r\n"
    b'content-type: application/json\r\nconnection: close\r\n\r\n{"grant_type": "\\ud800"}',
    "long header": b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"x" * 100_000 + b"\r\n"
    b"connection: close\r\n\r\n",
    "broken chunk": b"POST /auth/o2/token HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    b"content-type: application/json\r\nconnection: close\r\n\r\nZZ\r\n{",
}


@pytest.mark.parametrize("request_bytes", ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_odd_requests_are_answered_by_every_face(
    amazon: Emulator, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    for face, address in amazon.addresses.items():
        answer = told_over(address, request_bytes)
        status = answer.split(b" ")[1]
        assert b"200" <= status < b"500" or status == b"501", (face, answer)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_who_goes_in_the_midst_of_a_body_is_missed_by_nobody(
    amazon: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    for address in amazon.addresses.values():
        begun = b"POST /auth/o2/token HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
        # Nothing, or what needs no body to be said.
        assert told_over(address, begun, end=True)[:12] in (b"", b"HTTP/1.1 404", b"HTTP/1.1 403")
    assert amazon.levers.now() is not None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def told_over(address: str, request_bytes: bytes, *, end: bool = False) -> bytes:
    """What comes back over a plain socket until the other side closes."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as wire:
        wire.sendall(request_bytes)
        if end:
            wire.shutdown(socket.SHUT_WR)
        said = b""
        while chunk := wire.recv(65536):
            said += chunk
    return said


def test_levers_need_a_running_emulator() -> None:
    with pytest.raises(RuntimeError, match="started"):
        _ = Emulator().levers


def test_hanging_and_slow_requests_do_not_outlive_it(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[int] = []

    def ask(amazon: Emulator) -> None:
        with httpx2.Client(trust_env=False, timeout=60) as own:
            try:
                answer = own.post(f"{amazon.addresses['lwa']}/auth/o2/token", data={})
                ended.append(answer.status_code)
            except httpx2.RemoteProtocolError:
                ended.append(0)

    with Emulator() as amazon:
        amazon.levers.fail_lwa("hang", times=2)
        amazon.levers.fail_lwa("slow", ms=60_000, times=2)
        threads = [threading.Thread(target=ask, args=(amazon,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while amazon.levers.count(kind="lwa") < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    for thread in threads:
        thread.join(60)
    assert sorted(ended) == [0, 0, 400, 400]
    assert not caplog.records, "the server had to cancel nothing"


def test_only_this_machine_unless_one_knows() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "emulator.example"):
        with pytest.raises(NotLoopback, match="--i-know"):
            Emulator(host=host)
    Emulator(host="0.0.0.0", i_know=True)
    Emulator(host="localhost")
    Emulator(host="::1")


def test_seven_ports_in_a_row_or_none() -> None:
    before = set(threading.enumerate())
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        port = squatter.getsockname()[1]
        amazon = Emulator(port=max(1024, port - 3))
        with pytest.raises(OSError, match="in use"):
            amazon.start()
    assert set(threading.enumerate()) <= before


def test_the_clock_begins_where_told() -> None:
    there = datetime(2030, 1, 1, tzinfo=UTC)
    with Emulator(start=there) as amazon:
        assert (amazon.levers.now() - there).total_seconds() < 60


# --- as a process ---------------------------------------------------------------------------------


@contextmanager
def process(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    file = folder / "addresses.json"
    command = [COMMAND, "serve", "--port", "0", "--addresses-file", str(file), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            deadline = time.monotonic() + 60
            while not file.exists() and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            yield running, json.loads(file.read_text())
        finally:
            if running.poll() is None:
                running.kill()


@pytest.mark.processes
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_process_tells_its_addresses_and_ends_cleanly(
    tmp_path: Path, how: signal.Signals
) -> None:
    with process(tmp_path, "--gentle", "--demo-world") as (running, addresses):
        assert set(addresses) == set(FACES)
        assert [file.name for file in tmp_path.iterdir()] == ["addresses.json"]
        levers = Levers(addresses["levers"])
        [application] = levers.pull("GET", "/world/applications")["items"]
        seller, other_seller, vendor = levers.pull("GET", "/world/partners")["items"]
        levers.fail_lwa("hang")
        running.send_signal(how)
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 0, said
    for address in addresses.values():
        assert address in said
    for shown in (
        application["application_id"],
        seller["email"],
        other_seller["selling_partner_id"],
        vendor["selling_partner_id"],
        "amzn1.oa2-cs.v1.emulated",
        "in memory",
    ):
        assert shown in said
    assert "Traceback" not in said
    suspended = [row["country_code"] for row in seller["participations"] if row["suspended"]]
    assert suspended == ["IT"]
    assert "A38D8NSA03LJTC" in [row["id"] for row in seller["participations"]]


@pytest.mark.processes
def test_a_long_poll_does_not_hold_up_the_end(tmp_path: Path, http: httpx2.Client) -> None:
    with process(tmp_path, "--gentle") as (running, addresses):
        levers = Levers(addresses["levers"])
        levers.queue("news")
        key = levers.pull("POST", "/world/aws-keys")
        desk = Program(addresses["aws"], http, key["access_key_id"], key["secret_access_key"])
        url = desk.said("GetQueueUrl", QueueName="news")["QueueUrl"]
        ended: list[Any] = []

        def poll() -> None:
            try:
                wait = {"QueueUrl": url, "WaitTimeSeconds": 20}
                ended.append(desk.json("ReceiveMessage", **wait).status_code)
            except httpx2.TransportError as error:
                ended.append(error)

        waiting = threading.Thread(target=poll)
        waiting.start()
        until(lambda: levers.count(kind="sqs.ReceiveMessage"))
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
        waiting.join(15)
    assert time.monotonic() - began < 10
    assert running.returncode == 0, said
    assert "Traceback" not in said
    assert len(ended) == 1


def in_process(*arguments: str) -> Any:
    """The command in this process: exit_code, stdout, stderr."""
    environ = {"COLUMNS": "120", "TERM": "dumb", "AMAZON_EMULATOR_MODELS": None}
    return CliRunner(env=environ).invoke(cli.app, list(arguments))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "--i-know"),
        (("--clock", "noon"), "ISO 8601"),
        (("--clock", "2026-01-01T00:00:00"), "UTC offset"),
        (("--host", "127.0.0.1", "--port", "1"), "cannot listen"),
        (("--addresses-file", "/nowhere/at/all.json"), "/nowhere/at"),
    ],
    ids=str,
)
def test_wrong_options_are_told_in_a_line(options: tuple[str, ...], words: str) -> None:
    with socket.socket() as squatter:
        if "1" in options:  # a port that is surely taken, as root too
            squatter.bind(("127.0.0.1", 0))
            squatter.listen()
            options = (*options[:-1], str(squatter.getsockname()[1]))
        done = in_process("serve", *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.processes
def test_a_process_with_a_wrong_option_ends_in_a_line() -> None:
    done = subprocess.run(
        [COMMAND, "serve", "--clock", "noon"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "ISO 8601" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_version_levers_and_help() -> None:
    def said(*arguments: str) -> str:
        done = in_process(*arguments)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    assert said("version").strip() == __version__
    assert "/clock/advance" in said("levers")
    assert "--demo-world" in said("serve", "--help")


# --- less gentle ----------------------------------------------------------------------------------


def harsh_walk(seed: int) -> tuple[list[bool], list[str], dict[str, object]]:
    with Emulator(seed=seed) as amazon, httpx2.Client(trust_env=False) as http:
        application = amazon.levers.application(
            login_uri="https://house.example/login", redirect_uris=["https://house.example/back"]
        )
        house = House(amazon, http, application)
        shapes = []
        for _ in range(4):
            person = house.consented(house.seller())
            shapes.append(person.left_for.startswith("https://house.example/login"))
        refresh_token = house.grant(house.seller())
        cases = []
        for _ in range(8):
            answer = house.refresh(refresh_token)
            cases.append(answer.headers.raw[0][0].decode())
        return shapes, cases, answer.json()


def test_without_gentle_it_varies_what_amazon_varies_the_same_way_every_time() -> None:
    shapes, cases, body = harsh_walk(seed=7)
    assert shapes == [True, False, True, False]
    assert len(set(cases)) > 1
    assert body["x_field_of_tomorrow"]
    assert harsh_walk(seed=7)[:2] == (shapes, cases)
