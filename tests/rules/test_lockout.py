from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.lockout import (
    FORGOTTEN_AFTER,
    LADDER,
    MOST_FAILURES,
    Tally,
    charge,
    failed,
    origin_of,
    was_right,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def after(times: int, tally: Tally | None = None, now: datetime = NOW) -> Tally:
    tally = tally or Tally()
    for _ in range(times):
        tally = failed(charge(tally, now).tally, now).tally
    return tally


def test_the_tenth_failure_locks() -> None:
    assert not after(MOST_FAILURES - 1).is_locked(NOW)
    locked = after(MOST_FAILURES)
    assert locked.locked_until == NOW + LADDER[0]
    assert not charge(locked, NOW).admitted
    assert charge(locked, NOW + LADDER[0]).admitted


def test_the_ladder_ends() -> None:
    tally, now, pauses = Tally(), NOW, []
    for _ in range(6):
        tally = after(MOST_FAILURES, tally, now)
        assert tally.locked_until is not None
        pauses.append(tally.locked_until - now)
        now = tally.locked_until
    assert pauses == [*LADDER, LADDER[-1], LADDER[-1]]
    assert list(LADDER) == sorted(LADDER)


def test_what_is_long_past_is_forgotten() -> None:
    tally = after(MOST_FAILURES - 1)
    assert charge(tally, NOW + FORGOTTEN_AFTER).tally.failures == 1
    assert charge(tally, NOW + FORGOTTEN_AFTER - timedelta(seconds=1)).tally.failures == 10


def test_more_are_never_under_way_than_may_fail() -> None:
    tally = Tally()
    for _ in range(MOST_FAILURES):
        verdict = charge(tally, NOW)
        assert verdict.admitted
        tally = verdict.tally
    # All ten are being looked at, or their processes died: the next one begins a pause.
    verdict = charge(tally, NOW)
    assert not verdict.admitted
    assert verdict.just_locked
    assert failed(verdict.tally, NOW).tally == verdict.tally, "locked once"


def test_a_charge_is_given_back() -> None:
    assert was_right(charge(after(3), NOW).tally) == after(3)
    assert was_right(Tally()) == Tally()


@given(st.lists(st.sampled_from(["right", "wrong", "later", "pause"]), max_size=80))
def test_in_an_hour_nobody_guesses_more_than_the_ladder_lets(steps: list[str]) -> None:
    """However right and wrong ones follow each other on a shared address."""
    tally, now = Tally(), NOW
    wrong_at: list[datetime] = []
    for step in steps:
        if step in ("later", "pause"):
            now += timedelta(seconds=20) if step == "later" else timedelta(minutes=20)
            continue
        verdict = charge(tally, now)
        tally = verdict.tally
        if not verdict.admitted:
            assert tally.is_locked(now)
            continue
        if step == "wrong":
            wrong_at.append(now)
            tally = failed(tally, now).tally
        else:
            tally = was_right(tally)
        assert 0 <= tally.failures <= MOST_FAILURES
    for at in wrong_at:
        assert len([one for one in wrong_at if at <= one < at + timedelta(minutes=1)]) <= 10


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("", ""),
        ("Proxy", "proxy"),
        ("x" * 300, "x" * 200),
    ],
)
def test_what_counts_as_one_address(address: str, origin: str) -> None:
    assert origin_of(address) == origin
