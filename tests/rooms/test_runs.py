"""Runs, each from its plan to its end."""

from __future__ import annotations

import pytest

from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from tests.rooms.kitchen_ground import kitchen

A, R = ChangeState.ACCEPTED, ChangeState.REFUSED

PATHS_OF_ALL_MANNERS = [
    Path.PATCH,
    Path.LISTINGS_FEED,
    Path.CONFIRM_SHIPMENT,
    Path.FULFILLMENT_FEED,
    Path.ACKNOWLEDGEMENT_FEED,
    Path.ADJUSTMENT_FEED,
    Path.RETAIL_SHIPMENT,
    Path.RETAIL_ACKNOWLEDGEMENT,
]


@pytest.mark.parametrize("path", PATHS_OF_ALL_MANNERS)
async def test_good_ones_are_accepted_and_bad_ones_refused(path: Path) -> None:
    house = await kitchen(path)
    house.amazon.bad = {"two"}
    await house.wish("one", "two", "three")
    await house.rest()
    assert await house.ends() == {"one": A, "two": R, "three": A}
    (run,) = await house.all_runs()
    assert (run.step, run.accepted, run.refused) == (RunStep.SETTLED, 2, 1)
    assert run.next_at is None
    assert run.ended_at is not None
