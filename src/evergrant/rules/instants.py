"""Instants as Amazon writes them.

Answers for: reading one, with or without its offset. Does not answer for: what it means, or for
instants that people type (``intake``).
"""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["read_instant"]


def read_instant(value: object) -> datetime | None:
    """In UTC; one without an offset is taken to be in UTC. None: it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
