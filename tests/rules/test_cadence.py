from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from evergrant.rules.cadence import LOOK, LWA_WEATHER_S, MAIL, WEBHOOK, GiveUp, TryAgain, next_try

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("ladder", [MAIL, WEBHOOK])
def test_rungs_grow_and_last_about_three_days(ladder: Sequence[timedelta]) -> None:
    assert list(ladder) == sorted(ladder)
    assert timedelta(days=2.5) < sum(ladder, timedelta()) < timedelta(days=3.5)


def test_a_look_is_tried_for_minutes_hours_and_a_week_of_days() -> None:
    assert list(LOOK) == sorted(LOOK)
    assert timedelta(minutes=1) < LOOK[0] <= timedelta(minutes=5)
    assert LOOK.count(timedelta(days=1)) == 7
    assert max(LOOK) == timedelta(days=1)


@pytest.mark.parametrize("ladder", [MAIL, WEBHOOK, LOOK])
def test_every_rung_is_used_once_and_then_it_ends(ladder: Sequence[timedelta]) -> None:
    for attempts, wait in enumerate(ladder, start=1):
        assert next_try(ladder, attempts, NOW) == TryAgain(NOW + wait)
    assert isinstance(next_try(ladder, len(ladder) + 1, NOW), GiveUp)


def test_a_refusal_for_good_is_not_repeated() -> None:
    assert isinstance(next_try(MAIL, 1, NOW, permanent=True), GiveUp)


def test_asking_before_the_first_try_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="after a try"):
        next_try(MAIL, 0, NOW)


def test_somebody_who_waits_for_a_token_waits_at_most_a_moment() -> None:
    assert sum(LWA_WEATHER_S) <= 2
