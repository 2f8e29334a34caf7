"""A bell for tests: remembers what it was rung for. It rings nobody."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MemoryBell"]


class MemoryBell:
    """``ports.Bell`` in memory. ``rung`` is every outbox id, in order."""

    def __init__(self) -> None:
        self.rung: list[str] = []

    async def ring(self, outbox_ids: Sequence[str]) -> None:
        self.rung.extend(outbox_ids)
