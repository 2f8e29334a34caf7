"""Who did what to one account."""

from __future__ import annotations

import re

import pytest

from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import shop
from tests.doors.test_console.conftest import Console, text_of


@pytest.mark.parametrize("role", Role)
async def test_its_lines_and_no_others(console: Console, role: Role) -> None:
    account, other = await shop(console, name="Alder"), await shop(console, name="Beech")
    ada = await console.operator(Role.SUPPORT, name="Ada Lovelace")
    await console.desk.accounts.set_flags(
        account.id, {"update_price": False}, by=console.caller(ada)
    )
    window = await console.as_(role)
    words = text_of(await window.read(f"/console/accounts/{account.id}/journal"))
    assert "Ada Lovelace changed the account" in words
    assert "Beech" not in words
    assert "Ada Lovelace" not in text_of(await window.read(f"/console/accounts/{other.id}/journal"))


async def test_older_lines(console: Console) -> None:
    account = await shop(console)
    for number in range(52):
        await console.desk.accounts.change(account.id, {"notes": f"{number}"}, by=SYSTEM)
    window = await console.as_(Role.AUDITOR)
    first = await window.read(f"/console/accounts/{account.id}/journal")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    last = await window.read(older[1])
    assert "account.added" in last
    assert "account.added" not in first
    assert "data-live" not in last.partition("<main")[2]
