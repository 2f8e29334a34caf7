"""SDKs that people use, at the gateway: their two addresses changed, and nothing else.

Each runs whole errands of a seller's software against the emulator, whose limits are on. A wire
between SDK and gateway is listened to: nothing of Amazon's goes over it, neither tokens nor
secrets. What the SDKs hold is a key of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from amazon_emulator import Levers
from demo.stage import free_port
from evergrant_client.sdks import official, official_restricted, python_amazon_sp_api
from tests.emulator import sdk_desk, sdk_official_desk, test_sdk_community, test_sdk_official
from tests.emulator.test_sdk_javascript import ERRAND
from tests.journeys.conftest import Town, own_town_at
from tests.journeys.wire import Wire, tapped

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("gateway_sdks"),
    *sdk_desk.BEARABLE,
]

MODULES = Path(sys.prefix) / "node" / "node_modules"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "sdks.md"
README = Path(__file__).parents[2] / "packages" / "client" / "README.md"
RIGHTS = ("amazon_read", "amazon_write", "personal_data")
NEWS = "sellingpartnerapi::notifications"
NODE_DEADLINE_S = 90
#: How tokens of Amazon begin, access, refresh and restricted data tokens alike.
OF_AMAZON = re.compile(rb"Atz(?:a|r|c|\.sprdt)(?:\||%7[Cc])")


# --- a town with a gateway, and its programs ------------------------------------------------------


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("sdks")
    with own_town_at(folder, EVERGRANT_GATEWAY_PORT=str(free_port())) as town:
        yield town


@pytest.fixture(scope="module")
def connected(town: Town) -> tuple[Any, dict[str, Any]]:
    """One account in Germany and France, and its selling partner."""
    partner = town.partner("seller", marketplaces=["DE", "FR"])
    account = town.account(partner)
    town.consent(town.invite(account), partner)
    return account, partner


@pytest.fixture
def wire(town: Town) -> Iterator[Wire]:
    gateway = f"http://127.0.0.1:{town.evergrant.env['EVERGRANT_GATEWAY_PORT']}"
    with tapped(gateway) as wire:
        yield wire


@dataclass(frozen=True)
class Shop(sdk_desk.Account):
    """An account of the emulator's desk, whose waiting moves Evergrant's clock, too."""

    town: Town = field(kw_only=True)

    def wait(self) -> None:
        self.town.move_clocks(sdk_desk.AFTER_WORK_S)


@dataclass(frozen=True)
class Program:
    """What a program is given: one address, and keys of Evergrant."""

    gateway: str
    api_key: str
    connection_key: str
    account_id: str
    evergrant_url: str
    shop: Shop


@pytest.fixture
def program(town: Town, connected: Any, wire: Wire) -> Iterator[Program]:
    """A key of its own for every test; afterwards everything that was heard is looked through, and
    what the emulator saw."""
    account, partner = connected
    # Without limits nobody would know whether they are kept.
    assert town.lever("GET", "/limits")["enforced"] is True
    town.lever("DELETE", "/history")
    key = town.house.ask("POST", "/v1/api-keys", {"name": "program", "rights": RIGHTS})
    connection = town.house.ask(
        "POST", f"/v1/accounts/{account['id']}/connection-keys", {"name": "program"}
    )
    amazon = SimpleNamespace(
        addresses=dict(town.emulator.addresses), levers=Levers(town.emulator.addresses["levers"])
    )
    with httpx2.Client(trust_env=False, timeout=20) as documents, sdk_desk.quiet():
        house: Any = SimpleNamespace(amazon=amazon, http=documents)
        made = Program(
            gateway=wire.url,
            api_key=key["secret"],
            connection_key=connection["secret"],
            account_id=account["id"],
            evergrant_url=town.evergrant.url,
            shop=Shop(house, partner, town=town),
        )
        yield made
    nothing_of_amazon_was_heard(town, wire, made)


def nothing_of_amazon_was_heard(town: Town, wire: Wire, program: Program) -> None:
    heard = wire.heard()
    assert program.api_key.encode() in heard, "the wire was listened to"
    assert OF_AMAZON.findall(heard) == []
    assert str(town.application["amazon"]["lwa_client_secret"]).encode() not in heard
    history = town.lever("GET", "/history", limit="5000")["items"]
    calls = [one for one in history if one["kind"].startswith("spapi.")]
    assert [one["kind"] for one in history if one["status"] == 429] == [], "limits were kept"
    own = {
        one["user_agent"]
        for one in history
        if one["kind"].startswith("lwa.") or one["kind"].endswith(".createRestrictedDataToken")
    }
    sdks = {one["user_agent"] for one in calls} - own
    assert sdks, "the SDK's calls came through under its own name"
    assert not any(re.search("python-sp-api|selling-partner|amazon-sp-api", one) for one in own), (
        "only Evergrant asks for tokens"
    )


# --- Python ---------------------------------------------------------------------------------------

Chapter = Callable[[Any], None]

#: Errands of the emulator's own tests. `stock_and_price_by_feed` is feeds with upload, download
#: and the processing report.
OF_BOTH = [
    "sellers",
    "listings",
    "stock_and_price_by_feed",
    "catalogue",
    "orders",
    "orders_v0_with_personal_data",
    "shipping",
    "reports",
    "notifications",
]


@dataclass(frozen=True)
class OfficialKit(sdk_official_desk.Kit):
    program: Program = field(kw_only=True)

    def sdk(self, scope: str | None = None) -> Any:
        made = partial(official, self.program.evergrant_url, self.program.api_key, region="EU")
        at = {"gateway": self.program.gateway, "client_id": self.program.account_id}
        return made(scope=scope, **at) if scope else made(self.program.connection_key, **at)

    def client(self, face: str = "eu", scope: str | None = None, **wishes: Any) -> Any:
        return self.sdk(scope).api_client

    def restricted(self, client: Any, method: str, path: str, *data: str) -> Any:
        resource = {"method": method, "path": path, "dataElements": list(data)}
        return official_restricted(self.sdk(), resource).api_client


@dataclass(frozen=True)
class CommunityKit(test_sdk_community.Kit):
    program: Program = field(kw_only=True)

    def _made(self, name: str, **wishes: Any) -> Any:
        settings = python_amazon_sp_api(
            self.program.evergrant_url,
            self.program.api_key,
            self.program.connection_key,
            gateway=self.program.gateway,
            marketplace=SimpleNamespace(marketplace_id=sdk_desk.DE, region="eu-west-1"),
            client_id=self.program.account_id,
        )
        return getattr(importlib.import_module("sp_api.api"), name)(**settings, **wishes)


@pytest.mark.parametrize("chapter", OF_BOTH)
def test_amazons_own_sdk_for_python(program: Program, chapter: str) -> None:
    errand: Chapter = getattr(test_sdk_official, chapter)
    errand(OfficialKit(program.shop, program=program))


@pytest.mark.parametrize("chapter", [*OF_BOTH, "orders_v0_page_by_page"])
def test_python_amazon_sp_api(
    program: Program, chapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SP_API_DEFAULT_MARKETPLACE", raising=False)
    errand: Chapter = getattr(test_sdk_community, chapter)
    errand(CommunityKit(program.shop, "", program=program))
