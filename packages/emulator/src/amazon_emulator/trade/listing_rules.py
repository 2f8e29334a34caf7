"""What Amazon objects to in a listing."""

from __future__ import annotations

__all__: list[str] = []
