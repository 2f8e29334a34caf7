"""What is on its way to Amazon for one account, in short."""

from __future__ import annotations

import pytest

from evergrant.rules.feedruns import RunStep
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import WRITERS, connect, shop
from tests.doors.test_console.conftest import Console, Window, text_of
from tests.doors.test_console.trade_ground import GERMANY, put, run_of


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


def stock(sku: str) -> dict[str, object]:
    return {"kind": "stock", "sku": sku, "quantity": 3, "marketplace": GERMANY}


async def test_counts_and_runs(console: Console, window: Window) -> None:
    account = await shop(console)
    await connect(console, account)
    here = f"/console/accounts/{account.id}/feeds"
    assert "Runs of the last week None." in text_of(await window.read(here))
    changes = await put(console, account.id, stock("A"), stock("B"), stock("C"))
    run = await run_of(console, changes[:1], step=RunStep.UNCERTAIN)
    page = await window.read(here)
    assert "Stock 2 1 0" in text_of(page)
    assert f'href="/console/feeds/runs/{run.id}"' in page
    assert "somebody has to decide" in page
    assert "Stock and prices, single calls" in page
    assert "/upload" not in page  # not theirs
    leader = await console.as_(Role.TEAM_LEAD)
    assert f'href="/console/accounts/{account.id}/upload"' in await leader.read(here)


@pytest.mark.parametrize("role", WRITERS)
async def test_paused_by_somebody_and_resumed(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    await connect(console, account)
    here = f"/console/accounts/{account.id}/feeds"
    page = text_of(await window.did(f"{here}/pause", {"note": "stock-taking"}))
    assert window.operator is not None
    assert f"Paused by {window.operator.name}" in page
    assert "“stock-taking”" in page
    assert 'class="said bad"' in await window.did(f"{here}/run")
    page = text_of(await window.did(f"{here}/resume"))
    assert "It goes on, with the latest values." in page
    assert "Paused by" not in page
    assert 'class="said bad"' in await window.did(f"{here}/resume")


async def test_run_now(console: Console, window: Window) -> None:
    account = await shop(console)
    await connect(console, account)
    page = await window.did(f"/console/accounts/{account.id}/feeds/run")
    assert "Its next run comes at once." in text_of(page)
    [feeds] = await console.desk.feeds.ledger.status(by=SYSTEM, account_id=account.id)
    assert feeds.work is not None
    assert feeds.work.hurried_at == console.fakes.clock.now()


async def test_what_orders_lack_is_said(console: Console, window: Window) -> None:
    account = await shop(console)
    page = text_of(await window.read(f"/console/accounts/{account.id}/feeds"))
    assert "not read yet" in page
