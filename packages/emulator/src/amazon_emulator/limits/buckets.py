"""Token buckets: who has how many calls left of which plan.

Answers for: letting calls through or not, exactly, by the instants that it is given. It reads no
clock, knows no HTTP and no table of plans.

Time here is the sum of all forward steps of the clock that were seen. A clock that goes backwards
refills nothing and takes nothing away; when it goes on, refilling goes on from there. A jump ahead
refills what a wait of that length would have.

A call that is refused spends nothing, from no bucket. That is our assumption: Amazon's pages do not
say whether a refused call counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from amazon_emulator.limits.measures import MICROSECONDS, Measure
from amazon_emulator.limits.plans import Operation, Plan, Plans
from amazon_emulator.limits.special import ALL_CALLS, OPERATIONS, SANDBOX, SpecialScope

if TYPE_CHECKING:
    from amazon_emulator.stage import Stage

__all__ = ["ALLOWED", "Key", "Level", "Limits", "Scope", "Verdict"]

Scope = Literal["pair", "application", "sandbox"] | SpecialScope
# scope, application, partner, region, operation, extra
Key = tuple[Scope, str | None, str | None, str, Operation, str]

NO_TIME = timedelta()
ONE = timedelta(microseconds=1)
SWEEP_AT_LEAST = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait_s``: seconds until the same call would be allowed, were it the only one; ``scope``:
    which bucket says so."""

    allowed: bool
    wait_s: float = 0.0
    scope: Scope = "pair"


ALLOWED = Verdict(True)


@dataclass(frozen=True, slots=True)
class Level:
    """What one bucket holds now: ``left`` whole calls of ``burst``; ``next_at``: when one more is
    there; ``full_at``: when all are."""

    key: Key
    left: int
    burst: int
    rate: Fraction
    next_at: datetime
    full_at: datetime


class _Bucket:
    """The instant, in ticks, at which it will be full, and what the ticks mean."""

    __slots__ = ("full_at", "measure")

    def __init__(self, measure: Measure, full_at: int) -> None:
        self.measure = measure
        self.full_at = full_at

    def weigh(self, measure: Measure, passed: int) -> None:
        """Another plan holds from here on: what is left stays left, up to the new burst (more than
        that is a bucket that has long been full)."""
        before = self.measure
        debt = max(0, self.full_at - passed * before.ticks)
        left = before.burst - Fraction(debt, before.cost)
        self.full_at = passed * measure.ticks + ceil((measure.burst - left) * measure.cost)
        self.measure = measure


@dataclass
class Limits:
    """All buckets of one world, and the habits around them.

    A bucket that is full is not kept: memory is bounded by what was called of late."""

    enforced: bool | None = None  # None: as the emulator was started
    json_feeds_spend_both: bool = True
    vat_invoices_limited: bool = False
    _buckets: dict[Key, _Bucket] = field(default_factory=dict)
    _passed: int = 0  # microseconds that went by, forward steps only
    _seen_at: datetime | None = None
    _sweep_at: int = SWEEP_AT_LEAST

    def are_enforced(self, stage: Stage) -> bool:
        return stage.limits_enforced if self.enforced is None else self.enforced

    def spend(
        self,
        now: datetime,
        *,
        plan: Plan | None,
        operation: Operation,
        application_id: str,
        partner_id: str | None,
        region: str,
        extra: str = "",
    ) -> Verdict:
        """One call of ``operation``: spends from the pair's bucket and, where the plan has a rate
        per application, from the application's; from both or from none. ``partner_id`` None: a
        grantless operation. Without a plan everything is allowed.

        Where JSON feeds do not draw on createFeed's own plan, createFeed is allowed here and spent
        by `spend_for`, which knows the type."""
        if plan is None or (not self.json_feeds_spend_both and operation == OPERATIONS["feed"]):
            return ALLOWED
        pair: Key = ("pair", application_id, partner_id, region, operation, extra)
        whole = plan.application_measure
        if whole is None:
            return self.spend_all(now, ((pair, plan.measure),))
        application: Key = ("application", application_id, None, region, operation, "")
        return self.spend_all(now, ((pair, plan.measure), (application, whole)))

    def spend_sandbox(
        self, now: datetime, *, application_id: str, partner_id: str | None, region: str
    ) -> Verdict:
        """One call of Amazon's sandbox, whose one plan counts all operations together. That it is
        counted per pair is assumed."""
        key: Key = ("sandbox", application_id, partner_id, region, ALL_CALLS, "")
        return self.spend_all(now, ((key, SANDBOX.measure),))

    def spend_all(self, now: datetime, wanted: Sequence[tuple[Key, Measure]]) -> Verdict:
        """One call from each of these buckets, or from none: then the longest wait counts."""
        passed = self.look(now)
        if len(self._buckets) >= self._sweep_at:
            self._sweep(passed)
        found: list[tuple[_Bucket, int, int]] = []
        refusal: Verdict | None = None
        for key, measure in wanted:
            bucket = self._buckets.get(key) or self._new(key, measure)
            if bucket.measure is not measure and bucket.measure != measure:
                bucket.weigh(measure, passed)
            present = passed * measure.ticks
            debt = bucket.full_at - present
            if debt > measure.room:
                wait_s = -((measure.room - debt) // measure.ticks) / MICROSECONDS
                if refusal is None or wait_s > refusal.wait_s:
                    refusal = Verdict(False, wait_s, key[0])
            found.append((bucket, measure.cost, present))
        if refusal is not None:
            return refusal
        for bucket, cost, present in found:
            bucket.full_at = max(bucket.full_at, present) + cost
        return ALLOWED

    def give_back(self, now: datetime, key: Key) -> None:
        """Undoes one call that was spent just now, as another bucket refused it."""
        self.look(now)
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.full_at -= bucket.measure.cost

    def replan(self, now: datetime, operations: Collection[Operation], plans: Plans) -> None:
        """These operations have other plans from now on; time until now counts by the old ones."""
        passed = self.look(now)
        for key, bucket in list(self._buckets.items()):
            scope, application_id, partner_id, _, operation, _ = key
            if scope == "pair" and operation in operations:
                plan = plans.of(*operation, application_id=application_id, partner_id=partner_id)
                if plan is None:
                    del self._buckets[key]
                else:
                    bucket.weigh(plan.measure, passed)

    def drain(self, now: datetime, key: Key, measure: Measure) -> None:
        """Leaves no call in this bucket."""
        passed = self.look(now)
        bucket = self._buckets.get(key) or self._new(key, measure)
        bucket.measure = measure
        bucket.full_at = passed * measure.ticks + measure.burst * measure.cost

    def fill(self, chosen: Callable[[Key], bool]) -> int:
        """Makes the chosen buckets full again. Gives how many were not."""
        gone = [key for key in self._buckets if chosen(key)]
        for key in gone:
            del self._buckets[key]
        return len(gone)

    def levels(self, now: datetime) -> Iterator[Level]:
        """Every bucket that is not full, in a stable order."""
        passed = self.look(now)
        self._sweep(passed)
        for key in sorted(self._buckets, key=_order):
            bucket = self._buckets[key]
            measure = bucket.measure
            debt = bucket.full_at - passed * measure.ticks
            spent = -(-debt // measure.cost)
            to_next = debt - (spent - 1) * measure.cost
            yield Level(
                key,
                measure.burst - spent,
                measure.burst,
                Fraction(measure.ticks * MICROSECONDS, measure.cost),
                now + timedelta(microseconds=-(-to_next // measure.ticks)),
                now + timedelta(microseconds=-(-debt // measure.ticks)),
            )

    def look(self, now: datetime) -> int:
        """The microseconds that went by until now, in this world's sense."""
        if self._seen_at is not None:
            moved = now - self._seen_at
            if moved > NO_TIME:
                self._passed += moved // ONE
        self._seen_at = now
        return self._passed

    def as_json(self) -> Any:
        """The habits; what is left in buckets is no matter for a file."""
        return {
            "json_feeds_spend_both": self.json_feeds_spend_both,
            "vat_invoices_limited": self.vat_invoices_limited,
        }

    def load(self, stage: Stage, given: Any) -> None:
        """Takes what `as_json` gave. Raises ValueError with words that name the place."""
        habits = set(self.as_json())
        match given:
            case dict() if set(given) <= habits:
                for name, value in given.items():
                    if value is not True and value is not False:
                        raise ValueError(f"limits.{name}: must be true or false")
                    setattr(self, name, value)
            case _:
                raise ValueError(f"limits: must be an object of {', '.join(sorted(habits))}")

    def _new(self, key: Key, measure: Measure) -> _Bucket:
        bucket = self._buckets[key] = _Bucket(measure, 0)
        return bucket

    def _sweep(self, passed: int) -> None:
        """Drops what is full. The next time is when twice as many are there as were left: on the
        average that costs nothing for a call."""
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if bucket.full_at > passed * bucket.measure.ticks
        }
        self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._buckets))


def _order(key: Key) -> list[str]:
    scope, application_id, partner_id, region, operation, extra = key
    return [application_id or "", partner_id or "", region, *reversed(operation), extra, scope]
