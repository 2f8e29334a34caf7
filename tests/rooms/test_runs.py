"""Runs, each from its plan to its end, and what people do with them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from evergrant.errors import CallDenied, Conflict, NotAllowed, NotFound
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import PATHS, Path, RunStep
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.kitchen_amazon import (
    PDF,
    Feed,
    Mood,
    denied,
    internal_failure,
    invalid,
    no_answer,
)
from tests.rooms.kitchen_ground import ROOT, Kitchen, kitchen

A, R, P, U = (
    ChangeState.ACCEPTED,
    ChangeState.REFUSED,
    ChangeState.PENDING,
    ChangeState.UNCERTAIN,
)
MINUTE = timedelta(minutes=1)
REFUNDS, STOCK = Path.ADJUSTMENT_FEED, Path.LISTINGS_FEED
ONCE = [Path.ADJUSTMENT_FEED, Path.ACKNOWLEDGEMENT_FEED]
STATE_SETTING = [Path.LISTINGS_FEED, Path.FULFILLMENT_FEED]


async def _one(house: Kitchen) -> Change:
    (change,) = await house.changes()
    return change


async def _until(house: Kitchen, step: RunStep) -> str:
    """A run that came so far, and its id."""
    run_id = await house.plan()
    assert run_id is not None
    for _ in range(50):
        run = await house.runs.go(run_id)
        if run.step is step:
            return run_id
        assert run.next_at is not None
        house.clock.set(max(run.next_at, house.clock.now()))
    raise AssertionError(f"it never came to {step}")


def _caller(**wishes: Any) -> Caller:
    facts: dict[str, Any] = {
        "kind": CallerKind.API_KEY,
        "id": "key_1",
        "name": "ERP",
        "rights": frozenset({Right.AMAZON_WRITE}),
    }
    return Caller(**(facts | wishes))


# --- the whole way ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        Path.PATCH,
        Path.LISTINGS_FEED,
        Path.CONFIRM_SHIPMENT,
        Path.FULFILLMENT_FEED,
        Path.ACKNOWLEDGEMENT_FEED,
        Path.ADJUSTMENT_FEED,
        Path.RETAIL_SHIPMENT,
        Path.RETAIL_ACKNOWLEDGEMENT,
    ],
)
async def test_good_ones_are_accepted_and_bad_ones_refused(path: Path) -> None:
    house = await kitchen(path)
    house.amazon.bad = {"two"}
    await house.wish("one", "two", "three")
    house.fakes.bell.rung.clear()
    await house.rest()
    assert await house.ends() == {"one": A, "two": R, "three": A}
    (run,) = await house.all_runs()
    assert (run.step, run.accepted, run.refused) == (RunStep.SETTLED, 2, 1)
    assert run.next_at is None
    assert run.ended_at is not None
    assert await house.verbs() == ["run.submitted", "run.settled"]
    (settled,) = await house.events("feed.settled")
    assert (settled["accepted"], settled["refused"], settled["step"]) == (2, 1, "settled")
    (refused,) = await house.events("changes.refused")
    (bad,) = [one for one in await house.changes() if one.state is R]
    assert refused["changes"] == [{"id": bad.id, "kind": bad.kind.value, "code": bad.code}]
    assert bad.code
    assert bad.message
    assert len(house.fakes.bell.rung) == 2


async def test_an_invoice_goes_up_and_its_document_leaves_the_safe() -> None:
    house = await kitchen(Path.INVOICE_FEED)
    await house.wish("R-1")
    change = await _one(house)
    await house.rest()
    assert house.amazon.done.invoices == {"R-1": 1}
    (feed,) = house.amazon.feeds.values()
    assert feed.options["metadata:TotalAmount"] == "119.00"
    uploaded = house.documents.uploads[feed.document]
    assert (uploaded.content, uploaded.content_type) == (PDF, "application/pdf")
    async with house.store.transaction() as tx:
        assert await tx.safe.get(f"change/{change.id}/invoice") is None


async def test_an_invoice_whose_document_is_lost_is_refused() -> None:
    house = await kitchen(Path.INVOICE_FEED)
    await house.wish("R-1")
    async with house.store.transaction() as tx:
        assert await house.desk.vault.drop(tx, f"change/{(await _first(tx)).id}/invoice")
    await house.rest()
    change = await _one(house)
    assert (change.state, change.code) == (R, "unusable")
    assert house.amazon.feeds == {}


async def _first(tx: Any) -> Change:
    (change,) = await tx.changes.read(limit=2)
    return change  # type: ignore[no-any-return]


async def test_a_change_that_cannot_be_written_holds_up_no_other() -> None:
    for path in (Path.ADJUSTMENT_FEED, Path.CONFIRM_SHIPMENT):
        house = await kitchen(path)
        await house.wish("one", "two")
        first = (await house.changes())[0]
        broken = dataclasses.replace(first, wish={})
        house.store.rows["changes"][first.id] = broken
        await house.rest()
        assert await house.ends() == {"one": R, "two": A}


async def test_the_address_of_a_document_is_written_down_nowhere() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    await house.rest()
    told = repr(house.store.rows) + repr(house.store.lines) + repr(house.store.events)
    assert "X-Amz-Signature" not in told
    assert "documents.example" not in told


async def test_amazon_is_asked_less_and_less_often() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await _until(house, RunStep.SUBMITTED)
    began = house.clock.now()
    house.amazon.comes_to = "NEVER"
    feed = next(iter(house.amazon.feeds.values()))
    feed.created_at += timedelta(days=1)
    at = []
    for _ in range(9):
        run = await house.runs.go(run_id)
        assert run.next_at is not None
        at.append(round((run.next_at - began).total_seconds()))
        house.clock.set(run.next_at)
    assert at == [15, 45, 105, 225, 525, 1125, 1725, 2325, 2925]


# --- what a feed comes to -----------------------------------------------------------------------


@pytest.mark.parametrize("path", [*ONCE, *STATE_SETTING])
async def test_cancelled_goes_back_to_wait_and_is_sent_again(path: Path) -> None:
    house = await kitchen(path)
    await house.wish("one")
    house.amazon.comes_to = "CANCELLED"
    run_id = await _until(house, RunStep.FAILED)
    change = await _one(house)
    assert (change.state, change.run_id) == (P, run_id)
    assert change.next_at == house.clock.now() + 5 * MINUTE
    house.amazon.comes_to = "DONE"
    await house.rest()
    assert await house.ends() == {"one": A}


@pytest.mark.parametrize("path", STATE_SETTING)
async def test_fatal_is_sent_once_more_and_then_refused(path: Path) -> None:
    house = await kitchen(path)
    await house.wish("one")
    house.amazon.comes_to, house.amazon.has_report = "FATAL", False
    await house.rest()
    change = await _one(house)
    assert (change.state, change.code, change.tries) == (R, "fatal", 2)
    assert len(house.amazon.feeds) == 2


@pytest.mark.parametrize("path", ONCE)
async def test_fatal_without_a_report_is_for_a_person(path: Path) -> None:
    house = await kitchen(path)
    await house.wish("one", "two")
    house.amazon.comes_to, house.amazon.has_report = "FATAL", False
    await house.rest()
    assert await house.ends() == {"one": U, "two": U}
    (run,) = await house.all_runs()
    assert (run.step, run.uncertain, run.ended_at, run.next_at) == (
        RunStep.UNCERTAIN,
        2,
        None,
        None,
    )
    assert await house.board() == ["feed_uncertain"]
    assert len(house.amazon.feeds) == 1


@pytest.mark.parametrize("path", ONCE)
async def test_fatal_with_a_report_is_read_line_by_line(path: Path) -> None:
    house = await kitchen(path)
    await house.wish("one", "two")
    house.amazon.bad, house.amazon.comes_to = {"two"}, "FATAL"
    await house.rest()
    assert await house.ends() == {"one": U, "two": R}


async def test_fewer_messages_processed_than_sent() -> None:
    for path, rest in ((STOCK, A), (REFUNDS, U)):
        house = await kitchen(path)
        house.amazon.bad = {"one"}
        await house.wish("one", "two", "three")
        house.amazon.processes = 2
        await _until(house, RunStep.SETTLED if path is STOCK else RunStep.UNCERTAIN)
        waits = P if path is STOCK else U
        assert await house.ends() == {"one": R, "two": waits, "three": waits}
        house.amazon.processes = None
        await house.rest()
        assert await house.ends() == {"one": R, "two": rest, "three": rest}
        assert max(house.amazon.done.refunds.values(), default=1) == 1


async def test_done_without_a_report_says_nothing() -> None:
    house = await kitchen(REFUNDS)
    house.amazon.has_report = False
    await house.wish("one")
    await house.rest()
    assert await house.ends() == {"one": U}
    house = await kitchen(STOCK)
    house.amazon.has_report = False
    await house.wish("one")
    await house.rest(most=timedelta(days=9))
    change = await _one(house)
    assert (change.state, change.code, change.tries) == (R, "gave_up", 8)
    assert "8 times" in change.message


async def test_a_report_that_cannot_be_fetched_is_tried_for_hours() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    began = house.clock.now()
    house.documents.fail = lambda act, url: CallDenied(403) if act == "download" else None
    await house.rest()
    assert await house.ends() == {"one": U}
    assert house.clock.now() - began > timedelta(hours=6)
    assert house.amazon.asked["getFeedDocument"] == 13


async def test_the_innocent_one_of_a_message_goes_again_by_itself() -> None:
    house = await kitchen(STOCK)
    await house.wish("one", kind=ChangeKind.STOCK)
    await house.wish("one", kind=ChangeKind.PRICE)
    house.amazon.bad, house.amazon.bad_attribute = {"one"}, "purchasable_offer"
    await _until(house, RunStep.SETTLED)
    house.amazon.bad = set()
    await house.rest()
    ends = {one.kind: (one.state, one.tries) for one in await house.changes()}
    assert ends == {ChangeKind.STOCK: (A, 2), ChangeKind.PRICE: (R, 1)}
    assert house.amazon.done.stock == {"one": 7}
    assert house.amazon.done.prices == {}


# --- createFeed ---------------------------------------------------------------------------------


async def test_refused_twice_is_refused_with_amazons_words() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(invalid, does=False, times=2)
    await house.rest()
    change = await _one(house)
    assert (change.state, change.code) == (R, "InvalidInput")
    assert "document is not there" in change.message
    (run,) = await house.all_runs()
    assert run.step is RunStep.FAILED


async def test_a_limit_keeps_the_document() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(
        lambda: error_answer(429, "QuotaExceeded", "Too fast."), does=False
    )
    run_id = await house.plan()
    assert run_id is not None
    run = await house.runs.go(run_id)
    assert (run.step, run.asked_at, run.tries) == (RunStep.UPLOADED, None, 0)
    assert run.next_at == house.clock.now() + timedelta(seconds=120)
    await house.rest()
    assert house.amazon.asked["createFeedDocument"] == 1
    assert await house.ends() == {"one": A}


async def test_a_document_that_lay_too_long_is_made_anew() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(
        lambda: error_answer(429, "QuotaExceeded", "Too fast."), does=False
    )
    run_id = await house.plan()
    assert run_id is not None
    await house.runs.go(run_id)
    house.clock.move(days=2)
    await house.rest()
    assert house.amazon.asked["createFeedDocument"] == 2
    assert await house.ends() == {"one": A}


async def test_an_upload_that_is_refused_takes_another_address() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    left = [CallDenied(403), CallDenied(403)]
    house.documents.fail = lambda act, url: left.pop() if act == "upload" and left else None
    await house.rest()
    assert await house.ends() == {"one": A}
    assert house.amazon.asked["createFeedDocument"] == 3


async def test_the_id_of_an_earlier_feed_is_not_believed() -> None:
    """Seen at Amazon: another document, the id of the feed before, and its old errors."""
    house = await kitchen(REFUNDS)
    await house.wish("one")
    await house.rest()
    await house.wish("two")
    (known,) = house.amazon.feeds
    house.amazon.moods["createFeed"] = Mood(
        lambda: dataclasses.replace(invalid(), status=202, body=b'{"feedId":"%s"}' % known.encode())
    )
    await house.rest()
    assert await house.ends() == {"one": A, "two": A}
    assert house.amazon.done.refunds == {"one": 1, "two": 1}
    assert len({run.feed_id for run in await house.all_runs()}) == 2


@pytest.mark.parametrize(("path", "end"), [(REFUNDS, U), (STOCK, A)])
async def test_several_feeds_that_may_be_ours(path: Path, end: ChangeState) -> None:
    """Another program sends feeds of the type as well."""
    house = await kitchen(path)
    await house.wish("before")
    await house.rest()
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(no_answer)
    _others_feed(house, "7001")
    await house.rest()
    assert await house.ends() == {"before": A, "one": end}
    assert len(house.amazon.feeds) == (3 if end is U else 4)
    if end is U:
        assert await house.board() == ["feed_uncertain"]


async def test_a_feed_of_an_earlier_run_is_not_taken_for_the_lost_one() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    await house.rest()
    (earlier,) = house.amazon.feeds.values()
    await house.wish("two")
    earlier.created_at = house.clock.now()
    house.amazon.moods["createFeed"] = Mood(no_answer, does=False)
    await house.rest()
    assert await house.ends() == {"one": A, "two": A}
    assert house.amazon.done.refunds == {"one": 1, "two": 1}


@pytest.mark.parametrize("does", [True, False])
async def test_two_invoices_are_never_lost_at_once(does: bool) -> None:
    """Nobody could tell whose feed is whose."""
    house = await kitchen(Path.INVOICE_FEED)
    await house.wish("R-1", "R-2", "R-3")
    house.amazon.moods["createFeed"] = Mood(no_answer, does=does, times=2)
    run_ids = [await house.plan() for _ in range(3)]
    await asyncio.gather(*(house.runs.go(run_id) for run_id in run_ids if run_id))
    steps = [run.step for run in await house.all_runs()]
    assert steps.count(RunStep.SUBMITTING) == 1
    await house.rest()
    assert set((await house.ends()).values()) == {A}
    assert house.amazon.done.invoices == {"R-1": 1, "R-2": 1, "R-3": 1}


async def test_an_invoice_that_cannot_be_told_is_refused() -> None:
    house = await kitchen(Path.INVOICE_FEED)
    await house.wish("R-1")
    change = await _one(house)
    house.store.rows["changes"][change.id] = dataclasses.replace(change, wish={})
    await house.rest()
    assert await house.ends() == {"R-1": R}
    assert house.amazon.feeds == {}


def _others_feed(house: Kitchen, feed_id: str) -> Feed:
    feed = Feed(
        feed_id=feed_id,
        feed_type=PATHS[house.path].feed_type,
        created_at=house.clock.now(),
        document="",
        options={},
    )
    house.amazon.feeds[feed_id] = feed
    return feed


@pytest.mark.parametrize(("path", "end"), [(REFUNDS, U), (STOCK, A)])
async def test_a_guessed_feed_is_believed_only_if_it_counts_as_many(
    path: Path, end: ChangeState
) -> None:
    """Amazon did not hear; the only feed of that time is another program's."""
    house = await kitchen(path)
    await house.wish("one", "two")
    house.amazon.moods["createFeed"] = Mood(no_answer, does=False)
    feed = _others_feed(house, "7001")
    house.amazon.lay_report(feed, processed=5)
    await house.rest()
    assert await house.ends() == {"one": end, "two": end}
    assert house.amazon.done.refunds == {}


async def test_a_refund_that_finances_show_is_never_sent_again() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one", "two")
    house.amazon.moods["createFeed"] = Mood(no_answer, does=False)
    house.amazon.done.refunds["one"] += 1
    await house.rest()
    assert await house.ends() == {"one": U, "two": A}
    assert house.amazon.done.refunds == {"one": 1, "two": 1}
    (run,) = await house.all_runs()
    assert (run.step, run.uncertain, run.accepted) == (RunStep.UNCERTAIN, 1, 1)


async def test_finances_that_may_not_be_read_are_passed_over_in_writing() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(no_answer, does=False)
    house.amazon.finances_denied = True
    await house.rest()
    assert await house.ends() == {"one": A}
    (run,) = await house.all_runs()
    assert "Unauthorized" in run.facts["refunds_unseen"]


@pytest.mark.parametrize("path", [*ONCE, *STATE_SETTING])
async def test_what_is_never_taken_goes_back_to_wait(path: Path) -> None:
    house = await kitchen(path)
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(internal_failure, does=False, times=8)
    await house.rest()
    assert await house.ends() == {"one": A}
    first, second = await house.all_runs()
    assert (first.step, first.tries, first.returned) == (RunStep.FAILED, 8, 1)
    assert second.step is RunStep.SETTLED


# --- late, unknown, denied ----------------------------------------------------------------------


async def test_late_is_told_once_and_settled_with_the_run() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await _until(house, RunStep.SUBMITTED)
    (feed,) = house.amazon.feeds.values()
    feed.created_at += timedelta(hours=9)
    house.clock.move(hours=7, minutes=50)
    await house.runs.go(run_id)
    assert await house.board() == []
    for _ in range(3):
        house.clock.move(minutes=11)
        await house.runs.go(run_id)
    assert await house.board() == ["feed_stuck"]
    await house.rest()
    assert await house.board() == []
    assert await house.ends() == {"one": A}


async def test_a_feed_that_amazon_does_not_know_yet() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    unknown = error_answer(404, "NotFound", "FeedSubmissionIds could not be found")
    house.amazon.moods["getFeed"] = Mood(lambda: unknown, times=4)
    await house.rest()
    assert await house.ends() == {"one": A}


async def test_a_feed_that_amazon_never_knows_is_for_a_person() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    unknown = error_answer(404, "NotFound", "FeedSubmissionIds could not be found")
    house.amazon.moods["getFeed"] = Mood(lambda: unknown, times=1_000)
    began = house.clock.now()
    await house.rest()
    assert await house.ends() == {"one": U}
    assert house.clock.now() - began >= 30 * MINUTE


async def test_what_amazon_forgot_comes_to_an_end() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await _until(house, RunStep.SUBMITTED)
    house.clock.move(days=28)
    run = await house.runs.go(run_id)
    assert run.step is RunStep.UNCERTAIN


@pytest.mark.parametrize(
    ("path", "act"),
    [
        (REFUNDS, "createFeedDocument"),
        (REFUNDS, "createFeed"),
        (Path.PATCH, "patchListingsItem"),
        (Path.RETAIL_SHIPMENT, "submit"),
    ],
)
async def test_denied_waits_an_hour_and_is_told(path: Path, act: str) -> None:
    house = await kitchen(path)
    await house.wish("one", "two")
    house.amazon.moods[act] = Mood(denied, does=False, times=1_000)
    await house.turn()
    at = house.clock.now()
    assert {(one.state, one.code, one.next_at, one.tries) for one in await house.changes()} == {
        (P, "denied", at + 60 * MINUTE, 0)
    }
    assert await house.board() == ["feed_denied"]
    asked = house.amazon.asked[act]
    house.clock.move(minutes=1)
    await house.wish("three")
    await house.turn()
    assert house.amazon.asked[act] == asked, "nothing more is tried on this path meanwhile"
    del house.amazon.moods[act]
    await house.rest()
    assert set((await house.ends()).values()) == {A}
    assert await house.board() == []


async def test_many_refused_and_none_taken_is_told() -> None:
    house = await kitchen(STOCK)
    names = [f"sku-{number}" for number in range(12)]
    house.amazon.bad = set(names)
    await house.wish(*names)
    await house.rest()
    assert await house.board() == ["feed_refused_all"]
    (event,) = await house.events("changes.refused")
    assert len(event["changes"]) == 12
    await house.wish("good")
    await house.rest()
    assert await house.board() == []


async def test_a_lapsed_grant_sends_back_what_amazon_has_not() -> None:
    house = await kitchen(Path.PATCH)
    await house.wish("one", "two")
    run_id = await house.plan()
    assert run_id is not None
    house.fakes.lwa.revoke("shop")
    house.clock.move(hours=2)  # the access token is over
    run = await house.runs.go(run_id)
    assert (run.step, run.returned) == (RunStep.FAILED, 2)
    later = house.clock.now() + 10 * MINUTE
    assert {(one.state, one.next_at, one.tries) for one in await house.changes()} == {(P, later, 0)}


# --- calls --------------------------------------------------------------------------------------


async def test_calls_go_on_where_a_limit_stopped_them() -> None:
    house = await kitchen(Path.PATCH)
    names = [f"sku-{number:02}" for number in range(40)]
    await house.wish(*names)
    run_id = await house.plan()
    assert run_id is not None
    run = await house.runs.go(run_id)
    assert 0 < run.accepted < 40, "the bucket is empty at some time"
    assert run.next_at is not None
    assert run.next_at > house.clock.now()
    await house.rest()
    assert house.amazon.asked["patchListingsItem"] == 40
    assert (await house.all_runs())[0].accepted == 40


async def test_a_call_that_amazon_did_not_answer_goes_again_on_the_ladder() -> None:
    house = await kitchen(Path.PATCH)
    await house.wish("one")
    house.amazon.moods["patchListingsItem"] = Mood(internal_failure, does=False)
    await house.turn()
    change = await _one(house)
    assert (change.state, change.next_at) == (P, house.clock.now() + 5 * MINUTE)
    await house.rest()
    assert await house.ends() == {"one": A}


async def test_who_stalled_begins_no_call_any_more() -> None:
    """Ten seconds after the run was taken, whatever was not begun is not begun."""
    house = await kitchen(Path.PATCH)
    await house.wish(*(f"sku-{number}" for number in range(8)))
    asked: list[int] = []

    async def stall(call: Any, about: str) -> Any:
        asked.append(1)
        if len(asked) == 1:
            house.clock.move(seconds=11)
        return await house.amazon.play(call, about)

    house.fakes.selling_partner_api.play(stall)
    run_id = await house.plan()
    assert run_id is not None
    versions = []
    original = house.runs._records.settle

    async def settle(case: Any, *args: Any, **more: Any) -> Any:
        versions.append((case.run.version, len(asked)))
        return await original(case, *args, **more)

    house.runs._records.settle = settle  # type: ignore[method-assign]
    await house.runs.go(run_id)
    assert versions[0][1] < 8, "the first line was written before all were begun"
    await house.rest()
    assert set((await house.ends()).values()) == {A}


async def test_nobody_takes_a_run_of_calls_that_another_holds() -> None:
    house = await kitchen(Path.PATCH)
    await house.wish("one")
    run_id = await house.plan()
    assert run_id is not None
    async with house.store.transaction() as tx:
        await tx.feed_runs.change(
            run_id,
            {"version": 0},
            version=1,
            step=RunStep.PROCESSING,
            next_at=house.clock.now() + MINUTE,
        )
    run = await house.runs.go(run_id)
    assert (run.version, house.amazon.asked["patchListingsItem"]) == (1, 0)
    house.clock.move(minutes=1)
    assert (await house.runs.go(run_id)).step is RunStep.SETTLED


@pytest.mark.parametrize(("there", "end"), [(True, A), (False, R)])
async def test_already_fulfilled_is_decided_by_the_order(there: bool, end: ChangeState) -> None:
    house = await kitchen(Path.CONFIRM_SHIPMENT)
    await house.wish("one")
    house.amazon.moods["confirmShipment"] = Mood(
        lambda: error_answer(400, "InvalidInput", "PackageToUpdateNotFound"), does=there
    )
    await house.rest()
    assert await house.ends() == {"one": end}
    assert house.amazon.asked["getOrder"] == 1


# --- transactions -------------------------------------------------------------------------------


async def test_in_process_for_too_long_is_presumed_accepted() -> None:
    house = await kitchen(Path.RETAIL_SHIPMENT)
    await house.wish("one")
    house.amazon.transaction_ends = False
    began = house.clock.now()
    await house.rest()
    change = await _one(house)
    assert (change.state, change.code) == (A, "presumed")
    assert "Presumed" in change.message
    assert 15 * MINUTE <= house.clock.now() - began <= 30 * MINUTE


async def test_duplicate_after_a_lost_answer_is_the_first_one() -> None:
    house = await kitchen(Path.RETAIL_SHIPMENT)
    await house.wish("one")
    house.amazon.moods["submit"] = Mood(no_answer)
    await house.turn()
    house.clock.move(minutes=6)
    house.amazon.moods["submit"] = Mood(
        lambda: error_answer(400, "InvalidInput", "Duplicate shipment identifier."), does=False
    )
    await house.rest()
    assert await house.ends() == {"one": A}
    assert house.amazon.done.transactions == {"one": 1}


async def test_duplicate_without_a_lost_answer_is_a_refusal() -> None:
    house = await kitchen(Path.RETAIL_SHIPMENT)
    await house.wish("one")
    house.amazon.moods["submit"] = Mood(
        lambda: error_answer(400, "InvalidInput", "Duplicate shipment identifier."), does=False
    )
    await house.rest()
    assert await house.ends() == {"one": R}


@pytest.mark.parametrize(
    ("path", "end"), [(Path.RETAIL_SHIPMENT, U), (Path.RETAIL_ACKNOWLEDGEMENT, P)]
)
async def test_a_submission_that_is_never_answered(path: Path, end: ChangeState) -> None:
    house = await kitchen(path)
    await house.wish("one")
    house.amazon.moods["submit"] = Mood(no_answer, does=False, times=8)
    await _until(house, RunStep.UNCERTAIN if end is U else RunStep.FAILED)
    assert await house.ends() == {"one": end}


# --- people -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("happened", "end"), [(True, A), (False, P)])
async def test_a_person_decides(happened: bool, end: ChangeState) -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one", "two")
    house.amazon.comes_to, house.amazon.has_report = "FATAL", False
    run_id = await _until(house, RunStep.UNCERTAIN)
    house.fakes.bell.work.clear()
    run = await house.runs.decide(run_id, happened, by=ROOT, note="Seen in Seller Central.")
    assert (run.step, run.uncertain, run.ended_at) == (RunStep.SETTLED, 0, house.clock.now())
    assert (run.accepted, run.returned) == ((2, 0) if happened else (0, 2))
    assert await house.ends() == {"one": end, "two": end}
    assert await house.board() == []
    assert house.fakes.bell.work == [house.account_id]
    assert (await house.verbs())[-1] == "run.decided"
    steps = [one["step"] for one in await house.events("feed.settled")]
    assert steps == ["uncertain", "settled"]
    assert "Seen in Seller Central." in (await house.changes())[0].message
    with pytest.raises(Conflict):
        await house.runs.decide(run_id, happened, by=ROOT)


async def test_who_may_decide_and_cancel() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await house.plan()
    assert run_id is not None
    verbs: list[Callable[[Caller], Awaitable[FeedRun]]] = [
        lambda by: house.runs.decide(run_id, True, by=by),
        lambda by: house.runs.cancel(run_id, by=by),
    ]
    for verb in verbs:
        with pytest.raises(NotAllowed):
            await verb(_caller(rights=frozenset({Right.AMAZON_READ})))
        with pytest.raises(NotFound):
            await verb(_caller(client_instance_id="ins_another"))
        with pytest.raises(NotFound):
            await verb(_caller(account_ids=frozenset({"acc_another"})))
    with pytest.raises(NotFound):
        await house.runs.cancel("run_none", by=ROOT)
    with pytest.raises(Conflict):
        await house.runs.decide(run_id, True, by=ROOT)


@pytest.mark.parametrize("path", [REFUNDS, Path.PATCH, Path.RETAIL_SHIPMENT])
async def test_a_run_of_which_amazon_has_nothing_is_stopped(path: Path) -> None:
    house = await kitchen(path)
    await house.wish("one")
    run_id = await house.plan()
    assert run_id is not None
    run = await house.runs.cancel(run_id, by=ROOT)
    assert (run.step, run.returned) == (RunStep.FAILED, 1)
    (change,) = await house.changes()
    assert (change.state, change.tries) == (P, 0), "it was no try"
    assert await house.verbs() == ["run.cancelled", "run.failed"]
    assert (await house.runs.go(run_id)).version == run.version
    with pytest.raises(Conflict):
        await house.runs.cancel(run_id, by=ROOT)


async def test_a_feed_in_the_queue_is_cancelled_at_amazon() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    house.amazon.carries_out_at_once = False
    run_id = await _until(house, RunStep.SUBMITTED)
    await house.runs.cancel(run_id, by=ROOT)
    run = await house.runs.go(run_id)
    assert (run.processing_status, run.step) == ("CANCELLED", RunStep.FAILED)
    assert await house.ends() == {"one": P}
    assert house.amazon.done.refunds == {}


async def test_a_feed_that_amazon_works_on_is_not_cancelled() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await _until(house, RunStep.SUBMITTED)
    house.clock.move(minutes=2)
    with pytest.raises(Conflict) as refused:
        await house.runs.cancel(run_id, by=ROOT)
    assert "not in the queue" in refused.value.message
    await house.rest()
    assert await house.ends() == {"one": A}


async def test_on_its_way_nothing_is_cancelled() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    house.amazon.moods["createFeed"] = Mood(no_answer)
    run_id = await _until(house, RunStep.SUBMITTING)
    with pytest.raises(Conflict):
        await house.runs.cancel(run_id, by=ROOT)


async def test_a_notification_makes_the_run_due() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await _until(house, RunStep.SUBMITTED)
    house.clock.move(minutes=4)
    run = await house.runs.go(run_id)
    (feed,) = house.amazon.feeds
    now = house.clock.now()
    noted = await house.runs.note_finished(house.account_id, feed, now)
    assert noted is None or noted.next_at == now
    await house.rest()
    assert await house.ends() == {"one": A}
    assert await house.runs.note_finished(house.account_id, feed, now) is None, "it is over"
    assert await house.runs.note_finished(house.account_id, "1", now) is None
    assert run.id == run_id


async def test_a_notification_rings_for_the_account() -> None:
    house = await kitchen(REFUNDS)
    await house.wish("one")
    run_id = await _until(house, RunStep.SUBMITTED)
    (feed,) = house.amazon.feeds
    now = house.clock.now()
    noted = await house.runs.note_finished(house.account_id, feed, now)
    assert noted is not None
    assert (noted.id, noted.next_at) == (run_id, now)
    assert house.fakes.bell.work == [house.account_id]
    async with house.store.transaction() as tx:
        work = await tx.work.get(house.account_id)
    assert work is not None
    assert work.due_at == now


@pytest.mark.parametrize("sku", ["..", ".", "../../feeds", "%2e%2e"])
async def test_a_name_that_is_no_address_holds_up_no_other(sku: str) -> None:
    house = await kitchen(Path.PATCH)
    await house.wish("one", sku, "a/b", "50%", "\N{PILE OF POO}")
    await house.rest()
    ends = await house.ends()
    assert ends.pop(sku) is R
    assert set(ends.values()) == {A}
    assert house.amazon.done.stock.keys() == ends.keys()
