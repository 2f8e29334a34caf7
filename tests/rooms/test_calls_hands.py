"""Permits that were taken ahead, and permits of callers who go away: none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from evergrant.calls.lines import Taking
from evergrant.ports.budgets import Taken, Wish
from evergrant.rules.budgets import Plan, margin_s
from tests.rooms.permit_ground import FAST, SLOW, SMALL, Gated, House, busy


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for background in house.backgrounds:
        await house.time.result(background.close(5.0))


# --- the hand -----------------------------------------------------------------------------------


async def test_a_busy_line_of_a_large_bucket_has_permits_at_hand(house: House) -> None:
    line = house.line(FAST)
    assert house.here.at_hand(line) is None
    await house.time.result(house.here.take(line, "a", 0.0))
    assert line.hand.held == 0  # one call is no reason
    await busy(house, line)
    assert house.budgets.taken == 2 + line.hand_size
    questions = len(house.budgets.wishes)
    permit = house.here.at_hand(line)
    assert permit is not None
    assert house.here.fresh(permit)
    assert permit.left > 1000
    assert len(house.budgets.wishes) == questions
    await house.time.move(1.0)
    assert house.budgets.taken == 3  # everything else went back


async def test_a_hand_is_refilled_before_it_is_empty(house: House) -> None:
    line = house.line(FAST)
    await busy(house, line)
    for _ in range(500):
        assert house.here.at_hand(line) is not None
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(house.budgets.wishes) < 60
    await house.time.move(1.0)
    assert line.hand.held == 0
    assert house.budgets.taken == 502


async def test_a_hand_is_given_back_when_nobody_uses_it(house: House) -> None:
    line = house.line(FAST)
    await busy(house, line)
    await house.time.move(margin_s(FAST))
    assert line.hand.held == 0
    assert house.budgets.taken == 2


async def test_an_old_permit_of_the_hand_is_not_used(house: House) -> None:
    line = house.line(FAST)
    await busy(house, line)
    house.time.at_s += line.hold_s * 1.01  # before anybody could give it back
    assert house.here.at_hand(line) is None


@pytest.mark.parametrize("plan", [SLOW, SMALL, Plan(30.0, 30), Plan(80.0, 40)])
async def test_small_buckets_have_no_hand(house: House, plan: Plan) -> None:
    line = house.line(plan)
    for _ in range(2):
        await house.time.result(house.here.take(line, "a", 5.0))
    assert line.hand.held == 0
    assert house.here.at_hand(line) is None


async def test_a_half_empty_bucket_has_no_hand(house: House) -> None:
    line = house.line(FAST)
    there = house.process()
    taken = await house.budgets.take(Wish(shares=line.shares, most=1_500))
    assert isinstance(taken, Taken)
    for _ in range(3):
        await house.time.result(there.take(house.line(FAST, there), "a", 0.0))
    assert there.at_hand(house.line(FAST, there)) is None


async def test_the_hand_is_closed_while_somebody_waits(house: House) -> None:
    line = house.line(FAST)
    await busy(house, line)
    task = house.waiting(line, "b")
    # It takes from the hand at once: nobody was there.
    await asyncio.sleep(0)
    assert (await task).line is line
    line.hand.drop(house.time.monotonic())
    await house.budgets.drain(line.shares)
    waiting = house.waiting(line, "b")
    await house.time.settle()
    line.hand.put(5, Taking(house.time.monotonic(), line.shares, (0.0,)))
    assert house.here.at_hand(line) is None
    await house.time.result(waiting)
    line.hand.drop(house.time.monotonic())


# --- going away ---------------------------------------------------------------------------------


async def test_who_goes_away_while_waiting_leaves_the_line(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    task = house.waiting(line, "a")
    await house.time.settle()
    assert len(house.budgets.standing()) == 1
    task.cancel()
    await house.time.settle()
    assert house.budgets.standing() == []
    assert line.turns == {}
    assert line.idle


async def test_its_place_is_kept_while_others_of_the_same_caller_wait(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    gone, stays = house.waiting(line, "a"), house.waiting(line, "a")
    await house.time.settle()
    gone.cancel()
    await house.time.settle()
    assert len(house.budgets.standing()) == 1
    await house.time.result(stays)
    assert house.time.at_s < 1.1


async def test_who_goes_away_while_the_budgets_answer_gives_the_permit_back(house: House) -> None:
    budgets = Gated(house.time.clock)
    process = house.process(budgets)
    line = house.line(SMALL, process)
    task = house.waiting(line, "a", 0.0, process)
    await house.time.settle()
    assert budgets.taken == 1
    task.cancel()
    await house.time.settle()
    budgets.gate.set()
    await house.time.settle()
    assert budgets.taken == 0
    assert line.idle


async def test_or_to_the_next_one(house: House) -> None:
    budgets = Gated(house.time.clock)
    process = house.process(budgets)
    line = house.line(SLOW, process)
    gone, stays = (house.waiting(line, caller, 50.0, process) for caller in "ab")
    await house.time.settle()
    gone.cancel()
    await house.time.settle()
    budgets.gate.set()
    await house.time.settle()
    assert stays.done()
    assert house.time.at_s == 0.0
    assert budgets.taken == 1


async def test_who_goes_away_with_the_permit_in_hand_passes_it_on(house: House) -> None:
    """It was given and nobody had looked at it yet."""
    budgets = Gated(house.time.clock)
    process = house.process(budgets)
    line = house.line(SLOW, process)
    gone, stays = (house.waiting(line, caller, 50.0, process) for caller in "ab")
    await house.time.settle()
    waiter = line.turns["a"].waiters[0]
    budgets.gate.set()
    asyncio.get_running_loop().call_soon(gone.cancel)
    await house.time.settle()
    assert waiter.given.result()
    assert gone.cancelled()
    assert stays.done()
    assert budgets.taken == 1
    assert house.time.at_s == 0.0


@pytest.mark.parametrize("after", range(12))
async def test_at_whatever_moment_somebody_goes_nothing_is_lost(house: House, after: int) -> None:
    line = house.line(Plan(1.0, 2))
    stays = [house.waiting(line, "b") for _ in range(2)]
    gone = house.waiting(line, "a")
    for _ in range(after):
        await asyncio.sleep(0)
    gone.cancel()
    for task in stays:
        await house.time.result(task)
    used = 2
    with pytest.raises(asyncio.CancelledError):
        used += (await gone) is not None
    await house.time.move(1.0)
    assert house.budgets.taken == used
    assert house.budgets.standing() == []
    assert line.idle


async def test_a_permit_that_got_old_goes_back_and_not_to_the_next(house: House) -> None:
    line = house.line(SLOW)
    permit = await house.time.result(house.here.take(line, "a", 0.0))
    waiting = house.waiting(line, "b")
    await house.time.move(0.5)
    assert not house.here.fresh(permit)
    house.here.give_back(permit)
    await house.time.settle()
    assert not waiting.done()
    assert house.budgets.given_back == [("app/acc/eu/op", 1)]
    await house.time.result(waiting)
    # Half of it had been lost at Amazon: the next one comes a second after the first.
    assert 0.99 < house.time.at_s < 1.2
