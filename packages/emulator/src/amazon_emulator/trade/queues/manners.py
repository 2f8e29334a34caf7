"""How the emulator behaves where AWS or Amazon's token and rotation services may do either.

Answers for: the settings. What they change is done by those who ask for them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from amazon_emulator.stage import Stage
from amazon_emulator.trade import given

__all__ = ["Manners", "SecondRotation"]

SecondRotation = Literal["refuse", "allow"]


@dataclass
class Manners:
    """``aws_clock_checked``: signatures older than 15 minutes by the emulator's clock are refused.
    ``restricted_answer_wrapped``: createRestrictedDataToken answers within `payload`, as it once
    did. ``second_rotation``: inside the seven days in which two secrets work."""

    aws_clock_checked: bool = False
    restricted_answer_wrapped: bool = False
    second_rotation: SecondRotation = "refuse"

    def as_json(self) -> Any:
        return asdict(self)

    def load(self, stage: Stage, content: Any) -> None:
        """Raises ValueError that names the place."""
        one = given.fields(
            content,
            "manners",
            aws_clock_checked=bool,
            restricted_answer_wrapped=bool,
            second_rotation=str,
        )
        if one["second_rotation"] not in ("refuse", "allow"):
            raise ValueError("manners: 'second_rotation' must be refuse or allow")
        vars(self).update(one)
