"""How much of a worker one receiver may take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evergrant.post.lanes import WIDTH, Lanes, width_of

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(("jobs", "width"), [(1, 1), (3, 1), (5, 1), (6, 2), (10, WIDTH), (25, 8)])
def test_one_receiver_takes_a_third_of_a_worker(jobs: int, width: int) -> None:
    assert width_of(jobs) == width


def test_a_small_worker_has_a_place_for_others_beside_a_slow_receiver() -> None:
    lanes = Lanes(width_of(3))
    assert lanes.enter("ins_slow", "out_1", NOW) is None
    assert lanes.enter("ins_slow", "out_2", NOW) is not None
    assert lanes.enter("ins_other", "out_3", NOW) is None
    lanes.leave("ins_slow", "out_1")
    assert lanes.next_up("ins_slow", NOW) == ["out_2"]
    assert lanes.enter("ins_slow", "out_2", NOW) is None
