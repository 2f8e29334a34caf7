"""What vendors send: shipment confirmations, transport requests, their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.stage import Stage

__all__ = ["VendorShipments"]


@dataclass
class VendorShipments:
    """What vendors send: shipment confirmations, transport requests, their labels."""

    rooms: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> Any:
        return self.rooms

    def load(self, stage: Stage, given: Any) -> None:
        self.rooms = dict(given)
