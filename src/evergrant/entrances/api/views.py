"""What callers get to see: the shape of every answer.

Answers for: names and types of members, made from the rooms' values. Does not answer for: secrets;
the few that are shown once have a view of their own, with the secret out of its repr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from evergrant.accounts import AccountView as AccountSeen
from evergrant.people import NewApiKey, NewConnectionKey
from evergrant.ports.things import (
    ApiKey,
    Application,
    Authorization,
    ClientInstance,
    ConnectionKey,
    Grant,
    GrantSource,
    IntegrationCredentials,
    Invitation,
    InvitationState,
    JournalLine,
    Participation,
    SupportReport,
)
from evergrant.registry import AddedInstance
from evergrant.rules import lifecycle, marketplaces, terms
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Marketplaces, PartnerKind, Region, VendorKind
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from evergrant.rules.terms import Phase, SecretPhase

Thing = TypeVar("Thing")
Shown = TypeVar("Shown")


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Page(View, Generic[Shown]):
    """One page of a list, in order of creation unless the list says otherwise."""

    items: list[Shown]
    next: str | None = Field(
        description="Send it as `after` to get the next page; null on the last page. Opaque."
    )


def page(
    found: Sequence[Thing],
    limit: int,
    show: Callable[[Thing], Shown],
    mark: Callable[[Thing], Any],
    most: int | None = None,
) -> Page[Shown]:
    """``found`` was asked for with one more than ``limit``, to know whether there is more. Of a
    room that gives ``most`` at once, a page that long may be followed by an empty one."""
    here = found[:limit]
    more = len(found) > limit or len(found) == most
    return Page(items=[show(one) for one in here], next=str(mark(here[-1])) if more else None)


class ApplicationView(View):
    id: str
    name: str
    kind: ApplicationKind
    partner_kinds: list[PartnerKind]
    status: ApplicationStatus
    application_id: str = Field(description="Amazon's id")
    developer_name: str
    developer_id: str
    login_uri: str
    redirect_uri: str
    beta_for_sellers: bool | None
    beta_for_vendors: bool | None
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, application: Application) -> ApplicationView:
        return cls(
            id=application.id,
            name=application.name,
            kind=application.kind,
            partner_kinds=sorted(application.partner_kinds),
            status=application.status,
            application_id=application.application_id,
            developer_name=application.developer_name,
            developer_id=application.developer_id,
            login_uri=application.login_uri,
            redirect_uri=application.redirect_uri,
            beta_for_sellers=application.beta_for_sellers,
            beta_for_vendors=application.beta_for_vendors,
            created_at=application.created_at,
            changed_at=application.changed_at,
        )


class CredentialsView(View):
    """Everything about the credentials but the secrets themselves."""

    application_id: str = Field(description="Evergrant's id of the application")
    lwa_client_id: str
    secret_set: bool
    secret_created_at: datetime | None
    secret_expires_at: datetime | None
    secret_phase: SecretPhase
    previous_secret_ends_at: datetime | None = Field(
        description="While it is in the future, Amazon may still accept the previous secret"
    )
    lwa_url: str
    role_arn: str
    queue_url: str
    access_key_hint: str = Field(description="The last four characters")
    secret_key_set: bool
    trouble: str = Field(description="What Login with Amazon last refused; empty when all is well")
    trouble_since: datetime | None
    changed_at: datetime

    @classmethod
    def of(cls, credentials: IntegrationCredentials, now: datetime) -> CredentialsView:
        return cls(
            application_id=credentials.id,
            lwa_client_id=credentials.lwa_client_id,
            secret_set=credentials.secret_set,
            secret_created_at=credentials.secret_created_at,
            secret_expires_at=credentials.secret_expires_at,
            secret_phase=terms.secret_phase(now, credentials.secret_expires_at),
            previous_secret_ends_at=credentials.previous_secret_ends_at,
            lwa_url=credentials.lwa_url,
            role_arn=credentials.role_arn,
            queue_url=credentials.queue_url,
            access_key_hint=credentials.access_key_hint,
            secret_key_set=credentials.secret_key_set,
            trouble=credentials.trouble,
            trouble_since=credentials.trouble_since,
            changed_at=credentials.changed_at,
        )


class InstanceView(View):
    id: str
    name: str
    base_url: str
    return_url: str
    webhook_url: str
    last_seen_at: datetime | None
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, instance: ClientInstance) -> InstanceView:
        return cls(
            id=instance.id,
            name=instance.name,
            base_url=instance.base_url,
            return_url=instance.return_url,
            webhook_url=instance.webhook_url,
            last_seen_at=instance.last_seen_at,
            created_at=instance.created_at,
            changed_at=instance.changed_at,
        )


class AddedInstanceView(InstanceView):
    signing_secret: str = Field(
        repr=False, description="`whsec_…`, for checking webhooks. Shown this once."
    )

    @classmethod
    def of_added(cls, added: AddedInstance) -> AddedInstanceView:
        shown = InstanceView.of(added.instance)
        return cls(**shown.model_dump(), signing_secret=added.signing_secret.reveal())


class SigningSecretView(View):
    signing_secret: str = Field(repr=False, description="`whsec_…`. Shown this once.")

    @classmethod
    def of(cls, secret: Secret) -> SigningSecretView:
        return cls(signing_secret=secret.reveal())


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
    changed_at: datetime

    @classmethod
    def of(cls, authorization: Authorization, now: datetime) -> AuthorizationView:
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
    def of(cls, seen: AccountSeen, now: datetime) -> AccountView:
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
            authorization=AuthorizationView.of(seen.authorization, now),
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


class ConnectionKeyView(View):
    id: str
    account_id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ConnectionKey) -> ConnectionKeyView:
        return cls(
            id=key.id,
            account_id=key.account_id,
            name=key.name,
            created_at=key.created_at,
            revoked_at=key.revoked_at,
        )


class AddedConnectionKeyView(ConnectionKeyView):
    secret: str = Field(
        repr=False,
        description="`egc_…`: an SDK's `refresh_token` at POST /auth/o2/token. Shown this once.",
    )

    @classmethod
    def of_new(cls, new: NewConnectionKey) -> AddedConnectionKeyView:
        return cls(**ConnectionKeyView.of(new.key).model_dump(), secret=new.secret.reveal())


class ApiKeyView(View):
    id: str
    name: str
    rights: list[Right]
    client_instance_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyView:
        return cls(
            id=key.id,
            name=key.name,
            rights=sorted(key.rights),
            client_instance_id=key.client_instance_id,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


class AddedApiKeyView(ApiKeyView):
    secret: str = Field(repr=False, description="`egk_…`. Shown this once.")

    @classmethod
    def of_new(cls, new: NewApiKey) -> AddedApiKeyView:
        return cls(**ApiKeyView.of(new.key).model_dump(), secret=new.secret.reveal())


class ReportView(View):
    """A failed authorization, as Dev Support needs it. It holds no secret."""

    id: str
    reference: str
    at: datetime
    reason: str
    blame: str
    account_id: str | None
    handshake_id: str | None
    facts: dict[str, JsonValue]
    resolved_at: datetime | None

    @classmethod
    def of(cls, report: SupportReport) -> ReportView:
        return cls(
            id=report.id,
            reference=report.reference,
            at=report.at,
            reason=report.reason,
            blame=report.blame,
            account_id=report.account_id,
            handshake_id=report.handshake_id,
            facts=dict(report.facts),
            resolved_at=report.resolved_at,
        )


class JournalLineView(View):
    id: int
    at: datetime
    caller: str = Field(description="`api_key:key_…`, `operator:opr_…`, `partner`, `system`, …")
    verb: str
    subject: str
    account_id: str | None
    facts: dict[str, JsonValue]

    @classmethod
    def of(cls, line: JournalLine) -> JournalLineView:
        return cls(
            id=line.id,
            at=line.at,
            caller=line.caller,
            verb=line.verb,
            subject=line.subject,
            account_id=line.account_id,
            facts=dict(line.facts),
        )


class MarketplaceView(View):
    country_code: str
    marketplace_id: str
    name: str
    region: Region
    endpoint: str
    seller_central: str = Field(description="Origin of Seller Central; empty: none known")
    vendor_central: str = Field(description="Origin of Vendor Central; empty: none known")
    currency: str

    @classmethod
    def of(cls, row: marketplaces.Marketplace, table: Marketplaces) -> MarketplaceView:
        return cls(
            country_code=row.country_code,
            marketplace_id=row.marketplace_id,
            name=row.name,
            region=row.region,
            endpoint=table.endpoint(row.region),
            seller_central=row.seller_central,
            vendor_central=row.vendor_central,
            currency=row.currency,
        )


class CallerView(View):
    kind: CallerKind
    id: str
    name: str
    rights: list[Right]
    client_instance_id: str | None = Field(description="null: reaches all client instances")

    @classmethod
    def of(cls, caller: Caller) -> CallerView:
        return cls(
            kind=caller.kind,
            id=caller.id,
            name=caller.name,
            rights=sorted(caller.rights),
            client_instance_id=caller.client_instance_id,
        )


class AccessTokenView(View):
    """Answered by the mint's own door; here for the description."""

    access_token: str = Field(repr=False, description="Goes into the header `x-amz-access-token`")
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds that it certainly still lives")
    expires_at: datetime
