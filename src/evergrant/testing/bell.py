"""A bell for tests: remembers what it was rung for. It rings nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

__all__ = ["MemoryBell"]


class MemoryBell:
    """``ports.Bell`` in memory. ``rung`` is every outbox id, in order; ``set`` what it is to ring
    for later, with the pause; ``work`` and ``later_work`` the accounts that have work; ``orders``
    those whose orders somebody waits for."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.set: list[tuple[str, timedelta]] = []
        self.work: list[str] = []
        self.orders: list[str] = []
        self.later_work: list[tuple[str, timedelta]] = []

    async def ring(self, outbox_ids: Sequence[str]) -> None:
        self.rung.extend(outbox_ids)

    async def ring_after(self, outbox_ids: Sequence[str], pause: timedelta) -> None:
        self.set.extend((outbox_id, pause) for outbox_id in outbox_ids)

    async def ring_for_orders(self, account_id: str) -> None:
        self.orders.append(account_id)

    async def ring_for_work(
        self, account_ids: Sequence[str], pause: timedelta = timedelta()
    ) -> None:
        if pause:
            self.later_work.extend((account_id, pause) for account_id in account_ids)
        else:
            self.work.extend(account_ids)
