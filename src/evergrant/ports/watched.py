"""The things of the watch that the store keeps, as frozen values.

Answers for: the fields of reminders, events, notices, rotations and reviews. Does not answer for:
what they mean (rules and rooms). As everywhere in the store, no value here holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from evergrant.rules.notices import NoticeKind

__all__ = [
    "EventRecord",
    "Notice",
    "Reminder",
    "ReminderKind",
    "Review",
    "Rotation",
    "RotationSource",
    "RotationStep",
    "WindowReached",
]


class ReminderKind(StrEnum):
    """What comes to its end."""

    TERM = "term"  # a grant's year, as Amazon sets it
    AGE = "age"  # a self-authorization's year: our belief alone, Amazon states no end
    UNDATED = "undated"  # a grant of which nobody knows when it was given
    SECRET = "secret"  # noqa: S105  # a client secret's 180 days


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """One line of the ledger: this window of this end was told, and is never told again.

    ``subject`` is the authorization's id, or the application's for a client secret; ``days`` the
    window, in days before the end; UNDATED: 0, and ``ends_at`` is the instant since when it lies
    here without a date."""

    id: str
    kind: ReminderKind
    subject: str
    account_id: str | None = None
    ends_at: datetime
    days: int
    at: datetime
    outbox_id: str | None = None  # the letter to the client; None: only operators hear of it
    told_operators_at: datetime | None = None  # when it went into the operators' letter


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReached:
    """An end whose newest window was reached and is not in the ledger yet."""

    kind: ReminderKind
    authorization_id: str
    account_id: str
    application_id: str
    ends_at: datetime
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One event for one client instance. Appended, never changed; ``GET /v1/events`` reads them in
    the order of their positions, which is that in which they were committed."""

    id: str
    position: int = 0  # given by the store
    at: datetime
    topic: str  # "authorization.granted", "secret.rotated", "account.changed"
    subject: str  # id of the thing
    client_instance_id: str
    account_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that somebody of the house has to know or do, on the board until it is settled.
    One open notice per kind and subject; the same again counts up."""

    id: str
    kind: NoticeKind
    subject: str
    account_id: str | None = None
    application_id: str | None = None
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    first_at: datetime
    last_at: datetime
    times: int = 1
    settled_at: datetime | None = None
    settled_by: str = ""  # the caller; "system" when it settled by itself


class RotationStep(StrEnum):
    """How far one rotation of a client secret came. Written before the next act outside."""

    ASKING = "asking"  # Amazon is being asked; whether it heard, nobody knows yet
    ASKED = "asked"  # Amazon said 204; the new secret is on its way to the queue
    RECEIVED = "received"  # the new secret lies sealed in the safe, and is not in use
    PROMOTED = "promoted"  # it passed a call and is the current one; the old one is kept
    DONE = "done"  # its message is deleted
    FAILED = "failed"


class RotationSource(StrEnum):
    ASKED = "asked"  # by us, over the API
    SENT = "sent"  # Amazon sent a new secret that we had not asked for: a rotation in its console
    PASTED = "pasted"  # by an operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One rotation of an application's client secret. At most one per application is open
    (``ended_at`` None)."""

    id: str
    application_id: str
    source: RotationSource
    step: RotationStep
    asked_at: datetime | None = None
    received_at: datetime | None = None
    promoted_at: datetime | None = None
    ended_at: datetime | None = None
    notification_id: str = ""  # Amazon's, of the message that brought the secret
    secret_digest: str = field(default="", repr=False)  # of the new secret: tells a repeat
    secret_expires_at: datetime | None = None  # of the new secret
    previous_ends_at: datetime | None = None  # of the old one
    tries: int = 0
    next_at: datetime | None = None  # not before; None: nothing to do by itself
    last_error: str = ""
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Somebody looked at one item of the list before going live and signed. The digest of what
    was looked at tells whether it is still so."""

    id: str  # item, or item/subject
    item: str
    subject: str = ""  # id of the thing that was looked at, where the item is about one
    digest: str
    by: str  # the caller as the journal names it
    name: str  # of the person who signed
    at: datetime
    note: str = ""
