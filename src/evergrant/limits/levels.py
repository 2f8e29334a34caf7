"""Every bucket of an account, live.

Answers for: what is left by the plan that holds now, and where that plan comes from. Does not
answer for: keeping buckets (``ports.budgets``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from evergrant.limits.values import BucketLevel
from evergrant.ports.budgets import Level
from evergrant.ports.things import Account, PlanOverride
from evergrant.rules import operations
from evergrant.rules.budgets import Plan
from evergrant.rules.marketplaces import Region
from evergrant.rules.plans import Drawn, Scope, Source, buckets_of, narrowest, read_bucket

__all__ = ["prefixes_of", "seen"]


def prefixes_of(account: Account) -> tuple[str, str]:
    """How the names of its buckets begin: its own, and those that all of its application share."""
    return f"{account.application_id}/{account.id}/", f"{account.application_id}/*/"


def seen(
    account: Account,
    levels: Iterable[Level],
    overrides: Sequence[PlanOverride],
    *,
    grantless: bool,
) -> list[BucketLevel]:
    """In order of operations, the pair's bucket before the application's. A bucket that an operator
    has set a plan for is shown before its first use too. ``grantless``: with the buckets of
    operations that are called in the name of no account."""
    by_name = {level.bucket: level for level in levels}
    names = {place.operation for bucket in by_name if (place := read_bucket(bucket)) is not None}
    names |= {one.operation for one in overrides if one.account_id in (None, account.id)}
    found = []
    for name in sorted(names):
        operation = operations.get(name)
        if operation is None or (operation.scope is not None and not grantless):
            continue
        for drawn in buckets_of(
            operation,
            overrides,
            application_id=account.application_id,
            account_id=account.id,
            region=account.region,
        ):
            level = by_name.get(drawn.bucket)
            if level is None and not drawn.fixed:
                continue
            override = _override(overrides, drawn, name, account)
            region = account.region if drawn.scope is Scope.PAIR else None
            found.append(_level(name, drawn, level, region, override))
    return found


def _override(
    overrides: Iterable[PlanOverride], drawn: Drawn, operation: str, account: Account
) -> PlanOverride | None:
    if not drawn.fixed:
        return None
    return narrowest(
        overrides,
        operation=operation,
        application_id=account.application_id,
        account_id=account.id,
        of_application=drawn.scope is Scope.APPLICATION,
    )


def _level(
    operation: str,
    drawn: Drawn,
    level: Level | None,
    region: Region | None,
    override: PlanOverride | None,
) -> BucketLevel:
    plan, source = _in_force(drawn, None if level is None else level.reported_rate_per_s)
    left, full_in_s = float(plan.burst), 0.0
    if level is not None and level.plan == plan:
        left, full_in_s = level.left, level.full_in_s
    elif level is not None:  # the plan is about to change; the tokens that are missing stay so
        missing = max(level.plan.burst - level.left, 0.0)
        left, full_in_s = max(plan.burst - missing, 0.0), missing / plan.rate_per_s
    return BucketLevel(
        bucket=drawn.bucket,
        operation=operation,
        scope=drawn.scope,
        region=region,
        plan=plan,
        source=source,
        override_id=None if override is None else override.id,
        left=left,
        full_in_s=full_in_s,
        waiting=0 if level is None else level.waiting,
        reported_rate_per_s=None if level is None else level.reported_rate_per_s,
        reported_at=None if level is None else level.reported_at,
        throttled_at=None if level is None else level.throttled_at,
        used_at=None if level is None else level.used_at,
    )


def _in_force(drawn: Drawn, reported_rate_per_s: float | None) -> tuple[Plan, Source]:
    if drawn.fixed or reported_rate_per_s is None:
        return drawn.plan, drawn.source
    if reported_rate_per_s == drawn.plan.rate_per_s and drawn.source is Source.AMAZON:
        return drawn.plan, Source.AMAZON
    return replace(drawn.plan, rate_per_s=reported_rate_per_s), Source.REPORTED
