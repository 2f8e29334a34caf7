"""Looks at an installation and says what it finds.

Answers for: settings, database, queue, key ring, mail, applications, accounts, one after the
other, without changing anything. Does not answer for: numbers and words of the list (``kinds``), or
for what there is to say of the gateway (``gateway``).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evergrant.checks import gateway, kinds
from evergrant.checks.kinds import Finding, Severity
from evergrant.errors import (
    AmazonError,
    ApplicationError,
    EvergrantError,
    Misconfigured,
    StoreUnavailable,
)
from evergrant.rules.urls import is_loopback

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports import Keyring
    from evergrant.ports.things import Application, IntegrationCredentials
    from evergrant.settings import Settings

__all__ = ["look"]

#: A mail that is due for so long says that nobody delivers.
OVERDUE = timedelta(minutes=5)
#: Clocks of server and database may differ by so much.
CLOCK_SLACK = timedelta(seconds=5)
PATIENCE_S = 10.0
_ROUND = 200


async def look(environ: Mapping[str, str] | None = None, *, live: bool = False) -> list[Finding]:
    """Looks at everything that can be reached and gives what it found, worst first. Never raises
    for what is wrong with the installation. ``live`` asks Login with Amazon once per
    application."""
    from evergrant.settings import Settings

    try:
        settings = Settings.from_environment(environ)
    except Misconfigured as error:
        return [kinds.SETTINGS_UNREADABLE(error.message, subject=error.setting, hint=error.hint)]
    found = [*_settings(settings), *gateway.ports(settings)]
    found += [finding async for finding in _mail(settings)]
    found += [finding async for finding in _house(settings, live=live)]
    order = list(Severity)
    return sorted(found, key=lambda finding: (order.index(finding.severity), finding.code))


def _settings(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.public_url)
    if is_loopback(url.hostname or ""):
        yield kinds.PUBLIC_URL_LOCAL(
            f"The public URL is {settings.public_url}.", subject="EVERGRANT_PUBLIC_URL"
        )
    elif url.scheme != "https":
        yield kinds.PUBLIC_URL_PLAIN(
            f"The public URL is {settings.public_url}.", subject="EVERGRANT_PUBLIC_URL"
        )
    made_up = [
        shown.name
        for shown in settings.shown
        if shown.source == "default"
        and shown.name in {"EVERGRANT_HOUSE_NAME", "EVERGRANT_MAIL_FROM", "EVERGRANT_SUPPORT_EMAIL"}
    ]
    if made_up:
        yield kinds.NOBODY_NAMED(f"Not set: {', '.join(made_up)}.", subject=made_up[0])
    if settings.clock_file is not None:
        yield kinds.CLOCK_STEERED(
            f"{settings.clock_file} is added to the time.", subject="EVERGRANT_CLOCK_FILE"
        )
    if settings.marketplaces_file is not None:
        yield kinds.AMAZON_OVERRIDDEN(
            f"By {settings.marketplaces_file}.", subject="EVERGRANT_MARKETPLACES_FILE"
        )


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    from evergrant import wiring

    if settings.development:
        yield kinds.MAIL_LOCAL("EVERGRANT_SMTP_URL is not set.", subject="EVERGRANT_SMTP_URL")
        return
    try:
        async with asyncio.timeout(PATIENCE_S):
            await wiring.mail_pipe(settings).ping()
    except EvergrantError as error:
        yield kinds.MAIL_SILENT(error.message, subject="EVERGRANT_SMTP_URL")
    except TimeoutError:
        yield kinds.MAIL_SILENT(
            f"No answer within {PATIENCE_S:g} seconds.", subject="EVERGRANT_SMTP_URL"
        )


async def _house(settings: Settings, *, live: bool) -> AsyncIterator[Finding]:
    from evergrant import wiring

    keyring: Keyring | None = None
    try:
        keyring = wiring.key_ring(settings)
        await keyring.seal(b"check", "check")
    except Misconfigured as error:
        if settings.keyring is None and not settings.keyring_file.exists():
            # With a database that holds sealed things this is grave; EG022 says so below.
            yield kinds.KEYRING_NOT_MADE(f"No file {settings.keyring_file}.")
            keyring = None
        else:
            yield kinds.KEYRING_TROUBLE(error.message, subject=error.setting, hint=error.hint)
            return
    if wiring.database_is_unmade(settings):
        yield kinds.DATABASE_NOT_MADE(f"Nothing below {settings.home} yet.")
        return
    try:
        async with wiring.database(settings) as url:
            ready = True
            async for finding in _schema(url):
                ready = ready and finding.severity is not Severity.ERROR
                yield finding
            if not ready:
                return
            async for finding in _contents(settings, url, keyring, live=live):
                yield finding
    except (StoreUnavailable, Misconfigured) as error:
        yield kinds.DATABASE_SILENT(
            error.message, subject="EVERGRANT_DATABASE_URL", hint=error.hint
        )


async def _schema(url: str) -> AsyncIterator[Finding]:
    from evergrant.adapters import queue, store

    has, wants = await store.schema_version(url), store.newest_version()
    if has != wants:
        yield kinds.SCHEMA_OLD(f"It is at {has or 'nothing'}, this version wants {wants}.")
    if not await queue.queue_is_there(url):
        yield kinds.QUEUE_MISSING("The schema 'procrastinate' is not there.")
    elif not await queue.workers_alive(url):
        yield kinds.NO_WORKER("No worker has given a sign of life in the last minute.")
    apart = abs(await queue.database_time(url) - datetime.now(UTC))
    if apart > CLOCK_SLACK:
        yield kinds.CLOCKS_DIFFER(f"They are {apart.total_seconds():.0f} seconds apart.")


async def _contents(
    settings: Settings, url: str, keyring: Keyring | None, *, live: bool
) -> AsyncIterator[Finding]:
    from evergrant import wiring

    async with wiring.open_desk(settings, url=url, keyring=keyring or wiring.no_keyring()) as desk:
        parts: list[Callable[[], AsyncIterator[Finding]]] = [
            lambda: _safe(desk, keyring),
            lambda: _outbox(desk),
            lambda: _applications(desk, settings, live=live),
            lambda: _accounts(desk),
            lambda: gateway.keys(desk),
            lambda: gateway.throttled(desk),
        ]
        for part in parts:
            try:
                async for finding in part():
                    yield finding
            except EvergrantError:
                raise
            except Exception as error:  # noqa: BLE001  # one broken check must not hide others
                yield kinds.BROKEN(f"{type(error).__name__}: {error}")


async def _safe(desk: Desk, keyring: Keyring | None) -> AsyncIterator[Finding]:
    known = list(await keyring.key_ids()) if keyring is not None else []
    current = await keyring.current_key_id() if keyring is not None else None
    async with desk.store.transaction() as tx:
        total = await tx.safe.count()
        openable = await tx.safe.count(key_id=known) if known else 0
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
            async for finding in _ask_lwa(desk, application):
                yield finding
    names = {application.id: application.name for application in applications}
    shared: dict[str, list[str]] = defaultdict(list)
    for row in credentials.values():
        if row.lwa_client_id:
            shared[row.lwa_client_id].append(names.get(row.id, row.id))
    for owners in shared.values():
        if len(owners) > 1:
            yield kinds.CLIENT_SHARED(f"{' and '.join(sorted(owners))}.")


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
    aws = (own.role_arn, own.access_key_hint, own.secret_key_set, own.queue_url)
    if any(aws) and not all(aws):
        yield kinds.AWS_HALF_SET(f"{application.name}.", subject=application.id)


async def _ask_lwa(desk: Desk, application: Application) -> AsyncIterator[Finding]:
    from evergrant.rules.applications import NOTIFICATIONS_SCOPE
    from evergrant.rules.rights import SYSTEM

    try:
        await desk.tokens.grantless(application.id, NOTIFICATIONS_SCOPE, by=SYSTEM)
    except ApplicationError as error:
        yield kinds.APPLICATION_REFUSED(
            f"{application.name}: {error.message}", subject=application.id
        )
    except AmazonError as error:
        yield kinds.AMAZON_SILENT(f"{application.name}: {error.message}", subject=application.id)


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
            own = relations.get(account.id)
            if own is None or (own.application_id, own.region) != (
                account.application_id,
                account.region,
            ):
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
