"""What time it is: the machine's clock, or one that a file steers.

Answers for: one aware instant in UTC. Does not answer for: waiting, and for who may look at it
(rooms take ``now`` once per verb).
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evergrant.errors import Misconfigured

__all__ = ["SteeredClock", "SystemClock"]


class SystemClock:
    """``ports.Clock``: the machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SteeredClock:
    """``ports.Clock`` for development and tests: the machine's clock, shifted by what a file says.

    The file holds an offset in seconds ("86400", "-30.5") or an instant in ISO 8601
    ("2027-03-01T09:00Z"): the clock then shows that instant as of the file's last change, and
    runs on from there. No file, or an empty one, is no shift. It is read with every ``now``, so
    whoever moved the time is believed by the next request. What cannot be read is refused at the
    start and ignored later, and so is a file that is suddenly empty: somebody may be in the
    middle of writing it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = self._read() or timedelta()

    def now(self) -> datetime:
        with contextlib.suppress(Misconfigured):
            offset = self._read()
            self._offset = self._offset if offset is None else offset
        return datetime.now(UTC) + self._offset

    def _read(self) -> timedelta | None:
        """None when nothing stands in the file."""
        try:
            text = self._path.read_text(encoding="utf-8").strip()
            changed_at = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except FileNotFoundError:
            return timedelta()
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(str(error)) from None
        if not text:
            return None
        seconds = _seconds(text)
        if seconds is not None:
            return timedelta(seconds=seconds)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise self._unreadable("neither seconds nor an instant in ISO 8601.") from None
        if instant.tzinfo is None:
            raise self._unreadable("the instant lacks its offset from UTC.")
        return instant - changed_at

    def _unreadable(self, why: str) -> Misconfigured:
        return Misconfigured("EVERGRANT_CLOCK_FILE", f"{self._path}: {why}")


def _seconds(text: str) -> float | None:
    """Within a century, so that the sum stays a date."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if abs(seconds) < 100 * 366 * 86_400 else None
