"""Accounts, their authorizations, letters and access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from evergrant.accounts import AccountView as AccountSeen
from evergrant.entrances.api.views.pages import View
from evergrant.ports.things import (
    Authorization,
    Grant,
    GrantSource,
    Invitation,
    InvitationState,
    Participation,
)
from evergrant.rules import lifecycle, terms
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.reminders import Outlook
from evergrant.rules.secrecy import Secret
from evergrant.rules.terms import Phase

__all__ = [
    "AccessTokenView",
    "AccountView",
    "AuthorizationHistoryView",
    "AuthorizationView",
    "FlagsView",
    "GrantView",
    "InvitationView",
    "LinkView",
    "ParticipationView",
]


class AuthorizationView(View):
    """Where the relation between the account and its application stands."""

    state: State
    selling_partner_id: str = Field(description="As Amazon reported it; empty before consent")
    granted_at: datetime | None
    term_ends_at: datetime | None = Field(description="null: unknown, or Amazon states no end")
    phase: Phase = Field(description="How near the end of the term is, at this moment")
    serves_tokens: bool = Field(description="Whether access tokens are handed out in this state")
    needs_consent: bool = Field(description="Whether the selling partner has to act")
    refused_at: datetime | None
    refused_reason: str = Field(description="Amazon's words")
    checked_at: datetime | None = Field(description="When Amazon last answered a call with it")
    finding: str = Field(description="What the last check found; empty when all is well")
    next_reminder_at: datetime | None = Field(
        description="When the client, or for a self-authorization operators, are reminded next; "
        "null: nobody will be"
    )
    outlook: str = Field(description="What comes next, in words; empty when there is nothing")
    changed_at: datetime

    @classmethod
    def of(cls, authorization: Authorization, now: datetime, outlook: Outlook) -> AuthorizationView:
        return cls(
            state=authorization.state,
            selling_partner_id=authorization.selling_partner_id,
            granted_at=authorization.granted_at,
            term_ends_at=authorization.term_ends_at,
            phase=terms.phase(now, authorization.term_ends_at),
            serves_tokens=lifecycle.serves_tokens(authorization.state),
            needs_consent=lifecycle.needs_consent(authorization.state),
            refused_at=authorization.refused_at,
            refused_reason=authorization.refused_reason,
            checked_at=authorization.checked_at,
            finding=authorization.finding,
            next_reminder_at=outlook.next_reminder_at,
            outlook=outlook.words,
            changed_at=authorization.changed_at,
        )


class ParticipationView(View):
    marketplace_id: str
    country_code: str
    name: str
    store_name: str
    domain_name: str
    currency: str
    participating: bool
    suspended: bool
    seen_at: datetime

    @classmethod
    def of(cls, participation: Participation) -> ParticipationView:
        return cls(
            marketplace_id=participation.marketplace_id,
            country_code=participation.country_code,
            name=participation.name,
            store_name=participation.store_name,
            domain_name=participation.domain_name,
            currency=participation.currency,
            participating=participation.participating,
            suspended=participation.suspended,
            seen_at=participation.seen_at,
        )


class FlagsView(View):
    """null: Amazon has no such thing for this kind of account."""

    update_stock: bool | None
    update_price: bool | None
    ship_orders: bool | None
    upload_invoices: bool | None
    cancel_orders: bool | None
    refund_orders: bool | None


class AccountView(View):
    id: str
    name: str
    partner_kind: PartnerKind
    vendor_kind: VendorKind | None
    client_email: str
    application_id: str = Field(description="Evergrant's id of the application")
    client_instance_id: str
    region: Region
    home_marketplace: str
    merchant_token: str
    vendor_codes: list[str]
    flags: FlagsView
    language: str
    notes: str
    oauth_began: bool = Field(description="Whether a consent link was ever made for it")
    oauth_began_at: datetime | None
    created_at: datetime
    changed_at: datetime
    authorization: AuthorizationView
    participations: list[ParticipationView] = Field(
        description="Marketplaces as Amazon last reported them; sellers only"
    )

    @classmethod
    def of(cls, seen: AccountSeen, now: datetime, outlook: Outlook) -> AccountView:
        account = seen.account
        return cls(
            id=account.id,
            name=account.name,
            partner_kind=account.partner_kind,
            vendor_kind=account.vendor_kind,
            client_email=account.client_email,
            application_id=account.application_id,
            client_instance_id=account.client_instance_id,
            region=account.region,
            home_marketplace=account.home_marketplace,
            merchant_token=account.merchant_token,
            vendor_codes=list(account.vendor_codes),
            flags=FlagsView(**{flag.value: on for flag, on in seen.flags_view.items()}),
            language=account.language,
            notes=account.notes,
            oauth_began=account.oauth_began,
            oauth_began_at=account.oauth_began_at,
            created_at=account.created_at,
            changed_at=account.changed_at,
            authorization=AuthorizationView.of(seen.authorization, now, outlook),
            participations=[ParticipationView.of(one) for one in seen.participations],
        )


class GrantView(View):
    """One grant of the history; the one without `superseded_at` is in force, or was the last."""

    id: str
    source: GrantSource
    selling_partner_id: str
    granted_at: datetime | None
    term_ends_at: datetime | None
    superseded_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, grant: Grant) -> GrantView:
        return cls(
            id=grant.id,
            source=grant.source,
            selling_partner_id=grant.selling_partner_id,
            granted_at=grant.granted_at,
            term_ends_at=grant.term_ends_at,
            superseded_at=grant.superseded_at,
            created_at=grant.created_at,
        )


class AuthorizationHistoryView(View):
    account_id: str
    authorization: AuthorizationView
    grants: list[GrantView] = Field(description="Oldest first")


class InvitationView(View):
    id: str
    account_id: str
    email: str
    language: str
    state: InvitationState
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None
    spent_at: datetime | None

    @classmethod
    def of(cls, invitation: Invitation) -> InvitationView:
        return cls(
            id=invitation.id,
            account_id=invitation.account_id,
            email=invitation.email,
            language=invitation.language,
            state=invitation.state,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
            opened_at=invitation.opened_at,
            spent_at=invitation.spent_at,
        )


class LinkView(View):
    link: str = Field(
        repr=False,
        description="Whoever holds it can connect a shop to this account. Do not log it.",
    )

    @classmethod
    def of(cls, link: Secret) -> LinkView:
        return cls(link=link.reveal())


class AccessTokenView(View):
    """Answered by the mint's own door; here for the description."""

    access_token: str = Field(repr=False, description="Goes into the header `x-amz-access-token`")
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds that it certainly still lives")
    expires_at: datetime
