"""How long feeds and reports wait and are worked on.

Answers for: the pace of each type and of all others. It moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.trade.records import Record

__all__ = ["Pace", "Paces"]


@dataclass(frozen=True)
class Pace:
    """Seconds in the queue once it is the turn of a thing, and seconds in progress."""

    queue_s: float
    processing_s: float


@dataclass
class Paces:
    """The pace of all, and of the types that have one of their own."""

    queue_s: float
    processing_s: float
    own: dict[str, Pace] = field(default_factory=dict)

    def of(self, type: str) -> Pace:
        return self.own.get(type) or Pace(self.queue_s, self.processing_s)

    def set(self, pace: Pace, type: str | None) -> None:
        """For one type; or for all, also those that had their own."""
        if type is None:
            self.queue_s, self.processing_s = pace.queue_s, pace.processing_s
            self.own.clear()
        else:
            self.own[type] = pace

    def as_json(self) -> dict[str, Any]:
        return {
            "queue_s": self.queue_s,
            "processing_s": self.processing_s,
            "own": {
                name: {"queue_s": pace.queue_s, "processing_s": pace.processing_s}
                for name, pace in sorted(self.own.items())
            },
        }

    def load(self, record: Record) -> None:
        """Raises ValueError that names the place."""
        queue_s = record.seconds("queue_s", self.queue_s)
        processing_s = record.seconds("processing_s", self.processing_s)
        own = {}
        table = Record.of(record.raw("own", {}), f"{record.place}.own")
        for name in table.fields:
            row = Record.of(table.raw(name), f"{table.place}.{name}")
            own[name] = Pace(row.seconds("queue_s"), row.seconds("processing_s"))
            row.done()
        record.done()
        self.queue_s, self.processing_s, self.own = queue_s, processing_s, own
