"""Permits: fair, bounded, seldom asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from evergrant.calls.lines import Line, Taking, Waiter
from evergrant.calls.permits import Permits
from evergrant.errors import OverLimit, StoreUnavailable
from evergrant.ports.budgets import Queued, Taken, Wish
from evergrant.rules.budgets import Importance, Plan
from tests.rooms.gate_ground import ToldBudgets
from tests.rooms.permit_ground import FAST, SLOW, SMALL, Gated, House, busy, over_limit


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for background in house.backgrounds:
        await house.time.result(background.close(5.0))


# --- waiting ------------------------------------------------------------------------------------


async def test_what_is_there_is_given_at_once(house: House) -> None:
    line = house.line(SMALL)
    permit = await house.time.result(house.here.take(line, "a", 0.0))
    assert house.time.at_s == 0.0
    assert not permit.queued
    assert permit.left == 1  # a burst of three has a margin
    assert house.budgets.taken == 1


async def test_who_is_not_ready_to_wait_hears_when_to_come_again(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    task = house.waiting(line, "a", 0.0)
    await house.time.settle()
    refused = await over_limit(task)
    assert 0.9 < refused.retry_after_s < 1.1
    assert house.budgets.standing() == []
    await house.time.move(refused.retry_after_s)
    await house.time.result(house.here.take(line, "a", 0.0))


async def test_whoever_is_ready_to_wait_waits_as_long_as_it_takes(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    permit = await house.time.result(house.here.take(line, "a", 5.0))
    assert permit.queued
    assert 0.99 < house.time.at_s < 1.1


async def test_a_wait_that_cannot_end_in_time_is_refused_at_once(house: House) -> None:
    line = house.line(Plan(0.1, 1))
    await house.spend(line, 1)
    task = house.waiting(line, "a", 8.0)
    await house.time.settle()
    refused = await over_limit(task)
    assert house.time.at_s == 0.0
    assert 9.0 < refused.retry_after_s < 11.0
    assert house.budgets.standing() == []


async def test_of_many_calls_only_those_wait_whose_turn_can_come_in_time(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    tasks = [house.waiting(line, "a", 3.5) for _ in range(10)]
    await house.time.settle()
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 7
    waits = sorted([(await over_limit(task)).retry_after_s for task in refused])
    assert waits[0] > 3.5
    # One who comes later, and could not be served in time either, is told without a question.
    asked = len(house.budgets.wishes)
    late = house.waiting(line, "a", 3.5)
    await house.time.settle()
    await over_limit(late)
    assert len(house.budgets.wishes) == asked
    for task in tasks:
        if task not in refused:
            await house.time.result(task)
    assert house.time.at_s < 3.5
    assert house.budgets.standing() == []


async def test_who_comes_while_an_impatient_one_is_refused_gets_a_place_at_once(
    house: House,
) -> None:
    budgets = Gated(house.time.clock)
    process = house.process(budgets)
    line = house.line(SLOW, process)
    await budgets.drain(line.shares)
    impatient = house.waiting(line, "a", 0.0, process)
    await house.time.settle()
    patient = house.waiting(line, "a", 10.0, process)
    assert budgets.standing() == []
    budgets.gate.set()
    await house.time.settle()
    await over_limit(impatient)
    assert len(budgets.standing()) == 1
    assert (await house.time.result(patient)).queued


async def test_nobody_waits_longer_than_it_said(house: House) -> None:
    """Others come first, again and again: more important ones."""
    line = house.line(SLOW)
    first = house.line(SLOW, importance=Importance.FIRST)
    await house.spend(line, 1)
    task = house.waiting(line, "a", 4.0)
    await house.time.settle()
    more = [house.waiting(first, "kitchen", 100.0) for _ in range(8)]
    await house.time.move(4.1)
    refused = await over_limit(task)
    assert refused.retry_after_s > 0
    for other in more:
        await house.time.result(other)


async def test_one_question_serves_all_who_wait(house: House) -> None:
    line = house.line(Plan(10.0, 50))
    permits = await house.time.result(
        asyncio.gather(*(house.here.take(line, "a", 1.0) for _ in range(40)))
    )
    assert len(permits) == 40
    assert len(house.budgets.wishes) <= 2
    assert house.budgets.taken == 40


async def test_an_important_call_goes_before_those_that_wait(house: House) -> None:
    line = house.line(SLOW)
    first = house.line(SLOW, importance=Importance.FIRST)
    await house.spend(line, 1)
    order: list[str] = []

    async def call(line: Line, name: str) -> None:
        await house.here.take(line, name, 100.0)
        order.append(name)

    calls = [asyncio.ensure_future(call(line, "script")) for _ in range(3)]
    await house.time.settle()
    calls.append(asyncio.ensure_future(call(first, "kitchen")))
    for task in calls:
        await house.time.result(task)
    assert order[0] == "kitchen"


# --- fairness -----------------------------------------------------------------------------------


async def test_callers_of_one_process_are_served_in_turns(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    order: list[str] = []

    async def call(name: str) -> None:
        await house.here.take(line, name, 1000.0)
        order.append(name)

    greedy = [asyncio.ensure_future(call("greedy")) for _ in range(20)]
    await house.time.settle()
    modest = [asyncio.ensure_future(call("modest")) for _ in range(5)]
    for task in modest:
        await house.time.result(task)
    assert Counter(order)["greedy"] <= 6
    for task in greedy:
        await house.time.result(task)
    assert house.budgets.standing() == []


async def test_callers_of_two_processes_are_served_in_turns(house: House) -> None:
    there = house.process()
    line, line_there = house.line(SLOW), house.line(SLOW, there)
    await house.spend(line, 1)
    order: list[str] = []

    async def call(process: Permits, line: Line, name: str) -> None:
        await process.take(line, name, 1000.0)
        order.append(name)

    calls = [asyncio.ensure_future(call(house.here, line, "greedy")) for _ in range(30)]
    await house.time.settle()
    modest = [asyncio.ensure_future(call(there, line_there, "modest")) for _ in range(6)]
    for task in modest:
        await house.time.result(task)
    assert Counter(order)["greedy"] <= 8
    for task in calls:
        await house.time.result(task)


async def test_a_caller_has_one_ticket_however_many_calls_it_makes(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    tasks = [house.waiting(line, caller) for caller in "aabbb" for _ in range(4)]
    await house.time.settle()
    assert len(house.budgets.standing()) == 2
    for task in tasks:
        task.cancel()
    await house.time.settle()
    assert house.budgets.standing() == []


async def test_permits_go_round_beginning_with_who_asked(house: House) -> None:
    line = house.line(SMALL)
    waiters: dict[str, list[Waiter]] = {"a": [], "b": [], "c": []}
    for caller in "aabbc":
        waiter = Waiter(100.0, asyncio.get_running_loop().create_future())
        line.join(caller, waiter, 0.0)
        waiters[caller].append(waiter)

    def served() -> dict[str, int]:
        return {name: sum(one.given.done() for one in those) for name, those in waiters.items()}

    taken = Taking(0.0, line.shares, (0.0,))
    assert line.hand_out(1, taken, first="b") == (0, [])
    assert served() == {"a": 0, "b": 1, "c": 0}
    assert line.hand_out(2, taken, first="a") == (0, [])
    assert served() == {"a": 1, "b": 1, "c": 1}
    assert line.hand_out(5, taken) == (3, [])
    assert served() == {"a": 2, "b": 2, "c": 1}
    assert not line.turns


async def test_whoever_is_served_by_anothers_question_leaves_the_line(house: House) -> None:
    line = house.line(Plan(1.0, 5))
    await house.budgets.drain(line.shares)
    tasks = [house.waiting(line, caller) for caller in "ab"]
    await house.time.settle()
    assert len(house.budgets.standing()) == 2
    # What somebody gave back makes the bucket full.
    bucket = house.budgets.buckets["app/acc/eu/op"]
    house.budgets.buckets["app/acc/eu/op"] = replace(bucket, theoretical_arrival_s=0.0)
    await house.time.move(1.0)
    assert all(task.done() for task in tasks)
    assert house.budgets.standing() == []


async def test_two_processes_make_all_calls_that_the_plan_permits_and_no_more(
    house: House,
) -> None:
    plan = Plan(5.0, 10)
    there = house.process()
    line, line_there = house.line(plan), house.line(plan, there)
    at: list[float] = []

    async def work(process: Permits, line: Line, name: str) -> None:
        while house.time.at_s < 60.0:
            try:
                await process.take(line, name, 20.0)
            except OverLimit as over:
                await house.time.sleep(over.retry_after_s)
                continue
            at.append(house.time.at_s)

    workers = [
        asyncio.ensure_future(work(process, own, f"worker {index}"))
        for index, (process, own) in enumerate(
            [(house.here, line), (house.here, line), (there, line_there), (there, line_there)]
        )
    ]
    for worker in workers:
        await house.time.result(worker)
    at = [second for second in at if second <= 60.0]
    assert len(at) >= 0.99 * (10 + 5.0 * 60)
    # As Amazon counts, from a full bucket on.
    tokens, before = 10.0, 0.0
    for second in at:
        tokens = min(tokens + (second - before) * 5.0, 10.0) - 1.0
        before = second
        assert tokens >= -1e-9


# --- trouble ------------------------------------------------------------------------------------


async def test_without_the_database_nobody_gets_a_permit(house: House) -> None:
    line = house.line(SMALL)
    house.budgets.down = True
    tasks = [house.waiting(line, caller) for caller in "aab"]
    await house.time.settle()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [StoreUnavailable] * 3
    assert len({id(error) for error in errors}) == 3
    house.budgets.down = False
    await house.time.result(house.here.take(line, "a", 0.0))


async def test_except_from_the_hand(house: House) -> None:
    line = house.line(FAST)
    await busy(house, line)
    house.budgets.down = True
    assert house.here.at_hand(line) is not None
    assert await house.here.take(line, "b", 0.0)
    await house.time.move(1.0)
    house.budgets.down = False


async def test_the_database_goes_away_while_somebody_waits(house: House) -> None:
    line = house.line(SLOW)
    await house.spend(line, 1)
    task = house.waiting(line, "a")
    await house.time.settle()
    house.budgets.down = True
    with pytest.raises(StoreUnavailable):
        await house.time.result(task)
    assert house.time.at_s < 2
    house.budgets.down = False


async def test_a_mistake_of_ours_is_told_to_everybody(house: House) -> None:
    class Broken(ToldBudgets):
        async def take(self, wish: Wish) -> Taken | Queued:
            raise KeyError("no such thing")

    process = house.process(Broken(house.time.clock))
    line = house.line(SMALL, process)
    tasks = [house.waiting(line, caller, 5.0, process) for caller in "ab"]
    await house.time.settle()
    for task in tasks:
        with pytest.raises(RuntimeError, match="KeyError"):
            await task
    assert line.idle


# --- plans, lines, the end ------------------------------------------------------------------------


async def test_a_plan_that_changes_holds_for_those_who_wait(house: House) -> None:
    line = house.line(Plan(0.01, 1))
    await house.spend(line, 1)
    task = house.waiting(line, "a", 200.0)
    await house.time.move(1.5)
    assert not task.done()
    assert house.line(Plan(10.0, 1)) is line
    await house.time.move(1.5)
    assert task.done()


async def test_what_amazon_reports_shortens_the_wait_that_is_told(house: House) -> None:
    line = house.line(Plan(0.1, 1))
    await house.spend(line, 1)
    await house.budgets.learn("app/acc/eu/op", 2.0)
    line.learn("app/acc/eu/op", 2.0)
    tasks = [house.waiting(line, "a", 3.0) for _ in range(4)]
    await house.time.settle()
    assert not any(task.done() for task in tasks)
    for task in tasks:
        await house.time.result(task)
    assert house.time.at_s < 3.0


async def test_what_is_remembered_of_idle_lines_is_bounded(house: House) -> None:
    process = house.process(most_lines=10)
    busy_line = house.line(SLOW, process, bucket="busy")
    waiting = [house.waiting(busy_line, "a", 100.0, process) for _ in range(2)]
    await house.time.settle()
    for number in range(50):
        house.line(SLOW, process, bucket=f"bucket {number}")
    assert len(process._lines) <= 11
    assert house.line(SLOW, process, bucket="busy") is busy_line
    for task in waiting:
        await house.time.result(task)


async def test_closing_gives_everything_back_and_refuses_who_waits(house: House) -> None:
    fast, slow = house.line(FAST), house.line(SLOW, bucket="slow")
    await busy(house, fast)
    await house.spend(slow, 1)
    task = house.waiting(slow, "a")
    await house.time.settle()
    await house.here.close()
    await house.time.settle()
    refused = await over_limit(task)
    assert refused.retry_after_s > 0
    assert house.budgets.taken == 3
    assert house.budgets.standing() == []
    with pytest.raises(OverLimit):
        await house.here.take(fast, "a", 0.0)
