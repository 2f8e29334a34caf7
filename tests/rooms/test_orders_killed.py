"""The order book of a process that dies, comes back from the dead, or is not alone: no order is
lost, none is told twice, and no bound moves over what was not read."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from evergrant.orders import Orders
from evergrant.ports.traded import OrderSweep
from evergrant.rules.rights import SYSTEM
from tests.rooms.orders_ground import Book, Crash, DyingCalls, DyingStore, Fate, text
from tests.rooms.test_orders import purchase_order

DUE_AGAIN = 6


def dying(book: Book, fate: Fate) -> Orders:
    store = DyingStore(book.fakes.store, fate)
    return book.process(store=store, calls=DyingCalls(book.desk, fate))


async def until_quiet(book: Book, orders: Orders) -> None:
    for _ in range(12):
        book.fakes.clock.move(minutes=11)
        await orders.round()


async def told_once(book: Book) -> None:
    words = Counter(await book.told_words())
    assert set(words.values()) <= {1}, words
    received = {order_id for topic, order_id in words if topic == "order.received"}
    assert received == set(book.amazon.orders)


async def _life(book: Book, at: int | None) -> int:
    """Dies at that step of a seller's sweep with several pages, an order that is named, and a
    vendor's with two lists; somebody else goes on. Gives how many steps there were."""
    await book.seller()
    seller = (await book.desk.accounts.list(by=SYSTEM))[0].account.id
    await until_quiet(book, book.orders)
    for _ in range(5):
        book.amazon.put()
    book.fakes.clock.move(minutes=5)
    named = book.amazon.put()
    await book.orders.note_changed(seller, named)
    book.fakes.clock.move(minutes=7)
    fate = Fate(at)
    try:
        await dying(book, fate).round()
        died = False
    except Crash:
        died = True
    assert died == (at is not None)
    bound = (await book.sweep(seller)).bound_at
    kept = {row.order_id for row in await book.rows() if row.digest}
    assert bound is not None
    unseen = [
        order_id
        for order_id, body in book.amazon.orders.items()
        if body["lastUpdatedTime"] < text(bound) and order_id not in kept
    ]
    assert unseen == [], "the bound moved over what is not in the book"
    await until_quiet(book, book.process())
    await told_once(book)
    assert all(row.fetch_due_at is None for row in await book.rows())
    return fate.steps


async def test_killed_at_every_step_nothing_is_lost_and_nothing_is_told_twice() -> None:
    steps = await _life(await Book.opened(), None)
    assert steps > 15
    for at in range(1, steps + 1):
        await _life(await Book.opened(), at)


async def _vendor_life(at: int | None) -> int:
    book = await Book.opened()
    account_id = await book.vendor()
    await until_quiet(book, book.orders)
    born = text(book.fakes.clock.now())
    for number in range(4):
        book.amazon.orders[f"PO{number}"] = purchase_order(f"PO{number}", born)
    book.fakes.clock.move(minutes=20)
    fate = Fate(at)
    try:
        await dying(book, fate).round()
    except Crash:
        assert at is not None
    await until_quiet(book, book.process())
    await told_once(book)
    assert (await book.sweep(account_id)).page == ""
    return fate.steps


async def test_killed_at_every_step_of_a_vendors_lists() -> None:
    steps = await _vendor_life(None)
    for at in range(1, steps + 1):
        await _vendor_life(at)


async def test_a_process_from_the_dead_neither_repeats_nor_moves_the_bound() -> None:
    book = await Book.opened()
    account_id = await book.seller()
    await until_quiet(book, book.orders)
    for _ in range(5):
        book.amazon.put()
    book.fakes.clock.move(minutes=20)
    other, after = book.process(), list[OrderSweep]()

    async def goes_on() -> None:
        book.fakes.clock.move(minutes=DUE_AGAIN)  # whoever sleeps so long is taken for dead
        await other.round()
        after.append(await book.sweep(account_id))

    book.api.meanwhile = goes_on
    swept = await book.orders.round()
    assert after[0].page == "", "the other one finished"
    assert await book.sweep(account_id) == after[0], "who was overtaken wrote nothing"
    assert (swept.pages, swept.received) == (1, 0)
    await until_quiet(book, book.orders)
    await told_once(book)


@pytest.mark.parametrize("nodes", [2, 4])
async def test_several_nodes_at_once_share_the_work(nodes: int) -> None:
    book = await Book.opened()
    for _ in range(6):
        await book.seller()
    for _ in range(4):
        book.amazon.put()
    book.fakes.clock.move(minutes=20)
    processes = [book.process() for _ in range(nodes)]
    for _ in range(8):
        swept = await asyncio.gather(*(one.round() for one in processes))
        assert sum(one.failed for one in swept) == 0
        book.fakes.clock.move(minutes=11)
    rows = await book.rows()
    assert len(rows) == 6 * 4
    assert Counter(await book.told_words()) == {
        ("order.received", order_id): 6 for order_id in book.amazon.orders
    }


async def test_all_accounts_have_their_turn() -> None:
    book = await Book.opened()
    accounts = [await book.seller() for _ in range(20)]
    await book.orders.round()
    bounds = [(await book.sweep(one)).bound_at for one in accounts]
    assert None not in bounds
