"""What a client instance is told: every kind of event, with what it means.

Answers for: the list, which documentation and tests read. Does not answer for: when one is due (the
rooms), its facts (the out tray), or for delivery (the post room).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["EVENTS"]

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "authorization.granted": "connected for the first time",
        "authorization.renewed": "connected again by a later consent (`source` is consent or "
        "adopted), or Amazon accepts again what was thought dead (`source` is reinstated)",
        "authorization.expiring": "ends soon and has to be renewed",
        "authorization.lapsed": "its 365 days are over",
        "authorization.revoked": "Amazon refuses it before its time; `amazon_reason` has its words",
        "authorization.failed": "a consent or a renewal went wrong; `reference` names the report",
        "secret.expiring": "a client secret of the application ends soon",
        "secret.rotated": "the application has a new client secret",
        "secret.failed": "Amazon refuses the application",
        "secret.dead": "the client secret of the application is over",
        "account.changed": "what Amazon tells of an account changed (marketplaces, suspended "
        "listings, what it allows), or what the house keeps of it (name, flags, client instance, "
        "ids, closed or reopened)",
        "order.received": "an order of the account is new here; `GET /v1/orders` has it",
        "order.changed": "an order of the account changed at Amazon",
        "feed.settled": "a run came to its end: what was handed in is accepted, refused, or goes "
        "back to wait (`step` is settled or failed), or nobody can tell and a person decides "
        "(uncertain)",
        "changes.refused": "Amazon refused some of what was handed in; the first of them by id",
    }
)
