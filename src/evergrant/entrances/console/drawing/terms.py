"""The coming year as a picture: when grants and client secrets end.

Answers for: one column for each week, grants above, client secrets below, months and today's mark.
Does not answer for: which ends there are (the gallery).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from evergrant.entrances.console.drawing.svg import picture, short, tag
from evergrant.overview import EndOfTerm, Terms, TermWeek
from evergrant.rules.attention import DUE, SECRET_URGENT, URGENT

__all__ = ["timeline", "words_of_week"]

WEEK = timedelta(days=7)
#: In the picture's own units, of which a column has so many.
COLUMN = 18.0
LEFT = 92.0
RIGHT = 14.0
TOP = 30.0
BARS = 92.0
SECRETS = 34.0
AXIS = 24.0
DOT = 5.0
#: One end among few is no tower.
FEW = 4
#: More client secrets of one week become a number.
MOST_DOTS = 3


def timeline(terms: Terms) -> Markup:
    """Every week from ``terms.since`` to ``terms.until`` is a column, also empty ones."""
    begin = terms.weeks[0].begins_at if terms.weeks else terms.since
    width = LEFT + max(len(terms.weeks), 1) * COLUMN + RIGHT
    base = TOP + BARS
    parts = [
        *_rows(width, base),
        *_months(begin, terms.until, width, base),
        *(_week(week, place, terms, base) for place, week in enumerate(terms.weeks)),
        _today(terms.since, begin, base),
    ]
    return picture(
        "Ends of authorizations and client secrets in the coming year, week by week",
        _described(terms),
        parts,
        width=width,
        height=base + SECRETS + AXIS,
        class_="terms",
    )


def words_of_week(week: TermWeek) -> str:
    """What ends in it, in a sentence for the hand that rests on it."""
    parts = []
    if week.count:
        named = ", ".join(_end(end) for end in week.first)
        more = week.count - len(week.first)
        and_more = f" and {more:,} more" if more > 0 else ""
        parts.append(f"{_count(week.count, 'authorization')}: {named}{and_more}")
    if week.secrets:
        named = ", ".join(_end(end) for end in week.secrets)
        parts.append(f"{_count(len(week.secrets), 'client secret')}: {named}")
    return f"Week of {_day(week.begins_at)}. " + (". ".join(parts) or "Nothing ends") + "."


def _rows(width: float, base: float) -> Iterator[Markup]:
    yield tag("text", "Authorizations", x=0, y=base - 6, class_="label")
    yield tag("text", "Client secrets", x=0, y=base + SECRETS / 2 + 4, class_="label")
    for y in (base, base + SECRETS):
        yield tag("line", x1=LEFT, y1=y, x2=width - RIGHT, y2=y, class_="axis")


def _months(begin: datetime, until: datetime, width: float, base: float) -> Iterator[Markup]:
    month = _next_month(begin)
    while month < until:
        x = _x(month, begin)
        if x > width - RIGHT:
            return
        yield tag("line", x1=x, y1=TOP - 6, x2=x, y2=base + SECRETS + 5, class_="grid")
        words = f"{month:%b} {month.year}" if month.month == 1 else f"{month:%b}"
        yield tag("text", words, x=x + 3, y=base + SECRETS + 17, class_="tick")
        month = _next_month(month)


def _week(week: TermWeek, place: int, terms: Terms, base: float) -> Markup:
    x = LEFT + place * COLUMN
    parts = [
        tag("title", words_of_week(week)),
        # The whole column shows its words, not the bar alone.
        tag("rect", x=x, y=TOP - 6, width=COLUMN, height=BARS + SECRETS + 6, class_="column"),
    ]
    if week.count:
        height = max(BARS * week.count / max(terms.most, FEW), 3)
        kind = _kind(week.first[0].ends_at if week.first else week.begins_at, terms, URGENT, DUE)
        parts += [
            tag(
                "rect", x=x + 2, y=base - height, width=COLUMN - 4, height=height, rx=2,
                class_=f"bar {kind}",
            ),
            tag(
                "text", short(week.count), x=x + COLUMN / 2, y=base - height - 4, class_="count",
                text_anchor="middle",
            ),
        ]  # fmt: skip
    parts += _dots(week, x, terms, base)
    return tag("g", *parts, class_="week")


def _dots(week: TermWeek, x: float, terms: Terms, base: float) -> Iterator[Markup]:
    middle = x + COLUMN / 2
    if len(week.secrets) > MOST_DOTS:
        kind = _kind(week.secrets[0].ends_at, terms, SECRET_URGENT, DUE)
        y = base + SECRETS / 2
        yield tag("circle", cx=middle, cy=y, r=DOT + 3, class_=f"dot {kind}")
        yield tag(
            "text", short(len(week.secrets)), x=middle, y=y + 3.5, class_="in-dot",
            text_anchor="middle",
        )  # fmt: skip
        return
    room = SECRETS / (len(week.secrets) + 1)
    for place, end in enumerate(week.secrets, start=1):
        kind = _kind(end.ends_at, terms, SECRET_URGENT, DUE)
        yield tag("circle", cx=middle, cy=base + place * room, r=DOT, class_=f"dot {kind}")


def _kind(at: datetime, terms: Terms, urgent: timedelta, due: timedelta) -> str:
    left = at - terms.since
    return "bad" if left <= urgent else "warm" if left <= due else "far"


def _today(now: datetime, begin: datetime, base: float) -> Markup:
    x = _x(now, begin)
    return tag(
        "g",
        tag("line", x1=x, y1=TOP - 12, x2=x, y2=base + SECRETS, class_="today"),
        tag("text", "Today", x=x, y=TOP - 16, class_="tick now"),
    )


def _x(at: datetime, begin: datetime) -> float:
    return LEFT + (at - begin) / WEEK * COLUMN


def _next_month(at: datetime) -> datetime:
    at = at.astimezone(UTC)
    return datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)


def _described(terms: Terms) -> str:
    told = [f"{_count(terms.grants, 'authorization')} end until {_day(terms.until)}"]
    fullest = max(terms.weeks, key=lambda week: week.count, default=None)
    if fullest is not None and fullest.count:
        told.append(f"most of them, {fullest.count:,}, in the week of {_day(fullest.begins_at)}")
    told.append(f"{_count(terms.secrets, 'client secret')} end")
    return "; ".join(told) + "."


def _end(end: EndOfTerm) -> str:
    return f"{end.name} ({_day(end.ends_at)})"


def _day(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y}"


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
