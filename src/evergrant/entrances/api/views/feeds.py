"""Changes, runs, and how an account stands in the kitchen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from evergrant.entrances.api.views.pages import View
from evergrant.feeds.allowances import Allowance
from evergrant.feeds.ledger import AccountFeeds, KindCounts, RunRead
from evergrant.feeds.planning import Explained, WouldRun
from evergrant.ports.traded import AccountWork, Change, FeedRun
from evergrant.rules import waits
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import PATHS, Path, RunStep
from evergrant.rules.waits import Waiting, Why

__all__ = [
    "AccountFeedsView",
    "AllowanceView",
    "ChangeView",
    "FeedPlanView",
    "KindView",
    "RunReadView",
    "RunView",
    "WaitView",
    "WorkView",
    "WouldRunView",
]


class ChangeView(View):
    """One change, and what became of it."""

    id: str
    account_id: str
    kind: ChangeKind
    marketplace_id: str
    subject: str = Field(description="SKU of stock and price, Amazon's order id of all others")
    reference: str = Field(description="Your own name for it; may be empty")
    wish: dict[str, JsonValue] = Field(description="What was handed in, in one fixed form")
    state: ChangeState = Field(
        description="`pending`: it waits; `in_flight`: a run has it; `superseded`: a later one "
        "took its place; `uncertain`: it was sent, and a person decides what became of it"
    )
    code: str = Field(description="Why it was refused, or why it came back; Amazon's or ours")
    message: str = Field(description="In Amazon's words, or ours")
    attribute: str = Field(description="That Amazon names; may be empty")
    run_id: str | None = Field(description="The run that has it, or had it last")
    message_id: int | None = Field(description="Of the feed, as Amazon's report names it")
    tries: int = Field(description="Runs that took it so far")
    next_at: datetime | None = Field(description="Pending, and not before this instant")
    superseded_by: str | None = Field(description="The later change that took its place")
    intake_id: str
    line: int = Field(description="Its place in the batch that was handed in")
    created_at: datetime
    settled_at: datetime | None = Field(description="Null: it is open")

    @classmethod
    def of(cls, change: Change) -> ChangeView:
        names = set(cls.model_fields) - {"wish"}
        facts: dict[str, Any] = {name: getattr(change, name) for name in names}
        return cls(**facts, wish=dict(change.wish))


class RunView(View):
    """One run: some changes of one account on one path to Amazon."""

    id: str
    account_id: str
    path: Path = Field(description="How it goes: single calls, a feed, a vendor's transaction")
    feed_type: str = Field(description="Amazon's; empty for single calls and transactions")
    marketplace_id: str
    step: RunStep = Field(
        description="How far it came; `settled` and `failed`: it is over; `uncertain`: a person "
        "decides"
    )
    changes: int
    accepted: int
    refused: int
    returned: int = Field(description="Went back to wait")
    uncertain: int = Field(description="Nobody can tell what became of them: a person decides")
    bytes: int = Field(description="Of the document")
    feed_id: str = Field(description="Amazon's feedId, or its transaction's id")
    processing_status: str = Field(description="As Amazon last said")
    last_error: str = Field(description="What it last stumbled over; may be empty")
    summary: dict[str, JsonValue] = Field(description="Of Amazon's report")
    created_at: datetime
    submitted_at: datetime | None
    next_at: datetime | None = Field(description="When it goes on; null: it is over, or waits")
    ended_at: datetime | None

    @classmethod
    def of(cls, run: FeedRun) -> RunView:
        names = set(cls.model_fields) - {"feed_type", "summary"}
        facts: dict[str, Any] = {name: getattr(run, name) for name in names}
        return cls(**facts, feed_type=PATHS[run.path].feed_type, summary=dict(run.facts))


class RunReadView(View):
    """One run with changes of it."""

    run: RunView
    changes: list[ChangeView]
    next_message: int | None = Field(description="`after_message` of the next page; null: no more")

    @classmethod
    def of(cls, read: RunRead) -> RunReadView:
        return cls(
            run=RunView.of(read.run),
            changes=[ChangeView.of(change) for change in read.changes],
            next_message=read.next_message,
        )


class WaitView(View):
    """Why changes of one kind do not go now."""

    kind: ChangeKind
    why: Why
    sentence: str
    count: int
    until: datetime | None = Field(description="When it ends by itself; null: somebody has to act")

    @classmethod
    def of(cls, one: Waiting) -> WaitView:
        return cls(
            kind=one.kind, why=one.why, sentence=one.sentence, count=one.count, until=one.until
        )


class WouldRunView(View):
    """One run that the next turn would make."""

    path: Path
    marketplace_id: str
    submission: str = Field(description="Of vendors: the warehouse; may be empty")
    changes: dict[ChangeKind, int]
    messages: int = Field(description="Of the feed, or calls: stock and price of a SKU go in one")
    bytes: int = Field(description="Of the document; 0 where there is none")
    because: str = Field(description="Why it takes this path")

    @classmethod
    def of(cls, run: WouldRun) -> WouldRunView:
        facts: dict[str, Any] = {name: getattr(run, name) for name in cls.model_fields}
        return cls(**{**facts, "changes": dict(run.changes)})


class AllowanceView(View):
    """One of Amazon's limits that the plan draws on."""

    operation: str
    calls: int
    at_once: int = Field(description="Of them, those that may be made at once")
    left: float
    kept: int = Field(description="Tokens that are kept for what is more important")
    rate_per_s: float
    burst: int
    takes_s: float = Field(description="Until the last of the calls may be made")

    @classmethod
    def of(cls, one: Allowance) -> AllowanceView:
        return cls(**{name: getattr(one, name) for name in cls.model_fields})


class FeedPlanView(View):
    """What an account's next turn would do."""

    account_id: str
    at: datetime
    due_at: datetime | None = Field(description="Its next turn; null: there is nothing to do")
    if_resumed: bool = Field(
        description="True: the account is paused, and `runs` is what would go if it were not"
    )
    runs: list[WouldRunView]
    collapsed: int = Field(description="Changes that never go: a later one takes their place")
    waits: list[WaitView]
    allowances: list[AllowanceView]

    @classmethod
    def of(cls, one: Explained) -> FeedPlanView:
        return cls(
            account_id=one.account_id,
            at=one.at,
            due_at=one.due_at,
            if_resumed=one.if_resumed,
            runs=[WouldRunView.of(run) for run in one.runs],
            collapsed=one.collapsed,
            waits=[WaitView.of(wait) for wait in one.waits],
            allowances=[AllowanceView.of(allowance) for allowance in one.allowances],
        )


class KindView(View):
    """Changes of one kind."""

    kind: ChangeKind
    switched_on: bool | None = Field(
        description="Null: Amazon has no such thing for this kind of account"
    )
    pending: int
    in_flight: int
    uncertain: int
    accepted_24h: int = Field(description="Settled in the last 24 hours")
    refused_24h: int
    superseded_24h: int
    oldest_open_at: datetime | None = Field(description="When the oldest that is open came")

    @classmethod
    def of(cls, one: KindCounts) -> KindView:
        count = {state: one.counts.get(state, 0) for state in ChangeState}
        return cls(
            kind=one.kind,
            switched_on=one.switched_on,
            pending=count[ChangeState.PENDING],
            in_flight=count[ChangeState.IN_FLIGHT],
            uncertain=count[ChangeState.UNCERTAIN],
            accepted_24h=count[ChangeState.ACCEPTED],
            refused_24h=count[ChangeState.REFUSED],
            superseded_24h=count[ChangeState.SUPERSEDED],
            oldest_open_at=one.oldest_open_at,
        )


class WorkView(View):
    """An account's turns."""

    account_id: str
    due_at: datetime | None = Field(description="Its next turn; null: there is nothing to do")
    planned_at: datetime | None
    paused_at: datetime | None
    paused_by: str
    pause_note: str

    @classmethod
    def of(cls, work: AccountWork) -> WorkView:
        return cls(
            account_id=work.id,
            due_at=work.due_at,
            planned_at=work.planned_at,
            paused_at=work.paused_at,
            paused_by=work.paused_by,
            pause_note=work.pause_note,
        )


class AccountFeedsView(View):
    """How one account stands in the kitchen."""

    account_id: str
    account_name: str
    kinds: list[KindView]
    waits: list[WaitView] = Field(description="As the last plan found them")
    open_runs: list[RunView]
    work: WorkView | None = Field(description="Null: it never had anything to do")

    @classmethod
    def of(cls, one: AccountFeeds) -> AccountFeedsView:
        return cls(
            account_id=one.account.id,
            account_name=one.account.name,
            kinds=[KindView.of(kind) for kind in one.kinds],
            waits=[WaitView.of(wait) for wait in waits.read(one.work.waits if one.work else {})],
            open_runs=[RunView.of(run) for run in one.open_runs],
            work=None if one.work is None else WorkView.of(one.work),
        )
