"""What feeds and reports have in common: statuses, how long they are kept, decided ends, numbers.

Answers for: the statuses of Amazon's feeds and reports models of 2021-06-30, which are the same;
whom a test's decision meets, and how often. It moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeVar

__all__ = [
    "CHOSEN",
    "ENDS",
    "KEPT",
    "STATUSES",
    "ChosenStatus",
    "Decision",
    "Status",
    "highest",
    "instants_fit",
    "is_meant",
    "take",
]

KEPT = timedelta(days=90)

Status = Literal["IN_QUEUE", "IN_PROGRESS", "DONE", "CANCELLED", "FATAL"]
STATUSES: tuple[Status, ...] = ("CANCELLED", "DONE", "FATAL", "IN_PROGRESS", "IN_QUEUE")
ENDS: tuple[Status, ...] = ("CANCELLED", "DONE", "FATAL")

ChosenStatus = Literal["DONE", "FATAL", "CANCELLED"]
CHOSEN: tuple[ChosenStatus, ...] = ("DONE", "FATAL", "CANCELLED")


class Decision(Protocol):
    """A test's decision about what comes. ``times`` None: until forgotten."""

    times: int | None

    def meets(self, type: str, partner_id: str) -> bool: ...


T = TypeVar("T", bound=Decision)


def is_meant(wished: str | None, told: str) -> bool:
    """None means everything."""
    return wished is None or wished == told


def take(decisions: list[T], type: str, partner_id: str) -> T | None:
    """The first decision that meets this; counted, and gone after its last time."""
    for decision in decisions:
        if decision.meets(type, partner_id):
            if decision.times is not None:
                decision.times -= 1
                if decision.times < 1:
                    decisions.remove(decision)
            return decision
    return None


def instants_fit(status: Status, started_at: datetime | None, ended_at: datetime | None) -> bool:
    """Whether it began if it is in progress, and ended if it is at an end."""
    if status == "IN_PROGRESS" and started_at is None:
        return False
    return (ended_at is not None) is (status in ENDS)


def highest(number: int, ids: Iterable[str], base: int) -> int:
    """The number from which counting goes on, so that no id that is there is given again."""
    return max([number, *(int(one) - base for one in ids)])
