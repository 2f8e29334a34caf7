"""One run: the paths to Amazon, and how far a run came.

Answers for: the paths and what each is like, the steps of a run, what a run does next and when,
what a lost answer means, the ladder on which changes come back. Does not answer for: which changes
a run holds (``feedplans``), what Amazon's report says of them (``settling``), or for asking Amazon
(the kitchen).

Sources: Amazon's feeds 2021-06-30 model (statuses; createFeed has no idempotency key, so a feed
whose answer was lost is looked for with getFeeds); pages "feed-type-values" and "feeds-api-best-
practices"; models listings items 2021-08-01, orders v0, vendor orders, shipping and payments v1 and
direct fulfillment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from evergrant.rules.changes import ChangeKind

__all__ = [
    "BEGIN_WITHIN",
    "CALLS_LEASE",
    "DENIED_FOR",
    "DOCUMENT_GOOD",
    "LATE_AFTER",
    "LOOK_AGAIN_AFTER",
    "LOST_AFTER",
    "MOST_SUBMISSIONS",
    "MOST_TRIES",
    "NEAR",
    "PATHS",
    "RESULTS_KEPT",
    "UNKNOWN_FEED_AFTER",
    "WINDOW",
    "Act",
    "Lost",
    "LostFeed",
    "LostMeans",
    "Manner",
    "Next",
    "Path",
    "PathFacts",
    "Run",
    "RunStep",
    "decide_lost",
    "is_forgotten",
    "is_late",
    "ladder",
    "looked_through",
    "next_act",
    "next_look",
    "presumed_at",
    "window_of",
]


class Path(StrEnum):
    """How changes reach Amazon."""

    PATCH = "patch"
    LISTINGS_FEED = "listings_feed"
    CONFIRM_SHIPMENT = "confirm_shipment"
    FULFILLMENT_FEED = "fulfillment_feed"
    ACKNOWLEDGEMENT_FEED = "acknowledgement_feed"
    ADJUSTMENT_FEED = "adjustment_feed"
    INVOICE_FEED = "invoice_feed"
    RETAIL_SHIPMENT = "retail_shipment"
    RETAIL_INVOICE = "retail_invoice"
    RETAIL_ACKNOWLEDGEMENT = "retail_acknowledgement"
    DIRECT_STOCK = "direct_stock"
    DIRECT_SHIPMENT = "direct_shipment"
    DIRECT_INVOICE = "direct_invoice"
    DIRECT_ACKNOWLEDGEMENT = "direct_acknowledgement"


class Manner(StrEnum):
    """What the steps of a run are."""

    FEED = "feed"  # document, upload, createFeed, wait, report
    CALLS = "calls"  # one call for each change, answered at once
    TRANSACTION = "transaction"  # one submission, then its transaction is looked at until it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFacts:
    """``repeatable``: told twice, nothing happens twice. ``most``: changes in one run."""

    manner: Manner
    kinds: frozenset[ChangeKind]
    feed_type: str = ""
    content_type: str = ""
    repeatable: bool
    most: int


def _feed(
    feed_type: str, content_type: str, *kinds: ChangeKind, most: int, **more: bool
) -> PathFacts:
    return PathFacts(
        manner=Manner.FEED,
        kinds=frozenset(kinds),
        feed_type=feed_type,
        content_type=content_type,
        repeatable=more.get("repeatable", False),
        most=most,
    )


def _calls(kind: ChangeKind, *more: ChangeKind, most: int) -> PathFacts:
    return PathFacts(
        manner=Manner.CALLS, kinds=frozenset({kind, *more}), repeatable=True, most=most
    )


def _transaction(kind: ChangeKind, most: int, *, repeatable: bool) -> PathFacts:
    return PathFacts(
        manner=Manner.TRANSACTION, kinds=frozenset({kind}), repeatable=repeatable, most=most
    )


_K = ChangeKind
_XML = "text/xml; charset=UTF-8"

#: 25,000 messages are Amazon's bound for a JSON feed (its schema); the others are ours.
PATHS: Mapping[Path, PathFacts] = MappingProxyType(
    {
        Path.PATCH: _calls(_K.STOCK, _K.PRICE, most=6_000),
        Path.LISTINGS_FEED: _feed(
            "JSON_LISTINGS_FEED",
            "application/json; charset=UTF-8",
            _K.STOCK,
            _K.PRICE,
            most=25_000,
            repeatable=True,
        ),
        Path.CONFIRM_SHIPMENT: _calls(_K.SHIPMENT, most=2_000),
        # The same package again edits it, by either way.
        Path.FULFILLMENT_FEED: _feed(
            "POST_ORDER_FULFILLMENT_DATA", _XML, _K.SHIPMENT, most=25_000, repeatable=True
        ),
        Path.ACKNOWLEDGEMENT_FEED: _feed(
            "POST_ORDER_ACKNOWLEDGEMENT_DATA", _XML, _K.CANCELLATION, most=5_000
        ),
        Path.ADJUSTMENT_FEED: _feed("POST_PAYMENT_ADJUSTMENT_DATA", _XML, _K.REFUND, most=5_000),
        Path.INVOICE_FEED: _feed("UPLOAD_VAT_INVOICE", "application/pdf", _K.INVOICE, most=1),
        Path.RETAIL_SHIPMENT: _transaction(_K.SHIPMENT, 50, repeatable=False),
        Path.RETAIL_INVOICE: _transaction(_K.INVOICE, 50, repeatable=False),
        # A later acknowledgement of an order takes the place of the earlier one.
        Path.RETAIL_ACKNOWLEDGEMENT: _transaction(_K.CANCELLATION, 50, repeatable=True),
        Path.DIRECT_STOCK: _transaction(_K.STOCK, 1_000, repeatable=True),
        Path.DIRECT_SHIPMENT: _transaction(_K.SHIPMENT, 50, repeatable=False),
        Path.DIRECT_INVOICE: _transaction(_K.INVOICE, 50, repeatable=False),
        Path.DIRECT_ACKNOWLEDGEMENT: _transaction(_K.CANCELLATION, 50, repeatable=True),
    }
)


class RunStep(StrEnum):
    """How far one run came. Written before the next act outside."""

    PLANNED = "planned"
    DOCUMENT = "document"  # Amazon gave a document to upload to
    UPLOADED = "uploaded"
    SUBMITTING = "submitting"  # createFeed, or a submission, is being sent; nobody knows if heard
    SUBMITTED = "submitted"  # Amazon took it
    PROCESSING = "processing"  # Amazon works on it; runs of calls: the calls are being made
    SETTLED = "settled"  # every change of it came to its end, or went back to wait
    FAILED = "failed"  # it did not come through; what became of its changes, they say
    UNCERTAIN = "uncertain"  # nobody can tell whether Amazon has it; a person decides

    @property
    def is_over(self) -> bool:
        return self in (RunStep.SETTLED, RunStep.FAILED)


# --- what a run does next -------------------------------------------------------------------

#: A document may be used for so long (Amazon says two days); afterwards there is another one.
DOCUMENT_GOOD = timedelta(hours=47)
#: No call lasts longer. Until then nobody knows whether one that was begun is still on its way.
LOST_AFTER = timedelta(minutes=5)
#: A submission that has not left by then never leaves: long before anybody looks for it. A process
#: may stand still for hours between writing down that it sends, and sending.
BEGIN_WITHIN = timedelta(seconds=60)
#: What must not be told twice is looked for once more, so long after it was sent.
LOOK_AGAIN_AFTER = timedelta(minutes=20)
#: Two clocks differ by no more, we hope.
SKEW = timedelta(minutes=2)
#: A feed's time of creation lies between these, around the moment at which it was asked for.
WINDOW = (-SKEW, LOST_AFTER + SKEW)
#: A feed further from its asking than the window is nobody's by its time alone; but clocks are set
#: wrongly and backups restored, and what must not be told twice is not told again beside it.
NEAR = timedelta(days=1)
#: Amazon's text calls eight hours normal; longer ones are told to a person.
LATE_AFTER = timedelta(hours=8)
#: Amazon does not know the feed whose id it gave: right after its creation that means nothing.
UNKNOWN_FEED_AFTER = timedelta(minutes=30)
#: Amazon keeps a feed's report for 28 days.
RESULTS_KEPT = timedelta(days=28)
#: A run of calls is somebody's for so long after it was last written down. A call that is made
#: within it is over, or was given up by its own process, when it ends.
CALLS_LEASE = timedelta(seconds=60)
#: createFeed or a submission is sent so often for one run.
MOST_SUBMISSIONS = 8
#: A change is taken by a run so often; then it is refused.
MOST_TRIES = 8

#: So long nothing more is tried on a path that Amazon denies the account.
DENIED_FOR = timedelta(hours=1)

_POLLS = (15, 30, 60, 120, 300, 600)
_LOOKS = (60, 120, 300, 600)
_LADDER = (
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
)
_PRESUMED: Mapping[Path, timedelta] = MappingProxyType(
    {
        path: timedelta(minutes=15 if path.value.startswith("retail") else 30)
        for path, facts in PATHS.items()
        if facts.manner is Manner.TRANSACTION
    }
)


class Run(Protocol):
    """What is decided by, of a run."""

    @property
    def path(self) -> Path: ...
    @property
    def step(self) -> RunStep: ...
    @property
    def next_at(self) -> datetime | None: ...
    @property
    def document_at(self) -> datetime | None: ...
    @property
    def asked_at(self) -> datetime | None: ...
    @property
    def submitted_at(self) -> datetime | None: ...
    @property
    def processing_status(self) -> str: ...
    @property
    def result_document_id(self) -> str: ...


class Act(StrEnum):
    """The next thing that is done for a run."""

    REST = "rest"  # it is over, or a person decides
    WAIT = "wait"  # until ``at``
    PREPARE = "prepare"  # have a document made and upload it
    SUBMIT = "submit"  # createFeed, or the submission
    SEEK = "seek"  # it was sent, and nobody knows if it was heard
    LOOK = "look"  # ask Amazon how far it is
    READ = "read"  # the report, or what its absence means
    CALL = "call"  # the calls that are not made yet


@dataclass(frozen=True, slots=True)
class Next:
    act: Act
    at: datetime | None = None  # of WAIT


#: Amazon is done with the feed.
_ENDED = frozenset({"DONE", "FATAL", "CANCELLED"})


def next_act(run: Run, now: datetime) -> Next:
    """What is to be done now. A crash between two steps changes nothing: what was not written
    down is done again, and what must not be done again was written down before."""
    if run.step.is_over or run.step is RunStep.UNCERTAIN:
        return Next(Act.REST)
    if run.next_at is not None and now < run.next_at:
        return Next(Act.WAIT, run.next_at)
    manner = PATHS[run.path].manner
    if manner is Manner.CALLS:
        return Next(Act.CALL)
    if run.step is RunStep.SUBMITTING:
        return Next(Act.SEEK)
    if run.step in (RunStep.SUBMITTED, RunStep.PROCESSING):
        if manner is Manner.FEED and run.processing_status in _ENDED:
            return Next(Act.READ)
        return Next(Act.LOOK)
    if manner is Manner.TRANSACTION:
        return Next(Act.SUBMIT)
    # The address of a document is a secret that is written down nowhere: without the upload behind
    # it a document is of no use.
    if run.step is RunStep.UPLOADED and _is_good(run, now):
        return Next(Act.SUBMIT)
    return Next(Act.PREPARE)


def _is_good(run: Run, now: datetime) -> bool:
    return run.document_at is not None and now < run.document_at + DOCUMENT_GOOD


def next_look(run: Run, now: datetime) -> datetime:
    """When Amazon is asked again how far it is: soon at first, then every ten minutes."""
    steps = _POLLS if PATHS[run.path].manner is Manner.FEED else _LOOKS
    at = run.submitted_at or now
    for pause_s in steps:
        at += timedelta(seconds=pause_s)
        if at > now:
            return at
    return now + timedelta(seconds=steps[-1])


def is_late(run: Run, now: datetime) -> bool:
    """Amazon has had it for longer than can be called normal."""
    return run.submitted_at is not None and now >= run.submitted_at + LATE_AFTER


def is_forgotten(run: Run, now: datetime) -> bool:
    """So long ago that Amazon keeps nothing of it any more: whatever is not known now will never
    be."""
    at = run.submitted_at or run.asked_at
    return (
        at is not None
        and now >= at + RESULTS_KEPT
        and run.step in (RunStep.SUBMITTING, RunStep.SUBMITTED, RunStep.PROCESSING)
        and PATHS[run.path].manner is not Manner.CALLS
    )


def presumed_at(run: Run) -> datetime | None:
    """From when on a transaction that is still in process counts as accepted: Amazon's vendor
    guides say to allow 15 minutes (retail), 30 (direct fulfillment). None: never."""
    span = _PRESUMED.get(run.path)
    return None if span is None or run.submitted_at is None else run.submitted_at + span


def ladder(tries: int) -> timedelta | None:
    """How long a change waits that was taken by a run so often and came back; None: it was tried
    often enough."""
    if tries >= MOST_TRIES:
        return None
    return _LADDER[min(max(tries, 1), len(_LADDER)) - 1]


# --- a lost answer --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LostFeed:
    """A feed at Amazon of the type that was sent, which is no run of ours."""

    feed_id: str
    created_at: datetime


class LostMeans(StrEnum):
    WAIT = "wait"  # until ``at``
    LOOK = "look"  # with getFeeds
    OURS = "ours"  # it is ``feed_id``
    AGAIN = "again"  # Amazon has nothing: send it
    UNCERTAIN = "uncertain"  # a person decides


@dataclass(frozen=True, slots=True)
class Lost:
    means: LostMeans
    at: datetime | None = None
    feed_id: str = ""


def looked_through(asked_at: datetime, repeatable: bool) -> tuple[datetime, datetime]:
    """Feeds of when Amazon is asked for; more than the window where any feed counts."""
    earliest, latest = window_of(asked_at)
    return (earliest, latest) if repeatable else (asked_at - NEAR, asked_at + NEAR)


def window_of(asked_at: datetime) -> tuple[datetime, datetime]:
    """Within which the feed was created, if it was."""
    return asked_at + WINDOW[0], asked_at + WINDOW[1]


def decide_lost(
    unknown_feeds: Sequence[LostFeed] | None,
    asked_at: datetime,
    now: datetime,
    repeatable: bool,
) -> Lost:
    """createFeed was begun at ``asked_at`` and nobody knows how it ended. ``unknown_feeds``: all
    that Amazon has of this type since, without those of other runs; None: nobody looked yet.

    createFeed has no idempotency key, and getFeeds is the only way to find a feed whose answer was
    lost (feeds 2021-06-30 model). What may be told twice is sent again when nothing is found, or
    when several are; the rest is looked for a second time first.
    """
    if now < asked_at + LOST_AFTER:
        return Lost(LostMeans.WAIT, asked_at + LOST_AFTER)
    if unknown_feeds is None:
        return Lost(LostMeans.LOOK)
    earliest, latest = window_of(asked_at)
    found = [one for one in unknown_feeds if earliest <= one.created_at <= latest]
    if len(found) == 1:
        return Lost(LostMeans.OURS, feed_id=found[0].feed_id)
    if repeatable:
        return Lost(LostMeans.AGAIN)
    if found:
        return Lost(LostMeans.UNCERTAIN)
    if now < asked_at + LOOK_AGAIN_AFTER:
        return Lost(LostMeans.WAIT, asked_at + LOOK_AGAIN_AFTER)
    if any(abs(one.created_at - asked_at) <= NEAR for one in unknown_feeds):
        return Lost(LostMeans.UNCERTAIN)
    return Lost(LostMeans.AGAIN)
