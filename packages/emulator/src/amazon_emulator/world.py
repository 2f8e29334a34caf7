"""The world that the emulator plays: applications, selling partners, grants, tokens.

Answers for: what exists and what is valid at an instant. All of it lives in memory and is gone when
the process ends. It speaks no HTTP; the faces do.

Durations follow Amazon's pages: codes 5 minutes and authorizations 365 days
('website-authorization-workflow', 'renew-authorizations'), access tokens 3600 s, client secrets 180
days with 7 days of overlap after a rotation ('rotating-your-apps-lwa-credentials').
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from amazon_emulator import issuing
from amazon_emulator.marketplaces import Marketplace, Region

__all__ = [
    "CONSENT_LASTS",
    "AccessToken",
    "Application",
    "ClientSecret",
    "Code",
    "Grant",
    "Kind",
    "LoginLeg",
    "Participation",
    "Partner",
    "RestrictedResource",
    "Session",
    "Status",
    "World",
    "forget_oldest",
]

CODE_LIVES = timedelta(minutes=5)
CONSENT_LASTS = timedelta(minutes=10)
ACCESS_TOKEN_LIVES = timedelta(seconds=3600)
GRANT_LASTS = timedelta(days=365)
SECRET_LASTS = timedelta(days=180)
SECRET_OVERLAP = timedelta(days=7)
SESSION_LASTS = timedelta(minutes=5)
ACCESS_TOKENS_KEPT = 100_000
# Of what lives for minutes: codes, sessions, consents under way.
BRIEF_KEPT = 10_000

Kind = Literal["seller", "vendor"]
Status = Literal["draft", "submitted", "published"]

# Role names of Amazon's page 'role-mappings'; enough for what the emulator serves.
ALL_ROLES = (
    "Product Listing",
    "Pricing",
    "Amazon Fulfillment",
    "Inventory and Order Tracking",
    "Finance and Accounting",
    "Selling Partner Insights",
    "Account Information Service Provider",
    "Amazon Warehousing and Distribution",
    "Brand Analytics",
    "Buyer Communication",
    "Buyer Solicitation",
    "Direct-to-Consumer Shipping",
    "Tax Invoicing",
    "Tax Remittance",
)


@dataclass
class ClientSecret:
    """One LWA client secret and the instant at which it stops working."""

    value: str
    ends_at: datetime


@dataclass
class Application:
    """An SP-API application as registered in the Solution Provider Portal."""

    name: str
    application_id: str
    lwa_client_id: str
    secrets: list[ClientSecret]  # newest first
    status: Status = "draft"
    login_uri: str | None = None
    redirect_uris: list[str] = field(default_factory=list)
    partner_kinds: tuple[Kind, ...] = ("seller", "vendor")
    roles: list[str] = field(default_factory=lambda: list(ALL_ROLES))
    scopes: tuple[str, ...] = (
        "sellingpartnerapi::notifications",
        "sellingpartnerapi::client_credential:rotation",
        "sellingpartnerapi::shipments:track",
    )
    consent_limit: int | None = None  # 25 for sellers of an application that is not listed
    website: str = "https://developer.example"

    def secret_is_good(self, offered: str, now: datetime) -> bool:
        return any(
            secrets.compare_digest(known.value.encode(), offered.encode()) and now < known.ends_at
            for known in self.secrets
        )

    def rotate(self, now: datetime) -> ClientSecret:
        """A new secret for 180 days; the one before it works for 7 more days at most."""
        fresh = ClientSecret(issuing.client_secret(), now + SECRET_LASTS)
        if self.secrets:
            before = self.secrets[0]
            before.ends_at = min(before.ends_at, now + SECRET_OVERLAP)
            self.secrets = [fresh, before]
        else:
            self.secrets = [fresh]
        return fresh


@dataclass
class Participation:
    """A seller in one marketplace."""

    marketplace: Marketplace
    participating: bool = True
    suspended_listings: bool = False
    store_name: str = ""


@dataclass
class Partner:
    """A seller (merchant token) or a vendor group, and the person who signs in for it."""

    kind: Kind
    name: str
    selling_partner_id: str
    email: str
    password: str
    home: Marketplace
    participations: list[Participation] = field(default_factory=list)
    vendor_codes: list[str] = field(default_factory=list)
    primary_user: bool = True
    deactivated: bool = False
    consent_error: str | None = None  # an on-page error code that this partner always meets
    business_type: str = "PRIVATE_LIMITED"
    selling_plan: str = "PROFESSIONAL"

    @property
    def regions(self) -> list[Region]:
        """Where it trades; its home first."""
        found: list[Region] = [] if self.home.region is None else [self.home.region]
        for row in self.participations:
            if row.marketplace.region is not None and row.marketplace.region not in found:
                found.append(row.marketplace.region)
        return found


@dataclass
class Grant:
    """One consent: a partner, an application, a region; known by its refresh token."""

    partner: Partner
    application: Application
    region: Region
    refresh_token: str
    granted_at: datetime
    roles: tuple[str, ...]
    self_authorized: bool = False
    handed_out: bool = False
    revoked_at: datetime | None = None
    ends_at: datetime | None = None  # None: no end is stated for self-authorizations

    def is_good(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.ends_at is None or now < self.ends_at)


@dataclass
class Code:
    """An authorization code: five minutes, once."""

    value: str
    grant: Grant
    redirect_uri: str
    ends_at: datetime
    spent: bool = False


@dataclass(frozen=True)
class RestrictedResource:
    """One entry of a restricted data token: a method, a path or template, data elements."""

    method: str
    path: str
    data_elements: tuple[str, ...] = ()


@dataclass
class AccessToken:
    """An access token; ``grant`` is None for a grantless one, which then has a scope. One with
    ``resources`` is a restricted data token and opens nothing but these."""

    value: str
    application: Application
    grant: Grant | None
    scope: str | None
    ends_at: datetime
    resources: tuple[RestrictedResource, ...] = ()


@dataclass
class Session:
    """A person signed in at Seller or Vendor Central."""

    partner: Partner
    form_key: str
    signed_in_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        return abs(now - self.signed_in_at) < SESSION_LASTS


@dataclass
class LoginLeg:
    """A consent that was sent to the log-in URI and is awaited back with its `amazon_state`."""

    partner: Partner
    application: Application
    region: Region
    began_at: datetime
    spent: bool = False


@dataclass
class World:
    """Everything there is."""

    applications: dict[str, Application] = field(default_factory=dict)  # by application_id
    partners: dict[str, Partner] = field(default_factory=dict)  # by selling_partner_id
    grants: dict[str, Grant] = field(default_factory=dict)  # by refresh token
    codes: OrderedDict[str, Code] = field(default_factory=OrderedDict)
    access_tokens: OrderedDict[str, AccessToken] = field(default_factory=OrderedDict)
    sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict)  # by cookie
    # By amazon_state, decoded.
    login_legs: OrderedDict[bytes, LoginLeg] = field(default_factory=OrderedDict)
    _clients: dict[str, Application] = field(default_factory=dict)
    _emails: dict[str, Partner] = field(default_factory=dict)
    _by_pair: dict[tuple[str, str], list[Grant]] = field(default_factory=dict)
    _number: int = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def add_application(self, application: Application) -> None:
        """Raises ValueError when one of its ids is taken."""
        if application.application_id in self.applications:
            raise ValueError(f"application_id {application.application_id} exists already")
        if application.lwa_client_id in self._clients:
            raise ValueError(f"lwa_client_id {application.lwa_client_id} exists already")
        self.applications[application.application_id] = application
        self._clients[application.lwa_client_id] = application

    def add_partner(self, partner: Partner) -> None:
        """Raises ValueError when its id or e-mail address is taken."""
        if partner.selling_partner_id in self.partners:
            raise ValueError(f"selling_partner_id {partner.selling_partner_id} exists already")
        if partner.email.lower() in self._emails:
            raise ValueError(f"somebody signs in with {partner.email} already")
        self.partners[partner.selling_partner_id] = partner
        self._emails[partner.email.lower()] = partner

    def client(self, lwa_client_id: str) -> Application | None:
        return self._clients.get(lwa_client_id)

    def signing_in(self, email: str, password: str) -> Partner | None:
        partner = self._emails.get(email.strip().lower())
        if partner is None or not secrets.compare_digest(
            partner.password.encode(), password.encode()
        ):
            return None
        return partner

    def grants_of(self, partner: Partner, application: Application) -> list[Grant]:
        """All that were ever given, oldest first."""
        return self._by_pair.get((partner.selling_partner_id, application.application_id), [])

    def is_linked(self, partner: Partner, application: Application, now: datetime) -> bool:
        """Whether a consent of theirs was completed before and still stands."""
        return any(
            grant.is_good(now) and grant.handed_out
            for grant in self.grants_of(partner, application)
        )

    def give(
        self,
        partner: Partner,
        application: Application,
        region: Region,
        now: datetime,
        *,
        self_authorized: bool = False,
        ends_at: datetime | None = None,
    ) -> Grant:
        """A new consent with a refresh token of its own; earlier ones are left as they are."""
        grant = Grant(
            partner,
            application,
            region,
            issuing.refresh_token(),
            now,
            tuple(application.roles),
            self_authorized=self_authorized,
            handed_out=self_authorized,
            ends_at=ends_at if ends_at or self_authorized else now + GRANT_LASTS,
        )
        self.grants[grant.refresh_token] = grant
        pair = (partner.selling_partner_id, application.application_id)
        self._by_pair.setdefault(pair, []).append(grant)
        return grant

    def renew(self, grant: Grant, now: datetime) -> Grant:
        """The same refresh token for another year, with the roles of today."""
        grant.granted_at = now
        grant.ends_at = now + GRANT_LASTS
        grant.roles = tuple(grant.application.roles)
        return grant

    def revoke(
        self, partner: Partner, now: datetime, application: Application | None = None
    ) -> list[Grant]:
        """Ends the grants of a partner (to one application, or to all). Its access tokens end
        with them."""
        ended = [
            grant
            for grant in self.grants.values()
            if grant.partner is partner
            and application in (None, grant.application)
            and grant.revoked_at is None
        ]
        for grant in ended:
            grant.revoked_at = now
        return ended

    def new_code(self, grant: Grant, redirect_uri: str, now: datetime) -> Code:
        code = Code(issuing.code(), grant, redirect_uri, now + CODE_LIVES)
        self.codes[code.value] = code
        forget_oldest(self.codes, BRIEF_KEPT)
        return code

    def sign_in(self, partner: Partner, now: datetime) -> str:
        """A new session. Gives the value of its cookie."""
        cookie = secrets.token_urlsafe(24)
        self.sessions[cookie] = Session(partner, secrets.token_urlsafe(24), now)
        forget_oldest(self.sessions, BRIEF_KEPT)
        return cookie

    def await_login(self, amazon_state: bytes, leg: LoginLeg) -> None:
        """Remembers a consent that was sent to the log-in URI."""
        self.login_legs[amazon_state] = leg
        forget_oldest(self.login_legs, BRIEF_KEPT)

    def new_access_token(
        self, application: Application, grant: Grant | None, scope: str | None, now: datetime
    ) -> AccessToken:
        token = AccessToken(
            issuing.access_token(), application, grant, scope, now + ACCESS_TOKEN_LIVES
        )
        self.keep(token)
        return token

    def keep(self, token: AccessToken) -> None:
        """Remembers an access token, at the cost of the oldest when there are too many."""
        self.access_tokens[token.value] = token
        forget_oldest(self.access_tokens, ACCESS_TOKENS_KEPT)

    def authorized_partners(self, application: Application, kind: Kind, now: datetime) -> int:
        """How many partners of a kind hold a good OAuth grant: what Amazon's cap counts."""
        return len(
            {
                grant.partner.selling_partner_id
                for grant in self.grants.values()
                if grant.application is application
                and grant.partner.kind == kind
                and not grant.self_authorized
                and grant.is_good(now)
            }
        )


def forget_oldest(kept: OrderedDict[Any, Any], at_most: int) -> None:
    """Lets the first ones in go when there are too many."""
    while len(kept) > at_most:
        kept.popitem(last=False)
