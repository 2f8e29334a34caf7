"""The order book: sweeps of sellers and vendors, and orders that a notification names."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from evergrant.errors import AmazonUnavailable, NotFound
from evergrant.ports.traded import OrderKind
from evergrant.rules.lifecycle import State
from evergrant.rules.order_sweeps import FIRST_SPAN, SETTLED
from evergrant.rules.rights import SYSTEM
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.orders_ground import DIRECT, READER, RETAIL, SEARCH, TRUSTED, Book, ok, text

PERSONAL = ("Wilhelmina", "w@buyers.example", "Gasse 7")
DENIED = error_answer(403, "Unauthorized", "Access to requested resource is denied.")
BROKEN = error_answer(500, "InternalFailure", "We encountered an internal error.")


@pytest.fixture
async def book() -> Book:
    return await Book.opened()


# --- sweeps -----------------------------------------------------------------------------------


async def test_the_orders_of_an_account_arrive_once_each_and_are_told(book: Book) -> None:
    account_id = await book.seller()
    wanted = [book.amazon.put() for _ in range(7)]
    swept = [await book.orders.round()]
    for _ in range(3):
        book.fakes.clock.move(minutes=11)
        swept.append(await book.orders.round())
    rows = sorted(await book.rows(), key=lambda row: row.position)
    assert sorted(row.order_id for row in rows) == sorted(wanted)
    assert sum(one.received for one in swept) == 7
    assert await book.told_words() == [("order.received", row.order_id) for row in rows]
    row = rows[0]
    assert (row.kind, row.status, row.account_id) == (OrderKind.SELLER, "UNSHIPPED", account_id)
    assert row.marketplace_id == "A1PA6795UKMFR9"
    assert book.fakes.bell.rung, "webhooks are rung for"


async def test_what_did_not_change_makes_no_position_and_no_event(book: Book) -> None:
    await book.seller()
    order_id = book.amazon.put()
    for _ in range(3):
        await book.pass_by()
    (before,) = await book.rows()
    book.amazon.orders[order_id] = dict(reversed(book.amazon.orders[order_id].items()))
    for _ in range(2):
        book.fakes.clock.move(minutes=1)
        await book.desk.orders.sweep_now(before.account_id, by=SYSTEM)
    assert await book.rows() == [before]
    assert len(await book.told_of_orders()) == 1


async def test_an_order_that_changes_comes_again_behind_all_others(book: Book) -> None:
    await book.seller()
    first, second = book.amazon.put(), book.amazon.put()
    await book.pass_by()
    await book.pass_by()
    book.amazon.change(first, fulfillment={"fulfillmentStatus": "SHIPPED"})
    await book.pass_by()
    found = await book.orders.orders(by=READER)
    assert [(one.order.order_id, one.order.status) for one in found] == [
        (second, "UNSHIPPED"),
        (first, "SHIPPED"),
    ]
    assert (await book.told_words())[-1] == ("order.changed", first)
    event = (await book.told_of_orders())[-1]
    assert event.facts["status"] == "SHIPPED"
    assert not any(word in str(event.facts) for word in PERSONAL)


async def test_the_first_sweep_reads_thirty_days_and_the_next_from_the_bound(book: Book) -> None:
    account_id = await book.seller()
    began = book.fakes.clock.now()
    await book.orders.round()
    first = dict(book.amazon.asked[0].query)
    assert first["lastUpdatedAfter"] == f"{began - FIRST_SPAN:%Y-%m-%dT%H:%M:%SZ}"
    assert (await book.sweep(account_id)).bound_at == (began - SETTLED).replace(microsecond=0)
    asked = len(book.amazon.asked)
    await book.pass_by()
    (again,) = book.amazon.asked[asked:]
    since = dict(again.query)["lastUpdatedAfter"]
    assert since == f"{began - SETTLED - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"


async def test_nothing_is_asked_before_the_interval_is_over(book: Book) -> None:
    await book.seller()
    await book.orders.round()
    asked = len(book.amazon.asked)
    await book.pass_by(minutes=9)
    assert len(book.amazon.asked) == asked
    await book.pass_by(minutes=2)
    assert len(book.amazon.asked) == asked + 1


async def test_amazon_that_fails_in_the_middle_costs_no_order(book: Book) -> None:
    account_id = await book.seller()
    wanted = [book.amazon.put() for _ in range(8)]
    await book.pass_by(minutes=20)  # the last of five windows has them all
    book.fakes.clock.move(minutes=20)
    for order_id in wanted:
        book.amazon.change(order_id, fulfillment={"fulfillmentStatus": "SHIPPED"})
    book.fakes.clock.move(minutes=20)
    before = (await book.sweep(account_id)).bound_at
    book.amazon.instead = [None, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN]
    swept = await book.orders.round()
    assert (swept.pages, swept.changed, swept.failed) == (1, 3, 1)
    stuck = await book.sweep(account_id)
    assert stuck.bound_at == before, "the bound never jumps over pages that failed"
    assert (stuck.failures, "500" in stuck.last_error) == (1, True)
    book.amazon.instead = [AmazonUnavailable()] * 5
    await book.pass_by(minutes=2)
    assert (await book.sweep(account_id)).failures == 2
    book.amazon.instead = []
    await book.pass_by(minutes=4)
    assert {row.status for row in await book.rows()} == {"SHIPPED"}
    done = await book.sweep(account_id)
    assert (done.page, done.failures, done.last_error) == ("", 0, "")
    assert done.bound_at is not None
    assert before is not None
    assert done.bound_at > before
    assert len(await book.told_of_orders()) == 16


async def test_a_mark_that_leads_to_itself_is_not_the_end(book: Book) -> None:
    account_id = await book.seller()
    for _ in range(5):
        await book.pass_by()
    before = (await book.sweep(account_id)).bound_at
    round_and_round = ok({"orders": [], "pagination": {"nextToken": "round"}})
    book.amazon.instead = [round_and_round, round_and_round]
    await book.pass_by()
    stuck = await book.sweep(account_id)
    assert (stuck.bound_at, stuck.failures) == (before, 1)


async def test_permits_that_are_spent_are_waited_for_and_the_sweep_goes_on(book: Book) -> None:
    account_id = await book.seller()
    wanted = {book.amazon.put() for _ in range(75)}
    book.fakes.clock.move(minutes=20)
    swept = await book.orders.round()
    assert swept.waiting == 1
    waiting = await book.sweep(account_id)
    assert waiting.page
    assert waiting.due_at is not None
    assert waiting.due_at > book.fakes.clock.now()
    rounds = 0
    while {row.order_id for row in await book.rows()} != wanted:
        book.fakes.clock.move(minutes=3)
        await book.orders.round()
        rounds += 1
        assert rounds < 20
    assert len(await book.told_of_orders()) == 75


async def test_marks_die_after_a_day_and_half_of_the_window_is_tried(book: Book) -> None:
    account_id = await book.seller()
    for _ in range(3):
        await book.pass_by()
    wanted = [book.amazon.put() for _ in range(10)]
    book.fakes.clock.move(minutes=20)
    book.amazon.instead = [None, None, BROKEN, BROKEN, BROKEN, BROKEN]
    await book.orders.round()
    before = await book.sweep(account_id)
    assert before.page
    book.amazon.instead = []
    book.fakes.clock.move(hours=25)
    await book.orders.round()
    halved = await book.sweep(account_id)
    assert halved.page == "updated:"
    assert halved.bound_at == before.bound_at
    for _ in range(12):
        await book.pass_by()
    assert {row.order_id for row in await book.rows()} == set(wanted)
    assert len(await book.told_of_orders()) == 10


async def test_an_account_far_behind_is_read_window_by_window(book: Book) -> None:
    await book.seller()
    wanted = set()
    for _ in range(10):
        wanted.add(book.amazon.put())
        book.fakes.clock.move(days=2, hours=21)
    await book.orders.round()
    assert {row.order_id for row in await book.rows()} == wanted
    spans = [dict(call.query) for call in book.amazon.asked]
    assert len({span["lastUpdatedAfter"] for span in spans}) == 5


async def test_an_account_that_lapsed_rests_and_goes_on_from_its_bound(book: Book) -> None:
    account_id = await book.seller()
    for _ in range(3):
        await book.pass_by()
    bound = (await book.sweep(account_id)).bound_at
    await book.as_state(account_id, State.LAPSED)
    asked = len(book.amazon.asked)
    missed = book.amazon.put()
    for _ in range(3):
        await book.pass_by()
    assert len(book.amazon.asked) == asked
    assert (await book.sweep(account_id)).due_at is None
    await book.as_state(account_id, State.ACTIVE)
    await book.pass_by()
    assert {row.order_id for row in await book.rows()} == {missed}
    assert bound is not None
    since = dict(book.amazon.asked[asked].query)["lastUpdatedAfter"]
    assert since == f"{bound - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"


async def test_without_merchant_token_or_vendor_code_nothing_is_asked_and_it_is_said(
    book: Book,
) -> None:
    seller = await book.seller(merchant_token="")
    vendor = await book.vendor(vendor_codes=["ABCDE"])
    async with book.fakes.store.transaction() as tx:
        await tx.accounts.change(vendor, vendor_codes=())
        row = await tx.authorizations.one(account_id=seller)
        assert row is not None
        await tx.authorizations.change(row.id, selling_partner_id="")
    await book.orders.round()
    assert book.amazon.asked == []
    states = {one.account_id: one for one in await book.orders.states(by=SYSTEM)}
    assert (states[seller].lacks, states[vendor].lacks) == ("merchant_token", "vendor_code")
    assert "merchant token" in states[seller].why
    await book.desk.accounts.change(seller, {"merchant_token": "A2HERONBOOKS00"}, by=SYSTEM)
    await book.pass_by()
    assert {call.path for call in book.amazon.asked} == {SEARCH}
    assert (await book.orders.state(seller, by=SYSTEM)).lacks == ""


async def test_an_older_state_never_lies_over_a_newer_one(book: Book) -> None:
    account_id = await book.seller()
    order_id = book.amazon.put()
    await book.pass_by()
    await book.pass_by()
    stale = dict(book.amazon.orders[order_id])
    book.fakes.clock.move(minutes=1)
    book.amazon.change(order_id, fulfillment={"fulfillmentStatus": "CANCELLED"})
    await book.orders.note_changed(account_id, order_id)
    await book.orders.round()
    (before,) = await book.rows()
    assert before.status == "CANCELLED"
    stale["fulfillment"] = {"fulfillmentStatus": "PENDING"}
    book.amazon.instead = [ok({"orders": [stale]})]
    await book.pass_by()
    assert await book.rows() == [before]


async def test_orders_without_an_id_do_not_keep_the_others(book: Book) -> None:
    await book.seller()
    good = book.amazon.put()
    odd = [{"orderId": 7}, {"createdTime": "soon"}, {"orderId": "a/b"}]
    book.amazon.instead = [ok({"orders": [*odd, book.amazon.orders[good]]})]
    await book.orders.round()
    assert [row.order_id for row in await book.rows()] == [good]


async def test_answers_in_no_known_shape_are_failures_that_are_told(book: Book) -> None:
    account_id = await book.seller()
    for body in ({"orders": 7}, {"orders": [7]}, {"pagination": {"nextToken": 7}}):
        book.amazon.instead = [ok(body)]
        await book.pass_by(minutes=60)
        assert (await book.orders.state(account_id, by=SYSTEM)).last_error, body
    book.amazon.instead = []
    await book.pass_by(minutes=60)
    assert (await book.orders.state(account_id, by=SYSTEM)).last_error == ""


# --- orders that a notification names -----------------------------------------------------------


async def test_an_order_that_is_named_is_read_at_once(book: Book) -> None:
    account_id = await book.seller()
    await book.orders.round()
    order_id = book.amazon.put()
    assert await book.orders.note_changed(account_id, order_id)
    assert await book.orders.orders(by=READER) == [], "nothing is known of it yet"
    with pytest.raises(NotFound):
        await book.orders.order(account_id, order_id, by=READER)
    assert (await book.orders.round()).fetched == 1
    assert await book.told_words() == [("order.received", order_id)]
    for _ in range(3):
        await book.pass_by()
    assert len(await book.told_of_orders()) == 1, "the sweep finds it as it is"
    (row,) = await book.rows()
    assert row.fetch_due_at is None


async def test_news_that_come_while_an_order_is_read_are_read_too(book: Book) -> None:
    account_id = await book.seller()
    await book.orders.round()
    order_id = book.amazon.put()
    await book.orders.note_changed(account_id, order_id)

    async def named_again() -> None:
        book.fakes.clock.move(seconds=1)
        book.amazon.change(order_id, fulfillment={"fulfillmentStatus": "SHIPPED"})
        await book.orders.note_changed(account_id, order_id)

    book.api.meanwhile = named_again
    await book.orders.round()
    (row,) = await book.rows()
    assert row.fetch_due_at is not None
    await book.orders.round()
    (row,) = await book.rows()
    assert (row.status, row.fetch_due_at) == ("SHIPPED", None)


async def test_an_order_that_cannot_be_read_yet_is_tried_for_an_hour(book: Book) -> None:
    account_id = await book.seller()
    await book.orders.round()
    await book.orders.note_changed(account_id, "902-0000000-0000000")
    for _ in range(8):
        await book.orders.round()
        assert len(await book.rows()) == 1
        book.fakes.clock.move(minutes=6)
    for _ in range(5):
        book.fakes.clock.move(minutes=6)
        await book.orders.round()
    assert await book.rows() == []


async def test_what_cannot_be_read_is_not_noted(book: Book) -> None:
    seller, vendor = await book.seller(), await book.vendor()
    for account_id, order_id in (
        (vendor, "PO1"),
        ("acc_01k9z4h6q8w2e5r7t9y1a3s5d7", "902-1"),
        (seller, "../feeds"),
        (seller, ""),
    ):
        assert not await book.orders.note_changed(account_id, order_id)
    await book.as_state(seller, State.REVOKED)
    assert not await book.orders.note_changed(seller, "902-1")
    assert await book.rows() == []


async def test_many_named_orders_share_the_bucket_and_all_are_read(book: Book) -> None:
    account_id = await book.seller()
    await book.orders.round()
    wanted = {book.amazon.put() for _ in range(40)}
    for order_id in wanted:
        await book.orders.note_changed(account_id, order_id)
    swept = await book.orders.round()
    assert (swept.waiting, 25 <= swept.fetched <= 30) == (1, True)
    for _ in range(2):
        book.fakes.clock.move(seconds=30)
        await book.orders.round()
    assert {row.order_id for row in await book.rows() if row.digest} == wanted
    assert len(await book.told_of_orders()) == 40


# --- vendors ------------------------------------------------------------------------------------


def purchase_order(number: str, at: str, **more: object) -> dict[str, object]:
    details = {
        "purchaseOrderDate": at,
        "shipToParty": {"partyId": "BER3", "address": {"name": "Amazon", "phone": "030 1"}},
        "items": [{"itemSequenceNumber": "1", "vendorProductIdentifier": "SKU-1"}],
        **more,
    }
    return {"purchaseOrderNumber": number, "purchaseOrderState": "New", "orderDetails": details}


async def test_purchase_orders_arrive_by_creation_and_by_change(book: Book) -> None:
    account_id = await book.vendor()
    at = text(book.fakes.clock.now())
    for number in range(7):
        book.amazon.orders[f"PO{number}"] = purchase_order(f"PO{number}", at)
    for _ in range(3):
        await book.pass_by()
    assert {row.order_id for row in await book.rows()} == {f"PO{one}" for one in range(7)}
    assert {row.kind for row in await book.rows()} == {OrderKind.RETAIL}
    assert {call.path for call in book.amazon.asked} == {RETAIL}
    book.fakes.clock.move(days=9)
    changed_at = text(book.fakes.clock.now())
    changed = purchase_order("PO3", at, purchaseOrderChangedDate=changed_at)
    book.amazon.orders["PO3"] = {**changed, "purchaseOrderState": "Closed"}
    await book.pass_by()
    assert await book.told_words() == [
        *(("order.received", f"PO{one}") for one in range(7)),
        ("order.changed", "PO3"),
    ]
    assert (await book.orders.order(account_id, "PO3", by=READER)).order.status == "Closed"


async def test_direct_fulfillment_orders_arrive_and_change_though_no_list_tells(
    book: Book,
) -> None:
    account_id = await book.vendor("direct_fulfillment")
    order = {
        "purchaseOrderNumber": "DF1",
        "orderDetails": {
            "orderDate": text(book.fakes.clock.now()),
            "orderStatus": "NEW",
            "shipToParty": {"name": "Wilhelmina", "addressLine1": "Gasse 7"},
            "items": [{"giftDetails": {"giftMessage": "Dear w@buyers.example"}}],
        },
    }
    book.amazon.orders["DF1"] = order
    await book.pass_by()
    plain = await book.orders.order(account_id, "DF1", by=READER)
    assert not [word for word in PERSONAL if word in json.dumps(plain.body)]
    whole = await book.orders.order(account_id, "DF1", by=TRUSTED, personal=True)
    assert whole.body == order
    assert {call.path for call in book.amazon.asked} == {DIRECT}
    details = {**order["orderDetails"], "orderStatus": "CANCELLED"}  # type: ignore[dict-item]
    book.amazon.orders["DF1"] = {**order, "orderDetails": details}
    for _ in range(7):
        await book.pass_by()
    assert (await book.orders.order(account_id, "DF1", by=READER)).order.status == "CANCELLED"
    assert await book.told_words() == [("order.received", "DF1"), ("order.changed", "DF1")]
