"""What the meter is told and what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evergrant.rules.budgets import Plan
from evergrant.rules.marketplaces import Region
from evergrant.rules.plans import Scope, Source

__all__ = ["BucketLevel", "NewPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlan:
    """A plan that an operator wants: for one account, for one application, or (neither) for all.
    ``rate_per_s``: calls a second; ``burst``: calls at once."""

    operation: str
    rate_per_s: float
    burst: int
    application_id: str | None = None  # ours
    account_id: str | None = None
    #: The bucket that all accounts of an application share, not the one that each has.
    of_application: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketLevel:
    """One bucket as it is now, by the plan that holds now. Of ``left`` tokens fractions are
    included; ``waiting`` callers stand in line, over all processes."""

    bucket: str
    operation: str
    scope: Scope
    region: Region | None  # None: of the application in all regions
    plan: Plan
    source: Source
    override_id: str | None  # of the operator's plan, where that holds
    left: float
    full_in_s: float
    waiting: int
    reported_rate_per_s: float | None
    reported_at: datetime | None
    throttled_at: datetime | None  # Amazon's last 429
    used_at: datetime | None  # None: never yet
