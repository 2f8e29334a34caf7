"""GCRA is compared with a naive token bucket: same grants, same waits."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.budgets import (
    FULL,
    Granted,
    Plan,
    SharedBucket,
    Wait,
    available,
    is_low,
    learn,
    take,
)


class NaiveBucket:
    """A level and an instant, in exact fractions."""

    def __init__(self, rate: Fraction, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.level, self.at = Fraction(burst), Fraction(0)

    def take(self, now: Fraction, reserve: int) -> Fraction:
        """0 when granted, else the seconds to wait."""
        self.level = min(Fraction(self.burst), self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level >= 1 + reserve:
            self.level -= 1
            return Fraction(0)
        return (1 + reserve - self.level) / self.rate


# Eighths are exact in floats, so both sides see the same instants.
steps = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2)), min_size=1, max_size=60)


@given(
    rate=st.sampled_from([Fraction(1, 64), Fraction(1, 8), Fraction(1, 2), Fraction(4)]),
    burst=st.integers(3, 20),
    moves=steps,
)
def test_equal_to_a_token_bucket(rate: Fraction, burst: int, moves: list[tuple[int, int]]) -> None:
    plan, bucket, naive = Plan(float(rate), burst), FULL, NaiveBucket(rate, burst)
    now = Fraction(0)
    for eighths, reserve in moves:
        now += Fraction(eighths, 8)
        expected = naive.take(now, reserve)
        match take(bucket, plan, float(now), reserve=reserve):
            case Granted(after):
                assert expected == 0
                bucket = after
            case Wait(seconds):
                assert math.isclose(seconds, expected, rel_tol=1e-9)
        level = min(Fraction(burst), naive.level)
        assert math.isclose(available(bucket, plan, float(now)), level, abs_tol=1e-6)


def test_waiting_as_told_is_enough() -> None:
    plan, bucket = Plan(0.0083, 1), FULL
    granted = take(bucket, plan, 1000.0)
    assert isinstance(granted, Granted)
    wait = take(granted.bucket, plan, 1000.0)
    assert isinstance(wait, Wait)
    assert isinstance(take(granted.bucket, plan, 1000.0 + wait.seconds), Granted)
    assert isinstance(take(granted.bucket, plan, 1000.0 + wait.seconds - 0.01), Wait)


def test_a_refused_permit_costs_nothing() -> None:
    plan = Plan(1, 1)
    granted = take(FULL, plan, 0)
    assert isinstance(granted, Granted)
    for _ in range(100):
        assert isinstance(take(granted.bucket, plan, 0.5), Wait)
    assert isinstance(take(granted.bucket, plan, 1.0), Granted)


def test_a_clock_that_goes_back_grants_nothing_extra() -> None:
    plan, bucket, granted = Plan(1, 3), FULL, 0
    for now in (100.0, 50.0, 100.0, 10.0, 100.0, 99.0):
        answer = take(bucket, plan, now)
        if isinstance(answer, Granted):
            bucket, granted = answer.bucket, granted + 1
    assert granted == 3


@pytest.mark.parametrize("reported", [0.0, -1.0, math.inf, math.nan, 1e-9, 1e9])
def test_nonsense_teaches_nothing(reported: float) -> None:
    bucket = SharedBucket(plan=Plan(0.5, 15))
    assert learn(bucket, reported, 0.0) == bucket


def test_a_reported_rate_is_learnt_and_the_burst_kept() -> None:
    assert learn(SharedBucket(plan=Plan(0.5, 15)), 2.0, 0.0).plan == Plan(2.0, 15)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (math.nan, 1), (1, 0)])
def test_an_impossible_plan_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="not a usage plan"):
        Plan(rate, burst)


@pytest.mark.parametrize("reserve", [-1, 5])
def test_an_impossible_reserve_is_refused(reserve: int) -> None:
    with pytest.raises(ValueError, match="cannot reserve"):
        take(FULL, Plan(1, 5), 0, reserve=reserve)


@pytest.mark.parametrize(
    ("left", "burst", "low"),
    [
        (0.0, 20, True),
        (1.99, 20, True),
        (2.0, 20, False),
        (0.99, 5, True),
        (1.0, 5, False),
        (0.0, 1, False),  # empty after each call
        (20.0, 20, False),
    ],
)
def test_nearly_empty(left: float, burst: int, low: bool) -> None:
    assert is_low(left, burst) is low
