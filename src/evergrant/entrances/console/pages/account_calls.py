"""What one account may still call, and what it called: buckets live, calls and errors by the hour.

Answers for: that page. Does not answer for: setting plans (the shell and the API), or for drawing
(``console.drawing``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.drawing import calls_by_hour, gauge, hours_of
from evergrant.entrances.console.pages.account_sheet import sheet
from evergrant.limits import BucketLevel
from evergrant.ports.things import CallCount
from evergrant.rules.rights import Right

__all__ = ["DOORS", "OperationCalls", "by_operation"]

_OF = "/console/accounts/{account_id}"
_DAYS = (1, 3, 7)
_MOST_OPERATIONS = 60


@dataclass(slots=True)
class OperationCalls:
    operation: str
    calls: int = 0
    waits: int = 0
    waited_ms: int = 0
    refused: int = 0
    throttled: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    last_at: datetime | None = None

    @property
    def failed(self) -> int:
        return self.throttled + self.errors.total()


def by_operation(counts: Iterable[CallCount]) -> list[OperationCalls]:
    """The most called first."""
    found: dict[str, OperationCalls] = {}
    for one in counts:
        row = found.setdefault(one.operation, OperationCalls(one.operation))
        row.calls += one.calls
        row.waits += one.waits
        row.waited_ms += one.waited_ms
        row.refused += one.refused
        row.throttled += one.throttled
        row.errors.update(one.errors)
        row.last_at = max(row.last_at or one.last_at, one.last_at)
    return sorted(found.values(), key=lambda row: (-row.calls - row.refused, row.operation))


async def show(asked: Asked) -> Response:
    desk, by, account_id = asked.desk, asked.caller, asked.path["account_id"]
    days = next((n for n in _DAYS if asked.query.get("days") == str(n)), _DAYS[0])
    since = asked.now - timedelta(days=days)
    counts = await desk.limits.calls(account_id, since, by=by)
    levels = await desk.limits.look(account_id, by=by)
    operations = by_operation(counts)
    here = f"/console/accounts/{account_id}/calls"
    return await sheet(
        asked,
        "accounts/calls.html",
        days=days,
        spans=[
            ("A day" if n == 1 else f"{n} days", f"{here}?days={n}", None, n == days) for n in _DAYS
        ],
        picture=calls_by_hour(hours_of(counts, asked.now, days * 24)),
        operations=operations[:_MOST_OPERATIONS],
        more_operations=max(len(operations) - _MOST_OPERATIONS, 0),
        levels=[
            (one, gauge(one.left, one.plan.burst, waiting=one.waiting, what=one.operation))
            for one in _drawn_on_first(levels)[:_MOST_OPERATIONS]
        ],
        more_levels=max(len(levels) - _MOST_OPERATIONS, 0),
    )


def _drawn_on_first(levels: Sequence[BucketLevel]) -> list[BucketLevel]:
    return sorted(levels, key=lambda one: (one.left / one.plan.burst, one.operation))


DOORS = (Door("GET", f"{_OF}/calls", show, Right.READ),)
