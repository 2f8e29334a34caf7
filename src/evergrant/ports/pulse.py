"""The pulse socket: how the queue and its workers are, by the database's own clock.

Answers for: what a look at them tells. Does not answer for: whether that is good or bad (rules,
pages), or for the outbox, whose backlog the store knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

__all__ = ["Pulse", "PulseSeen", "WorkerSeen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """One worker of the queue; a process of ours is two of them. ``queues``: those of the jobs that
    it has in hand now; the queue does not keep which ones a worker listens to."""

    id: str
    last_heartbeat_at: datetime
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseSeen:
    """One look. ``looked_at`` is the database's clock, which all of its instants come from.

    ``waiting``: by queue, jobs that are due and that nobody has begun; ``later`` are not due yet.
    ``oldest_waiting_s``: since when the longest of them is due, in seconds; 0 where none is.
    """

    looked_at: datetime
    waiting: Mapping[str, int] = field(default_factory=dict)
    later: int = 0
    oldest_waiting_s: float = 0.0
    running: int = 0
    failed_last_day: int = 0
    workers: tuple[WorkerSeen, ...] = ()

    def alive(self, within_s: float = 60.0) -> int:
        """How many workers gave a sign of life in the last ``within_s`` seconds."""
        return sum(
            (self.looked_at - worker.last_heartbeat_at).total_seconds() <= within_s
            for worker in self.workers
        )


class Pulse(Protocol):
    async def look(self) -> PulseSeen:
        """Raises errors.StoreUnavailable."""
        ...

    async def close(self) -> None: ...
