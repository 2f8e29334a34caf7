"""What vendors invoice, retail and direct fulfillment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.stage import Stage

__all__ = ["VendorInvoices"]


@dataclass
class VendorInvoices:
    """What vendors invoice, retail and direct fulfillment."""

    rooms: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> Any:
        return self.rooms

    def load(self, stage: Stage, given: Any) -> None:
        self.rooms = dict(given)
