"""Connection keys of one account."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import MARKUP, NOBODY, WRITERS, shop
from tests.doors.test_console.conftest import Console, Window, text_of


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


def secret_on(page: str) -> str:
    found = re.search(r'<code id="key">(egc_[A-Za-z0-9_-]{43})</code>', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("role", WRITERS)
async def test_it_is_shown_once_and_works(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    here = f"/console/accounts/{account.id}/keys"
    made = await window.post(here, {"name": "ERP SDK", "days": ""})
    assert made.status_code == 200
    secret = secret_on(made.text)
    assert await console.desk.people.account_of(secret) == account.id
    page = await window.read(here)
    assert "ERP SDK" in page
    assert secret not in page


async def test_it_ends_by_itself(console: Console, window: Window) -> None:
    account = await shop(console)
    await window.post(f"/console/accounts/{account.id}/keys", {"name": "", "days": "30"})
    [key] = await console.desk.people.connection_keys(account.id, by=SYSTEM)
    assert key.expires_at == console.fakes.clock.now() + timedelta(days=30)
    assert "until 1 April 2026" in text_of(
        await window.read(f"/console/accounts/{account.id}/keys")
    )


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999", "1.5", "²"])
async def test_days_that_are_none(console: Console, window: Window, days: str) -> None:
    account = await shop(console)
    form = {"name": MARKUP, "days": days}
    answer = await window.post(f"/console/accounts/{account.id}/keys", form)
    assert answer.status_code == 422
    assert 'id="w-days"' in answer.text
    assert "<img" not in answer.text
    assert await console.desk.people.connection_keys(account.id, by=SYSTEM) == []


async def test_rotated_with_an_overlap(console: Console, window: Window) -> None:
    account = await shop(console)
    here = f"/console/accounts/{account.id}/keys"
    old = secret_on((await window.post(here, {"name": "SDK"})).text)
    [key] = await console.desk.people.connection_keys(account.id, by=SYSTEM)
    fresh = secret_on((await window.post(f"{here}/{key.id}/rotate", {"overlap": "1"})).text)
    assert fresh != old
    console.fakes.clock.move(hours=23)
    assert await console.desk.people.account_of(old) == account.id
    assert await console.desk.people.account_of(fresh) == account.id
    console.fakes.clock.move(hours=2)
    assert await console.desk.people.account_of(old) is None
    window = await console.as_(Role.SUPPORT)
    assert 'class="said bad"' in await window.did(f"{here}/{key.id}/rotate", {"overlap": "1"})


async def test_ended_after_a_question(console: Console, window: Window) -> None:
    account = await shop(console)
    secret = await console.house.connection_key(account.id)
    [key] = await console.desk.people.connection_keys(account.id, by=SYSTEM)
    here = f"/console/accounts/{account.id}/keys"
    assert "Within a second nobody takes it any more." in text_of(
        await window.read(f"{here}/{key.id}/end")
    )
    page = text_of(await window.did(f"{here}/{key.id}/end"))
    assert "The key SDK has ended" in page
    console.fakes.clock.move(seconds=1)
    assert await console.desk.people.account_of(secret) is None


async def test_a_key_of_another_account(console: Console, window: Window) -> None:
    account, other = await shop(console), await shop(console)
    secret = await console.house.connection_key(other.id)
    [key] = await console.desk.people.connection_keys(other.id, by=SYSTEM)
    here = f"/console/accounts/{account.id}/keys"
    for id in (key.id, "con_1", NOBODY):  # noqa: A001
        assert (await window.get(f"{here}/{id}/end")).status_code == 404
        assert (await window.post(f"{here}/{id}/end")).status_code == 404
        assert (await window.post(f"{here}/{id}/rotate")).status_code == 404
    assert await console.desk.people.account_of(secret) == other.id


async def test_readers_make_none(console: Console) -> None:
    account, window = await shop(console), await console.as_(Role.AUDITOR)
    here = f"/console/accounts/{account.id}/keys"
    assert "There is none yet." in await window.read(here)
    assert (await window.post(here, {"name": "x"})).status_code == 403
    assert await console.desk.people.connection_keys(account.id, by=SYSTEM) == []
