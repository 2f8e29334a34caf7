"""Runs the emulator: one process, one event loop, one listening socket per face.

Answers for: ports, the way from a socket to its face, readiness, and an end that leaves no thread,
no socket and no hanging request behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from amazon_emulator import safety
from amazon_emulator.answering import HANG_UP, Dressed
from amazon_emulator.faces import aws, central, documents, levers, lwa, selling_partner_api
from amazon_emulator.levers import Levers
from amazon_emulator.marketplaces import REGIONS
from amazon_emulator.models import Library, read
from amazon_emulator.models import Mode as ContractMode
from amazon_emulator.stage import FACES, Stage

__all__ = [
    "Dispatch",
    "Emulator",
    "NotLoopback",
    "Protocol",
    "Server",
    "address_of",
    "check_host",
    "listen",
]

START_WITHIN_S = 30.0
STOP_WITHIN_S = 20.0


class NotLoopback(ValueError):
    """The emulator is not meant to be reached from other machines."""


class Protocol(H11Protocol):
    """HTTP/1.1 whose application can hang up on the client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Addresses hold codes and signatures, and pytest listens to every logger.
        self.access_log = False
        app = self.app

        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[HANG_UP] = transport.close
            await app(scope, receive, send)

        self.app = with_hang_up

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        if self.cycle is not None:
            # A broken body was answered: whoever still works on it is to find the client gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()


class Server(uvicorn.Server):
    """uvicorn's server that lets hanging requests go before it waits for open ones."""

    def __init__(self, config: uvicorn.Config, stage: Stage) -> None:
        super().__init__(config)
        self.stage = stage
        self.ready = threading.Event()
        self.when_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.stage.weather.begin()
        await super().startup(sockets)
        self.when_ready()
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.stage.weather.end()
        await super().shutdown(sockets)
        # A signal that was obeyed is not raised once more: the end was asked for.
        self._captured_signals.clear()


class Dispatch:
    """Chooses the face by the port that was connected to; before it plays, all that is due by the
    emulator's clock has happened."""

    def __init__(self, faces: Mapping[int, ASGIApp], stage: Stage) -> None:
        self.faces = faces
        self.stage = stage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        face = self.faces.get(scope["server"][1])
        if face is None:
            await Response(b"no face on this port", 404)(scope, receive, send)
        elif refused := safety.refusal(scope):
            await refused(scope, receive, send)
        else:
            self.stage.agenda.run(self.stage.clock.now())
            # Who goes in the midst of a request has no use for an answer.
            with contextlib.suppress(ClientDisconnect):
                await face(scope, receive, send)


def check_host(host: str, *, i_know: bool) -> None:
    """Raises NotLoopback for an address that others can reach, unless the caller knows."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not i_know:
        raise NotLoopback(
            f"{host} can be reached from other machines. The emulator has no protection of any "
            "kind; say --i-know if you really want that."
        )


def listen(host: str, port: int) -> dict[str, socket.socket]:
    """One socket per face: ``port`` and the ones after it, or free ones for 0.

    Raises OSError when a port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened: dict[str, socket.socket] = {}
    try:
        for number, face in enumerate(FACES):
            # The protocol is named because asyncio turns Nagle's delay off only where it is.
            one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            opened[face] = one
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port + number if port else 0))
            one.set_inheritable(False)
    except OSError:
        for one in opened.values():
            one.close()
        raise
    return opened


def address_of(host: str, one: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{one.getsockname()[1]}"


class Emulator:
    """Amazon in a box.

    In a program: ``with Emulator(gentle=True) as amazon: amazon.addresses["lwa"]``. It then runs in
    a thread of its own; move it with ``amazon.levers``.

    ``port``: 0 for free ports, else the first of twelve. ``gentle``: False varies what Amazon is
    seen to vary. ``seed``: makes that variety the same every time. ``start``: the clock's first
    instant. ``models``: a folder of Amazon's models, or one that was read, for everything that is
    not played with state; without it such operations answer 501. ``limits``: whether Amazon's usage
    plans are enforced. ``contract``: whether breaks of the models are told, or refused.
    Raises NotLoopback for a host that others can reach unless ``i_know``; ModelsUnreadable for a
    folder without models.
    """

    def __init__(
        self,
        *,
        gentle: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
        start: datetime | None = None,
        i_know: bool = False,
        models: Path | Library | None = None,
        limits: bool = True,
        contract: ContractMode = "off",
    ) -> None:
        check_host(host, i_know=i_know)
        self.stage = Stage.fresh(gentle=gentle, seed=seed, start=start)
        if models is not None:
            self.stage.know(models if isinstance(models, Library) else read(models))
        self.stage.limits_enforced = limits
        self.stage.contract_mode = contract
        self.host = host
        self.port = port
        self._sockets: dict[str, socket.socket] = {}
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def addresses(self) -> dict[str, str]:
        """Face -> address; empty before the start."""
        return self.stage.addresses

    @property
    def levers(self) -> Levers:
        if not self.addresses:
            raise RuntimeError("the emulator has not been started")
        return Levers(self.addresses["levers"])

    def start(self) -> Emulator:
        """Starts in a thread and returns when every face answers. Raises OSError on taken ports."""
        if self._thread is not None:
            raise RuntimeError("the emulator runs already")
        server = self.prepare()
        self._thread = threading.Thread(target=self._run, args=(server,), name="amazon-emulator")
        self._thread.start()
        if not server.ready.wait(START_WITHIN_S) or not server.started:
            self.stop()
            raise RuntimeError(f"the emulator was not ready within {START_WITHIN_S:.0f} s")
        return self

    def stop(self) -> None:
        """Ends it and waits for that; hanging requests are dropped."""
        if self._thread is None or self._server is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_WITHIN_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the emulator did not stop within {STOP_WITHIN_S:.0f} s")
        self._thread = None

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def prepare(self) -> Server:
        """Opens the sockets and makes the server, without running it."""
        self._sockets = listen(self.host, self.port)
        _LISTENING.add(self)
        self.stage.addresses.update(
            {face: address_of(self.host, one) for face, one in self._sockets.items()}
        )
        by_port = {one.getsockname()[1]: self._face(face) for face, one in self._sockets.items()}
        config = uvicorn.Config(
            Dispatch(by_port, self.stage),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=5,
            # Longer than clients keep idle connections, so that none is closed just as it is used.
            timeout_keep_alive=75,
            backlog=512,
        )
        self._server = Server(config, self.stage)
        return self._server

    async def serve(self, server: Server) -> None:
        """Runs until told to stop (SIGTERM, SIGINT in a main thread)."""
        try:
            await server.serve(sockets=list(self._sockets.values()))
        finally:
            for one in self._sockets.values():
                one.close()

    def let_go(self) -> None:
        """Closes its copies of the sockets, in a process that was forked: there nobody answers,
        and the ports are to be free when the emulator stops."""
        for one in self._sockets.values():
            one.close()
        self._thread = None

    def _run(self, server: Server) -> None:
        try:
            asyncio.run(self.serve(server))
        finally:
            server.ready.set()

    def _face(self, face: str) -> ASGIApp:
        return Dressed(self._bare_face(face), self.stage)

    def _bare_face(self, face: str) -> ASGIApp:
        match face:
            case "lwa":
                return lwa.face(self.stage)
            case "seller_central":
                return central.face(self.stage, "seller")
            case "vendor_central":
                return central.face(self.stage, "vendor")
            case "levers":
                return levers.face(self.stage)
            case "documents":
                return documents.face(self.stage)
            case "aws":
                return aws.face(self.stage)
        sandbox = face.startswith("sandbox_")
        region = next(region for region in REGIONS if region == face.removeprefix("sandbox_"))
        return selling_partner_api.face(self.stage, region, sandbox=sandbox)


_LISTENING: weakref.WeakSet[Emulator] = weakref.WeakSet()


def _after_fork() -> None:
    for emulator in list(_LISTENING):
        emulator.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
