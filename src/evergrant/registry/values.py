"""What operators say of applications, their credentials and client instances.

Answers for: names and meanings of what may be said. Does not answer for: what is wrong with it
(``inspection``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from evergrant.ports.things import ClientInstance
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.secrecy import Secret

__all__ = ["AddedInstance", "Credentials", "NewApplication", "NewInstance"]


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
    # Days before the end of a grant's year; none of them: no reminders; None: those of the settings
    reminder_days: Collection[int] | None = None


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
    queue_url: str | None = None  # Amazon leaves new client secrets there
    notifications_queue_url: str | None = None  # those of feeds, orders and reports: another queue


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
