"""Which usage plan holds for a call, and on which buckets the call draws.

Answers for: names of buckets, the narrowest of an operator's plans, Amazon's own where no operator
set one, and what a number must be to be a plan. Does not answer for: keeping plans, for what is
left of them, or for which operation a request is (``rules.operations``).

Source of the scopes: Amazon's page "usage-plans-and-rate-limits": a plan holds for a pair of
selling partner and application; grantless operations have one of the application alone, and some
operations have a second one of the application over all selling partners.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from evergrant.rules.budgets import Plan
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation

__all__ = [
    "BIGGEST_BURST",
    "HIGHEST_RATE_PER_S",
    "LOWEST_RATE_PER_S",
    "BucketName",
    "Drawn",
    "Override",
    "Scope",
    "Source",
    "bucket_name",
    "buckets_of",
    "check_burst",
    "check_rate",
    "narrowest",
    "read_bucket",
]

#: Nobody's limit is beyond these: more calls a second, or fewer than one a day, is a slip.
HIGHEST_RATE_PER_S = 10_000.0
LOWEST_RATE_PER_S = 1 / (24 * 3600)
BIGGEST_BURST = 100_000

#: Stands in a bucket's name where a plan is shared by all.
ALL = "*"


class Scope(StrEnum):
    """For whom one bucket stands."""

    PAIR = "pair"  # one account with one application
    APPLICATION = "application"  # an application over all its accounts


class Source(StrEnum):
    """Where the plan in force comes from."""

    AMAZON = "amazon"  # published by Amazon
    REPORTED = "reported"  # Amazon's answers carried another rate
    OPERATOR = "operator"  # an operator set it; what is reported changes nothing
    GUESS = "guess"  # Amazon publishes none; a careful one of ours


class Override(Protocol):
    """A plan that an operator set: for one account, one application, or (both None) for all."""

    @property
    def operation(self) -> str: ...
    @property
    def application_id(self) -> str | None: ...
    @property
    def account_id(self) -> str | None: ...
    @property
    def rate_per_s(self) -> float: ...
    @property
    def burst(self) -> int: ...
    @property
    def of_application(self) -> bool: ...


Wished = TypeVar("Wished", bound=Override)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketName:
    """A bucket's name, taken apart. ``account_id`` and ``region`` are None where it stands for all
    accounts of the application."""

    application_id: str
    account_id: str | None
    region: Region | None
    operation: str

    @property
    def scope(self) -> Scope:
        return Scope.APPLICATION if self.account_id is None else Scope.PAIR


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A bucket that a call draws on, with the plan that was set or published for it."""

    bucket: str
    scope: Scope
    plan: Plan
    source: Source  # never REPORTED: what Amazon reports is kept with the bucket

    @property
    def fixed(self) -> bool:
        return self.source is Source.OPERATOR


def bucket_name(
    application_id: str, operation: str, *, account_id: str | None = None, region: str = ALL
) -> str:
    """``application/account/region/operation``; without account ``application/*/*/operation``."""
    if account_id is None:
        return f"{application_id}/{ALL}/{ALL}/{operation}"
    return f"{application_id}/{account_id}/{region}/{operation}"


def read_bucket(name: str) -> BucketName | None:
    """None for what is no name of a bucket."""
    parts = name.split("/", 3)
    if len(parts) != 4 or not all(parts):
        return None
    application_id, account_id, region, operation = parts
    if account_id == region == ALL:
        return BucketName(
            application_id=application_id, account_id=None, region=None, operation=operation
        )
    if account_id == ALL or region not in set(Region):
        return None
    return BucketName(
        application_id=application_id,
        account_id=account_id,
        region=Region(region),
        operation=operation,
    )


def narrowest(
    overrides: Iterable[Wished],
    *,
    operation: str,
    application_id: str,
    account_id: str | None,
    of_application: bool,
) -> Wished | None:
    """The one that decides for this account: its own, else that of its application, else that for
    all. Plans of pairs and plans of applications never stand in for one another. ``account_id``
    None: nobody's own is looked at."""
    fitting = (
        one
        for one in overrides
        if one.operation == operation
        and one.of_application is of_application
        and one.application_id in (None, application_id)
        and (one.account_id is None or one.account_id == account_id)
    )
    return min(fitting, key=_width, default=None)


def _width(one: Override) -> int:
    if one.account_id is not None:
        return 0
    return 1 if one.application_id is not None else 2


def buckets_of(
    operation: Operation,
    overrides: Iterable[Override],
    *,
    application_id: str,
    account_id: str,
    region: Region,
) -> tuple[Drawn, ...]:
    """The buckets that a call draws on, that of the pair first. A grantless operation speaks for
    no account: it has the application's alone. So has nobody else, unless Amazon publishes a plan
    of the application for the operation, or an operator set one. Where Amazon limits the kind of
    the call by itself, that bucket is the second one."""
    overrides = tuple(overrides)

    def set_by_operator(*, of_application: bool, name: str = operation.name) -> Plan | None:
        found = narrowest(
            overrides,
            operation=name,
            application_id=application_id,
            account_id=account_id,
            of_application=of_application,
        )
        return None if found is None else Plan(found.rate_per_s, found.burst)

    whole = set_by_operator(of_application=True)
    of_all = bucket_name(application_id, operation.name)
    if operation.scope is not None:
        published = operation.application_plan or operation.plan
        return (_drawn(of_all, Scope.APPLICATION, whole, published, operation),)
    own = bucket_name(application_id, operation.name, account_id=account_id, region=region)
    pair = _drawn(own, Scope.PAIR, set_by_operator(of_application=False), operation.plan, operation)
    drawn = [pair]
    special = operation.special
    if special is not None:
        of_kind = bucket_name(application_id, special.name, account_id=account_id, region=region)
        wished = set_by_operator(of_application=False, name=special.name)
        drawn.append(_drawn(of_kind, Scope.PAIR, wished, special.plan, special))
    published_whole = operation.application_plan
    if whole is not None or published_whole is not None:
        drawn.append(_drawn(of_all, Scope.APPLICATION, whole, published_whole, operation))
    return tuple(drawn)


def _drawn(
    bucket: str, scope: Scope, wished: Plan | None, published: Plan | None, operation: Operation
) -> Drawn:
    if wished is not None:
        return Drawn(bucket=bucket, scope=scope, plan=wished, source=Source.OPERATOR)
    assert published is not None, f"nobody has a plan for {bucket}"
    # Rates of applications are all published; where there is none, there is no such bucket.
    theirs = operation.published or published is operation.application_plan
    source = Source.AMAZON if theirs else Source.GUESS
    return Drawn(bucket=bucket, scope=scope, plan=published, source=source)


def check_rate(rate_per_s: float) -> float:
    """Calls a second, as a number that can be one. Raises Fault."""
    if (
        isinstance(rate_per_s, bool)
        or not isinstance(rate_per_s, int | float)
        or not LOWEST_RATE_PER_S <= rate_per_s <= HIGHEST_RATE_PER_S
    ):
        raise Fault(
            "bad_rate",
            "This is not a rate.",
            field="rate_per_s",
            hint=f"Calls a second, more than 0 and up to {HIGHEST_RATE_PER_S:g}; one a minute is "
            "0.0167.",
        )
    return float(rate_per_s)


def check_burst(burst: int) -> int:
    """Calls at once, as a number that can be one. Raises Fault."""
    if isinstance(burst, bool) or not isinstance(burst, int) or not 1 <= burst <= BIGGEST_BURST:
        raise Fault(
            "bad_burst",
            "This is not a burst.",
            field="burst",
            hint=f"Calls at once, a whole number from 1 to {BIGGEST_BURST}.",
        )
    return burst
