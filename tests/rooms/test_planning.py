"""The plan of an account: what goes, what waits, and that telling it does nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from evergrant import notices
from evergrant.doorbell import put_due
from evergrant.errors import NotAllowed, NotFound
from evergrant.feeds.denials import subject_of
from evergrant.feeds.planning import Explained, Planned, Planning
from evergrant.limits import Limits
from evergrant.looked_at import LookedAt
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account
from evergrant.ports.traded import AccountWork, Change, FeedRun, Outcome, Plannable
from evergrant.reviews import Reviews
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reviews import ITEMS
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.rules.waits import Why, read
from evergrant.settings import Cooking, HouseValues
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.traded import MemoryChanges
from tests.rooms.hatch_ground import (
    ERP,
    Hatch,
    cancellation,
    invoice,
    order,
    price,
    refund,
    shipment,
    stock,
)

Between = Callable[[], Awaitable[None]]
MINUTE = timedelta(minutes=1)
#: Everything by feed, as far as there is one.
NO_CALLS = Cooking(patch_most=0)


def looked_at(hatch: Hatch, store: Store | None = None) -> LookedAt:
    return LookedAt(store or hatch.store, hatch.clock, hatch.vault, HouseValues())


def planning(hatch: Hatch, cooking: Cooking | None = None, store: Store | None = None) -> Planning:
    store = store or hatch.store
    return Planning(
        store=store,
        clock=hatch.clock,
        limits=Limits(store, hatch.clock, MemoryBudgets(hatch.clock)),
        signed_off=looked_at(hatch, store),
        cooking=cooking or Cooking(),
    )


@pytest.fixture
async def hatch() -> Hatch:
    return await Hatch().open()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add(merchant_token="A1EXAMPLE", sells_in={"DE": True, "FR": True})


async def put(hatch: Hatch, account: Account, *lines: dict[str, Any]) -> list[str]:
    taken = await hatch.taking.put(account.id, lines, by=ERP)
    assert taken.refused == 0, taken.answers
    return [answer.change_id or "" for answer in taken.answers]


async def work(hatch: Hatch, account: Account) -> AccountWork:
    async with hatch.store.transaction() as tx:
        found = await tx.work.get(account.id)
    assert found is not None
    return found


async def runs(hatch: Hatch, account: Account) -> list[FeedRun]:
    async with hatch.store.transaction() as tx:
        return await tx.feed_runs.all(account_id=account.id)


async def all_changes(hatch: Hatch, account: Account) -> list[Change]:
    async with hatch.store.transaction() as tx:
        return await tx.changes.read(account_id=account.id, limit=100_000)


async def settle(hatch: Hatch, run: FeedRun, state: ChangeState = ChangeState.ACCEPTED) -> None:
    now = hatch.clock.now()
    async with hatch.store.transaction() as tx:
        await tx.changes.settle_rest(run.id, Outcome(change_id="", state=state), now)
        await tx.feed_runs.change(run.id, step=RunStep.SETTLED, ended_at=now, next_at=None)


def why(told: Planned | Explained) -> dict[tuple[str, Why], int]:
    return {(one.kind.value, one.why): one.count for one in told.waits}


# --- runs -------------------------------------------------------------------------------------


async def test_stock_and_price_of_one_sku_are_one_message_of_one_run(
    hatch: Hatch, account: Account
) -> None:
    first = await put(hatch, account, stock(), price(amount="18.00"))
    last = await put(hatch, account, stock(quantity=3), price(amount="17.00"))
    planned = await planning(hatch).plan(account.id)
    (run,) = planned.runs
    assert (run.path, run.step, run.changes) == (Path.PATCH, RunStep.PLANNED, 2)
    assert (run.application_id, run.region) == (account.application_id, account.region)
    assert run.next_at == run.created_at == hatch.clock.now()
    assert await runs(hatch, account) == [run]
    by_id = {change.id: change for change in await all_changes(hatch, account)}
    for one in last:
        change = by_id[one]
        assert (change.state, change.run_id) == (ChangeState.IN_FLIGHT, run.id)
        assert (change.message_id, change.tries) == (1, 1)
    for one, by in zip(first, last, strict=True):
        assert by_id[one].state is ChangeState.SUPERSEDED
        assert by_id[one].superseded_by == by
    assert (planned.waits, planned.next_at) == ((), None)
    assert planned.version == (await work(hatch, account)).version


async def test_all_kinds_in_one_plan_each_on_its_path(hatch: Hatch, account: Account) -> None:
    lines = [stock(), shipment(order(1)), invoice(), cancellation(order(2)), refund()]
    await put(hatch, account, *lines, price("MUG-2", marketplace="FR"))
    planned = await planning(hatch, NO_CALLS).plan(account.id)
    found = Counter((run.path, run.marketplace_id) for run in planned.runs)
    germany, france = (STANDARD.by_country(code).marketplace_id for code in ("DE", "FR"))
    assert found == {
        (Path.LISTINGS_FEED, germany): 1,
        (Path.LISTINGS_FEED, france): 1,
        (Path.CONFIRM_SHIPMENT, germany): 1,
        (Path.INVOICE_FEED, germany): 1,
        (Path.ACKNOWLEDGEMENT_FEED, germany): 1,
        (Path.ADJUSTMENT_FEED, germany): 1,
    }
    first = [run.path for run in planned.runs][:2]
    assert first == [Path.ADJUSTMENT_FEED, Path.ACKNOWLEDGEMENT_FEED], "what costs money first"
    assert {change.state for change in await all_changes(hatch, account)} == {ChangeState.IN_FLIGHT}


async def test_one_sku_of_two_marketplaces_is_in_two_feeds_of_one_plan(
    hatch: Hatch, account: Account
) -> None:
    await put(hatch, account, price("B"), price("B", marketplace="FR"), stock("A", 1))
    planned = await planning(hatch, NO_CALLS).plan(account.id)
    assert sorted(run.changes for run in planned.runs) == [1, 2]
    assert not planned.waits


async def test_page_by_page_it_is_the_same_plan(
    hatch: Hatch, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.feeds.planning.PAGE", 2)
    lines = [price(f"S{n}", marketplace=m) for n in range(5) for m in ("DE", "FR")]
    await put(hatch, account, *lines, stock("S3"), shipment(order(1)), refund())
    planned = await planning(hatch, NO_CALLS).plan(account.id)
    assert sorted(run.changes for run in planned.runs) == [1, 1, 5, 6]
    assert not planned.waits


async def test_while_no_feed_may_go_little_more_is_read_than_what_is_sold_out(
    hatch: Hatch, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = planning(hatch, Cooking(patch_most=3))
    await put(hatch, account, *(price(f"A{n}") for n in range(4)))
    (feed,) = (await plans.plan(account.id)).runs
    assert feed.path is Path.LISTINGS_FEED
    await put(
        hatch,
        account,
        *(stock(f"B{n:03}", 5) for n in range(300)),
        *(price(f"B{n:03}") for n in range(300)),
        *(stock(f"B{n:03}", 0, marketplace="FR") for n in range(0, 300, 100)),
        *(price(f"B{n:03}", marketplace="FR") for n in range(300)),
        price("A0", 7),
        stock("Z", 0),
    )
    (later,) = await put(hatch, account, stock("Y", 0))
    async with hatch.store.transaction() as tx:
        await _put_off(tx, later, hatch.clock.now() + 5 * MINUTE)
    shown: list[str] = []
    look = MemoryChanges.plannable

    async def plannable(*asked: Any, **how: Any) -> list[Plannable]:
        page = await look(*asked, **how)
        shown.extend(one.id for one in page)
        return page

    monkeypatch.setattr(MemoryChanges, "plannable", plannable)
    told = await plans.explain(account.id, by=ERP)
    assert len(shown) < 20
    planned = await plans.plan(account.id)
    (run,) = planned.runs
    assert (run.path, run.changes) == (Path.PATCH, 4 + 3)
    assert why(planned) == why(told) == {
        ("stock", Why.FEED_OPEN): 300,
        ("stock", Why.LATER): 1,
        ("price", Why.FEED_OPEN): 600 - 3,
        ("price", Why.IN_FLIGHT): 1,
    }  # fmt: skip


async def test_what_is_in_flight_or_comes_later_waits_until_then(
    hatch: Hatch, account: Account
) -> None:
    await put(hatch, account, stock("A"))
    (run,) = (await planning(hatch).plan(account.id)).runs
    (later,) = await put(hatch, account, stock("B"))
    await put(hatch, account, stock("A", 3), price("A"))
    at = hatch.clock.now() + 5 * MINUTE
    async with hatch.store.transaction() as tx:
        await _put_off(tx, later, at)
    planned = await planning(hatch).plan(account.id)
    assert not planned.runs
    assert why(planned) == {("stock", Why.LATER): 1, ("stock", Why.IN_FLIGHT): 1,
                            ("price", Why.IN_FLIGHT): 1}  # fmt: skip
    assert planned.next_at == at
    assert read((await work(hatch, account)).waits) == list(planned.waits)
    await settle(hatch, run)
    hatch.clock.move(minutes=5)
    planned = await planning(hatch).plan(account.id)
    assert [run.changes for run in planned.runs] == [3]
    assert not (await work(hatch, account)).waits


async def _put_off(tx: Transaction, change_id: str, at: Any) -> None:
    outcome = Outcome(change_id=change_id, state=ChangeState.PENDING, next_at=at)
    assert await tx.changes.decide([change_id], ChangeState.PENDING, outcome, at)


async def test_feeds_of_one_type_wait_for_each_other_and_for_the_time_between(
    hatch: Hatch, account: Account
) -> None:
    plans = planning(hatch, NO_CALLS)
    await put(hatch, account, price("A"))
    (run,) = (await plans.plan(account.id)).runs
    await put(hatch, account, price("B"))
    planned = await plans.plan(account.id)
    assert (why(planned), planned.next_at) == ({("price", Why.FEED_OPEN): 1}, None)
    hatch.clock.move(minutes=1)
    await settle(hatch, run)
    planned = await plans.plan(account.id)
    assert why(planned) == {("price", Why.FEED_INTERVAL): 1}
    assert planned.next_at == run.created_at + 20 * MINUTE
    hatch.clock.set(planned.next_at)
    assert len((await plans.plan(account.id)).runs) == 1


async def test_who_hurries_an_account_does_not_wait_for_the_time_between(
    hatch: Hatch, account: Account
) -> None:
    plans = planning(hatch, NO_CALLS)
    await put(hatch, account, price("A"))
    (run,) = (await plans.plan(account.id)).runs
    await settle(hatch, run)
    hatch.clock.move(minutes=1)
    await put(hatch, account, price("B"))
    async with hatch.store.transaction() as tx:
        await tx.work.change(account.id, hurried_at=hatch.clock.now())
    (second,) = (await plans.plan(account.id)).runs
    await settle(hatch, second)
    await put(hatch, account, price("C"))
    hatch.clock.move(minutes=1)
    assert why(await plans.plan(account.id)) == {("price", Why.FEED_INTERVAL): 1}


async def test_what_amazon_denied_waits_for_an_hour_and_says_so(
    hatch: Hatch, account: Account
) -> None:
    now = hatch.clock.now()
    async with hatch.store.transaction() as tx:
        await notices.put(
            tx,
            now=now,
            kind=NoticeKind.FEED_DENIED,
            subject=subject_of(account.id, Path.INVOICE_FEED),
            account_id=account.id,
            message="No.",
        )
    await put(hatch, account, invoice("R-1", order_id=order(1)), price("A"))
    planned = await planning(hatch).plan(account.id)
    assert [run.path for run in planned.runs] == [Path.PATCH]
    assert why(planned) == {("invoice", Why.DENIED): 1}
    assert planned.next_at == now + 60 * MINUTE
    hatch.clock.set(planned.next_at)
    (run,) = (await planning(hatch).plan(account.id)).runs
    assert run.path is Path.INVOICE_FEED


async def test_invoices_do_not_pile_up(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, *(invoice(f"R-{n}", order_id=order(n)) for n in range(13)))
    planned = await planning(hatch).plan(account.id)
    assert [run.changes for run in planned.runs] == [1] * 10
    assert why(planned) == {("invoice", Why.LIMIT): 3}
    assert why(await planning(hatch).plan(account.id)) == {("invoice", Why.LIMIT): 3}
    await settle(hatch, planned.runs[0])
    assert len((await planning(hatch).plan(account.id)).runs) == 1


# --- what keeps an account --------------------------------------------------------------------


async def test_a_switch_stops_its_kind_and_lets_the_latest_value_go_later(
    hatch: Hatch, account: Account
) -> None:
    await put(hatch, account, stock(), price())
    await switch(hatch, account, Flag.UPDATE_STOCK, on=False)
    planned = await planning(hatch).plan(account.id)
    assert [run.changes for run in planned.runs] == [1]
    assert why(planned) == {("stock", Why.SWITCHED_OFF): 1}
    await settle(hatch, planned.runs[0])
    (last,) = await put(hatch, account, stock(quantity=5))
    await switch(hatch, account, Flag.UPDATE_STOCK, on=True)
    (run,) = (await planning(hatch).plan(account.id)).runs
    async with hatch.store.transaction() as tx:
        assert [change.id for change in await tx.changes.of_run(run.id)] == [last]


async def switch(hatch: Hatch, account: Account, flag: Flag, *, on: bool) -> None:
    async with hatch.store.transaction() as tx:
        await tx.accounts.change(account.id, flags={**account.flags, flag: on})
        await put_due(tx, account.id, hatch.clock.now())


@pytest.mark.parametrize(
    ("state", "reason"), [(State.LAPSED, Why.LAPSED), (State.REVOKED, Why.REVOKED)]
)
async def test_lapsed_and_renewed(
    hatch: Hatch, account: Account, state: State, reason: Why
) -> None:
    await put(hatch, account, stock(), refund())
    async with hatch.store.transaction() as tx:
        authorization = await tx.authorizations.one(account_id=account.id)
        assert authorization is not None
        await tx.authorizations.change(authorization.id, state=state)
    planned = await planning(hatch).plan(account.id)
    assert not planned.runs
    assert why(planned) == {("stock", reason): 1, ("refund", reason): 1}
    async with hatch.store.transaction() as tx:
        await tx.authorizations.change(authorization.id, state=State.ACTIVE)
    assert len((await planning(hatch).plan(account.id)).runs) == 2


async def test_paused_says_by_whom(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, stock())
    async with hatch.store.transaction() as tx:
        await tx.work.change(
            account.id,
            paused_at=hatch.clock.now(),
            paused_by="Ada",
            pause_note="Stocktaking",
        )
    (wait,) = (await planning(hatch).plan(account.id)).waits
    assert wait.sentence == "Somebody paused the account. By Ada: Stocktaking"


async def test_where_it_is_a_condition_everything_has_to_be_signed(
    hatch: Hatch, account: Account
) -> None:
    await put(hatch, account, stock())
    plans = planning(hatch, Cooking(needs_sign_off=True))
    reviews = Reviews(hatch.store, hatch.clock)
    whose = {"", account.application_id, account.client_instance_id}
    things = [one for one in await looked_at(hatch).all() if one.subject in whose]
    assert {one.item.name for one in things} == {
        item.name for item in ITEMS.values() if not item.by_machine
    }
    for thing in things:
        (wait,) = (await plans.plan(account.id)).waits
        assert (wait.why, thing.item.name in wait.more) == (Why.NOT_SIGNED, True)
        await reviews.sign(
            thing.item.name, thing.looked_at, by=ERP, subject=thing.subject, name="Ada"
        )
    assert (await plans.plan(account.id)).runs
    await put(hatch, account, stock("B"))
    hatch.clock.move(min(one.item.lasts for one in things if one.item.lasts is not None))
    assert why(await plans.plan(account.id)) == {("stock", Why.NOT_SIGNED): 1}


async def test_what_changed_after_it_was_signed_has_to_be_signed_again(
    hatch: Hatch, account: Account
) -> None:
    reviews = Reviews(hatch.store, hatch.clock)
    for thing in await looked_at(hatch).all():
        await reviews.sign(
            thing.item.name, thing.looked_at, by=ERP, subject=thing.subject, name="Ada"
        )
    await put(hatch, account, stock())
    plans = planning(hatch, Cooking(needs_sign_off=True))
    async with hatch.store.transaction() as tx:
        await tx.instances.change(
            account.client_instance_id, webhook_url="https://erp.example/another"
        )
    (wait,) = (await plans.plan(account.id)).waits
    assert wait.why is Why.NOT_SIGNED
    assert "instance-webhooks" in wait.more
    assert "registration" not in wait.more


# --- telling it -------------------------------------------------------------------------------


@pytest.mark.parametrize("cooking", [Cooking(), NO_CALLS], ids=["calls", "feeds"])
async def test_what_is_told_is_what_is_done_and_telling_does_nothing(
    hatch: Hatch, account: Account, cooking: Cooking
) -> None:
    plans = planning(hatch, cooking)
    await put(hatch, account, price("Z"))
    await plans.plan(account.id)
    lines = [stock(), stock(quantity=0), price("Z"), shipment(order(1)), cancellation(order(1))]
    await put(hatch, account, *lines, *(invoice(f"R-{n}", order_id=order(n)) for n in range(12)))
    before = (await work(hatch, account), await all_changes(hatch, account))
    told = await plans.explain(account.id, by=ERP)
    assert (await work(hatch, account), await all_changes(hatch, account)) == before
    assert len(await runs(hatch, account)) == 1
    planned = await plans.plan(account.id)
    assert [
        (run.path, run.marketplace_id, sum(run.changes.values()), run.bytes) for run in told.runs
    ] == [(run.path, run.marketplace_id, run.changes, run.bytes) for run in planned.runs]
    assert (told.waits, told.next_at) == (planned.waits, planned.next_at)
    assert told.collapsed == sum(
        change.state is ChangeState.SUPERSEDED for change in await all_changes(hatch, account)
    )
    assert all(run.because.endswith(".") for run in told.runs)
    assert told.due_at == before[0].due_at


async def test_of_a_paused_account_it_is_told_what_would_go_if_it_were_resumed(
    hatch: Hatch, account: Account
) -> None:
    await put(hatch, account, stock(), price("A"), cancellation(order(1)))
    plans = planning(hatch)
    going = await plans.explain(account.id, by=ERP)
    async with hatch.store.transaction() as tx:
        await tx.work.change(account.id, paused_at=hatch.clock.now(), paused_by="operator:ada")
    held = await plans.explain(account.id, by=ERP)
    assert (going.if_resumed, held.if_resumed) == (False, True)
    assert held.runs == going.runs != ()
    assert {(one.kind.value, one.why, one.count) for one in held.waits} == {
        ("stock", Why.PAUSED, 1),
        ("price", Why.PAUSED, 1),
        ("cancellation", Why.PAUSED, 1),
    }
    assert not (await plans.plan(account.id)).runs


async def test_what_is_told_says_what_the_limits_allow(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, *(invoice(f"R-{n}", order_id=order(n)) for n in range(12)), stock())
    told = await planning(hatch).explain(account.id, by=ERP)
    by_name = {one.operation: one for one in told.allowances}
    feeds = by_name["feeds.2021-06-30.createFeed"]
    assert (feeds.calls, feeds.left, feeds.kept, feeds.at_once) == (10, 15.0, 1, 10)
    assert feeds.takes_s == 0
    # One at a time, and nine more that take three seconds each.
    assert by_name["feeds.2021-06-30.createFeed:UPLOAD_VAT_INVOICE"].takes_s == pytest.approx(27)
    assert by_name["listings.2021-08-01.patchListingsItem"].calls == 1


async def test_only_who_reaches_the_account_is_told(hatch: Hatch, account: Account) -> None:
    plans = planning(hatch)
    stranger = Caller(
        kind=CallerKind.API_KEY,
        id="key_other",
        name="Other",
        rights=frozenset(Right),
        client_instance_id="ins_other",
    )
    with pytest.raises(NotFound):
        await plans.explain(account.id, by=stranger)
    with pytest.raises(NotAllowed):
        await plans.explain(account.id, by=replace(ERP, rights=frozenset({Right.WRITE})))
    with pytest.raises(NotFound):
        await plans.explain("acc_none", by=SYSTEM)
    with pytest.raises(NotFound):
        await plans.plan("acc_none")


async def test_nothing_to_do_writes_nothing(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, stock())
    plans = planning(hatch)
    await plans.plan(account.id)
    before = await work(hatch, account)
    planned = await plans.plan(account.id)
    assert (planned.runs, planned.waits, planned.version) == ((), (), before.version)
    assert await work(hatch, account) == before


# --- others at the same time ------------------------------------------------------------------


class Interrupted:
    """A store where something happens before the transaction of that number."""

    def __init__(self, store: Store, number: int, between: Between) -> None:
        self._store = store
        self.left = number
        self._between = between

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.left -= 1
        if self.left == 0:
            await self._between()
        async with self._store.transaction() as tx:
            yield tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Killed(BaseException):
    """As if the process ended here."""


def interrupted(hatch: Hatch, number: int, between: Between, cooking: Cooking) -> Planning:
    store = Interrupted(hatch.store, number, between)
    return planning(hatch, cooking, cast("Store", store))


async def _lines(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, price("A"), price("B", marketplace="FR"), refund(), shipment())


async def _transactions(hatch: Hatch, account: Account) -> int:
    """So many has a plan of these lines."""

    async def never() -> None:
        raise AssertionError

    store = Interrupted(hatch.store, 10**6, never)
    other = await hatch.add(merchant_token="A2EXAMPLE", sells_in={"DE": True, "FR": True})
    await _lines(hatch, other)
    await planning(hatch, NO_CALLS, cast("Store", store)).plan(other.id)
    count = 10**6 - store.left
    assert count >= 8
    return count


async def test_killed_at_any_point_nothing_is_lost_and_nothing_is_planned_twice(
    hatch: Hatch, account: Account
) -> None:
    count = await _transactions(hatch, account)

    async def kill() -> None:
        raise Killed

    for number in range(1, count + 1):
        one = await hatch.add(merchant_token=f"A{number}", sells_in={"DE": True, "FR": True})
        await _lines(hatch, one)
        with pytest.raises(Killed):
            await interrupted(hatch, number, kill, NO_CALLS).plan(one.id)
        for run in (await planning(hatch, NO_CALLS).plan(one.id)).runs:
            assert run.changes == 1
        for run in await runs(hatch, one):
            await settle(hatch, run)
        hatch.clock.move(minutes=20)
        for run in (await planning(hatch, NO_CALLS).plan(one.id)).runs:
            await settle(hatch, run)
        changes = await all_changes(hatch, one)
        assert {change.state for change in changes} == {ChangeState.ACCEPTED}
        assert {change.tries for change in changes} == {1}


async def test_news_in_the_middle_are_left_to_the_next_turn(hatch: Hatch, account: Account) -> None:
    """The plan goes on, and the turn does not end with the word that there is nothing left."""
    count = await _transactions(hatch, account)
    for number in range(2, count + 1):
        one = await hatch.add(merchant_token=f"A{number}", sells_in={"DE": True, "FR": True})
        await _lines(hatch, one)

        async def news(one: Account = one) -> None:
            await put(hatch, one, price("NEW"))

        planned = await interrupted(hatch, number, news, NO_CALLS).plan(one.id)
        after = await work(hatch, one)
        pending = [
            change
            for change in await all_changes(hatch, one)
            if change.state is ChangeState.PENDING
        ]
        if pending:
            assert planned.version != after.version or planned.next_at is not None
        assert len(planned.runs) == 4, number
        if planned.version == after.version:
            assert not pending


async def test_a_switch_in_the_middle_stops_the_plan(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, *(price(f"S{n}") for n in range(3)))

    async def off() -> None:
        await switch(hatch, account, Flag.UPDATE_PRICE, on=False)

    # Facts, changes, the run.
    planned = await interrupted(hatch, 3, off, NO_CALLS).plan(account.id)
    assert planned.runs == ()
    assert planned.next_at == hatch.clock.now()
    assert planned.version != (await work(hatch, account)).version
    assert not await runs(hatch, account)


async def test_two_planners_make_each_run_once(hatch: Hatch, account: Account) -> None:
    count = await _transactions(hatch, account)
    for number in range(2, count + 1):
        one = await hatch.add(merchant_token=f"A{number}", sells_in={"DE": True, "FR": True})
        await _lines(hatch, one)

        async def other(one: Account = one) -> None:
            await planning(hatch, NO_CALLS).plan(one.id)

        await interrupted(hatch, number, other, NO_CALLS).plan(one.id)
        made = await runs(hatch, one)
        assert Counter(run.path for run in made) == {
            Path.LISTINGS_FEED: 2,
            Path.ADJUSTMENT_FEED: 1,
            Path.CONFIRM_SHIPMENT: 1,
        } or _left_over(made, await all_changes(hatch, one))
        changes = await all_changes(hatch, one)
        assert all(change.tries <= 1 for change in changes)
        by_run = Counter(change.run_id for change in changes if change.run_id)
        assert by_run == {run.id: run.changes for run in made}


def _left_over(made: list[FeedRun], changes: list[Change]) -> bool:
    """One of the feeds was made by the first, and the other has to wait for the next plan."""
    pending = [change for change in changes if change.state is ChangeState.PENDING]
    return [change.kind for change in pending] == [ChangeKind.PRICE] and len(made) == 3


async def test_many_planners_at_once(hatch: Hatch, account: Account) -> None:
    await _lines(hatch, account)
    await asyncio.gather(*(planning(hatch, NO_CALLS).plan(account.id) for _ in range(5)))
    made = await runs(hatch, account)
    assert len(made) == 4
    assert sum(run.changes for run in made) == 4
