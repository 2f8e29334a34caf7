"""Looks at what a house holds, from a desk: safe, outbox, applications, accounts.

Answers for: what is plainly wrong or missing there, for ``evergrant check`` as for a server that
runs. Does not answer for: what the watch brings (``watching``), what
the kitchen does (``cooking``), what somebody has to sign
(``reviewing``), the gateway (``gateway``), or for settings and processes (``looking``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evergrant.checks import cooking, gateway, kinds, watching
from evergrant.checks.kinds import Finding
from evergrant.errors import (
    AmazonError,
    ApplicationError,
    EvergrantError,
    Misconfigured,
    SealBroken,
)
from evergrant.rules.urls import is_loopback

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import (
        Account,
        Application,
        Authorization,
        IntegrationCredentials,
    )
    from evergrant.settings import Settings

__all__ = ["astray", "contents"]

#: A mail that is due for so long says that nobody delivers.
OVERDUE = timedelta(minutes=5)
_ROUND = 200


async def contents(desk: Desk, settings: Settings, *, live: bool) -> AsyncIterator[Finding]:
    """``live`` asks Login with Amazon once per application, and reads its queue. Raises
    StoreUnavailable."""
    parts: list[Callable[[], AsyncIterator[Finding]]] = [
        lambda: _safe(desk),
        lambda: _outbox(desk),
        lambda: _applications(desk, settings, live=live),
        lambda: _accounts(desk),
        lambda: gateway.keys(desk),
        lambda: gateway.throttled(desk),
        lambda: watching.secrets(desk),
        lambda: watching.instances(desk),
        lambda: watching.board(desk),
        lambda: watching.grants(desk, settings),
        lambda: cooking.turns(desk),
        lambda: cooking.changes(desk),
        lambda: cooking.runs(desk),
        lambda: cooking.orders(desk),
    ]
    for part in parts:
        try:
            async for finding in part():
                yield finding
        except EvergrantError:
            raise
        except Exception as error:  # noqa: BLE001  # one broken check must not hide others
            yield kinds.BROKEN(f"{type(error).__name__}: {error}")


async def _safe(desk: Desk) -> AsyncIterator[Finding]:
    known = await desk.vault.key_ids()
    current = known[0] if known else None
    async with desk.store.transaction() as tx:
        total = await tx.safe.count()
        openable = await tx.safe.count(key_id=list(known)) if known else 0
        fresh = await tx.safe.count(key_id=current) if current else 0
    if total > openable:
        yield kinds.KEY_LOST(f"{total - openable} of {total} sealed things cannot be opened.")
    if openable > fresh:
        yield kinds.KEY_OLD(f"{openable - fresh} of {total} sealed things.")


async def _outbox(desk: Desk) -> AsyncIterator[Finding]:
    from evergrant.ports.things import OutboxState

    now = desk.clock.now()
    async with desk.store.transaction() as tx:
        overdue = await tx.outbox.all(
            state=OutboxState.WAITING, before=("next_at", now - OVERDUE), limit=_ROUND
        )
        failed = await tx.outbox.count(state=OutboxState.FAILED)
    if overdue:
        oldest = min(item.next_at for item in overdue)
        yield kinds.MAIL_STUCK(f"{len(overdue)} waiting since {oldest:%Y-%m-%d %H:%M} UTC.")
    if failed:
        yield kinds.MAIL_GIVEN_UP(f"{failed} in all.")


async def _applications(desk: Desk, settings: Settings, *, live: bool) -> AsyncIterator[Finding]:
    async with desk.store.transaction() as tx:
        applications = await tx.applications.all()
        credentials = {row.id: row for row in await tx.credentials.all()}
    if not applications:
        yield kinds.NO_APPLICATION("Nothing can be connected without one.")
    now = desk.clock.now()
    for application in applications:
        own = credentials.get(application.id)
        for finding in _addresses(application, settings):
            yield finding
        if own is None or not own.lwa_client_id or not own.secret_set:
            yield kinds.NO_CREDENTIALS(f"{application.name}.", subject=application.id)
            continue
        for finding in _credentials(application, own, now):
            yield finding
        if live:
            async for finding in _ask(desk, application):
                yield finding
    for finding in _shared(applications, list(credentials.values())):
        yield finding


def _shared(
    applications: Sequence[Application], credentials: Sequence[IntegrationCredentials]
) -> Iterator[Finding]:
    """What no two of them may have in common."""
    names = {application.id: application.name for application in applications}
    shared: dict[str, list[str]] = defaultdict(list)
    for row in credentials:
        if row.lwa_client_id:
            shared[row.lwa_client_id].append(names.get(row.id, row.id))
    for owners in shared.values():
        if len(owners) > 1:
            yield kinds.CLIENT_SHARED(f"{' and '.join(sorted(owners))}.")
    of_secrets = {row.queue_url for row in credentials} - {""}
    for row in [one for one in credentials if one.notifications_queue_url in of_secrets]:
        yield kinds.QUEUE_SHARED(f"{names.get(row.id, row.id)}.", subject=row.id)


def _addresses(application: Application, settings: Settings) -> Iterator[Finding]:
    for what, registered, ours in (
        ("log-in URI", application.login_uri, settings.login_uri),
        ("redirect URI", application.redirect_uri, settings.redirect_uri),
    ):
        parts = urlsplit(registered or ours)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            yield kinds.URI_PLAIN(
                f"{application.name}: its {what} is {registered or ours}.", subject=application.id
            )
        if registered and registered != ours:
            yield kinds.URI_FOREIGN(
                f"{application.name}: its {what} is {registered}, ours is {ours}.",
                subject=application.id,
            )


def _credentials(
    application: Application, own: IntegrationCredentials, now: datetime
) -> Iterator[Finding]:
    from evergrant.rules.terms import SecretPhase, secret_phase

    phase = secret_phase(now, own.secret_expires_at)
    ends = f"{own.secret_expires_at:%Y-%m-%d}" if own.secret_expires_at else "on an unknown day"
    by_phase = {
        SecretPhase.DEAD: kinds.SECRET_DEAD,
        SecretPhase.URGENT: kinds.SECRET_ENDS,
        SecretPhase.UNKNOWN: kinds.SECRET_UNDATED,
    }
    if phase in by_phase:
        yield by_phase[phase](f"{application.name}: it ends {ends}.", subject=application.id)
    if own.trouble:
        since = f" since {own.trouble_since:%Y-%m-%d %H:%M} UTC" if own.trouble_since else ""
        yield kinds.APPLICATION_REFUSED(
            f"{application.name}: {own.trouble}{since}.", subject=application.id
        )
    queue_url = own.queue_url or own.notifications_queue_url
    aws = (own.role_arn, own.access_key_hint, own.secret_key_set, queue_url)
    if any(aws) and not all(aws[1:]):  # without a role the keys themselves read the queue
        yield kinds.AWS_HALF_SET(f"{application.name}.", subject=application.id)


async def _ask(desk: Desk, application: Application) -> AsyncIterator[Finding]:
    """Login with Amazon, and the queue."""
    from evergrant.rules.rights import SYSTEM

    try:
        # An access token at hand would say nothing of the client secret.
        verified = await desk.rotations.verify(application.id, by=SYSTEM)
        if not verified.taken and not verified.about_scope:
            yield kinds.APPLICATION_REFUSED(
                f"{application.name}: {verified.words}.", subject=application.id
            )
    except ApplicationError as error:
        yield kinds.APPLICATION_REFUSED(
            f"{application.name}: {error.message}", subject=application.id
        )
    except AmazonError as error:
        yield kinds.AMAZON_SILENT(f"{application.name}: {error.message}", subject=application.id)
    try:
        await desk.rotations.try_queue(application.id, by=SYSTEM)
    except (ApplicationError, AmazonError, Misconfigured, SealBroken) as error:
        told = " ".join(part for part in (error.message, error.hint) if part)
        yield kinds.QUEUE_UNREADABLE(f"{application.name}: {told}", subject=application.id)


async def _accounts(desk: Desk) -> AsyncIterator[Finding]:
    from evergrant.rules.faults import Fault

    async with desk.store.transaction() as tx:
        instances = {row.id for row in await tx.instances.all()}
    after: str | None = None
    while True:
        async with desk.store.transaction() as tx:
            accounts = await tx.accounts.all(after=after, limit=_ROUND)
            relations = {
                row.account_id: row
                for row in await tx.authorizations.all(account_id=[row.id for row in accounts])
            }
        for account in accounts:
            if _is_astray(account, relations.get(account.id)):
                yield kinds.ACCOUNT_ASTRAY(f"{account.name}.", subject=account.id)
            if account.client_instance_id not in instances:
                yield kinds.INSTANCE_UNKNOWN(f"{account.name}.", subject=account.id)
            try:
                desk.marketplaces.consent_origin(account.home_marketplace, account.partner_kind)
            except Fault as fault:
                yield kinds.HOME_UNKNOWN(f"{account.name}: {fault.message}", subject=account.id)
        if len(accounts) < _ROUND:
            return
        after = accounts[-1].id


async def astray(desk: Desk) -> dict[str, list[str]]:
    """By application: the names of accounts whose authorization is of another application or
    another region, and of those that have none."""
    found: dict[str, list[str]] = defaultdict(list)
    after: str | None = None
    while True:
        async with desk.store.transaction() as tx:
            accounts = await tx.accounts.all(after=after, limit=_ROUND)
            relations = {
                row.account_id: row
                for row in await tx.authorizations.all(account_id=[row.id for row in accounts])
            }
        for account in accounts:
            if _is_astray(account, relations.get(account.id)):
                found[account.application_id].append(account.name)
        if len(accounts) < _ROUND:
            return found
        after = accounts[-1].id


def _is_astray(account: Account, own: Authorization | None) -> bool:
    return own is None or (own.application_id, own.region) != (
        account.application_id,
        account.region,
    )
