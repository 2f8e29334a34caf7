"""The long-running commands: all in one, a server, a worker.

Answers for: the order in which a process opens and closes things, signals, telling its address.
Does not answer for: what server and worker do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from evergrant import __version__, wiring
from evergrant.entrances import ops
from evergrant.entrances.cli.show import say
from evergrant.entrances.mailbox import Mailbox, open_mailbox
from evergrant.entrances.serve import (
    BELOW,
    build_doors,
    compose,
    compose_decide,
    compose_gateway,
    listen,
    serve,
    url_of,
)
from evergrant.entrances.worker import Pace, work
from evergrant.errors import Misconfigured
from evergrant.logs import logger, uncaught_in_loop
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings

__all__ = ["run_serve", "run_up", "run_worker"]

log = logger(__name__)


async def run_up(settings: Settings, address_file: Path | None = None) -> None:
    """Everything in one process, until SIGTERM or SIGINT."""
    async with _until_told() as stop:
        # First of all, so that a taken port is told before anything is made or started.
        with _Sockets(settings) as sockets:
            settings = settings.at_port(sockets.main.getsockname()[1])
            async with _mailbox(settings) as mailbox, wiring.database(settings) as url:
                first = settings.keyring is None and not settings.keyring_file.exists()
                await wiring.migrate_at(settings, url)
                mail = wiring.mail_pipe(settings, mailbox.url if mailbox else None)
                async with (
                    wiring.open_wires(settings, url=url, mail=mail) as wires,
                    wiring.worker_queue(wires.database_url, _concurrency(settings)) as queue,
                ):
                    meters = ops.Meters(account_series=settings.metrics_accounts)
                    servers = _servers(settings, wires, meters, mailbox, sockets, stop)
                    _tell(sockets, address_file, mailbox)
                    code = await wires.desk.sessions.first_start_code()
                    _welcome(settings, mailbox, sockets, first=first, code=code)
                    await _together(
                        stop,
                        *servers,
                        work(
                            queue,
                            wires.desk,
                            wires.bell,
                            stop,
                            pace=Pace(concurrency=_concurrency(settings)),
                            ended=meters.job_ended,
                            posted=meters.posted,
                            watched=meters.watched,
                        ),
                    )
    log.info("stopped")


async def run_serve(settings: Settings, address_file: Path | None = None) -> None:
    """A server on a database that is migrated, until SIGTERM or SIGINT."""
    async with _until_told() as stop:
        with _Sockets(settings) as sockets:
            settings = settings.at_port(sockets.main.getsockname()[1])
            async with wiring.open_wires(settings) as wires:
                meters = ops.Meters(account_series=settings.metrics_accounts)
                servers = _servers(settings, wires, meters, None, sockets, stop)
                _tell(sockets, address_file, None)
                _tell_first(settings, await wires.desk.sessions.first_start_code())
                await _together(stop, *servers)
    log.info("stopped")


async def run_worker(settings: Settings) -> None:
    """A worker on a database that is migrated, until SIGTERM or SIGINT."""
    async with (
        _until_told() as stop,
        wiring.open_wires(settings) as wires,
        wiring.worker_queue(wires.database_url, _concurrency(settings)) as queue,
    ):
        log.info("worker", version=__version__, pid=os.getpid())
        await work(
            queue, wires.desk, wires.bell, stop, pace=Pace(concurrency=_concurrency(settings))
        )
    log.info("stopped")


class _Sockets:
    """Every port of one process, taken before anything else is done."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._taken = contextlib.ExitStack()
        self.gateway: socket.socket | None = None
        self.decide: socket.socket | None = None
        self.outcomes: socket.socket | None = None

    def __enter__(self) -> _Sockets:
        with contextlib.ExitStack() as taken:
            settings = self._settings
            self.main = taken.enter_context(
                contextlib.closing(listen(settings.host, settings.port))
            )
            if settings.role in ("all", "gateway"):
                self.gateway = self._listen(taken, "EVERGRANT_GATEWAY_PORT", settings.gateway_port)
                self.decide = self._listen(taken, "EVERGRANT_DECIDE_PORT", settings.decide_port)
            if self.decide is not None:
                from evergrant.entrances.gateway import outcomes

                self.outcomes = taken.enter_context(
                    contextlib.closing(outcomes.listen(settings.host, settings.outcomes_port))
                )
            self._taken = taken.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._taken.close()

    def _listen(
        self, taken: contextlib.ExitStack, setting: str, port: int | None
    ) -> socket.socket | None:
        if port is None:
            return None
        listening = listen(self._settings.host, port, setting)
        return taken.enter_context(contextlib.closing(listening))

    def lines(self) -> list[tuple[str, str]]:
        """What listens where, the main address first and without a name."""
        named = (("", self.main), ("gateway", self.gateway), ("decide", self.decide))
        return [(name, url_of(one)) for name, one in named if one is not None]


def _servers(
    settings: Settings,
    wires: wiring.Wires,
    meters: ops.Meters,
    mailbox: Mailbox | None,
    sockets: _Sockets,
    stop: asyncio.Event,
) -> list[Coroutine[Any, Any, None]]:
    ops_door = ops.build(wires.desk, meters, {"keyring": ops.keyring_answers(wires.keyring)})
    doors = build_doors(wires.desk, settings, ops_door, mailbox)
    app = compose(doors, meters, settings.body_limit, settings.gateway_hosts)
    # Pages that are open hear the news until then.
    servers = [serve(app, sockets.main, stop, before_stop=wires.desk.news.close)]
    if sockets.gateway is not None:
        servers.append(serve(compose_gateway(doors, meters), sockets.gateway, stop))
    if sockets.decide is not None and sockets.outcomes is not None and doors.decide is not None:
        servers.append(serve(compose_decide(doors, meters), sockets.decide, stop))
        servers.append(doors.decide.hear(sockets.outcomes, stop))
    return servers


def _concurrency(settings: Settings) -> int:
    return settings.worker_concurrency


@asynccontextmanager
async def _mailbox(settings: Settings) -> AsyncIterator[Mailbox | None]:
    """Only where no relay is set."""
    if not settings.development:
        yield None
        return
    try:
        opened = open_mailbox(settings.mailbox_port)
        mailbox = await opened.__aenter__()
    except OSError as error:
        raise Misconfigured(
            "EVERGRANT_MAILBOX_PORT",
            f"address already in use: 127.0.0.1:{settings.mailbox_port} ({error.strerror})",
            hint="Set another port, or 0 for any free one.",
        ) from None
    try:
        yield mailbox
    finally:
        await opened.__aexit__(None, None, None)


def _tell(sockets: _Sockets, address_file: Path | None, mailbox: Mailbox | None) -> None:
    (_, url), *others = sockets.lines()
    log.info("listening", url=url, version=__version__, pid=os.getpid(), **dict(others))
    if mailbox is not None:
        log.info("development mailbox", pages=f"{url}/dev/mailbox", smtp_port=mailbox.port)
    say(f"Evergrant listens at {url}")
    for name, other in others:
        say(f"  {name} at {other}")
    sys.stdout.flush()
    if address_file is not None:
        beside = address_file.with_name(f".{address_file.name}.new")
        lines = [url, *(f"{name} {other}" for name, other in others)]
        beside.write_text("\n".join([*lines, ""]), encoding="utf-8")
        beside.replace(address_file)


def _tell_first(settings: Settings, code: Secret | None) -> None:
    """Whom the console lets in while there is no operator: who can read what the server prints.
    Left out where machines read; `evergrant operator first` tells it there."""
    if code is None or settings.log_format != "text" or settings.role not in ("all", "web"):
        return
    say("Nobody works here yet. Become the first admin:")
    for name, text in (
        ("Open", f"{settings.public_url}/console/first"),
        ("With the code", code.reveal()),
    ):
        say(f"  {name:<16} {text}")
    sys.stdout.flush()


def _welcome(
    settings: Settings,
    mailbox: Mailbox | None,
    sockets: _Sockets,
    *,
    first: bool,
    code: Secret | None,
) -> None:
    """What somebody who has just started it wants to know. Left out where machines read.
    ``code``: of the first start, while nobody works here."""
    if settings.log_format != "text":
        return
    public = settings.public_url
    lines = [
        ("Reached at", public),
        ("Console", f"{public}/console"),
        ("API, described", f"{public}/v1/docs"),
    ]
    gateway = url_of(sockets.gateway) if sockets.gateway else f"{public}{BELOW}"
    lines.append(("Gateway", f"{gateway} (in place of Amazon's address)"))
    if mailbox is not None:
        lines.append(("Mailbox", f"{public}/dev/mailbox (nobody outside gets a mail)"))
    if settings.database_url is None:
        lines.append(("Database", f"embedded PostgreSQL below {settings.home}"))
    if settings.keyring is None:
        lines.append(("Key ring", f"{settings.keyring_file}"))
    lines += [
        ("Log-in URI", f"{settings.login_uri} (to be registered at Amazon)"),
        ("Redirect URI", f"{settings.redirect_uri} (to be registered at Amazon)"),
        ("API key", 'evergrant apikey add "ERP" --right read --right access_tokens'),
        ("What is missing", "evergrant check"),
    ]
    for name, text in lines:
        say(f"  {name:<16} {text}")
    if first:
        say("The key ring is new. Copy it to a safe place: without it no secret can be opened.")
    _tell_first(settings, code)
    say("Ctrl-C ends it in order.")
    sys.stdout.flush()


@asynccontextmanager
async def _until_told() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. The second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(uncaught_in_loop)
    stop = asyncio.Event()

    def told(which: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + which)
        log.info("stopping", signal=which.name)
        stop.set()

    handled = (signal.SIGTERM, signal.SIGINT)
    for which in handled:
        loop.add_signal_handler(which, told, which)
    try:
        yield stop
    finally:
        for which in handled:
            loop.remove_signal_handler(which)


async def _together(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Runs the parts; when one ends, or breaks, all are told to stop."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
