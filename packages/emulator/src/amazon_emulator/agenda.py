"""What will happen at an instant of the emulator's clock: feeds that end, messages that arrive.

Answers for: doing each thing once, in order, as soon as somebody looks at the emulator after its
instant. There is no timer and no thread: whoever comes next, at whichever face, finds a world in
which everything due has happened at the instant for which it was written down, also when a lever
moved the clock over many of them at once. It does not know what the things are.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

__all__ = ["Agenda", "Entry"]

log = logging.getLogger("amazon_emulator")

Act = Callable[[datetime], None]


@dataclass(order=True)
class Entry:
    """One thing to come. ``act`` gets the instant for which it was written down."""

    due_at: datetime
    number: int
    act: Act = field(compare=False)
    struck: bool = field(default=False, compare=False)


@dataclass
class Agenda:
    """All things to come, the earliest first; those of one instant in the order of writing."""

    _entries: list[Entry] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def at(self, due_at: datetime, act: Act) -> Entry:
        """Writes down that ``act`` happens at ``due_at``; may be past: then it is next."""
        entry = Entry(due_at, next(self._numbers), act)
        heapq.heappush(self._entries, entry)
        return entry

    def strike(self, entry: Entry) -> None:
        """It will not happen."""
        entry.struck = True

    def run(self, now: datetime) -> int:
        """Does all that is due, also what that brings with it. Gives how many were done.

        What fails is logged, and hits neither whoever asks now nor what is due besides."""
        done = 0
        while self._entries and self._entries[0].due_at <= now:
            entry = heapq.heappop(self._entries)
            if not entry.struck:
                try:
                    entry.act(entry.due_at)
                except Exception:
                    log.exception("the emulator failed at something that was due; this is a bug")
                done += 1
        return done

    @property
    def next_at(self) -> datetime | None:
        """When the next thing happens; None when nothing is to come."""
        while self._entries and self._entries[0].struck:
            heapq.heappop(self._entries)
        return self._entries[0].due_at if self._entries else None
