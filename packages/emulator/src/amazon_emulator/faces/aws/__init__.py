"""The part of AWS that notifications need: queues (SQS) and temporary credentials (STS)."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp

from amazon_emulator.stage import Stage

__all__ = ["face"]


def face(stage: Stage) -> ASGIApp:
    """One address for both services."""
    return Starlette()
