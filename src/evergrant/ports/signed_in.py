"""What the store keeps of people who sign in, as frozen values.

Answers for: the fields of sessions, invitations of operators, recovery codes and counts of failed
attempts. Does not answer for: what they mean (rules and the lodge). As everywhere in the store, no
value here holds a secret: of each its digest is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from evergrant.rules.rights import Role

__all__ = [
    "OperatorInvitation",
    "OperatorSession",
    "RecoveryCode",
    "SignInCount",
    "SignInMethod",
]


class SignInMethod(StrEnum):
    PASSWORD = "password"  # noqa: S105
    SINGLE_SIGN_ON = "single_sign_on"  # the house's identity provider, second factor included


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSession:
    """One browser that somebody signed in with. It is over at ``ends_at`` at the latest, when it
    was not seen for too long, and from ``ended_at`` on."""

    id: str
    operator_id: str
    secret_digest: str = field(repr=False)
    method: SignInMethod
    proved_at: datetime | None = None  # the second factor was shown
    address: str  # as the browser came in, for people to recognise it
    origin: str  # what counts as one address with it (`rules.lockout.origin_of`)
    agent: str
    created_at: datetime
    seen_at: datetime  # to the minute
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""  # a caller, as the journal writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorInvitation:
    """The letter that makes somebody an operator. It is open until it is accepted, withdrawn, or
    over."""

    id: str
    name: str
    email: str  # lower case
    role: Role
    link_digest: str = field(repr=False)
    invited_by: str  # the person's name, for the letter
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None = None
    operator_id: str | None = None  # whom it made
    withdrawn_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        return self.accepted_at is None and self.withdrawn_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCode:
    """Stands in for the second factor, once. The id is its digest together with the operator."""

    id: str
    operator_id: str
    created_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInCount:
    """Attempts that failed, of one kind: by a mail address, from a network address, at a second
    factor. The id is a digest where it would name a person who is none of ours."""

    id: str
    failures: int = 0
    locks: int = 0
    locked_until: datetime | None = None
    tried_at: datetime
