"""What the function ``budgets_answer`` is asked, and how its answers read.

Answers for: the JSON of one ask, and rows of buckets as values. Does not answer for: when and in
whose company an ask goes to the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from evergrant.ports.budgets import Queued, Share, Taken, Wish
from evergrant.rules.budgets import Importance, Plan, SharedBucket, Ticket

__all__ = [
    "Ask",
    "Said",
    "draining",
    "giving_back",
    "learning",
    "leaving_line",
    "read_answer",
    "read_bucket",
    "taking",
]

#: permits, left, seconds, ahead, turn_in_s, receipts
Said = tuple[int, int, float, int, float, Sequence[float]]


@dataclass(eq=False, slots=True)
class Ask:
    """One question on its way. ``answer`` is None when nobody waits for it."""

    verb: str
    told: Mapping[str, Any]
    shares: Sequence[Share] = ()  # whose buckets are made when there are none
    answer: asyncio.Future[Said] | None = None

    @property
    def buckets(self) -> Sequence[str]:
        names: Sequence[str] = self.told["buckets"]
        return names

    def repeated(self) -> Ask:
        """The same once more, when it may have been done already: permits are not given back
        twice. Those that were taken twice are lost."""
        return replace(self, told={**self.told, "most": 0}) if self.verb == "give back" else self

    @property
    def nobody_waits(self) -> bool:
        return self.answer is not None and self.answer.cancelled()


def taking(wish: Wish) -> Ask:
    told = {
        "verb": "take",
        "ticket": wish.ticket,
        "importance": int(wish.importance),
        "most": wish.most,
        **_plans(wish.shares),
        "reserves": [share.reserve for share in wish.shares],
    }
    return Ask("take", told, wish.shares)


def giving_back(buckets: Sequence[str], permits: int, receipts: Sequence[float]) -> Ask:
    told = {"verb": "give back", "most": permits, "receipts": receipts, "buckets": buckets}
    return Ask("give back", told)


def leaving_line(wish: Wish) -> Ask:
    buckets = [share.bucket for share in wish.shares]
    return Ask("leave line", {"verb": "leave line", "ticket": wish.ticket, "buckets": buckets})


def learning(bucket: str, reported_rate_per_s: float) -> Ask:
    told = {"verb": "learn", "rates": [reported_rate_per_s], "buckets": [bucket]}
    return Ask("learn", told)


def draining(shares: Sequence[Share]) -> Ask:
    return Ask("drain", {"verb": "drain", **_plans(shares)}, shares)


def _plans(shares: Sequence[Share]) -> dict[str, Any]:
    return {
        "buckets": [share.bucket for share in shares],
        "rates": [share.plan.rate_per_s for share in shares],
        "bursts": [share.plan.burst for share in shares],
        "fixed": [share.fixed for share in shares],
    }


def read_answer(said: Said) -> Taken | Queued:
    permits, left, seconds, ahead, turn_in_s, receipts = said
    if permits:
        return Taken(permits=permits, left=left, receipts=tuple(receipts))
    return Queued(seconds=seconds, ahead=ahead, turn_in_s=turn_in_s)


def read_bucket(row: Mapping[str, Any]) -> SharedBucket:
    """Instants become seconds of the epoch."""
    return SharedBucket(
        plan=Plan(row["rate_per_s"], row["burst"]),
        fixed=row["fixed"],
        theoretical_arrival_s=row["theoretical_arrival_s"],
        forgiven_s=row["forgiven_s"],
        line=tuple(
            Ticket(
                name=name,
                importance=Importance(importance),
                arrived_at_s=arrived_at_s,
                dies_at_s=dies_at_s,
            )
            for name, importance, arrived_at_s, dies_at_s in zip(
                row["line_tickets"],
                row["line_importances"],
                row["line_arrived_s"],
                row["line_dies_s"],
                strict=True,
            )
        ),
        reported_rate_per_s=row["reported_rate_per_s"],
        reported_at_s=_seconds(row["reported_at"]),
        throttled_at_s=_seconds(row["throttled_at"]),
        used_at_s=_seconds(row["used_at"]),
    )


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
