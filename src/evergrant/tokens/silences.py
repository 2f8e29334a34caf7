"""What people are told of LWA's weather: that it did not answer, and when.

Answers for: one line of the journal for an application and a while, however many calls feel it.
Does not answer for: trying again (`asking`), or for what LWA says of an application (the register).
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from evergrant import journal
from evergrant.errors import AmazonError, StoreUnavailable
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub

__all__ = ["TOLD_EVERY", "Silences"]

#: By each process at most so often.
TOLD_EVERY = timedelta(minutes=10)


class Silences:
    """One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._told_at: dict[str, datetime] = {}

    async def note(self, application_id: str, weather: AmazonError) -> None:
        """Journal: ``application.lwa_silent``. Whoever asked hears of the weather in any case."""
        now = self._clock.now()
        told_at = self._told_at.get(application_id)
        if told_at is not None and now < told_at + TOLD_EVERY:
            return
        self._told_at[application_id] = now
        with contextlib.suppress(StoreUnavailable):
            async with self._store.transaction() as tx:
                await journal.write(
                    tx,
                    now=now,
                    by=SYSTEM,
                    verb="application.lwa_silent",
                    subject=application_id,
                    why=scrub(str(weather)),
                )
