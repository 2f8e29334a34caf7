"""What a run does next, and what a lost answer means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.feedruns import (
    DOCUMENT_GOOD,
    LATE_AFTER,
    LOST_AFTER,
    MOST_TRIES,
    PATHS,
    RESULTS_KEPT,
    Act,
    LostFeed,
    LostMeans,
    Manner,
    Next,
    Path,
    RunStep,
    decide_lost,
    is_forgotten,
    is_late,
    ladder,
    next_act,
    next_look,
    presumed_at,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Running:
    path: Path = Path.ADJUSTMENT_FEED
    step: RunStep = RunStep.PLANNED
    next_at: datetime | None = None
    document_at: datetime | None = None
    asked_at: datetime | None = None
    submitted_at: datetime | None = None
    processing_status: str = ""
    result_document_id: str = ""


# --- the next act -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", Path)
@pytest.mark.parametrize("step", RunStep)
def test_there_is_always_something_to_do_until_it_is_over(path: Path, step: RunStep) -> None:
    act = next_act(Running(path=path, step=step), NOW).act
    over = step in (RunStep.SETTLED, RunStep.FAILED, RunStep.UNCERTAIN)
    assert (act is Act.REST) == over
    assert act is not Act.WAIT


@pytest.mark.parametrize("path", Path)
@pytest.mark.parametrize("step", [step for step in RunStep if step is not RunStep.UNCERTAIN])
def test_nothing_is_done_before_its_time(path: Path, step: RunStep) -> None:
    later = Running(path=path, step=step, next_at=NOW + MINUTE)
    expected = Next(Act.REST) if step.is_over else Next(Act.WAIT, NOW + MINUTE)
    assert next_act(later, NOW) == expected
    assert next_act(later, NOW + MINUTE).act is not Act.WAIT


@pytest.mark.parametrize("path", Path)
def test_what_may_be_on_its_way_is_never_simply_sent(path: Path) -> None:
    if PATHS[path].manner is not Manner.CALLS:
        assert next_act(Running(path=path, step=RunStep.SUBMITTING), NOW).act is Act.SEEK


def test_a_document_without_its_upload_is_of_no_use() -> None:
    made = Running(step=RunStep.DOCUMENT, document_at=NOW)
    assert next_act(made, NOW).act is Act.PREPARE
    uploaded = Running(step=RunStep.UPLOADED, document_at=NOW)
    assert next_act(uploaded, NOW).act is Act.SUBMIT
    assert next_act(uploaded, NOW + DOCUMENT_GOOD).act is Act.PREPARE


@pytest.mark.parametrize("status", ["DONE", "FATAL", "CANCELLED"])
def test_the_report_is_read_when_amazon_is_done(status: str) -> None:
    for word, act in ((status, Act.READ), ("IN_PROGRESS", Act.LOOK), ("", Act.LOOK)):
        run = Running(step=RunStep.PROCESSING, processing_status=word)
        assert next_act(run, NOW).act is act


@given(st.integers(0, 200_000))
def test_looks_come_later_and_later_and_at_most_ten_minutes_apart(seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    for path in (Path.ADJUSTMENT_FEED, Path.RETAIL_SHIPMENT):
        at = next_look(Running(path=path, submitted_at=NOW), now)
        assert timedelta() < at - now <= 10 * MINUTE


def test_what_is_late_presumed_and_forgotten() -> None:
    run = Running(step=RunStep.PROCESSING, submitted_at=NOW)
    assert not is_late(run, NOW + LATE_AFTER - MINUTE)
    assert is_late(run, NOW + LATE_AFTER)
    assert not is_forgotten(run, NOW + RESULTS_KEPT - MINUTE)
    assert is_forgotten(run, NOW + RESULTS_KEPT)
    asked = Running(step=RunStep.SUBMITTING, asked_at=NOW)
    assert is_forgotten(asked, NOW + RESULTS_KEPT)
    calls = Running(path=Path.PATCH, step=RunStep.PROCESSING, submitted_at=NOW)
    assert not is_forgotten(calls, NOW + RESULTS_KEPT)
    spans = {path: presumed_at(Running(path=path, submitted_at=NOW)) for path in Path}
    assert spans[Path.RETAIL_INVOICE] == NOW + 15 * MINUTE
    assert spans[Path.DIRECT_STOCK] == NOW + 30 * MINUTE
    assert spans[Path.ADJUSTMENT_FEED] is None
    assert presumed_at(Running(path=Path.DIRECT_STOCK)) is None


def test_the_ladder_has_an_end() -> None:
    hours = [ladder(tries) for tries in range(1, MOST_TRIES + 1)]
    assert hours == [
        5 * MINUTE,
        20 * MINUTE,
        60 * MINUTE,
        240 * MINUTE,
        720 * MINUTE,
        720 * MINUTE,
        720 * MINUTE,
        None,
    ]
    assert ladder(100) is None


# --- a lost answer ------------------------------------------------------------------------------

OURS = LostFeed("1", NOW + timedelta(seconds=2))
OTHER = LostFeed("2", NOW - timedelta(seconds=90))
EARLY = LostFeed("3", NOW - 3 * MINUTE)
LATE = LostFeed("4", NOW + 8 * MINUTE)
LONG_AGO = LostFeed("5", NOW - timedelta(days=2))


@pytest.mark.parametrize(
    ("found", "after", "repeatable", "means"),
    [
        (None, 4 * MINUTE, True, LostMeans.WAIT),
        (None, 4 * MINUTE, False, LostMeans.WAIT),
        (None, 5 * MINUTE, True, LostMeans.LOOK),
        (None, 5 * MINUTE, False, LostMeans.LOOK),
        ([OURS], 4 * MINUTE, False, LostMeans.WAIT),
        ([OURS], 5 * MINUTE, True, LostMeans.OURS),
        ([OURS], 5 * MINUTE, False, LostMeans.OURS),
        ([OURS], 60 * MINUTE, False, LostMeans.OURS),
        ([OURS, EARLY, LATE], 10 * MINUTE, False, LostMeans.OURS),
        ([], 5 * MINUTE, True, LostMeans.AGAIN),
        ([], 5 * MINUTE, False, LostMeans.WAIT),
        ([EARLY, LATE], 10 * MINUTE, False, LostMeans.WAIT),
        ([], 20 * MINUTE, False, LostMeans.AGAIN),
        ([EARLY], 20 * MINUTE, True, LostMeans.AGAIN),
        # A clock that was wrong: it may be it.
        ([EARLY], 20 * MINUTE, False, LostMeans.UNCERTAIN),
        ([LATE], 20 * MINUTE, False, LostMeans.UNCERTAIN),
        ([LONG_AGO], 20 * MINUTE, False, LostMeans.AGAIN),
        ([OURS, OTHER], 5 * MINUTE, True, LostMeans.AGAIN),
        ([OURS, OTHER], 5 * MINUTE, False, LostMeans.UNCERTAIN),
        ([OURS, OTHER], 60 * MINUTE, False, LostMeans.UNCERTAIN),
    ],
)
def test_what_a_lost_answer_means(
    found: list[LostFeed] | None, after: timedelta, repeatable: bool, means: LostMeans
) -> None:
    lost = decide_lost(found, NOW, NOW + after, repeatable)
    assert lost.means is means
    assert lost.feed_id == ("1" if means is LostMeans.OURS else "")
    assert (lost.at is not None) == (means is LostMeans.WAIT)


@given(
    st.none() | st.lists(st.integers(-600, 1800), max_size=4),
    st.integers(0, 7200),
    st.booleans(),
)
def test_nothing_is_sent_again_while_the_first_may_be_on_its_way(
    created: list[int] | None, after_s: int, repeatable: bool
) -> None:
    feeds = None
    if created is not None:
        feeds = [LostFeed(str(at), NOW + timedelta(seconds=at)) for at in created]
    now = NOW + timedelta(seconds=after_s)
    lost = decide_lost(feeds, NOW, now, repeatable)
    if lost.means is LostMeans.AGAIN:
        assert now >= NOW + LOST_AFTER
        if not repeatable:
            assert now >= NOW + 20 * MINUTE
    if lost.means is LostMeans.WAIT:
        assert lost.at is not None
        assert lost.at > now
