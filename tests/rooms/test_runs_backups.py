"""A house that was set back to an older backup knows nothing of what it did since."""

from __future__ import annotations

import pytest

from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from tests.rooms.kitchen_amazon import Mood, internal_failure
from tests.rooms.kitchen_ground import ROOT, Kitchen, kitchen

A, U = ChangeState.ACCEPTED, ChangeState.UNCERTAIN
ONCE = [Path.ADJUSTMENT_FEED, Path.ACKNOWLEDGEMENT_FEED, Path.INVOICE_FEED]


async def set_back(path: Path) -> Kitchen:
    """Two were done since the backup was made, and wait in it."""
    house = await kitchen(path)
    await house.wish("one", "two")
    backup = {name: dict(rows) for name, rows in house.store.rows.items()}
    await house.rest()
    assert await house.ends() == {"one": A, "two": A}
    house.store.rows = backup
    house.runs = house.another()
    return house


def done(house: Kitchen) -> dict[str, int]:
    found = house.amazon.done
    return {
        Path.ADJUSTMENT_FEED: found.refunds,
        Path.ACKNOWLEDGEMENT_FEED: found.cancellations,
        Path.INVOICE_FEED: found.invoices,
    }[house.path]


@pytest.mark.parametrize("path", ONCE)
async def test_what_was_done_since_the_backup_is_not_done_again(path: Path) -> None:
    house = await set_back(path)
    while ChangeState.PENDING in (await house.ends()).values():
        await house.rest()
    assert await house.ends() == {"one": U, "two": U}
    assert dict(done(house)) == {"one": 1, "two": 1}
    assert await house.board() == ["feed_uncertain"] * len(await house.all_runs())
    (change, *_) = await house.changes()
    assert change.code == "unknown_feeds"
    # Nobody has decided yet: what else there is is held as well.
    await house.wish("three")
    await house.rest()
    assert (await house.ends())["three"] is U
    for run in await house.all_runs():
        await house.runs.decide(run.id, True, by=ROOT)
    await house.wish("four")
    await house.rest()
    assert set((await house.ends()).values()) == {A}
    assert dict(done(house)) == {"one": 1, "two": 1, "four": 1}


async def test_a_person_who_knows_better_is_heard() -> None:
    house = await set_back(Path.ADJUSTMENT_FEED)
    await house.rest()
    (run,) = await house.all_runs()
    await house.runs.decide(run.id, False, by=ROOT)
    await house.rest()
    assert set((await house.ends()).values()) == {A}
    assert dict(done(house)) == {"one": 2, "two": 2}


@pytest.mark.parametrize("path", ONCE)
async def test_a_restart_alone_holds_nothing_up(path: Path) -> None:
    house = await kitchen(path)
    for name in ("one", "two"):
        await house.wish(name)
        await house.rest()
        house.runs = house.another()
    assert await house.ends() == {"one": A, "two": A}
    assert house.amazon.asked["getFeeds"] == 2
    for name in ("three", "four"):
        await house.wish(name)
        await house.rest()
    assert house.amazon.asked["getFeeds"] == 3, "once for each process"


async def test_amazon_does_not_tell_for_a_while() -> None:
    house = await set_back(Path.ADJUSTMENT_FEED)
    house.amazon.moods["getFeeds"] = Mood(internal_failure, times=3)
    await house.turn()
    (run,) = await house.open_runs()
    assert run.step is RunStep.UPLOADED
    await house.rest()
    assert await house.ends() == {"one": U, "two": U}


async def test_after_a_day_nobody_thinks_of_it_any_more() -> None:
    house = await kitchen(Path.ADJUSTMENT_FEED)
    await house.wish("one")
    await house.rest()
    house.store.rows["feed_runs"].clear()
    house.clock.move(days=2)
    await house.wish("two")
    house.runs = house.another()
    await house.rest()
    assert (await house.ends())["two"] is A
