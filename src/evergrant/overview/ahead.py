"""What ends: the coming year by weeks, grants and client secrets.

Answers for: the data of the timeline. Does not answer for: its picture, or for reminding anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from evergrant.intake import Flaws, need
from evergrant.overview.listing import reach_of
from evergrant.overview.values import EndOfTerm, Terms, TermWeek
from evergrant.ports import Clock
from evergrant.ports.boards import ApplicationPulse, WeekOfTerms
from evergrant.ports.store import Store
from evergrant.rules.reminders import days_left
from evergrant.rules.rights import Caller, Right

__all__ = ["Ahead"]

AHEAD = timedelta(days=366)
FARTHEST = timedelta(days=3660)
WEEK = timedelta(days=7)
#: Of one week so many are named; of all of them it is said how many they are.
NAMED = 5


class Ahead:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def terms(self, *, by: Caller, until: datetime | None) -> Terms:
        need(by, Right.READ)
        now = self._clock.now()
        until = _checked(until, now)
        reach = reach_of(by)
        async with self._store.transaction() as tx:
            weeks = await tx.boards.weeks(reach, since=now, until=until, names=NAMED)
            lapsed, undated = await tx.boards.ended_and_undated(reach)
            applications = await tx.boards.applications(now) if by.reaches(None) else []
        secrets = _secrets(applications, now, until)
        return Terms(
            since=now,
            until=until,
            weeks=tuple(_by_week(weeks, secrets, now, until)),
            grants=sum(week.count for week in weeks),
            secrets=len(secrets),
            lapsed=lapsed,
            undated=undated,
        )


def _checked(until: datetime | None, now: datetime) -> datetime:
    if until is None:
        return now + AHEAD
    flaws = Flaws()
    if not now < until <= now + FARTHEST:
        flaws.add("until", "must lie ahead, by ten years at most.", code="out_of_range")
    flaws.refuse_if_any()
    return until


def _secrets(
    applications: Iterable[ApplicationPulse], now: datetime, until: datetime
) -> list[EndOfTerm]:
    ends = [
        _end(one.id, one.name, one.secret_expires_at, now)
        for one in applications
        if one.secret_expires_at is not None and now <= one.secret_expires_at < until
    ]
    return sorted(ends, key=lambda end: (end.ends_at, end.name))


def _by_week(
    weeks: Iterable[WeekOfTerms], secrets: Iterable[EndOfTerm], now: datetime, until: datetime
) -> Iterable[TermWeek]:
    known = {week.begins_at: week for week in weeks}
    begins_at = monday_of(now)
    while begins_at < until:
        week = known.get(begins_at)
        yield TermWeek(
            begins_at=begins_at,
            count=0 if week is None else week.count,
            first=tuple(_end(*end, now) for end in week.first) if week else (),
            secrets=tuple(end for end in secrets if monday_of(end.ends_at) == begins_at),
        )
        begins_at += WEEK


def _end(id: str, name: str, ends_at: datetime, now: datetime) -> EndOfTerm:
    return EndOfTerm(id=id, name=name, ends_at=ends_at, days_left=days_left(now, ends_at))


def monday_of(at: datetime) -> datetime:
    """00:00 UTC of the Monday of its week."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
