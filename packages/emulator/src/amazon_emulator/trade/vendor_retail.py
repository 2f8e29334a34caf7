"""What vendors of Amazon retail are asked for: purchase orders and their acknowledgements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.stage import Stage

__all__ = ["VendorRetail"]


@dataclass
class VendorRetail:
    """What vendors of Amazon retail are asked for: purchase orders and their acknowledgements."""

    rooms: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> Any:
        return self.rooms

    def load(self, stage: Stage, given: Any) -> None:
        self.rooms = dict(given)
