"""One file per tag of the description; each route calls one verb of a room and shows its value."""

from collections.abc import Sequence

from fastapi import APIRouter

from evergrant.entrances.api import limits
from evergrant.entrances.api.routes import (
    accounts,
    amazon_reports,
    applications,
    authorizations,
    changes,
    checks,
    events,
    feeds,
    instances,
    keys,
    mail,
    notices,
    orders,
    records,
    rotation,
)

__all__ = ["ROUTERS"]

ROUTERS: Sequence[APIRouter] = (
    accounts.router,
    authorizations.router,
    applications.router,
    rotation.router,
    instances.router,
    changes.router,
    feeds.router,
    orders.router,
    amazon_reports.router,
    events.router,
    notices.router,
    keys.router,
    limits.router,
    records.router,
    mail.router,
    checks.router,
)
