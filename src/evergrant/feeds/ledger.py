"""The book: what is pending, in flight, done and refused, and why something waits.

Answers for: reading it within the caller's reach. Does not answer for: changing anything.
"""

from __future__ import annotations

from evergrant.ports import Clock
from evergrant.ports.store import Store

__all__ = ["Ledger"]


class Ledger:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
