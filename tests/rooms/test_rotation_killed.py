"""A rotation whose process dies at each of its steps, in turn."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.errors import EvergrantError
from evergrant.ports.watched import RotationStep
from evergrant.rules.notices import NoticeKind
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.rotation_ground import (
    DAY,
    OVERLAP,
    ROOT,
    Killed,
    Mood,
    World,
    no_answer,
    not_enrolled,
    world,
)
from tests.searching import cases


async def _due() -> World:
    """Rotation is due at the next round."""
    return await world(age_days=151)


async def _two_rounds(house: World) -> None:
    for _ in range(2):
        await house.round()
        house.clock.move(minutes=2)


async def _steps_of_a_whole_rotation() -> list[str]:
    house = await _due()
    await house.round()
    house.clock.move(minutes=2)
    await house.round()
    assert await house.steps_gone() == [RotationStep.DONE]
    return house.steps.log


async def test_killed_at_every_step_it_ends_well_and_asks_once() -> None:
    """Before and after every commit, every question to LWA and Amazon, every touch of the queue."""
    log = await _steps_of_a_whole_rotation()
    assert {"before a commit", "after LWA", "after Amazon was asked"} <= set(log)
    assert "after a message was deleted" in log
    told = []
    for number, name in enumerate(log, start=1):
        house = await _due()
        house.steps.die_at = number
        with pytest.raises(Killed):
            await _two_rounds(house)
        house.steps.die_at = None
        assert await house.works(), f"killed {number} {name}: the working secret is lost"
        house.desk = house.another()
        for span, every in ((timedelta(hours=1), timedelta(minutes=2)), (9 * DAY, DAY / 4)):
            until = house.clock.now() + span
            while house.clock.now() < until:
                house.clock.move(every)
                await house.round()
                assert await house.works(), f"killed {number} {name}: lost later"
        assert len(house.amazon.rotated_at) == 1, f"killed {number} {name}"
        assert await house.secret() == house.lwa.known[house.client_id][-1][0]
        assert house.lying == [], f"killed {number} {name}: the message stays"
        assert await house.steps_gone() == [RotationStep.DONE]
        assert (await house.topics()).count("secret.rotated") == 1
        told.append(name)
    assert len(told) > 20


async def test_killed_at_every_step_while_another_node_works() -> None:
    log = await _steps_of_a_whole_rotation()
    for number in range(1, len(log) + 1, 2):
        house = await _due()
        other = house.another()
        house.steps.die_at = number
        for _ in range(4):
            ends = await asyncio.gather(
                house.desk.rotations.round(), other.rotations.round(), return_exceptions=True
            )
            assert all(not isinstance(end, Exception) for end in ends), ends
            house.clock.move(minutes=2)
            assert await house.works()
        house.steps.die_at = None
        house.desk = house.another()
        await house.pass_time(9 * DAY, DAY / 4)
        assert len(house.amazon.rotated_at) == 1
        assert await house.steps_gone() == [RotationStep.DONE]
        assert await house.works()


async def test_killed_at_every_step_and_the_message_never_comes() -> None:
    """Amazon rotated and its message is lost: it is not asked again, and a person is told in time.
    Once they pasted the new secret, all is well."""
    for number in range(1, 15):
        house = await _due()
        house.amazon.mood.sends = False
        house.steps.die_at = number
        with suppress(Killed):
            await house.round()
        house.steps.die_at = None
        house.desk = house.another()
        await house.pass_time(timedelta(hours=3), timedelta(minutes=30))
        assert NoticeKind.ROTATION_STUCK in await house.notices()
        await house.pass_time(5 * DAY, DAY / 4)
        assert await house.works()
        assert len(house.amazon.asked_at) <= 1
        house.amazon.mood.sends = True
        if house.amazon.rotated_at:
            # It dies within two days, unless somebody acts.
            assert NoticeKind.SECRET_ENDING in await house.notices()
            shown = house.lwa.known[house.client_id][-1][0]
            await house.desk.rotations.paste(house.application_id, shown, by=ROOT)
        await house.pass_time(9 * DAY, DAY / 4)
        assert await house.works()
        assert len(house.amazon.rotated_at) == 1
        assert len(house.amazon.asked_at) == 1
        assert await house.notices() == []


# --- anything in any order ----------------------------------------------------------------------

ANSWERS = {
    "204": None,
    "lost": no_answer,
    "500": lambda: error_answer(500, "InternalFailure", "We encountered an error."),
    "429": lambda: error_answer(429, "QuotaExceeded", "You exceeded your quota."),
    "400": not_enrolled,
}
#: What of these may go with a rotation that took place all the same.
_DONE_ALL_THE_SAME = {"204", "lost", "500"}
moods = st.builds(
    lambda answer, does, sends: Mood(
        does=answer == "204" or (does and answer in _DONE_ALL_THE_SAME),
        sends=sends,
        answer=ANSWERS[answer],
    ),
    st.sampled_from(sorted(ANSWERS)),
    st.booleans(),
    st.booleans(),
)
happenings = st.one_of(
    st.tuples(st.just("round"), st.none()),
    st.tuples(st.just("die"), st.integers(1, 30)),
    st.tuples(st.just("pass"), st.sampled_from([60, 3600, 86400, 3 * 86400, 8 * 86400])),
    st.tuples(st.just("mood"), moods),
    st.tuples(st.just("weather"), st.booleans()),
    st.tuples(st.just("slow"), st.sampled_from([120, 7200])),
    st.tuples(st.just("console"), st.booleans()),
    st.tuples(st.just("start"), st.none()),
    st.tuples(st.just("paste"), st.none()),
)


@settings(
    max_examples=cases(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(st.lists(happenings, min_size=3, max_size=40))
def test_whatever_happens_nobody_asks_twice_and_the_working_secret_stays(
    script: list[tuple[str, Any]],
) -> None:
    asyncio.run(_play(script))


async def _play(script: list[tuple[str, Any]]) -> None:
    house = await world(age_days=149)
    for what, how in script:
        asked, rotated = len(house.amazon.asked_at), len(house.amazon.rotated_at)
        worked = await house.works()
        try:
            await _happen(house, what, how)
        except Killed:
            house.died_at = house.clock.now()
            house.desk = house.another()
        except EvergrantError:
            assert what in ("start", "paste")
        house.steps.die_at = None
        assert len(house.amazon.asked_at) - asked <= 1
        if worked and what != "pass":
            assert await house.works(), f"lost by {what}"
        if len(house.amazon.asked_at) > asked and len(house.amazon.rotated_at) > rotated:
            *before, now = house.amazon.rotated_at
            known = [at for at in before if _could_be_known(house, at, now)]
            assert all(now - at >= OVERLAP for at in known), "asked again too early"
    await _come_to_rest(house)


def _could_be_known(house: World, rotated_at: datetime, now: datetime) -> bool:
    """Of a rotation in the console nobody can know whose message is lost, or still hidden because
    whoever received it died a moment ago."""
    if rotated_at in house.amazon.by_hand:
        hidden = house.died_at is not None and now < house.died_at + timedelta(minutes=1)
        return house.amazon.by_hand[rotated_at] and not hidden
    return True


async def _happen(house: World, what: str, how: Any) -> None:
    if what == "die":
        house.steps.die_at = len(house.steps.log) + how
        await house.round()
    elif what == "round":
        await house.round()
    elif what == "pass":
        house.clock.move(seconds=how)
    elif what == "mood":
        house.amazon.mood = how
    elif what == "weather":
        house.lwa.fail() if how else house.lwa.clear()
    elif what == "slow":
        house.lwa.unknown_until = house.clock.now() + timedelta(seconds=how)
    elif what == "start":
        await house.desk.rotations.start(house.application_id, by=ROOT)
    elif what == "paste":
        shown = house.lwa.known[house.client_id][-1][0]
        await house.desk.rotations.paste(house.application_id, shown, by=ROOT)
    elif _is_quiet(house):
        house.amazon.rotate(house.client_id, sends=how)


def _is_quiet(house: World) -> bool:
    """People do not rotate in the console twice a week."""
    now = house.clock.now()
    return all(now - at > 8 * DAY for at in house.amazon.rotated_at)


async def _come_to_rest(house: World) -> None:
    """The weather clears, and a person with the console helps."""
    house.lwa.clear()
    house.lwa.unknown_until = None
    house.desk = house.another()
    house.amazon.mood = Mood()
    await house.pass_time(timedelta(hours=2), timedelta(minutes=20))
    shown = house.lwa.known[house.client_id][-1][0]
    if house.lwa.takes(house.client_id, shown):
        await house.desk.rotations.paste(house.application_id, shown, by=ROOT)
        assert await house.works()
        await house.pass_time(3 * DAY, DAY / 8)
        await house.pass_time(timedelta(minutes=10), timedelta(minutes=2))
        assert await house.works()
        assert house.lying == []
        if not await _in_doubt(house):
            assert NoticeKind.ROTATION_STUCK not in await house.notices()


async def _in_doubt(house: World) -> bool:
    """Amazon may have heard, and nothing tells that it did not, for a week."""
    return any(one.ended_at is None for one in await house.rotations())
