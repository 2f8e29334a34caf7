"""THE CONSOLE. The pages that operators keep open all day.

Answers for: leading each request to its door (`doors`), past the guard, and for a page where
something went wrong. Does not answer for: deciding; every page calls verbs of the rooms.
"""

from __future__ import annotations

from evergrant.entrances.console.frame import build

__all__ = ["build"]
