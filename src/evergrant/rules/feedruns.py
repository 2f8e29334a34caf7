"""One run: the paths to Amazon, and how far a run came.

Answers for: the paths and what each is like, the steps of a run. Does not answer for: which changes
a run holds (``feedplans``), or for asking Amazon (the kitchen).

Sources: Amazon's feeds 2021-06-30 model (statuses; createFeed has no idempotency key, so a feed
whose answer was lost is looked for with getFeeds); pages "feed-type-values" and "feeds-api-best-
practices"; models listings items 2021-08-01, orders v0, vendor orders, shipping and payments v1 and
direct fulfillment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from evergrant.rules.changes import ChangeKind

__all__ = ["PATHS", "Manner", "Path", "PathFacts", "RunStep"]


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
