"""THE REGISTER. Applications with their integration credentials, and client instances.

Answers for: adding, changing, finding and listing them; their secrets going into the safe and
out of it for those who speak for an application; the one incident per application when Amazon
refuses it. Does not answer for: speaking with Amazon, rotating client secrets, or accounts.

Whom the reach of an API key ends at: a key bound to one client instance sees that instance
alone. Applications belong to no instance: such a key may read them (an account needs one), but
neither their credentials nor change anything.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from evergrant import journal, vault
from evergrant.errors import ApplicationIncomplete, ApplicationRefused, Conflict, NotFound
from evergrant.intake import Flaws, did_you_mean, need, need_everywhere
from evergrant.ports import Clock
from evergrant.ports.amazon import LwaClient
from evergrant.ports.store import (
    ONE_APPLICATION_PER_AMAZON_ID,
    ONE_APPLICATION_PER_NAME,
    ONE_INSTANCE_PER_NAME,
    AlreadyThere,
    Store,
    Transaction,
)
from evergrant.ports.things import Application, ClientInstance, IntegrationCredentials
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Marketplaces, PartnerKind
from evergrant.rules.rights import SYSTEM, Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault

__all__ = ["AddedInstance", "Credentials", "NewApplication", "NewInstance", "Registry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplication:
    """What an operator says of an application. Words may be enumeration members or their text."""

    name: str
    kind: str = ApplicationKind.PUBLIC
    partner_kinds: Collection[str] = (PartnerKind.SELLER,)
    status: str = ApplicationStatus.DRAFT
    application_id: str  # Amazon's: amzn1.sellerapps.app.* or amzn1.sp.solution.*
    developer_name: str = ""
    developer_id: str = ""
    login_uri: str = ""
    redirect_uri: str = ""
    beta_for_sellers: bool | None = None
    beta_for_vendors: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Integration credentials to set. None leaves a field as it is; empty (``""``, ``Secret("")``)
    removes it, except client id and client secret, which can only be replaced.

    A client secret lives 180 days from its creation; give the day it was made or the day it ends,
    as Amazon's console shows it. Without either its end is unknown and nobody is reminded.
    """

    lwa_client_id: str | None = None
    lwa_client_secret: Secret | None = None
    secret_created_at: datetime | None = None
    secret_expires_at: datetime | None = None
    lwa_url: str | None = None  # empty: that of the marketplaces table
    role_arn: str | None = None
    access_key: Secret | None = None
    secret_key: Secret | None = None
    queue_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """One installation of the house's software. All addresses are optional."""

    name: str
    base_url: str = ""
    return_url: str = ""
    webhook_url: str = ""


class AddedInstance(NamedTuple):
    """The instance, and the secret that its webhooks are signed with: shown this once."""

    instance: ClientInstance
    signing_secret: Secret


class Registry:
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when a name is taken or somebody else was faster."""

    def __init__(
        self, store: Store, clock: Clock, vault: Vault, marketplaces: Marketplaces
    ) -> None: ...

    # --- applications ---

    async def add_application(self, new: NewApplication, *, by: Caller) -> Application:
        """Needs MANAGE. Journal: ``application.added``."""
        ...

    async def change_application(
        self, id: str, changes: Mapping[str, object], *, by: Caller
    ) -> Application:
        """Changes the named fields of ``NewApplication``. Amazon's id and the kind are frozen once
        an account was authorized; a partner kind stays while accounts of it exist. Needs MANAGE.
        Journal: ``application.changed``."""
        ...

    async def application(self, id: str, *, by: Caller) -> Application: ...

    async def find_application(self, text: str, *, by: Caller) -> Application:
        """By id, by name, or by Amazon's application id."""
        ...

    async def applications(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[Application]: ...

    # --- integration credentials ---

    async def set_credentials(
        self, application_id: str, given: Credentials, *, by: Caller
    ) -> IntegrationCredentials:
        """Needs MANAGE. A replaced client secret is kept as the previous one for 7 days, as long
        as Amazon goes on accepting it. Journal: ``application.credentials_set``."""
        ...

    async def credentials(self, application_id: str, *, by: Caller) -> IntegrationCredentials:
        """All but the secrets. NotFound while none were set."""
        ...

    async def lwa_client(self, application_id: str) -> LwaClient:
        """For rooms that speak with LWA. Raises ApplicationIncomplete."""
        ...

    async def note_application_trouble(
        self, application_id: str, error: ApplicationRefused | None
    ) -> bool:
        """What LWA just said of the application itself: an error, or None when it was content.
        Gives True when that is news: journal ``application.trouble_began`` or
        ``application.trouble_ended``, once each. Marks no account."""
        ...

    # --- client instances ---

    async def add_instance(self, new: NewInstance, *, by: Caller) -> AddedInstance:
        """Needs MANAGE. Journal: ``instance.added``."""
        ...

    async def change_instance(
        self, id: str, changes: Mapping[str, object], *, by: Caller
    ) -> ClientInstance:
        """Needs MANAGE. Journal: ``instance.changed``."""
        ...

    async def renew_signing_secret(self, id: str, *, by: Caller) -> Secret:
        """A fresh signing secret; the old one is gone. Journal: ``instance.signing_secret_renewed``."""
        ...

    async def instance(self, id: str, *, by: Caller) -> ClientInstance: ...

    async def find_instance(self, text: str, *, by: Caller) -> ClientInstance:
        """By id or by name."""
        ...

    async def instances(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[ClientInstance]: ...

    async def signing_secret(self, instance_id: str) -> Secret | None:
        """For the post room, in Standard Webhooks form (``whsec_…``)."""
        ...

    async def note_seen(self, instance_id: str) -> None:
        """The instance called just now; written at most once a minute."""
        ...
