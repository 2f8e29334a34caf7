"""How many events one process has on their way to one client instance at a time.

Answers for: that a receiver which is slow or dead takes a few of a worker's places and never all
of them, and that one which fails for everybody is asked again now and then instead of by every
event. Does not answer for: an event's own retries (``rules.cadence``), or for the order of events
(the outbox). Nothing here is stored: a process that dies forgets it, and finds out anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["WIDTH", "Lanes", "Pause", "width_of"]

#: So many events of one client instance are on their way at a time, in one process that does ten
#: jobs at a time, as a worker does unless set otherwise: it takes four dead receivers to fill it.
WIDTH = 3
#: So many accounts in a row have to fail, and none to come through, before it is the receiver's
#: trouble: one event that a receiver cannot digest must not hold up those of other accounts.
FAILING = 3
#: The rest that a failing receiver is given: the first, and the longest.
REST = timedelta(seconds=10)
LONGEST_REST = timedelta(minutes=5)
#: So many of those who found no place are remembered. The outbox knows the others.
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Pause:
    """Not now. ``until``: not before; None: as soon as a place is free."""

    until: datetime | None = None


@dataclass(slots=True)
class _Lane:
    on_their_way: set[str] = field(default_factory=set)
    found_no_place: dict[str, None] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)  # accounts, since the last success
    rests: int = 0
    rests_until: datetime | None = None


def width_of(jobs_at_once: int) -> int:
    """For a process that does so many jobs at a time: a third of them, so that one receiver never
    fills it, as long as it does more than one."""
    return max(1, jobs_at_once // 3)


class Lanes:
    """Of one process and event loop. ``receiver``: id of the client instance."""

    def __init__(self, width: int = WIDTH) -> None:
        self._width = width
        self._lanes: dict[str, _Lane] = defaultdict(_Lane)

    def enter(
        self, receiver: str, item_id: str, now: datetime, *, despite_rest: bool = False
    ) -> Pause | None:
        """None: go, and ``leave`` afterwards."""
        lane = self._lanes[receiver]
        if item_id in lane.on_their_way:
            return Pause()
        if not despite_rest and lane.rests_until is not None and now < lane.rests_until:
            return Pause(lane.rests_until)
        if len(lane.on_their_way) >= self._width:
            if len(lane.found_no_place) < _REMEMBERED:
                lane.found_no_place[item_id] = None
            return Pause()
        lane.found_no_place.pop(item_id, None)
        lane.on_their_way.add(item_id)
        return None

    def leave(self, receiver: str, item_id: str) -> None:
        self._lanes[receiver].on_their_way.discard(item_id)

    def took(self, receiver: str) -> None:
        """The receiver took an event: whatever was wrong is over."""
        lane = self._lanes[receiver]
        lane.failing.clear()
        lane.rests, lane.rests_until = 0, None

    def failed(self, receiver: str, line: str, now: datetime) -> None:
        """An event of that line came back, and may come through later."""
        lane = self._lanes[receiver]
        if len(lane.failing) < FAILING:
            lane.failing.add(line)
        if len(lane.failing) >= FAILING:
            lane.rests_until = now + min(REST * 2 ** min(lane.rests, 10), LONGEST_REST)
            lane.rests += 1

    def next_up(self, receiver: str, now: datetime) -> list[str]:
        """Who found no place before and finds one now; each is named once."""
        lane = self._lanes[receiver]
        if lane.rests_until is not None and now < lane.rests_until:
            return []
        free = self._width - len(lane.on_their_way)
        named = list(lane.found_no_place)[: max(free, 0)]
        for item_id in named:
            del lane.found_no_place[item_id]
        return named
