"""What a house has to have looked at before it goes live: the list, and whether it was.

Answers for: the items, what each is about and who decides on it, the digest of what was looked at,
and whether a signature still stands. Does not answer for: the values (checks look them up), for
keeping signatures (the sign-off book), or for what is plainly broken (findings say that).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any

from evergrant.rules.secrecy import Secret

__all__ = [
    "ITEMS",
    "About",
    "ReviewItem",
    "ReviewState",
    "Signature",
    "digest_of",
    "key_of",
    "plain",
    "state_of",
]


class About(StrEnum):
    """What there is one of each item for."""

    HOUSE = "house"
    APPLICATION = "application"
    INSTANCE = "instance"


class ReviewState(StrEnum):
    WAITING = "waiting"  # nobody has signed
    STALE = "stale"  # signed, but what was looked at has changed since
    EXPIRED = "expired"  # signed too long ago
    SIGNED = "signed"
    FAILED = "failed"  # decided by machine
    PASSED = "passed"  # decided by machine

    @property
    def is_settled(self) -> bool:
        return self in (ReviewState.SIGNED, ReviewState.PASSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One line of the list. ``look``: what a person, or the machine, looks at. ``lasts``: a
    signature is good for so long; None: until something changes."""

    name: str
    title: str
    about: About
    look: str
    by_machine: bool = False
    lasts: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    digest: str
    at: datetime


def _item(name: str, about: About, title: str, look: str, **more: Any) -> ReviewItem:
    return ReviewItem(name=name, title=title, about=about, look=look, **more)


_HALF_A_YEAR, _YEAR = timedelta(days=183), timedelta(days=366)

# fmt: off
_ALL = (
    _item("integration-credentials", About.APPLICATION,
        "Integration credentials complete and identical for every account of the application",
        "Client id and client secret are there, AWS credentials all or none, no other application "
        "has the same client id, and every account's authorization names this application and "
        "the account's own region.", by_machine=True),
    _item("instance-answers", About.INSTANCE,
        "Client instance known and answering",
        "Where it has accounts: it was heard of within the last 30 days, by its key or by taking "
        "an event, and no event for it was given up.", by_machine=True),
    _item("local-settings", About.HOUSE,
        "Local settings reviewed by a team lead",
        "Every setting of the house as `evergrant settings` shows it: addresses, time-outs, "
        "where webhooks may go, how long links and the journal live. Ports, pools and logs of "
        "single processes are left out."),
    _item("mail-relay", About.HOUSE,
        "Letters arrive and look like the house's",
        "A letter of each language was received outside the house, not in a junk folder; sender, "
        "house name, Dev Support and operators' address are right; SPF, DKIM and DMARC of the "
        "sender's domain allow this relay."),
    _item("reminder-windows", About.HOUSE,
        "Reminders go out when the house wants them to",
        "The days before an end, of the house and of each application that has its own, and who "
        "reads the operators' letter while somebody is away."),
    _item("key-ring-copy", About.HOUSE,
        "A copy of the key ring lies in a safe place",
        "Every key of the ring is in the copy, and the copy is not where the database's backups "
        "are: without the ring no backup opens, with both anybody opens it.", lasts=_YEAR),
    _item("backups", About.HOUSE,
        "Backups are made, and one was restored",
        "`evergrant db dump` or the database's own backups run by themselves, are kept, and one "
        "was restored on another machine and opened with the copied key ring.",
        lasts=_HALF_A_YEAR),
    _item("operators", About.HOUSE,
        "Those who may manage are those who should",
        "Operators with their roles, and API keys that may manage or see personal data."),
    _item("registration", About.APPLICATION,
        "What Amazon has registered is what is written here",
        "Compared in Amazon's developer console: application id, LWA client id, kind, status, "
        "developer, log-in URI and redirect URI, roles."),
    _item("secret-rotation", About.APPLICATION,
        "How the client secret is renewed is settled",
        "With a queue: both notification preferences of the application in Amazon's developer "
        "console point to it, its policy lets Amazon send, messages are kept 14 days. Without: "
        "somebody is named who rotates it by hand every 180 days."),
    _item("instance-webhooks", About.INSTANCE,
        "The client instance takes its events and checks their signatures",
        "A test event arrived; one with a wrong signature was refused; the same event twice did "
        "its work once. Without a webhook URL: somebody reads `GET /v1/events`."),
)
# fmt: on
ITEMS: Mapping[str, ReviewItem] = MappingProxyType({one.name: one for one in _ALL})


def key_of(item: str, subject: str = "") -> str:
    """The id of the one signature on this item about this thing."""
    return f"{item}/{subject}" if subject else item


def digest_of(item: str, subject: str, looked_at: Mapping[str, Any]) -> str:
    """SHA-256 of what was looked at, in one spelling: equal things have equal digests, whatever
    the order of members and sets. Raises TypeError for a ``Secret``, and for what has no plain
    form: secrets are looked at by their dates and ids, never themselves."""
    whole = {"item": item, "subject": subject, "looked_at": plain(looked_at)}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def state_of(
    item: ReviewItem,
    now: datetime,
    *,
    digest: str,
    signature: Signature | None = None,
    passed: bool = False,
) -> ReviewState:
    """``digest``: of what is there now. ``passed``: the machine's word, where it decides."""
    if item.by_machine:
        return ReviewState.PASSED if passed else ReviewState.FAILED
    if signature is None:
        return ReviewState.WAITING
    if signature.digest != digest:
        return ReviewState.STALE
    if item.lasts is not None and now >= signature.at + item.lasts:
        return ReviewState.EXPIRED
    return ReviewState.SIGNED


def plain(value: Any) -> Any:
    """As JSON knows it, sets in order. Raises TypeError as ``digest_of``."""
    if isinstance(value, Secret):
        raise TypeError("A secret is not looked at.")
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Set):
        return sorted((plain(inner) for inner in value), key=json.dumps)
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} has no plain form.")
