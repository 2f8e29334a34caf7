"""Adopting a refresh token."""

from __future__ import annotations

import secrets

import pytest

from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import MARKUP, WRITERS, shop
from tests.doors.test_console.conftest import Console, Window, text_of


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


def granted(console: Console, about: str) -> str:
    return console.fakes.lwa.grant(console.house.lwa_client_id, about).reveal()


@pytest.mark.parametrize("role", WRITERS)
async def test_it_is_tried_and_adopted(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    here = f"/console/accounts/{account.id}/adopt"
    assert 'type="password"' in await window.read(here)
    refresh_token = granted(console, account.id)
    page = await window.did(
        here,
        {"refresh_token": f" {refresh_token}\n", "selling_partner_id": "A1BLUEHERONBOOKS",
         "granted_at": "2026-02-01"},
    )  # fmt: skip
    assert "Amazon accepts it" in text_of(page)
    assert refresh_token not in page
    own = (await console.desk.accounts.get(account.id, by=SYSTEM)).authorization
    assert own.state is State.ACTIVE
    assert own.selling_partner_id == "A1BLUEHERONBOOKS"
    assert own.granted_at is not None
    assert f"{own.granted_at:%Y-%m-%d}" == "2026-02-01"


async def test_without_a_day(console: Console, window: Window) -> None:
    account = await shop(console)
    await window.did(
        f"/console/accounts/{account.id}/adopt",
        {"refresh_token": granted(console, account.id), "selling_partner_id": "A1BLUEHERONBOOKS"},
    )
    own = (await console.desk.accounts.get(account.id, by=SYSTEM)).authorization
    assert own.state is State.ACTIVE
    assert own.granted_at is None


async def test_one_that_amazon_does_not_accept_is_not_stored(
    console: Console, window: Window
) -> None:
    account = await shop(console)
    made_up = f"Atzr|{secrets.token_urlsafe(120)}"
    answer = await window.post(
        f"/console/accounts/{account.id}/adopt",
        {"refresh_token": made_up, "selling_partner_id": "A1BLUEHERONBOOKS"},
    )
    assert answer.status_code == 422
    assert "Nothing was stored." in text_of(answer.text)
    assert made_up not in answer.text
    assert 'value="A1BLUEHERONBOOKS"' in answer.text
    own = (await console.desk.accounts.get(account.id, by=SYSTEM)).authorization
    assert own.state is State.AWAITING


@pytest.mark.parametrize(
    "wrong",
    [{"refresh_token": ""}, {"granted_at": "soon"}, {"selling_partner_id": MARKUP}],
)
async def test_what_is_wrong_stands_beside_it_and_the_secret_stays_away(
    console: Console, window: Window, wrong: dict[str, str]
) -> None:
    account = await shop(console)
    refresh_token = granted(console, account.id)
    answer = await window.post(
        f"/console/accounts/{account.id}/adopt", {"refresh_token": refresh_token, **wrong}
    )
    assert answer.status_code == 422
    [field] = wrong
    assert f'id="w-{field}"' in answer.text
    assert refresh_token not in answer.text
    assert "<img" not in answer.text
    own = (await console.desk.accounts.get(account.id, by=SYSTEM)).authorization
    assert own.state is State.AWAITING


async def test_one_of_another_account_is_refused(console: Console, window: Window) -> None:
    one, other = await shop(console), await shop(console)
    refresh_token = granted(console, one.id)
    form = {"refresh_token": refresh_token, "selling_partner_id": "A1BLUEHERONBOOKS"}
    await window.did(f"/console/accounts/{one.id}/adopt", form)
    answer = await window.post(f"/console/accounts/{other.id}/adopt", form)
    assert answer.status_code == 422
    assert "Nothing was stored." in text_of(answer.text)


async def test_amazon_is_away(console: Console, window: Window) -> None:
    account = await shop(console)
    refresh_token = granted(console, account.id)
    console.fakes.lwa.fail()
    answer = await window.post(
        f"/console/accounts/{account.id}/adopt", {"refresh_token": refresh_token}
    )
    assert answer.status_code == 422
    assert refresh_token not in answer.text
