"""THE FUSE BOX. Settings become adapters, adapters go into sockets, a desk stands on them.

Answers for: naming concrete classes (nobody else does), the order in which things are opened and
closed, and for the verbs that concern a database as a whole. Does not answer for: what any of it
does, or for processes, sockets and signals (``entrances``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evergrant import __version__
from evergrant.adapters.amazon import HttpLWA, HttpSellingPartnerApi, user_agent
from evergrant.adapters.bell import ProcrastinateBell
from evergrant.adapters.clock import SteeredClock, SystemClock
from evergrant.adapters.documents import HttpDocuments
from evergrant.adapters.keyring import FileKeyring, TextKeyring, make_keyring
from evergrant.adapters.mail import Relay, SmtpMail
from evergrant.adapters.webhooks import HttpWebhooks
from evergrant.desk import Desk
from evergrant.errors import Conflict, EvergrantError, Misconfigured, NotDelivered
from evergrant.furnishing import Sockets, furnished
from evergrant.logs import logger
from evergrant.moving import Sealing
from evergrant.ports import Bell, Clock, Keyring, Letter, Mail
from evergrant.rules.receivers import Receivers
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings

if TYPE_CHECKING:
    from procrastinate import App

    from evergrant.adapters.embedded_postgres import EmbeddedPostgres
    from evergrant.adapters.single_sign_on import HttpSingleSignOn

_log = logger(__name__)

#: Seconds between two looks at the embedded server's process.
MIND_EVERY_S = 1.0

__all__ = [
    "Wires",
    "clock",
    "database",
    "database_is_unmade",
    "dump_database",
    "key_ring",
    "mail_pipe",
    "migrate",
    "migrate_at",
    "no_keyring",
    "open_desk",
    "open_wires",
    "passphrase_ring",
    "passphrase_sealing",
    "restore_database",
    "worker_queue",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """A desk and what stands behind it, for those who run processes."""

    desk: Desk
    keyring: Keyring
    bell: Bell
    database_url: Secret


@asynccontextmanager
async def open_desk(
    settings: Settings,
    *,
    url: str | None = None,
    keyring: Keyring | None = None,
    bell: Bell | None = None,
    mail: Mail | None = None,
) -> AsyncIterator[Desk]:
    """A desk for the length of the block: one per process and event loop.

    The database has to be migrated (``migrate``). What is given is used instead of what the
    settings name. Raises Misconfigured and StoreUnavailable.
    """
    async with open_wires(settings, url=url, keyring=keyring, bell=bell, mail=mail) as wires:
        yield wires.desk


@asynccontextmanager
async def open_wires(
    settings: Settings,
    *,
    url: str | None = None,
    keyring: Keyring | None = None,
    bell: Bell | None = None,
    mail: Mail | None = None,
) -> AsyncIterator[Wires]:
    """As ``open_desk``, with the desk's surroundings."""
    from evergrant.adapters.amazon.upstream import AiohttpUpstream
    from evergrant.adapters.aws import SqsSecretsQueue
    from evergrant.adapters.budgets import open_budgets
    from evergrant.adapters.news import PostgresNews
    from evergrant.adapters.pulse import PostgresPulse
    from evergrant.adapters.store import open_store

    async with AsyncExitStack() as stack:
        if url is None:
            url = await stack.enter_async_context(database(settings))
        # First the schema: where there is none, a missing key ring is no loss but a fresh house.
        await _check_schema(url)
        ring = keyring or key_ring(settings)
        store = await open_store(url, connections=settings.database_pool)
        stack.push_async_callback(store.close)
        ticking = clock(settings)
        agent = user_agent("Evergrant", __version__)
        lwa = HttpLWA(user_agent=agent, timeout_s=settings.lwa_timeout_s)
        stack.push_async_callback(lwa.close)
        selling_partner_api = HttpSellingPartnerApi(
            user_agent=agent, clock=ticking, timeout_s=settings.amazon_timeout_s
        )
        stack.push_async_callback(selling_partner_api.close)
        upstream = AiohttpUpstream(timeout_s=settings.amazon_timeout_s, user_agent=agent)
        stack.push_async_callback(upstream.close)
        # Under a steered clock Amazon's limits are counted by it as well: its emulator does so too.
        steered = (lambda: ticking.now().timestamp()) if settings.clock_file else None
        budgets = await open_budgets(url, now_s=steered)
        stack.push_async_callback(budgets.close)
        secrets_queue = SqsSecretsQueue(
            aws_url=settings.aws_url, timeout_s=settings.amazon_timeout_s, user_agent=agent
        )
        stack.push_async_callback(secrets_queue.close)
        documents = HttpDocuments(timeout_s=settings.amazon_timeout_s, user_agent=agent)
        stack.push_async_callback(documents.close)
        webhooks = HttpWebhooks(
            allow_local=settings.webhooks_to_anywhere,
            networks=settings.webhook_networks,
            timeout_s=settings.webhook_timeout_s,
            user_agent=f"Evergrant-Webhooks/{__version__}",
        )
        stack.push_async_callback(webhooks.close)
        news, pulse = PostgresNews(url), PostgresPulse(url)
        stack.push_async_callback(pulse.close)
        stack.push_async_callback(news.close)
        sign_on = _single_sign_on(settings, ticking, agent)
        if sign_on is not None:
            stack.push_async_callback(sign_on.close)
        if bell is None:
            bell = await stack.enter_async_context(_bell(url))
        desk = furnished(
            Sockets(
                clock=ticking,
                store=store,
                keyring=ring,
                lwa=lwa,
                selling_partner_api=selling_partner_api,
                mail=mail or mail_pipe(settings),
                webhooks=webhooks,
                bell=bell,
                budgets=budgets,
                upstream=upstream,
                secrets_queue=secrets_queue,
                documents=documents,
                news=news,
                pulse=pulse,
                single_sign_on=sign_on,
            ),
            marketplaces=settings.marketplaces,
            house=settings.house,
            login_uri=settings.login_uri,
            redirect_uri=settings.redirect_uri,
            invitation_life=settings.invitation_life,
            gateway_wait_s=settings.gateway_wait_s,
            gateway_longest_wait_s=settings.gateway_longest_wait_s,
            watching=settings.watching,
            cooking=settings.cooking,
            house_values=settings.house_values,
            signing_in=settings.signing_in,
            jobs_at_once=settings.worker_concurrency,
            receivers=Receivers(settings.webhook_networks, anywhere=settings.webhooks_to_anywhere),
        )
        # First of all at the end: refreshes under way still need Amazon and the database.
        stack.push_async_callback(desk.tokens.close)
        stack.push_async_callback(desk.limits.close)
        stack.push_async_callback(desk.calls.close)
        # Its exchanges end with a call of ours.
        stack.push_async_callback(desk.consent.close)
        yield Wires(desk=desk, keyring=ring, bell=bell, database_url=Secret(url))


# --- single fuses -------------------------------------------------------------------------------


def clock(settings: Settings) -> Clock:
    """The machine's, or the steered one of development and tests."""
    return SteeredClock(settings.clock_file) if settings.clock_file else SystemClock()


def key_ring(settings: Settings) -> Keyring:
    """Raises Misconfigured when there is none; ``migrate`` makes the first one."""
    if settings.keyring is not None:
        return TextKeyring(settings.keyring)
    return FileKeyring(settings.keyring_file)


class _NoKeyring:
    """For those who look at a house whose key ring is gone: nothing seals and nothing opens."""

    async def seal(self, plaintext: bytes, context: str) -> tuple[str, bytes]:
        raise _no_ring()

    async def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes:
        raise _no_ring()

    async def current_key_id(self) -> str:
        raise _no_ring()

    async def key_ids(self) -> Sequence[str]:
        return ()

    async def add_key(self) -> str:
        raise _no_ring()


def _no_ring() -> Misconfigured:
    return Misconfigured("EVERGRANT_KEYRING", "there is no key ring.")


def no_keyring() -> Keyring:
    """A ring without keys."""
    return _NoKeyring()


async def passphrase_ring(passphrase: Secret, parameters: Mapping[str, object]) -> Keyring:
    """The ring of an export that was sealed to this passphrase. Raises InvalidInput."""
    from evergrant.adapters.keyring.passphrase import PassphraseKeyring

    return await PassphraseKeyring.opened(passphrase, parameters)


async def passphrase_sealing(passphrase: Secret) -> Sealing:
    """A new ring for an export. Raises InvalidInput for a passphrase that is too short."""
    from evergrant.adapters.keyring.passphrase import PassphraseKeyring

    ring = await PassphraseKeyring.fresh(passphrase)
    return Sealing(keyring=ring, parameters=ring.parameters)


class _NoRelay:
    """Where mails would go is not known in this process; they wait."""

    async def send(self, letter: Letter) -> None:
        raise self._sorry()

    async def ping(self) -> None:
        raise self._sorry()

    def _sorry(self) -> NotDelivered:
        return NotDelivered(
            "No mail relay is set, and this process has no development mailbox; set "
            "EVERGRANT_SMTP_URL, or run `evergrant up`.",
            permanent=False,
        )


def mail_pipe(settings: Settings, relay_url: str | None = None) -> Mail:
    """To the relay of the settings, or to ``relay_url``: that of the development mailbox. A
    mailbox that another process has at a fixed port is found as well. Raises Misconfigured."""
    url: Secret | str | None = settings.smtp_url or relay_url
    if url is None and settings.mailbox_port:
        url = f"smtp://127.0.0.1:{settings.mailbox_port}?starttls=0"
    if url is None:
        return _NoRelay()
    return SmtpMail(Relay.from_url(url), settings.mail_from, timeout_s=settings.mail_timeout_s)


def _single_sign_on(settings: Settings, clock: Clock, agent: str) -> HttpSingleSignOn | None:
    if not settings.oidc_issuer or not settings.oidc_client_id:
        return None
    # Its libraries take a while; whoever signs in with passwords should not pay for them.
    from evergrant.adapters.single_sign_on import HttpSingleSignOn

    return HttpSingleSignOn(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        redirect_uri=settings.sign_on_redirect_uri,
        clock=clock,
        user_agent=agent,
        trusts_email=settings.oidc_trusts_email,
    )


@asynccontextmanager
async def _bell(url: str) -> AsyncIterator[Bell]:
    from evergrant.adapters.queue import open_queue

    async with open_queue(url) as app:
        yield ProcrastinateBell(app)


@asynccontextmanager
async def worker_queue(url: Secret, concurrency: int) -> AsyncIterator[App]:
    """An open Procrastinate app for one worker. Raises StoreUnavailable."""
    from evergrant.adapters.queue import open_queue

    # It is two workers: one connection of each listens, the rest fetches, ends and beats.
    async with open_queue(url.reveal(), connections=4 + max(4, concurrency // 2)) as app:
        yield app


# --- the database as a whole ----------------------------------------------------------------------


def database_is_unmade(settings: Settings) -> bool:
    """True when there is to be an embedded database and nobody has made it yet."""
    return settings.database_url is None and not (settings.home / "postgres").exists()


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """The address of the database; the embedded one runs for the length of the block at least,
    and is made when it is not there. Raises Misconfigured, StoreUnavailable."""
    if settings.database_url is not None:
        yield settings.database_url.reveal()
        return
    from evergrant.adapters.embedded_postgres import EmbeddedPostgres

    server = EmbeddedPostgres(settings.home)
    # In a thread: the first start makes the data folder, which takes about a second.
    url = await asyncio.to_thread(server.start)
    over = asyncio.Event()
    minding = asyncio.create_task(_mind(server, over), name="embedded database")
    try:
        yield url
    finally:
        # Not cancelled: a start under way would end behind the stop and leave a server behind.
        over.set()
        await asyncio.gather(minding, return_exceptions=True)
        await asyncio.to_thread(server.stop)


async def _mind(server: EmbeddedPostgres, over: asyncio.Event) -> None:
    """Brings the embedded server back when it died: nobody else minds it, and one that the kernel
    killed for its memory would stay away until the next start of a process of ours."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MIND_EVERY_S):
                await over.wait()
            return
        if server.lives():
            continue
        _log.error("the embedded database is gone and is started again")
        try:
            await asyncio.to_thread(server.start)
        except (EvergrantError, OSError) as error:
            _log.error("the embedded database did not start", error=str(error))


async def migrate(settings: Settings) -> None:
    """Makes and upgrades all that a desk needs: key ring, schema, queue. Safe to run by many
    processes at once and again and again. Raises Misconfigured, StoreUnavailable."""
    async with database(settings) as url:
        await migrate_at(settings, url)


async def migrate_at(settings: Settings, url: str) -> None:
    """``migrate`` on a database that runs already."""
    from evergrant.adapters import store

    if settings.keyring is None and not settings.keyring_file.exists():
        await _refuse_lost_keyring(settings, url)
        make_keyring(settings.keyring_file)
    key_ring(settings)
    await store.migrate(url)


async def _refuse_lost_keyring(settings: Settings, url: str) -> None:
    """A fresh ring beside a safe that is full would hide that the right one is gone."""
    from evergrant.adapters import store

    if await store.schema_version(url) is None:
        return
    opened = await store.open_store(url, connections=1, locks=1)
    try:
        async with opened.transaction() as tx:
            sealed = await tx.safe.count()
    finally:
        await opened.close()
    if sealed:
        raise Misconfigured(
            "EVERGRANT_KEYRING",
            f"{settings.keyring_file} is gone, and {sealed} things are sealed with its keys.",
            hint="Put it back from your safe copy. A new key ring could not open any of them.",
        )


async def _check_schema(url: str) -> None:
    from evergrant.adapters import store

    has, wants = await store.schema_version(url), store.newest_version()
    if has != wants:
        raise Misconfigured(
            "EVERGRANT_DATABASE_URL",
            f"the database's schema is at {has or 'nothing'}, this version wants {wants}.",
            hint="Run: evergrant migrate (evergrant up does it by itself).",
        )


async def dump_database(settings: Settings, file: Path, *, plain: bool) -> None:
    """Raises StoreUnavailable, Conflict when the file exists, Misconfigured."""
    from evergrant.adapters import store

    await asyncio.to_thread(_check_place, file)
    async with database(settings) as url:
        await asyncio.to_thread(store.dump, url, file, plain=plain)


def _check_place(file: Path) -> None:
    if file.exists():
        raise Conflict(f"{file} exists already.", hint="Name another file, or remove that one.")
    if not file.absolute().parent.is_dir():
        raise Conflict(f"There is no folder {file.absolute().parent}.")


async def restore_database(settings: Settings, file: Path) -> None:
    """Into an empty database. Raises StoreUnavailable, Conflict (not empty), NotFound."""
    from evergrant.adapters import store

    async with database(settings) as url:
        await asyncio.to_thread(store.restore, url, file)
