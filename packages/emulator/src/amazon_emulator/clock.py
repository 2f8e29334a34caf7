"""The emulator's clock: real time plus an offset that a lever moves.

Answers for: every instant that the emulator speaks of (codes, access tokens, sessions, secrets,
grants, `Date` headers). It does not slow anything down: delays that a failing mode makes are real.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

__all__ = ["Clock", "read_instant", "stamp"]

FARTHEST = timedelta(days=365 * 200)


class Clock:
    """Real time plus an offset. May go backwards when set so."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = timedelta()
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        """The emulator's time, in UTC, by the millisecond: as exact as Amazon writes it, so that an
        instant that was read from an answer compares with the one that is kept."""
        now = datetime.fromtimestamp(time.time(), UTC) + self._offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def set(self, instant: datetime) -> None:
        """Makes ``instant`` the present; time goes on from there."""
        if instant.tzinfo is None:
            raise ValueError("an instant needs a UTC offset, for example 2026-11-21T10:00:00Z")
        self._move(instant - datetime.fromtimestamp(time.time(), UTC))

    def advance(self, seconds: float) -> None:
        """Moves the clock by ``seconds``, backwards when negative."""
        self._move(self._offset + timedelta(seconds=seconds))

    def reset(self) -> None:
        """Real time again."""
        self._offset = timedelta()

    @property
    def offset_seconds(self) -> float:
        return self._offset.total_seconds()

    def _move(self, offset: timedelta) -> None:
        if abs(offset) > FARTHEST:
            raise ValueError("the clock goes at most 200 years from the present")
        self._offset = offset


def stamp(instant: datetime | None) -> str | None:
    """An instant as Amazon writes it in JSON: UTC, milliseconds, `Z`."""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_instant(text: str) -> datetime:
    """An ISO 8601 instant with an offset.

    Raises ValueError with words for a person when it is something else."""
    try:
        instant = datetime.fromisoformat(text.strip())
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not an ISO 8601 instant") from None
    raise ValueError(f"{text!r} has no UTC offset; end it with Z")
