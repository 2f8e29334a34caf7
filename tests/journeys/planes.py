"""The two data planes of the gateway, for tests that hold for both.

Answers for: a town whose Evergrant decides for nginx, starting either plane, and what a program
holds that calls through it. Does not answer for: what has to hold (``test_planes``, ``test_nginx``).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from demo.stage import Running, StageError, free_port, wait_for
from tests.journeys.conftest import Town

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
RIGHTS = ("amazon_read", "amazon_write", "personal_data")
PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"


def nginx_or_skip() -> str:
    if NGINX is not None:
        return NGINX
    words = "there is no nginx here, so nothing is known of it as data plane"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{words}; with CI=true these tests must run")
    pytest.skip(words)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ports() -> dict[str, str]:
    """Settings of one process that is a gateway and decides for nginx."""
    return {
        "EVERGRANT_GATEWAY_PORT": str(free_port()),
        "EVERGRANT_DECIDE_PORT": str(free_port()),
        "EVERGRANT_OUTCOMES_PORT": str(free_udp_port()),
    }


@dataclass
class Plane:
    """``url`` stands in the place of Amazon's endpoint."""

    name: str
    url: str
    running: Running | None = None
    folder: Path | None = None

    def client(self, **more: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False, **more)

    def error_log(self) -> str:
        return self.running.log.read_text(errors="replace") if self.running else ""


def own_stream(town: Town) -> Plane:
    return Plane("own stream", f"http://127.0.0.1:{town.evergrant.env['EVERGRANT_GATEWAY_PORT']}")


def start_nginx(town: Town, *options: str, name: str = "nginx") -> Plane:
    """As the guide says it: a key, a configuration written by the command line, nginx."""
    command = nginx_or_skip()
    folder = town.stage.folder / name
    folder.mkdir(exist_ok=True)
    config = folder / "nginx.conf"
    port = free_port()
    key = town.evergrant.cli_json("apikey", "add", name, "--right", "data_plane")["secret"]
    town.evergrant.cli(
        *("gateway", "nginx-config", "--whole", "--out", str(config), "--check"),
        *("--api-key-file", "-", "--listen", f"127.0.0.1:{port}"),
        *options,
        stdin=key,
    )
    running = town.stage.start(
        name, [command, "-c", str(config), "-p", str(folder), "-g", "daemon off;"], {}
    )

    def answers() -> bool:
        running.check()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(f"nginx at port {port}", answers)
    return Plane("nginx", f"http://127.0.0.1:{port}", running, folder)


def api_key(town: Town, *rights: str, **bound: Any) -> str:
    body = {"name": "program", "rights": rights or RIGHTS, **bound}
    return str(town.house.ask("POST", "/v1/api-keys", body)["secret"])


def connection_key(town: Town, account: dict[str, Any]) -> str:
    made = town.house.ask(
        "POST", f"/v1/accounts/{account['id']}/connection-keys", {"name": "program"}
    )
    return str(made["secret"])


def headers(key: str, account: dict[str, Any] | None = None) -> dict[str, str]:
    told = {"authorization": f"Bearer {key}"}
    return {**told, "x-evergrant-account": account["id"]} if account else told
