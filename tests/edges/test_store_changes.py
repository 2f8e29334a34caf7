"""The contract of ``ports.Changes``, on the store in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta, timezone
from typing import Any

import psycopg
import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import StoreUnavailable
from evergrant.ports.store import AlreadyThere, Store
from evergrant.ports.traded import ChangeCount
from evergrant.rules.changes import ChangeKind, ChangeState, Lane
from evergrant.testing.store import MemoryStore
from tests.edges.changes_ground import (
    ACCEPTED,
    EVERY_KIND,
    IN_FLIGHT,
    NOW,
    PENDING,
    REFUSED,
    add,
    change,
    claim,
    furnish,
    got,
    outcome,
    pick,
    states,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    opened = await open_store(request.getfixturevalue("database_url"))
    yield opened
    await opened.close()


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes on one database, which holds an account with its work."""
    one, other = await open_store(database_url), await open_store(database_url)
    async with one.transaction() as tx:
        await furnish(tx)
    yield one, other
    await one.close()
    await other.close()


# --- in and out --------------------------------------------------------------------------------


async def test_a_change_comes_back_as_it_was(store: Store) -> None:
    full = change(
        1,
        reference="row\t7 \\N \N{SNOWMAN}",
        wish={"nested": {"list": [1, 2.5, None, True, "\u00fc\t\n\\"]}},
        next_at=NOW,
        code="c",
        message="one\ntwo",
    )
    await add(store, full, change(2))
    assert await got(store, 1) == full
    assert type((await got(store, 1)).kind) is ChangeKind
    async with store.transaction() as tx:
        assert await tx.changes.get("unknown") is None
        assert await tx.changes.get("chg\0") is None


async def test_odd_values_are_made_storable_or_refused(store: Store) -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    odd = change(1, "a\0b", created_at=tokyo, wish={"q\0": "\ud800", "t": (1, 2)})
    await add(store, odd)
    found = await got(store, 1)
    assert found.subject == "a\N{REPLACEMENT CHARACTER}b"
    assert found.created_at == NOW
    assert found.wish["t"] == [1, 2]
    for wrong in ({"line": "1"}, {"kind": "stock"}, {"created_at": NOW.replace(tzinfo=None)}):
        async with store.transaction() as tx:
            with pytest.raises(TypeError):
                await tx.changes.add_all([change(2), change(3, **wrong)])
            # All or none, and the transaction stays usable.
            await tx.changes.add_all([change(4)])
            assert [one.line for one in await tx.changes.read()] == [1, 4]
            await tx.changes.decide([change(4).id], PENDING, outcome(4, REFUSED), NOW)
            await tx.changes.purge(NOW + MINUTE, EVERY_KIND, limit=9)


async def test_an_id_is_there_once(store: Store) -> None:
    await add(store, change(1))
    async with store.transaction() as tx:
        with pytest.raises(AlreadyThere) as refused:
            await tx.changes.add_all([change(2), change(1, wish={"other": 1})])
        assert refused.value.constraint == "changes_pkey"
        with pytest.raises(AlreadyThere):
            await tx.changes.add_all([change(3), change(3)])
        await tx.changes.add_all([change(4)])
        await tx.changes.add_all([])
    assert await states(store) == {1: "pending", 4: "pending"}


async def test_what_is_rolled_back_was_never_there(store: Store) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with store.transaction() as tx:
            await tx.changes.add_all([change(1)])
            raise ZeroDivisionError
    assert await states(store) == {}


async def test_reading(store: Store) -> None:
    await add(
        store,
        change(1, reference="a", intake_id="int_2"),
        change(2, "SKU-1", kind=ChangeKind.PRICE),
        change(3, account_id="acc_2"),
        change(4, run_id="run_1", state=IN_FLIGHT, message_id=1),
        change(5, state=REFUSED, settled_at=NOW),
    )

    async def ids(**asked: Any) -> list[int]:
        async with store.transaction() as tx:
            return [one.line for one in await tx.changes.read(**asked)]

    assert await ids() == [1, 2, 3, 4, 5]
    assert await ids(limit=2) == [1, 2]
    assert await ids(after="chg_000003") == [4, 5]
    assert await ids(account_id="acc_2") == [3]
    assert await ids(subject="SKU-1") == [1, 2]
    assert await ids(subject="SKU-1", kind=ChangeKind.PRICE) == [2]
    assert await ids(reference="a") == [1]
    assert await ids(run_id="run_1") == [4]
    assert await ids(intake_id="int_2") == [1]
    assert await ids(states={IN_FLIGHT, REFUSED}) == [4, 5]
    assert await ids(states=[]) == []
    assert await ids(account_id="acc_1", states=[PENDING], after="chg_000001") == [2]
    assert await ids(newest_first=True) == [5, 4, 3, 2, 1]
    assert await ids(newest_first=True, after="chg_000003", limit=1) == [2]
    assert await ids(newest_first=True, subject="SKU-1", after="chg_000002") == [1]


async def test_accounts_with_something_open_or_refused_lately(store: Store) -> None:
    async with store.transaction() as tx:
        assert await tx.changes.busy(refused_since=NOW) == []
    await add(
        store,
        change(1),
        change(2),
        change(3, account_id="acc_2", state=REFUSED, settled_at=NOW),
    )
    async with store.transaction() as tx:
        assert await tx.changes.busy(refused_since=NOW) == ["acc_1", "acc_2"]
        assert await tx.changes.busy(refused_since=NOW + timedelta(seconds=1)) == ["acc_1"]


async def test_what_is_known_of_a_thing(store: Store) -> None:
    refund: dict[str, Any] = {"kind": ChangeKind.REFUND, "key": "r1"}
    await add(
        store,
        change(1, "302-1", **refund, state=REFUSED),
        change(2, "302-1", **refund, state=ACCEPTED),
        change(3, "302-1", **refund, state=ChangeState.SUPERSEDED),
        change(4, "302-1", **refund, state=ChangeState.WITHDRAWN),
        change(5, "302-1", **refund),
        change(6, "302-1", kind=ChangeKind.REFUND, key="r2"),
        change(7, "302-1", kind=ChangeKind.INVOICE, key="r1"),
        change(8, "302-1", **refund, account_id="acc_2"),
    )
    async with store.transaction() as tx:
        found = await tx.changes.known("acc_1", ChangeKind.REFUND, ["r1", "r2", "r3"])
        assert await tx.changes.known("acc_1", ChangeKind.REFUND, []) == {}
    assert {key: [one.line for one in some] for key, some in found.items()} == {
        "r1": [1, 2, 5],
        "r2": [6],
    }


async def test_counts(store: Store) -> None:
    await add(
        store,
        change(1, created_at=NOW - MINUTE),
        change(2),
        change(3, kind=ChangeKind.PRICE, state=IN_FLIGHT, run_id="r", message_id=1),
        change(4, account_id="acc_2", state=ChangeState.UNCERTAIN),
        change(5, state=REFUSED, settled_at=NOW + MINUTE),
        change(6, state=REFUSED, settled_at=NOW - MINUTE),
    )

    async def counted(*asked: Any, **more: Any) -> list[tuple[str, str, str, int, Any]]:
        async with store.transaction() as tx:
            found = await tx.changes.counts(*asked, **more)
        assert {type(one) for one in found} <= {ChangeCount}
        return [
            (one.account_id, one.kind.value, one.state.value, one.count, one.oldest_at)
            for one in found
        ]

    of_one = [
        ("acc_1", "price", "in_flight", 1, NOW),
        ("acc_1", "stock", "pending", 2, NOW - MINUTE),
    ]
    assert await counted() == [*of_one, ("acc_2", "stock", "uncertain", 1, NOW)]
    assert await counted(["acc_1", "acc_3"]) == of_one
    assert await counted([]) == []
    refused = ("acc_1", "stock", "refused", 1, NOW + MINUTE)
    assert await counted(["acc_1"], settled_since=NOW) == [*of_one, refused]
    assert await counted(["acc_2"], settled_since=NOW) == [("acc_2", "stock", "uncertain", 1, NOW)]


# --- planning ----------------------------------------------------------------------------------


async def plannable(store: Store, **asked: Any) -> list[int]:
    async with store.transaction() as tx:
        found = await tx.changes.plannable(
            "acc_1", asked.pop("kinds", EVERY_KIND), asked.pop("now", NOW), **asked
        )
    return [int(one.id.removeprefix("chg_")) for one in found]


async def test_what_may_be_planned_comes_in_pages(store: Store) -> None:
    # Byte by byte: capitals first, umlauts last.
    await add(
        store,
        change(1, "b", marketplace_id="M2"),
        change(2, "\u00e4"),
        change(3, "b"),
        change(4, "b", kind=ChangeKind.PRICE),
        change(5, "B"),
        change(6, "b"),
        change(7, "a", marketplace_id=""),
        change(8, "a", account_id="acc_2"),
    )
    order = [7, 5, 4, 3, 6, 2, 1]
    assert await plannable(store) == order
    seen: list[int] = []
    after: tuple[str, str, str, str] | None = None
    for _ in order:
        async with store.transaction() as tx:
            (one,) = await tx.changes.plannable("acc_1", EVERY_KIND, NOW, after=after, limit=1)
        seen.append(int(one.id.removeprefix("chg_")))
        after = (one.marketplace_id, one.subject, one.kind.value, one.id)
    assert seen == order
    assert await plannable(store, after=after) == []
    assert await plannable(store, kinds=[ChangeKind.PRICE]) == [4]
    assert await plannable(store, kinds=[]) == []


async def test_a_plan_sees_what_its_own_runs_have_on_the_way(store: Store) -> None:
    await add(
        store,
        change(1, "a"),
        change(2, "a", marketplace_id="M2"),
        change(3, "b"),
        change(4, "b", marketplace_id="M2"),
        change(5, "c", marketplace_id="M2", wish={"price": "1.00"}, code="8541"),
    )
    await claim(store, 1, run="run_1")
    await claim(store, 3, run="run_2")
    assert await plannable(store) == [5]
    assert await plannable(store, together=["run_1"]) == [2, 5]
    assert await plannable(store, together=["run_1", "run_2", "run_3"]) == [2, 4, 5]
    async with store.transaction() as tx:
        (one,) = await tx.changes.plannable("acc_1", EVERY_KIND, NOW)
    known = change(5, "c", marketplace_id="M2", wish={"price": "1.00"}, code="8541")
    assert all(getattr(one, name) == getattr(known, name) for name in one._fields)


async def test_what_is_sold_out_is_found_alone(store: Store) -> None:
    def zero(number: int, subject: str, **values: Any) -> Any:
        return change(number, subject, wish={"quantity": 0}, **values)

    await add(
        store,
        change(1, "a"),
        zero(2, "b"),
        change(3, "b", kind=ChangeKind.PRICE),
        change(4, "b", marketplace_id="M2"),
        # Not the last word, which comes with it.
        zero(5, "c"),
        change(6, "c"),
        zero(7, "d", next_at=NOW + MINUTE),
        zero(8, "e", account_id="acc_2"),
        zero(9, "f"),
        zero(10, "g", kind=ChangeKind.PRICE),
    )
    await claim(store, 9)
    assert await plannable(store, only_zero=True) == [3, 2, 5, 6]
    assert await plannable(store, only_zero=True, limit=2) == [3, 2]
    place = ("M1", "b", "stock", "chg_000002")
    assert await plannable(store, only_zero=True, after=place) == [5, 6]
    assert await plannable(store, only_zero=True, kinds=[ChangeKind.STOCK]) == [2, 5, 6]
    assert await plannable(store, only_zero=True, now=NOW + MINUTE) == [3, 2, 5, 6, 7]


async def test_what_may_not_be_planned_and_why(store: Store) -> None:
    await add(
        store,
        change(1, "a"),
        change(2, "b", next_at=NOW),
        change(3, "c", next_at=NOW + MINUTE),
        change(4, "c", next_at=NOW + 2 * MINUTE),
        # The price of a SKU waits for its stock, wherever; but an order waits for no SKU.
        change(5, "d", state=IN_FLIGHT, run_id="run_1", message_id=1),
        change(6, "d", kind=ChangeKind.PRICE, marketplace_id="M2"),
        change(7, "d", kind=ChangeKind.SHIPMENT),
        change(8, "d", account_id="acc_2"),
        change(9, "d", kind=ChangeKind.PRICE, next_at=NOW + MINUTE),
        change(10, "e", state=REFUSED, settled_at=NOW),
    )
    assert await plannable(store) == [1, 2, 7]
    async with store.transaction() as tx:
        assert await tx.changes.held_up("acc_1", NOW) == [
            (ChangeKind.PRICE, "in_flight", 1, None),
            (ChangeKind.PRICE, "later", 1, NOW + MINUTE),
            (ChangeKind.STOCK, "later", 2, NOW + MINUTE),
        ]
        assert await tx.changes.held_up("acc_2", NOW) == []
    assert await plannable(store, now=NOW + MINUTE) == [1, 2, 3, 7]


# --- claiming ----------------------------------------------------------------------------------


async def test_a_run_claims_what_still_waits(store: Store) -> None:
    await add(
        store,
        *(change(number) for number in (1, 2, 3)),
        change(4, state=ChangeState.WITHDRAWN, settled_at=NOW),
        change(5, account_id="acc_2"),
    )
    assert await claim(store, 3, 1, 4, 5, 6) == [1, 3]
    taken = await got(store, 3)
    assert (taken.state, taken.run_id, taken.message_id, taken.tries) == (IN_FLIGHT, "run_1", 3, 1)
    assert await states(store) == {
        1: "in_flight",
        2: "pending",
        3: "in_flight",
        4: "withdrawn",
        5: "pending",
    }
    # Nobody claims it again, not even the same run.
    assert await claim(store, 1, 2, run="run_2") == [2]
    assert await claim(store, 1) == []
    assert (await got(store, 1)).tries == 1


async def test_who_waited_until_some_instant_forgets_it_when_claimed(store: Store) -> None:
    await add(store, change(1, next_at=NOW))
    assert await claim(store, 1) == [1]
    assert (await got(store, 1)).next_at is None


async def test_nothing_of_one_subject_is_in_flight_twice_in_a_lane(store: Store) -> None:
    await add(
        store,
        change(1, "a"),
        change(2, "a", kind=ChangeKind.PRICE),
        change(3, "a", marketplace_id="M2"),
        change(4, "a", kind=ChangeKind.REFUND),
        change(5, "a", marketplace_id="M3"),
    )
    # One message has both attributes; the runs of one plan have one marketplace each.
    assert await claim(store, 1, 2, run="run_1") == [1, 2]
    assert await claim(store, 3, run="run_2", together=("run_1", "run_2")) == [3]
    assert await claim(store, 4, 5, run="run_3") == [4]
    assert await claim(store, 5, run="run_3", together=["run_1"]) == []  # type: ignore[arg-type]


async def test_of_one_subject_both_are_claimed_together(store: Store) -> None:
    await add(store, change(1, "a"), change(2, "a", kind=ChangeKind.PRICE), change(3, "a"))
    assert await claim(store, 1, 2, 3) == [1, 2, 3]


async def test_a_later_wish_takes_the_place_of_an_earlier_one(store: Store) -> None:
    await add(store, *(change(number, "a") for number in (1, 2, 3)))
    assert await claim(store, 3, superseded={1: 3, 2: 3}) == [3]
    older = await got(store, 1)
    assert older.state is ChangeState.SUPERSEDED
    assert (older.superseded_by, older.settled_at) == ("chg_000003", NOW)
    assert (older.tries, older.run_id) == (0, None)


async def supersede(store: Store, *by: Any, account_id: str = "acc_1") -> int:
    async with store.transaction() as tx:
        return await tx.changes.supersede(account_id, by, NOW + MINUTE)


async def test_a_batch_takes_the_place_of_what_waits(store: Store) -> None:
    """Of the same thing, that is, and not of what a run has."""
    price, shipment = {"kind": ChangeKind.PRICE}, {"kind": ChangeKind.SHIPMENT}
    fresh = [
        change(20, "a"),
        change(21, "b"),
        change(22, "c", marketplace_id="M2"),
        change(23, "302-1", key="302-1/1", **shipment),
    ]
    await add(
        store,
        change(1, "a", next_at=NOW + 60 * MINUTE, code="throttled"),
        change(2, "a"),
        change(3, "a", **price),
        change(4, "a", marketplace_id="M2"),
        change(5, "b"),
        change(6, "c", marketplace_id="M2"),
        change(7, "302-1", key="302-1/1", **shipment),
        change(8, "302-1", key="302-1/2", **shipment),
        change(9, "a", account_id="acc_2"),
        change(30, "a"),
        *fresh,
    )
    await claim(store, 5)
    assert await supersede(store, *fresh) == 4
    assert {
        number: state for number, state in (await states(store)).items() if state != "pending"
    } == {1: "superseded", 2: "superseded", 5: "in_flight", 6: "superseded", 7: "superseded"}
    gone = await got(store, 1)
    assert (gone.superseded_by, gone.settled_at, gone.next_at) == (
        "chg_000020",
        NOW + MINUTE,
        None,
    )
    assert gone.code == "throttled"
    assert await supersede(store, *fresh) == 0
    assert await supersede(store) == 0
    # What comes back from its run gives way as well.
    async with store.transaction() as tx:
        await tx.changes.settle("run_1", [outcome(5, PENDING)], NOW)
    assert (await got(store, 5)).superseded_by == "chg_000021"


async def test_of_several_that_take_a_place_the_latest_has_it(store: Store) -> None:
    await add(store, change(1, "a"), change(2, "a"), change(3, "a"))
    assert await supersede(store, change(3, "a"), change(2, "a")) == 2
    assert {n: (await got(store, n)).superseded_by for n in (1, 2, 3)} == {
        1: "chg_000003",
        2: "chg_000003",
        3: None,
    }


async def test_what_somebody_is_about_to_withdraw_is_left_to_him(
    nodes: tuple[Store, Store],
) -> None:
    one, other = nodes
    await add(one, change(1, "a"), change(2, "a"), change(3, "a"))
    async with one.transaction() as tx:
        await tx.changes.decide(["chg_000001"], PENDING, outcome(1, ChangeState.WITHDRAWN), NOW)
        assert await asyncio.wait_for(supersede(other, change(3, "a")), 60) == 1
    assert await states(one) == {1: "withdrawn", 2: "superseded", 3: "pending"}


async def test_no_wish_is_lost_to_one_that_is_never_sent(store: Store) -> None:
    await add(
        store,
        change(1, "a"),
        change(2, "a", state=ChangeState.WITHDRAWN, settled_at=NOW),
        change(3, "b"),
        change(4, "b", kind=ChangeKind.PRICE, state=IN_FLIGHT, run_id="run_9", message_id=1),
        change(5, "b"),
        change(6, "c"),
        change(7, "c", account_id="acc_2"),
        change(8, "d", state=IN_FLIGHT, run_id="run_9", message_id=2),
        change(9, "d"),
        change(10, "e"),
        change(11, "e"),
    )
    # 2 was withdrawn; 5 cannot be claimed; 8 is on its way already; 11 is no pick: it may wait.
    assert await claim(store, 5, superseded={1: 2, 3: 5, 8: 9, 10: 11, 7: 6, 6: 99}) == []
    assert await states(store) | {10: "superseded"} == await states(store)
    assert [one for one, state in (await states(store)).items() if state == "superseded"] == [10]


async def test_the_messages_of_a_run(store: Store) -> None:
    await add(store, *(change(number) for number in range(1, 8)))
    async with store.transaction() as tx:
        picks = [pick(1, 4), pick(2, 1), pick(3, 2), pick(4, 2), pick(5, 2), pick(6, 3)]
        await tx.changes.claim("acc_1", "run_1", picks, {}, NOW)
        await tx.changes.settle("run_1", [outcome(6)], NOW)

        async def lines(**asked: Any) -> list[int]:
            return [one.line for one in await tx.changes.of_run("run_1", **asked)]

        assert await lines() == [2, 3, 4, 5, 1]
        assert await lines(in_flight=False) == [2, 3, 4, 5, 6, 1]
        # A page ends with a whole message.
        assert await lines(limit=2) == [2, 3, 4, 5]
        assert await lines(after=2, limit=1) == [1]
        assert await lines(after=4) == []
        assert await tx.changes.of_run("run_2") == []


# --- settling ----------------------------------------------------------------------------------


async def test_a_run_settles_what_it_has(store: Store) -> None:
    await add(store, *(change(number) for number in range(1, 6)))
    await claim(store, 1, 2, 3)
    await claim(store, 4, run="run_2")
    refused = outcome(2, REFUSED, code="8541", message="Bad \u00fc", attribute="price")
    outcomes = [outcome(1), refused, outcome(4), outcome(5), outcome(99)]
    async with store.transaction() as tx:
        assert await tx.changes.settle("run_1", outcomes, NOW) == 2
        assert await tx.changes.settle("run_1", outcomes, NOW + MINUTE) == 0
        assert await tx.changes.settle("run_1", [], NOW) == 0
    assert await states(store) == {
        1: "accepted",
        2: "refused",
        3: "in_flight",
        4: "in_flight",
        5: "pending",
    }
    told = await got(store, 2)
    assert (told.code, told.message, told.attribute) == ("8541", "Bad \u00fc", "price")
    assert (told.settled_at, told.run_id, told.message_id) == (NOW, "run_1", 2)
    async with store.transaction() as tx:
        rest = outcome(0, ChangeState.UNCERTAIN, code="unknown")
        assert await tx.changes.settle_rest("run_1", rest, NOW) == 1
        assert await tx.changes.settle_rest("run_1", rest, NOW) == 0
    doubtful = await got(store, 3)
    assert (doubtful.state, doubtful.code) == (ChangeState.UNCERTAIN, "unknown")
    assert doubtful.settled_at is None, "a person decides"


async def test_what_goes_back_waits_with_its_tries_and_last_words(store: Store) -> None:
    await add(store, change(1))
    await claim(store, 1)
    later = NOW + 5 * MINUTE
    async with store.transaction() as tx:
        again = outcome(1, PENDING, code="503", message="Busy", next_at=later)
        assert await tx.changes.settle("run_1", [again], NOW) == 1
    back = await got(store, 1)
    assert (back.state, back.next_at, back.tries) == (PENDING, later, 1)
    assert (back.code, back.message, back.settled_at) == ("503", "Busy", None)
    assert (back.run_id, back.superseded_by) == ("run_1", None)
    assert await claim(store, 1, run="run_2") == [1]
    again_taken = await got(store, 1)
    assert (again_taken.tries, again_taken.next_at, again_taken.code) == (2, None, "503")


@pytest.mark.parametrize(
    ("later", "gives_way"),
    [
        ({}, True),
        ({"state": ACCEPTED, "settled_at": NOW}, True),
        ({"state": IN_FLIGHT, "run_id": "run_2", "message_id": 1}, True),
        ({"state": REFUSED, "settled_at": NOW}, False),
        ({"state": ChangeState.WITHDRAWN, "settled_at": NOW}, False),
        ({"marketplace_id": "M2"}, False),
        ({"account_id": "acc_2"}, False),
        ({"kind": ChangeKind.PRICE}, False),
        ({"key": "other"}, False),
    ],
)
async def test_what_goes_back_gives_way_to_a_later_wish(
    store: Store, later: dict[str, Any], gives_way: bool
) -> None:
    await add(store, change(2, "a"))
    await claim(store, 2)
    # An earlier one does not count, and of two later ones the last does.
    await add(store, change(1, "a"), change(3, "a", **later), change(4, "a", **later))
    async with store.transaction() as tx:
        again = outcome(2, PENDING, code="503", next_at=NOW + MINUTE)
        assert await tx.changes.settle("run_1", [again], NOW) == 1
    back = await got(store, 2)
    if gives_way:
        assert (back.state, back.superseded_by) == (ChangeState.SUPERSEDED, "chg_000004")
        assert (back.settled_at, back.next_at, back.code) == (NOW, None, "503")
    else:
        assert (back.state, back.superseded_by) == (PENDING, None)


@pytest.mark.parametrize("how", ["rest", "decide"])
async def test_what_was_no_try_is_not_counted_as_one(store: Store, how: str) -> None:
    await add(store, change(1), change(2))
    await claim(store, 1, 2)
    back = outcome(1, PENDING, next_at=NOW, counted=False)
    end = outcome(2, ChangeState.REFUSED, counted=False)
    async with store.transaction() as tx:
        await tx.changes.settle("run_1", [end], NOW)
        if how == "rest":
            await tx.changes.settle_rest("run_1", back, NOW)
        else:
            await tx.changes.settle("run_1", [back], NOW)
    assert ((await got(store, 1)).tries, (await got(store, 2)).tries) == (0, 1)


@pytest.mark.parametrize("how", ["rest", "decide"])
async def test_it_gives_way_however_it_goes_back(store: Store, how: str) -> None:
    await add(store, change(1, "a"))
    await claim(store, 1)
    await add(store, change(2, "a"))
    back = outcome(1, PENDING, next_at=NOW)
    async with store.transaction() as tx:
        if how == "rest":
            assert await tx.changes.settle_rest("run_1", back, NOW) == 1
        else:
            assert await tx.changes.decide(["chg_000001"], IN_FLIGHT, back, NOW) == 1
    assert (await got(store, 1)).superseded_by == "chg_000002"


async def test_what_is_to_happen_gives_way_to_nothing(store: Store) -> None:
    shipment: dict[str, Any] = {"kind": ChangeKind.SHIPMENT, "key": "302-1/1"}
    await add(store, change(1, "302-1", **shipment))
    await claim(store, 1)
    await add(store, change(2, "302-1", **shipment))
    async with store.transaction() as tx:
        await tx.changes.settle("run_1", [outcome(1, PENDING, next_at=NOW)], NOW)
    assert (await got(store, 1)).state is PENDING


async def test_a_person_decides(store: Store) -> None:
    await add(
        store,
        change(1),
        change(2),
        change(3, state=ChangeState.UNCERTAIN, run_id="run_1", message_id=1),
    )
    await claim(store, 2, run="run_2")
    everything = ["chg_000001", "chg_000002", "chg_000003", "chg_000001", "unknown"]
    async with store.transaction() as tx:
        gone = outcome(0, ChangeState.WITHDRAWN, code="withdrawn")
        assert await tx.changes.decide(everything, PENDING, gone, NOW) == 1
        sure = outcome(0, message="It was sent.")
        assert await tx.changes.decide(everything, ChangeState.UNCERTAIN, sure, NOW) == 1
        assert await tx.changes.decide([], PENDING, sure, NOW) == 0
    assert await states(store) == {1: "withdrawn", 2: "in_flight", 3: "accepted"}
    assert (await got(store, 1)).settled_at == NOW


async def test_what_was_settled_long_ago_is_forgotten(store: Store) -> None:
    await add(
        store,
        change(1, state=ACCEPTED, settled_at=NOW - 3 * MINUTE),
        change(2, state=REFUSED, settled_at=NOW - 2 * MINUTE),
        change(3, state=ACCEPTED, settled_at=NOW),
        change(4, kind=ChangeKind.REFUND, state=ACCEPTED, settled_at=NOW - MINUTE),
        change(5, created_at=NOW - 9 * MINUTE),
    )
    async with store.transaction() as tx:
        assert await tx.changes.purge(NOW, [ChangeKind.STOCK], limit=1) == 1
    assert list(await states(store)) == [2, 3, 4, 5]
    async with store.transaction() as tx:
        assert await tx.changes.purge(NOW, [], limit=9) == 0
        assert await tx.changes.purge(NOW, [ChangeKind.STOCK, ChangeKind.REFUND], limit=9) == 2
        assert await tx.changes.purge(NOW, EVERY_KIND, limit=9) == 0
    assert list(await states(store)) == [3, 5]


async def test_very_many_at_once(store: Store) -> None:
    many = range(1, 3001)
    await add(store, *(change(number) for number in many))
    assert len(await claim(store, *many, superseded={})) == 3000
    async with store.transaction() as tx:
        outcomes = [outcome(number) for number in many if number % 3]
        assert await tx.changes.settle("run_1", outcomes, NOW) == 2000
        rest = outcome(0, PENDING, next_at=NOW)
        assert await tx.changes.settle_rest("run_1", rest, NOW) == 1000
        assert [(one.state, one.count) for one in await tx.changes.counts()] == [(PENDING, 1000)]
        # More than a statement may have parameters.
        keys = [f"SKU-{number}" for number in range(70_000)]
        assert len(await tx.changes.known("acc_1", ChangeKind.STOCK, keys)) == 3000
        assert await tx.safe.drop_all(keys) == 0


async def test_after_the_end_nothing_is_taken(store: Store) -> None:
    async with store.transaction() as tx:
        pass
    with pytest.raises(RuntimeError):
        await tx.changes.add_all([change(1)])
    with pytest.raises(RuntimeError):
        await tx.changes.decide([], PENDING, outcome(1), NOW)


# --- several at once ---------------------------------------------------------------------------


async def until_one_waits(database_url: str) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = asyncio.get_running_loop().time() + 60
    with psycopg.connect(database_url, autocommit=True) as watcher:
        while watcher.execute(waiting).fetchone() == (0,):
            assert asyncio.get_running_loop().time() < deadline, "nobody waits"
            await asyncio.sleep(0.01)


async def test_who_hands_in_the_same_at_once_sees_the_other(
    nodes: tuple[Store, Store], database_url: str
) -> None:
    one, other = nodes
    refund: dict[str, Any] = {"kind": ChangeKind.REFUND, "key": "r1"}

    async def hand_in_too() -> dict[str, Any]:
        async with other.transaction() as tx:
            return await tx.changes.known("acc_1", ChangeKind.REFUND, ["r1"])

    async with one.transaction() as tx:
        assert await tx.changes.known("acc_1", ChangeKind.REFUND, ["r1"]) == {}
        second = asyncio.create_task(hand_in_too())
        await until_one_waits(database_url)
        await tx.changes.add_all([change(1, **refund)])
    assert list(await second) == ["r1"]


async def test_two_plans_never_have_one_subject_in_flight_twice(
    nodes: tuple[Store, Store], database_url: str
) -> None:
    one, other = nodes
    await add(one, change(1, "a"), change(2, "a", kind=ChangeKind.PRICE))
    async with one.transaction() as tx:
        assert await tx.changes.claim("acc_1", "run_1", [pick(1)], {}, NOW) == ["chg_000001"]
        second = asyncio.create_task(claim(other, 2, run="run_2"))
        await until_one_waits(database_url)
    assert await second == []


async def test_what_a_person_is_about_to_withdraw_is_not_claimed_and_nobody_waits(
    nodes: tuple[Store, Store],
) -> None:
    one, other = nodes
    await add(one, change(1), change(2), change(3, "SKU-2"))
    async with one.transaction() as tx:
        gone = outcome(0, ChangeState.WITHDRAWN)
        await tx.changes.decide(["chg_000001", "chg_000002"], PENDING, gone, NOW)
        # Nor does the earlier one give way to it.
        async with asyncio.timeout(60):
            assert await claim(other, 1, 2, superseded={3: 2}) == []
        # Whoever withdraws rings the account's bell afterwards.
        await tx.work.change("acc_1", due_at=NOW)
    assert await states(one) == {1: "withdrawn", 2: "withdrawn", 3: "pending"}


async def test_a_change_is_settled_once(nodes: tuple[Store, Store], database_url: str) -> None:
    one, other = nodes
    await add(one, change(1))
    await claim(one, 1)

    async def settle_too() -> int:
        async with other.transaction() as tx:
            return await tx.changes.settle("run_1", [outcome(1, REFUSED)], NOW)

    async with one.transaction() as tx:
        assert await tx.changes.settle("run_1", [outcome(1)], NOW) == 1
        second = asyncio.create_task(settle_too())
        await until_one_waits(database_url)
    assert await second == 0
    assert (await got(one, 1)).state is ACCEPTED


async def test_a_connection_that_is_lost_while_changes_come_in(
    nodes: tuple[Store, Store], database_url: str
) -> None:
    one, _ = nodes
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def hand_in() -> None:
        async with one.transaction() as tx:
            await tx.changes.add_all([change(1)])
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(others)
            await tx.changes.add_all([change(2)])

    with pytest.raises(StoreUnavailable):
        await hand_in()
    await add(one, change(3))
    assert await states(one) == {3: "pending"}


def test_lanes_are_what_the_ground_says() -> None:
    assert change(1).lane is Lane.LISTING
    assert change(1, kind=ChangeKind.CANCELLATION).lane is Lane.ORDER
