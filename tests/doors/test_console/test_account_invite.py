"""Asking a selling partner for consent."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from evergrant.entrances.console import build
from evergrant.entrances.visitor import Cookie
from evergrant.ports.things import HandshakeStep
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import WRITERS, connect, public, shop, vendor
from tests.doors.test_console.conftest import Console, Window, open_console, text_of

ANYWHERE = Cookie(https=False).name


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    """On the host of the front door."""
    opened = await open_console()
    await public(opened)
    stands_at(opened, "http://console.test")
    async with opened.open_windows:
        yield opened


def stands_at(console: Console, public_url: str) -> None:
    settings = dataclasses.replace(console.settings, public_url=public_url)
    console.settings, console.app = settings, build(console.desk, settings)


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


def moment(page: str) -> str:
    found = re.search(r'name="moment" value="([^"]+)"', page)
    assert found is not None
    return found[1]


# --- by mail --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_it_says_to_whom_and_sends(console: Console, role: Role) -> None:
    account, window = await shop(console, language="de"), await console.as_(role)
    here = f"/console/accounts/{account.id}/invite"
    page = await window.read(here)
    assert "A mail in German goes to owner@shop.example" in text_of(page)
    assert await console.desk.consent.invitations(account.id, by=SYSTEM) == []
    after = text_of(await window.did(here, {"moment": moment(page)}))
    assert "The link is on its way to owner@shop.example. It works until 16 March 2026" in after
    [letter] = await console.desk.consent.invitations(account.id, by=SYSTEM)
    assert letter.email == "owner@shop.example"


async def test_pressed_twice_it_sends_once(console: Console, window: Window) -> None:
    account = await shop(console)
    here = f"/console/accounts/{account.id}/invite"
    form = {"moment": moment(await window.read(here))}
    console.fakes.clock.move(seconds=3)
    await window.did(here, form)
    assert "The link was sent already" in text_of(await window.did(here, form))
    assert len(await console.desk.consent.invitations(account.id, by=SYSTEM)) == 1
    console.fakes.clock.move(minutes=1)
    await window.did(here, {"moment": moment(await window.read(here))})
    assert len(await console.desk.consent.invitations(account.id, by=SYSTEM)) == 2


@pytest.mark.parametrize("form", [{}, {"moment": "x"}, {"moment": "2026-03-02T09:00:00"}])
async def test_without_a_moment_it_is_sent(
    console: Console, window: Window, form: dict[str, str]
) -> None:
    account = await shop(console)
    await window.did(f"/console/accounts/{account.id}/invite", form)
    assert len(await console.desk.consent.invitations(account.id, by=SYSTEM)) == 1


async def test_a_link_that_still_works_is_told(console: Console, window: Window) -> None:
    account = await shop(console)
    await console.desk.consent.invite(account.id, by=SYSTEM)
    page = text_of(await window.read(f"/console/accounts/{account.id}/invite"))
    assert "A link of 2 March 2026 still works" in page


async def test_where_no_link_can_be_sent_there_is_no_button(
    console: Console, window: Window
) -> None:
    account = await shop(console)
    here = f"/console/accounts/{account.id}/invite"
    await console.desk.accounts.close(account.id, by=SYSTEM)
    assert "This account is closed" in text_of(await window.read(here))
    assert f'action="{here}"' not in await window.read(here)
    assert (await window.post(here)).status_code == 409
    other = await shop(console)
    await console.desk.registry.change_application(
        console.house.application_id, {"kind": "private"}, by=SYSTEM
    )
    here = f"/console/accounts/{other.id}/invite"
    assert "Its application is private" in text_of(await window.read(here))
    assert (await window.post(here)).status_code == 409


# --- to hand over ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_the_link_stands_on_a_page_of_its_own(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    answer = await window.post(f"/console/accounts/{account.id}/link")
    assert answer.status_code == 200
    link = (await console.desk.consent.link(account.id, by=SYSTEM)).reveal()
    assert link in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert link not in await window.read(f"/console/accounts/{account.id}")
    journal = await window.read(f"/console/accounts/{account.id}/journal")
    assert "invitation.link_shown" in journal


async def test_looking_at_the_link_is_an_action(console: Console, window: Window) -> None:
    account = await shop(console)
    assert (await window.get(f"/console/accounts/{account.id}/link")).status_code == 405


# --- by phone -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_from_the_console_straight_to_amazon(console: Console, role: Role) -> None:
    account, window = (
        await shop(console, merchant_token="A1BLUEHERONBOOKS"),
        await console.as_(role),
    )
    here = f"/console/accounts/{account.id}/renew"
    page = await window.get(here)
    words = text_of(page.text)
    assert "sellercentral-europe.amazon.com" in words
    assert "A1BLUEHERONBOOKS" in words
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://*.amazon.ae" in policy
    assert "https:;" not in policy
    assert "https: " not in policy
    assert '<nav aria-label="Sections"' not in page.text

    answer = await window.post(here)
    assert answer.status_code == 303, text_of(answer.text)
    to = urlsplit(answer.headers["location"])
    assert (to.hostname, to.path) == ("sellercentral-europe.amazon.com", "/apps/authorize/consent")
    assert parse_qs(to.query)["state"]
    # The front door knows this browser, and that it stands in a window of the console.
    cookie = answer.cookies[ANYWHERE]
    assert cookie.endswith(".popup")
    async with console.desk.store.transaction() as tx:
        [handshake] = await tx.handshakes.all(account_id=account.id)
    assert handshake.step is HandshakeStep.BEGUN
    assert "invitation.link_shown" in await window.read(f"/console/accounts/{account.id}/journal")


async def test_on_another_host_the_window_goes_on_at_the_front_door(console: Console) -> None:
    """Its cookie would not be known there."""
    stands_at(console, "http://connect.test")
    account, window = await shop(console), await console.as_(Role.SUPPORT)
    here = f"/console/accounts/{account.id}/renew"
    assert "http://connect.test" in (await window.get(here)).headers["content-security-policy"]
    answer = await window.post(here)
    link = (await console.desk.consent.link(account.id, by=SYSTEM)).reveal()
    assert answer.headers["location"] == f"{link}?from=console"
    assert ANYWHERE not in answer.cookies


async def test_a_vendor_goes_to_vendor_central(console: Console, window: Window) -> None:
    account = await vendor(console, vendor_codes=("MILL1",))
    page = text_of(await window.read(f"/console/accounts/{account.id}/renew"))
    assert "vendorcentral.amazon.de" in page
    assert "MILL1" in page


async def test_a_renewal_leaves_the_grant_alone_until_it_is_done(
    console: Console, window: Window
) -> None:
    account = await shop(console)
    await connect(console, account, days_ago=300)
    before = (await console.desk.accounts.get(account.id, by=SYSTEM)).authorization
    assert (await window.post(f"/console/accounts/{account.id}/renew")).status_code == 303
    assert (await console.desk.accounts.get(account.id, by=SYSTEM)).authorization == before


async def test_a_mailed_link_goes_on_working(console: Console, window: Window) -> None:
    account = await shop(console)
    await console.desk.consent.invite(account.id, by=SYSTEM)
    link = (await console.desk.consent.link(account.id, by=SYSTEM)).reveal()
    await window.post(f"/console/accounts/{account.id}/renew")
    opened = await console.desk.consent.open(link.rpartition("/")[2])
    assert opened.account_id == account.id


async def test_where_nobody_knows_a_consent_page(console: Console, window: Window) -> None:
    account = await vendor(console)
    async with console.desk.store.transaction() as tx:
        await tx.accounts.change(account.id, home_marketplace="IE")
    here = f"/console/accounts/{account.id}/renew"
    page = await window.read(here)
    assert "No Vendor Central of Ireland is known." in text_of(page)
    assert f'action="{here}"' not in page
    answer = await window.post(here)
    assert answer.status_code == 409
    assert "That is not possible now" in text_of(answer.text)


async def test_a_closed_account_leads_nowhere(console: Console, window: Window) -> None:
    account = await shop(console)
    await console.desk.accounts.close(account.id, by=SYSTEM)
    here = f"/console/accounts/{account.id}/renew"
    assert "This account is closed" in text_of(await window.read(here))
    assert (await window.post(here)).status_code == 409
