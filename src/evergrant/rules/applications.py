"""What kinds of applications there are, and what follows from the kind.

Answers for: kinds, status, grantless scopes, the beta switch. Does not answer for: their
credentials (the register) or the shape of their ids (`ids`).
"""

from __future__ import annotations

from enum import StrEnum

from evergrant.rules.marketplaces import PartnerKind

__all__ = [
    "GRANTLESS_SCOPES",
    "NOTIFICATIONS_SCOPE",
    "ROTATION_SCOPE",
    "TRACKING_SCOPE",
    "ApplicationKind",
    "ApplicationStatus",
    "needs_beta",
]

NOTIFICATIONS_SCOPE = "sellingpartnerapi::notifications"
ROTATION_SCOPE = "sellingpartnerapi::client_credential:rotation"
TRACKING_SCOPE = "sellingpartnerapi::shipments:track"

#: Scopes of the grantless operations. Source: Amazon's page "grantless-operations" and the
#: Application Management and Tracking API guides.
GRANTLESS_SCOPES = frozenset({NOTIFICATIONS_SCOPE, ROTATION_SCOPE, TRACKING_SCOPE})


class ApplicationKind(StrEnum):
    PUBLIC = "public"  # others authorize it by the consent workflow
    PRIVATE = "private"  # only self-authorization in Amazon's console; no consent workflow


class ApplicationStatus(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"


def needs_beta(
    status: ApplicationStatus, partner_kind: PartnerKind, override: bool | None = None
) -> bool:
    """Whether the consent URL carries ``version=beta``.

    A draft application must carry it (without: error MD1000), a published one must not. For
    vendors sources disagree: Amazon's pages name drafts only, while Amazon's staff wrote that
    vendor consent of an application that is published for sellers needs it as well; so it can be
    overridden per partner kind. Source: Amazon's page "website-authorization-workflow";
    selling-partner-api-docs issue 2001.
    """
    if override is not None:
        return override
    return status is ApplicationStatus.DRAFT
