"""The errors that Amazon shows on its own consent pages, and how it calls a token expired.

Answers for: what each code means and who acts. They never reach our redirect URI: the partner
reads them out on the phone, so support can look them up here.

Sources: Amazon's page "authorization-errors"; selling-partner-api-docs issues 517, 533, 1880,
2001. Our own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["PAGE_ERRORS", "SECRET_TROUBLE", "TOKEN_TROUBLE", "PageError", "page_error"]

#: Amazon's ``details`` of a 403 that a fresh access token cures (403 Unauthorized is all that the
#: code says; it also stands for missing roles and wrong regions). Sources: the second one in
#: selling-partner-api-models issues 230 and 2333; the first one stands on no page of Amazon's, we
#: know it from the source code of several SDKs that wait for it.
TOKEN_TROUBLE = (
    "The access token you provided has expired",
    "The access token you provided is revoked, malformed or invalid",
)
#: ``details`` of a 403 that is about the application: its client secret was not rotated. Source:
#: several SDKs that wait for it.
SECRET_TROUBLE = "The LWA secret token you provided has expired"  # noqa: S105


@dataclass(frozen=True, slots=True)
class PageError:
    code: str
    blame: Literal["partner", "application", "amazon"]
    cause: str
    to_do: str


_ALL = (
    PageError(
        "MD1000",
        "application",
        "A draft application without version=beta, or a wrong application id (often the LWA "
        "client id).",
        "Check the application id and the status; a draft needs the beta switch.",
    ),
    PageError(
        "MD5100",
        "application",
        "A general failure: seen for vendors without version=beta, for missing OAuth settings, "
        "and for faults at Amazon.",
        "Switch beta on for vendors and try again; check both URIs in the registration.",
    ),
    PageError(
        "MD5101",
        "application",
        "The redirect URI is not among those registered at Amazon.",
        "Register exactly the redirect URI that `evergrant app show` shows. For a published "
        "application it counts only after the change is published.",
    ),
    PageError(
        "MD5110",
        "application",
        "The redirect URI has a part after '#'.",
        "Register a redirect URI without it.",
    ),
    PageError(
        "MD9000",
        "application",
        "The application may not receive new authorizations, e.g. while it is under review.",
        "Use beta until the review is over, or ask Amazon's developer support.",
    ),
    PageError(
        "MD9010",
        "application",
        "An MWS developer id is missing for the region. Only hybrid applications had one.",
        "Remove the MWS developer id from the application's registration.",
    ),
    PageError(
        "MD9100",
        "application",
        "The log-in URI or the redirect URI is missing in the registration.",
        "Register both URIs that `evergrant app show` shows.",
    ),
    PageError(
        "MD9999",
        "amazon",
        "A general failure.",
        "Check application id, beta switch and both URIs; then try again later.",
    ),
    PageError(
        "SPDC8143",
        "partner",
        "The person who signed in is not the primary user of the Amazon account.",
        "Ask them to sign in as the primary user.",
    ),
    PageError(
        "SPSA0404",
        "partner",
        "Amazon does not support the kind of business behind this account.",
        "The partner asks Seller Support.",
    ),
    PageError(
        "SPSA2043",
        "partner",
        "The vendor group lacks the permission to manage its apps.",
        "An administrator of Vendor Central grants that permission, or signs in.",
    ),
    PageError(
        "CONSENT_LIMIT_REACHED",
        "application",
        "The application has as many authorizations as Amazon allows: 25 sellers while it is not "
        "listed in the Appstore.",
        "List the application in the Appstore, or end authorizations that nobody uses.",
    ),
)

PAGE_ERRORS: Mapping[str, PageError] = MappingProxyType({error.code: error for error in _ALL})


def page_error(text: str) -> PageError | None:
    """As people type it: lower case, blanks."""
    return PAGE_ERRORS.get(text.strip().upper().replace(" ", "_"))
