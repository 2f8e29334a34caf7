"""Levers of the catalogue: listings with stock and prices, and those that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amazon_emulator.faces.levers.wishes import Wish
from amazon_emulator.stage import Stage

__all__ = ["LEVERS"]

LEVERS: tuple[tuple[str, str, Callable[[Stage, Wish], Any]], ...] = ()
