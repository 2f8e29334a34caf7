"""What the benchmarks run against: the emulator, one Evergrant, and API processes beside it."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import httpx2

from demo.house import House, add_application
from demo.stage import Emulator, Evergrant, Stage, start_emulator, start_evergrant

HOUR = 3600


class Town:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.clock_file = stage.folder / "clock"
        self._offset_s = 0.0
        self._write_clock()
        self.emulator: Emulator = start_emulator(stage, "--gentle")
        self.evergrant: Evergrant = start_evergrant(
            stage, self.emulator, {"EVERGRANT_CLOCK_FILE": str(self.clock_file)}
        )
        self._levers = httpx2.Client(
            base_url=self.emulator.addresses["levers"], timeout=60, trust_env=False
        )
        self.house = House.open(self.evergrant)
        self.application = add_application(self.house, self.emulator)
        self.instance: dict[str, Any] = self.house.ask("POST", "/v1/instances", {"name": "ERP"})
        self.partners: dict[str, str] = {}  # account id -> selling partner id
        self._number = 0
        self._gateway_key: str | None = None

    def api_process(self, name: str, **settings: str) -> Evergrant:
        """One more process, that serves the API alone, as in production."""
        env = {**self.evergrant.env, "EVERGRANT_ROLE": "api", **settings}
        return dataclasses.replace(self.evergrant, env=env).another(name, "serve")

    def gateway_process(self, name: str, address_file: Path, settings: dict[str, str]) -> Evergrant:
        """One more process, that has the gateway alone; ``address_file`` tells its port. It goes by
        the machine's clock: a steered one reads a file each time."""
        env = {**self.evergrant.env, **settings}
        env.pop("EVERGRANT_CLOCK_FILE", None)
        return dataclasses.replace(self.evergrant, env=env).another(
            name, "serve", "--address-file", str(address_file)
        )

    def gateway_headers(self, account_id: str) -> dict[str, str]:
        """What a program without an SDK sends in place of Amazon's access token."""
        if self._gateway_key is None:
            made = self.house.ask(
                "POST",
                "/v1/api-keys",
                {"name": "gateway", "rights": ["amazon_read", "amazon_write", "personal_data"]},
            )
            self._gateway_key = str(made["secret"])
        return {
            "authorization": f"Bearer {self._gateway_key}",
            "x-evergrant-account": account_id,
        }

    def widen(self, operation: str) -> None:
        """A usage plan that nothing here can reach: what is measured is the way, not the limit."""
        self.house.ask(
            "POST",
            "/v1/plans",
            {"operation": operation, "rate_per_s": 10_000, "burst": 10_000},
        )

    def account(self) -> str:
        """The id of a fresh account whose grant was adopted just now."""
        self._number += 1
        partner = self.lever(
            "POST",
            "/world/partners",
            {"kind": "seller", "name": f"Shop {self._number}", "home": "DE"},
        )
        grant = self.lever(
            "POST",
            "/world/grants",
            {
                "selling_partner_id": partner["selling_partner_id"],
                "application_id": self.application["application_id"],
                "region": "eu",
            },
        )
        account = self.house.ask(
            "POST",
            "/v1/accounts",
            {
                "name": partner["name"],
                "partner_kind": "seller",
                "client_email": partner["email"],
                "application_id": self.application["id"],
                "client_instance_id": self.instance["id"],
                "region": "eu",
                "home_marketplace": "DE",
            },
        )
        self.house.ask(
            "POST", f"/v1/accounts/{account['id']}/adopt", {"refresh_token": grant["refresh_token"]}
        )
        self.partners[account["id"]] = partner["selling_partner_id"]
        return str(account["id"])

    def lever(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self._levers.request(method, path, json=body, params=query or None)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def close(self) -> None:
        self._levers.close()
        self.house.close()

    def lwa_calls(self) -> int:
        return int(self.lever("GET", "/history", kind="lwa")["count"])

    def move_clocks(self, seconds: float) -> None:
        """Evergrant's and Amazon's together."""
        self._offset_s += seconds
        self._write_clock()
        self.lever("POST", "/clock/advance", {"seconds": seconds})
        # The hot door gives the same answer for a tenth of a second of real time.
        time.sleep(0.2)

    def _write_clock(self) -> None:
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(self._offset_s))
        fresh.replace(self.clock_file)


def path_of(account_id: str) -> str:
    return f"/v1/accounts/{account_id}/access-token"


def rss_mib(pid: int) -> float:
    """Resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} tells no VmRSS")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that one process has used so far, its own and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run"
