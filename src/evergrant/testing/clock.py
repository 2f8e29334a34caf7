"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]


class FakeClock:
    """``ports.Clock``, moved by hand."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta | None = None, **parts: float) -> datetime:
        """Moves on by a ``timedelta`` or its parts (``days=3``); gives the new instant."""
        self.at += (by or timedelta()) + timedelta(**parts)
        return self.at

    def set(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("An instant is aware and in UTC.")
        self.at = at.astimezone(UTC)
