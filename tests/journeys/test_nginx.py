"""nginx as data plane: what is its own. What holds for both planes stands in ``test_planes``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.town import rss_mib
from demo.stage import free_port, wait_for
from tests.journeys.amazon_stub import Stub
from tests.journeys.conftest import Town
from tests.journeys.nearby import nearby
from tests.journeys.planes import (
    PARTICIPATIONS,
    Plane,
    api_key,
    free_udp_port,
    headers,
    nginx_or_skip,
    ports,
    start_nginx,
    stub_account,
    town_with_stub,
)

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("nginx")]

OPERATION = "sellers.v1.getMarketplaceParticipations"
FEEDS = "/feeds/2021-06-30/feeds"
LARGE = 128 * 1024 * 1024


class Ground:
    def __init__(self, town: Town, stub: Stub) -> None:
        self.town, self.stub = town, stub
        self.key = api_key(town)
        self.stubbed = stub_account(town)
        self.who = headers(self.key, self.stubbed)
        self.plane = start_nginx(town)

    def calls(self, account: dict[str, Any]) -> dict[str, Any]:
        """The counts of the participations of this account, as they are written down."""
        told = self.town.house.ask("GET", f"/v1/accounts/{account['id']}/calls")
        rows = [row for row in told["items"] if row["operation"] == OPERATION]
        return rows[0] if rows else {}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    nginx_or_skip()
    with town_with_stub(tmp_path_factory.mktemp("nginx")) as (town, stub):
        for operation in (OPERATION, "feeds.2021-06-30.createFeed"):
            wish = {"operation": operation, "rate_per_s": 1000.0, "burst": 1000}
            town.house.ask("POST", "/v1/plans", wish)
        yield Ground(town, stub)


@pytest.fixture
def http(ground: Ground) -> Iterator[httpx2.Client]:
    with ground.plane.client() as client:
        yield client


def say(plane: Plane, *lines: str, body: bytes = b"") -> bytes:
    return plane.say("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + body)


# --- outcomes -----------------------------------------------------------------------------------


def test_outcomes_arrive_and_are_counted(ground: Ground, http: httpx2.Client) -> None:
    account = stub_account(ground.town)
    before = ground.calls(account).get("calls", 0)  # Evergrant's own first look
    who = headers(ground.key, account)
    for query in ("", "?status=404", "?status=500", ""):
        http.get(PARTICIPATIONS + query, headers=who)
    counted = wait_for(
        "four calls to be counted",
        lambda: (row := ground.calls(account)) and row["calls"] >= before + 4 and row,
        within_s=60,
    )
    assert counted["calls"] == before + 4, counted


def test_a_rate_that_amazon_reports_is_learned(ground: Ground, http: httpx2.Client) -> None:
    """By an operation that has no plan of an operator."""
    account = stub_account(ground.town)
    path = "/listings/2021-08-01/items/A1/SKU"
    who = headers(ground.key, account)
    assert http.get(path, headers=who).status_code == 200

    def learned() -> Any:
        told = ground.town.house.ask("GET", f"/v1/accounts/{account['id']}/limits")
        rows = told["items"] if isinstance(told, dict) else told
        return [row for row in rows if row.get("reported_rate_per_s") == 5.0]

    assert wait_for("the rate of the stub", learned, within_s=60)


def test_an_access_token_that_amazon_ended_is_replaced_after_the_first_403(
    ground: Ground, http: httpx2.Client
) -> None:
    partner = ground.town.partner()
    account = ground.town.adopted(partner)
    who = headers(ground.key, account)
    assert http.get(PARTICIPATIONS, headers=who).status_code == 200
    ground.town.lever(
        "POST",
        "/expire",
        {
            "what": "access_token",
            "selling_partner_id": partner["selling_partner_id"],
            "application_id": ground.town.application["application_id"],
            "region": "eu",
        },
    )
    first = http.get(PARTICIPATIONS, headers=who)
    assert first.status_code == 403, first.text
    assert "expired" in first.text
    wait_for(
        "a fresh access token",
        lambda: http.get(PARTICIPATIONS, headers=who).status_code == 200,
        within_s=60,
    )


# --- bodies -------------------------------------------------------------------------------------


def test_evergrants_memory_does_not_feel_large_bodies(ground: Ground, http: httpx2.Client) -> None:
    pid = ground.town.evergrant.running.process.pid
    http.get(PARTICIPATIONS, headers=ground.who)
    before = rss_mib(pid)
    piece = b"\n" * (1024 * 1024)
    uploaded = http.post(
        FEEDS, content=(piece for _ in range(LARGE // len(piece))), headers=ground.who
    )
    assert uploaded.status_code == 200, uploaded.text
    assert ground.stub.seen[-1].body_bytes == LARGE
    came = 0
    with http.stream("GET", f"{PARTICIPATIONS}?bytes={LARGE}", headers=ground.who) as answer:
        for part in answer.iter_raw():
            came += len(part)
    assert came == LARGE
    assert rss_mib(pid) - before < 16
    assert ground.plane.folder is not None
    kept = sum(one.stat().st_size for one in ground.plane.folder.rglob("*") if one.is_file())
    assert kept < 1024 * 1024, "nothing of a body lies on the disk"


def test_a_refused_upload_is_not_read(ground: Ground) -> None:
    since = len(ground.stub.seen)
    poor = headers(api_key(ground.town, "amazon_read"), ground.stubbed)
    lines = [f"{name}: {value}" for name, value in poor.items()]
    head = [f"POST {FEEDS} HTTP/1.1", "host: x", *lines, "content-length: 2000000000", "", ""]
    parts = urlsplit(ground.plane.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as line:
        line.sendall("\r\n".join(head).encode() + b"\n" * 1000)
        assert line.recv(100).startswith(b"HTTP/1.1 403")
    assert len(ground.stub.seen) == since


# --- who is away --------------------------------------------------------------------------------


def test_headers_that_begin_like_ours_go_nowhere(ground: Ground, http: httpx2.Client) -> None:
    since = len(ground.stub.seen)
    for name in ("x-evergrant-anything", "x-evergrant-target", "x-evergrant-refused"):
        answer = http.get(PARTICIPATIONS, headers={**ground.who, name: "x"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    for name in ("x-evergrant-data-plane", "x-evergrant-method", "x-evergrant-uri"):
        assert http.get(PARTICIPATIONS, headers={**ground.who, name: "x"}).status_code == 200
    for seen in ground.stub.seen[since:]:
        assert "x-evergrant" not in seen.raw.lower()


def test_nginx_itself_speaks_in_problems(ground: Ground) -> None:
    for request, status, code in (
        (["GET / HTTP/1.1"], 400, "bad_request"),
        (["TRACE / HTTP/1.1", "host: x"], 405, "method_not_allowed"),
        ([f"GET /{'a' * 40_000} HTTP/1.1", "host: x"], 413, "too_large"),
        (["GET / HTTP/1.1", "host: x", f"x-a: {'a' * 40_000}"], 400, "bad_request"),
        (["GET /-evergrant/decide HTTP/1.1", "host: x"], 404, "not_found"),
        (
            ["POST /auth/o2/token HTTP/1.1", "host: x", "content-length: 2000000000"],
            413,
            "too_large",
        ),
    ):
        answer = say(ground.plane, *request)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == str(status).encode(), (request[0][:60], head)
        problem = json.loads(body)
        assert problem["code"] == code
        assert b"application/problem+json" in head


def test_a_wrong_key_of_nginx_is_no_fault_of_the_program(ground: Ground) -> None:
    plane = start_nginx(ground.town, name="nginx-wrong")
    assert plane.folder is not None
    assert plane.running is not None
    key_file = plane.folder / "nginx.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    for wrong in (re.sub("egk_[A-Za-z0-9_-]+", "egk_wrong_key", key_file.read_text()), None):
        told = wrong or f'proxy_set_header x-evergrant-data-plane "{ground.key}";\n'
        key_file.write_text(told)
        plane.running.process.send_signal(signal.SIGHUP)
        with plane.client() as client:

            def away(client: httpx2.Client = client) -> Any:
                answer = client.get(PARTICIPATIONS, headers={**ground.who, "connection": "close"})
                return answer if answer.status_code == 503 else None

            answer = wait_for("nginx's wrong key to be noticed", away, within_s=60)
        assert answer.json()["code"] == "store_unavailable"
        assert answer.headers["retry-after"]
    plane.running.stop()


def test_amazon_away_is_told_as_such(ground: Ground, tmp_path: Path) -> None:
    """An endpoint at which nobody listens."""
    table = json.loads((ground.town.stage.folder / "with-stub.json").read_text())
    table["regions"]["fe"]["endpoint"] = f"http://127.0.0.1:{free_port()}"
    other = tmp_path / "away.json"
    other.write_text(json.dumps(table))
    env = dict(ground.town.evergrant.env)
    ground.town.evergrant.env["EVERGRANT_MARKETPLACES_FILE"] = str(other)
    try:
        plane = start_nginx(ground.town, name="nginx-away")
    finally:
        ground.town.evergrant.env.update(env)
    with plane.client() as client:
        answer = client.get(PARTICIPATIONS, headers=ground.who)
    assert answer.status_code == 502, answer.text
    assert answer.json()["code"] == "amazon_unavailable"
    assert answer.json()["facts"]["carried_out"] == "perhaps"
    assert answer.headers["x-evergrant-request-id"] == answer.json()["request_id"]
    assert plane.running is not None
    plane.running.stop()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Of an authority of its own: the certificate is whose word is to be taken as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}-key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    kind = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, plain))
    return files


def test_amazons_certificate_is_checked_and_ours_is_shown(ground: Ground, tmp_path: Path) -> None:
    town = ground.town
    amazons, ours = certificate(tmp_path, "localhost"), certificate(tmp_path, "house.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*amazons)
    with contextlib.closing(Stub(tls)) as stub:
        table = json.loads((town.stage.folder / "with-stub.json").read_text())
        table["regions"]["fe"]["endpoint"] = stub.url
        (tmp_path / "tls.json").write_text(json.dumps(table))
        settings = {
            "EVERGRANT_ROLE": "gateway",
            "EVERGRANT_MARKETPLACES_FILE": str(tmp_path / "tls.json"),
            **ports(),
        }
        process = dataclasses.replace(
            town.evergrant, env={**town.evergrant.env, **settings}
        ).another("gateway-tls", "serve")
        facing = dataclasses.replace(town, evergrant=process)
        shown = ("--cert", str(ours[0]), "--key", str(ours[1]))
        plane = start_nginx(facing, *shown, "--ca-file", str(amazons[0]), name="nginx-tls")
        trusting = ssl.create_default_context(cafile=str(ours[0]))
        port = urlsplit(plane.url).port
        lines = [f"{name}: {value}" for name, value in ground.who.items()]
        head = [f"GET {PARTICIPATIONS} HTTP/1.1", "host: house.example", *lines, "", ""]
        with (
            socket.create_connection(("127.0.0.1", port)) as line,
            trusting.wrap_socket(line, server_hostname="house.example") as secured,
        ):
            secured.sendall("\r\n".join(head).encode())
            assert secured.recv(1000).startswith(b"HTTP/1.1 200")
        assert stub.names == ["localhost"]
        assert len(stub.seen) == 1
        doubting = start_nginx(facing, name="nginx-doubting")
        with doubting.client() as client:
            refused = client.get(PARTICIPATIONS, headers=ground.who)
        assert (refused.status_code, refused.json()["code"]) == (502, "amazon_unavailable")
        assert len(stub.seen) == 1, "no access token goes to somebody unknown"
        for one in (plane.running, doubting.running, process.running):
            assert one is not None
            one.stop()


def test_a_reload_cuts_nobody_off(ground: Ground) -> None:
    assert ground.plane.running is not None
    size = 32 * 1024 * 1024
    with (
        ground.plane.client() as client,
        client.stream("GET", f"{PARTICIPATIONS}?bytes={size}", headers=ground.who) as answer,
    ):
        pieces = answer.iter_raw()
        came = len(next(pieces))
        ground.plane.running.process.send_signal(signal.SIGHUP)
        with ground.plane.client() as other:
            wait_for(
                "the next call",
                lambda: other.get(PARTICIPATIONS, headers=ground.who).status_code == 200,
            )
        came += sum(len(piece) for piece in pieces)
    assert came == size


def test_several_processes_decide_and_each_hears_of_its_own_calls(ground: Ground) -> None:
    """And when one of them hangs or dies, the other decides alone."""
    town = ground.town
    deciders, processes = [], []
    for number in range(2):
        settings = {
            "EVERGRANT_ROLE": "gateway",
            "EVERGRANT_GATEWAY_PORT": str(free_port()),
            "EVERGRANT_DECIDE_PORT": str(free_port()),
            "EVERGRANT_OUTCOMES_PORT": str(free_udp_port()),
        }
        env = dict(town.evergrant.env)
        town.evergrant.env.update(settings)
        try:
            processes.append(town.evergrant.another(f"gateway-{number}", "serve"))
        finally:
            town.evergrant.env.clear()
            town.evergrant.env.update(env)
        deciders += [
            *("--decide", f"127.0.0.1:{settings['EVERGRANT_DECIDE_PORT']}"),
            *("--outcomes", f"127.0.0.1:{settings['EVERGRANT_OUTCOMES_PORT']}"),
        ]
    plane = start_nginx(town, *deciders, name="nginx-two", impatient=True)
    account = stub_account(town)
    before = ground.calls(account).get("calls", 0)
    who = headers(ground.key, account)
    with plane.client() as client:
        for _ in range(40):
            assert client.get(PARTICIPATIONS, headers=who).status_code == 200
        counted = wait_for(
            "all calls to be counted",
            lambda: (row := ground.calls(account)) and row["calls"] >= before + 40 and row,
            within_s=60,
        )
        assert counted["calls"] == before + 40
        heard = [process.running.tail(500).count(" call ") for process in processes]
        assert all(heard), heard
        pid = processes[0].running.process.pid
        os.kill(pid, signal.SIGSTOP)
        for wait in ("5", "30"):
            began_s = time.monotonic()
            who["x-evergrant-wait"] = wait
            statuses = [client.get(PARTICIPATIONS, headers=who).status_code for _ in range(20)]
            assert statuses == [200] * 20
            assert time.monotonic() - began_s < 5
        os.kill(pid, signal.SIGCONT)
        processes[0].running.kill()
        statuses = [client.get(PARTICIPATIONS, headers=who).status_code for _ in range(10)]
        assert statuses == [200] * 10
    assert plane.running is not None
    plane.running.stop()
    processes[1].running.stop()


def test_no_secret_is_in_nginxs_logs_or_configuration(ground: Ground, http: httpx2.Client) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(f"{PARTICIPATIONS}?cut=1000", headers=ground.who)
    http.get(PARTICIPATIONS, headers={**ground.who, "x-a": "b" * 33_000})
    assert ground.plane.folder is not None
    key_text = (ground.plane.folder / "nginx.key").read_text()
    data_plane = re.search(r"egk_[A-Za-z0-9_-]+", key_text)
    assert data_plane is not None
    texts = {"error log": ground.plane.error_log()}
    for one in ground.plane.folder.rglob("*"):
        if one.is_file() and one.name != "nginx.key":
            texts[one.name] = one.read_text(errors="replace")
    for name, text in texts.items():
        for secret in (ground.key, data_plane.group(), "Atza|", "Atzr|", "egc_", "egp_"):
            if secret in ("egc_", "egp_") and name == "nginx.conf":
                continue  # words of a hint
            assert secret not in text, (name, secret)


# --- the end of Evergrant, and other users ------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nginx_need_not_be_root(ground: Ground, tmp_path: Path) -> None:
    command = nginx_or_skip()
    somebody = pwd.getpwnam("nobody")
    assert ground.plane.folder is not None
    folder = Path("/tmp") / f"evergrant-nginx-{os.getpid()}"  # reached by everybody
    folder.mkdir(mode=0o700)
    try:
        port = free_port()
        config = folder / "nginx.conf"
        operator = nearby(ground.town.evergrant)
        key = operator.cli_json("apikey", "add", "nobody", "--right", "data_plane")
        operator.cli(
            *("gateway", "nginx-config", "--whole", "--out", str(config)),
            *("--api-key-file", "-", "--listen", f"127.0.0.1:{port}"),
            stdin=key["secret"],
        )
        for one in (folder, *folder.iterdir()):
            os.chown(one, somebody.pw_uid, somebody.pw_gid)
        process = subprocess.Popen(
            [command, "-c", str(config), "-p", str(folder), "-g", "daemon off;"],
            user=somebody.pw_uid,
            group=somebody.pw_gid,
            extra_groups=[],
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"

            def answers() -> bool:
                assert process.poll() is None
                try:
                    got = httpx2.get(url + PARTICIPATIONS, headers=ground.who, trust_env=False)
                except httpx2.TransportError:
                    return False
                return got.status_code == 200

            wait_for("nginx of another user", answers, within_s=60)
        finally:
            process.terminate()
            process.wait(60)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_evergrant_restarted_in_between(ground: Ground, http: httpx2.Client) -> None:
    """The last test: the process of the town dies and comes again at the same ports."""
    assert http.get(PARTICIPATIONS, headers=ground.who).status_code == 200
    ground.town.evergrant.running.kill()
    away = http.get(PARTICIPATIONS, headers=ground.who)
    assert away.status_code == 503, away.text
    assert away.json()["code"] == "store_unavailable"
    assert away.headers["retry-after"] == "5"
    ground.town.evergrant.restart()
    wait_for(
        "the first call after the restart",
        lambda: http.get(PARTICIPATIONS, headers=ground.who).status_code == 200,
        within_s=60,
    )
