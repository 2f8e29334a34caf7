"""A year in a moment: both clocks are moved together, and the watch is called.

Answers for: moving Evergrant's clock (by its file) and Amazon's (by a lever). Does not answer for:
what follows from it; that is what the demo shows.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from demo.house import lever
from demo.stage import Emulator

__all__ = ["Time"]


class Time:
    """The time of the play. ``clock_file`` is what EVERGRANT_CLOCK_FILE names."""

    def __init__(self, clock_file: Path) -> None:
        self.clock_file = clock_file
        self.clock_file.parent.mkdir(parents=True, exist_ok=True)
        self.clock_file.write_text("0")

    def pass_(self, span: timedelta, emulator: Emulator) -> None:
        seconds = span.total_seconds()
        passed = float(self.clock_file.read_text()) + seconds
        # Replaced as a whole: somebody may be reading it.
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(passed))
        fresh.replace(self.clock_file)
        lever(emulator, "POST", "/clock/advance", {"seconds": seconds})
