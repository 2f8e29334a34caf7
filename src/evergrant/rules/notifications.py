"""Amazon's notifications of feeds, orders and reports.

Answers for: reading the body of a message, whatever it holds; what a subscription asks for; the ARN
of a queue; when to try again. Does not answer for: what follows from a notification (the rooms), or
for those about client secrets (``rotation_messages``).

Sources: Amazon's notification schemas OrderChangeNotification (keys in PascalCase),
FeedProcessingFinishedNotification and ReportProcessingFinishedNotification (camelCase; a vendor's
has no seller id), notifications v1 model. Keys are read whatever their case. What a message says is
never more than a reason to ask Amazon.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from evergrant.rules.instants import read_instant
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.messages import Misshapen, lowered, mapping, read_json
from evergrant.rules.secrecy import Secret

__all__ = [
    "CHECKED_EVERY",
    "MOST_RECEIPTS",
    "AboutSecrets",
    "Notification",
    "NotificationType",
    "OfAnotherType",
    "Reading",
    "Unread",
    "destination_body",
    "destination_name",
    "next_try",
    "queue_arn",
    "read",
    "subscription_body",
    "types_for",
]


class NotificationType(StrEnum):
    """Those that Evergrant subscribes to."""

    FEED_FINISHED = "FEED_PROCESSING_FINISHED"
    ORDER_CHANGE = "ORDER_CHANGE"
    REPORT_FINISHED = "REPORT_PROCESSING_FINISHED"

    @property
    def payload_version(self) -> str:
        return "1.0" if self is NotificationType.ORDER_CHANGE else "2020-09-04"


#: A message that could not be handled so often never will be.
MOST_RECEIPTS = 5
#: A subscription is looked at again, in case somebody ended it at Amazon.
CHECKED_EVERY = timedelta(days=7)

_LADDER = tuple(timedelta(minutes=one) for one in (5, 20, 60, 4 * 60, 12 * 60, 24 * 60))
_LONGEST = 256 * 1024  # more does not fit into a message of SQS
_DEEPEST = 3  # envelopes around the notification
_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")
_SECRETS = "APPLICATION_OAUTH_CLIENT_"
#: Where an emulated queue is whose URL names no region.
_EMULATED_REGION = "eu-west-1"
_REGION = re.compile(r"(?:^|\.)([a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2})(?:\.|$)")

_BOTH = (NotificationType.FEED_FINISHED, NotificationType.REPORT_FINISHED)
_OF_KIND: Mapping[PartnerKind, tuple[NotificationType, ...]] = MappingProxyType(
    {
        PartnerKind.SELLER: (*_BOTH, NotificationType.ORDER_CHANGE),
        # ORDER_CHANGE is about orders of sellers.
        PartnerKind.VENDOR: _BOTH,
    }
)
#: What the payload calls the part with the facts, and the fact that names the thing.
_PARTS: Mapping[NotificationType, tuple[str, str]] = MappingProxyType(
    {
        NotificationType.FEED_FINISHED: ("feedprocessingfinishednotification", "feedid"),
        NotificationType.ORDER_CHANGE: ("orderchangenotification", "amazonorderid"),
        NotificationType.REPORT_FINISHED: ("reportprocessingfinishednotification", "reportid"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something happened to one feed, order or report. ``partner_ids``: every name that the message
    has for the selling partner. ``application_id``: Amazon's."""

    type: NotificationType
    thing_id: str
    partner_ids: frozenset[str]
    application_id: str = ""
    subscription_id: str = ""
    marketplace_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfAnotherType:
    """A notification that nobody here asked for. ``type`` is a word of Amazon's."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutSecrets:
    """It may hold the only copy of a new client secret, and is on the wrong queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """``why`` is for a person and quotes nothing of the body."""

    why: str


Reading = Notification | OfAnotherType | AboutSecrets | Unread


def read(body: Secret) -> Reading:
    """Never raises."""
    text = body.reveal()
    try:
        return _read(text)
    except Misshapen as wrong:
        # Whatever is the matter with it: a secret is not thrown away.
        return AboutSecrets() if _SECRETS in text.upper() else Unread(why=str(wrong))


def _read(text: str) -> Reading:
    if len(text) > _LONGEST:
        raise Misshapen("The message is longer than any of Amazon's notifications.")
    whole = _unwrapped(read_json(text))
    kind = whole.get("notificationtype")
    if not isinstance(kind, str) or not _WORD.fullmatch(kind.strip().upper()):
        raise Misshapen("The message names no type of notification.")
    kind = kind.strip().upper()
    if kind.startswith(_SECRETS):
        return AboutSecrets()
    if kind not in {one.value for one in NotificationType}:
        return OfAnotherType(type=kind)
    return _notification(NotificationType(kind), whole)


def _notification(kind: NotificationType, whole: Mapping[str, Any]) -> Notification:
    part, name = _PARTS[kind]
    payload = mapping(whole.get("payload"), "The payload")
    facts = mapping(payload.get(part), "The part with the facts")
    thing_id = _id(facts.get(name))
    if not thing_id:
        raise Misshapen(f"The notification {kind.value} does not say what it is about.")
    partner_ids = _partner_ids(facts)
    if not partner_ids:
        raise Misshapen(f"The notification {kind.value} names no selling partner.")
    metadata = whole.get("notificationmetadata")
    said = lowered(metadata) if isinstance(metadata, Mapping) else {}
    summary = facts.get("summary")
    summed = lowered(summary) if isinstance(summary, Mapping) else {}
    return Notification(
        type=kind,
        thing_id=thing_id,
        partner_ids=partner_ids,
        application_id=_id(said.get("applicationid")),
        subscription_id=_id(said.get("subscriptionid")),
        marketplace_id=_id(summed.get("marketplaceid")),
        at=read_instant(whole.get("eventtime")),
    )


def _partner_ids(facts: Mapping[str, Any]) -> frozenset[str]:
    """``amzn1.merchant.o.A1B2`` and ``amzn1.vg.123`` end with what Amazon else calls them."""
    account_id = _id(facts.get("accountid"))
    known = {_id(facts.get("sellerid")), account_id, account_id.rpartition(".")[2]}
    return frozenset(known - {""})


def _unwrapped(value: object) -> dict[str, Any]:
    """The notification itself: SNS and EventBridge put theirs around it."""
    for _ in range(_DEEPEST):
        whole = mapping(value, "The message")
        if "notificationtype" in whole:
            return whole
        inner = whole.get("message", whole.get("detail", whole.get("body")))
        if inner is None:
            break
        value = read_json(inner) if isinstance(inner, str) else inner
    raise Misshapen("The message names no type of notification.")


def _id(value: object) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


# --- subscribing ------------------------------------------------------------------------------


def types_for(partner_kind: PartnerKind) -> tuple[NotificationType, ...]:
    return _OF_KIND[partner_kind]


def subscription_body(kind: NotificationType, destination_id: str) -> dict[str, Any]:
    """The body of createSubscription. Tips change nothing that is worth a getOrder."""
    body: dict[str, Any] = {
        "payloadVersion": kind.payload_version,
        "destinationId": destination_id,
    }
    if kind is NotificationType.ORDER_CHANGE:
        body["processingDirective"] = {
            "eventFilter": {
                "eventFilterType": kind.value,
                "orderChangeTypes": ["OrderStatusChange", "BuyerRequestedChange"],
            }
        }
    return body


def destination_name(arn: str) -> str:
    """The same for the same queue: Amazon takes each name once."""
    return f"evergrant-{hashlib.sha256(arn.encode()).hexdigest()[:16]}"


def destination_body(arn: str) -> dict[str, Any]:
    """The body of createDestination."""
    return {"name": destination_name(arn), "resourceSpecification": {"sqs": {"arn": arn}}}


def queue_arn(queue_url: str) -> str:
    """Of a queue's URL, as ``ids.check_queue_url`` lets it through."""
    parts = urlsplit(queue_url)
    host = (parts.hostname or "").lower()
    account_id, _, name = parts.path.strip("/").partition("/")
    found = _REGION.search(host)
    oldest = host in ("queue.amazonaws.com", "sqs.amazonaws.com")
    region = found[1] if found else "us-east-1" if oldest else _EMULATED_REGION
    return f"arn:aws:sqs:{region}:{account_id}:{name}"


def next_try(now: datetime, tries: int) -> datetime:
    """After so many tries that came to nothing."""
    return now + _LADDER[min(tries, len(_LADDER) - 1)]
