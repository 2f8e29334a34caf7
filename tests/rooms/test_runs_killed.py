"""Runs whose process dies at each of its acts, in turn, and answers that are lost on the way.

Judged is what Amazon did, and what became of each change: nothing lost, no refund, cancellation,
shipment or invoice twice, each change settled once with the right end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from evergrant.ports.amazon import Answer
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import PATHS, Path
from tests.rooms.kitchen_amazon import (
    Killed,
    Mood,
    denied,
    internal_failure,
    invalid,
    no_answer,
    throttled,
)
from tests.rooms.kitchen_ground import Kitchen, kitchen

A, R = ChangeState.ACCEPTED, ChangeState.REFUSED

FEEDS = [
    Path.LISTINGS_FEED,
    Path.FULFILLMENT_FEED,
    Path.ACKNOWLEDGEMENT_FEED,
    Path.ADJUSTMENT_FEED,
]
EVERY = [
    Path.PATCH,
    Path.CONFIRM_SHIPMENT,
    *FEEDS,
    Path.INVOICE_FEED,
    Path.RETAIL_SHIPMENT,
    Path.RETAIL_ACKNOWLEDGEMENT,
]


async def _due(house: Kitchen) -> Kitchen:
    """Three changes, one of them bad; of invoices one, as each is a feed of its own. As if nothing
    had happened before."""
    house.afresh()
    house.amazon.bad = {"two"}
    await house.wish(*(["one"] if PATHS[house.path].most == 1 else ["one", "two", "three"]))
    return house


@pytest.fixture
async def house(path: Path) -> Kitchen:
    return await kitchen(path)


async def _is_well(house: Kitchen, told: str) -> None:
    """All came to the right end, once."""
    whole = {"one": A, "two": R, "three": A}
    ends = await house.ends()
    assert ends == {name: whole[name] for name in ends}, told
    _nothing_twice(house, told, set(ends) - {"two"})
    runs = await house.all_runs()
    assert sum(run.accepted for run in runs) == sum(end is A for end in ends.values()), told
    assert sum(run.refused for run in runs) == sum(end is R for end in ends.values()), told
    assert all(run.step.is_over and run.next_at is None for run in runs), told
    for run in runs:
        assert run.accepted + run.refused + run.returned + run.uncertain == run.changes, told
    settled = await house.events("feed.settled")
    assert sorted(one["run_id"] for one in settled) == sorted(run.id for run in runs), told


def _nothing_twice(house: Kitchen, told: str, good: set[str]) -> None:
    done = house.amazon.done
    once = {
        Path.PATCH: dict.fromkeys(done.stock, 1),
        Path.LISTINGS_FEED: dict.fromkeys(done.stock, 1),
        Path.CONFIRM_SHIPMENT: {name: count for (name, _), count in done.shipments.items()},
        Path.FULFILLMENT_FEED: {name: count for (name, _), count in done.shipments.items()},
        Path.ACKNOWLEDGEMENT_FEED: done.cancellations,
        Path.ADJUSTMENT_FEED: done.refunds,
        Path.INVOICE_FEED: done.invoices,
        Path.RETAIL_SHIPMENT: done.transactions,
        Path.RETAIL_ACKNOWLEDGEMENT: done.transactions,
    }[house.path]
    assert dict(once) == dict.fromkeys(good, 1), told


async def _log_of(house: Kitchen) -> list[str]:
    await _due(house)
    await house.rest()
    await _is_well(house, "undisturbed")
    return list(house.steps.log)


# --- killed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EVERY)
async def test_killed_at_every_act_all_ends_well(house: Kitchen) -> None:
    """Before and after every commit, every call to Amazon, every upload and download."""
    log = await _log_of(house)
    assert {"before a commit", "after a commit"} <= set(log)
    for number, name in enumerate(log, start=1):
        await _due(house)
        assert await house.die_and_rest(number), "the same acts each time"
        await _is_well(house, f"killed {number} {name}")


@pytest.mark.parametrize("path", FEEDS)
async def test_the_walk_meets_every_act_of_a_feed(house: Kitchen) -> None:
    log = set(await _log_of(house))
    for act in ("createFeedDocument", "createFeed", "getFeed", "getFeedDocument"):
        assert {f"before {act}", f"after {act}"} <= log
    assert {"before the upload", "after the upload", "after the download"} <= log


@pytest.mark.parametrize("path", [Path.ADJUSTMENT_FEED, Path.PATCH, Path.RETAIL_SHIPMENT])
async def test_killed_at_an_act_and_again_at_each_of_the_next(house: Kitchen) -> None:
    """Who comes after dies as well."""
    log = await _log_of(house)
    for number in range(1, len(log) + 1, 3):
        await _due(house)
        house.steps.die_at = number
        for more in (2, 5, 9):
            try:
                await house.rest()
            except Killed:
                house.steps.die_at = len(house.steps.log) + more
                house.runs = house.another()
        house.steps.die_at = None
        house.runs = house.another()
        await house.rest()
        await _is_well(house, f"killed {number}")


@pytest.mark.parametrize("path", EVERY)
async def test_two_processes_at_the_same_run_at_once(house: Kitchen) -> None:
    await _due(house)
    run_id = await house.plan()
    assert run_id is not None
    here, there = house.runs, house.another()
    for _ in range(200):
        ends = await asyncio.gather(here.go(run_id), there.go(run_id))
        if all(run.next_at is None for run in ends):
            break
        house.clock.set(min(run.next_at for run in ends if run.next_at is not None))
    await house.rest()
    await _is_well(house, "two at once")


@pytest.mark.parametrize("path", EVERY)
async def test_killed_at_every_act_while_another_process_works(house: Kitchen) -> None:
    log = await _log_of(house)
    for number in range(1, len(log) + 1, 4):
        await _due(house)
        run_id = await house.plan()
        assert run_id is not None
        house.steps.die_at = len(house.steps.log) + number
        here, there = house.runs, house.another()
        await asyncio.gather(here.go(run_id), there.go(run_id), return_exceptions=True)
        house.steps.die_at = None
        house.runs = house.another()
        await house.rest()
        await _is_well(house, f"killed {number}")


# --- lost answers -------------------------------------------------------------------------------

ACTS = {
    Path.PATCH: ["patchListingsItem"],
    Path.CONFIRM_SHIPMENT: ["confirmShipment"],
    Path.RETAIL_SHIPMENT: ["submit", "getTransaction"],
    Path.RETAIL_ACKNOWLEDGEMENT: ["submit", "getTransaction"],
    **{
        path: ["createFeedDocument", "createFeed", "getFeed", "getFeedDocument"]
        for path in (*FEEDS, Path.INVOICE_FEED)
    },
}
ANSWERS: dict[str, tuple[Callable[[], Answer], bool]] = {
    "lost, done": (no_answer, True),
    "lost, not done": (no_answer, False),
    "500, done": (internal_failure, True),
    "500, not done": (internal_failure, False),
    "429": (throttled, False),
    "403": (denied, False),
}


@pytest.mark.parametrize("path", EVERY)
async def test_whatever_amazon_answers_once_all_ends_well(house: Kitchen) -> None:
    for act in ACTS[house.path]:
        for answer, (says, does) in ANSWERS.items():
            await _due(house)
            house.amazon.moods[act] = Mood(says, does=does)
            await house.rest()
            assert house.amazon.moods == {}, "it was asked"
            await _is_well(house, f"{act}: {answer}")
            assert await house.board() == [], f"{act}: {answer}"


@pytest.mark.parametrize("path", [*FEEDS, Path.INVOICE_FEED])
async def test_a_lost_answer_and_a_kill_at_each_act_after_it(house: Kitchen) -> None:
    await _due(house)
    house.amazon.moods["createFeed"] = Mood(no_answer)
    await house.rest()
    log = list(house.steps.log)
    assert "after getFeeds" in log
    for number in range(log.index("after createFeed") + 1, len(log) + 1):
        await _due(house)
        house.amazon.moods["createFeed"] = Mood(no_answer)
        assert await house.die_and_rest(number)
        await _is_well(house, f"killed {number} {log[number - 1]}")


@pytest.mark.parametrize("path", [Path.ADJUSTMENT_FEED, Path.ACKNOWLEDGEMENT_FEED])
async def test_killed_before_amazon_heard_it_is_looked_for_twice(house: Kitchen) -> None:
    await _due(house)
    house.amazon.moods["createFeed"] = Mood(no_answer, does=False)
    asked_at = house.clock.now()
    await house.rest()
    await _is_well(house, "not heard")
    assert house.amazon.asked["getFeeds"] == 3, "before the first feed, and then twice"
    (feed,) = house.amazon.feeds.values()
    assert (feed.created_at - asked_at).total_seconds() >= 20 * 60
    looked = house.amazon.asked["listFinancialEventsByOrderId"]
    assert looked == (3 if house.path is Path.ADJUSTMENT_FEED else 0)


@pytest.mark.parametrize("path", FEEDS)
async def test_a_document_that_is_refused_once_is_made_anew(house: Kitchen) -> None:
    await _due(house)
    house.amazon.moods["createFeed"] = Mood(invalid, does=False)
    await house.rest()
    await _is_well(house, "400")
    assert house.amazon.asked["createFeedDocument"] == 2
