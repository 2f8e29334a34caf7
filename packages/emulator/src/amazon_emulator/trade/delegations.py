"""Which applications declared at registration that they delegate restricted data to which others.

Answers for: the declarations. What a delegated token opens is decided by the Tokens API.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.stage import Stage
from amazon_emulator.trade import given

__all__ = ["Delegations"]


@dataclass
class Delegations:
    """Pairs of application ids."""

    declared: set[tuple[str, str]] = field(default_factory=set)  # delegator, delegatee

    def as_json(self) -> Any:
        return [{"from": one, "to": other} for one, other in sorted(self.declared)]

    def load(self, stage: Stage, content: Any) -> None:
        """Raises ValueError that names the place."""
        for number, row in enumerate(given.rows(content, "delegations")):
            one = given.fields(row, f"delegations[{number}]", **{"from": str, "to": str})
            self.declared.add((one["from"], one["to"]))
