"""The server: every door behind one address, one process, one event loop, one desk.

Answers for: which path belongs to which door, the last answer when a door breaks, the listening
socket and an orderly end. Does not answer for: what a door says, or how large a body may be
(``bodies``); for more cores, start more processes.

Paths::

    GET /v1/accounts/{id}/access-token      access_token   (role api)
    /auth/o2/token                          lwa            (role api)
    /v1/...  /openapi.json                  api            (role api)
    /console  /console/...                  console        (role web)
    /connect/...  /amazon/login  /callback
    /static/...  /                          public         (role web)
    /dev/mailbox...                         mailbox        (role web, development only)
    /gateway/...                            gateway        (role gateway)
    /healthz  /readyz  /metrics             ops            (every role)

Any other path is no door's: a program is told so as a problem, a person by a page of public's.
Requests under a name of EVERGRANT_GATEWAY_HOSTS are the gateway's whatever their path is, and so
are those at the gateway's own port. nginx as data plane asks the decide door at a port that nobody
else may reach.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant.desk import Desk
from evergrant.entrances import ops, problems
from evergrant.entrances.bodies import BodyLimit
from evergrant.entrances.mailbox import Mailbox
from evergrant.entrances.programs import REQUEST_ID, request_id
from evergrant.errors import Misconfigured
from evergrant.logs import logger, tame
from evergrant.settings import Settings

if TYPE_CHECKING:
    from evergrant.entrances.gateway.decide import DecideDoor

__all__ = [
    "BELOW",
    "Doors",
    "build_doors",
    "compose",
    "compose_decide",
    "compose_gateway",
    "listen",
    "serve",
    "url_of",
]

log = logger(__name__)
_quick_log = logging.getLogger(__name__)

BACKLOG = 1024
#: So long may requests that are under way take at the end, in seconds.
GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What stands behind the address. None: not in this role."""

    ops: ASGIApp
    access_token: ASGIApp | None = None
    lwa: ASGIApp | None = None
    api: ASGIApp | None = None
    gateway: ASGIApp | None = None
    decide: DecideDoor | None = None
    console: ASGIApp | None = None
    public: ASGIApp | None = None
    mailbox: ASGIApp | None = None


def build_doors(
    desk: Desk, settings: Settings, ops_door: ASGIApp, mailbox: Mailbox | None = None
) -> Doors:
    """The doors of ``settings.role``. What a role does not need is not even imported."""
    web = settings.role in ("all", "web")
    api = settings.role in ("all", "api")
    gateway = settings.role in ("all", "gateway")
    built: dict[str, Any] = {}
    if api:
        from evergrant.entrances import access_token, lwa
        from evergrant.entrances import api as api_door

        built["access_token"] = access_token.build(desk, settings)
        built["lwa"] = lwa.build(desk, settings)
        built["api"] = api_door.build(desk, settings)
    if gateway:
        from evergrant.entrances import gateway as gateway_door

        built["gateway"] = gateway_door.build(desk, settings)
        if settings.decide_port is not None:
            from evergrant.entrances.gateway import decide

            built["decide"] = decide.build(desk, settings)
    if web:
        from evergrant.entrances import console, public

        built["public"] = public.build(desk, settings)
        built["console"] = console.build(desk, settings, has_mailbox=mailbox is not None)
    if web and mailbox is not None:
        from evergrant.entrances import mailbox as mailbox_door

        built["mailbox"] = mailbox_door.build(mailbox, settings.public_url)
    return Doors(ops=ops_door, **built)


def compose(
    doors: Doors, meters: ops.Meters, body_limit: int, gateway_hosts: Sequence[str] = ()
) -> ASGIApp:
    """One application out of all. ``body_limit`` in bytes holds before any door sees a body, but
    for the gateway's: what goes to Amazon is not kept here."""
    inner = BodyLimit(_Counted(_by_path(doors), meters, doors.public), body_limit)
    if doors.gateway is None:
        return inner
    streaming = _of_gateway(_always("gateway", doors.gateway), meters)
    return _GatewayFirst(inner, streaming, gateway_hosts)


def compose_gateway(doors: Doors, meters: ops.Meters) -> ASGIApp:
    """What answers at the gateway's own port: Amazon's paths, and whether the process is of use.
    No figures: they tell accounts apart, and whoever comes here belongs to one tenant."""
    assert doors.gateway is not None
    beside = _beside_ops("gateway", doors.gateway, doors.ops, _LIFE_PATHS)
    return _of_gateway(beside, meters)


def _of_gateway(choose: Choose, meters: ops.Meters) -> ASGIApp:
    """Where SDKs listen, the last word is in a shape that they read, too."""
    from evergrant.entrances.gateway import refusals

    return _Counted(choose, meters, None, refusals.answer)


def compose_decide(doors: Doors, meters: ops.Meters) -> ASGIApp:
    """What answers at the port that nginx asks."""
    assert doors.decide is not None
    beside = _beside_ops("decide", doors.decide, doors.ops, _OPS_PATHS)
    return _Counted(beside, meters, None)


# --- which path, which door -------------------------------------------------------------------

NOBODY = "none"
BELOW: Final = "/gateway"
_EVENT_STREAM = b"text/event-stream"
_LIFE_PATHS = frozenset({"/healthz", "/readyz"})
_OPS_PATHS = _LIFE_PATHS | {"/metrics"}
Choose = Callable[[str, str], tuple[str, ASGIApp | None]]
Refuse = Callable[[problems.Problem, str, Send], Awaitable[None]]


def _always(name: str, door: ASGIApp) -> Choose:
    return lambda method, path: (name, door)


def _beside_ops(name: str, door: ASGIApp, ops_door: ASGIApp, of_ops: Set[str]) -> Choose:
    def choose(method: str, path: str) -> tuple[str, ASGIApp | None]:
        return ("ops", ops_door) if path in of_ops else (name, door)

    return choose


class _GatewayFirst:
    """Sends to the gateway what is below its path, or under one of its names."""

    def __init__(self, inner: ASGIApp, gateway: ASGIApp, hosts: Sequence[str]) -> None:
        self._inner = inner
        self._gateway = gateway
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"].startswith(f"{BELOW}/"):
                await self._gateway(_below(scope), receive, send)
                return
            if self._hosts and _host_name(scope) in self._hosts:
                await self._gateway(scope, receive, send)
                return
        await self._inner(scope, receive, send)


def _below(scope: Scope) -> Scope:
    """The request as it would look at the gateway's own port. A path that only looks like ours
    once it is decoded stays as it is: what the gateway refuses, it refuses by the raw path."""
    raw: bytes = scope["raw_path"]
    prefix = BELOW.encode()
    return {
        **scope,
        "root_path": BELOW,
        "path": scope["path"].removeprefix(BELOW),
        "raw_path": raw.removeprefix(prefix) if raw.startswith(prefix + b"/") else raw,
    }


def _host_name(scope: Scope) -> str:
    return _header(scope, b"host").partition(":")[0].lower()


def _by_path(doors: Doors) -> Choose:
    public_paths = ("/connect", "/static")
    ops_paths = _OPS_PATHS

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
        if path == "/console" or path.startswith("/console/"):
            return "console", doors.console
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

    def __init__(
        self,
        choose: Choose,
        meters: ops.Meters,
        pages: ASGIApp | None,
        refuse: Refuse = problems.answer,
    ) -> None:
        self._choose = choose
        self._meters = meters
        self._pages = pages
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        name, door = self._choose(scope["method"], scope["path"])
        if name == NOBODY and _wants_page(scope):
            door = self._pages
        began = time.perf_counter()
        status = 0
        endless = False

        async def note(message: Message) -> None:
            nonlocal status, endless
            if message["type"] == "http.response.start":
                status = message["status"]
                # How long somebody reads along says nothing about how quickly we answer.
                endless = _EVENT_STREAM in dict(message["headers"]).get(b"content-type", b"")
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
                await self._refuse(problems.unexpected(), number, note)
            status = 500
        finally:
            took_s = time.perf_counter() - began
            if not endless:
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


# --- the socket and the server --------------------------------------------------------------------


def listen(host: str, port: int, setting: str = "EVERGRANT_PORT") -> socket.socket:
    """A listening socket; port 0 takes any free one. Two processes never share a port unseen.
    Raises errors.Misconfigured, which names ``setting``, when the address cannot be had."""
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
                setting,
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


async def serve(
    app: ASGIApp,
    listening: socket.socket,
    stop: asyncio.Event,
    *,
    before_stop: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Answers at ``listening`` until ``stop`` is set, then lets what is under way come to its
    end for some seconds. Takes the socket over and closes it. ``before_stop`` ends what would
    never end by itself: answers that go on as long as somebody reads."""
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
            if before_stop is not None:
                await before_stop()
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
