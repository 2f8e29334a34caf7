"""What the order book does with what it has: what is personal, what is handed on, what is
forgotten."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from evergrant import journal
from evergrant.errors import GrantLapsed, InvalidInput, NotAllowed, NotFound
from evergrant.orders.counting import FLUSH_AT, VERB
from evergrant.ports.news import Topic
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.orders_ground import READER, TRUSTED, Book

PERSONAL = ("Wilhelmina", "w@buyers.example", "Gasse 7")
DENIED = error_answer(403, "Unauthorized", "Access to requested resource is denied.")
BROKEN = error_answer(500, "InternalFailure", "We encountered an internal error.")


@pytest.fixture
async def book() -> Book:
    return await Book.opened()


# --- personal data ----------------------------------------------------------------------------


async def test_what_is_personal_lies_in_the_safe_alone(book: Book) -> None:
    await book.seller()
    order_id = book.amazon.put()
    await book.pass_by()
    (row,) = await book.rows()
    assert row.personal
    written = repr((book.fakes.store.rows, book.fakes.store.events, book.fakes.store.lines))
    assert order_id in written
    assert not [word for word in PERSONAL if word in written]


async def test_only_who_may_gets_it_whole(book: Book) -> None:
    account_id = await book.seller()
    order_id = book.amazon.put()
    await book.pass_by()
    plain = await book.orders.order(account_id, order_id, by=TRUSTED)
    assert not plain.opened
    assert not [word for word in PERSONAL if word in json.dumps(plain.body)]
    whole = await book.orders.order(account_id, order_id, by=TRUSTED, personal=True)
    assert whole.body == book.amazon.orders[order_id]
    (listed,) = await book.orders.orders(by=TRUSTED, personal=True)
    assert (listed.opened, listed.body) == (True, whole.body)
    for verb in (
        book.orders.orders(by=READER, personal=True),
        book.orders.order(account_id, order_id, by=READER, personal=True),
    ):
        with pytest.raises(NotAllowed):
            await verb


async def test_reading_personal_data_is_journalled_in_counts(book: Book) -> None:
    account_id = await book.seller()
    wanted = [book.amazon.put() for _ in range(2)]
    await book.pass_by()

    async def lines() -> list[int]:
        found = await journal.read(book.desk.store, SYSTEM, verb=VERB, newest_first=False)
        assert {line.caller for line in found} <= {str(TRUSTED)}
        return [line.facts["orders"] for line in found]

    assert await lines() == []
    await book.orders.orders(by=READER)
    assert await lines() == []
    for _ in range(3):
        await book.orders.order(account_id, wanted[0], by=TRUSTED, personal=True)
    assert await lines() == [1], "at once, and once an hour"
    book.fakes.clock.move(minutes=61)
    await book.orders.orders(by=TRUSTED, personal=True)
    assert await lines() == [1, 4], "what was counted since, and the first of the new hour"
    for _ in range(FLUSH_AT // 2):
        await book.orders.orders(by=TRUSTED, personal=True)
    assert await lines() == [1, 4, FLUSH_AT]


async def test_a_role_that_is_missing_costs_what_it_opens_and_is_said(book: Book) -> None:
    account_id = await book.seller()
    book.amazon.refuses = frozenset({"TAX"})
    order_id = book.amazon.put()
    await book.pass_by()
    state = await book.orders.state(account_id, by=SYSTEM)
    assert (state.lacks, state.last_error) == ("tax_data", "")
    assert "tax data" in state.why
    assert (await book.orders.order(account_id, order_id, by=TRUSTED, personal=True)).opened
    book.amazon.refuses = frozenset({"TAX", "BUYER", "RECIPIENT"})
    other = book.amazon.put()
    await book.pass_by()
    assert (await book.orders.state(account_id, by=SYSTEM)).lacks == "personal_data"
    assert not (await book.orders.order(account_id, other, by=TRUSTED, personal=True)).opened
    # What was read while the role was there stays.
    assert (await book.orders.order(account_id, order_id, by=TRUSTED, personal=True)).opened
    asked = len(book.amazon.asked)
    await book.pass_by()
    assert len(book.amazon.asked) == asked + 1, "it is remembered"
    book.amazon.refuses = frozenset()
    await book.pass_by(minutes=60 * 24)
    assert (await book.orders.state(account_id, by=SYSTEM)).lacks == ""


async def test_a_refusal_that_less_does_not_cure_is_not_taken_for_a_role(book: Book) -> None:
    account_id = await book.seller()
    book.amazon.instead = [DENIED] * 3
    await book.orders.round()
    state = await book.orders.state(account_id, by=SYSTEM)
    assert (state.lacks, state.failures) == ("", 1)
    assert "403" in state.last_error


async def test_what_is_personal_leaves_thirty_days_after_amazons_last_change(book: Book) -> None:
    account_id = await book.seller()
    order_id = book.amazon.put()
    book.fakes.clock.move(days=20)
    await book.orders.round()
    assert (await book.orders.order(account_id, order_id, by=TRUSTED, personal=True)).opened
    book.fakes.clock.move(days=10)
    told = await book.orders.order(account_id, order_id, by=TRUSTED, personal=True)
    assert (told.opened, told.order.order_id) == (False, order_id)


# --- forgetting -------------------------------------------------------------------------------


async def test_orders_are_forgotten_thirty_days_after_their_last_change(book: Book) -> None:
    await book.seller()
    old, kept = book.amazon.put(), book.amazon.put()
    await book.pass_by()
    book.fakes.clock.move(days=29)
    book.amazon.change(kept, fulfillment={"fulfillmentStatus": "SHIPPED"})
    await book.pass_by()
    assert await book.orders.purge(book.fakes.clock.now()) == 0
    book.fakes.clock.move(days=1)
    assert await book.orders.purge(book.fakes.clock.now()) == 1
    assert [row.order_id for row in await book.rows()] == [kept]
    assert old not in str(book.fakes.store.rows["safe"])
    assert await book.personal() == 1


async def test_orders_of_a_closed_account_are_forgotten_at_once(book: Book) -> None:
    account_id, other = await book.seller(), await book.seller()
    book.amazon.put()
    await book.pass_by()
    assert len(await book.rows()) == 2
    await book.desk.accounts.close(account_id, by=SYSTEM)
    await book.pass_by()
    assert await book.orders.purge(book.fakes.clock.now()) == 1
    assert {row.account_id for row in await book.rows()} == {other}
    assert await book.personal() == 1
    assert await book.orders.purge(book.fakes.clock.now()) == 0
    lines = await journal.read(book.desk.store, SYSTEM, verb="orders.purged")
    assert [line.facts for line in lines] == [{"old": 0, "of_closed_accounts": 1}]


# --- handing on -------------------------------------------------------------------------------


async def test_pages_from_a_position_miss_nothing_and_repeat_nothing(book: Book) -> None:
    account_id = await book.seller()
    for _ in range(7):
        book.amazon.put()
    await book.pass_by()
    await book.orders.note_changed(account_id, "902-0000000-0000000")  # nobody is told of it
    after, seen = 0, []
    while found := await book.orders.orders(by=READER, after=after, limit=2):
        seen += [one.order.order_id for one in found]
        after = found[-1].order.position
    assert sorted(seen) == sorted(book.amazon.orders)


async def test_who_waits_is_told_as_soon_as_there_is_one(book: Book) -> None:
    await book.seller()
    assert await book.orders.orders(by=READER, wait_s=0.01) == []
    book.amazon.put()
    await book.pass_by()
    assert len(await book.orders.orders(by=READER, wait_s=30.0)) == 1


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"after": -1}, {"wait_s": 31.0}])
async def test_wishes_that_make_no_sense_are_refused(book: Book, wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        await book.orders.orders(by=READER, **wrong)  # type: ignore[arg-type]


async def test_the_latest_orders_within_reach(book: Book) -> None:
    account_id = await book.seller()
    other_id = await book.seller()
    first = book.amazon.put()
    await book.pass_by()
    second = book.amazon.put()
    await book.pass_by()
    narrow = Caller(kind=CallerKind.OPERATOR, id="opr_x", rights=frozenset({Right.ORDERS}))
    found = await book.orders.latest(by=narrow)
    assert found[0].order.order_id == second
    assert not [one for one in found if one.opened or "buyer" in one.body]
    (only,) = await book.orders.latest(by=narrow, order_id=first, account_id=account_id)
    assert only.order.order_id == first
    bound = replace(narrow, account_ids=frozenset({other_id}))
    assert {one.order.account_id for one in await book.orders.latest(by=bound)} <= {other_id}
    with pytest.raises(NotFound):
        await book.orders.latest(by=bound, account_id=account_id)
    with pytest.raises(InvalidInput):
        await book.orders.latest(by=narrow, limit=0)
    with pytest.raises(NotAllowed):
        await book.orders.latest(by=replace(narrow, rights=frozenset({Right.READ})))
    with pytest.raises(NotAllowed):
        await book.orders.order(account_id, first, by=narrow, personal=True)


async def test_an_account_that_moved_on_is_out_of_reach_with_its_orders(book: Book) -> None:
    account_id = await book.seller()
    order_id = book.amazon.put()
    await book.pass_by()
    bound = Caller(
        kind=CallerKind.API_KEY,
        id="key_bound",
        rights=frozenset({Right.AMAZON_READ, Right.PERSONAL_DATA}),
        client_instance_id=book.instance_id,
    )
    assert len(await book.orders.orders(by=bound, personal=True)) == 1
    async with book.fakes.store.transaction() as tx:
        instance = await tx.instances.get(book.instance_id)
        assert instance is not None
        other = f"{instance.id[:-1]}{'1' if instance.id.endswith('0') else '0'}"
        await tx.instances.add(replace(instance, id=other, name="other"))
        await tx.accounts.change(account_id, client_instance_id=other)
    assert await book.orders.orders(by=bound, personal=True) == []
    with pytest.raises(NotFound):
        await book.orders.order(account_id, order_id, by=bound)


# --- at once ----------------------------------------------------------------------------------


async def test_a_look_at_many_accounts_is_news_only_where_something_is_new(book: Book) -> None:
    first, second = await book.seller(), await book.seller()
    await book.pass_by()
    book.fakes.clock.move(minutes=30)
    async with aclosing(book.desk.news.listen()) as hearing:
        await book.pass_by()
        assert [one for one in hearing.waiting() if one.topic == Topic.ORDERS] == []
        state = await book.orders.ask_for_sweep(first, by=SYSTEM)
        assert state.due_at == book.fakes.clock.now()
        assert book.fakes.bell.orders == [first]
        assert [one.account_id for one in hearing.waiting() if one.topic == Topic.ORDERS] == [first]
        swept = await book.orders.sweep_asked(first)
        assert swept.failed == 0
        told = {one.account_id for one in hearing.waiting() if one.topic == Topic.ORDERS}
        assert told == {first}
    with pytest.raises(NotAllowed):
        await book.orders.ask_for_sweep(second, by=READER)
    assert book.fakes.bell.orders == [first]


async def test_a_sweep_at_once_says_how_far_it_came(book: Book) -> None:
    account_id = await book.seller()
    book.amazon.put()
    book.fakes.clock.move(minutes=5)
    state = await book.orders.sweep_now(account_id, by=SYSTEM)
    assert (state.orders, state.under_way, state.last_error) == (1, False, "")
    assert state.swept_at == book.fakes.clock.now()
    assert await journal.read(book.desk.store, SYSTEM, verb="orders.sweep_asked")
    await book.as_state(account_id, State.LAPSED)
    with pytest.raises(GrantLapsed):
        await book.orders.sweep_now(account_id, by=SYSTEM)
    with pytest.raises(NotAllowed):
        await book.orders.sweep_now(account_id, by=READER)
