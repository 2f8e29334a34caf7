"""The two data planes of the gateway, for tests that hold for both.

Answers for: a town whose Evergrant decides for nginx, starting either plane, and what a program
holds that calls through it. Does not answer for: what has to hold (``test_planes``).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from demo.house import add_application
from demo.stage import Running, free_port, start_emulator, start_evergrant, wait_for
from tests.forked import warm_stage
from tests.journeys.amazon_stub import Stub
from tests.journeys.conftest import Town
from tests.journeys.nearby import furnish, nearby, open_house

#: Where there is none, `make nginx` unpacks Debian's package beside the interpreter.
UNPACKED = Path(sys.prefix) / "nginx/usr/sbin"
NGINX = shutil.which("nginx") or shutil.which("nginx", path=f"/usr/sbin:/usr/local/sbin:{UNPACKED}")
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

    def say(self, request: bytes, *, within_s: float = 60.0) -> bytes:
        """Sends these bytes over a connection of their own; gives all that came back until the
        other end hung up."""
        parts = urlsplit(self.url)
        address = (parts.hostname or "", parts.port or 0)
        came = b""
        with socket.create_connection(address, timeout=within_s) as line:
            line.sendall(request)
            while piece := line.recv(65536):
                came += piece
        return came


@contextmanager
def town_with_stub(folder: Path) -> Iterator[tuple[Town, Stub]]:
    """In the region `fe` there is a stub in the place of the emulator."""
    stage = warm_stage(folder / "stage")
    with stage.open(), closing(Stub()) as stub:
        clock_file = stage.folder / "clock"
        clock_file.write_text("0")
        emulator = start_emulator(stage, "--gentle")
        furnish(stage.folder / "home")
        told = emulator.marketplaces()
        told["regions"]["fe"]["endpoint"] = stub.url
        table = stage.folder / "with-stub.json"
        table.write_text(json.dumps(told))
        settings = {"EVERGRANT_CLOCK_FILE": str(clock_file), **ports()}
        evergrant = start_evergrant(
            stage, emulator, {**settings, "EVERGRANT_MARKETPLACES_FILE": str(table)}
        )
        house = open_house(evergrant)
        try:
            application = add_application(house, emulator)
            instance = house.ask("POST", "/v1/instances", {"name": "ERP production"})
            yield Town(stage, emulator, evergrant, house, application, instance, clock_file), stub
        finally:
            house.close()


def stub_account(town: Town, **wishes: Any) -> dict[str, Any]:
    """An account whose calls go to the stub."""
    partner = town.partner(home="JP")
    account = town.account(partner, region="fe", home_marketplace="JP", **wishes)
    made = town.lever(
        "POST",
        "/world/grants",
        {
            "selling_partner_id": partner["selling_partner_id"],
            "application_id": town.application["application_id"],
            "region": "fe",
        },
    )
    body = {"refresh_token": made["refresh_token"]}
    adopted: dict[str, Any] = town.house.ask("POST", f"/v1/accounts/{account['id']}/adopt", body)
    return adopted


def own_stream(town: Town) -> Plane:
    return Plane("own stream", f"http://127.0.0.1:{town.evergrant.env['EVERGRANT_GATEWAY_PORT']}")


def start_nginx(town: Town, *options: str, name: str = "nginx", impatient: bool = False) -> Plane:
    """As the guide says it: a key, a configuration written by the command line, nginx.
    ``impatient``: a process that decides nothing hangs for it after half a second."""
    command = nginx_or_skip()
    folder = town.stage.folder / name
    folder.mkdir(exist_ok=True)
    config = folder / "nginx.conf"
    port = free_port()
    operator = nearby(town.evergrant)
    key = operator.cli_json("apikey", "add", name, "--right", "data_plane")["secret"]
    operator.cli(
        *("gateway", "nginx-config", "--whole", "--out", str(config), "--check"),
        *("--api-key-file", "-", "--listen", f"127.0.0.1:{port}"),
        *options,
        stdin=key,
    )
    if impatient:
        text, changed = re.subn(
            r"(evergrant_decide/decide;[^}]*proxy_read_timeout )\d+ms",
            r"\g<1>500ms",
            config.read_text(),
        )
        assert changed == 2
        config.write_text(text)
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
