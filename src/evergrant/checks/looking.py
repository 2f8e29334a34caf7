"""Looks at an installation and says what it finds.

Answers for: settings, mail, key ring, database and queue, from an environment or from a desk that
stands, one after the other, without changing anything. Does not answer for: numbers and words of
the list (``kinds``), or for what lies in the database (``contents``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evergrant.checks import gateway, kinds
from evergrant.checks.contents import contents
from evergrant.checks.kinds import Finding, Severity
from evergrant.checks.reviewing import Reviewed, items_of, unsettled
from evergrant.errors import EvergrantError, Misconfigured, StoreUnavailable
from evergrant.rules.urls import is_loopback

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports import Keyring
    from evergrant.settings import Settings

__all__ = ["Survey", "look", "look_at", "survey", "worst_first"]

#: Clocks of server and database may differ by so much.
CLOCK_SLACK = timedelta(seconds=5)
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found, worst first, and how it stands with the list of what has to be reviewed:
    empty where the database could not be read."""

    findings: list[Finding]
    items: list[Reviewed]

    @property
    def is_ready(self) -> bool:
        """To go live: nothing is broken, and all was reviewed."""
        return (
            bool(self.items)
            and all(one.state.is_settled for one in self.items)
            and all(one.severity is not Severity.ERROR for one in self.findings)
        )


async def look(environ: Mapping[str, str] | None = None, *, live: bool = False) -> list[Finding]:
    """The findings of ``survey``."""
    return (await survey(environ, live=live)).findings


async def survey(environ: Mapping[str, str] | None = None, *, live: bool = False) -> Survey:
    """Looks at everything that can be reached from an environment, without a server. Never raises
    for what is wrong with the installation. ``live`` asks Login with Amazon once per
    application, and reads its queue."""
    from evergrant.settings import Settings

    try:
        settings = Settings.from_environment(environ)
    except Misconfigured as error:
        told = kinds.SETTINGS_UNREADABLE(error.message, subject=error.setting, hint=error.hint)
        return Survey(findings=[told], items=[])
    found = [*_settings(settings), *gateway.ports(settings)]
    found += [finding async for finding in _mail(settings)]
    items: list[Reviewed] = []
    found += [finding async for finding in _house(settings, items, live=live)]
    return Survey(findings=worst_first(found), items=items)


async def look_at(desk: Desk, settings: Settings, *, live: bool = False) -> Survey:
    """The same from a desk that stands: of a server that runs. Its mail relay is asked when
    ``live`` only; workers and the schema are not looked at. Raises StoreUnavailable."""
    found = [*_settings(settings), *gateway.ports(settings)]
    if live or settings.development:
        found += [finding async for finding in _mail(settings)]
    items: list[Reviewed] = []
    found += [finding async for finding in _inside(desk, settings, items, live=live)]
    return Survey(findings=worst_first(found), items=items)


def worst_first(found: list[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(found, key=lambda finding: (order.index(finding.severity), finding.code))


async def _inside(
    desk: Desk, settings: Settings, items: list[Reviewed], *, live: bool
) -> AsyncIterator[Finding]:
    async for finding in contents(desk, settings, live=live):
        yield finding
    items += await items_of(desk, settings)
    for finding in unsettled(items):
        yield finding


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


async def _house(
    settings: Settings, items: list[Reviewed], *, live: bool
) -> AsyncIterator[Finding]:
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
            ring = keyring or wiring.no_keyring()
            async with wiring.open_desk(settings, url=url, keyring=ring) as desk:
                async for finding in _inside(desk, settings, items, live=live):
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
    elif not await _workers_alive(url):
        yield kinds.NO_WORKER("No worker has given a sign of life in the last minute.")
    apart = abs(await queue.database_time(url) - datetime.now(UTC))
    if apart > CLOCK_SLACK:
        yield kinds.CLOCKS_DIFFER(f"They are {apart.total_seconds():.0f} seconds apart.")


async def _workers_alive(url: str) -> int:
    from evergrant.adapters.pulse import PostgresPulse

    pulse = PostgresPulse(url)
    try:
        return (await pulse.look()).alive()
    finally:
        await pulse.close()
