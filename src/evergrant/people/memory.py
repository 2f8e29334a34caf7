"""What was looked up just now, and whose use was written down.

Answers for: forgetting in time. Does not answer for: what a key is good for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Generic, TypeVar

__all__ = ["MOST_REMEMBERED", "REMEMBERED_FOR", "USE_NOTED_EVERY", "Memory", "Uses"]

#: Together with the moments for which the door of access tokens remembers callers and answers, a
#: revoked key is good for a second at most.
REMEMBERED_FOR = timedelta(milliseconds=800)
MOST_REMEMBERED = 10_000
USE_NOTED_EVERY = timedelta(minutes=1)

T = TypeVar("T")


class Memory(Generic[T]):
    """Rows by a name. A row is forgotten after ``REMEMBERED_FOR``, and all of them when there are
    too many."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[datetime, T]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, name: str, now: datetime) -> T | None:
        noted_at, value = self._rows.get(name, (None, None))
        fresh = noted_at is not None and timedelta() <= now - noted_at < REMEMBERED_FOR
        return value if fresh else None

    def put(self, name: str, value: T, asked_at: datetime) -> None:
        """``asked_at``: before the database was asked."""
        if len(self._rows) >= MOST_REMEMBERED:
            self._rows.clear()
        self._rows[name] = (asked_at, value)

    def forget(self) -> None:
        self._rows.clear()


class Uses:
    """Whose use this process wrote down lately: a thousand requests at once write once."""

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}

    def due(self, id: str, last_used_at: datetime | None, now: datetime) -> bool:
        """Whether this use is to be written down. Says so once a minute."""
        for last in (last_used_at, self._noted.get(id)):
            if last is not None and abs(now - last) < USE_NOTED_EVERY:
                return False
        if len(self._noted) >= MOST_REMEMBERED:
            self._noted.clear()
        self._noted[id] = now
        return True
