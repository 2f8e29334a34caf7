"""Feeds: what became of changes, runs, why something waits, and what people do about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from evergrant.entrances.api.asking import AccountId, AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import Page, page
from evergrant.entrances.api.views.feeds import (
    AccountFeedsView,
    ChangeView,
    FeedPlanView,
    RunReadView,
    RunView,
    WorkView,
)
from evergrant.entrances.api.wishes import Instant, Wish
from evergrant.rules.changes import ChangeKind, ChangeState

__all__ = ["router"]

router = APIRouter(tags=["feeds"], route_class=StrictRoute)

ChangeId = Annotated[str, Path(pattern="^chg_[0-9a-z]{26}$", description="`chg_…`")]
RunId = Annotated[str, Path(pattern="^run_[0-9a-z]{26}$", description="`run_…`")]


class PauseWish(Wish):
    """Why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "stock-taking"}]})

    note: str = Field("", max_length=500)


class DecisionWish(Wish):
    """What nobody but a person can tell."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"happened": True, "note": "seen in Seller Central"}]}
    )

    happened: bool = Field(
        description="True: Amazon carried the changes out; false: it did not, they are sent again"
    )
    note: str = Field("", max_length=500)


@router.get("/feeds", operation_id="listFeeds", responses=answers())
async def list_feeds(desk: AtDesk, caller: AsCaller, wished: Paging) -> Page[AccountFeedsView]:
    """List how accounts stand in the kitchen. Needs the right `read`.

    What is pending and in flight, what was settled in the last day, and why something waits.
    Accounts that never had a change are left out.
    """
    found = await desk.feeds.ledger.status(by=caller, after=wished.after, limit=wished.asked)
    return page(found, wished.limit, AccountFeedsView.of, lambda one: one.account.id)


@router.get("/accounts/{account_id}/feeds", operation_id="getFeeds", responses=answers(404))
async def get_feeds(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> AccountFeedsView:
    """Show how one account stands. Needs the right `read`."""
    (found,) = await desk.feeds.ledger.status(by=caller, account_id=account_id)
    return AccountFeedsView.of(found)


@router.get("/accounts/{account_id}/feeds/plan", operation_id="planFeeds", responses=answers(404))
async def plan(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> FeedPlanView:
    """Show what an account's next turn would do. Needs the right `read`.

    And why, and on which of Amazon's limits it draws. Nothing is done.
    """
    return FeedPlanView.of(await desk.feeds.plans.explain(account_id, by=caller))


@router.get("/accounts/{account_id}/changes", operation_id="listChanges", responses=answers(404))
async def list_changes(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    wished: Paging,
    state: Annotated[list[ChangeState] | None, Query(description="Only in these states")] = None,
    kind: Annotated[ChangeKind | None, Query(description="Only of this kind")] = None,
    subject: Annotated[
        str | None, Query(max_length=200, description="Only about this SKU or order id")
    ] = None,
    reference: Annotated[str | None, Query(max_length=200, description="Only yours")] = None,
    run_id: Annotated[str | None, Query(pattern="^run_[0-9a-z]{26}$")] = None,
    intake_id: Annotated[str | None, Query(pattern="^itk_[0-9a-z]{26}$")] = None,
) -> Page[ChangeView]:
    """List changes in the order in which they came in. Needs the right `read`.

    Settled stock and price changes are kept for 30 days, if the house did not set another time;
    all others for two years.
    """
    found = await desk.feeds.ledger.changes(
        account_id,
        by=caller,
        states=state,
        kind=kind,
        subject=subject,
        reference=reference,
        run_id=run_id,
        intake_id=intake_id,
        after=wished.after,
        limit=wished.asked,
    )
    return page(found, wished.limit, ChangeView.of, lambda one: one.id)


@router.get("/changes/{change_id}", operation_id="getChange", responses=answers(404))
async def get_change(desk: AtDesk, caller: AsCaller, change_id: ChangeId) -> ChangeView:
    """Show one change and what became of it. Needs the right `read`."""
    return ChangeView.of(await desk.feeds.ledger.change(change_id, by=caller))


@router.get("/accounts/{account_id}/feed-runs", operation_id="listFeedRuns", responses=answers(404))
async def list_runs(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    wished: Paging,
    only_open: Annotated[bool, Query(description="Only those that are not over")] = False,
    since: Annotated[Instant | None, Query(description="Planned at this instant or later")] = None,
) -> Page[RunView]:
    """List runs in the order in which they were planned. Needs the right `read`.

    A run that is over is kept for half a year.
    """
    found = await desk.feeds.ledger.runs(
        account_id,
        by=caller,
        only_open=only_open,
        since=since,
        after=wished.after,
        limit=wished.asked,
    )
    return page(found, wished.limit, RunView.of, lambda one: one.id)


@router.get("/feed-runs/{run_id}", operation_id="getFeedRun", responses=answers(404))
async def get_run(
    desk: AtDesk,
    caller: AsCaller,
    run_id: RunId,
    after_message: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=499)] = 100,
) -> RunReadView:
    """Show one run and its changes, with Amazon's words for each. Needs the right `read`.

    Changes of one message stay together, so a page may hold some more than `limit`.
    """
    found = await desk.feeds.ledger.run(run_id, by=caller, after_message=after_message, limit=limit)
    return RunReadView.of(found)


@router.post(
    "/feed-runs/{run_id}/decide",
    operation_id="decideFeedRun",
    responses=answers(404, 409, body=True),
)
async def decide_run(desk: AtDesk, caller: AsCaller, run_id: RunId, wish: DecisionWish) -> RunView:
    """Say what became of a run that nobody can tell. Needs the right `amazon_write`.

    Look at Amazon first. A refund that is sent again pays a second time if the first one went
    through.
    """
    return RunView.of(
        await desk.feeds.runs.decide(run_id, wish.happened, by=caller, note=wish.note)
    )


@router.post(
    "/feed-runs/{run_id}/cancel",
    operation_id="cancelFeedRun",
    responses=answers(404, 409, 502),
)
async def cancel_run(desk: AtDesk, caller: AsCaller, run_id: RunId) -> RunView:
    """Stop a run that Amazon has not begun with. Needs the right `amazon_write`.

    Its changes go back to wait: pause the account or switch the action off first if they are not to
    go again.
    """
    return RunView.of(await desk.feeds.runs.cancel(run_id, by=caller))


@router.post(
    "/accounts/{account_id}/feeds/pause",
    operation_id="pauseFeeds",
    responses=answers(404, body=True),
)
async def pause(desk: AtDesk, caller: AsCaller, account_id: AccountId, wish: PauseWish) -> WorkView:
    """Begin nothing new for the account. Needs the right `write`.

    What Amazon has already is seen to its end, changes are still taken, and nothing is lost.
    """
    return WorkView.of(await desk.feeds.work.pause(account_id, by=caller, note=wish.note))


@router.post(
    "/accounts/{account_id}/feeds/resume", operation_id="resumeFeeds", responses=answers(404, 409)
)
async def resume(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> WorkView:
    """Go on, with the latest values. Needs the right `write`."""
    return WorkView.of(await desk.feeds.work.resume(account_id, by=caller))


@router.post(
    "/accounts/{account_id}/feeds/run-now", operation_id="runFeedsNow", responses=answers(404, 409)
)
async def run_now(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> WorkView:
    """Have the next turn at once. Needs the right `write`.

    It does not wait for the while between two feeds of one type. Amazon's limits and the account's
    switches hold all the same.
    """
    return WorkView.of(await desk.feeds.work.run_now(account_id, by=caller))
