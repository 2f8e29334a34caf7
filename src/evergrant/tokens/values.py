"""What the mint gives.

Answers for: whom an access token is good for. Does not answer for: whether it still lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.secrecy import Secret

__all__ = ["AccessToken", "GrantlessToken", "Pass", "RestrictedDataToken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token of one account. Good in ``region`` only, for one application only."""

    value: Secret
    expires_at: datetime
    account_id: str
    application_id: str
    region: Region
    partner_kind: PartnerKind
    grant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantlessToken:
    """An access token of the application itself, for the operations of one scope."""

    value: Secret
    expires_at: datetime
    application_id: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedDataToken:
    """For one operation of one account: ``method`` and ``path``, which is generic where Amazon
    takes that, so that one serves many calls. Lives for an hour at most."""

    value: Secret
    expires_at: datetime
    account_id: str
    application_id: str
    region: Region
    grant_id: str
    method: str
    path: str
    data_elements: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What a program holds at the gateway in place of an access token (``egp_…``). It names an
    account and the keys that it was given for, and is of no use to anybody but Evergrant."""

    account_id: str
    api_key_id: str
    connection_key_id: str
    #: None: an access token. Else it stands for a restricted data token: method, path and data
    #: elements of each resource that was named, as Amazon's createRestrictedDataToken takes them.
    resources: tuple[tuple[str, str, tuple[str, ...]], ...] | None = None
    #: Of a grantless pass: the one scope of Amazon's that it is good for.
    scope: str | None = None
    expires_at: datetime
