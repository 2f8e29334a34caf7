"""What one account may still call, and what it called."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evergrant.entrances.console.pages.account_calls import by_operation
from evergrant.limits import NewPlan
from evergrant.ports.things import CallCount
from evergrant.rules import operations
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import connect, shop
from tests.doors.test_console.conftest import Console, Window, text_of

ORDERS = "orders.v0.getOrders"


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.AUDITOR)


def call(console: Console, account_id: str, **more: object) -> None:
    given: dict[str, object] = {
        "status": 200, "error": "", "took_s": 0.1, "waited_s": 0.0, **more
    }  # fmt: skip
    console.desk.limits.note_call(account_id, ORDERS, Region.EU, **given)  # type: ignore[arg-type]


async def test_calls_and_what_went_wrong_with_them(console: Console, window: Window) -> None:
    account = await shop(console)
    here = f"/console/accounts/{account.id}/calls"
    assert "None in this time." in text_of(await window.read(here))
    for _ in range(3):
        call(console, account.id)
    call(console, account.id, waited_s=2.0)
    call(console, account.id, status=429)
    call(console, account.id, status=403)
    console.desk.limits.note_refused(account.id, ORDERS, Region.EU)
    page = await window.read(here)
    words = text_of(page)
    assert f"{ORDERS} 6 1 (2.0 s each) 1 1 forbidden 1" in words
    assert "<svg" in page


async def test_how_far_back(console: Console, window: Window) -> None:
    account = await shop(console)
    call(console, account.id)
    await console.desk.limits.flush()
    console.fakes.clock.move(days=2)
    window = await console.as_(Role.AUDITOR)
    here = f"/console/accounts/{account.id}/calls"
    assert ORDERS not in await window.read(here)
    assert ORDERS in await window.read(f"{here}?days=3")
    # Any other number is a day.
    assert ORDERS not in await window.read(f"{here}?days=4000")
    assert ORDERS not in await window.read(f"{here}?days=x")


async def test_buckets_the_emptiest_first(console: Console, window: Window) -> None:
    account = await shop(console)
    await connect(console, account)
    await console.desk.limits.set_plan(
        NewPlan(operation=ORDERS, rate_per_s=0.5, burst=7, account_id=account.id), by=SYSTEM
    )
    words = text_of(await window.read(f"/console/accounts/{account.id}/calls"))
    assert "7 of 7" in words
    assert "0.5 a second" in words


def test_operations_are_added_up(console: Console) -> None:
    at = console.fakes.clock.now()
    rows = [
        CallCount(
            id=str(number), account_id="acc", operation=name, hour_at=at, calls=calls,
            throttled=1, errors={"forbidden": 2}, last_at=at + timedelta(minutes=number),
        )
        for number, (name, calls) in enumerate((("b", 5), ("a", 3), ("a", 4)))
    ]  # fmt: skip
    first, second = by_operation(rows)
    assert (first.operation, first.calls, first.failed) == ("a", 7, 6)
    assert (second.operation, second.last_at) == ("b", at)


async def test_very_many_operations_are_a_small_page(console: Console, window: Window) -> None:
    account = await shop(console)
    names = [one.name for one in operations.ALL if one.scope is None][:150]
    for name in names:
        plan = NewPlan(operation=name, rate_per_s=1, burst=1, account_id=account.id)
        await console.desk.limits.set_plan(plan, by=SYSTEM)
        for status in (200, 403, 404, 429, 500, 503):
            console.desk.limits.note_call(
                account.id, name, Region.EU, status=status, error="", took_s=0.1, waited_s=1.0
            )
    page = await window.get(f"/console/accounts/{account.id}/calls?days=7")
    assert len(page.content) < 200_000, len(page.content)
    assert "And 90 more that are called less." in text_of(page.text)
