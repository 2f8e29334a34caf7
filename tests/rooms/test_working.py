"""Whose turn it is: accounts that are due, one turn, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from evergrant.doorbell import press, put_due
from evergrant.errors import Conflict, NotAllowed, NotFound, StoreUnavailable, Throttled
from evergrant.feeds import working
from evergrant.feeds.planning import Planned, Planning
from evergrant.feeds.running import Running
from evergrant.feeds.working import Working
from evergrant.naming import new_id
from evergrant.ports.things import Account
from evergrant.ports.traded import AccountWork, FeedRun
from evergrant.rules import ids
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.waits import Waiting, Why
from tests.rooms.hatch_ground import ERP, Hatch
from tests.rooms.kitchen_amazon import Killed

MINUTE = timedelta(minutes=1)
Step = Callable[[FeedRun], Awaitable[None]]


class Runs:
    """Runs that go as a test says: by id, else as ``always``."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.steps: dict[str, Step] = {}
        self.always: Step = house.end
        self.gone: list[str] = []

    async def go(self, run_id: str) -> FeedRun:
        self.gone.append(run_id)
        run = await self.house.run(run_id)
        await self.steps.get(run_id, self.always)(run)
        return await self.house.run(run_id)


class Plans:
    """Plans nothing, as a plan does it: by the account's version. ``then``: what comes between."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.then: Callable[[], Awaitable[None]] | None = None
        self.waits: tuple[Waiting, ...] = ()
        self.next_at: Any = None
        self.asked = 0

    async def plan(self, account_id: str) -> Planned:
        self.asked += 1
        version = (await self.house.work(account_id)).version
        if self.then is not None:
            await self.then()
        return Planned(
            account_id=account_id, version=version, waits=self.waits, next_at=self.next_at
        )


class House(Hatch):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.runs = Runs(self)
        self.plans = Plans(self)
        self.seconds = 0.0
        self.turns = Working(
            store=self.store,
            clock=self.clock,
            bell=self.bell,
            plans=cast("Planning", self.plans),
            runs=cast("Running", self.runs),
            monotonic=lambda: self.seconds,
        )

    async def due(self, account: Account) -> AccountWork:
        async with self.store.transaction() as tx:
            return await put_due(tx, account.id, self.clock.now())

    async def work(self, account_id: str) -> AccountWork:
        async with self.store.transaction() as tx:
            found = await tx.work.get(account_id)
        assert found is not None
        return found

    async def begin(self, account: Account, **values: Any) -> FeedRun:
        now = self.clock.now()
        run = FeedRun(
            id=new_id(ids.Kind.FEED_RUN, now),
            account_id=account.id,
            application_id=account.application_id,
            region=account.region,
            path=Path.PATCH,
            step=RunStep.PLANNED,
            **{"next_at": now, "created_at": now, "changed_at": now, **values},
        )
        async with self.store.transaction() as tx:
            await tx.feed_runs.add(run)
        return run

    async def run(self, id: str) -> FeedRun:
        async with self.store.transaction() as tx:
            found = await tx.feed_runs.get(id)
        assert found is not None
        return found

    async def move(self, run: FeedRun, **values: Any) -> None:
        async with self.store.transaction() as tx:
            await tx.feed_runs.change(
                run.id, {"version": run.version}, version=run.version + 1, **values
            )

    async def end(self, run: FeedRun) -> None:
        now = self.clock.now()
        await self.move(run, step=RunStep.SETTLED, ended_at=now, next_at=None)


async def nothing(run: FeedRun) -> None:
    """As when somebody else has it."""


@pytest.fixture
async def house() -> House:
    house = House()
    await house.open()
    return house


@pytest.fixture
async def account(house: House) -> Account:
    return await house.add()


# --- who is due ---------------------------------------------------------------------------------


async def test_accounts_that_wait_longest_come_first_and_all_of_them_come(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "PAGE", 2)
    accounts = [await house.add() for _ in range(5)]
    assert await house.turns.tick() == []
    for account in reversed(accounts):
        await house.due(account)
        house.clock.move(minutes=1)
    assert await house.turns.tick() == [one.id for one in reversed(accounts)]


async def test_nobody_is_due_before_the_time(house: House, account: Account) -> None:
    await house.due(account)
    house.plans.next_at = house.clock.now() + 5 * MINUTE
    worked = await house.turns.work(account.id)
    assert worked.next_at == house.plans.next_at
    house.clock.move(minutes=4)
    assert await house.turns.tick() == []
    house.clock.move(minutes=1)
    assert await house.turns.tick() == [account.id]


async def test_an_account_without_work_has_an_empty_turn(house: House, account: Account) -> None:
    worked = await house.turns.work(account.id)
    assert (worked.made, worked.next_at, house.plans.asked) == (0, None, 0)


async def test_while_amazon_works_on_it_nothing_is_planned_twice(
    house: House, account: Account
) -> None:
    await house.due(account)
    run = await house.begin(account)
    later = house.clock.now() + 2 * MINUTE

    async def looks(run: FeedRun) -> None:
        await house.move(run, next_at=later)

    house.runs.steps[run.id] = looks
    assert (await house.turns.work(account.id)).next_at == later
    assert house.plans.asked == 1
    # Over, or not done yet: then there may be more to do.
    house.clock.set(later)
    del house.runs.steps[run.id]
    assert (await house.turns.work(account.id)).next_at is None
    assert house.plans.asked == 3


# --- the doorbell -------------------------------------------------------------------------------


async def test_whoever_presses_during_the_plan_is_not_forgotten(
    house: House, account: Account
) -> None:
    await house.due(account)

    async def pressed() -> None:
        house.plans.then = None
        await house.due(account)

    house.plans.then = pressed
    worked = await house.turns.work(account.id)
    assert worked.next_at == house.clock.now()
    assert await house.turns.tick() == [account.id]
    assert (await house.turns.work(account.id)).next_at is None
    assert await house.turns.tick() == []


async def test_whoever_presses_while_a_run_goes_is_not_forgotten(
    house: House, account: Account
) -> None:
    await house.due(account)
    run = await house.begin(account)

    async def pressed(run: FeedRun) -> None:
        await house.due(account)
        await house.end(run)

    house.runs.steps[run.id] = pressed
    worked = await house.turns.work(account.id)
    assert worked.settled == 1
    assert house.plans.asked == 2, "what settled may let something else go"
    assert worked.next_at is None, "the second plan knew of it"


async def test_a_turn_that_dies_leaves_the_account_due(house: House, account: Account) -> None:
    await house.due(account)
    run = await house.begin(account)

    async def dies(run: FeedRun) -> None:
        raise Killed

    house.runs.steps[run.id] = dies
    with pytest.raises(Killed):
        await house.turns.work(account.id)
    assert await house.turns.tick() == [account.id]


async def test_two_at_once_leave_nothing_undone(house: House, account: Account) -> None:
    await house.due(account)
    runs = [await house.begin(account) for _ in range(6)]

    async def slowly(run: FeedRun) -> None:
        await asyncio.sleep(0)
        await house.end(run)

    house.runs.always = slowly
    await asyncio.gather(*(house.turns.work(account.id) for _ in range(3)))
    while await house.turns.tick():
        await house.turns.work(account.id)
    assert all([(await house.run(run.id)).step is RunStep.SETTLED for run in runs])


# --- runs ---------------------------------------------------------------------------------------


async def test_a_run_that_does_not_move_keeps_nobody_busy(house: House, account: Account) -> None:
    await house.due(account)
    run = await house.begin(account)
    house.runs.steps[run.id] = nothing
    worked = await house.turns.work(account.id)
    assert house.runs.gone == [run.id]
    assert worked.next_at == house.clock.now() + working.NOT_OURS
    assert await house.turns.tick() == []


async def test_a_run_that_moves_and_moves_gives_the_turn_back(
    house: House, account: Account
) -> None:
    await house.due(account)
    run = await house.begin(account)

    async def goes_on(run: FeedRun) -> None:
        house.seconds += 10
        await house.move(run)

    house.runs.steps[run.id] = goes_on
    worked = await house.turns.work(account.id)
    assert len(house.runs.gone) == 5
    assert worked.next_at == house.clock.now(), "and goes on with the next tick"
    house.seconds, house.runs.gone = 0.0, []

    async def goes_on_at_once(run: FeedRun) -> None:
        await house.move(run)

    house.runs.steps[run.id] = goes_on_at_once
    await house.turns.work(account.id)
    assert len(house.runs.gone) == working.MOST_ROUNDS


@pytest.mark.parametrize("trouble", [Throttled("Slower."), ZeroDivisionError()])
async def test_one_runs_trouble_is_not_anothers(
    house: House, account: Account, trouble: Exception
) -> None:
    await house.due(account)
    bad, good = await house.begin(account), await house.begin(account)

    async def breaks(run: FeedRun) -> None:
        raise trouble

    house.runs.steps[bad.id] = breaks
    worked = await house.turns.work(account.id)
    assert (worked.settled, worked.troubled) == (1, 1)
    assert (await house.run(good.id)).step is RunStep.SETTLED
    left = await house.run(bad.id)
    assert (left.step, left.next_at) == (
        RunStep.PLANNED,
        house.clock.now() + working.AFTER_TROUBLE,
    )
    assert left.last_error in (Throttled.code, "ZeroDivisionError")
    assert worked.next_at == left.next_at


async def test_a_run_that_a_person_decides_on_is_never_due(house: House, account: Account) -> None:
    await house.due(account)
    run = await house.begin(account)

    async def uncertain(run: FeedRun) -> None:
        await house.move(run, step=RunStep.UNCERTAIN, next_at=None)
        raise ZeroDivisionError

    house.runs.steps[run.id] = uncertain
    assert (await house.turns.work(account.id)).next_at is None
    assert (await house.run(run.id)).next_at is None


async def test_what_a_doubtful_run_held_up_may_go_at_once(house: House, account: Account) -> None:
    await house.due(account)
    run = await house.begin(account)

    async def uncertain(run: FeedRun) -> None:
        await house.move(run, step=RunStep.UNCERTAIN, next_at=None)

    house.runs.steps[run.id] = uncertain
    await house.turns.work(account.id)
    assert house.plans.asked == 2


async def test_a_run_keeps_its_later_time_when_it_breaks(house: House, account: Account) -> None:
    await house.due(account)
    run = await house.begin(account)
    later = house.clock.now() + 20 * MINUTE

    async def breaks(run: FeedRun) -> None:
        await house.move(run, step=RunStep.SUBMITTING, next_at=later)
        raise ZeroDivisionError

    house.runs.steps[run.id] = breaks
    assert (await house.turns.work(account.id)).next_at == later


async def test_without_a_database_the_turn_ends_when_all_runs_came_to_rest(
    house: House, account: Account
) -> None:
    await house.due(account)
    bad, good = await house.begin(account), await house.begin(account)

    async def gone(run: FeedRun) -> None:
        raise StoreUnavailable

    async def slowly(run: FeedRun) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await house.end(run)

    house.runs.steps = {bad.id: gone, good.id: slowly}
    with pytest.raises(StoreUnavailable):
        await house.turns.work(account.id)
    assert (await house.run(good.id)).step is RunStep.SETTLED
    assert (await house.run(bad.id)) == bad
    assert await house.turns.tick() == [account.id]


# --- plans --------------------------------------------------------------------------------------


async def test_a_plan_that_breaks_keeps_no_run_from_going_on(
    house: House, account: Account
) -> None:
    await house.due(account)
    run = await house.begin(account)

    async def breaks() -> None:
        raise ZeroDivisionError

    house.plans.then = breaks
    worked = await house.turns.work(account.id)
    assert (worked.settled, worked.troubled) == (1, 1)
    assert (await house.run(run.id)).step is RunStep.SETTLED
    assert worked.next_at == house.clock.now() + working.AFTER_TROUBLE
    assert await house.turns.tick() == []


@pytest.mark.parametrize(
    ("why", "after"),
    [
        (Why.PAUSED, None),
        (Why.SWITCHED_OFF, None),
        (Why.LAPSED, None),
        (Why.CLOSED, None),
        (Why.NOT_SIGNED, working.UNSIGNED),
        (Why.FEED_OPEN, working.SELDOM),
        (Why.LIMIT, working.SELDOM),
    ],
)
async def test_what_nobody_would_press_for_is_looked_at_now_and_then(
    house: House, account: Account, why: Why, after: timedelta | None
) -> None:
    await house.due(account)
    house.plans.waits = (Waiting(kind=ChangeKind.STOCK, why=why, count=3),)
    worked = await house.turns.work(account.id)
    assert worked.next_at == (None if after is None else house.clock.now() + after)


async def test_nothing_is_slept_over_for_days(house: House, account: Account) -> None:
    await house.due(account)
    await house.begin(account, next_at=house.clock.now() + timedelta(days=3))
    worked = await house.turns.work(account.id)
    assert worked.next_at == house.clock.now() + working.SELDOM


async def test_a_closed_account_is_left_alone_with_all_that_is_open(house: House) -> None:
    closed = await house.add(State.CLOSED)
    await house.due(closed)
    run = await house.begin(closed)

    async def put_off(run: FeedRun) -> None:
        await house.move(run, next_at=house.clock.now() + MINUTE)

    house.runs.steps[run.id] = put_off
    assert (await house.turns.work(closed.id)).next_at is None
    house.clock.move(days=3)
    assert await house.turns.tick() == []
    async with house.store.transaction() as tx:
        assert await press(tx, closed.id, house.clock.now()) is not None  # as reopening does
    assert await house.turns.tick() == [closed.id]


# --- people -------------------------------------------------------------------------------------


READER = Caller(kind=CallerKind.API_KEY, id="key_r", name="Reader", rights=frozenset({Right.READ}))


async def test_paused_and_resumed(house: House, account: Account) -> None:
    paused = await house.turns.pause(account.id, by=ERP, note="  stock-taking ")
    assert (paused.paused_at, paused.pause_note) == (house.clock.now(), "stock-taking")
    assert paused.paused_by == ERP.name, "people read it"
    assert paused == await house.work(account.id)
    began = house.clock.now()
    house.clock.move(hours=1)
    again = await house.turns.pause(account.id, by=ERP)
    assert (again.paused_at, again.pause_note) == (began, "")
    with pytest.raises(Conflict, match="paused"):
        await house.turns.run_now(account.id, by=ERP)
    assert await house.work(account.id) == again, "nothing of it was written"
    house.bell.work.clear()
    resumed = await house.turns.resume(account.id, by=ERP)
    assert (resumed.paused_at, resumed.paused_by, resumed.pause_note) == (None, "", "")
    assert house.bell.work == [account.id]
    assert await house.turns.tick() == [account.id]
    with pytest.raises(Conflict, match="not paused"):
        await house.turns.resume(account.id, by=ERP)
    async with house.store.transaction() as tx:
        verbs = [line.verb for line in await tx.journal.read(limit=10)]
    assert sorted(verbs) == ["feeds.paused", "feeds.paused", "feeds.resumed"]


async def test_hurried(house: House, account: Account) -> None:
    hurried = await house.turns.run_now(account.id, by=ERP)
    assert (hurried.hurried_at, hurried.due_at) == (house.clock.now(), house.clock.now())
    assert house.bell.work == [account.id]


@pytest.mark.parametrize("verb", ["pause", "resume", "run_now"])
async def test_out_of_reach_and_without_the_right(
    house: House, account: Account, verb: str
) -> None:
    act = getattr(house.turns, verb)
    with pytest.raises(NotAllowed):
        await act(account.id, by=READER)
    elsewhere = replace(ERP, client_instance_id="ins_none")
    with pytest.raises(NotFound):
        await act(account.id, by=elsewhere)
    with pytest.raises(NotFound):
        await act("acc_none", by=ERP)
