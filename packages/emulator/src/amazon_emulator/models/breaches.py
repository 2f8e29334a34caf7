"""The contract of one world: its mode, and the breaches of late.

Answers for: counting and remembering breaches, without any value that was sent. It finds none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from amazon_emulator.clock import stamp
from amazon_emulator.models.contract import Fault

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
        return {**asdict(self), "at": stamp(self.at)}


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
            contract.mode = getattr(stage, "contract_mode", None) or "off"
        return contract

    def note(self, breach: Breach) -> None:
        """Remembers and counts a breach."""
        self.breaches.append(breach)
        key = (breach.operation, breach.side)
        self.counts[key] = self.counts.get(key, 0) + 1

    def forget(self) -> int:
        """Forgets all breaches; gives how many there were."""
        forgotten = sum(self.counts.values())
        self.breaches.clear()
        self.counts.clear()
        return forgotten
