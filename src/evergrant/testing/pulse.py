"""A pulse for tests: says what it is told to say."""

from __future__ import annotations

from evergrant.errors import StoreUnavailable
from evergrant.ports import Clock
from evergrant.ports.pulse import PulseSeen, WorkerSeen

__all__ = ["MemoryPulse"]


class MemoryPulse:
    """``ports.Pulse``: one worker that is well and nothing to do, until ``seen`` says otherwise;
    ``down = True`` is a database that does not answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seen: PulseSeen | None = None
        self.down = False

    async def look(self) -> PulseSeen:
        if self.down:
            raise StoreUnavailable
        now = self._clock.now()
        usual = (WorkerSeen(id="1", last_heartbeat_at=now),)
        return self.seen or PulseSeen(looked_at=now, workers=usual)

    async def close(self) -> None:
        return None
