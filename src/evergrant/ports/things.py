"""The things that the store keeps, as frozen values.

Answers for: their fields. Does not answer for: which values are allowed together (rules and rooms).

Every value here is free of secrets: what must stay secret lies sealed in the safe (`SealedSecret`)
under a name made of the thing's id, so no row, log line or page that shows a thing can show a
secret.

Ids are text made by ``rules.ids.make``; instants are aware and in UTC and end in ``_at``.
Tuples stand where order matters or may be shown; JSON columns are plain mappings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.flags import ALL_ON, Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.rights import Right, Role

__all__ = [
    "Account",
    "ApiKey",
    "Application",
    "Authorization",
    "CallCount",
    "ClientInstance",
    "ConnectionKey",
    "Grant",
    "GrantSource",
    "Handshake",
    "HandshakeStep",
    "IntegrationCredentials",
    "Invitation",
    "InvitationState",
    "JournalLine",
    "Operator",
    "OutboxItem",
    "OutboxKind",
    "OutboxState",
    "Participation",
    "PlanOverride",
    "SealedSecret",
    "Standing",
    "SupportReport",
]

# --- the register ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One SP-API application of the software house (at Amazon: app, app client)."""

    id: str
    name: str
    kind: ApplicationKind
    partner_kinds: frozenset[PartnerKind]
    status: ApplicationStatus
    application_id: str  # Amazon's: amzn1.sellerapps.app.* or amzn1.sp.solution.*
    developer_name: str = ""
    developer_id: str = ""
    login_uri: str = ""  # as registered at Amazon
    redirect_uri: str = ""  # as registered at Amazon
    # None: decided by `rules.applications.needs_beta`; a bool overrides it for that partner kind.
    beta_for_sellers: bool | None = None
    beta_for_vendors: bool | None = None
    # Days before the end of a term on which a reminder goes out; None: those of the settings.
    reminder_days: tuple[int, ...] | None = None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationCredentials:
    """What an application needs to speak with Amazon. The secrets themselves lie in the safe:
    the client secret (current, previous) and the AWS access and secret key."""

    id: str  # equal to the application's id: one row each
    lwa_client_id: str
    secret_set: bool = False
    secret_created_at: datetime | None = None
    secret_expires_at: datetime | None = None
    previous_secret_ends_at: datetime | None = None
    lwa_url: str = ""  # empty: that of the marketplaces table
    role_arn: str = ""
    queue_url: str = ""
    #: Where Amazon's notifications of feeds, orders and reports come in; read with the same keys.
    notifications_queue_url: str = ""
    access_key_hint: str = ""  # the last four characters of the AWS access key, to recognise it
    secret_key_set: bool = False
    # What LWA last said of the application itself: empty while it accepts it.
    trouble: str = ""
    trouble_since: datetime | None = None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInstance:
    """One installation of the house's software that wants to hear of its accounts."""

    id: str
    name: str
    base_url: str = ""
    return_url: str = ""  # where the partner's browser goes after the thank-you page
    webhook_url: str = ""  # signing secret in the safe
    signing_secret_made_at: datetime | None = None  # None: before anybody noted it
    last_seen_at: datetime | None = None
    created_at: datetime
    changed_at: datetime


# --- the account book -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One selling partner in one region, wanted or connected."""

    id: str
    name: str
    partner_kind: PartnerKind
    vendor_kind: VendorKind | None = None  # None for sellers
    client_email: str
    application_id: str  # ours
    client_instance_id: str
    region: Region
    home_marketplace: str  # country code; chooses the consent host
    merchant_token: str = ""  # sellers; an identifier, not a secret
    vendor_codes: tuple[str, ...] = ()
    flags: Mapping[Flag, bool] = field(default_factory=lambda: dict(ALL_ON))
    language: str = "en"
    notes: str = ""
    oauth_began: bool = False
    oauth_began_at: datetime | None = None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The relation between an account and its application: exactly one per account."""

    id: str
    account_id: str
    application_id: str
    region: Region
    state: State
    selling_partner_id: str = ""  # merchant token or vendor group code, as Amazon reported it
    grant_id: str | None = None  # the grant in force; its refresh token lies in the safe
    granted_at: datetime | None = None
    term_ends_at: datetime | None = None  # None: unknown, or no end is stated by Amazon
    refused_at: datetime | None = None
    refused_reason: str = ""  # Amazon's words
    first_refused_at: datetime | None = None  # first look; a second one decides
    checked_at: datetime | None = None  # last time Amazon answered a call with it
    finding: str = ""  # what the last check found, empty when all is well
    look_due_at: datetime | None = None  # a first look at this grant is owed; None: it was made
    looks: int = 0  # tries of that look so far
    probe_due_at: datetime | None = None  # the next daily probe; None: its slot is not set yet
    probe_failures: int = 0  # probes in a row that said nothing
    probe_doubt: str = ""  # what the last one found and the next has to confirm
    version: int = 0
    changed_at: datetime


class GrantSource(StrEnum):
    CONSENT = "consent"
    ADOPTED = "adopted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One refresh token that Amazon gave us, as history."""

    id: str
    authorization_id: str
    source: GrantSource
    selling_partner_id: str
    granted_at: datetime | None
    term_ends_at: datetime | None
    handshake_id: str | None = None
    # Of its refresh token: tells that one refresh token was pasted for two accounts.
    token_digest: str = field(default="", repr=False)
    superseded_at: datetime | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """One marketplace of an account as Amazon last reported it."""

    id: str  # account_id/marketplace_id
    account_id: str
    marketplace_id: str
    country_code: str
    name: str
    store_name: str = ""
    domain_name: str = ""
    currency: str = ""
    participating: bool
    suspended: bool
    seen_at: datetime


# --- the reception --------------------------------------------------------------------------


class InvitationState(StrEnum):
    OPEN = "open"
    SPENT = "spent"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """The letter (days). Its link lies sealed in the safe; here is only the digest."""

    id: str
    account_id: str
    link_digest: str
    email: str
    language: str
    state: InvitationState
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None = None
    spent_at: datetime | None = None


class HandshakeStep(StrEnum):
    """How far one attempt at consent came. Steps only go down this list."""

    BEGUN = "begun"  # the browser was sent to Amazon
    LOGGED_IN = "logged_in"  # came back at the log-in URI, was sent on
    SPENT = "spent"  # the callback was accepted; the code is being exchanged
    DONE = "done"  # the refresh token lies in the safe
    FAILED = "failed"
    LOST = "lost"  # was SPENT for too long: the process died in between


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One attempt at consent (minutes, spent once). Owns the OAuth ``state``, kept as digest."""

    id: str
    invitation_id: str
    account_id: str
    application_id: str
    step: HandshakeStep
    state_digest: str
    browser_digest: str  # of the cookie of the browser that began it
    consent_origin: str
    redirect_uri: str
    selling_partner_id: str = ""  # as the log-in leg reported it
    created_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str = ""
    reference: str = ""  # of the support report, when it failed


# --- the diary, the post room, Dev Support --------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """Who did what to whom. Appended, never changed."""

    id: int = 0  # given by the store
    at: datetime
    caller: str  # "operator:opr_…", "api_key:key_…", "command_line:root", "partner", "system"
    verb: str  # dotted, past tense: "account.added", "authorization.granted"
    subject: str  # id of the thing
    account_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class OutboxKind(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


class OutboxState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # gave up


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One mail or webhook that has to go out. Committed with the fact that it tells of.

    ``topic`` names the letter ("invitation", "support_report") or the event
    ("authorization.granted"); ``subject`` the thing it is about. ``facts`` is what the letter or
    event says and never holds a secret: a link or a signing secret is opened at delivery.
    """

    id: str
    kind: OutboxKind
    topic: str
    subject: str
    to: str  # mail address, or client instance id
    language: str = "en"
    account_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    # Of a webhook: its event and that one's position. Events of one account leave in this order.
    event_id: str | None = None
    position: int = 0
    state: OutboxState = OutboxState.WAITING
    attempts: int = 0
    next_at: datetime
    last_error: str = ""
    created_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportReport:
    """A failed authorization with everything needed to solve it, and no secret in it."""

    id: str
    reference: str  # shown on the page, unique
    at: datetime
    reason: str  # a value of rules.invitations.Refusal, or an error code
    blame: str
    account_id: str | None = None
    handshake_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    resolved_at: datetime | None = None


# --- the key rack ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    id: str
    name: str
    email: str  # lower case, unique
    role: Role
    password_hash: str = field(repr=False)
    created_at: datetime
    disabled_at: datetime | None = None
    second_factor_at: datetime | None = None  # since when a second factor is set
    #: Of the last code that was accepted; it and earlier ones are spent.
    code_step: int = field(default=0, repr=False)
    sso_subject: str = ""  # "issuer subject", once somebody came in by the identity provider
    signed_in_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """``client_instance_id`` None: reaches all instances. ``account_ids`` None: all accounts that
    the instance reaches, else these and nothing besides. The key itself is kept as digest."""

    id: str
    name: str
    digest: str = field(repr=False)
    rights: frozenset[Right]
    client_instance_id: str | None = None
    account_ids: frozenset[str] | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None  # rotated: the key that takes its place; ends at expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionKey:
    """Stands for one account at the LWA-compatible door, where an SDK expects a refresh token."""

    id: str
    account_id: str
    name: str = ""
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None


# --- limits and calls -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOverride:
    """A usage plan that an operator set. The narrowest that fits decides: that of the account,
    then of the application, then that for all. ``operation`` is a name of `rules.operations`."""

    id: str
    operation: str
    application_id: str | None = None
    account_id: str | None = None
    rate_per_s: float
    burst: int
    #: False: of a pair of account and application. True: of the application over all its accounts.
    of_application: bool = False
    note: str = ""
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount:
    """Calls of one account to one operation within one hour, over all processes."""

    id: str  # account/operation/hour
    account_id: str
    operation: str
    hour_at: datetime
    calls: int = 0
    waits: int = 0  # calls that waited for a permit
    waited_ms: int = 0
    refused: int = 0  # our own 429
    throttled: int = 0  # Amazon's
    errors: Mapping[str, int] = field(default_factory=dict)  # by cause
    last_at: datetime


# --- the safe -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """One secret, sealed. ``id`` is its name in the safe and part of the seal, so a ciphertext
    that is moved to another row does not open."""

    id: str  # e.g. "grant/grt_…/refresh_token"
    key_id: str
    ciphertext: bytes = field(repr=False)
    sealed_at: datetime
    expires_at: datetime | None = None  # of what is inside; swept afterwards


# --- what the hot doors read ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that a hot door must know of an account before it hands out an access token."""

    account_id: str
    client_instance_id: str
    authorization_id: str
    application_id: str
    partner_kind: PartnerKind
    region: Region
    state: State
    grant_id: str | None
    term_ends_at: datetime | None
    refused_reason: str
