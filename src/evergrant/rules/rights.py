"""Who may do what.

Answers for: rights, roles and callers as values. Does not answer for: proving who somebody is
(`people`) or for refusing (each room does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from evergrant.rules.faults import Fault

__all__ = [
    "CONTAINED",
    "EVERYWHERE_ONLY",
    "RIGHTS_OF_ROLE",
    "SYSTEM",
    "Caller",
    "CallerKind",
    "Right",
    "Role",
    "check_rights",
    "command_line",
    "idle_rights",
    "partner",
]


class Right(StrEnum):
    READ = "read"  # see applications, instances, accounts, reports, the journal
    WRITE = "write"  # add and change accounts, send links, adopt refresh tokens
    ACCESS_TOKENS = "access_tokens"  # receive access tokens of accounts within reach
    MANAGE = "manage"  # applications and their credentials, instances, operators, API keys
    AMAZON_READ = "amazon_read"  # through the gateway: operations that only read
    AMAZON_WRITE = "amazon_write"  # through the gateway: operations that change something
    PERSONAL_DATA = "personal_data"  # through the gateway: personal data of buyers
    DATA_PLANE = "data_plane"  # nginx asks us what to do with a request that somebody sent to it
    ORDERS = "orders"  # see orders that were read from Amazon, without what is personal in them
    SIGN_OFF = "sign_off"  # sign what a person has to look at before going live
    AUDIT = "audit"  # see who may come in: operators, sessions, API keys; and settings in force


class Role(StrEnum):
    ADMIN = "admin"
    TEAM_LEAD = "team_lead"
    SUPPORT = "support"
    AUDITOR = "auditor"


#: Rights that were part of another one before they had a name of their own: who holds the other
#: one holds them too, so that no API key lost anything.
CONTAINED: Mapping[Right, Right] = MappingProxyType(
    {
        Right.ORDERS: Right.AMAZON_READ,
        Right.SIGN_OFF: Right.MANAGE,
        Right.AUDIT: Right.MANAGE,
    }
)

#: The one place that says what people of the house may do. Whoever hands out keys needs all that a
#: key may hold: an admin has DATA_PLANE and ACCESS_TOKENS to give them, no person has a use for
#: them. Personal data of buyers is an admin's to allow, key by key. A team lead is answerable for
#: what is changed at Amazon and for going live; support connects accounts and answers questions;
#: an auditor sees everything that is written down, changes nothing and asks Amazon for nothing.
RIGHTS_OF_ROLE: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Right),
        Role.TEAM_LEAD: frozenset(
            {
                Right.READ,
                Right.WRITE,
                Right.AMAZON_READ,
                Right.AMAZON_WRITE,
                Right.ORDERS,
                Right.SIGN_OFF,
                Right.AUDIT,
            }
        ),
        Role.SUPPORT: frozenset({Right.READ, Right.WRITE, Right.ORDERS}),
        Role.AUDITOR: frozenset({Right.READ, Right.ORDERS, Right.AUDIT}),
    }
)


class CallerKind(StrEnum):
    OPERATOR = "operator"
    API_KEY = "api_key"
    PARTNER = "partner"  # somebody who holds an invitation link, and nothing more
    SYSTEM = "system"  # our own background work
    COMMAND_LINE = "command_line"  # somebody with a shell on the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. ``client_instance_id`` None reaches every instance; ``account_ids`` None every
    account of those, else these accounts and nothing that belongs to no account."""

    kind: CallerKind
    id: str = ""
    name: str = ""
    rights: frozenset[Right] = frozenset()
    client_instance_id: str | None = None
    account_ids: frozenset[str] | None = None

    def may(self, right: Right) -> bool:
        return right in self.rights or CONTAINED.get(right) in self.rights

    def reaches(self, client_instance_id: str | None) -> bool:
        """Whether a thing of this instance may be seen at all. Things of no instance
        (applications, the journal as a whole) are reached by unbound callers only."""
        if self.account_ids is not None:
            return False
        return self.client_instance_id is None or self.client_instance_id == client_instance_id

    def reaches_account(self, account_id: str, client_instance_id: str) -> bool:
        """Whether this account, which belongs to that instance, may be seen at all."""
        if self.account_ids is not None and account_id not in self.account_ids:
            return False
        return self.client_instance_id in (None, client_instance_id)

    def __str__(self) -> str:
        """As the journal writes it: ``api_key:key_…``, ``command_line:root``, ``system``."""
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)


SYSTEM = Caller(kind=CallerKind.SYSTEM, name="Evergrant", rights=frozenset(Right))


def command_line(user: str) -> Caller:
    """Somebody with a shell on the machine: whoever can read the key ring can do anything."""
    return Caller(kind=CallerKind.COMMAND_LINE, id=user, name=user, rights=frozenset(Right))


def partner() -> Caller:
    """The selling partner's browser. No rights: the link in its hand is all that it has."""
    return Caller(kind=CallerKind.PARTNER, name="selling partner")


#: Concern everything, so only a caller that reaches everything may hold them.
EVERYWHERE_ONLY = frozenset({Right.MANAGE, Right.DATA_PLANE, Right.SIGN_OFF, Right.AUDIT})


def idle_rights(rights: frozenset[Right]) -> Mapping[Right, str]:
    """Those that open nothing without another one, each with what is lacking."""
    lacking = Right.PERSONAL_DATA in rights and rights.isdisjoint(
        {Right.AMAZON_READ, Right.AMAZON_WRITE, Right.ORDERS}
    )
    hint = "It needs 'amazon_read', 'amazon_write' or 'orders' too."
    return {Right.PERSONAL_DATA: hint} if lacking else {}


def check_rights(names: Iterable[str]) -> frozenset[Right]:
    """Rights by their names; at least one. Raises Fault on an unknown name or none at all."""
    known = {right.value: right for right in Right}
    found = set()
    for name in names:
        right = known.get(name.strip().lower().replace("-", "_"))
        if right is None:
            raise Fault(
                "unknown_right",
                f"'{name}' is not a right.",
                field="rights",
                hint=f"Rights are: {', '.join(known)}.",
            )
        found.add(right)
    if not found:
        raise Fault(
            "no_rights",
            "At least one right is needed.",
            field="rights",
            hint=f"Rights are: {', '.join(known)}.",
        )
    return frozenset(found)
