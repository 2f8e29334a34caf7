"""What Amazon's limits leave for the runs of a plan.

Answers for: which operations a path calls, how many calls a plan needs, what is left for them and
how long they take. Does not answer for: taking permits (the gate does, call by call).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evergrant.limits import BucketLevel
from evergrant.rules import operations
from evergrant.rules.budgets import Importance
from evergrant.rules.feedruns import PATHS, Manner, Path
from evergrant.rules.plans import Scope

__all__ = ["OPERATIONS", "Allowance", "allowances", "importance_of"]

_FEEDS = "feeds.2021-06-30"
_DIRECT = "vendor.directFulfillment"

#: What is called once for each message of a run, or once for each submission.
OPERATIONS: Mapping[Path, str] = MappingProxyType(
    {
        Path.PATCH: "listings.2021-08-01.patchListingsItem",
        Path.CONFIRM_SHIPMENT: "orders.v0.confirmShipment",
        Path.RETAIL_SHIPMENT: "vendor.shipping.v1.SubmitShipmentConfirmations",
        Path.RETAIL_INVOICE: "vendor.payments.v1.submitInvoices",
        Path.RETAIL_ACKNOWLEDGEMENT: "vendor.orders.v1.submitAcknowledgement",
        Path.DIRECT_STOCK: f"{_DIRECT}.inventory.v1.submitInventoryUpdate",
        Path.DIRECT_SHIPMENT: f"{_DIRECT}.shipping.2021-12-28.submitShipmentConfirmations",
        Path.DIRECT_INVOICE: f"{_DIRECT}.payments.v1.submitInvoice",
        Path.DIRECT_ACKNOWLEDGEMENT: f"{_DIRECT}.orders.2021-12-28.submitAcknowledgement",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One bucket that a plan draws on. ``calls``: that the plan makes; ``left``: tokens now, of
    which ``kept`` are for what is more important; ``takes_s``: until the last call may be made, if
    nobody else draws on it."""

    operation: str
    calls: int
    left: float
    kept: int
    rate_per_s: float
    burst: int
    takes_s: float

    @property
    def at_once(self) -> int:
        return min(max(math.floor(self.left) - self.kept, 0), self.calls)


def importance_of(path: Path) -> Importance:
    """Late cancellations and refunds cost money."""
    hurried = (
        Path.ACKNOWLEDGEMENT_FEED,
        Path.ADJUSTMENT_FEED,
        Path.RETAIL_ACKNOWLEDGEMENT,
        Path.DIRECT_ACKNOWLEDGEMENT,
    )
    return Importance.FIRST if path in hurried else Importance.SECOND


def allowances(runs: Iterable[tuple[Path, int]], levels: Sequence[BucketLevel]) -> list[Allowance]:
    """``runs``: path and number of messages; ``levels``: the account's buckets, as far as they were
    ever used. In the order of operations."""
    needed: Counter[str] = Counter()
    first: dict[str, Importance] = {}
    for path, messages in runs:
        for name, calls in _calls(path, messages):
            needed[name] += calls
            first[name] = min(first.get(name, Importance.LEAST), importance_of(path))
    of_pair = {level.operation: level for level in levels if level.scope is Scope.PAIR}
    return [
        _allowance(name, calls, first[name], of_pair.get(name))
        for name, calls in sorted(needed.items())
    ]


def _calls(path: Path, messages: int) -> Iterator[tuple[str, int]]:
    facts = PATHS[path]
    if facts.manner is not Manner.FEED:
        yield OPERATIONS[path], messages if facts.manner is Manner.CALLS else 1
        return
    yield f"{_FEEDS}.createFeedDocument", 1
    yield f"{_FEEDS}.createFeed", 1
    special = f"{_FEEDS}.createFeed:{facts.feed_type}"
    if operations.get(special) is not None:
        yield special, 1


def _allowance(
    name: str, calls: int, importance: Importance, level: BucketLevel | None
) -> Allowance:
    operation = operations.get(name)
    if operation is None:
        raise LookupError(name)
    plan = operation.plan if level is None else level.plan
    left = float(plan.burst) if level is None else level.left
    kept = operations.reserve(operation, plan, importance)
    lacking = calls - max(left - kept, 0.0)
    return Allowance(
        operation=name,
        calls=calls,
        left=left,
        kept=kept,
        rate_per_s=plan.rate_per_s,
        burst=plan.burst,
        takes_s=max(lacking, 0.0) / plan.rate_per_s,
    )
