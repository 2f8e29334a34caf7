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
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from tests.journeys.javascript_errands import COMMUNITY_ERRAND, LATER
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
NODE_DEADLINE_S = 90
#: How tokens of Amazon begin, access, refresh and restricted data tokens alike.
OF_AMAZON = re.compile(rb"Atz(?:a|r|c|\.sprdt)(?:\||%7[Cc])")


# --- a town with a gateway, and its programs ------------------------------------------------------


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("sdks")
    with own_town_at(folder, EVERGRANT_GATEWAY_PORT=str(free_port())) as town:
        yield town


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
def given(town: Town, wire: Wire) -> Iterator[Program]:
    """An account and keys of its own for every test."""
    partner = town.partner(marketplaces=["DE", "FR"])
    account = town.adopted(partner)
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
    with httpx2.Client(trust_env=False, timeout=60) as documents, sdk_desk.quiet():
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


@pytest.fixture
def program(given: Program, town: Town, wire: Wire) -> Iterator[Program]:
    """The same; afterwards everything that was heard is looked through, and what Amazon saw."""
    yield given
    nothing_of_amazon_was_heard(town, wire, given)


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
    "orders",
    "orders_v0_with_personal_data",
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


@pytest.mark.parametrize("chapter", OF_BOTH)
def test_python_amazon_sp_api(
    program: Program, chapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SP_API_DEFAULT_MARKETPLACE", raising=False)
    errand: Chapter = getattr(test_sdk_community, chapter)
    errand(CommunityKit(program.shop, "", program=program))


def test_orders_of_2026_with_personal_data(program: Program) -> None:
    [order] = program.shop.levers.orders(program.shop.id, age_seconds=3600)
    kit = OfficialKit(program.shop, program=program)
    api = kit.spapi.GetOrderApi(kit.client())
    bare = api.get_order(order["order_id"]).order
    full = api.get_order(order["order_id"], included_data=["BUYER", "RECIPIENT"]).order
    assert (bare.buyer, bare.recipient) == (None, None)
    assert full.buyer.buyer_name
    assert full.recipient.delivery_address.address_line1


# --- JavaScript -----------------------------------------------------------------------------------

AMAZONS_JS = "@amazon-sp-api-release/amazon-sp-api-sdk-js"
COMMUNITY_JS = "amazon-sp-api"


def node_or_skip(package: str) -> str:
    node = shutil.which("node")
    if node is None or not (MODULES / package).is_dir():
        pytest.skip(f"LOUD: no Node or no {package} here; install Node and run `make node-sdk`")
    return node


def run_node(folder: Path, scripts: Sequence[str], package: str, **surroundings: str) -> list[str]:
    """The lines that scripts print, one after the other in one process: to read an SDK takes
    seconds. They see nothing but what is given."""
    node = node_or_skip(package)
    names = [f"errand-{number}.mjs" for number in range(len(scripts))]
    for name, script in zip(names, scripts, strict=True):
        (folder / name).write_text(script)
    (folder / "all.mjs").write_text("".join(f'await import("./{name}");\n' for name in names))
    (folder / "node_modules").symlink_to(MODULES)
    done = subprocess.run(
        [node, "all.mjs"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **surroundings},
        capture_output=True,
        text=True,
        timeout=NODE_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()


def surroundings(program: Program) -> dict[str, str]:
    """As guide and README want them."""
    return {
        "EVERGRANT_URL": program.evergrant_url,
        "GATEWAY_URL": program.gateway,
        "EVERGRANT_API_KEY": program.api_key,
        "CONNECTION_KEY": program.connection_key,
        "ACCOUNT_ID": program.account_id,
    }


def test_amazons_own_sdk_for_javascript(program: Program, tmp_path: Path) -> None:
    """The errand of the emulator's own tests as it stands, with two other addresses; and the
    guide's block."""
    shop = program.shop
    shop.levers.listings(shop.id, sku="LAMP-1", stock=3, price=19.9)
    order, *_others = shop.levers.orders(shop.id, count=5, age_seconds=3600)
    known = {
        "addresses": {**shop.amazon.addresses, "lwa": program.gateway, "eu": program.gateway},
        "client_id": program.account_id,
        "client_secret": program.api_key,
        "refresh_token": program.connection_key,
        "seller": shop.id,
        "order": order,
        "now": shop.ago().isoformat(),
    }
    guides = block("js", f'from "{AMAZONS_JS}"')
    said = run_node(
        tmp_path,
        [ERRAND, guides],
        AMAZONS_JS,
        EMULATOR=json.dumps(known),
        **surroundings(program),
    )
    assert said[-2:] == ["done", "DE FR"]
    assert shop.order(order["order_id"])["status"] == "SHIPPED"


def test_amazon_sp_api_for_javascript(program: Program, tmp_path: Path) -> None:
    """The guide's block, and an errand that goes on with what it made."""
    shop = program.shop
    shop.levers.listings(shop.id, sku="LAMP-1", stock=3, price=19.9)
    [order] = shop.levers.orders(shop.id, age_seconds=3600)
    known = {
        "seller": shop.id,
        "order": order["order_id"],
        "levers": shop.amazon.addresses["levers"],
        "documents": int(shop.amazon.addresses["documents"].rpartition(":")[2]),
    }
    script = block("js", f'from "{COMMUNITY_JS}"') + COMMUNITY_ERRAND
    said = run_node(
        tmp_path, [script], COMMUNITY_JS, KNOWN=json.dumps(known), **surroundings(program)
    )
    assert said == ["DE FR", "done"]


def test_amazon_sp_api_gets_another_pass_in_time(program: Program, tmp_path: Path) -> None:
    clock = program.shop.town.clock_file
    later = tmp_path / "later"
    later.write_text(str(float(clock.read_text()) + 7200))
    known = {
        "levers": program.shop.amazon.addresses["levers"],
        "clock": str(clock),
        "later": str(later),
    }
    script = block("js", f'from "{COMMUNITY_JS}"') + LATER
    said = run_node(
        tmp_path, [script], COMMUNITY_JS, KNOWN=json.dumps(known), **surroundings(program)
    )
    assert said[-1] == "another"


# --- what guide and README say --------------------------------------------------------------------


def blocks(language: str, page: Path = GUIDE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def block(language: str, holding: str) -> str:
    [found] = [one for one in blocks(language) if holding in one]
    return found


#: Runs each text that it is given as a program of its own would, but in one process: to read the
#: SDKs takes a second.
EACH = """
import contextlib, io, json, sys

said = []
for script in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(script, f"block {len(said)}", "exec"), {"__name__": "__main__"})
    said.append(printed.getvalue().strip())
json.dump(said, sys.stdout)
"""


def run_python(program: Program, scripts: Sequence[str], folder: Path) -> list[str]:
    """What each prints; Amazon's address in Europe becomes the emulator's."""
    amazons, ours = "https://sellingpartnerapi-eu.amazon.com", program.shop.amazon.addresses["eu"]
    done = subprocess.run(
        [sys.executable, "-c", EACH],
        input=json.dumps([script.replace(amazons, ours) for script in scripts]),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **surroundings(program)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


def test_the_guides_python_runs(program: Program, tmp_path: Path) -> None:
    assert run_python(program, blocks("python"), tmp_path) == ["DE FR", "DE FR"]


def test_no_block_of_the_guide_is_left_out() -> None:
    assert (len(blocks("python")), len(blocks("js"))) == (2, 2)


@pytest.fixture
def straight(given: Program, town: Town) -> Program:
    """The program with a key that gives access tokens, too."""
    rights = [*RIGHTS, "access_tokens"]
    key = town.house.ask("POST", "/v1/api-keys", {"name": "program", "rights": rights})
    return replace(given, api_key=key["secret"])


#: What each block of the client's README prints, in turn.
PRINTED = ["200 2", r"200 \d+", "200", "200", r"2\n1", "2", "True"]


def test_the_readme_of_the_client_runs(straight: Program, tmp_path: Path) -> None:
    straight.shop.levers.orders(straight.shop.id, age_seconds=3600)
    said = run_python(straight, blocks("python", README), tmp_path)
    assert len(said) == len(PRINTED), "no block is left out"
    for number, (printed, words) in enumerate(zip(PRINTED, said, strict=True)):
        assert re.fullmatch(printed, words), (number, words)


def test_the_wire_hears_a_token_where_there_is_one(straight: Program) -> None:
    """So that hearing none says something."""
    with tapped(straight.evergrant_url) as other, httpx2.Client(trust_env=False) as http:
        http.get(
            f"{other.url}/v1/accounts/{straight.account_id}/access-token",
            headers={"authorization": f"Bearer {straight.api_key}"},
        ).raise_for_status()
        assert OF_AMAZON.search(other.heard())
