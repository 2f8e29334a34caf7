"""What comes next in a rotation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.rotation import (
    LATE,
    PROOF,
    Act,
    Running,
    Situation,
    decide,
    end_of_use,
    next_asking,
    next_trial,
    trouble,
)
from evergrant.rules.terms import SECRET_OVERLAP

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
AHEAD = 30 * DAY
CALM = Situation(secret_set=True, expires_at=NOW + 100 * DAY)
DUE = Situation(secret_set=True, expires_at=NOW + 29 * DAY)


def act(of: Situation, now: datetime = NOW, *, wanted: bool = False) -> Act:
    return decide(now, of, AHEAD, wanted=wanted).act


@pytest.mark.parametrize(
    ("of", "wanted", "expected"),
    [
        (CALM, False, Act.REST),
        (CALM, True, Act.ASK),
        (DUE, False, Act.ASK),
        (replace(DUE, expires_at=NOW + AHEAD), False, Act.ASK),
        (replace(DUE, expires_at=NOW + AHEAD + timedelta(seconds=1)), False, Act.REST),
        (replace(DUE, obstacle="There is no queue."), False, Act.REST),
        (replace(DUE, obstacle="There is no queue."), True, Act.REST),
        (replace(DUE, secret_set=False), True, Act.REST),
        (replace(DUE, expires_at=None), False, Act.REST),
        (replace(DUE, expires_at=None), True, Act.ASK),
        (replace(DUE, expires_at=NOW), True, Act.REST),
        (replace(DUE, previous_ends_at=NOW + DAY), True, Act.REST),
        (replace(DUE, rotated_at=NOW - SECRET_OVERLAP), True, Act.REST),
        (replace(DUE, rotated_at=NOW - PROOF), True, Act.ASK),
    ],
)
def test_with_no_rotation_open(of: Situation, wanted: bool, expected: Act) -> None:
    decision = decide(NOW, of, AHEAD, wanted=wanted)
    assert decision.act is expected
    assert decision.why.endswith(".")
    if decision.until is not None:
        assert decision.until > NOW


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        (Running(), Act.ASK),
        (Running(next_at=NOW + DAY, tries=1), Act.REST),
        (Running(next_at=NOW, tries=1), Act.ASK),
        (Running(asked_at=NOW), Act.REST),
        (Running(asked_at=NOW - 7 * DAY), Act.REST),
        (Running(asked_at=NOW - 7 * DAY, confirmed=True), Act.REST),
        (Running(asked_at=NOW - PROOF), Act.PROVE),
        (Running(asked_at=NOW - PROOF, next_at=NOW + DAY), Act.REST),
        (Running(asked_at=NOW - PROOF, received_at=NOW), Act.TRY),
        (Running(received_at=NOW), Act.TRY),
        (Running(received_at=NOW, next_at=NOW + DAY), Act.REST),
        (Running(received_at=NOW - PROOF), Act.GIVE_UP),
        (Running(received_at=NOW, promoted_at=NOW), Act.REST),
        (Running(received_at=NOW - 2 * DAY, promoted_at=NOW - DAY), Act.CLOSE),
    ],
)
def test_with_an_open_rotation(running: Running, expected: Act) -> None:
    assert act(replace(DUE, running=running)) is expected


def test_a_rotation_that_was_not_asked_for_yet_ends_with_its_secret() -> None:
    of = replace(DUE, expires_at=NOW, running=Running(tries=3))
    assert act(of) is Act.GIVE_UP
    stopped = replace(DUE, obstacle="Its queue cannot be read.", running=Running(tries=3))
    assert act(stopped) is Act.REST


instants = st.none() | st.integers(-400, 400).map(lambda hours: NOW + timedelta(hours=hours))
runnings = st.none() | st.builds(
    Running,
    asked_at=instants,
    confirmed=st.booleans(),
    received_at=instants,
    promoted_at=instants,
    next_at=instants,
    tries=st.integers(0, 9),
    last_error=st.sampled_from(["", "invalid_client"]),
)
situations = st.builds(
    Situation,
    secret_set=st.booleans(),
    expires_at=instants,
    previous_ends_at=instants,
    obstacle=st.sampled_from(["", "There is no queue."]),
    running=runnings,
    rotated_at=instants,
)


@given(situations, st.booleans())
def test_it_is_never_asked_while_two_secrets_may_work(of: Situation, wanted: bool) -> None:
    decision = decide(NOW, of, AHEAD, wanted=wanted)
    assert decision.why
    if decision.act is Act.ASK:
        assert not of.obstacle
        assert of.expires_at is None or of.expires_at > NOW
        assert of.previous_ends_at is None or of.previous_ends_at <= NOW
        assert of.rotated_at is None or of.rotated_at + PROOF <= NOW
        assert of.running is None or of.running.asked_at is None
    if decision.act is Act.TRY:
        assert of.running is not None
        assert of.running.received_at is not None
        assert of.running.promoted_at is None
    if decision.act is Act.REST and decision.until is not None:
        assert decision.until > NOW
    trouble(NOW, of)
    end_of_use(of)


def test_what_a_person_has_to_know() -> None:
    assert trouble(NOW, CALM) == ""
    asked = Running(asked_at=NOW, confirmed=True)
    assert trouble(NOW, replace(DUE, running=asked)) == ""
    late = NOW + LATE
    assert "did not come by the queue" in trouble(late, replace(DUE, running=asked))
    doubtful = replace(asked, confirmed=False)
    assert "Nobody knows" in trouble(late, replace(DUE, running=doubtful))
    refused = Running(tries=1, last_error="InvalidInput: not enrolled")
    assert "not enrolled" in trouble(NOW, replace(DUE, running=refused))
    tried = Running(received_at=NOW, tries=3, last_error="invalid_client")
    assert trouble(NOW, replace(DUE, running=tried)) == ""
    assert "invalid_client" in trouble(NOW, replace(DUE, running=replace(tried, tries=4)))
    done = replace(tried, tries=9, promoted_at=NOW)
    assert trouble(NOW, replace(DUE, running=done)) == ""


def test_when_the_one_in_force_may_be_dead() -> None:
    assert end_of_use(CALM) == CALM.expires_at
    assert end_of_use(replace(CALM, running=Running(asked_at=NOW))) == NOW + SECRET_OVERLAP
    assert end_of_use(replace(CALM, running=Running(received_at=NOW))) == NOW + SECRET_OVERLAP
    promoted = Running(asked_at=NOW, received_at=NOW, promoted_at=NOW)
    assert end_of_use(replace(CALM, running=promoted)) == CALM.expires_at
    assert end_of_use(Situation(secret_set=True)) is None


def test_ladders_rise_and_never_end() -> None:
    trials = [next_trial(NOW, tries) for tries in range(1, 20)]
    askings = [next_asking(NOW, tries) for tries in range(1, 20)]
    assert trials == sorted(trials)
    assert askings == sorted(askings)
    assert trials[0] <= NOW + timedelta(minutes=1), "a new secret is known within minutes"
    assert askings[-1] == NOW + DAY
