"""What the mint gives.

Answers for: whom an access token is good for. Does not answer for: whether it still lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.secrecy import Secret

__all__ = ["AccessToken", "GrantlessToken"]


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
