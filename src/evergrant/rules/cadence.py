"""When to try again, and when to stop.

Answers for: the intervals. Does not answer for: trying.

Ladders are written by hand because each rung has a reason; a formula would hide them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = [
    "LOOK",
    "LWA_WEATHER_S",
    "MAIL",
    "WEBHOOK",
    "WEBHOOK_LIFE",
    "GiveUp",
    "TryAgain",
    "next_try",
    "next_until",
]

#: A greylisting relay accepts after minutes, a full mailbox or a relay under repair after hours; a
#: link that arrives after three days is still alive (letters live 14).
MAIL: Sequence[timedelta] = (
    timedelta(seconds=20),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=27),
)

#: A receiver restarts within seconds, is redeployed within minutes, is repaired within hours. From
#: then on it is asked four times a day, the last pause again and again, until the event's time is
#: over: who repairs it on Sunday evening has everything by Monday.
WEBHOOK: Sequence[timedelta] = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=6),
)
#: So long after it happened an event is tried, the last time at the very end.
WEBHOOK_LIFE = timedelta(days=3)

#: Amazon's weather passes in minutes, an incident in hours. After a week of daily tries it is no
#: weather, and a person has to look.
LOOK: Sequence[timedelta] = (
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    *(timedelta(days=1),) * 7,
)

#: Somebody waits for this answer: seconds between the tries of one mint.
LWA_WEATHER_S: Sequence[float] = (0.2, 0.8)


@dataclass(frozen=True, slots=True)
class TryAgain:
    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


def next_try(
    ladder: Sequence[timedelta], attempts: int, now: datetime, *, permanent: bool = False
) -> TryAgain | GiveUp:
    """What follows after ``attempts`` tries (at least one) have failed."""
    if attempts < 1:
        raise ValueError("next_try is asked after a try")
    if permanent:
        return GiveUp("refused for good")
    if attempts > len(ladder):
        return GiveUp(f"{attempts} tries failed")
    return TryAgain(now + ladder[attempts - 1])


def next_until(
    ladder: Sequence[timedelta], attempts: int, now: datetime, ends_at: datetime
) -> TryAgain | GiveUp:
    """What follows after ``attempts`` tries (at least one) have failed, where not their number but
    an instant is the end: the ladder's last pause repeats, and the last try lies at ``ends_at``. A
    try after ``ends_at`` is the last one."""
    if attempts < 1:
        raise ValueError("next_until is asked after a try")
    if now >= ends_at:
        return GiveUp(f"{attempts} tries failed")
    return TryAgain(min(now + ladder[min(attempts, len(ladder)) - 1], ends_at))
