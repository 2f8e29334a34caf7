"""The door at which nginx asks what to do with a request that somebody sent to it.

Answers for: one decision for a request, as headers: 200 with the target at Amazon, the access
token and the mark under which the outcome will be told, or 403 with the whole problem that nginx
then answers with. Does not answer for: who the program is (``asking``), who may and when (the
gate), the stream (nginx), or for how the call ended (``outcomes``).

Only a key with the right ``data_plane`` is told anything, before all else is looked at: the answer
holds Amazon's access token. Nothing of what the program sent comes back in a header, but for its
path and query, which the gate has found to be visible ASCII.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from evergrant.calls import METHODS
from evergrant.calls.values import NOT_SENT, Leave, Outcome
from evergrant.desk import Desk
from evergrant.entrances import problems
from evergrant.entrances.gateway import asking, nginx_pages, refusals
from evergrant.entrances.gateway.data_plane import LATE_S
from evergrant.entrances.gateway.doubts import Doubts
from evergrant.entrances.gateway.nginx import (
    KEY_HEADER,
    METHOD_HEADER,
    URI_HEADER,
    upstream_name,
)
from evergrant.entrances.gateway.outcomes import Outcomes
from evergrant.entrances.problems import Problem
from evergrant.entrances.programs import api_key_in, caller_of, fits_as_request_id
from evergrant.entrances.renewal_links import RenewalLinks
from evergrant.errors import (
    CallDenied,
    EvergrantError,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    StoreUnavailable,
    UnreadableAnswer,
)
from evergrant.logs import logger
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import SYSTEM, Right
from evergrant.settings import Settings

__all__ = ["DecideDoor", "build"]

log = logger(__name__)

Given = TypeVar("Given")
#: Name and value of a header, as ASGI has them.
Header = tuple[bytes, bytes]

_PATH: Final = "/decide"
_KEY: Final = KEY_HEADER.encode()
_METHOD: Final = METHOD_HEADER.encode()
_URI: Final = URI_HEADER.encode()
#: Who a program is stands in these; they are read by `asking`.
_WHO: Final = frozenset(asking.HEADERS)
_REQUEST_ID: Final = b"x-request-id"

#: For a moment nginx's key is not looked at again: short beside the second within which a
#: revoked key has to stop.
_MOMENT_S: Final = 0.1
_MOST_KNOWN: Final = 2_000
#: Whoever waits for longer is watched: it may hang up.
_SOON_S: Final = 0.05
_ALLOW: Final = {"allow": ", ".join(sorted(METHODS))}
_HINT: Final = "It takes the right data_plane: evergrant apikey add nginx --right data_plane"
_NOT_NGINX: Final = "Only nginx asks here, with a key of its own."
_NOT_NGINX_HINT: Final = (
    f"Programs call nginx, or the gateway itself: `evergrant gateway show`. nginx sends its key as "
    f"'{KEY_HEADER}': `evergrant gateway nginx-config` writes that."
)
_NOT_SENT: Final = Outcome(status=None, took_s=0.0, error=NOT_SENT)
_NO_BODY: Final = (b"content-length", b"0")
_END: Final = {"type": "http.response.body", "body": b""}


def build(desk: Desk, settings: Settings) -> DecideDoor:
    """The door of this desk. Its `DecideDoor.hear` has to run beside it."""
    return DecideDoor(
        desk,
        Outcomes(desk),
        wait_s=settings.gateway_wait_s,
        longest_wait_s=max(settings.gateway_wait_s, settings.gateway_longest_wait_s),
    )


class _Gone(Exception):
    """Nobody waits for the decision any longer."""


class DecideDoor:
    """``wait_s`` and ``longest_wait_s`` are those of the gate (`Calls`). ``monotonic`` is for
    tests, and so is ``late_s``: what a decision may take besides waiting for a permit."""

    def __init__(
        self,
        desk: Desk,
        outcomes: Outcomes,
        *,
        wait_s: float = 10.0,
        longest_wait_s: float = 120.0,
        late_s: float = LATE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wait_s = wait_s
        self._longest_wait_s = longest_wait_s
        self._late_s = late_s
        self._outcomes = outcomes
        self._doubts = Doubts(monotonic=monotonic)
        self._outcomes.on_denied(self._doubts.denied)
        self._desk = desk
        self._calls = desk.calls
        self._monotonic = monotonic
        self._planes: dict[bytes, float] = {}
        self._links = RenewalLinks(desk)
        self._programs = asking.Programs(desk)
        self._targets: dict[tuple[Region, str], tuple[str, bytes]] = {}
        self._date: tuple[float, bytes] = (-math.inf, b"")
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    async def hear(self, listening: socket.socket, stop: asyncio.Event) -> None:
        """Hears at this socket (`outcomes.listen`) how its calls ended, until ``stop`` is set, and
        closes it."""
        await self._outcomes.serve(listening, stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id, method, uri, key, who, strange = _sorted(scope["headers"])
        if not request_id:
            request_id = f"req_{self._prefix}{next(self._numbers):012x}"
        try:
            await self._let_in(scope, key)
        except EvergrantError as error:
            # A whole problem for whoever came here without being nginx; nginx only takes the 403.
            problem = replace(problems.of_error(error), status=403)
            if isinstance(error, NotAuthenticated):
                problem = replace(problem, detail=_NOT_NGINX, hint=_NOT_NGINX_HINT)
            await problems.answer(problem, request_id, send)
            return
        try:
            if scope["path"] != _PATH or scope["method"] != "GET" or not method:
                raise InvalidInput("nginx asks GET /decide, and says for which method and URI.")
            if strange:
                raise asking.no_header_of_ours(strange)
            if method not in METHODS:
                refused = problems.of_row("method_not_allowed", headers=_ALLOW)
                await _refuse(refused, request_id, send)
                return
            headers = await self._decide(request_id, method, uri, who, receive)
        except TimeoutError:
            log.warning("no decision in time", request_id=request_id)
            await _refuse(refusals.problem_of(_too_late()), request_id, send)
            return
        except _Gone:
            headers = [_NO_BODY]
        except EvergrantError as error:
            await _refuse(refusals.problem_of(error), request_id, send)
            return
        except Exception:  # nginx would say that Evergrant is away
            log.exception("a decision broke", request_id=request_id)
            await _refuse(problems.unexpected(), request_id, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(_END)

    async def _let_in(self, scope: Scope, key: list[bytes]) -> None:
        """Raises NotAuthenticated and NotAllowed."""
        if len(key) == 1 and self._planes.get(key[0], 0.0) > self._monotonic():
            return
        now_s = self._monotonic()
        sent = [f"Bearer {one.decode('latin-1')}" for one in key]
        try:
            async with asyncio.timeout(self._late_s):
                caller = await caller_of(self._desk, api_key_in(sent))
        except TimeoutError:
            raise _too_late() from None
        if not caller.may(Right.DATA_PLANE):
            raise NotAllowed("This key may not ask for decisions.", hint=_HINT)
        if len(self._planes) >= _MOST_KNOWN:
            self._planes.clear()
        self._planes[key[0]] = now_s + _MOMENT_S
        if scope.get("client"):
            self._outcomes.allow(str(scope["client"][0]))

    async def _decide(
        self, request_id: str, method: str, uri: str, who: tuple[Header, ...], receive: Receive
    ) -> list[Header]:
        # Short of what nginx waits for: who needs longer says so, who says nothing hangs.
        until_s = asyncio.get_running_loop().time() + self._late_s
        program = self._programs.at_hand(who)
        if program is None:
            async with asyncio.timeout_at(until_s):
                program = await self._programs.find(who)
        path, _, query = uri.partition("?")
        asked = asking.asked(program, method, path, query, request_id=request_id)
        by = program.caller
        leave = self._calls.admit_at_hand(asked, by=by)
        if leave is None:
            until_s += self._patience_s(program)
            async with asyncio.timeout_at(until_s):
                admitted = self._links.carried(self._calls.admit(asked, by=by), program.account_id)
                leave = await _unless_gone(admitted, receive)
                await self._look_again(leave, who)
        if self._doubts.about(leave):
            async with asyncio.timeout_at(until_s):
                leave = await self._with_fresh_access_token(leave)
        return self._headers(leave, uri)

    def _patience_s(self, program: asking.Program) -> float:
        """How long the gate lets it wait for a permit."""
        wished_s = program.ready_to_wait_s
        return self._wait_s if wished_s is None else min(wished_s, self._longest_wait_s)

    async def _look_again(self, leave: Leave, who: tuple[Header, ...]) -> None:
        """Whoever stood in line may have lost its key over it. Raises as `Programs.find`; the
        permit goes back."""
        try:
            if self._programs.at_hand(who) is None:
                await self._programs.find(who)
        except BaseException:
            self._calls.give_back(leave)
            raise

    async def _with_fresh_access_token(self, leave: Leave) -> Leave:
        minting = self._desk.tokens.mint(leave.account_id, by=SYSTEM, instead_of=leave.access_token)
        try:
            minted = await self._links.carried(minting, leave.account_id)
        except CallDenied:
            # Another one was refused as well, a short while ago: Amazon's own answer says most.
            return leave
        except BaseException:
            self._calls.tell(leave, _NOT_SENT)
            raise
        return replace(leave, access_token=minted.value, renewed=True)

    def _headers(self, leave: Leave, uri: str) -> list[Header]:
        target = self._targets.get((leave.region, leave.endpoint))
        if target is None:
            parts = urlsplit(leave.endpoint)
            base = f"{parts.scheme}://{upstream_name(leave.region)}{parts.path.rstrip('/')}"
            target = (base, parts.netloc.encode("ascii"))
            self._targets[leave.region, leave.endpoint] = target
        access_token = leave.access_token.reveal()
        if not (_fits(uri) and _fits(access_token)):
            self._calls.tell(leave, _NOT_SENT)
            raise UnreadableAnswer("The address or the access token is no value of a header.")
        return [
            (b"x-evergrant-target", f"{target[0]}{uri}".encode("ascii")),
            (b"x-evergrant-host", target[1]),
            (b"x-evergrant-access-token", access_token.encode("ascii")),
            (b"x-evergrant-date", self._dated()),
            (b"x-evergrant-mark", self._outcomes.expect(leave).encode("ascii")),
            (b"x-evergrant-request-id", leave.request_id.encode("ascii")),
            (b"x-evergrant-wait", b"%.3f" % leave.waited_s if leave.waited_s else b"0"),
            (b"x-evergrant-permits-left", b"%d" % leave.permits_left),
            (b"x-evergrant-operation", leave.operation.name.encode("ascii")),
            _NO_BODY,
        ]

    def _dated(self) -> bytes:
        """``x-amz-date`` for a program that sent none, for a second the same."""
        now_s = self._monotonic()
        if now_s >= self._date[0]:
            told = self._desk.clock.now().strftime("%Y%m%dT%H%M%SZ").encode()
            self._date = now_s + 1.0, told
        return self._date[1]


def _sorted(
    headers: Iterable[Header],
) -> tuple[str, str, str, list[bytes], tuple[Header, ...], bytes]:
    """Request id that the program wished for, method, URI, nginx's keys, what says who the program
    is, and the first header of ours that there is none of."""
    request_id = method = uri = ""
    key: list[bytes] = []
    who: list[Header] = []
    strange = b""
    for header in headers:
        name, value = header
        if name in _WHO:
            who.append(header)
        elif name == _URI:
            uri = value.decode("latin-1")
        elif name == _METHOD:
            method = value.decode("latin-1")
        elif name == _KEY:
            key.append(value)
        elif name == _REQUEST_ID:
            wished = value.decode("latin-1")
            request_id = wished if fits_as_request_id(wished) else ""
        elif name.startswith(asking.OURS):
            strange = strange or name
    return request_id, method, uri, key, tuple(who), strange


def _too_late() -> StoreUnavailable:
    return StoreUnavailable(
        "Evergrant could not decide in time; the call was not made.",
        hint="The database or Amazon's log-in is slow. Try again in a moment.",
    )


def _fits(text: str) -> bool:
    """Whether it is visible ASCII: one value of a header, and one word."""
    return text.isascii() and text.isprintable() and " " not in text


async def _refuse(problem: Problem, request_id: str, send: Send) -> None:
    """nginx answers the program with this problem; the request itself is not read."""
    told = nginx_pages.told(problem, request_id)
    said = {
        "refused": str(problem.status),
        "problem": told.document,
        "request-id": request_id,
        **{name: told.headers[name] for name in nginx_pages.DECIDED if name in told.headers},
    }
    headers = [
        (b"x-evergrant-" + name.encode(), text.encode("ascii")) for name, text in said.items()
    ]
    await send({"type": "http.response.start", "status": 403, "headers": [*headers, _NO_BODY]})
    await send(_END)


async def _unless_gone(work: Awaitable[Given], receive: Receive) -> Given:
    """What ``work`` gives; it is given up when nginx hangs up, which it does when the program
    did. Raises _Gone, and all that ``work`` raises."""
    working = asyncio.ensure_future(work)
    watching: asyncio.Future[None] | None = None
    try:
        # One question to the database is soon over, and nobody hangs up meanwhile.
        await asyncio.wait((working,), timeout=_SOON_S)
        if not working.done():
            watching = asyncio.ensure_future(_hung_up(receive))
            await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise _Gone
    finally:
        # Whoever stood in line leaves it; a permit that was on its way goes back.
        working.cancel()
        if watching is not None:
            watching.cancel()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
