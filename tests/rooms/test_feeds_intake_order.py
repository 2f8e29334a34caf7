"""What is handed in later is the later wish, whatever the clocks say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evergrant.ports.things import Account
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.testing.clock import FakeClock
from tests.rooms.hatch_ground import ERP, Hatch, price, stock


@pytest.fixture
async def hatch() -> Hatch:
    return await Hatch().open()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add()


async def _waiting(hatch: Hatch, account: Account) -> dict[ChangeKind, object]:
    """What is wished of each thing."""
    pending = [one for one in await hatch.changes(account) if one.state is ChangeState.PENDING]
    assert len({one.kind for one in pending}) == len(pending)
    return {one.kind: one.wish.get("quantity", one.wish.get("price")) for one in pending}


async def test_a_clock_that_goes_back_turns_no_wishes_round(hatch: Hatch, account: Account) -> None:
    for quantity in range(5):
        await hatch.taking.put(account.id, [stock(quantity=quantity)], by=ERP)
        hatch.clock.move(hours=-1)
    assert await _waiting(hatch, account) == {ChangeKind.STOCK: 4}
    hatch.clock.move(hours=9)
    await hatch.taking.put(account.id, [stock(quantity=99)], by=ERP)
    assert await _waiting(hatch, account) == {ChangeKind.STOCK: 99}


async def test_within_one_millisecond_the_later_batch_is_later(
    hatch: Hatch, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes count lines each for itself."""
    for order in (7_000, 3):
        monkeypatch.setattr("evergrant.feeds.intake._ORDER", iter(range(order, order + 100)))
        lines = [stock(quantity=order), price(amount=order)]
        await hatch.taking.put(account.id, lines, by=ERP)
    assert (await _waiting(hatch, account))[ChangeKind.STOCK] == 3


async def test_lines_of_a_batch_keep_their_order_behind_a_wrong_clock(
    hatch: Hatch, account: Account
) -> None:
    await hatch.taking.put(account.id, [stock(sku="other")], by=ERP)
    hatch.clock.move(days=-2)
    await hatch.taking.put(account.id, [stock(f"s{n}", n) for n in range(20)], by=ERP)
    by_id = sorted(await hatch.changes(account), key=lambda one: one.id)
    assert [one.subject for one in by_id] == ["other", *(f"s{n}" for n in range(20))]


async def test_two_nodes_whose_clocks_differ(hatch: Hatch, account: Account) -> None:
    slow = hatch.another()
    slow._clock = FakeClock(hatch.clock.now() - timedelta(seconds=3))
    await hatch.taking.put(account.id, [stock(quantity=2)], by=ERP)
    await slow.put(account.id, [stock(quantity=3)], by=ERP)
    assert await _waiting(hatch, account) == {ChangeKind.STOCK: 3}
