"""A world in a file: loaded, exported, described.

Answers for: the file's form, all or nothing, and words that name the place of a fault. What is in a
section is known by the class that keeps it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amazon_emulator.stage import Stage

__all__ = ["SECTIONS", "VERSION", "describe", "export", "load", "load_file", "small"]

VERSION = 1
SECTIONS: tuple[tuple[str, type], ...] = ()


def export(stage: Stage, *, credentials: bool = False) -> dict[str, Any]:
    """The world as JSON; refresh tokens, client secrets and passwords only when asked for."""
    return {"amazon_emulator": VERSION}


def load(stage: Stage, given: Any, *, add: bool = False) -> None:
    """Puts this world on the stage, or adds it to what is there. Raises ValueError, and changes
    nothing, when something in it is wrong."""


def load_file(stage: Stage, path: Path) -> None:
    """As `load`, from a file. Raises ValueError with words for a person."""
    load(stage, json.loads(path.read_bytes()))


def small() -> Path:
    """A lively little world to begin with, as a file of the package."""
    return Path(__file__).parent / "worlds" / "small.json"


def describe(stage: Stage) -> dict[str, Any]:
    """What is in the world, with what one signs in and calls with, for printing."""
    return {}
