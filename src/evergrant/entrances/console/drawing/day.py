"""The feed runs of one day, side by side.

Answers for: a bar for each run, as long as it took, in as few rows as they fit into. Does not
answer for: which runs there were (the kitchen).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from evergrant.entrances.console.drawing.svg import picture, tag

__all__ = ["RunMark", "day_of_runs"]

DAY = timedelta(days=1)
#: In the picture's own units; a day is so wide.
WIDTH = 960.0
ROW = 9.0
TOP = 2.0
AXIS = 18.0
SHORTEST = 4.0
#: What does not fit into so many rows is drawn over the others.
MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class RunMark:
    """One run. ``kind``: good, warm, bad, or open while it goes on; ``words`` say which it is."""

    began_at: datetime
    ended_at: datetime | None
    kind: str
    words: str


def day_of_runs(runs: Iterable[RunMark], day_begins_at: datetime, now: datetime) -> Markup:
    """Runs that were under way at some time of that day, which ends 24 hours later."""
    end = day_begins_at + DAY
    shown = sorted(
        (run for run in runs if run.began_at < end and (run.ended_at or now) >= day_begins_at),
        key=lambda run: (run.began_at, run.words),
    )
    placed, rows = _placed(shown, day_begins_at, now)
    height = TOP + max(rows, 1) * ROW
    parts = [*_hours(height), *placed]
    if day_begins_at <= now < end:
        x = _x(now, day_begins_at)
        parts.append(tag("line", x1=x, y1=0, x2=x, y2=height, class_="today"))
    bad = sum(run.kind == "bad" for run in shown)
    still = sum(run.ended_at is None for run in shown)
    return picture(
        f"Feed runs of {_day(day_begins_at)}",
        f"{_count(len(shown), 'run')}, {still:,} of them under way, {bad:,} in trouble.",
        parts,
        width=WIDTH,
        height=height + AXIS,
        class_="day",
    )


def _placed(runs: Sequence[RunMark], begin: datetime, now: datetime) -> tuple[list[Markup], int]:
    """Each in the first row that is free when it begins."""
    free_from: list[float] = []
    drawn = []
    for run in runs:
        x = max(_x(run.began_at, begin), 0.0)
        stop = min(_x(run.ended_at or max(now, run.began_at), begin), WIDTH)
        width = max(stop - x, SHORTEST)
        x = min(x, WIDTH - SHORTEST)
        row = next((at for at, free in enumerate(free_from) if free <= x), len(free_from))
        if row == len(free_from) and row < MOST_ROWS:
            free_from.append(0.0)
        row = min(row, MOST_ROWS - 1)
        free_from[row] = max(free_from[row], x + width + 1)
        drawn.append(_mark(run, x, width, TOP + row * ROW))
    return drawn, len(free_from)


def _mark(run: RunMark, x: float, width: float, y: float) -> Markup:
    when = f"{run.began_at.astimezone(UTC):%H:%M}"
    until = f" to {run.ended_at.astimezone(UTC):%H:%M} UTC" if run.ended_at else " UTC, under way"
    return tag(
        "g",
        tag("title", f"{run.words}, {when}{until}"),
        tag("rect", x=x, y=y, width=width, height=ROW - 2, rx=2, class_=f"bar {run.kind}"),
    )


def _hours(height: float) -> Iterator[Markup]:
    for hour in range(0, 25, 3):
        x = WIDTH * hour / 24
        yield tag("line", x1=x, y1=0, x2=x, y2=height, class_="grid")
        anchor = "start" if hour == 0 else "end" if hour == 24 else "middle"
        yield tag("text", f"{hour:02}:00", x=x, y=height + 13, class_="tick", text_anchor=anchor)


def _x(at: datetime, begin: datetime) -> float:
    return (at - begin) / DAY * WIDTH


def _day(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y}"


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
