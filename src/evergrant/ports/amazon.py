"""Amazon's two sockets: Login with Amazon and the Selling Partner API.

Answers for: what is asked and answered, and which errors a plug may raise. Does not answer for:
trying again (rooms do), or for the bytes (``adapters.amazon``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from evergrant.rules.secrecy import Secret

__all__ = [
    "LWA",
    "Answer",
    "Call",
    "Hears",
    "LwaClient",
    "ReportedParticipation",
    "RestrictedAnswer",
    "RestrictedResource",
    "SellingPartnerApi",
    "TokenAnswer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LwaClient:
    """The application as LWA knows it, ready to be spoken for."""

    application_id: str  # ours
    lwa_client_id: str
    lwa_client_secret: Secret
    lwa_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """LWA's 200. ``refresh_token`` is absent for grantless tokens."""

    access_token: Secret
    expires_in_s: int
    refresh_token: Secret | None = None


class LWA(Protocol):
    """``POST /auth/o2/token``. Each verb is one request: no retry in here, the room decides.

    Raises GrantRefused (refresh), CodeRefused (exchange), ApplicationRefused, AmazonUnavailable,
    Throttled, UnreadableAnswer.
    """

    async def exchange_code(
        self, client: LwaClient, code: Secret, redirect_uri: str
    ) -> TokenAnswer: ...

    async def refresh(self, client: LwaClient, refresh_token: Secret) -> TokenAnswer: ...

    async def grantless(self, client: LwaClient, scope: str) -> TokenAnswer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedParticipation:
    """One row of ``getMarketplaceParticipations``. Unknown marketplaces are kept as they come."""

    marketplace_id: str
    country_code: str
    name: str
    store_name: str = ""
    domain_name: str = ""
    currency: str = ""
    participating: bool = False
    suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedResource:
    """What a restricted data token is asked for. ``path`` is encoded, without query, and may be
    generic (``/mfn/v0/shipments/{shipmentId}``), except for documents of reports."""

    method: str
    path: str
    data_elements: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedAnswer:
    """``createRestrictedDataToken``'s 200."""

    restricted_data_token: Secret
    expires_in_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One SP-API request. ``path`` begins with a slash and is already encoded. ``begin_before``:
    its first byte leaves at that instant at the latest, or never; then AmazonUnavailable says that
    it was not ``sent``. A process may stand still for any time between wanting and doing."""

    endpoint: str
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    begin_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


#: Is told an answer as it came, before anybody reads it.
Hears = Callable[[Answer], None]


class SellingPartnerApi(Protocol):
    """Raises AmazonUnavailable, Throttled, CallDenied, UnreadableAnswer. ``send`` raises only
    AmazonUnavailable: whatever Amazon answers is the answer.

    Each verb is one request and spends Amazon's limits: whoever calls has a permit."""

    async def participations(
        self, endpoint: str, access_token: Secret, hears: Hears | None = None
    ) -> list[ReportedParticipation]: ...

    async def probe_vendor(
        self, endpoint: str, access_token: Secret, now: datetime, hears: Hears | None = None
    ) -> None:
        """One cheap vendor call. CallDenied is no proof of a dead grant: a vendor without
        purchase orders may be refused as well."""
        ...

    async def restricted_data_token(
        self,
        endpoint: str,
        access_token: Secret,
        resources: Sequence[RestrictedResource],
        hears: Hears | None = None,
    ) -> RestrictedAnswer:
        """``createRestrictedDataToken``: one request. CallDenied carries Amazon's words, as that
        the application lacks the role for a data element."""
        ...

    async def send(self, call: Call, access_token: Secret) -> Answer: ...
