"""Limits: every bucket of an account live, counts of calls, and plans that operators set.

Answers for: their routes, shapes and examples, all in one place because nobody else shares them.
Does not answer for: which plan holds (the meter), or for calling Amazon (the gateway).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from evergrant.entrances.api.asking import LONGEST_PAGE, AccountId, AsCaller, AtDesk, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views.pages import Page, View, page
from evergrant.entrances.api.wishes import Instant, Text, Wish
from evergrant.limits import BucketLevel, NewPlan
from evergrant.ports.things import CallCount, PlanOverride
from evergrant.rules.marketplaces import Region
from evergrant.rules.plans import BIGGEST_BURST, HIGHEST_RATE_PER_S

__all__ = ["router"]

router = APIRouter(tags=["limits"], route_class=StrictRoute)

#: How far back counts are shown when nobody says.
SINCE: Final = timedelta(hours=24)

_PLAN_ID: Final = "^[A-Za-z0-9_.:-]{1,200}$"
PlanId = Annotated[
    str, Path(pattern=_PLAN_ID, description="As the list shows it: `acc_…:orders.v0.getOrders`")
]
After = Annotated[
    str | None,
    Query(
        pattern=_PLAN_ID,
        description="`next` of the page before; leave it away for the first page",
    ),
]
Limit = Annotated[
    int, Query(ge=1, le=LONGEST_PAGE, description="How many items a page has at most")
]

_ACCOUNT: Final = "acc_01k9z4h6q8w2e5r7t9y1a3s5d7"
_ORDERS: Final = "orders.v0.getOrders"


class UsagePlanView(View):
    """Tokens are refilled at a rate, up to the burst; each call takes one."""

    rate_per_s: float
    burst: int


class BucketView(View):
    """One bucket as it is now, over all processes."""

    operation: str
    scope: Literal["pair", "application"] = Field(
        description="Whether the account has it alone, or all accounts of its application share it"
    )
    region: Region | None = Field(description="null: of the application in all regions")
    plan: UsagePlanView = Field(description="The plan that holds now")
    plan_from: Literal["amazon", "reported", "operator", "guess"] = Field(
        description="Published by Amazon; reported by Amazon with its answers; set by an operator; "
        "a careful guess, because Amazon publishes none"
    )
    plan_id: str | None = Field(description="Of the operator's plan")
    left: float = Field(description="Tokens, fractions included")
    full_in_s: float
    waiting: int = Field(description="Callers that stand in line for a permit")
    reported_rate_per_s: float | None = Field(description="What `x-amzn-RateLimit-Limit` last said")
    reported_at: datetime | None
    throttled_at: datetime | None = Field(description="Amazon's last 429")
    used_at: datetime | None = Field(description="null: not used yet")

    @classmethod
    def of(cls, level: BucketLevel) -> BucketView:
        return cls(
            operation=level.operation,
            scope=level.scope.value,
            region=level.region,
            plan=UsagePlanView(rate_per_s=level.plan.rate_per_s, burst=level.plan.burst),
            plan_from=level.source.value,
            plan_id=level.override_id,
            left=level.left,
            full_in_s=level.full_in_s,
            waiting=level.waiting,
            reported_rate_per_s=level.reported_rate_per_s,
            reported_at=level.reported_at,
            throttled_at=level.throttled_at,
            used_at=level.used_at,
        )


class CallCountView(View):
    """Calls to one operation within one hour."""

    operation: str
    hour_at: datetime
    calls: int = Field(description="Sent to Amazon")
    waits: int = Field(description="Those that waited for a permit")
    waited_ms: int = Field(description="All of them together")
    refused: int = Field(description="Answered with 429 by Evergrant, and not sent")
    throttled: int = Field(description="Answered with 429 by Amazon")
    errors: dict[str, int] = Field(description="Calls that went wrong otherwise, by cause")
    last_at: datetime

    @classmethod
    def of(cls, row: CallCount) -> CallCountView:
        return cls(
            operation=row.operation,
            hour_at=row.hour_at,
            calls=row.calls,
            waits=row.waits,
            waited_ms=row.waited_ms,
            refused=row.refused,
            throttled=row.throttled,
            errors=dict(row.errors),
            last_at=row.last_at,
        )


class PlanView(View):
    """A usage plan that an operator set."""

    id: str
    operation: str
    application_id: str | None = Field(description="Of all accounts of this application")
    account_id: str | None = Field(description="Of this account; both null: of all accounts")
    of_application: bool = Field(
        description="The bucket that all accounts of an application share, not the one of each"
    )
    rate_per_s: float
    burst: int
    note: str
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, plan: PlanOverride) -> PlanView:
        return cls(
            id=plan.id,
            operation=plan.operation,
            application_id=plan.application_id,
            account_id=plan.account_id,
            of_application=plan.of_application,
            rate_per_s=plan.rate_per_s,
            burst=plan.burst,
            note=plan.note,
            created_at=plan.created_at,
            changed_at=plan.changed_at,
        )


class PlanWish(Wish):
    """A usage plan in place of Amazon's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operation": _ORDERS,
                    "account_id": _ACCOUNT,
                    "rate_per_s": 0.5,
                    "burst": 30,
                    "note": "Raised by Amazon, case 4711",
                }
            ]
        }
    )

    operation: Text = Field(description="Path up to its version, and Amazon's name, with dots")
    rate_per_s: StrictFloat = Field(
        gt=0, le=HIGHEST_RATE_PER_S, allow_inf_nan=False, description="Calls a second"
    )
    burst: StrictInt = Field(ge=1, le=BIGGEST_BURST, description="Calls at once")
    application_id: Text | None = Field(None, description="For all accounts of this application")
    account_id: Text | None = Field(None, description="For this account; neither: for all")
    of_application: StrictBool = Field(
        False, description="The bucket that all accounts of an application share"
    )
    note: Text = ""

    def wished(self) -> NewPlan:
        values: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        return NewPlan(**values)


@router.get("/accounts/{account_id}/limits", operation_id="lookAtLimits", responses=answers(404))
async def look_at_limits(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> Page[BucketView]:
    """Show every bucket of an account live. Needs the right `read`.

    Its own, and those that all accounts of its application share, in order of operations. A bucket
    that was never used is full, and not shown.
    """
    found = await desk.limits.look(account_id, by=caller)
    return Page(items=[BucketView.of(one) for one in found], next=None)


@router.get("/accounts/{account_id}/calls", operation_id="countCalls", responses=answers(404))
async def count_calls(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    since: Annotated[
        Instant | None,
        Query(description="From the hour of this instant on; 24 hours ago, if left away"),
    ] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[CallCountView]:
    """Count the calls of an account by operation and hour. Needs the right `read`.

    In order of hours. Processes write down what they counted every few seconds. Counts are kept for
    90 days.
    """
    found = await desk.limits.calls(account_id, since or desk.clock.now() - SINCE, by=caller)
    rest = [row for row in found if after is None or _mark(row) > after]
    return page(rest[: limit + 1], limit, CallCountView.of, _mark)


@router.get("/plans", operation_id="listPlans", responses=answers())
async def list_plans(
    desk: AtDesk,
    caller: AsCaller,
    operation: Annotated[str | None, Query(max_length=200, description="Only of this one")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[PlanView]:
    """List the usage plans that operators set. Needs the right `read`.

    Those of accounts in reach; those of applications and for all are shown to keys that reach every
    account.
    """
    found = await desk.limits.list_plans(
        by=caller, operation=operation, after=after, limit=limit + 1
    )
    return page(found, limit, PlanView.of, lambda one: one.id)


@router.post("/plans", operation_id="setPlan", responses=answers(404, 409, body=True))
async def set_plan(desk: AtDesk, caller: AsCaller, wish: PlanWish) -> PlanView:
    """Set a usage plan for an operation. Needs the right `write`.

    For an account; for an application or for all accounts the right `manage` is needed, and a key
    that reaches all of them. The narrowest plan decides, in place of Amazon's and of what Amazon
    reports, in every process within a second. One for the same thing is replaced. Repeating it is
    safe.
    """
    return PlanView.of(await desk.limits.set_plan(wish.wished(), by=caller))


@router.delete(
    "/plans/{plan_id}", operation_id="removePlan", status_code=204, responses=answers(404)
)
async def remove_plan(desk: AtDesk, caller: AsCaller, plan_id: PlanId) -> Response:
    """Remove a usage plan that was set. Needs the right `write`.

    For one of an application or of all, `manage`. The next wider one holds again, or Amazon's.
    """
    await desk.limits.remove_plan(plan_id, by=caller)
    return Response(status_code=204)


def _mark(row: CallCount) -> str:
    """Sorts as the list does: by the hour, then by the operation."""
    return f"{row.hour_at:%Y-%m-%dT%H}:{row.operation}"
