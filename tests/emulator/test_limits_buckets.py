"""Buckets against an exact, naive simulation; clocks that jump; what a refusal costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from amazon_emulator.limits import Limits, Plan, Plans, Verdict
from amazon_emulator.limits.buckets import SWEEP_AT_LEAST
from amazon_emulator.limits.measures import Measure, exact
from amazon_emulator.stage import Stage
from tests.searching import cases

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
ONE = timedelta(microseconds=1)
OPERATION = ("GET", "/tea/v1/pots")
OTHER = ("PUT", "/tea/v1/pots")
FEED = Plan.of("0.0083", 15)
SECOND = 1_000_000


def spend(limits: Limits, now: datetime, plan: Plan | None = FEED, **changed: Any) -> Verdict:
    given: dict[str, Any] = {
        "operation": OPERATION, "application_id": "app", "partner_id": "A1", "region": "eu",
    }  # fmt: skip
    return limits.spend(now, plan=plan, **{**given, **changed})


def burst_at(limits: Limits, now: datetime, plan: Plan = FEED, **changed: Any) -> int:
    """How many calls go through at one instant."""
    count = 0
    while spend(limits, now, plan, **changed).allowed:
        count += 1
        assert count < 10_000
    return count


# --- against the naive one ------------------------------------------------------------------------

PLANS = (
    Plan.of("0.0083", 3),
    Plan.of("0.7", 2),
    Plan.of("1.133", 4),
    Plan.of(3, 2, per_application=Fraction(4)),
    Plan.of("0.5", 3, per_application=Fraction("1.3")),
    Plan.of("0.5", 2, per_application=Fraction("0.3")),
)


class Naive:
    """One bucket as a schoolbook has it: a number of calls that grows with time."""

    def __init__(self, rate: Fraction, burst: int) -> None:
        self.rate, self.burst, self.left = rate, burst, Fraction(burst)
        self.allowed_at: list[Fraction] = []

    def wait(self, seconds: Fraction) -> None:
        self.left = min(Fraction(self.burst), self.left + self.rate * seconds)

    @property
    def wanting_s(self) -> Fraction:
        return max(Fraction(0), (1 - self.left) / self.rate)


class AgainstTheNaiveOne(RuleBasedStateMachine):
    """Any order of calls, waits, jumps and steps back."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.now = START
        self.passed_s = Fraction(0)
        self.naive: dict[tuple[Any, ...], Naive] = {}

    def bucket(self, key: tuple[Any, ...], rate: Fraction, burst: int) -> Naive:
        return self.naive.setdefault(key, Naive(rate, burst))

    @rule(
        number=st.integers(0, len(PLANS) - 1),
        application=st.sampled_from(["a", "b"]),
        partner=st.sampled_from(["A1", "A2", "A3", None]),
        region=st.sampled_from(["eu", "na"]),
        times=st.integers(1, 6),
    )
    def call(
        self, number: int, application: str, partner: str | None, region: str, times: int
    ) -> None:
        plan = PLANS[number]
        found = [self.bucket((number, application, partner, region), plan.rate, plan.burst)]
        if plan.per_application is not None:
            at_once = -(-plan.per_application.numerator // plan.per_application.denominator)
            key = (number, application, region)
            found.append(self.bucket(key, plan.per_application, at_once))
        for _ in range(times):
            verdict = self.limits.spend(
                self.now,
                plan=plan,
                operation=("GET", f"/{number}"),
                application_id=application,
                partner_id=partner,
                region=region,
            )
            wanting_s = max(bucket.wanting_s for bucket in found)
            assert verdict.allowed == (wanting_s == 0)
            if verdict.allowed:
                for bucket in found:
                    bucket.left -= 1
                    bucket.allowed_at.append(self.passed_s)
                    self.check_windows(bucket)
            else:
                short_of = exact(verdict.wait_s) - wanting_s
                assert 0 <= short_of < Fraction(1, SECOND)
                pair_s, application_s = found[0].wanting_s, found[-1].wanting_s
                if abs(pair_s - application_s) >= Fraction(1, SECOND):
                    assert (verdict.scope == "pair") == (pair_s > application_s)

    def check_windows(self, bucket: Naive) -> None:
        """Never more than the burst and what a window's time refills, in any window."""
        until = bucket.allowed_at[-1]
        for calls, since in enumerate(reversed(bucket.allowed_at), start=1):
            assert calls <= bucket.burst + bucket.rate * (until - since)

    @rule(microseconds=st.one_of(st.integers(0, 3 * SECOND), st.integers(0, 10**12)))
    def wait(self, microseconds: int) -> None:
        self.now += microseconds * ONE
        seconds = Fraction(microseconds, SECOND)
        self.passed_s += seconds
        for bucket in self.naive.values():
            bucket.wait(seconds)
        self.limits.look(self.now)

    @rule()
    def wait_until_one_more_is_there(self) -> None:
        wanting = [bucket.wanting_s for bucket in self.naive.values() if bucket.wanting_s > 0]
        if wanting:
            exactly = min(wanting) * SECOND
            self.wait(-(-exactly.numerator // exactly.denominator))

    @rule(microseconds=st.one_of(st.integers(1, 3 * SECOND), st.integers(1, 10**13)))
    def step_back(self, microseconds: int) -> None:
        self.now -= microseconds * ONE
        self.limits.look(self.now)

    @invariant()
    def both_see_the_same_left(self) -> None:
        shown = {level.key: level for level in self.limits.levels(self.now)}
        for number, application, *rest in self.naive:
            pair = len(rest) == 2
            partner = rest[0] if pair else None
            scope: Any = "pair" if pair else "application"
            key: Any = (scope, application, partner, rest[-1], ("GET", f"/{number}"), "")
            bucket = self.naive[number, application, *rest]
            if bucket.left == bucket.burst:
                assert key not in shown
            else:
                level = shown[key]
                assert (level.left, level.burst) == (int(bucket.left), bucket.burst)
                assert level.rate == bucket.rate
                assert self.now < level.next_at <= level.full_at


TestAgainstTheNaiveOne = AgainstTheNaiveOne.TestCase
TestAgainstTheNaiveOne.settings = settings(
    max_examples=cases(60), stateful_step_count=40, deadline=None
)


# --- exactness ------------------------------------------------------------------------------------


def test_the_nth_call_after_the_burst_comes_at_its_microsecond_and_not_before() -> None:
    limits = Limits()
    assert burst_at(limits, START) == 15
    for number in range(1, 3000):
        due_at = START + -(-number * 10_000 * SECOND // 83) * ONE
        assert not spend(limits, due_at - ONE).allowed
        assert spend(limits, due_at).allowed
        assert not spend(limits, due_at).allowed


def test_nothing_drifts_in_a_year() -> None:
    limits, now, count = Limits(), START, 0
    year = timedelta(days=365)
    end = START + year
    spend(limits, now)
    while now < end:  # one call an hour is less than the plan, one burst at the end
        now += timedelta(hours=1, microseconds=1)
        count += spend(limits, now).allowed
    assert count == 8760
    empty, now, count = Limits(), START, 0
    while now <= START + timedelta(days=30):
        verdict = spend(empty, now)
        count += verdict.allowed
        now += timedelta(seconds=verdict.wait_s)
    assert count == 15 + int(Fraction("0.0083") * 30 * 86_400)


def test_the_wait_is_exactly_what_is_missing() -> None:
    limits = Limits()
    burst_at(limits, START)
    verdict = spend(limits, START)
    assert (verdict.allowed, verdict.scope) == (False, "pair")
    assert verdict.wait_s == pytest.approx(1 / 0.0083, abs=1e-6)
    later = START + timedelta(seconds=verdict.wait_s)
    assert not spend(limits, later - ONE).allowed
    assert spend(limits, later).allowed


def test_an_empty_bucket_is_full_after_its_time_and_never_fuller() -> None:
    limits = Limits()
    burst_at(limits, START)
    assert burst_at(limits, START + timedelta(days=3650)) == 15


@pytest.mark.parametrize("rate", ["0.0083", "1.133", "0.0167", "500", "0.000001", "0.333333"])
def test_a_measure_is_exact(rate: str) -> None:
    measure = Measure.of(Fraction(rate), 7)
    assert Fraction(measure.ticks * SECOND, measure.cost) == Fraction(rate)
    assert measure.room == 6 * measure.cost


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_measure_needs_a_plan(rate: int, burst: int) -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        Measure.of(Fraction(rate), burst)


@pytest.mark.parametrize("value", [True, None, "", "n", float("inf"), float("nan"), [], "1/0"])
def test_what_is_no_number_is_told(value: object) -> None:
    with pytest.raises(ValueError, match="is no number"):
        exact(value)


# --- clocks that jump -----------------------------------------------------------------------------


def test_a_clock_that_goes_back_refills_nothing_and_takes_nothing() -> None:
    limits = Limits()
    for _ in range(10):
        assert spend(limits, START).allowed
    back = START - timedelta(days=400)
    assert burst_at(limits, back) == 5
    assert burst_at(limits, back - timedelta(days=1)) == 0
    wait_s = spend(limits, back - timedelta(days=2)).wait_s
    assert wait_s == pytest.approx(1 / 0.0083, abs=1e-5)
    assert spend(limits, back - timedelta(days=2) + timedelta(seconds=wait_s)).allowed


def test_to_and_fro_gives_no_more_than_the_ways_forward() -> None:
    limits = Limits()
    burst_at(limits, START)
    count = 0
    for _ in range(50):
        count += burst_at(limits, START - timedelta(hours=1))
        count += burst_at(limits, START - timedelta(hours=1) + timedelta(seconds=60))
    assert count == int(Fraction("0.0083") * 50 * 60)


# --- whose buckets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"partner_id": "A2"},
        {"partner_id": None},
        {"application_id": "other"},
        {"region": "na"},
        {"operation": OTHER},
        {"extra": "JSON_LISTINGS_FEED"},
    ],
)
def test_a_bucket_belongs_to_one_pair_region_and_operation(other: dict[str, Any]) -> None:
    limits = Limits()
    assert burst_at(limits, START) == 15
    assert burst_at(limits, START, **other) == 15
    assert burst_at(limits, START) == 0


def test_without_a_plan_nothing_is_counted() -> None:
    limits = Limits()
    assert all(spend(limits, START, None).allowed for _ in range(1000))
    assert list(limits.levels(START)) == []


def test_an_application_has_its_own_rate_over_all_accounts() -> None:
    plan = Plans().of("PATCH", "/listings/2021-08-01/items/{sellerId}/{sku}")
    assert plan is not None
    limits = Limits()

    def calls(now: datetime, application_id: str = "app", region: str = "eu") -> int:
        return sum(
            burst_at(
                limits, now, plan, partner_id=f"A{n}", application_id=application_id, region=region
            )
            for n in range(200)
        )

    assert calls(START) == 500  # of 200 * 5
    verdict = spend(limits, START, plan, partner_id="A199")
    assert (verdict.allowed, verdict.scope) == (False, "application")
    assert verdict.wait_s == 1 / 500
    assert calls(START, application_id="other") == 500
    assert calls(START, region="na") == 500
    assert calls(START + timedelta(milliseconds=100)) == 50


def test_what_is_refused_by_one_bucket_is_not_spent_from_the_other() -> None:
    plan = Plan.of(1, 2, per_application=Fraction(3))
    limits = Limits()
    assert burst_at(limits, START, plan, partner_id="A1") == 2
    # Refused by the pair: the application keeps its third call.
    assert spend(limits, START, plan, partner_id="A1").scope == "pair"
    assert burst_at(limits, START, plan, partner_id="A2") == 1
    # Refused by the application: the pair keeps its second.
    assert spend(limits, START, plan, partner_id="A2").scope == "application"
    levels = {level.key[:3]: level.left for level in limits.levels(START)}
    assert levels["pair", "app", "A2"] == 1


def test_of_two_waits_the_longer_is_told() -> None:
    plan = Plan.of("0.1", 1, per_application=Fraction(1))
    limits = Limits()
    assert spend(limits, START, plan).allowed
    verdict = spend(limits, START, plan)
    assert (verdict.scope, verdict.wait_s) == ("pair", 10.0)
    verdict = spend(limits, START, plan, partner_id="A2")
    assert (verdict.scope, verdict.wait_s) == ("application", 1.0)
    plan = Plan.of(1, 1, per_application=Fraction("0.1"))
    assert spend(limits, START, plan, operation=OTHER).allowed
    verdict = spend(limits, START, plan, operation=OTHER)
    assert (verdict.scope, verdict.wait_s) == ("application", 10.0)


def test_the_sandbox_counts_all_calls_together() -> None:
    limits = Limits()

    def call(partner_id: str | None = "A1") -> bool:
        return limits.spend_sandbox(
            START, application_id="app", partner_id=partner_id, region="eu"
        ).allowed

    assert [call() for _ in range(16)] == [True] * 15 + [False]
    assert call("A2")
    assert burst_at(limits, START) == 15


# --- other plans, fill and drain ------------------------------------------------------------------


def test_another_plan_keeps_what_is_left() -> None:
    limits = Limits()
    for _ in range(10):
        spend(limits, START)
    assert burst_at(limits, START, Plan.of(1, 3)) == 3
    assert burst_at(limits, START, Plan.of(1, 30)) == 0
    later = START + timedelta(seconds=2.5)
    assert burst_at(limits, later, Plan.of(1, 30)) == 2
    # Half a call is left over, and stays under the next plan.
    assert burst_at(limits, later, Plan.of("0.1", 30)) == 0
    assert burst_at(limits, later + timedelta(seconds=5) - ONE, Plan.of("0.1", 30)) == 0
    assert burst_at(limits, later + timedelta(seconds=5), Plan.of("0.1", 30)) == 1


def test_time_until_a_plan_is_changed_counts_by_the_old_one_and_then_by_the_new() -> None:
    limits, plans = Limits(), Plans()
    operation = ("GET", "/vendor/orders/v1/purchaseOrders")
    fast = plans.of(*operation)
    assert fast is not None
    assert burst_at(limits, START, fast, operation=operation) == 10
    assert burst_at(limits, START, fast, operation=operation, partner_id="A2") == 10
    assert burst_at(limits, START, fast) == 10
    slow = plans.override(*operation, "0.1", 10, partner_id="A1")
    at = START + timedelta(seconds=0.25)
    limits.replan(at, [operation], plans)
    later = at + timedelta(seconds=5)
    assert burst_at(limits, later, slow, operation=operation) == 3  # 2.5 of the old, 0.5 of the new
    assert burst_at(limits, later, fast, operation=operation, partner_id="A2") == 10
    assert burst_at(limits, later, fast) == 10
    plans.restore(*operation)
    limits.replan(later, [operation], plans)
    assert burst_at(limits, later + timedelta(seconds=0.1), fast, operation=operation) == 1


def test_a_bucket_whose_plan_is_taken_away_goes() -> None:
    limits, plans = Limits(), Plans()
    operation = ("GET", "/fulfillment/none")
    spend(limits, START, FEED, operation=operation)
    limits.replan(START, [operation], plans)
    assert list(limits.levels(START)) == []


def test_a_plan_of_the_same_figures_is_the_same_plan() -> None:
    limits = Limits()
    for _ in range(14):
        spend(limits, START, Plan.of("0.0083", 15))
    assert burst_at(limits, START, Plan.of(0.0083, 15.0)) == 1


def test_fill_and_drain() -> None:
    limits = Limits()
    burst_at(limits, START)
    burst_at(limits, START, partner_id="A2")
    assert limits.fill(lambda key: key[2] == "A1") == 1
    assert burst_at(limits, START) == 15
    assert burst_at(limits, START, partner_id="A2") == 0
    assert limits.fill(lambda key: True) == 2
    limits.drain(START, ("pair", "app", "A1", "eu", OPERATION, ""), FEED.measure)
    assert burst_at(limits, START) == 0
    assert burst_at(limits, START + timedelta(seconds=121)) == 1


def test_full_buckets_are_not_kept() -> None:
    limits, now = Limits(), START
    plan = Plan.of(10, 10)
    for number in range(5 * SWEEP_AT_LEAST):
        assert spend(limits, now, plan, partner_id=f"A{number}").allowed
        now += timedelta(milliseconds=1)
        assert len(limits._buckets) <= SWEEP_AT_LEAST
    assert len(list(limits.levels(now))) == 99  # those of the last tenth of a second
    assert len(limits._buckets) == 99
    assert list(limits.levels(now + timedelta(seconds=1))) == []


def test_sweeping_loses_no_call() -> None:
    """Both buckets of a call are counted, also when full ones are dropped in the midst of it."""
    limits, now = Limits(), START
    plan = Plan.of(1, 1, per_application=Fraction(1))
    for number in range(SWEEP_AT_LEAST + 10):
        now += timedelta(seconds=2)
        mine = {"application_id": f"app{number}", "partner_id": f"A{number}"}
        assert spend(limits, now, plan, **mine).allowed
        assert not spend(limits, now, plan, **mine).allowed
        mine["partner_id"] = "another"
        assert spend(limits, now, plan, **mine).scope == "application"


# --- habits and world file ------------------------------------------------------------------------


def test_enforced_as_the_emulator_was_started_until_told_otherwise() -> None:
    stage = Stage.fresh(gentle=True, seed=1, start=None)
    limits = stage.of(Limits)
    assert limits.are_enforced(stage)
    stage.limits_enforced = False
    assert not limits.are_enforced(stage)
    limits.enforced = True
    assert limits.are_enforced(stage)


def test_habits_go_through_a_file() -> None:
    stage = Stage.fresh(gentle=True, seed=1, start=None)
    limits = Limits(json_feeds_spend_both=False, vat_invoices_limited=True)
    spend(limits, START)
    again = Limits()
    again.load(stage, limits.as_json())
    assert again == Limits(json_feeds_spend_both=False, vat_invoices_limited=True)
    again.load(stage, {})
    assert again.vat_invoices_limited


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "limits: must be an object"),
        ({"more": True}, "limits: must be an object"),
        ({"json_feeds_spend_both": 1}, "limits.json_feeds_spend_both: must be true or false"),
    ],
)
def test_a_file_that_is_wrong_is_told_where(given: Any, words: str) -> None:
    load: Callable[..., None] = Limits().load
    with pytest.raises(ValueError, match=words):
        load(Stage.fresh(gentle=True, seed=1, start=None), given)
