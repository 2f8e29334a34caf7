"""How often, how long, and never longer than patience."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant_client import NO_RETRIES, Retries
from evergrant_client.retries import Patience

seconds = st.floats(0, 1000, allow_nan=False)
chances = st.floats(0, 1, allow_nan=False)


def test_pauses_double_and_are_spread_between_half_and_whole() -> None:
    retries = Retries(attempts=9, first_pause_s=1, longest_pause_s=6, patience_s=1000)
    assert [retries.pause_s(n, 0, None, 1.0) for n in range(5)] == [1, 2, 4, 6, 6]
    assert [retries.pause_s(n, 0, None, 0.0) for n in range(3)] == [0.5, 1, 2]
    assert retries.pause_s(9, 0, None, 0.5) is None


def test_what_evergrant_says_is_waited_and_a_little_more() -> None:
    retries = Retries(patience_s=30)
    assert retries.pause_s(0, 0, 10, 0.0) == 10
    assert retries.pause_s(0, 0, 10, 1.0) == 11
    assert retries.pause_s(0, 0, 30, 1.0) == 30, "the little more does not cost the attempt"
    assert retries.pause_s(0, 0, 30.5, 0.0) is None
    assert retries.pause_s(1, 25, 6, 0.0) is None


@given(st.integers(0, 20), st.lists(st.tuples(st.none() | seconds, chances)), seconds)
def test_it_ends(attempts: int, told: list[tuple[float | None, float]], patience_s: float) -> None:
    retries = Retries(attempts=attempts, patience_s=patience_s)
    repeats, waited = 0, 0.0
    for told_s, chance in told:
        pause = retries.pause_s(repeats, waited, told_s, chance)
        if pause is None:
            break
        assert pause >= (told_s or 0), "never before the time that was told"
        repeats, waited = repeats + 1, waited + pause
    assert repeats <= attempts
    assert waited <= patience_s


def test_none_is_none() -> None:
    assert Patience(NO_RETRIES).pause_s(0) is None


@pytest.mark.parametrize(
    "wrong", [{"attempts": -1}, {"patience_s": math.inf}, {"first_pause_s": -1.0}]
)
def test_wrong_numbers_are_told_at_once(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Retries"):
        Retries(**wrong)  # type: ignore[arg-type]
