"""The contract of ``ports.budgets``, on the pure rule, in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from evergrant.adapters.budgets import PostgresBudgets, open_budgets
from evergrant.adapters.budgets.asks import Ask, Said, read_bucket
from evergrant.errors import Misconfigured, StoreUnavailable
from evergrant.ports.budgets import Budgets, Level, Queued, Share, Taken, Wish
from evergrant.rules import budgets as rule
from evergrant.rules.budgets import (
    ASK_AGAIN_WITHIN_S,
    GRACE_S,
    Importance,
    Plan,
    SharedBucket,
)
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.clock import FakeClock

PLAN = Plan(0.5, 4)
#: Where a test runs by the database's clock: nothing comes back while it lasts.
SLOW = Plan(1 / 3600, 4)
#: Seconds that nothing in here takes, on whatever machine: what ends a test that fails.
ENOUGH_S = 60.0


def share(name: str = "app/acc/eu/op", plan: Plan = PLAN, **more: Any) -> Share:
    return Share(bucket=name, plan=plan, **more)


def wish(*shares: Share, **more: Any) -> Wish:
    return Wish(shares=shares or [share()], **more)


class RuleBudgets:
    """``rules.budgets`` and nothing else."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.buckets: dict[str, SharedBucket] = {}

    @property
    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    async def take(self, wish: Wish) -> Taken | Queued:
        after, answer = rule.draw(self.buckets, wish, self._now_s)
        self.buckets.update(after)
        return answer

    async def give_back(
        self, shares: Sequence[Share], permits: int, *, receipts: Sequence[float]
    ) -> None:
        now_s = self._now_s
        self.buckets.update(rule.give_back(self.buckets, shares, permits, receipts, now_s))

    async def leave_line(self, wish: Wish) -> None:
        self.buckets.update(rule.leave_line(self.buckets, wish))

    async def learn(self, bucket: str, reported_rate_per_s: float) -> None:
        if bucket in self.buckets:
            learnt = rule.learn(self.buckets[bucket], reported_rate_per_s, self._now_s)
            self.buckets[bucket] = learnt

    async def drain(self, shares: Sequence[Share]) -> None:
        self.buckets.update(rule.drain(self.buckets, shares, self._now_s))

    async def look(self, prefix: str) -> Sequence[Level]:
        found = sorted(name for name in self.buckets if name.startswith(prefix))
        return [Level.of(name, self.buckets[name], self._now_s) for name in found]

    async def low(self, *, limit: int) -> Sequence[Level]:
        low = [one for one in await self.look("") if rule.is_low(one.left, one.plan.burst)]
        return sorted(low, key=lambda one: (one.left / one.plan.burst, one.bucket))[:limit]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["rule", "memory", "postgres"])
async def budgets(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Budgets]:
    if request.param == "rule":
        yield RuleBudgets(clock)
    elif request.param == "memory":
        yield MemoryBudgets(clock)
    else:
        url = request.getfixturevalue("database_url")
        postgres = PostgresBudgets(url, now_s=lambda: clock.now().timestamp())
        await postgres.open()
        yield postgres
        await postgres.close()


async def taken(budgets: Budgets, wish: Wish) -> int:
    answer = await budgets.take(wish)
    return answer.permits if isinstance(answer, Taken) else 0


# --- the contract -------------------------------------------------------------------------------


async def test_which_are_nearly_empty(budgets: Budgets, clock: FakeClock) -> None:
    twenty = Plan(0.1, 20)
    for name, most in (("full", 1), ("edge", 17), ("low", 19)):
        assert await taken(budgets, wish(share(f"a/b/eu/{name}", twenty), most=most)) == most
    # One of a single permit is empty after each call.
    for name, plan in (("empty", twenty), ("of-two", Plan(0.1, 2)), ("of-one", Plan(0.1, 1))):
        await budgets.drain([share(f"a/c/eu/{name}", plan)])
    low = await budgets.low(limit=10)
    assert [one.bucket for one in low] == ["a/c/eu/empty", "a/c/eu/of-two", "a/b/eu/low"]
    assert [round(one.left) for one in low] == [0, 0, 1]
    assert [one.plan for one in low] == [twenty, Plan(0.1, 2), twenty]
    assert [one.bucket for one in await budgets.low(limit=1)] == ["a/c/eu/empty"]
    clock.move(seconds=12)  # one comes back, and a little
    assert [one.bucket for one in await budgets.low(limit=10)] == ["a/c/eu/empty"]
    clock.move(days=1)
    assert await budgets.low(limit=10) == []


async def test_a_burst_then_the_rate(budgets: Budgets, clock: FakeClock) -> None:
    assert await budgets.take(wish(most=3)) == Taken(permits=3, left=0)
    answer = await budgets.take(wish(most=3))
    assert isinstance(answer, Queued)
    assert 0 < answer.seconds < 0.3  # the margin of the burst
    clock.move(seconds=answer.seconds)
    assert await budgets.take(wish(most=3)) == Taken(permits=1, left=0)
    answer = await budgets.take(wish(most=3))
    assert isinstance(answer, Queued)
    assert answer.turn_in_s == pytest.approx(2.006)
    clock.move(seconds=answer.turn_in_s)
    assert await taken(budgets, wish()) == 1
    clock.move(hours=1)
    assert await budgets.take(wish()) == Taken(permits=1, left=2)


async def test_who_waits_stands_in_line(budgets: Budgets, clock: FakeClock) -> None:
    await budgets.drain([share()])
    answers = [await budgets.take(wish(ticket=name)) for name in ("one", "two")]
    assert [answer.ahead for answer in answers if isinstance(answer, Queued)] == [0, 1]
    clock.move(seconds=1.4)
    assert await taken(budgets, wish(ticket="two")) == 0
    assert await taken(budgets, wish(ticket="one")) == 0
    clock.move(seconds=1)
    assert await taken(budgets, wish(ticket="two")) == 0
    assert await taken(budgets, wish(ticket="three", importance=Importance.FIRST)) == 1
    assert await taken(budgets, wish(ticket="one")) == 0
    (level,) = await budgets.look("app/")
    assert level.waiting == 2


async def test_leaving_the_line(budgets: Budgets) -> None:
    await budgets.drain([share()])
    for name in ("one", "two"):
        await budgets.take(wish(ticket=name))
    await budgets.leave_line(wish(ticket="one"))
    await budgets.leave_line(wish(ticket="nobody"))
    await budgets.leave_line(wish(share("no/such/bucket/x"), ticket="one"))
    answer = await budgets.take(wish(ticket="two"))
    assert isinstance(answer, Queued)
    assert answer.ahead == 0


async def test_the_dead_are_forgotten(budgets: Budgets, clock: FakeClock) -> None:
    await budgets.drain([share()])
    await budgets.take(wish(ticket="dead"))
    clock.move(seconds=ASK_AGAIN_WITHIN_S + GRACE_S + 0.01)
    answer = await budgets.take(wish(ticket="living"))
    assert isinstance(answer, Queued)
    assert answer.ahead == 0


async def test_both_or_none(budgets: Budgets) -> None:
    pair, common = share("a/1/eu/op"), share("a/*/*/op", Plan(1, 20))
    other = share("a/2/eu/op")
    assert await taken(budgets, wish(pair, common, most=99)) == 3
    assert await taken(budgets, wish(pair, common)) == 0
    assert await taken(budgets, wish(other, common)) == 1
    levels = {level.bucket: level.left for level in await budgets.look("a/")}
    assert levels["a/*/*/op"] == pytest.approx(16)
    assert list(levels) == ["a/*/*/op", "a/1/eu/op", "a/2/eu/op"]


async def test_reserves(budgets: Budgets) -> None:
    assert await taken(budgets, wish(share(reserve=2), most=9)) == 1
    assert await taken(budgets, wish(share(reserve=2))) == 0
    assert await taken(budgets, wish(importance=Importance.FIRST, most=9)) == 2


async def test_giving_back(budgets: Budgets, clock: FakeClock) -> None:
    first = await budgets.take(wish(most=3))
    assert isinstance(first, Taken)
    await budgets.give_back(
        [share(), share("no/such/bucket/x")], 2, receipts=[*first.receipts, 0.0]
    )
    assert await taken(budgets, wish(most=9)) == 2
    await budgets.give_back([share()], 1, receipts=[0.0])  # of long ago
    assert await taken(budgets, wish(most=9)) == 0
    assert len(await budgets.look("")) == 1


async def test_what_was_held_while_the_bucket_was_in_use_is_worth_all(
    budgets: Budgets, clock: FakeClock
) -> None:
    await budgets.take(wish(most=2))
    held = await budgets.take(wish())
    assert isinstance(held, Taken)
    clock.move(seconds=2.1)  # longer than one token takes to come back
    before = (await budgets.look(""))[0].left
    await budgets.give_back([share()], 1, receipts=held.receipts)
    assert (await budgets.look(""))[0].left == pytest.approx(before + 1, abs=1e-3)


async def test_of_two_buckets_each_has_its_receipt(budgets: Budgets) -> None:
    pair, common = share("a/1/eu/op"), share("a/*/*/op", Plan(1, 20))
    answer = await budgets.take(wish(pair, common, most=3))
    assert isinstance(answer, Taken)
    await budgets.give_back([pair, common], 3, receipts=answer.receipts)
    levels = {level.bucket: level.left for level in await budgets.look("a/")}
    assert levels == {"a/1/eu/op": pytest.approx(4), "a/*/*/op": pytest.approx(20)}


async def test_what_amazon_emptied_is_not_given_back(budgets: Budgets) -> None:
    answer = await budgets.take(wish(most=3))
    assert isinstance(answer, Taken)
    await budgets.drain([share()])
    await budgets.give_back([share()], 3, receipts=answer.receipts)
    assert await taken(budgets, wish()) == 0


async def test_learning(budgets: Budgets, clock: FakeClock) -> None:
    await budgets.learn("app/acc/eu/op", 50.0)  # nobody ever drew on it
    assert await budgets.look("") == []
    await budgets.take(wish(most=3))
    before = (await budgets.look(""))[0].left
    await budgets.learn("app/acc/eu/op", 50.0)
    for nonsense in (float("nan"), float("inf"), 0.0, -1.0):
        await budgets.learn("app/acc/eu/op", nonsense)
    (level,) = await budgets.look("app/acc")
    assert level.plan == Plan(50.0, 4)
    assert (level.reported_rate_per_s, level.reported_at) == (50.0, clock.now())
    assert level.left == pytest.approx(before, abs=1e-3)
    clock.move(seconds=0.5)
    assert await taken(budgets, wish(most=9)) == 3
    # An operator's plan comes first, for as long as there is one.
    await budgets.take(wish(share(plan=Plan(0.25, 4), fixed=True)))
    assert [level.plan.rate_per_s for level in await budgets.look("")] == [0.25]
    await budgets.learn("app/acc/eu/op", 60.0)
    assert [(level.fixed, level.plan.rate_per_s) for level in await budgets.look("")] == [
        (True, 0.25)
    ]
    await budgets.take(wish())
    assert [(level.fixed, level.plan.rate_per_s) for level in await budgets.look("")] == [
        (False, 60.0)
    ]


async def test_draining(budgets: Budgets, clock: FakeClock) -> None:
    await budgets.drain([share(), share("app/*/*/op", Plan(1, 1))])
    assert await taken(budgets, wish()) == 0
    assert await taken(budgets, wish(share("app/*/*/op", Plan(1, 1)))) == 0
    assert {level.throttled_at for level in await budgets.look("")} == {clock.now()}
    clock.move(seconds=2.1)
    assert await taken(budgets, wish(most=9)) == 1


async def test_looking(budgets: Budgets, clock: FakeClock) -> None:
    for name in ("app_1/a/eu/op", "app_1/a/eu/Op", "app_1/ä/eu/op", "app_2/a_%/eu/op"):
        await budgets.take(wish(share(name)))
    names = [level.bucket for level in await budgets.look("app_1/")]
    assert names == ["app_1/a/eu/Op", "app_1/a/eu/op", "app_1/ä/eu/op"]
    assert [level.bucket for level in await budgets.look("app_2/a_%")] == ["app_2/a_%/eu/op"]
    assert await budgets.look("app%") == []
    assert await budgets.look("app_3") == []
    assert len(await budgets.look("")) == 4
    (level,) = await budgets.look("app_2")
    assert level.used_at == clock.now()
    assert (level.throttled_at, level.reported_at, level.reported_rate_per_s) == (None,) * 3
    assert level.left == pytest.approx(3)
    assert level.full_in_s == pytest.approx(2.006)
    clock.move(minutes=1)
    (level,) = await budgets.look("app_2")
    assert (level.left, level.full_in_s) == (4, 0)


@pytest.mark.parametrize("prefix", ["\0", "\ud800", "a\n"])
async def test_nothing_has_an_impossible_name(budgets: Budgets, prefix: str) -> None:
    await budgets.take(wish())
    assert await budgets.look(prefix) == []


async def test_a_line_of_many(budgets: Budgets, clock: FakeClock) -> None:
    await budgets.drain([share()])
    names = [f"ticket {number}" for number in range(60)]
    for _ in range(2):
        answers = [await budgets.take(wish(ticket=name)) for name in names]
        aheads = [answer.ahead for answer in answers if isinstance(answer, Queued)]
        assert aheads == list(range(60))
        clock.move(seconds=0.2)


# --- twins ----------------------------------------------------------------------------------------

plans = st.sampled_from([Plan(1, 1), Plan(0.1, 3), Plan(7.3, 2), Plan(40, 30), Plan(1 / 60, 20)])
names = st.sampled_from(["p", "q", "z"])


@st.composite
def steps(draw: st.DrawFn) -> tuple[float, str, dict[str, Any]]:
    """How much later, which verb, and with what."""
    later_s = draw(st.sampled_from([0.0, 0.0, 1e-6, 0.01, 0.2, 0.9, 1.4, 5.0, -3.0, 700.0]))
    verb = draw(st.sampled_from(["take"] * 6 + ["give_back", "leave_line", "learn", "drain"]))
    shares = [
        Share(
            bucket=name,
            plan=draw(plans),
            fixed=draw(st.booleans()),
            reserve=draw(st.integers(0, 3)),
        )
        for name in draw(st.lists(names, min_size=1, max_size=2, unique=True))
    ]
    told: dict[str, Any] = {"shares": shares}
    if verb in ("take", "leave_line"):
        told = {
            "wish": Wish(
                shares=shares,
                ticket=draw(st.sampled_from(["", "a", "b", "c", "d"])),
                importance=draw(st.sampled_from(Importance)),
                most=draw(st.integers(1, 9) | st.just(1_000_000)),
            )
        }
    elif verb == "give_back":
        # Seconds after the receipt of that bucket's last taking; see `Twins.receipts`.
        offsets = [draw(st.sampled_from([0.0, 0.0, 0.0, -0.5, 2.0, -9e9])) for _ in shares]
        told |= {"permits": draw(st.integers(1, 9)), "receipts": offsets}
    elif verb == "learn":
        rate = draw(st.sampled_from([0.5, 5.0, 1 / 3, 1e-7, float("nan")]))
        told = {"bucket": shares[0].bucket, "reported_rate_per_s": rate}
    return later_s, verb, told


def elsewhere(told: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The same in buckets of its own."""

    def moved(shares: Sequence[Share]) -> list[Share]:
        return [replace(share, bucket=prefix + share.bucket) for share in shares]

    told = dict(told)
    if "wish" in told:
        told["wish"] = replace(told["wish"], shares=moved(told["wish"].shares))
    if "shares" in told:
        told["shares"] = moved(told["shares"])
    if "bucket" in told:
        told["bucket"] = prefix + told["bucket"]
    return told


@dataclass
class Twins:
    """PostgreSQL beside the rule, on one clock."""

    url: str
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.receipts: dict[str, float] = {}
        self.rule = RuleBudgets(self.clock)
        self.memory = MemoryBudgets(self.clock)
        self.postgres = PostgresBudgets(self.url, now_s=lambda: self.clock.now().timestamp())

    async def kept(self, prefix: str) -> dict[str, SharedBucket]:
        """As the rows are, to the last bit."""
        async with await psycopg.AsyncConnection.connect(self.url, row_factory=dict_row) as one:
            rows = await one.execute(
                "SELECT * FROM budgets WHERE starts_with(bucket, %s) ORDER BY bucket", (prefix,)
            )
            return {row["bucket"]: read_bucket(row) for row in await rows.fetchall()}

    def with_receipts(self, told: dict[str, Any]) -> dict[str, Any]:
        if "receipts" not in told:
            return told
        now_s = self.clock.now().timestamp()
        pairs = zip(told["shares"], told["receipts"], strict=True)
        receipts = [self.receipts.get(one.bucket, now_s) + later_s for one, later_s in pairs]
        return {**told, "receipts": receipts}

    async def live_through(self, story: Sequence[Any], prefix: str) -> None:
        for later_s, verb, told in story:
            self.clock.move(seconds=later_s)
            told = self.with_receipts(elsewhere(told, prefix))
            said = [
                await getattr(one, verb)(**told) for one in (self.rule, self.memory, self.postgres)
            ]
            assert said[0] == said[1] == said[2]
            if isinstance(said[0], Taken):
                assert said[0].receipts == said[1].receipts == said[2].receipts
                buckets = [share.bucket for share in told["wish"].shares]
                self.receipts |= dict(zip(buckets, said[0].receipts, strict=True))
            looks = [await one.look(prefix) for one in (self.rule, self.memory, self.postgres)]
            assert looks[0] == looks[1] == looks[2]
        ours = {name: b for name, b in self.rule.buckets.items() if name.startswith(prefix)}
        assert await self.kept(prefix) == ours
        assert {name: self.memory.buckets[name] for name in ours} == ours


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_they_tell_the_same_story(runner: asyncio.Runner, database_url: str) -> None:
    twins, numbers = Twins(database_url), itertools.count()
    runner.run(twins.postgres.open())

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(st.lists(steps(), min_size=5, max_size=25))
    def compare(story: list[Any]) -> None:
        runner.run(twins.live_through(story, f"{next(numbers)}/"))

    try:
        compare()
    finally:
        runner.run(twins.postgres.close())


def test_asked_together_is_asked_in_turn(runner: asyncio.Runner, database_url: str) -> None:
    """One statement with many asks does what as many statements would have done."""
    twins, numbers = Twins(database_url), itertools.count()
    twins.postgres.TOGETHER = 1_000
    runner.run(twins.postgres.open())

    async def together(story: list[Any], prefix: str) -> None:
        for name in ("p", "q", "z"):
            for one in (twins.rule, twins.postgres):
                assert await taken(one, wish(share(prefix + name))) == 1
        asked = [(verb, twins.with_receipts(elsewhere(told, prefix))) for _, verb, told in story]
        first = [await getattr(twins.rule, verb)(**told) for verb, told in asked]
        second = await asyncio.gather(
            *(getattr(twins.postgres, verb)(**told) for verb, told in asked)
        )
        assert first == second
        ours = {name: b for name, b in twins.rule.buckets.items() if name.startswith(prefix)}
        assert await twins.kept(prefix) == ours

    @settings(max_examples=20, deadline=None, derandomize=True, database=None)
    @given(st.lists(steps(), min_size=2, max_size=25))
    def compare(story: list[Any]) -> None:
        runner.run(together(story, f"{next(numbers)}/"))

    try:
        compare()
    finally:
        runner.run(twins.postgres.close())


# --- PostgreSQL alone -------------------------------------------------------------------------


class Watched(PostgresBudgets):
    """Counts statements, and may hold them up."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, **more)
        self.sizes: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.lose_answer = False

    async def _execute(self, together: Sequence[Ask]) -> list[Said]:
        self.sizes.append(len(together))
        await self.gate.wait()
        said = await super()._execute(together)
        if self.lose_answer:
            self.lose_answer = False
            raise psycopg.OperationalError("the connection was lost")
        return said


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.001)


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    budgets = Watched(database_url, connections=1)
    await budgets.open()
    yield budgets
    budgets.gate.set()
    await budgets.close()


async def test_the_databases_clock_counts(watched: Watched) -> None:
    slow, quick = share("slow", Plan(1 / 3600, 1)), share("quick", Plan(20, 1))
    for one in (slow, quick):
        assert await taken(watched, wish(one)) == 1
    answer = await watched.take(wish(slow))
    assert isinstance(answer, Queued)
    assert 3600 - ENOUGH_S < answer.turn_in_s < 3600 + ENOUGH_S
    await until(lambda: taken(watched, wish(quick)))
    (level,) = await watched.look("quick")
    assert level.used_at is not None
    assert abs(level.used_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_what_is_asked_meanwhile_goes_together(watched: Watched) -> None:
    watched.gate.clear()
    asked = [asyncio.create_task(watched.take(wish(share(f"b{n % 7}", SLOW)))) for n in range(50)]
    await until(lambda: watched.sizes)
    asked += [asyncio.create_task(watched.take(wish(share(f"b{n % 7}", SLOW)))) for n in range(30)]
    await asyncio.sleep(0)
    watched.gate.set()
    answers = await asyncio.gather(*asked)
    assert watched.sizes == [50, 30]
    assert sum(isinstance(answer, Taken) for answer in answers) == 7 * 3


async def test_nobody_waits_for_a_lane_that_ended(watched: Watched) -> None:
    async with asyncio.timeout(ENOUGH_S):
        for number in range(50):
            assert await taken(watched, wish(share(f"b{number}"))) == 1


async def test_a_permit_whose_taker_went_away_comes_back(watched: Watched) -> None:
    watched.gate.clear()
    asked = asyncio.create_task(watched.take(wish(most=3)))
    await until(lambda: watched.sizes)
    never_sent = asyncio.create_task(watched.take(wish(most=3)))
    await asyncio.sleep(0)
    asked.cancel()
    never_sent.cancel()
    await asyncio.gather(asked, never_sent, return_exceptions=True)
    watched.gate.set()
    await until(lambda: len(watched.sizes) == 2)  # the statement that gives back
    assert await taken(watched, wish(most=3)) == 3
    assert sum(watched.sizes) == 3


async def test_a_dead_connection_is_replaced(watched: Watched, database_url: str) -> None:
    await watched.take(wish())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'evergrant budgets'"
        )
    assert await taken(watched, wish()) == 1
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'evergrant budgets'"
        )
    assert len(await watched.look("")) == 1


async def test_permits_are_not_given_back_twice(watched: Watched) -> None:
    slow = share(plan=SLOW)
    answer = await watched.take(wish(slow, most=3))
    assert isinstance(answer, Taken)
    watched.lose_answer = True
    await watched.give_back([slow], 1, receipts=answer.receipts)
    assert await taken(watched, wish(slow, most=9)) == 1


async def test_new_buckets_of_many_at_once(database_url: str) -> None:
    """Made in the order of their names, so that nobody waits for one who waits for him."""
    several = [await open_budgets(database_url) for _ in range(4)]
    names = [f"b{number:02}" for number in range(30)]

    async def ask(budgets: Budgets, order: Sequence[str]) -> int:
        shares = zip(order, reversed(order), strict=True)
        asked = [wish(*(share(name) for name in dict.fromkeys(pair))) for pair in shares]
        return sum(await asyncio.gather(*(taken(budgets, one) for one in asked)))

    async with asyncio.timeout(ENOUGH_S):
        granted = await asyncio.gather(
            *(ask(budgets, names[turn:] + names[:turn]) for turn, budgets in enumerate(several * 3))
        )
    levels = await several[0].look("")
    assert [level.bucket for level in levels] == names
    # Both of a pair or none: at whatever moment one has nothing left, the other may have.
    assert sum(granted) >= len(names)
    for budgets in several:
        await budgets.close()


async def test_a_database_that_is_gone_is_unavailable(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = await open_budgets(database_url)
    monkeypatch.setattr(budgets._pool, "timeout", 0.3)
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    somewhere = psycopg.conninfo.make_conninfo(database_url, dbname="postgres")
    with psycopg.connect(somewhere, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    several = await asyncio.gather(
        *(budgets.take(wish()) for _ in range(3)), return_exceptions=True
    )
    assert [type(error) for error in several] == [StoreUnavailable] * 3
    with pytest.raises(StoreUnavailable):
        await budgets.look("")
    await budgets.close()


async def test_who_holds_a_bucket_does_not_hold_up_for_ever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The wait for the lock ends, and nothing else does, however slow the machine is.
    monkeypatch.setattr(PostgresBudgets, "PATIENCE_S", ENOUGH_S)
    monkeypatch.setattr(PostgresBudgets, "LOCK_PATIENCE_S", 0.1)
    monkeypatch.setattr(PostgresBudgets, "SILENCE_S", ENOUGH_S)
    budgets = await open_budgets(database_url)
    await budgets.take(wish())
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT * FROM budgets FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="somebody else"):
            await budgets.take(wish())
    assert await taken(budgets, wish()) == 1
    await budgets.close()


async def test_a_steered_clock_is_looked_at_after_the_wait_for_a_bucket(
    database_url: str, clock: FakeClock
) -> None:
    budgets = await open_budgets(database_url, now_s=lambda: clock.now().timestamp())
    assert await taken(budgets, wish(most=9)) == 3
    with psycopg.connect(database_url) as other:
        other.execute("SELECT * FROM budgets FOR UPDATE")
        asking = asyncio.create_task(taken(budgets, wish()))
        with psycopg.connect(database_url, autocommit=True) as watching:
            await until(
                lambda: watching.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone()
            )
        clock.move(seconds=10)
    assert await asking == 1
    await budgets.close()


async def test_a_server_that_says_nothing_any_longer_is_unavailable(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresBudgets, "PATIENCE_S", ENOUGH_S)
    monkeypatch.setattr(PostgresBudgets, "SILENCE_S", ENOUGH_S)
    budgets = await open_budgets(database_url)
    assert await taken(budgets, wish()) == 1
    with psycopg.connect(database_url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'evergrant budgets'"
        ).fetchall()
    for (pid,) in rows:
        os.kill(pid, signal.SIGSTOP)
    try:
        # From here on, as what is said before it may take its time.
        with monkeypatch.context() as impatient:
            impatient.setattr(budgets, "SILENCE_S", 0.3)
            async with asyncio.timeout(ENOUGH_S):
                with pytest.raises(StoreUnavailable, match="any longer"):
                    await budgets.take(wish())
    finally:
        for (pid,) in rows:
            os.kill(pid, signal.SIGCONT)
    await until(lambda: taken(budgets, wish()))
    await budgets.close()


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        await open_budgets(f"postgresql://postgres@/evergrant?host={tmp_path}")


async def test_a_bad_address() -> None:
    with pytest.raises(Misconfigured):
        await open_budgets("nonsense")


async def test_a_database_without_tables_says_what_to_do(empty_database_url: str) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        await open_budgets(empty_database_url)
    assert "migrate" in (refused.value.hint or "")


async def test_buckets_outlive_their_processes(database_url: str) -> None:
    first = await open_budgets(database_url)
    assert await taken(first, wish(share(plan=SLOW), most=9)) == 3
    await first.learn("app/acc/eu/op", 0.25)
    await first.close()
    second = await open_budgets(database_url)
    (level,) = await second.look("")
    assert level.left < 2
    assert level.plan.rate_per_s == 0.25
    await second.close()


def test_the_table_survives_a_crash_of_the_server(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT relpersistence FROM pg_class WHERE relname = 'budgets'"
        ).fetchone()
    assert row == ("p",)


# --- the doll -----------------------------------------------------------------------------------


async def test_the_dolls_budgets_can_be_down() -> None:
    budgets = MemoryBudgets()
    assert await taken(budgets, wish(most=9)) == 3
    budgets.down = True
    for asked in (
        budgets.take(wish()),
        budgets.give_back([share()], 1, receipts=[0.0]),
        budgets.leave_line(wish()),
        budgets.learn("a", 1.0),
        budgets.drain([share()]),
        budgets.look(""),
    ):
        with pytest.raises(StoreUnavailable):
            await asked
