"""The guided first start."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from evergrant.accounts import NewAccount
from evergrant.entrances.console import build
from evergrant.entrances.console.seals import Cookies
from evergrant.registry import Credentials, NewApplication
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import SYSTEM, Role
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from tests.doors import mint_house
from tests.doors.test_console.conftest import Console, text_of

HERE = "/console/set-up"


def fresh(**environ: str) -> Console:
    """A house that nobody has told anything."""
    house = mint_house.House()
    settings = Settings.from_environment(environ)
    return Console(house, settings, build(house.desk, settings), AsyncExitStack())


@pytest.fixture
async def empty() -> AsyncIterator[Console]:
    console = fresh()
    async with console.open_windows:
        yield console


def next_of(page: str) -> str:
    """The title of the step that is open."""
    found = re.findall(r'set-up-step next">.*?set-up-title">([^<]*)<', page, flags=re.DOTALL)
    assert len(found) <= 1
    assert page.count('<details open id="step-') == len(found)
    return found[0] if found else ""


async def application(console: Console, **wishes: Any) -> str:
    added = await console.desk.registry.add_application(
        NewApplication(
            name="Northwind Connect",
            partner_kinds=frozenset(PartnerKind),
            application_id=f"amzn1.sp.solution.{mint_house._uuid()}",
            **wishes,
        ),
        by=SYSTEM,
    )
    return added.id


async def credentials(console: Console, application_id: str, *, right: bool = True) -> str:
    client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
    secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
    console.fakes.lwa.add_client(client_id, secret)
    given = secret if right else Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
    await console.desk.registry.set_credentials(
        application_id, Credentials(lwa_client_id=client_id, lwa_client_secret=given), by=SYSTEM
    )
    return client_id


async def account(console: Console, application_id: str) -> str:
    (instance,) = await console.desk.registry.instances(by=SYSTEM)
    added = await console.desk.accounts.add(
        NewAccount(
            name="Blue Heron Books",
            partner_kind=PartnerKind.SELLER,
            client_email="owner@heron.example",
            application_id=application_id,
            client_instance_id=instance.id,
            region="eu",
            home_marketplace="DE",
        ),
        by=SYSTEM,
    )
    return added.id


async def test_it_leads_from_nothing_to_the_first_connected_account() -> None:
    console = fresh(
        EVERGRANT_HOUSE_NAME="Northwind",
        EVERGRANT_SUPPORT_EMAIL="dev-support@northwind.example",
        EVERGRANT_PUBLIC_URL="https://connect.northwind.example",
        EVERGRANT_SMTP_URL="smtp://mail.northwind.example:587?starttls=1",
        EVERGRANT_MAIL_FROM="connect@northwind.example",
    )
    async with console.open_windows:
        window = await console.as_(Role.ADMIN)
        window.client.base_url = httpx2.URL("https://console.test")
        secret = window.secret.reveal()
        window.client.cookies.set(Cookies(https=True).session, secret, "console.test", "/")
        page = await window.read(HERE)
        assert next_of(page) == "Register your application"
        assert "https://connect.northwind.example/callback" in page
        assert 'href="/console/applications/new"' in page

        own = await application(console)
        assert next_of(await window.read(HERE)) == "Enter its credentials"
        client_id = await credentials(console, own)
        page = await window.read(HERE)
        assert next_of(page) == "Name the software that uses it"
        page = await window.did(f"{HERE}/verify")
        assert "Amazon accepts client id and client secret." in text_of(page)

        page = await window.did(f"{HERE}/instance")
        assert "“Our software” is added" in text_of(page)
        assert next_of(page) == "Add the first account and send its link"
        assert 'href="/console/accounts/new"' in page

        shop = await account(console, own)
        page = await window.read(HERE)
        assert next_of(page) == "Add the first account and send its link"
        assert f'href="/console/accounts/{shop}/invite"' in page
        await console.desk.consent.invite(shop, by=SYSTEM)
        page = await window.read(HERE)
        assert next_of(page) == "The selling partner gives consent"
        assert "owner@heron.example" in page
        assert "5 of 6 steps done" in text_of(page)

        refresh_token = console.fakes.lwa.grant(client_id, shop)
        await console.desk.consent.adopt(
            shop, refresh_token, by=SYSTEM, selling_partner_id="A1HERONBOOKS01"
        )
        page = await window.read(HERE)
        assert next_of(page) == ""
        assert "Everything is connected" in page
        assert 'href="/console/api-keys/new"' in page


async def test_a_house_without_a_name_begins_with_itself(empty: Console) -> None:
    window = await empty.as_(Role.ADMIN)
    page = await window.read(HERE)
    assert next_of(page) == "Say who you are"
    assert "EVERGRANT_SMTP_URL" in page
    assert "Try it with the emulator" in text_of(page)


async def test_with_an_emulator_it_says_so(tmp_path: Path) -> None:
    table = tmp_path / "marketplaces.json"
    table.write_text(json.dumps({"lwa_url": "http://127.0.0.1:9100/auth/o2/token"}))
    console = fresh(EVERGRANT_MARKETPLACES_FILE=str(table))
    async with console.open_windows:
        page = await (await console.as_(Role.ADMIN)).read(HERE)
    assert "speaks with an emulator" in text_of(page)
    assert next_of(page) == "Register your application"
    assert "enough for trying" in page


async def test_the_file_that_it_shows_for_the_emulator_is_one(
    empty: Console, tmp_path: Path
) -> None:
    page = await (await empty.as_(Role.ADMIN)).read(HERE)
    (shown,) = re.findall(r"<code>(\{.*?\})\s*</code>", page, flags=re.DOTALL)
    table = tmp_path / "marketplaces.json"
    table.write_text(shown.replace("&#34;", '"'))
    settings = Settings.from_environment({"EVERGRANT_MARKETPLACES_FILE": str(table)})
    assert settings.marketplaces.lwa_url == "http://127.0.0.1:9100/auth/o2/token"


async def test_credentials_that_amazon_refuses_are_not_done(empty: Console) -> None:
    window = await empty.as_(Role.ADMIN)
    await credentials(empty, await application(empty), right=False)
    page = await window.did(f"{HERE}/verify")
    assert "Amazon refuses them" in text_of(page)
    step = page.partition('id="step-credentials"')[2].partition("</li>")[0]
    assert "Enter the credentials" in step


async def test_verifying_without_an_application_is_told(empty: Console) -> None:
    window = await empty.as_(Role.ADMIN)
    answer = await window.post(f"{HERE}/verify")
    assert answer.status_code == 404
    assert "Add it first" in text_of(answer.text)


async def test_pressed_twice_the_instance_is_made_once(empty: Console) -> None:
    window = await empty.as_(Role.ADMIN)
    await window.did(f"{HERE}/instance")
    await window.did(f"{HERE}/instance")
    assert len(await empty.desk.registry.instances(by=SYSTEM)) == 1


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_sees_it_and_only_admins_do_it(empty: Console, role: Role) -> None:
    window = await empty.as_(role)
    page = await window.read(HERE)
    answer = await window.post(f"{HERE}/instance")
    may = role is Role.ADMIN
    assert answer.status_code == (303 if may else 403)
    assert (f'action="{HERE}/instance"' in page) is may
    assert ("An admin does this." in page) is not may
    assert ('href="/console/settings"' in page) is (role is not Role.SUPPORT)


async def test_the_overview_shows_it_until_it_is_put_away(empty: Console) -> None:
    window = await empty.as_(Role.ADMIN)
    page = await window.read("/console")
    assert "Go on with the set-up" in page
    assert "0 of 6 steps" in text_of(page)
    page = await window.did(f"{HERE}/away")
    assert "Put away." in text_of(page)
    assert "Go on with the set-up" not in page
    other = await empty.as_(Role.SUPPORT)
    assert "Go on with the set-up" in await other.read("/console")


async def test_a_house_with_a_connected_account_is_left_in_peace(console: Console) -> None:
    await console.house.account()
    window = await console.as_(Role.SUPPORT)
    assert "Go on with the set-up" not in await window.read("/console")
