"""Real processes, the emulator, the embedded PostgreSQL, real SMTP: one town per module."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo.house import House, add_application, lever, link_in
from demo.partner import Browser, Page
from demo.stage import Emulator, Evergrant, Stage, start_emulator, start_evergrant
from tests.forked import warm_stage
from tests.journeys.nearby import furnish, open_house


@dataclass
class Town:
    """One emulator, one Evergrant, one house with an application and a client instance."""

    stage: Stage
    emulator: Emulator
    evergrant: Evergrant
    house: House
    application: dict[str, Any]
    instance: dict[str, Any]
    clock_file: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def partner(self, kind: str = "seller", **wishes: Any) -> dict[str, Any]:
        name = wishes.pop("name", f"{kind.title()} {next(self._numbers)}")
        body = {"kind": kind, "name": name, "home": "DE", **wishes}
        made: dict[str, Any] = self.lever("POST", "/world/partners", body)
        return made

    def account(self, partner: dict[str, Any], kind: str = "seller", **wishes: Any) -> Any:
        body: dict[str, Any] = {
            "name": partner["name"],
            "partner_kind": kind,
            "client_email": partner["email"],
            "application_id": self.application["id"],
            "client_instance_id": self.instance["id"],
            "region": "eu",
            "home_marketplace": "DE",
        }
        if kind == "vendor":
            body["vendor_kind"] = "retail"
        return self.house.ask("POST", "/v1/accounts", {**body, **wishes})

    def invite(self, account: dict[str, Any]) -> str:
        newest = self.house.newest_letter()
        self.house.ask("POST", f"/v1/accounts/{account['id']}/invitation")
        return link_in(self.house.wait_for_letter(account["client_email"], after=newest))

    def consent(self, link: str, partner: dict[str, Any], browser: Browser | None = None) -> Page:
        """The whole public flow as a shop owner walks it; gives the last page."""
        browser = browser or Browser()
        browser.open(link)
        browser.press("Amazon")
        browser.press("Sign in", email=partner["email"], password=partner["password"])
        return browser.press("Confirm", permission="on")

    def connected(self, kind: str = "seller", **wishes: Any) -> tuple[Any, dict[str, Any]]:
        """A new partner and its connected account."""
        partner = self.partner(kind)
        account = self.account(partner, kind, **wishes)
        self.consent(self.invite(account), partner)
        return self.house.ask("GET", f"/v1/accounts/{account['id']}"), partner

    def adopted(self, partner: dict[str, Any], **wishes: Any) -> Any:
        """An account that got its grant by a pasted refresh token."""
        return self.adopted_again(self.account(partner, **wishes), partner)

    def adopted_again(self, account: dict[str, Any], partner: dict[str, Any]) -> Any:
        return self.house.ask(
            "POST",
            f"/v1/accounts/{account['id']}/adopt",
            {"refresh_token": self.refresh_token(partner)},
        )

    def refresh_token(self, partner: dict[str, Any]) -> str:
        made = self.lever(
            "POST",
            "/world/grants",
            {
                "selling_partner_id": partner["selling_partner_id"],
                "application_id": self.application["application_id"],
                "region": "eu",
            },
        )
        return str(made["refresh_token"])

    def lever(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return lever(self.emulator, method, path, body, **query)

    def lwa_calls(self, **which: Any) -> int:
        return int(self.lever("GET", "/history", kind="lwa", **which)["count"])

    def move_clocks(self, seconds: float) -> None:
        """Evergrant's and Amazon's clock together."""
        passed = float(self.clock_file.read_text()) + seconds
        # In one move: a half-written file would send Evergrant back in time for a moment.
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(passed))
        fresh.replace(self.clock_file)
        self.lever("POST", "/clock/advance", {"seconds": seconds})


def raise_town(
    stage: Stage, *emulator_options: str, furnished: bool = True, **settings: str
) -> Town:
    """`furnished`: Evergrant finds a database; otherwise it begins with an empty folder."""
    clock_file = stage.folder / "clock"
    clock_file.write_text("0")
    emulator = start_emulator(stage, "--gentle", *emulator_options)
    if furnished:
        furnish(stage.folder / "home")
    evergrant = start_evergrant(
        stage, emulator, {"EVERGRANT_CLOCK_FILE": str(clock_file), **settings}
    )
    house = open_house(evergrant)
    application = add_application(house, emulator)
    instance = house.ask("POST", "/v1/instances", {"name": "ERP production"})
    return Town(stage, emulator, evergrant, house, application, instance, clock_file)


@contextlib.contextmanager
def own_town_at(
    folder: Path,
    *emulator_options: str,
    furnished: bool = True,
    cold: bool = False,
    **settings: str,
) -> Iterator[Town]:
    """A town for one test alone. ``cold``: its processes start as an operator starts them."""
    stage = Stage.clean(folder / "stage") if cold else warm_stage(folder / "stage")
    with stage.open():
        town = raise_town(stage, *emulator_options, furnished=furnished, **settings)
        try:
            yield town
        finally:
            town.house.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with own_town_at(tmp_path_factory.mktemp("town")) as town:
        yield town
