"""When somebody is reminded that something ends.

Answers for: which window of an end is the newest at an instant, when the next one opens, how many
days are left, and the words for all of that. Does not answer for: what was told already (the
ledger, whose unique key is the referee), who is told, or how long anything lasts (`terms`).

A window is a number of days. Window ``d`` opens at midnight UTC, at the beginning of the day that
lies ``d`` days before the day of the end. Of several open ones only the newest counts: after a long
pause there is one letter, not five.

Sources: Amazon mails the selling partner weekly from a month before (notes on its page
"renew-authorizations"), and reminds of a client secret from 90 days before its end (page
"rotating-your-apps-lwa-credentials").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from evergrant.rules.applications import ApplicationKind
from evergrant.rules.faults import Fault
from evergrant.rules.lifecycle import State
from evergrant.rules.terms import GRANT_TERM

__all__ = [
    "AGE_DAYS",
    "LONGEST_DAYS",
    "MOST_WINDOWS",
    "SECRET_DAYS",
    "SECRET_DAYS_WITH_QUEUE",
    "TOLD_AFTER_END",
    "Opening",
    "Outlook",
    "believed_end",
    "check_days",
    "day_words",
    "days_left",
    "is_over",
    "is_undated",
    "left_words",
    "newest",
    "next_opening",
    "opens_at",
    "outlook",
]

#: So long after an end its last window may still be told, if nobody was told in time.
TOLD_AFTER_END = timedelta(days=30)
#: A self-authorization's year, which is our belief.
AGE_DAYS: Sequence[int] = (30, 0)
#: A client secret that somebody has to rotate by hand.
SECRET_DAYS: Sequence[int] = (90, 60, 30, 14, 7, 3, 1, 0)
#: One that rotates by itself: whoever hears of it then hears that it did not.
SECRET_DAYS_WITH_QUEUE: Sequence[int] = (21, 14, 7, 3, 1, 0)

LONGEST_DAYS = 180
MOST_WINDOWS = 12


@dataclass(frozen=True, slots=True)
class Opening:
    """The next window of an end, and when it opens."""

    days: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Outlook:
    """What comes for an authorization. ``next_reminder_at``: None where nobody will be reminded.
    ``words``: one or two sentences for people, empty where there is nothing to say."""

    next_reminder_at: datetime | None = None
    words: str = ""


def opens_at(ends_at: datetime, days: int) -> datetime:
    """The midnight at which the window of ``days`` opens."""
    return datetime.combine(_day(ends_at) - timedelta(days=days), time(), UTC)


def newest(now: datetime, ends_at: datetime, windows: Iterable[int]) -> int | None:
    """The newest open window; None: none has opened yet, or the end was over 30 days ago."""
    if ends_at < now - TOLD_AFTER_END:
        return None
    return min((days for days in windows if opens_at(ends_at, days) <= now), default=None)


def next_opening(now: datetime, ends_at: datetime, windows: Iterable[int]) -> Opening | None:
    """The next window that opens after ``now``; None: all of them have."""
    ahead = max((days for days in windows if opens_at(ends_at, days) > now), default=None)
    return None if ahead is None else Opening(ahead, opens_at(ends_at, ahead))


def days_left(now: datetime, ends_at: datetime) -> int:
    """Whole days from the day of ``now`` to the day of the end, both in UTC: 0 on the day itself,
    negative afterwards."""
    return (_day(ends_at) - _day(now)).days


def is_over(now: datetime, ends_at: datetime) -> bool:
    return ends_at <= now


def left_words(days: int) -> str:
    """``in 9 days``, ``tomorrow``, ``today``, ``yesterday``, ``9 days ago``."""
    near = {1: "tomorrow", 0: "today", -1: "yesterday"}
    return near.get(days) or (f"in {days} days" if days > 0 else f"{-days} days ago")


def day_words(at: datetime) -> str:
    """``12 May 2027``, the day in UTC."""
    day = _day(at)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def believed_end(granted_at: datetime) -> datetime:
    """When a self-authorization is a year old. Amazon states no end for it."""
    return granted_at + GRANT_TERM


def is_undated(
    kind: ApplicationKind, granted_at: datetime | None, term_ends_at: datetime | None
) -> bool:
    """Whether nobody knows when a grant ends, or how old it is. One of a public application that
    Amazon accepted again after its term has a day, and no end that is known."""
    if kind is ApplicationKind.PRIVATE:
        return granted_at is None
    return term_ends_at is None


def check_days(windows: Iterable[int]) -> tuple[int, ...]:
    """The windows, falling, none twice; none at all: no reminders. Raises Fault."""
    found = tuple(sorted(set(windows), reverse=True))
    if any(not 0 <= days <= LONGEST_DAYS for days in found):
        raise Fault(
            "out_of_range",
            f"These are days before the end, from 0 to {LONGEST_DAYS}.",
            hint="As 30, 14, 2, 0: the last one goes out on the day itself.",
        )
    if len(found) > MOST_WINDOWS:
        raise Fault("too_many", f"At most {MOST_WINDOWS} reminders of one end.")
    return found


def outlook(
    now: datetime,
    *,
    state: State,
    kind: ApplicationKind,
    granted_at: datetime | None,
    term_ends_at: datetime | None,
    windows: Sequence[int],
) -> Outlook:
    """What comes for an authorization of an application of this kind, whose reminders go out in
    these windows."""
    if state is State.LAPSED and term_ends_at is not None:
        return Outlook(words=f"Lapsed on {day_words(term_ends_at)}.")
    if state is not State.ACTIVE:
        return Outlook()
    if is_undated(kind, granted_at, term_ends_at):
        return Outlook(words="Nobody knows when it ends, so nobody can be reminded in time.")
    if term_ends_at is not None:
        return _outlook_of_term(now, term_ends_at, windows)
    assert granted_at is not None, "a grant without a date is undated"
    return _outlook_of_age(now, granted_at, AGE_DAYS if windows else ())


def _outlook_of_term(now: datetime, ends_at: datetime, windows: Sequence[int]) -> Outlook:
    until = f"Authorized until {day_words(ends_at)}"
    if not windows:
        return Outlook(words=f"{until}; renewal mails are switched off for its application.")
    ahead = next_opening(now, ends_at, windows)
    if ahead is None:
        return Outlook(words=f"{until}; no further renewal mail goes out.")
    which = "first" if ahead.days == max(windows) else "next"
    on = _near(ahead.at, ends_at)
    return Outlook(ahead.at, f"{until}; the {which} renewal mail goes out on {on}.")


def _outlook_of_age(now: datetime, granted_at: datetime, windows: Sequence[int]) -> Outlook:
    since = f"Authorized since {day_words(granted_at)}; Amazon states no end."
    ahead = next_opening(now, believed_end(granted_at), windows)
    if ahead is None:
        return Outlook(words=since)
    when = day_words(ahead.at)
    return Outlook(ahead.at, f"{since} Operators are reminded of its age on {when}.")


def _near(at: datetime, other: datetime) -> str:
    """A day as one says it beside another: the year only where it differs."""
    if _day(at).year != _day(other).year:
        return day_words(at)
    return day_words(at).rpartition(" ")[0]


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
