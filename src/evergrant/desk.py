"""A desk with every room on it: what a door is given.

Answers for: holding the rooms of one process together. Does not answer for: building them
(``furnishing``); it has no methods of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from evergrant.accounts import Accounts
from evergrant.amazon_reports import AmazonReports
from evergrant.bounces import Bounces
from evergrant.calls import Calls
from evergrant.consent import Consent
from evergrant.feeds import Feeds
from evergrant.limits import Limits
from evergrant.moving import Moving
from evergrant.notices import Notices
from evergrant.notifications import Notifications
from evergrant.orders import Orders
from evergrant.overview import Overview
from evergrant.people import People
from evergrant.ports import Clock
from evergrant.ports.news import News
from evergrant.ports.pulse import Pulse
from evergrant.ports.store import Store
from evergrant.ports.upstream import Upstream
from evergrant.post import Post
from evergrant.registry import Registry
from evergrant.reviews import Reviews
from evergrant.rotation import Rotations
from evergrant.rules.marketplaces import Marketplaces
from evergrant.sessions import Sessions
from evergrant.tokens import Tokens
from evergrant.vault import Vault
from evergrant.watch import Watch

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One per process and event loop."""

    clock: Clock
    store: Store
    marketplaces: Marketplaces
    vault: Vault
    people: People
    sessions: Sessions
    registry: Registry
    accounts: Accounts
    consent: Consent
    tokens: Tokens
    limits: Limits
    calls: Calls
    upstream: Upstream
    news: News
    pulse: Pulse
    notices: Notices
    bounces: Bounces
    reviews: Reviews
    rotations: Rotations
    moving: Moving
    feeds: Feeds
    orders: Orders
    amazon_reports: AmazonReports
    notifications: Notifications
    watch: Watch
    post: Post
    overview: Overview
