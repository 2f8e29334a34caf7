"""Who may speak to the emulated AWS: access keys, roles, and the sessions of assumed roles.

Answers for: issuing them, all with the emulator's mark, and telling whose a key is at an instant.
Keys never have the shape of Amazon's (AKIA..., ASIA...). It does not read signatures and decides
nothing about queues.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator import issuing
from amazon_emulator.stage import Stage
from amazon_emulator.trade import given

__all__ = [
    "ACCOUNT",
    "AccessKey",
    "AwsAccess",
    "AwsSession",
    "NotAllowed",
    "Principal",
    "Role",
    "account_in",
]

ACCOUNT = "111122223333"  # the sample account of AWS's own pages
# Ended ones are kept so that they are told to be expired and not unknown.
SESSIONS_KEPT = 10_000
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_ACCOUNT_SHAPE = re.compile(r"\d{12}")
_NAME_SHAPE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


class NotAllowed(Exception):
    """Somebody may not do what it asked for; the message is in AWS's words."""


def account_in(arn: str) -> str:
    """The account in an ARN; empty when there is none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 else ""


@dataclass(frozen=True)
class Principal:
    """Who signed a request. ``may_use_queues``: within its own account."""

    account_id: str
    arn: str
    may_use_queues: bool = True


@dataclass(frozen=True)
class AccessKey:
    """A long-lived key of a user. ``may_use_queues`` False: it can only assume roles."""

    access_key_id: str
    secret_access_key: str
    account_id: str
    name: str
    may_use_queues: bool = True

    @property
    def principal(self) -> Principal:
        arn = f"arn:aws:iam::{self.account_id}:user/{self.name}"
        return Principal(self.account_id, arn, self.may_use_queues)


@dataclass
class Role:
    """A role and the keys that may assume it."""

    arn: str
    may_be_assumed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class AwsSession:
    """Temporary credentials of an assumed role."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    role_arn: str
    name: str
    ends_at: datetime

    @property
    def principal(self) -> Principal:
        account_id = account_in(self.role_arn)
        return Principal(account_id, self.arn)

    @property
    def arn(self) -> str:
        role = self.role_arn.rpartition("/")[2]
        return f"arn:aws:sts::{account_in(self.role_arn)}:assumed-role/{role}/{self.name}"


@dataclass
class AwsAccess:
    """All keys, roles and sessions of this world."""

    keys: dict[str, AccessKey] = field(default_factory=dict)  # by access key id
    roles: dict[str, Role] = field(default_factory=dict)  # by ARN
    sessions: dict[str, AwsSession] = field(default_factory=dict)  # by access key id

    def new_key(self, name: str, account_id: str = ACCOUNT, *, may_use_queues: bool) -> AccessKey:
        """Raises ValueError for a name or an account that AWS would not have."""
        _check(name, account_id)
        key = AccessKey(_key_id("KEY"), _secret(), account_id, name, may_use_queues)
        self.keys[key.access_key_id] = key
        return key

    def new_role(
        self, name: str, account_id: str = ACCOUNT, may_be_assumed_by: tuple[str, ...] = ()
    ) -> Role:
        """Raises ValueError for a wrong name, a key that is not there, or a role that is."""
        _check(name, account_id)
        for access_key_id in may_be_assumed_by:
            if access_key_id not in self.keys:
                raise ValueError(f"no key has the id {access_key_id!r}")
        role = Role(f"arn:aws:iam::{account_id}:role/{name}", may_be_assumed_by)
        if role.arn in self.roles:
            raise ValueError(f"{role.arn} exists already")
        self.roles[role.arn] = role
        return role

    def secret_of(self, access_key_id: str) -> str | None:
        """The secret to verify a signature with; None for a key that nobody was given."""
        known = self.keys.get(access_key_id) or self.sessions.get(access_key_id)
        return known.secret_access_key if known else None

    def assume(
        self, caller: AccessKey, role_arn: str, name: str, lasts: timedelta, now: datetime
    ) -> AwsSession:
        """Raises NotAllowed when the role is not there or not for this key."""
        role = self.roles.get(role_arn)
        if role is None or caller.access_key_id not in role.may_be_assumed_by:
            raise NotAllowed(
                f"User: {caller.principal.arn} is not authorized to perform: sts:AssumeRole "
                f"on resource: {role_arn}"
            )
        token = f"{issuing.MARK}-{secrets.token_urlsafe(180)}"
        made = AwsSession(_key_id("SES"), _secret(), token, role_arn, name, now + lasts)
        self.sessions[made.access_key_id] = made
        while len(self.sessions) > SESSIONS_KEPT:
            del self.sessions[next(iter(self.sessions))]
        return made

    def as_json(self, *, credentials: bool = False) -> Any:
        """Sessions die within hours and are left out; secrets are null unless asked for."""
        rows = []
        for key in self.keys.values():
            row = asdict(key)
            if not credentials:
                row["secret_access_key"] = None
            rows.append(row)
        return {"keys": rows, "roles": [asdict(role) for role in self.roles.values()]}

    def load(self, stage: Stage, content: Any) -> None:
        """A key without a secret gets a new one, which `POST /world/aws-keys/{id}/secret` renews
        and tells. Raises ValueError that names the place."""
        whole = given.fields(content, "aws", keys=list, roles=list)
        for number, row in enumerate(whole["keys"]):
            place = f"aws.keys[{number}]"
            key = given.fields(
                row,
                place,
                access_key_id=str,
                secret_access_key=(str, type(None)),
                account_id=str,
                name=str,
                may_use_queues=bool,
            )
            if not key["access_key_id"].startswith("EMULATED"):
                raise ValueError(f"{place}: 'access_key_id' is not one of the emulator's")
            _check(key["name"], key["account_id"])
            key["secret_access_key"] = key["secret_access_key"] or _secret()
            self.keys[key["access_key_id"]] = AccessKey(**key)
        for number, row in enumerate(whole["roles"]):
            place = f"aws.roles[{number}]"
            role = given.fields(row, place, arn=str, may_be_assumed_by=list)
            keys = given.texts(role["may_be_assumed_by"], f"{place}.may_be_assumed_by")
            self.roles[role["arn"]] = Role(role["arn"], tuple(keys))

    def new_secret(self, access_key_id: str) -> AccessKey:
        """The key with another secret; the one before is dead. Raises KeyError."""
        old = self.keys[access_key_id]
        key = AccessKey(access_key_id, _secret(), old.account_id, old.name, old.may_use_queues)
        self.keys[access_key_id] = key
        return key


def _check(name: str, account_id: str) -> None:
    if not _NAME_SHAPE.fullmatch(name):
        raise ValueError(f"{name!r} is no name for AWS: up to 64 of letters, digits and +=,.@_-")
    if not _ACCOUNT_SHAPE.fullmatch(account_id):
        raise ValueError(f"{account_id!r} is no account of AWS: twelve digits")


def _key_id(kind: str) -> str:
    return f"EMULATED{kind}" + "".join(secrets.choice(_ALPHABET) for _ in range(9))


def _secret() -> str:
    return f"{issuing.MARK}/{secrets.token_urlsafe(24)}"[:40]
