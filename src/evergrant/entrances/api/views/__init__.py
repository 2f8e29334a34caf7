"""What callers get to see: the shape of every answer.

Answers for: names and types of members, made from the rooms' values. Does not answer for: secrets;
the few that are shown once have a view of their own, with the secret out of its repr.
"""

from evergrant.entrances.api.views.accounts import (
    AccessTokenView,
    AccountView,
    AuthorizationHistoryView,
    AuthorizationView,
    FlagsView,
    GrantView,
    InvitationView,
    LinkView,
    ParticipationView,
)
from evergrant.entrances.api.views.keys import (
    AddedApiKeyView,
    AddedConnectionKeyView,
    ApiKeyView,
    CallerView,
    ConnectionKeyView,
)
from evergrant.entrances.api.views.pages import (
    Page,
    View,
    page,
)
from evergrant.entrances.api.views.records import (
    JournalLineView,
    MarketplaceView,
    ReportView,
)
from evergrant.entrances.api.views.registry import (
    AddedInstanceView,
    ApplicationView,
    CredentialsView,
    InstanceView,
    SigningSecretView,
)

__all__ = [
    "AccessTokenView",
    "AccountView",
    "AddedApiKeyView",
    "AddedConnectionKeyView",
    "AddedInstanceView",
    "ApiKeyView",
    "ApplicationView",
    "AuthorizationHistoryView",
    "AuthorizationView",
    "CallerView",
    "ConnectionKeyView",
    "CredentialsView",
    "FlagsView",
    "GrantView",
    "InstanceView",
    "InvitationView",
    "JournalLineView",
    "LinkView",
    "MarketplaceView",
    "Page",
    "ParticipationView",
    "ReportView",
    "SigningSecretView",
    "View",
    "page",
]
