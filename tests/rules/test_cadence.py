from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules.cadence import (
    LOOK,
    LWA_WEATHER_S,
    MAIL,
    WEBHOOK,
    WEBHOOK_LIFE,
    GiveUp,
    TryAgain,
    next_try,
    next_until,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_rungs_grow_and_letters_last_about_three_days() -> None:
    assert list(MAIL) == sorted(MAIL)
    assert timedelta(days=2.5) < sum(MAIL, timedelta()) < timedelta(days=3.5)


def tries(late: timedelta = timedelta()) -> list[timedelta]:
    """When one event is tried that fails each time and whose tries take ``late``, since NOW."""
    at, found = NOW, [timedelta()]
    while isinstance(step := next_until(WEBHOOK, len(found), at, NOW + WEBHOOK_LIFE), TryAgain):
        at = step.at + late
        found.append(at - NOW)
    return found


def test_an_event_is_tried_for_three_days_and_the_last_try_lies_at_their_end() -> None:
    found = tries()
    assert found[-1] == WEBHOOK_LIFE == timedelta(days=3)
    pauses = [after - before for before, after in pairwise(found)]
    assert pauses[: len(WEBHOOK)] == list(WEBHOOK)
    assert all(pause <= timedelta(hours=6) for pause in pauses), "nobody waits longer for it"
    assert 15 < len(found) < 25
    assert pauses[0] <= timedelta(seconds=5)


def test_a_worker_that_comes_late_stays_within_the_bounds() -> None:
    found = tries(late=timedelta(minutes=7))
    assert found[-1] == WEBHOOK_LIFE + timedelta(minutes=7)
    assert found[-2] < WEBHOOK_LIFE


@given(age=some.timedeltas(timedelta(), timedelta(days=10)), attempts=some.integers(1, 10_000))
def test_every_event_comes_to_an_end(age: timedelta, attempts: int) -> None:
    step = next_until(WEBHOOK, attempts, NOW + age, NOW + WEBHOOK_LIFE)
    if age >= WEBHOOK_LIFE:
        assert isinstance(step, GiveUp)
    else:
        assert isinstance(step, TryAgain)
        assert NOW + age < step.at <= NOW + WEBHOOK_LIFE


def test_a_look_is_tried_for_minutes_hours_and_a_week_of_days() -> None:
    assert list(LOOK) == sorted(LOOK)
    assert timedelta(minutes=1) < LOOK[0] <= timedelta(minutes=5)
    assert LOOK.count(timedelta(days=1)) == 7
    assert max(LOOK) == timedelta(days=1)


@pytest.mark.parametrize("ladder", [MAIL, LOOK])
def test_every_rung_is_used_once_and_then_it_ends(ladder: Sequence[timedelta]) -> None:
    for attempts, wait in enumerate(ladder, start=1):
        assert next_try(ladder, attempts, NOW) == TryAgain(NOW + wait)
    assert isinstance(next_try(ladder, len(ladder) + 1, NOW), GiveUp)


def test_a_refusal_for_good_is_not_repeated() -> None:
    assert isinstance(next_try(MAIL, 1, NOW, permanent=True), GiveUp)


def test_asking_before_the_first_try_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="after a try"):
        next_try(MAIL, 0, NOW)
    with pytest.raises(ValueError, match="after a try"):
        next_until(WEBHOOK, 0, NOW, NOW + WEBHOOK_LIFE)


def test_somebody_who_waits_for_a_token_waits_at_most_a_moment() -> None:
    assert sum(LWA_WEATHER_S) <= 2
