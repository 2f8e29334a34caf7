"""Where a request or an answer breaks the model.

Answers for: naming each fault by its place and rule, never by its value. It decides nothing about
what is done with a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from amazon_emulator.asking import Asking
from amazon_emulator.models.described import Described

__all__ = ["Fault", "Kind", "faults_of_answer", "faults_of_request"]

Kind = Literal[
    "missing", "unknown parameter", "unknown field", "value", "body", "content type", "status"
]


@dataclass(frozen=True)
class Fault:
    """One break of the contract: where ("query.marketplaceIds"), what (words for a person)."""

    where: str
    what: str
    kind: Kind


def faults_of_request(described: Described, asking: Asking) -> list[Fault]:
    """Where a request differs from what the model allows."""
    return []


def faults_of_answer(
    described: Described, status: int, headers: Mapping[str, str], body: Any
) -> list[Fault]:
    """Where an answer differs from what the model promises."""
    return []
