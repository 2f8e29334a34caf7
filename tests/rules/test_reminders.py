"""Windows of an end: which is the newest, which is next, and the words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.applications import ApplicationKind
from evergrant.rules.faults import Fault
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import (
    AGE_DAYS,
    LONGEST_DAYS,
    MOST_WINDOWS,
    SECRET_DAYS,
    SECRET_DAYS_WITH_QUEUE,
    TOLD_AFTER_END,
    Opening,
    Outlook,
    believed_end,
    check_days,
    day_words,
    days_left,
    is_over,
    is_undated,
    left_words,
    newest,
    next_opening,
    opens_at,
    outlook,
)
from evergrant.rules.terms import GRANT_TERM

WEEKLY = (30, 23, 16, 9, 2, 0)
ENDS = datetime(2027, 5, 12, 9, 30, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PUBLIC, PRIVATE = ApplicationKind.PUBLIC, ApplicationKind.PRIVATE

instants = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - the strategy takes naive bounds
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
plans = st.lists(st.integers(0, LONGEST_DAYS), max_size=MOST_WINDOWS, unique=True).map(
    lambda days: tuple(sorted(days, reverse=True))
)


def at(day: int, hour: int = 0, *, month: int = 5, second: int = 0) -> datetime:
    return datetime(2027, month, day, hour, 0, second, tzinfo=UTC)


# --- windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(11, 23, month=4), None),
        (at(12, month=4) - SECOND, None),
        (at(12, month=4), 30),
        (at(18, 23, month=4), 30),
        (at(19, month=4), 23),
        (at(26, month=4), 16),
        (at(3), 9),
        (at(9, 23), 9),
        (at(10), 2),
        (at(11, 23), 2),
        (at(12), 0),
        (ENDS, 0),
        (ENDS + SECOND, 0),
        (ENDS + TOLD_AFTER_END, 0),
        (ENDS + TOLD_AFTER_END + SECOND, None),
        (ENDS + 400 * DAY, None),
    ],
)
def test_the_newest_window_of_an_end(now: datetime, expected: int | None) -> None:
    assert newest(now, ENDS, WEEKLY) == expected


@pytest.mark.parametrize(
    ("windows", "now", "expected"),
    [
        ((), ENDS, None),
        ((0,), ENDS - DAY, None),
        ((0,), ENDS, 0),
        ((14,), ENDS, 14),  # nothing nearer was wished for
        ((180, 1), ENDS - 179 * DAY, 180),
        ((1, 180), ENDS - 179 * DAY, 180),  # in whatever order
    ],
)
def test_windows_are_those_that_were_wished_for(
    windows: Sequence[int], now: datetime, expected: int | None
) -> None:
    assert newest(now, ENDS, windows) == expected


def test_a_window_opens_at_midnight_utc_wherever_the_instant_was_written() -> None:
    tokyo = timezone(timedelta(hours=9))
    ends_at = datetime(2027, 5, 13, 3, tzinfo=tokyo)  # the evening of the 12th in UTC
    assert opens_at(ends_at, 2) == at(10)
    assert newest(datetime(2027, 5, 10, 8, 59, tzinfo=tokyo), ends_at, WEEKLY) == 9
    assert newest(datetime(2027, 5, 10, 9, tzinfo=tokyo), ends_at, WEEKLY) == 2


@given(instants, instants, plans)
def test_a_window_is_one_that_was_wished_for_and_has_opened(
    now: datetime, ends_at: datetime, windows: tuple[int, ...]
) -> None:
    found = newest(now, ends_at, windows)
    opened = [days for days in windows if opens_at(ends_at, days) <= now]
    if found is None:
        assert not opened or ends_at < now - TOLD_AFTER_END
    else:
        assert found == min(opened), "one, and the newest of all that opened"


@given(
    instants,
    plans.filter(bool),
    st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), max_size=30),
)
def test_windows_fall_as_time_goes_and_each_comes_once(
    ends_at: datetime, windows: tuple[int, ...], steps: list[timedelta]
) -> None:
    """Whenever somebody looks, however long they were away."""
    now = ends_at - timedelta(days=200)
    ledger: list[int] = []
    for step in steps:
        now += step
        found = newest(now, ends_at, windows)
        told = [] if found is None or found in ledger else [found]
        assert len(told) <= 1
        ledger += told
    assert ledger == sorted(set(ledger), reverse=True)


@given(instants, plans.filter(bool), st.data())
def test_after_any_pause_there_is_exactly_one(
    ends_at: datetime, windows: tuple[int, ...], data: st.DataObject
) -> None:
    first = opens_at(ends_at, max(windows))
    last = ends_at + TOLD_AFTER_END
    now = first + data.draw(st.timedeltas(timedelta(0), last - first))
    assert newest(now, ends_at, windows) is not None


@given(instants, plans)
def test_by_the_minute_every_window_comes_on_its_day(
    ends_at: datetime, windows: tuple[int, ...]
) -> None:
    told = []
    for days in windows:
        midnight = opens_at(ends_at, days)
        assert newest(midnight - SECOND, ends_at, windows) != days
        told.append(newest(midnight, ends_at, windows))
        assert days_left(midnight, ends_at) == days
    assert told == list(windows)


@given(instants, instants, plans)
def test_the_next_window_is_ahead_and_becomes_the_newest(
    now: datetime, ends_at: datetime, windows: tuple[int, ...]
) -> None:
    ahead = next_opening(now, ends_at, windows)
    if ahead is None:
        assert all(opens_at(ends_at, days) <= now for days in windows)
        return
    assert ahead.at > now
    assert newest(ahead.at, ends_at, windows) == ahead.days
    assert newest(ahead.at - SECOND, ends_at, windows) in (None, newest(now, ends_at, windows))


def test_the_next_window() -> None:
    assert next_opening(at(1, month=1), ENDS, WEEKLY) == Opening(30, at(12, month=4))
    assert next_opening(at(12, month=4), ENDS, WEEKLY) == Opening(23, at(19, month=4))
    assert next_opening(at(11), ENDS, WEEKLY) == Opening(0, at(12))
    assert next_opening(at(12), ENDS, WEEKLY) is None
    assert next_opening(at(1), ENDS, ()) is None


# --- days and words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "left", "words"),
    [
        (at(12, month=4), 30, "in 30 days"),
        (at(10, 23), 2, "in 2 days"),
        (at(11), 1, "tomorrow"),
        (at(12), 0, "today"),
        (at(12, 23), 0, "today"),
        (at(13), -1, "yesterday"),
        (at(22), -10, "10 days ago"),
    ],
)
def test_days_are_counted_by_the_calendar(now: datetime, left: int, words: str) -> None:
    assert days_left(now, ENDS) == left
    assert left_words(left) == words


def test_an_end_is_over_at_its_instant() -> None:
    assert not is_over(ENDS - SECOND, ENDS)
    assert is_over(ENDS, ENDS)


def test_a_day_is_named_in_utc() -> None:
    assert day_words(datetime(2027, 1, 1, 3, tzinfo=timezone(timedelta(hours=9)))) == (
        "31 December 2026"
    )


# --- soft windows, secrets ------------------------------------------------------------------------


def test_a_self_authorization_is_believed_to_last_a_year() -> None:
    granted_at = datetime(2026, 5, 12, 9, 30, tzinfo=UTC)
    assert believed_end(granted_at) == granted_at + GRANT_TERM == ENDS
    assert [newest(opens_at(ENDS, days), ENDS, AGE_DAYS) for days in AGE_DAYS] == [30, 0]
    assert newest(at(11), ENDS, AGE_DAYS) == 30, "and nothing in between"


@pytest.mark.parametrize(
    ("kind", "granted_at", "ends_at", "undated"),
    [
        (PUBLIC, None, None, True),
        (PUBLIC, ENDS - GRANT_TERM, None, True),  # Amazon went on accepting it after its term
        (PUBLIC, ENDS - GRANT_TERM, ENDS, False),
        (PRIVATE, None, None, True),
        (PRIVATE, ENDS - GRANT_TERM, None, False),
    ],
)
def test_what_is_undated(
    kind: ApplicationKind, granted_at: datetime | None, ends_at: datetime | None, undated: bool
) -> None:
    assert is_undated(kind, granted_at, ends_at) is undated


def test_a_secret_is_told_of_from_amazons_first_notice_on() -> None:
    assert newest(ENDS - 91 * DAY, ENDS, SECRET_DAYS) is None
    assert newest(ENDS - 90 * DAY, ENDS, SECRET_DAYS) == 90
    assert newest(ENDS - 22 * DAY, ENDS, SECRET_DAYS_WITH_QUEUE) is None
    assert newest(ENDS - 21 * DAY, ENDS, SECRET_DAYS_WITH_QUEUE) == 21


# --- days of an application -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "settled"),
    [
        ([], ()),
        ([30, 14, 2, 0], (30, 14, 2, 0)),
        ([0, 2, 30], (30, 2, 0)),
        ([7, 7, 7], (7,)),
        ([LONGEST_DAYS], (LONGEST_DAYS,)),
        (list(range(MOST_WINDOWS)), tuple(reversed(range(MOST_WINDOWS)))),
    ],
)
def test_days_are_settled(asked: list[int], settled: tuple[int, ...]) -> None:
    assert check_days(asked) == settled


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ([-1], "out_of_range"),
        ([LONGEST_DAYS + 1], "out_of_range"),
        ([30, 10**9], "out_of_range"),
        (list(range(MOST_WINDOWS + 1)), "too_many"),
    ],
)
def test_days_that_make_no_sense(asked: list[int], code: str) -> None:
    with pytest.raises(Fault) as refused:
        check_days(asked)
    assert refused.value.code == code


# --- what comes, in words -------------------------------------------------------------------------


def comes(
    now: datetime,
    *,
    state: State = State.ACTIVE,
    kind: ApplicationKind = PUBLIC,
    granted_at: datetime | None = ENDS - GRANT_TERM,
    ends_at: datetime | None = ENDS,
    windows: Sequence[int] = WEEKLY,
) -> Outlook:
    return outlook(
        now,
        state=state,
        kind=kind,
        granted_at=granted_at,
        term_ends_at=ends_at,
        windows=windows,
    )


UNTIL = "Authorized until 12 May 2027"


@pytest.mark.parametrize(
    ("now", "words", "next_at"),
    [
        (
            at(1, month=1),
            f"{UNTIL}; the first renewal mail goes out on 12 April.",
            at(12, month=4),
        ),
        (at(12, month=4), f"{UNTIL}; the next renewal mail goes out on 19 April.", at(19, month=4)),
        (at(11), f"{UNTIL}; the next renewal mail goes out on 12 May.", at(12)),
        (at(12), f"{UNTIL}; no further renewal mail goes out.", None),
    ],
)
def test_what_comes_for_a_term(now: datetime, words: str, next_at: datetime | None) -> None:
    assert comes(now) == Outlook(next_at, words)


def test_a_year_is_named_where_it_is_another_one() -> None:
    ends_at = datetime(2027, 1, 20, tzinfo=UTC)
    assert comes(at(1, month=1) - 90 * DAY, ends_at=ends_at).words == (
        "Authorized until 20 January 2027; the first renewal mail goes out on 21 December 2026."
    )


def test_who_wants_no_reminders_is_told_so() -> None:
    assert comes(at(1, month=1), windows=()) == Outlook(
        None, f"{UNTIL}; renewal mails are switched off for its application."
    )


def test_what_comes_for_a_self_authorization() -> None:
    private: dict[str, Any] = {"kind": PRIVATE, "ends_at": None}
    since = "Authorized since 12 May 2026; Amazon states no end."
    assert comes(at(1, month=1), **private) == Outlook(
        at(12, month=4), f"{since} Operators are reminded of its age on 12 April 2027."
    )
    assert comes(at(12), **private) == Outlook(None, since)
    assert comes(at(1, month=1), windows=(), **private) == Outlook(None, since)


@pytest.mark.parametrize("kind", list(ApplicationKind))
def test_an_undated_grant_is_no_secret(kind: ApplicationKind) -> None:
    found = comes(at(1), kind=kind, granted_at=None, ends_at=None)
    assert found == Outlook(None, "Nobody knows when it ends, so nobody can be reminded in time.")


@pytest.mark.parametrize("state", [State.AWAITING, State.REVOKED, State.CLOSED])
def test_nothing_comes_for_what_does_not_run(state: State) -> None:
    assert comes(at(1), state=state) == Outlook()
    assert comes(at(1), state=state, granted_at=None, ends_at=None) == Outlook()


def test_what_has_lapsed_says_when() -> None:
    assert comes(at(20), state=State.LAPSED) == Outlook(None, "Lapsed on 12 May 2027.")


@given(instants, st.none() | instants, st.none() | instants, plans, st.sampled_from(list(State)))
def test_there_are_words_for_everything(
    now: datetime,
    granted_at: datetime | None,
    ends_at: datetime | None,
    windows: tuple[int, ...],
    state: State,
) -> None:
    for kind in ApplicationKind:
        found = comes(
            now, state=state, kind=kind, granted_at=granted_at, ends_at=ends_at, windows=windows
        )
        assert found.next_reminder_at is None or found.next_reminder_at > now
        if state is State.ACTIVE:
            assert found.words.endswith(".")
