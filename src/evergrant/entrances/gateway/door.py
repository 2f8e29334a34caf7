"""The door itself: Amazon's paths in, Amazon's answers out.

Answers for: one request at a time from its first byte to the last of its answer: who asks
(``asking``), leave of the gate, the stream, one more try where the gate says so, and telling the
gate how each try ended, exactly once, whatever happened. Does not answer for: rights, limits, or
what may be repeated (the gate), or for headers (``headers``) and refusals (``refusals``).

Hot: what a call needs is at hand in memory most of the time, and nothing is awaited for it then.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant.calls import METHODS, Tried
from evergrant.calls.values import NOT_SENT, Asked, Leave, Outcome
from evergrant.desk import Desk
from evergrant.entrances import problems
from evergrant.entrances.gateway import asking, headers, refusals
from evergrant.entrances.gateway.exchange import IDLE_S, Exchange, Gone
from evergrant.entrances.gateway.passes import PATH as TOKEN_PATH
from evergrant.entrances.gateway.passes import Passes
from evergrant.entrances.renewal_links import RenewalLinks
from evergrant.errors import AmazonUnavailable, EvergrantError, InvalidInput, TooLarge
from evergrant.logs import logger
from evergrant.ports.upstream import UpstreamAnswer, UpstreamRequest
from evergrant.rules import operations
from evergrant.rules.repeats import HEAD_BYTES
from evergrant.settings import Settings
from evergrant.tokens.restricted import OPERATION as RESTRICTED_DATA_TOKEN

__all__ = ["GatewayDoor", "build"]

log = logger(__name__)

Header = tuple[bytes, bytes]

_ALLOW: Final = {"allow": ", ".join(sorted(METHODS))}
_WITHOUT_BODY: Final = frozenset({204, 304})
_JSON: Final = (b"content-type", b"application/json")
_GONE: Final = "caller_gone"
_LONGEST_WORD: Final = 128


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """The door of this desk; ``settings`` speak to the gate. Whoever mounts it below a path takes
    that path off ``path`` and ``raw_path`` of the scope."""
    return GatewayDoor(desk)


@dataclass(frozen=True, slots=True)
class _Request:
    """What goes to Amazon, whatever try it is."""

    asked: Asked
    program: asking.Program
    who: tuple[Header, ...]
    target: str
    travel: list[Header]
    id: bytes


@dataclass(frozen=True, slots=True)
class _Held:
    """The end of a try that nobody has been told of yet."""

    tried: Tried
    answer: tuple[int, Sequence[Header], bytes] | None
    failure: AmazonUnavailable | None = None


class GatewayDoor:
    """``monotonic`` is for tests."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._calls = desk.calls
        self._upstream = desk.upstream
        self._links = RenewalLinks(desk)
        self._passes = Passes(desk, self._links)
        self._monotonic = monotonic
        self._programs = asking.Programs(desk)
        self._names: dict[str, bytes] = {}
        self._date: tuple[int, bytes] = (0, b"")
        self._prefix = secrets.token_hex(6).encode()
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = b"req_%b%012x" % (self._prefix, next(self._numbers))
        exchange = Exchange(receive, send)
        refused: problems.Problem | None = None
        try:
            read = headers.read(scope["headers"], asking.HEADERS)
            request_id = read.request_id or request_id
            exchange.take(read)
            if scope["path"] == TOKEN_PATH:
                async with asyncio.timeout(IDLE_S):
                    await self._passes.token(scope, receive, send)
                return
            refused = await self._serve(scope, exchange, read, request_id)
        except Gone:
            return
        except TimeoutError:
            refused = _late()
        except asyncio.CancelledError:
            if not (exchange.gone or exchange.idle):
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            if exchange.idle and not exchange.started:
                refused = _late()
        except EvergrantError as error:
            if exchange.started:
                # The answer broke off, and the server cuts the connection.
                log.info("an answer broke off", request_id=request_id.decode(), error=error.code)
                return
            refused = refusals.problem_of(error)
        finally:
            exchange.unwatch()
        if refused is not None:
            await exchange.drain()
            await refusals.answer(
                refused, request_id.decode(), send, head=scope["method"] == "HEAD"
            )

    async def _serve(
        self, scope: Scope, exchange: Exchange, read: headers.Read, request_id: bytes
    ) -> problems.Problem | None:
        """Nothing, or a refusal."""
        method = scope["method"]
        if method not in METHODS:
            return problems.of_row("method_not_allowed", headers=_ALLOW)
        path, query = _target(scope)
        exchange.watch()
        program = self._programs.at_hand(read.who) or await self._programs.find(read.who)
        if method == "POST" and operations.find(method, path).name == RESTRICTED_DATA_TOKEN:
            await self._restricted(exchange, program, request_id)
            return None
        asked = asking.asked(program, method, path, query, request_id=request_id.decode())
        if exchange.has_body:
            await exchange.keep()
        leave = self._calls.admit_at_hand(asked, by=program.caller)
        if leave is None:
            admitted = self._calls.admit(asked, by=program.caller)
            leave = await self._links.carried(admitted, program.account_id)
            await self._look_again(leave, read.who)
        if not read.date:
            read.travel.append((b"x-amz-date", self._dated()))
        target = f"{path}?{query}" if query else path
        request = _Request(asked, program, read.who, target, read.travel, request_id)
        await self._call(leave, request, exchange)
        await exchange.finish()
        return None

    async def _restricted(
        self, exchange: Exchange, program: asking.Program, request_id: bytes
    ) -> None:
        await exchange.keep()
        if not exchange.at_hand:
            raise TooLarge("The body is larger than that of any createRestrictedDataToken.")
        body = await self._passes.restricted(program, exchange.whole_body())
        length = (b"content-length", b"%d" % len(body))
        ours = (b"x-evergrant-request-id", request_id)
        await exchange.start(200, [_JSON, length, (b"cache-control", b"no-store"), ours])
        await exchange.piece(body, more=False)

    # --- who ---

    async def _look_again(self, leave: Leave, who: tuple[Header, ...]) -> None:
        """Whoever stood in line may have lost its key over it. Raises as `Programs.find`; the
        permit goes back."""
        try:
            if self._programs.at_hand(who) is None:
                await self._programs.find(who)
        except BaseException:
            self._calls.give_back(leave)
            raise

    # --- a call, with its repetitions ---

    async def _call(self, leave: Leave, request: _Request, exchange: Exchange) -> None:
        by = request.program.caller
        while True:
            held = await self._try(leave, request, exchange)
            if held is None:
                return
            how = self._calls.judge(leave, held.tried, by=by)
            if how is not None:
                try:
                    leave = await self._calls.again(leave, how, by=by)
                    await self._look_again(leave, request.who)
                    continue
                except EvergrantError as refused:
                    log.info("not repeated", request_id=leave.request_id, error=refused.code)
            if held.answer is None:
                assert held.failure is not None
                raise held.failure
            status, told, body = held.answer
            travel, _ = headers.of_answer(told, self._ours(leave, request))
            await exchange.start(status, travel)
            await exchange.piece(b"" if request.asked.method == "HEAD" else body, more=False)
            return

    async def _try(self, leave: Leave, request: _Request, exchange: Exchange) -> _Held | None:
        """Nothing, if the answer was passed on."""
        began_s = self._monotonic()
        body, length = exchange.body()
        noted, error = _NOTHING, ""
        answer: UpstreamAnswer | None = None
        try:
            answer = await self._upstream.open(
                UpstreamRequest(
                    endpoint=leave.endpoint,
                    method=request.asked.method,
                    target=request.target,
                    headers=request.travel,
                    access_token=leave.access_token,
                    body=body,
                    content_length=length,
                )
            )
            noted = _noted(answer)
            error = noted.error
            if answer.status < 200:
                raise AmazonUnavailable("Amazon changed the protocol.", facts={"sent": True})
            head = b""
            if answer.status >= 400:
                head, whole = await _head(answer)
                error = _code(head) or error
                if whole:
                    tried = Tried(
                        status=answer.status,
                        head=head,
                        retry_after_s=noted.retry_after_s,
                        body_at_hand=exchange.at_hand,
                    )
                    return _Held(tried, (answer.status, answer.headers, head))
            await self._pass_on(leave, request, exchange, answer, head)
            return None
        except AmazonUnavailable as failure:
            if exchange.gone:
                error = _GONE
                raise Gone from None
            if answer is not None:
                error = failure.code
                raise
            sent = bool(failure.facts.get("sent", True))
            error = failure.code if sent else NOT_SENT
            tried = Tried(status=None, sent=sent, body_at_hand=exchange.at_hand)
            return _Held(tried, None, failure)
        except BaseException:
            error = _GONE
            raise
        finally:
            if answer is not None:
                await answer.close()
            ended = Outcome(
                status=None if answer is None else answer.status,
                took_s=self._monotonic() - began_s,
                reported_rate_per_s=noted.rate_per_s,
                amazon_request_id=noted.request_id,
                error=error,
            )
            self._calls.tell(leave, ended)

    async def _pass_on(
        self,
        leave: Leave,
        request: _Request,
        exchange: Exchange,
        answer: UpstreamAnswer,
        head: bytes,
    ) -> None:
        """``head`` of its body was read already."""
        travel, left = headers.of_answer(answer.headers, self._ours(leave, request))
        await exchange.start(answer.status, travel)
        if request.asked.method == "HEAD" or answer.status in _WITHOUT_BODY or left == 0:
            await exchange.piece(b"", more=False)
            return
        while piece := head or await answer.read():
            head = b""
            if left is not None:
                left -= len(piece)
                if left <= 0:
                    await exchange.piece(piece, more=False)
                    return
            await exchange.piece(piece, more=True)
        if left is None:
            await exchange.piece(b"", more=False)

    def _ours(self, leave: Leave, request: _Request) -> Sequence[Header]:
        name = leave.operation.name
        operation = self._names.get(name)
        if operation is None:
            operation = self._names[name] = name.encode()
        waited = b"%.3f" % leave.waited_s if leave.waited_s else b"0"
        return (
            (b"x-evergrant-request-id", request.id),
            (b"x-evergrant-wait", waited),
            (b"x-evergrant-permits-left", b"%d" % leave.permits_left),
            (b"x-evergrant-operation", operation),
        )

    def _dated(self) -> bytes:
        """``x-amz-date`` for a program that sent none."""
        now = self._desk.clock.now()
        second = int(now.timestamp())
        if second != self._date[0]:
            self._date = second, now.strftime("%Y%m%dT%H%M%SZ").encode()
        return self._date[1]


def _late() -> problems.Problem:
    detail = "The body did not arrive: for too long there came nothing more of it."
    return problems.of_row("bad_request", detail=detail, status=408)


def _target(scope: Scope) -> tuple[str, str]:
    """Path and query as they were sent; the gate judges them. Raises InvalidInput."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    try:
        return raw.decode("ascii"), scope["query_string"].decode("ascii")
    except UnicodeDecodeError:
        raise InvalidInput(
            "Path and query have to be encoded.",
            hint="Characters outside of ASCII are sent as their UTF-8 bytes, each as %XX.",
        ) from None


# --- what an answer says of itself --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Noted:
    rate_per_s: float | None = None
    request_id: str = ""
    error: str = ""
    retry_after_s: float | None = None


_NOTHING: Final = _Noted()


def _noted(answer: UpstreamAnswer) -> _Noted:
    rate: float | None = None
    retry_after_s: float | None = None
    amazon_request_id = error = ""
    for name, value in answer.headers:
        lower = name.lower()
        if lower == b"x-amzn-ratelimit-limit":
            rate = _number(value)
        elif lower == b"x-amzn-requestid":
            amazon_request_id = _word(value)
        elif lower == b"x-amzn-errortype":
            error = _word(value.partition(b":")[0])
        elif lower == b"retry-after":
            retry_after_s = _number(value)
    return _Noted(rate, amazon_request_id, error if answer.status >= 400 else "", retry_after_s)


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number < 1e9 else None


def _word(value: bytes) -> str:
    text = value.decode("ascii", "replace")[:_LONGEST_WORD]
    return text if text.isprintable() else ""


def _code(head: bytes) -> str:
    """Amazon's code of the first error."""
    try:
        told = json.loads(head)
    except (ValueError, RecursionError):
        return ""
    rows = told.get("errors") if isinstance(told, dict) else told
    row = rows[0] if isinstance(rows, list) and rows else None
    code = row.get("code") if isinstance(row, dict) else None
    return _word(code.encode("ascii", "replace")) if isinstance(code, str) else ""


async def _head(answer: UpstreamAnswer) -> tuple[bytes, bool]:
    """The beginning of a body, and whether that is all of it."""
    head = b""
    while piece := await answer.read():
        head += piece
        if len(head) > HEAD_BYTES:
            return head, False
    return head, True
