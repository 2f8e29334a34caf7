"""The static sandbox: which of a model's canned answers a request gets.

Answers for: matching a request with the cases of one operation. It knows no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from amazon_emulator.asking import Asking
from amazon_emulator.models.described import Described

__all__ = ["CASE_HEADER", "Canned", "How", "answer"]

CASE_HEADER = "x-amazon-emulator-case"

How = Literal["case", "example", "none"]


@dataclass(frozen=True)
class Canned:
    """An answer from a model. ``body`` is a JSON value; None with ``has_body`` False is no body."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    how: How = "case"
    has_body: bool = True


def answer(described: Described, asking: Asking, *, wanted: str | None = None) -> Canned:
    """What Amazon's static sandbox says to a request."""
    error = {"code": "InvalidInput", "message": "Could not match input arguments", "details": ""}
    return Canned(400, {"errors": [error]}, how="none")
