"""``evergrant check``: what is missing or wrong in an installation, as numbered findings.

Answers for: looking, without changing anything, at settings, database, queue, key ring, mail,
applications, accounts; and for the list of all findings, from which the reference page is made.
Does not answer for: repairing, or for what goes wrong while serving (journal and reports tell).

Numbers are stable: one that is no longer of use is not given to another finding.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evergrant.errors import (
    AmazonError,
    ApplicationError,
    Blame,
    EvergrantError,
    Misconfigured,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports import Keyring
    from evergrant.ports.things import Application, IntegrationCredentials
    from evergrant.settings import Settings

__all__ = ["FINDINGS", "Finding", "Kind", "Severity", "look"]

#: A mail that is due for so long says that nobody delivers.
OVERDUE = timedelta(minutes=5)
#: Clocks of server and database may differ by so much.
CLOCK_SLACK = timedelta(seconds=5)
PATIENCE_S = 10.0
_ROUND = 200


class Severity(StrEnum):
    ERROR = "error"  # something does not work
    WARNING = "warning"  # something will not work, or not safely
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of finding. ``blame``: who has to act."""

    code: str
    title: str
    severity: Severity
    blame: Blame
    hint: str

    def __call__(self, message: str, *, subject: str = "", hint: str | None = None) -> Finding:
        return Finding(
            code=self.code,
            severity=self.severity,
            blame=self.blame,
            message=message,
            hint=hint or self.hint,
            subject=subject,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found. ``subject`` is a setting's name or a thing's id, where there is one."""

    code: str
    severity: Severity
    blame: Blame
    message: str
    hint: str
    subject: str = ""


FINDINGS: dict[str, Kind] = {}


def _kind(code: str, severity: Severity, blame: Blame, title: str, hint: str) -> Kind:
    if code in FINDINGS:
        raise ValueError(f"{code} is taken")
    FINDINGS[code] = Kind(code=code, title=title, severity=severity, blame=blame, hint=hint)
    return FINDINGS[code]


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_US, _APP = Blame.US, Blame.APPLICATION

# fmt: off
SETTINGS_UNREADABLE = _kind("EG001", _E, _US, "A setting is missing or wrong",
    "Correct the setting that is named; `evergrant settings` shows all that are in force.")
PUBLIC_URL_PLAIN = _kind("EG002", _E, _US, "The public URL is not https",
    "Amazon sends authorization codes there. Put a proxy with a certificate in front and set EVERGRANT_PUBLIC_URL to its https address.")
PUBLIC_URL_LOCAL = _kind("EG003", _W, _US, "The public URL is reached from this machine only",
    "Fine for trying out. For real partners set EVERGRANT_PUBLIC_URL to the https address that they can reach.")
NOBODY_NAMED = _kind("EG004", _W, _US, "Letters carry a made-up house",
    "Set EVERGRANT_HOUSE_NAME, EVERGRANT_MAIL_FROM and EVERGRANT_SUPPORT_EMAIL.")
CLOCK_STEERED = _kind("EG005", _W, _US, "The time is steered by a file",
    "For tests only: unset EVERGRANT_CLOCK_FILE, or terms and reminders run by a wrong time.")
AMAZON_OVERRIDDEN = _kind("EG006", _N, _US, "Amazon's addresses are overridden",
    "Right with the emulator, or with a store that is new. Unset EVERGRANT_MARKETPLACES_FILE for Amazon as published.")
DATABASE_SILENT = _kind("EG010", _E, _US, "The database does not answer",
    "Check EVERGRANT_DATABASE_URL, and that PostgreSQL runs and lets this machine in.")
DATABASE_NOT_MADE = _kind("EG011", _N, _US, "There is no embedded database yet",
    "`evergrant up` or `evergrant migrate` makes it.")
SCHEMA_OLD = _kind("EG012", _E, _US, "The database's schema is not that of this version",
    "Run `evergrant migrate`; when the schema is newer than this version, start the newer version.")
QUEUE_MISSING = _kind("EG013", _E, _US, "The queue's tables are missing",
    "Run `evergrant migrate`.")
CLOCKS_DIFFER = _kind("EG014", _W, _US, "This machine and the database disagree on the time",
    "Let a time service (chrony, systemd-timesyncd) set both clocks.")
KEYRING_TROUBLE = _kind("EG020", _E, _US, "The key ring cannot be used",
    "Put the key ring back from your safe copy. Without it nothing that was sealed can be opened.")
KEYRING_NOT_MADE = _kind("EG021", _N, _US, "There is no key ring yet",
    "`evergrant up` or `evergrant migrate` makes it.")
KEY_LOST = _kind("EG022", _E, _US, "Something is sealed with a key that is not in the ring",
    "Put that key back behind the current one, then run `evergrant vault rotate-key --go-on`.")
KEY_OLD = _kind("EG023", _N, _US, "Something is still sealed with an older key",
    "Run `evergrant vault rotate-key --go-on`; older keys may leave the ring afterwards.")
MAIL_SILENT = _kind("EG030", _E, _US, "The mail relay does not take our mail",
    "Check EVERGRANT_SMTP_URL: host, port, TLS, user and password.")
MAIL_LOCAL = _kind("EG031", _W, _US, "Mails go to the development mailbox",
    "Nobody outside gets a mail. Set EVERGRANT_SMTP_URL to your mail relay.")
MAIL_STUCK = _kind("EG032", _E, _US, "Mails or webhooks are overdue",
    "Nobody delivers them: start `evergrant worker` (or `evergrant up`) and look into its log.")
MAIL_GIVEN_UP = _kind("EG033", _W, _US, "Mails or webhooks were given up",
    "`evergrant journal --verb letter.failed` and `--verb webhook.failed` say which and why.")
NO_WORKER = _kind("EG034", _W, _US, "No worker is running",
    "Start `evergrant worker`, or `evergrant up`.")
NO_APPLICATION = _kind("EG040", _N, _US, "There is no application yet",
    "Add one with `evergrant app add`.")
NO_CREDENTIALS = _kind("EG041", _E, _APP, "An application has no client id or no client secret",
    "Set them with `evergrant app credentials`; Amazon's developer console shows them.")
URI_FOREIGN = _kind("EG042", _W, _APP, "A registered address is not that of this installation",
    "Amazon sends browsers to the registered addresses only. Register this installation's, or correct them with `evergrant app change`.")
URI_PLAIN = _kind("EG043", _E, _APP, "A registered address is not https",
    "Amazon takes https addresses only. Register https ones and correct them with `evergrant app change`.")
SECRET_DEAD = _kind("EG044", _E, _APP, "A client secret is over",
    "Rotate it in Amazon's developer console, then `evergrant app credentials`.")
SECRET_ENDS = _kind("EG045", _W, _APP, "A client secret ends soon",
    "Rotate it in Amazon's developer console, then `evergrant app credentials`. The old one works for 7 more days.")
SECRET_UNDATED = _kind("EG046", _N, _APP, "The end of a client secret is unknown",
    "Amazon ends it 180 days after it was made. Tell the day with `evergrant app credentials APP --secret-created DAY`.")
APPLICATION_REFUSED = _kind("EG047", _E, _APP, "Amazon refuses an application",
    "Every account of it is affected. Check client id and client secret in Amazon's developer console.")
AWS_HALF_SET = _kind("EG048", _W, _APP, "AWS credentials of an application are incomplete",
    "For rotation by queue give all of role ARN, access key, secret key and queue URL, or none.")
CLIENT_SHARED = _kind("EG049", _E, _APP, "Two applications have the same LWA client id",
    "Every application at Amazon has its own. One of them carries the other's credentials.")
AMAZON_SILENT = _kind("EG050", _W, Blame.AMAZON, "Login with Amazon does not answer",
    "Try again later; check that this machine may connect to the internet.")
ACCOUNT_ASTRAY = _kind("EG060", _E, _US, "An account and its authorization name different applications or regions",
    "Its tokens would be another application's. Close the account, and add and connect it anew.")
INSTANCE_UNKNOWN = _kind("EG061", _E, Blame.CALLER, "An account belongs to a client instance that does not exist",
    "Give it one with `evergrant account change ACCOUNT --instance INSTANCE`.")
HOME_UNKNOWN = _kind("EG062", _E, Blame.CALLER, "An account's home marketplace has no consent page",
    "Change it with `evergrant account change ACCOUNT --home COUNTRY`, or correct EVERGRANT_MARKETPLACES_FILE.")
NOBODY_MAY_IN = _kind("EG070", _N, _US, "There is no API key yet",
    "Programs need one: `evergrant apikey add`.")
BROKEN = _kind("EG099", _E, _US, "A check itself broke",
    "Please report it with the log; the other checks are not affected.")
# fmt: on


# --- looking ----------------------------------------------------------------------------------


async def look(
    environ: Mapping[str, str] | None = None, *, live: bool = False
) -> list[Finding]:
    """Looks at everything that can be reached and gives what it found, worst first. Never raises
    for what is wrong with the installation. ``live`` asks Login with Amazon once per
    application."""
    from evergrant.settings import Settings

    try:
        settings = Settings.from_environment(environ)
    except Misconfigured as error:
        return [SETTINGS_UNREADABLE(error.message, subject=error.setting, hint=error.hint)]
    found = list(_settings(settings))
    found += [finding async for finding in _mail(settings)]
    found += [finding async for finding in _house(settings, live=live)]
    order = list(Severity)
    return sorted(found, key=lambda finding: (order.index(finding.severity), finding.code))


def _settings(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.public_url)
    local = url.hostname in {"localhost", "127.0.0.1", "::1"}
    if local:
        yield PUBLIC_URL_LOCAL(
            f"The public URL is {settings.public_url}.", subject="EVERGRANT_PUBLIC_URL"
        )
    elif url.scheme != "https":
        yield PUBLIC_URL_PLAIN(
            f"The public URL is {settings.public_url}.", subject="EVERGRANT_PUBLIC_URL"
        )
    made_up = [
        shown.name
        for shown in settings.shown
        if shown.source == "default"
        and shown.name
        in {"EVERGRANT_HOUSE_NAME", "EVERGRANT_MAIL_FROM", "EVERGRANT_SUPPORT_EMAIL"}
    ]
    if made_up:
        yield NOBODY_NAMED(f"Not set: {', '.join(made_up)}.", subject=made_up[0])
    if settings.clock_file is not None:
        yield CLOCK_STEERED(
            f"{settings.clock_file} is added to the time.", subject="EVERGRANT_CLOCK_FILE"
        )
    if settings.marketplaces_file is not None:
        yield AMAZON_OVERRIDDEN(
            f"By {settings.marketplaces_file}.", subject="EVERGRANT_MARKETPLACES_FILE"
        )


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    from evergrant import wiring

    if settings.development:
        yield MAIL_LOCAL("EVERGRANT_SMTP_URL is not set.", subject="EVERGRANT_SMTP_URL")
        return
    try:
        async with asyncio.timeout(PATIENCE_S):
            await wiring.mail_pipe(settings).ping()
    except EvergrantError as error:
        yield MAIL_SILENT(error.message, subject="EVERGRANT_SMTP_URL")
    except TimeoutError:
        yield MAIL_SILENT(
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
            yield KEYRING_NOT_MADE(f"No file {settings.keyring_file}.")
            keyring = None
        else:
            yield KEYRING_TROUBLE(error.message, subject=error.setting, hint=error.hint)
            return
    if wiring.database_is_unmade(settings):
        yield DATABASE_NOT_MADE(f"Nothing below {settings.home} yet.")
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
        yield DATABASE_SILENT(error.message, subject="EVERGRANT_DATABASE_URL", hint=error.hint)


async def _schema(url: str) -> AsyncIterator[Finding]:
    from evergrant.adapters import queue, store

    has, wants = await store.schema_version(url), store.newest_version()
    if has != wants:
        yield SCHEMA_OLD(f"It is at {has or 'nothing'}, this version wants {wants}.")
    if not await queue.queue_is_there(url):
        yield QUEUE_MISSING("The schema 'procrastinate' is not there.")
    elif not await queue.workers_alive(url):
        yield NO_WORKER("No worker has given a sign of life in the last minute.")
    apart = abs(await queue.database_time(url) - datetime.now(UTC))
    if apart > CLOCK_SLACK:
        yield CLOCKS_DIFFER(f"They are {apart.total_seconds():.0f} seconds apart.")


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
            lambda: _people(desk),
        ]
        for part in parts:
            try:
                async for finding in part():
                    yield finding
            except EvergrantError:
                raise
            except Exception as error:  # noqa: BLE001  # one broken check must not hide others
                yield BROKEN(f"{type(error).__name__}: {error}")


async def _safe(desk: Desk, keyring: Keyring | None) -> AsyncIterator[Finding]:
    known = list(await keyring.key_ids()) if keyring is not None else []
    current = await keyring.current_key_id() if keyring is not None else None
    async with desk.store.transaction() as tx:
        total = await tx.safe.count()
        openable = await tx.safe.count(key_id=known) if known else 0
        fresh = await tx.safe.count(key_id=current) if current else 0
    if total > openable:
        yield KEY_LOST(f"{total - openable} of {total} sealed things cannot be opened.")
    if openable > fresh:
        yield KEY_OLD(f"{openable - fresh} of {total} sealed things.")


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
        yield MAIL_STUCK(f"{len(overdue)} waiting since {oldest:%Y-%m-%d %H:%M} UTC.")
    if failed:
        yield MAIL_GIVEN_UP(f"{failed} in all.")


async def _applications(
    desk: Desk, settings: Settings, *, live: bool
) -> AsyncIterator[Finding]:
    async with desk.store.transaction() as tx:
        applications = await tx.applications.all()
        credentials = {row.id: row for row in await tx.credentials.all()}
    if not applications:
        yield NO_APPLICATION("Nothing can be connected without one.")
    now = desk.clock.now()
    for application in applications:
        own = credentials.get(application.id)
        for finding in _addresses(application, settings):
            yield finding
        if own is None or not own.lwa_client_id or not own.secret_set:
            yield NO_CREDENTIALS(f"{application.name}.", subject=application.id)
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
            yield CLIENT_SHARED(f"{' and '.join(sorted(owners))}.")


def _addresses(application: Application, settings: Settings) -> Iterator[Finding]:
    for what, registered, ours in (
        ("log-in URI", application.login_uri, settings.login_uri),
        ("redirect URI", application.redirect_uri, settings.redirect_uri),
    ):
        parts = urlsplit(registered or ours)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not local:
            yield URI_PLAIN(
                f"{application.name}: its {what} is {registered or ours}.", subject=application.id
            )
        if registered and registered != ours:
            yield URI_FOREIGN(
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
        SecretPhase.DEAD: SECRET_DEAD,
        SecretPhase.URGENT: SECRET_ENDS,
        SecretPhase.UNKNOWN: SECRET_UNDATED,
    }
    if phase in by_phase:
        yield by_phase[phase](f"{application.name}: it ends {ends}.", subject=application.id)
    if own.trouble:
        since = f" since {own.trouble_since:%Y-%m-%d %H:%M} UTC" if own.trouble_since else ""
        yield APPLICATION_REFUSED(
            f"{application.name}: {own.trouble}{since}.", subject=application.id
        )
    aws = (own.role_arn, own.access_key_hint, own.secret_key_set, own.queue_url)
    if any(aws) and not all(aws):
        yield AWS_HALF_SET(f"{application.name}.", subject=application.id)


async def _ask_lwa(desk: Desk, application: Application) -> AsyncIterator[Finding]:
    from evergrant.rules.applications import NOTIFICATIONS_SCOPE
    from evergrant.rules.rights import SYSTEM

    try:
        await desk.tokens.grantless(application.id, NOTIFICATIONS_SCOPE, by=SYSTEM)
    except ApplicationError as error:
        yield APPLICATION_REFUSED(f"{application.name}: {error.message}", subject=application.id)
    except AmazonError as error:
        yield AMAZON_SILENT(f"{application.name}: {error.message}", subject=application.id)


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
                yield ACCOUNT_ASTRAY(f"{account.name}.", subject=account.id)
            if account.client_instance_id not in instances:
                yield INSTANCE_UNKNOWN(f"{account.name}.", subject=account.id)
            try:
                desk.marketplaces.consent_origin(account.home_marketplace, account.partner_kind)
            except Fault as fault:
                yield HOME_UNKNOWN(f"{account.name}: {fault.message}", subject=account.id)
        if len(accounts) < _ROUND:
            return
        after = accounts[-1].id


async def _people(desk: Desk) -> AsyncIterator[Finding]:
    async with desk.store.transaction() as tx:
        keys = await tx.api_keys.count(revoked_at=None)
    if not keys:
        yield NOBODY_MAY_IN("No program can ask for access tokens.")
