"""What Amazon's two notifications about client secrets say.

Answers for: reading the body of a message, whatever it holds. Does not answer for: what follows
from it (`rotation`), or for the queue.

Sources: Amazon's page "set-up-credential-rotation-notifications" and the payloads in the official
sample of credential rotation. Their keys begin with a small letter, those of most other
notifications with a capital one: so keys are read whatever their case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant.rules.instants import read_instant
from evergrant.rules.messages import Misshapen, lowered, mapping, read_json
from evergrant.rules.secrecy import Secret

__all__ = ["NewSecret", "Reading", "SecretEnding", "Unread", "read"]

NEW_SECRET = "APPLICATION_OAUTH_CLIENT_NEW_SECRET"  # noqa: S105
SECRET_ENDING = "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY"  # noqa: S105

#: An end that lies farther off than this after its notification is none: secrets live 180 days.
_FARTHEST = timedelta(days=400)
_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_NOTIFICATION_ID = re.compile(r"[A-Za-z0-9-]{1,80}")
_LONGEST = 256 * 1024  # more does not fit into a message of SQS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """Amazon made a client secret. A date that is missing or unreadable is None: the secret is
    worth more than its dates."""

    lwa_client_id: str
    secret: Secret
    expires_at: datetime | None = None
    previous_ends_at: datetime | None = None  # when the one before it dies
    at: datetime | None = None  # when that was
    notification_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEnding:
    """Amazon says when the client secret in force ends."""

    lwa_client_id: str
    expires_at: datetime
    reason: str = ""  # a word of Amazon's: PERIODIC_ROTATION
    at: datetime | None = None
    notification_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Not one of the two. ``why`` is for a person and quotes nothing of the body."""

    why: str


Reading = NewSecret | SecretEnding | Unread


def read(body: Secret) -> Reading:
    """Never raises."""
    try:
        return _read(body.reveal())
    except Misshapen as wrong:
        return Unread(why=str(wrong))


def _read(text: str) -> Reading:
    if len(text) > _LONGEST:
        raise Misshapen("The message is longer than any of Amazon's notifications.")
    notification = mapping(read_json(text), "The message")
    kind = notification.get("notificationtype")
    if not isinstance(kind, str) or not kind.strip():
        raise Misshapen("The message names no type of notification.")
    kind = kind.strip().upper()
    if kind not in (NEW_SECRET, SECRET_ENDING):
        named = kind if _WORD.fullmatch(kind) else "one without a proper name"
        raise Misshapen(f"The message is a notification of another type: {named}.")
    payload = mapping(notification.get("payload"), "The payload")
    metadata = notification.get("notificationmetadata")
    said = lowered(metadata) if isinstance(metadata, Mapping) else {}
    at = read_instant(notification.get("eventtime"))
    known = said.get("notificationid")
    notification_id = known if isinstance(known, str) and _NOTIFICATION_ID.fullmatch(known) else ""
    if kind == NEW_SECRET:
        return _new_secret(payload, at, notification_id)
    return _ending(payload, at, notification_id)


def _new_secret(payload: Mapping[str, Any], at: datetime | None, notification_id: str) -> NewSecret:
    told = mapping(payload.get("applicationoauthclientnewsecret"), "The part of the new secret")
    secret = told.get("newclientsecret")
    if not isinstance(secret, str) or not _is_secret(secret.strip()):
        raise Misshapen("The message holds no client secret.")
    return NewSecret(
        lwa_client_id=_client_id(told),
        secret=Secret(secret.strip()),
        expires_at=_near(read_instant(told.get("newclientsecretexpirytime")), at),
        previous_ends_at=_near(read_instant(told.get("oldclientsecretexpirytime")), at),
        at=at,
        notification_id=notification_id,
    )


def _ending(payload: Mapping[str, Any], at: datetime | None, notification_id: str) -> SecretEnding:
    told = mapping(payload.get("applicationoauthclientsecretexpiry"), "The part of the expiry")
    client_id = _client_id(told)
    expires_at = read_instant(told.get("clientsecretexpirytime"))
    if expires_at is None:
        raise Misshapen("The message names no day on which the client secret ends.")
    if _near(expires_at, at) is None:
        raise Misshapen("The message names an end that no client secret can have.")
    reason = told.get("clientsecretexpiryreason")
    return SecretEnding(
        lwa_client_id=client_id,
        expires_at=expires_at,
        reason=reason if isinstance(reason, str) and _WORD.fullmatch(reason) else "",
        at=at,
        notification_id=notification_id,
    )


def _client_id(told: Mapping[str, Any]) -> str:
    client_id = told.get("clientid")
    if not isinstance(client_id, str) or not 0 < len(client_id.strip()) <= 200:
        raise Misshapen("The message names no client id.")
    return client_id.strip()


def _is_secret(text: str) -> bool:
    return 8 <= len(text) <= 512 and text.isascii() and text.isprintable() and " " not in text


def _near(ends_at: datetime | None, at: datetime | None) -> datetime | None:
    """A date that no client secret can have is no date."""
    if ends_at is None or at is None:
        return ends_at
    return ends_at if abs(ends_at - at) <= _FARTHEST else None
