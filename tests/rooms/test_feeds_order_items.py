"""A cancellation that names no items: they are taken from the order book, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from evergrant.feeds.taken import Taken
from evergrant.ports.things import Account
from evergrant.ports.traded import Order, OrderKind
from evergrant.rules.wishes.earlier import LineFate
from tests.rooms.hatch_ground import ERP, ORDER, Hatch, cancellation, order, stock

ITEMS = [{"order_item_id": "111"}, {"order_item_id": "222"}]


@pytest.fixture
async def hatch() -> Hatch:
    return await Hatch().open()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add()


async def read(hatch: Hatch, account: Account, order_id: str = ORDER, **body: Any) -> None:
    """The book knows this order."""
    now = hatch.clock.now()
    async with hatch.store.transaction() as tx:
        await tx.orders.add(
            Order(
                id=f"{account.id}/{order_id}",
                account_id=account.id,
                client_instance_id=account.client_instance_id,
                order_id=order_id,
                kind=OrderKind.SELLER,
                body={"orderId": order_id, **body},
                created_at=now,
                changed_at=now,
            )
        )


def bare(order_id: str = ORDER) -> dict[str, Any]:
    return cancellation(order_id, items=None)


OF_TWO: dict[str, Any] = {"orderItems": [{"orderItemId": "111"}, {"orderItemId": "222"}]}


async def put(hatch: Hatch, account: Account, *lines: dict[str, Any]) -> Taken:
    judged = await hatch.taking.judge(account.id, lines, by=ERP)
    taken = await hatch.taking.put(account.id, lines, by=ERP)
    assert [one.fate for one in judged.answers] == [one.fate for one in taken.answers]
    return taken


async def test_the_book_knows_them(hatch: Hatch, account: Account) -> None:
    await read(hatch, account, **OF_TWO)
    taken = await put(hatch, account, bare())
    assert taken.taken == 1, taken.answers
    async with hatch.store.transaction() as tx:
        (change,) = await tx.changes.read(account_id=account.id)
    assert change.wish == {"reason": "NoInventory", "items": ITEMS}


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"orderItems": []},
        {"orderItems": "none"},
        {"orderItems": [{"orderItemId": ""}, {}, 7]},
    ],
)
async def test_nobody_knows_them(
    hatch: Hatch, account: Account, body: dict[str, Any] | None
) -> None:
    if body is not None:
        await read(hatch, account, **body)
    taken = await put(hatch, account, stock(), bare(), cancellation(order(2)))
    assert [one.fate for one in taken.answers] == [
        LineFate.TAKEN,
        LineFate.REFUSED,
        LineFate.TAKEN,
    ]
    (flaw,) = taken.answers[1].flaws
    assert (flaw.code, flaw.field) == ("items_needed", "items")
    assert flaw.hint is not None
    assert "let Evergrant read the order" in flaw.hint
    # Told again it is the same, and when the order was read it is taken.
    assert await hatch.taking.get(account.id, taken.intake_id, by=ERP) == taken


async def test_it_is_taken_when_the_order_was_read(hatch: Hatch, account: Account) -> None:
    assert (await put(hatch, account, bare())).refused == 1
    await read(hatch, account, **OF_TWO)
    assert (await put(hatch, account, bare())).taken == 1
    # The same again, with and without its items, is the same cancellation.
    assert (await put(hatch, account, bare())).duplicates == 1
    assert (await put(hatch, account, cancellation(items=ITEMS))).duplicates == 1
    assert (await put(hatch, account, cancellation(items=ITEMS[:1]))).refused == 1


async def test_anothers_order_is_not_looked_at(hatch: Hatch, account: Account) -> None:
    other = await hatch.add()
    await read(hatch, other, **OF_TWO)
    assert (await put(hatch, account, bare())).refused == 1


async def test_items_that_are_named_are_not_looked_up(hatch: Hatch, account: Account) -> None:
    await read(hatch, account, **OF_TWO)
    await put(hatch, account, cancellation(items=ITEMS[1:]))
    async with hatch.store.transaction() as tx:
        (change,) = await tx.changes.read(account_id=account.id)
    assert change.wish["items"] == ITEMS[1:]


async def test_very_many_at_once(hatch: Hatch, account: Account) -> None:
    for number in range(501):
        await read(hatch, account, order(number), **OF_TWO)
    taken = await put(hatch, account, *(bare(order(number)) for number in range(502)))
    assert (taken.taken, taken.refused) == (501, 1)
