"""The server: every door behind one address, one process, one event loop, one desk.

Answers for: which path belongs to which door, the largest body that any of them is given, the
last answer when a door breaks, the listening socket and an orderly end. Does not answer for: what
a door says; for more cores, start more processes.

Paths::

    GET /v1/accounts/{id}/access-token      access_token   (role api)
    /auth/o2/token                          lwa            (role api)
    /v1/...  /openapi.json                  api            (role api)
    /connect/...  /amazon/login  /callback
    /static/...  /                          public         (role web)
    /dev/mailbox...                         mailbox        (role web, development only)
    /healthz  /readyz  /metrics             ops            (every role)

Any other path is no door's: a program is told so as a problem, a person by a page of public's.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant.desk import Desk
from evergrant.entrances import ops, problems
from evergrant.entrances.mailbox import Mailbox
from evergrant.entrances.programs import REQUEST_ID, request_id
from evergrant.errors import Misconfigured, TooLarge
from evergrant.logs import logger, tame
from evergrant.settings import Settings

__all__ = ["Doors", "build_doors", "compose", "listen", "serve"]

log = logger(__name__)
_quick_log = logging.getLogger(__name__)

BACKLOG = 1024
#: So long may requests that are under way take at the end, in seconds.
GRACE_S = 10.0
#: Of a body that is too large, so much is still read and thrown away, in bytes. A server that
#: hangs up in the middle of a body is seen by many clients as a broken connection, not as 413.
DRAINED = 64 * 1024 * 1024
_DRAIN_S = 10.0
#: So long a body may take to arrive, in seconds. For headers the server itself waits as long.
BODY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What stands behind the address. None: not in this role."""

    ops: ASGIApp
    access_token: ASGIApp | None = None
    lwa: ASGIApp | None = None
    api: ASGIApp | None = None
    public: ASGIApp | None = None
    mailbox: ASGIApp | None = None


def build_doors(
    desk: Desk, settings: Settings, ops_door: ASGIApp, mailbox: Mailbox | None = None
) -> Doors:
    """The doors of ``settings.role``. What a role does not need is not even imported."""
    web = settings.role in ("all", "web")
    api = settings.role in ("all", "api")
    built: dict[str, ASGIApp] = {}
    if api:
        from evergrant.entrances import access_token, lwa
        from evergrant.entrances import api as api_door

        built["access_token"] = access_token.build(desk, settings)
        built["lwa"] = lwa.build(desk, settings)
        built["api"] = api_door.build(desk, settings)
    if web:
        from evergrant.entrances import public

        built["public"] = public.build(desk, settings)
    if web and mailbox is not None:
        from evergrant.entrances import mailbox as mailbox_door

        built["mailbox"] = mailbox_door.build(mailbox, settings.public_url)
    return Doors(ops=ops_door, **built)


def compose(doors: Doors, meters: ops.Meters, body_limit: int) -> ASGIApp:
    """One application out of all. ``body_limit`` in bytes holds before any door sees a body."""
    return _BodyLimit(_Counted(_by_path(doors), meters, doors.public), body_limit)


# --- which path, which door -------------------------------------------------------------------

NOBODY = "none"
Choose = Callable[[str, str], tuple[str, ASGIApp | None]]


def _by_path(doors: Doors) -> Choose:
    public_paths = ("/connect", "/static")
    ops_paths = frozenset({"/healthz", "/readyz", "/metrics"})

    def choose(method: str, path: str) -> tuple[str, ASGIApp | None]:
        if path.startswith("/v1/"):
            if path.endswith("/access-token") and path.startswith("/v1/accounts/"):
                return "access_token", doors.access_token
            return "api", doors.api
        if path == "/auth/o2/token":
            return "lwa", doors.lwa
        if path in ops_paths:
            return "ops", doors.ops
        if path == "/v1" or path == "/openapi.json":
            return "api", doors.api
        if path.startswith("/dev/mailbox"):
            return "mailbox", doors.mailbox
        if path in ("/", "/callback", "/amazon/login", "/favicon.ico", "/robots.txt"):
            return "public", doors.public
        if path.startswith(public_paths):
            return "public", doors.public
        return NOBODY, None

    return choose


class _Counted:
    """Chooses the door, counts, and has the last word when a door breaks."""

    def __init__(self, choose: Choose, meters: ops.Meters, pages: ASGIApp | None) -> None:
        self._choose = choose
        self._meters = meters
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        name, door = self._choose(scope["method"], scope["path"])
        if name == NOBODY and _wants_page(scope):
            door = self._pages
        began = time.perf_counter()
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if door is None:
                await problems.answer(problems.of_status(404), _request_id(scope), note)
            else:
                await door(scope, receive, note)
        except asyncio.CancelledError:
            raise
        except Exception:
            # The stack is in the log, under a number that the answer names; nothing else is told.
            number = _request_id(scope)
            log.exception("a door broke", door=name, method=scope["method"], request_id=number)
            if not status:
                await problems.answer(problems.unexpected(), number, note)
            status = 500
        finally:
            took_s = time.perf_counter() - began
            self._meters.answered(name, status, took_s)
            if _quick_log.isEnabledFor(logging.DEBUG):
                # Neither path nor query: they may hold what a log may not.
                log.debug(
                    "answered",
                    door=name,
                    method=scope["method"],
                    status=status,
                    ms=round(took_s * 1000, 1),
                )


def _wants_page(scope: Scope) -> bool:
    """A person with a browser, who mistyped an address."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in _header(scope, b"accept").lower()


def _request_id(scope: Scope) -> str:
    return request_id(_header(scope, REQUEST_ID.encode()))


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


# --- the largest body ---------------------------------------------------------------------------


class _Arriving:
    """A body on its way. After ``within_s`` the door hears that the client went away: who sends a
    byte a minute must not hold connections for ever."""

    def __init__(self, receive: Receive, send: Send, within_s: float) -> None:
        self._receive = receive
        self._send = send
        self._until_s = asyncio.get_running_loop().time() + within_s
        self._whole = self._cut = self._answered = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        self._cut = message["type"] != "http.request"
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await self._send(message)

    @property
    def in_vain(self) -> bool:
        """It never arrived whole, and the door said nothing to it."""
        return self._cut and not self._answered


class _BodyLimit:
    """Lets no door see more bytes than the limit, nor wait for them longer than ``within_s``. A
    body without a declared length is read before the door is opened, so that the door never sees
    half of one that is too large."""

    def __init__(self, inner: ASGIApp, limit: int, within_s: float = BODY_WITHIN_S) -> None:
        self._inner = inner
        self._limit = limit
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        length: bytes | None = None
        chunked = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
        if not chunked and length in (None, b"0"):
            await self._inner(scope, receive, send)
            return
        body = _Arriving(receive, send, self._within_s)
        if chunked:
            await self._unannounced(scope, body.receive, body.send)
        elif length is not None and not (length.isdigit() and int(length) <= self._limit):
            await _drain(receive)
            await self._refuse(scope, send)
        else:
            await self._inner(scope, body.receive, body.send)
        if body.in_vain:
            told = problems.of_row("bad_request", detail="The body did not arrive whole in time.")
            await problems.answer(told, _request_id(scope), send)

    async def _unannounced(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client went away
            read += message.get("body", b"")
            more = message.get("more_body", False)
            if len(read) > self._limit:
                if more:
                    await _drain(receive)
                await self._refuse(scope, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(read), "more_body": False}

        await self._inner(scope, again, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        error = TooLarge(
            "The request is larger than this door takes.",
            hint=f"At most {self._limit} bytes are taken (EVERGRANT_BODY_LIMIT).",
            facts={"limit_bytes": self._limit},
        )
        await problems.answer(problems.of_error(error), _request_id(scope), send)


async def _drain(receive: Receive) -> None:
    read = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            while read < DRAINED:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                read += len(message.get("body", b""))
    except TimeoutError:
        return


# --- the socket and the server --------------------------------------------------------------------


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Two processes never share a port unseen.
    Raises errors.Misconfigured when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise Misconfigured(
                "EVERGRANT_PORT",
                f"address already in use: {host}:{port}",
                hint="Another program listens there. Set another port, or 0 for any free one.",
            ) from None
        raise Misconfigured(
            "EVERGRANT_HOST",
            f"cannot listen at {host}:{port}: {error.strerror or error}",
            hint="EVERGRANT_HOST is an address of this machine; ports below 1024 need rights.",
        ) from None
    return listening


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: ASGIApp, listening: socket.socket, stop: asyncio.Event) -> None:
    """Answers at ``listening`` until ``stop`` is set, then lets what is under way come to its
    end for some seconds. Takes the socket over and closes it."""
    # Granian's import takes a while; whoever only asks for help should not pay for it.
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.net import SocketHolder as Holder  # type: ignore[attr-defined]
    from granian.server.embed import Server

    holder: Any = Holder  # its type hints lack the arguments

    class Listening(Server):
        """Granian on a socket that is bound already: on Linux it would bind its own with
        SO_REUSEPORT, which lets a second program take the same port unseen, and port 0 would
        stay unknown."""

        def _init_shared_socket(self) -> None:
            self._ssp: Any = None
            self._shd: Any = holder(listening.detach(), False, BACKLOG)

    host, port = listening.getsockname()[:2]
    server: Any = Listening(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_level=LogLevels.error,
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {}},
    )
    tame("_granian")
    running = asyncio.create_task(server.serve(), name="server")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            server.stop()
            done, _ = await asyncio.wait({running}, timeout=GRACE_S)
            if not done:
                log.warning("requests under way were cut off", after_s=GRACE_S)
    finally:
        stopping.cancel()
        running.cancel()
        await asyncio.gather(stopping, running, return_exceptions=True)
    if running.done() and not running.cancelled() and (error := running.exception()):
        raise error
    if not stop.is_set():
        raise RuntimeError("the server ended by itself")
