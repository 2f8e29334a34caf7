"""THE SIGN-OFF BOOK. Who looked at what before going live, and whether it is still so.

Answers for: signatures and their going stale. Does not answer for: what has to be looked at
(``rules.reviews``), or for looking (checks).
"""

from __future__ import annotations

from evergrant.ports import Clock
from evergrant.ports.store import Store

__all__ = ["Reviews"]


class Reviews:
    """One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
