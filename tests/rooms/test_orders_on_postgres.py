"""The order book on the real store: two nodes at once, sweeps and named orders crossing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from evergrant.adapters.store import open_store
from tests.rooms.orders_ground import READER, TRUSTED, Book


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Book]:
    store: Any = await open_store(database_url)
    yield await Book.opened(store)
    await store.close()


async def test_two_nodes_lose_nothing_and_tell_nothing_twice(book: Book) -> None:
    accounts = [await book.seller() for _ in range(2)]
    nodes = [book.process(), book.process()]
    book.fakes.clock.move(minutes=20)
    await asyncio.gather(*(one.round() for one in nodes))
    wanted = [book.amazon.put() for _ in range(7)]
    book.fakes.clock.move(minutes=20)
    for account_id in accounts:
        for order_id in wanted[:3]:
            await nodes[0].note_changed(account_id, order_id)
    for _ in range(3):
        await asyncio.gather(*(one.round() for one in nodes))
        book.fakes.clock.move(minutes=11)
    found = await book.orders.orders(by=READER, limit=100)
    assert len(found) == 14
    positions = [one.order.position for one in found]
    assert positions == sorted(set(positions))
    assert Counter(await book.told_words()) == {
        ("order.received", order_id): 2 for order_id in wanted
    }
    whole = await book.orders.order(accounts[0], wanted[0], by=TRUSTED, personal=True)
    assert whole.body == book.amazon.orders[wanted[0]]
    book.amazon.change(wanted[0], fulfillment={"fulfillmentStatus": "SHIPPED"})
    book.fakes.clock.move(minutes=5)
    await asyncio.gather(*(one.note_changed(accounts[0], wanted[0]) for one in nodes))
    for _ in range(2):
        await asyncio.gather(*(one.round() for one in nodes))
        book.fakes.clock.move(minutes=11)
    changed = await book.orders.orders(by=READER, after=positions[-1])
    assert [one.order.order_id for one in changed] == [wanted[0]] * 2
    assert await book.orders.purge(book.fakes.clock.now()) == 0
    book.fakes.clock.move(days=31)
    assert await book.orders.purge(book.fakes.clock.now()) == 14
    assert (await book.rows(), await book.personal()) == ([], 0)


async def test_what_no_database_keeps_as_text_arrives_all_the_same(book: Book) -> None:
    account_id = await book.seller()
    odd = "Wil\x00helmina \ud800 \N{GRINNING FACE}"
    order_id = book.amazon.put(buyer={"buyerName": odd}, programs=[odd])
    for _ in range(2):
        await book.pass_by()
    told = await book.orders.order(account_id, order_id, by=TRUSTED, personal=True)
    kept = "Wil\ufffdhelmina \ufffd \N{GRINNING FACE}"
    assert (told.body["buyer"]["buyerName"], told.body["programs"]) == (kept, [kept])


async def test_a_round_with_nothing_to_do_costs_the_same_however_many_there_are(
    book: Book,
) -> None:
    for _ in range(8):
        await book.seller()
    assert (await book.orders.round()).opened == 8
    statements: list[str] = []

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        assert (await book.orders.round()).opened == 0
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(statements) <= 6, statements
