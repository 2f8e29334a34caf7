"""Applications, what is known of their credentials, client instances."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from evergrant.entrances.api.views.pages import View
from evergrant.ports.things import Application, ClientInstance, IntegrationCredentials
from evergrant.registry import AddedInstance
from evergrant.rules import terms
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.secrecy import Secret
from evergrant.rules.terms import SecretPhase

__all__ = [
    "AddedInstanceView",
    "ApplicationView",
    "CredentialsView",
    "InstanceView",
    "SigningSecretView",
]


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
    reminder_days: list[int] | None = Field(
        description="Days before the end on which clients are reminded; empty: never; "
        "null: as EVERGRANT_REMINDER_DAYS says"
    )
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
            reminder_days=_listed(application.reminder_days),
            created_at=application.created_at,
            changed_at=application.changed_at,
        )


def _listed(days: tuple[int, ...] | None) -> list[int] | None:
    return None if days is None else list(days)


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
    notifications_queue_url: str
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
            notifications_queue_url=credentials.notifications_queue_url,
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
    signing_secret_made_at: datetime | None
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
            signing_secret_made_at=instance.signing_secret_made_at,
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
