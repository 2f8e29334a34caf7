"""The things of the trade that the store keeps, as frozen values: changes, runs, orders, reports.

Answers for: their fields. Does not answer for: what they mean (rules and rooms). No value here
holds a secret or a buyer's personal data: those lie sealed in the safe under a name made of the
thing's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from evergrant.rules.changes import ChangeKind, ChangeState, Lane
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region

__all__ = [
    "AccountWork",
    "AmazonReport",
    "AmazonReportStep",
    "Change",
    "ChangeCount",
    "FeedRun",
    "Intake",
    "Order",
    "OrderKind",
    "OrderSweep",
    "Outcome",
    "Pick",
    "Plannable",
    "Subscription",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One wish of an integrator for one account: SKU 7 has stock 12."""

    id: str
    account_id: str
    kind: ChangeKind
    lane: Lane
    marketplace_id: str = ""  # "": where the wish knows none (vendors, stock of a whole region)
    subject: str  # SKU of stock and price, Amazon's order id of everything else
    key: str  # what a later change of the same kind and marketplace takes the place of
    wish: Mapping[str, Any] = field(default_factory=dict)  # as ``rules.wishes`` settled it
    reference: str = ""  # the caller's own name for it
    intake_id: str
    line: int  # of its intake, from 1
    state: ChangeState = ChangeState.PENDING
    run_id: str | None = None  # the run that has it, or had it last
    message_id: int | None = None  # within that run
    tries: int = 0
    next_at: datetime | None = None  # pending: not before
    superseded_by: str | None = None
    code: str = ""  # Amazon's, or ours
    message: str = ""  # in Amazon's words, or ours
    attribute: str = ""  # that Amazon names
    created_at: datetime
    settled_at: datetime | None = None


class Plannable(NamedTuple):
    """What a plan looks at, of a change that may go. A plain tuple: there are a million of them."""

    id: str
    kind: ChangeKind
    marketplace_id: str
    subject: str
    key: str
    wish: Mapping[str, Any]
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One change that a run takes, and as which message of it."""

    change_id: str
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one change of a run. PENDING: it goes back to wait until ``next_at``.
    ``counted`` False: it was no try, as nobody asked Amazon for it, or Amazon hears nobody of the
    account: what goes back has one try less."""

    change_id: str
    state: ChangeState
    code: str = ""
    message: str = ""
    attribute: str = ""
    next_at: datetime | None = None
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCount:
    """How many changes of one account and kind are in one state, and since when the oldest is."""

    account_id: str
    kind: ChangeKind
    state: ChangeState
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """One batch as it was handed in. ``key_digest``: of the caller's idempotency key; the same key
    again gives the same answer, and with another body is refused. ``answer``: what each line was
    told, as far as it is not told by its change: the refused ones."""

    id: str
    account_id: str
    caller: str
    source: str  # "api", "csv", "command_line", "folder"
    name: str = ""  # of the file
    key_digest: str | None = None
    body_digest: str = ""
    lines: int = 0
    taken: int = 0
    refused: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRun:
    """One execution: some changes of one account on one path to Amazon."""

    id: str
    account_id: str
    application_id: str
    region: Region
    path: Path
    marketplace_id: str = ""
    step: RunStep
    changes: int = 0
    bytes: int = 0  # of the document
    first_message_id: int = 1
    document_id: str = ""  # Amazon's feedDocumentId
    document_at: datetime | None = None
    submission: str = ""  # of a transaction: which operation or warehouse it goes to
    asked_at: datetime | None = None  # createFeed or the submission was begun
    feed_id: str = ""  # Amazon's feedId, or transactionId
    submitted_at: datetime | None = None
    processing_status: str = ""  # as Amazon last said
    result_document_id: str = ""
    looks: int = 0  # looks with getFeeds for a feed whose answer was lost
    tries: int = 0
    next_at: datetime | None = None  # not before; None: it is over, or a person decides
    last_error: str = ""
    accepted: int = 0
    refused: int = 0
    returned: int = 0  # went back to wait
    uncertain: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)  # summary of Amazon's report
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWork:
    """What the kitchen knows of one account. ``due_at`` None: there is nothing to do."""

    id: str  # equal to the account's id
    due_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str = ""  # a name; who that is stands in the journal
    pause_note: str = ""
    planned_at: datetime | None = None
    hurried_at: datetime | None = None  # somebody does not want to wait for the next feed's time
    waits: Mapping[str, Any] = field(default_factory=dict)  # by kind: why, and until when
    version: int = 0
    changed_at: datetime


class OrderKind(StrEnum):
    SELLER = "seller"
    RETAIL = "retail"  # a vendor's purchase order
    DIRECT = "direct"  # a direct-fulfillment order


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as Amazon last told it, without anything personal: that lies sealed in the safe.
    Each time it changes it gets a new position, in the order of commits."""

    id: str  # account_id/order_id
    account_id: str
    client_instance_id: str
    order_id: str
    kind: OrderKind
    marketplace_id: str = ""
    status: str = ""
    ordered_at: datetime | None = None
    amazon_changed_at: datetime | None = None
    body: Mapping[str, Any] = field(default_factory=dict)  # Amazon's, less what is personal
    digest: str = ""  # of all of it: tells a repeat
    personal: bool = False  # something lies in the safe
    fetch_due_at: datetime | None = None  # it has to be completed with getOrder
    position: int = 0  # given by the store
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSweep:
    """How far the orders of one account were read."""

    id: str  # equal to the account's id
    bound_at: datetime | None = None  # everything that changed before was seen
    page: str = ""  # Amazon's token of the next page of a sweep under way
    page_from: datetime | None = None
    page_until: datetime | None = None
    due_at: datetime | None = None
    swept_at: datetime | None = None
    lacks: str = ""  # why it cannot be swept, as one word
    last_error: str = ""
    failures: int = 0
    version: int = 0
    changed_at: datetime


class AmazonReportStep(StrEnum):
    PLANNED = "planned"
    ASKING = "asking"  # createReport is being sent; nobody knows whether it was heard
    WAITING = "waiting"  # Amazon makes it
    DONE = "done"
    EMPTY = "empty"  # CANCELLED by Amazon: there is no data
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmazonReport:
    """One report that somebody asked Amazon for."""

    id: str
    account_id: str
    report_type: str
    marketplace_ids: tuple[str, ...] = ()
    data_from: datetime | None = None
    data_until: datetime | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    step: AmazonReportStep
    asked_at: datetime | None = None
    report_id: str = ""  # Amazon's
    document_id: str = ""  # Amazon's
    processing_status: str = ""
    looks: int = 0
    tries: int = 0
    next_at: datetime | None = None
    last_error: str = ""
    caller: str = ""
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One notification type that an account is subscribed to, to the queue of its application."""

    id: str  # account_id/notification_type
    account_id: str
    application_id: str
    region: Region
    notification_type: str
    destination_id: str = ""
    subscription_id: str = ""
    trouble: str = ""
    tries: int = 0
    next_at: datetime | None = None  # to be tried again
    heard_at: datetime | None = None  # the last notification that came
    created_at: datetime
    changed_at: datetime
