"""Calls and errors by the hour, as bars and as a line that fits beside a word.

Answers for: an hour for each bar, also those in which nothing happened. Does not answer for:
counting calls (the gate).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from evergrant.entrances.console.drawing.svg import picture, tag
from evergrant.ports.things import CallCount

__all__ = ["Hour", "calls_by_hour", "hours_of", "sparkline"]

HOUR = timedelta(hours=1)
BAR = 10.0
HEIGHT = 40.0


@dataclass(frozen=True, slots=True)
class Hour:
    """``troubled`` of the ``calls`` did not bring what they were for: errors and 429."""

    begins_at: datetime
    calls: int = 0
    troubled: int = 0


def hours_of(counts: Iterable[CallCount], now: datetime, hours: int = 24) -> tuple[Hour, ...]:
    """The hour that runs now and those before it, the oldest first, of whatever operations."""
    calls: dict[datetime, int] = defaultdict(int)
    troubled: dict[datetime, int] = defaultdict(int)
    for one in counts:
        at = one.hour_at.astimezone(UTC)
        calls[at] += one.calls
        troubled[at] += sum(one.errors.values()) + one.throttled
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = (last - HOUR * back for back in reversed(range(hours)))
    return tuple(Hour(at, calls[at], troubled[at]) for at in begins)


def calls_by_hour(hours: Sequence[Hour], what: str = "Calls") -> Markup:
    """Bars, and of each the part that was trouble. ``what`` begins the title."""
    most = max((one.calls for one in hours), default=0)
    calls, troubled = sum(one.calls for one in hours), sum(one.troubled for one in hours)
    parts = [_bar(one, place, most) for place, one in enumerate(hours)]
    width = max(len(hours), 1) * BAR
    floor = tag("line", x1=0, y1=HEIGHT, x2=width, y2=HEIGHT, class_="axis")
    return picture(
        f"{what} by hour",
        f"{_count(calls, 'call')} in {_count(len(hours), 'hour')}, {troubled:,} of them without "
        f"what was asked for; {most:,} in the busiest hour.",
        [*parts, floor],
        width=width,
        height=HEIGHT + 1,
        class_="hours",
        stretched=True,
    )


def sparkline(values: Sequence[float], title: str) -> Markup:
    """A line without an axis: whether it rises or falls. Two values at least make one."""
    most = max(values, default=0) or 1
    step = 100 / max(len(values) - 1, 1)
    points = " ".join(
        f"{place * step:.1f},{22 - 20 * value / most:.1f}" for place, value in enumerate(values)
    )
    words = "nothing yet"
    if values:
        words = f"from {values[0]:,g} to {values[-1]:,g}, at most {max(values):,g}"
    return picture(
        title,
        f"{title}: {words}.",
        [tag("polyline", points=points, class_="line")] if len(values) > 1 else [],
        width=100,
        height=24,
        class_="spark",
        stretched=True,
    )


def _bar(one: Hour, place: int, most: int) -> Markup:
    x = place * BAR
    told = f"{one.begins_at.astimezone(UTC):%H:%M} UTC: {_count(one.calls, 'call')}"
    if one.troubled:
        told += f", {one.troubled:,} of them trouble"
    parts = [tag("title", told), tag("rect", x=x, y=0, width=BAR, height=HEIGHT, class_="column")]
    if one.calls:
        height = max(HEIGHT * one.calls / most, 1.5)
        parts.append(_rect(x, height, "bar far"))
    if one.troubled:
        parts.append(_rect(x, max(HEIGHT * one.troubled / most, 1.5), "bar bad"))
    return tag("g", *parts)


def _rect(x: float, height: float, class_: str) -> Markup:
    return tag("rect", x=x + 1, y=HEIGHT - height, width=BAR - 2, height=height, class_=class_)


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
