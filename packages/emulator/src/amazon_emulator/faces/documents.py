"""Presigned addresses for uploads and downloads."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp

from amazon_emulator.stage import Stage

__all__ = ["face"]


def face(stage: Stage) -> ASGIApp:
    return Starlette()
