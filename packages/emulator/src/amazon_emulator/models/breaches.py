"""The contract of one world: its mode, and the breaches of late.

Answers for: counting and remembering breaches, without any value that was sent. It finds none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from amazon_emulator.clock import stamp
from amazon_emulator.models.described import Described
from amazon_emulator.models.faults import Fault

__all__ = ["MODES", "Breach", "Contract", "Mode", "Side"]

Mode = Literal["off", "report", "refuse"]
Side = Literal["request", "answer"]

MODES: tuple[Mode, ...] = ("off", "report", "refuse")

KEPT = 1_000


@dataclass(frozen=True)
class Breach:
    """One request or answer that broke the model."""

    at: datetime
    operation: str
    method: str
    path: str
    user_agent: str | None
    side: Side
    faults: tuple[Fault, ...]

    def as_json(self) -> dict[str, Any]:
        told = [asdict(fault) for fault in self.faults]
        return {**asdict(self), "at": stamp(self.at), "faults": told}


@dataclass
class Contract:
    """Mode and breaches. Reach it with ``Contract.of(stage)``: then it begins in the mode that
    the emulator was started with, also after a reset."""

    mode: Mode = "off"
    breaches: deque[Breach] = field(default_factory=lambda: deque(maxlen=KEPT))
    counts: dict[tuple[str, Side], int] = field(default_factory=dict)
    begun: bool = False

    @classmethod
    def of(cls, stage: Any) -> Contract:
        """The contract of the world that is on stage."""
        contract = cast("Contract", stage.of(cls))
        if not contract.begun:
            contract.begun = True
            contract.mode = stage.contract_mode
        return contract

    def tell(
        self,
        at: datetime,
        described: Described,
        path: str,
        user_agent: str | None,
        side: Side,
        faults: Iterable[Fault],
    ) -> None:
        """Remembers and counts a breach. ``path`` comes without its query."""
        breach = Breach(at, described.name, described.method, path, user_agent, side, tuple(faults))
        self.breaches.append(breach)
        key = (breach.operation, breach.side)
        self.counts[key] = self.counts.get(key, 0) + 1

    def which(
        self,
        *,
        operation: str | None = None,
        side: str | None = None,
        kind: str | None = None,
        path: str | None = None,
        user_agent: str | None = None,
    ) -> list[Breach]:
        """The kept breaches of that kind, oldest first; a part of the user agent is enough."""
        return [
            breach
            for breach in self.breaches
            if (operation is None or breach.operation == operation)
            and (side is None or breach.side == side)
            and (kind is None or any(fault.kind == kind for fault in breach.faults))
            and (path is None or breach.path == path)
            and (user_agent is None or user_agent in (breach.user_agent or ""))
        ]

    def counts_as_json(self) -> dict[str, dict[str, int]]:
        """How many there were since the start, also of those that are no longer kept."""
        told: dict[str, dict[str, int]] = {}
        for (operation, side), count in sorted(self.counts.items()):
            told.setdefault(operation, {"request": 0, "answer": 0})[side] = count
        return told

    def forget(self) -> int:
        """Forgets all breaches; gives how many there were."""
        forgotten = sum(self.counts.values())
        self.breaches.clear()
        self.counts.clear()
        return forgotten
