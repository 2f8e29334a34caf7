"""Reads a folder of models into operations.

Answers for: what every file says, and for telling which file says nothing. It judges no requests.
"""

from __future__ import annotations

from pathlib import Path

from amazon_emulator.models.described import Library
from amazon_emulator.models.finding import model_files

__all__ = ["read"]


def read(folder: Path) -> Library:
    """All models below ``folder``."""
    names = tuple(path.relative_to(folder).as_posix() for path in model_files(folder))
    return Library(folder, models=names)
