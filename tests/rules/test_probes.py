"""Slots of probes: even, for good, and no herd after whatever pause."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.rules import probes
from evergrant.rules.lifecycle import State

START = datetime(2026, 3, 2, 9, 17, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

intervals = st.integers(1, 24 * 31).map(lambda hours: timedelta(hours=hours))
instants = st.integers(0, 10**9).map(lambda s: START + timedelta(seconds=s / 2))
names = st.text(min_size=1, max_size=40)


@given(names, intervals, instants)
def test_a_slot_is_the_next_one_and_stays(name: str, every: timedelta, now: datetime) -> None:
    at = probes.slot_after(name, every, now)
    assert now < at <= now + every
    assert probes.slot_after(name, every, at) == at + every
    assert probes.slot_after(name, every, at - timedelta(microseconds=1)) == at


def test_the_slot_of_a_day_is_a_time_of_day() -> None:
    at = probes.slot_after("acc_1", DAY, START)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    assert at - midnight == probes.slot("acc_1", DAY)


def test_ten_thousand_slots_are_even() -> None:
    accounts = 10_000
    by_hour = Counter(int(probes.slot(f"acc_{n}", DAY) / DAY * 24) for n in range(accounts))
    share = accounts / 24
    assert set(by_hour) == set(range(24))
    assert all(0.8 * share < many < 1.2 * share for many in by_hour.values()), by_hour
    by_minute = Counter(int(probes.slot(f"acc_{n}", DAY) / MINUTE) for n in range(accounts))
    assert max(by_minute.values()) <= probes.most_per_minute(accounts, DAY)


@given(names, intervals, instants)
def test_two_probes_are_an_interval_apart_from_the_second_on(
    name: str, every: timedelta, now: datetime
) -> None:
    first = probes.after_probe(name, State.ACTIVE, now, every=every)
    assert first is not None
    assert every / 2 < first - now <= every * 3 / 2
    # Taken up within the minute of its slot, it comes again one interval after the slot.
    again = probes.after_probe(name, State.ACTIVE, first + MINUTE, every=every)
    assert again == first + every


@given(names, intervals, instants, st.sampled_from([State.LAPSED, State.REVOKED]))
def test_dead_ones_weekly_and_later_monthly(
    name: str, every: timedelta, now: datetime, state: State
) -> None:
    for dead_for, wanted in ((0, 7), (89, 7), (90, 30), (900, 30)):
        span = max(timedelta(days=wanted), every)
        since = now - timedelta(days=dead_for)
        at = probes.after_probe(name, state, now, every=every, dead_since=since)
        assert at is not None
        assert span - every / 2 < at - now <= span + every / 2


@pytest.mark.parametrize("state", [State.AWAITING, State.CLOSED])
def test_others_never(state: State) -> None:
    assert probes.after_probe("acc_1", state, START, every=DAY) is None
    assert probes.after_failure("acc_1", state, START, 1, every=DAY) is None
    assert state not in probes.PROBED


@given(names, intervals, instants, st.integers(1, 20))
def test_failures_never_wait_longer_than_the_slot(
    name: str, every: timedelta, now: datetime, failures: int
) -> None:
    regular = probes.after_probe(name, State.ACTIVE, now, every=every)
    at = probes.after_failure(name, State.ACTIVE, now, failures, every=every)
    assert at is not None
    assert regular is not None
    assert now < at <= regular
    if failures > len(probes.WEATHER):
        assert at == regular
    else:
        rung = probes.WEATHER[failures - 1]
        assert at == regular or rung <= at - now <= rung + timedelta(minutes=10)


def test_a_failure_is_asked_for_after_one() -> None:
    with pytest.raises(ValueError, match="after a failure"):
        probes.after_failure("acc_1", State.ACTIVE, START, 0, every=DAY)


def test_weather_is_no_finding_at_first() -> None:
    assert [probes.told_after(failures) for failures in range(7)] == [False] * 5 + [True] * 2


@given(names, instants, st.floats(-10, 1e9))
def test_what_is_put_off_comes_soon(name: str, now: datetime, wait_s: float) -> None:
    wait = probes.put_off(name, now, wait_s) - now
    assert timedelta(minutes=10) <= wait <= timedelta(hours=6, minutes=10)
    assert wait.total_seconds() >= min(wait_s, 6 * 3600)


def test_what_failed_together_is_not_tried_again_together() -> None:
    again = Counter(int((probes.put_off(f"acc_{n}", START) - START) / MINUTE) for n in range(1000))
    assert max(again.values()) < 150, again


@given(st.integers(0, 200_000), intervals)
def test_the_cap_catches_up_within_a_quarter(accounts: int, every: timedelta) -> None:
    most = probes.most_per_minute(accounts, every)
    assert most >= probes.HANDFUL
    assert most * (every / MINUTE) >= probes.CATCH_UP * accounts
    assert most <= max(probes.HANDFUL, probes.CATCH_UP * accounts / (every / MINUTE) + 1)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 400),
    st.sampled_from([timedelta(hours=1), timedelta(hours=4)]),
    st.integers(0, 9 * 60),
    st.integers(0, 10_000),
)
def test_no_minute_is_above_the_cap_and_nobody_is_forgotten(
    accounts: int, every: timedelta, pause: int, salt: int
) -> None:
    """A pause of any length, ended at any time: simulated minute by minute."""
    due = {
        f"acc_{salt}_{n}": probes.slot_after(f"acc_{salt}_{n}", every, START)
        for n in range(accounts)
    }
    most = probes.most_per_minute(accounts, every)
    now = START + pause * MINUTE
    last: dict[str, datetime] = {}
    catching_up = timedelta(minutes=accounts // most + 2)
    for _ in range(int((3 * every + catching_up) / MINUTE)):
        taken = sorted((at, name) for name, at in due.items() if at <= now)[:most]
        for _, name in taken:
            if name in last:
                assert every / 2 < now - last[name] <= every * 3 / 2 + catching_up
            last[name] = now
            following = probes.after_probe(name, State.ACTIVE, now, every=every)
            assert following is not None
            due[name] = following
        now += MINUTE
    assert len(last) == accounts
    assert all(now - at <= every * 3 / 2 + catching_up for at in last.values())
    assert all(at > now - catching_up for at in due.values()), "the backlog is gone"


def test_ten_thousand_after_a_day_of_silence() -> None:
    accounts = 10_000
    most = probes.most_per_minute(accounts, DAY)
    assert most == 28, "four times the even share of 6.9"
    due = {f"acc_{n}": probes.slot_after(f"acc_{n}", DAY, START) for n in range(accounts)}
    now, minutes, taken = START + DAY, 0, 0
    while late := [name for name, at in due.items() if at <= now]:
        for name in late[:most]:
            following = probes.after_probe(name, State.ACTIVE, now, every=DAY)
            assert following is not None
            due[name] = following
        taken += len(late[:most])
        minutes += 1
        now += MINUTE
    assert taken == accounts
    assert minutes <= 24 * 60 / probes.CATCH_UP
