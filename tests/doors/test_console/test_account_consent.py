"""How consent went."""

from __future__ import annotations

import pytest

from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import WRITERS, connect, public, shop
from tests.doors.test_console.conftest import Console, Window, text_of


@pytest.fixture(autouse=True)
async def _public(console: Console) -> None:
    await public(console)


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


async def troubled(console: Console, account_id: str) -> str:
    """The number of a report about an error that the selling partner saw at Amazon."""
    link = (await console.desk.consent.link(account_id, by=SYSTEM)).reveal()
    told = await console.desk.consent.tell_trouble(link.rpartition("/")[2], "MD1000", "a red box")
    return told.reference


async def test_links_and_grants_are_listed_newest_first(console: Console, window: Window) -> None:
    account = await shop(console)
    here = f"/console/accounts/{account.id}/consent"
    empty = text_of(await window.read(here))
    assert "No link was made yet." in empty
    assert "Amazon has given none yet." in empty
    await console.desk.consent.invite(account.id, by=SYSTEM)
    console.fakes.clock.move(hours=2)
    await console.desk.consent.invite(account.id, by=SYSTEM)
    await connect(console, account)
    page = text_of(await window.read(here))
    assert page.index("2 March 2026 11:00 UTC") < page.index("2 March 2026 09:00 UTC")
    assert "withdrawn" in page
    assert "in force" in page


@pytest.mark.parametrize("role", WRITERS)
async def test_a_report_is_read_and_solved(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    reference = await troubled(console, account.id)
    here = f"/console/accounts/{account.id}/consent"
    page = await window.read(here)
    assert reference in page
    assert "a red box" in text_of(page)
    after = await window.did(f"{here}/{reference}/resolve")
    assert f"{reference} is solved." in text_of(after)
    assert f"{here}/{reference}/resolve" not in after
    assert (await console.desk.consent.report(reference, by=SYSTEM)).resolved_at is not None


async def test_a_report_of_another_account(console: Console, window: Window) -> None:
    account, other = await shop(console), await shop(console)
    reference = await troubled(console, other.id)
    answer = await window.post(f"/console/accounts/{account.id}/consent/{reference}/resolve")
    assert answer.status_code == 404
    assert (await console.desk.consent.report(reference, by=SYSTEM)).resolved_at is None


async def test_readers_solve_nothing(console: Console) -> None:
    account, window = await shop(console), await console.as_(Role.AUDITOR)
    reference = await troubled(console, account.id)
    here = f"/console/accounts/{account.id}/consent"
    assert reference in await window.read(here)
    assert (await window.post(f"{here}/{reference}/resolve")).status_code == 403
