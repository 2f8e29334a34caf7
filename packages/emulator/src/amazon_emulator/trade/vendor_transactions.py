"""What became of what vendors submitted: transactions, their pace and outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.stage import Stage

__all__ = ["VendorTransactions"]


@dataclass
class VendorTransactions:
    """What became of what vendors submitted: transactions, their pace and outcome."""

    rooms: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> Any:
        return self.rooms

    def load(self, stage: Stage, given: Any) -> None:
        self.rooms = dict(given)
