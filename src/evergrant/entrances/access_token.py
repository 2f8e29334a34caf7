"""The hot door: ``GET /v1/accounts/{id}/access-token?min_ttl=600``.

Answers for: parsing one path, one parameter and one header, and for writing the answer, as plain
ASGI, because programs call it before each of their own calls. Does not answer for: rights, or where
the access token comes from (the mint). Problems look exactly like those of the rest of ``/v1``; a
test compares them.

``expires_in`` are the seconds that the access token still lives, at least ``min_ttl``. An access
token carries an ``x-request-id`` only when the caller sent one; problems always do.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant import errors
from evergrant.desk import Desk
from evergrant.errors import EvergrantError, Flaw, InvalidInput, NotAuthenticated
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import scrub
from evergrant.settings import Settings
from evergrant.tokens import LONGEST_MIN_TTL_S, MIN_TTL_S, AccessToken

__all__ = ["AccessTokenDoor", "build"]

_BEFORE: Final = "/v1/accounts/"
_AFTER: Final = "/access-token"
_ID: Final = slice(len(_BEFORE), -len(_AFTER))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
#: For a moment the same header is the same caller, and the same question has the same answer,
#: number included: what is asked for thousands of times a second is worked out ten times. It is
#: short beside the second for which key rack and mint themselves may remember what was changed.
_MOMENT_S: Final = 0.1
_MOST_CALLERS: Final = 1_000
_MOST_ANSWERS: Final = 2_000

_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_JSON: Final = [(b"content-type", b"application/json"), *_HEADERS]
_PROBLEM: Final = [(b"content-type", b"application/problem+json"), *_HEADERS]

#: As in the rest of ``/v1``: a class that is not here takes the row of its nearest ancestor.
_STATUS: Final[Mapping[type[EvergrantError], int]] = {
    errors.InvalidInput: 422,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.CallerError: 400,
    errors.PartnerError: 409,
    errors.ApplicationIncomplete: 409,
    errors.ApplicationError: 502,
    errors.CallDenied: 502,
    errors.AmazonError: 503,
    errors.StoreUnavailable: 503,
    errors.NotDelivered: 502,
    errors.EvergrantError: 500,
}
_RETRY_AFTER_S: Final = 5


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """The door of this desk. It needs no setting."""
    return AccessTokenDoor(desk)


class AccessTokenDoor:
    """``monotonic`` is for tests."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._answers: dict[tuple[bytes, str, bytes, str], tuple[float, Message, Message]] = {}
        self._authenticate = desk.people.authenticate
        self._note_seen = desk.registry.note_seen
        self._at_hand = desk.tokens.at_hand
        self._mint = desk.tokens.mint
        self._now = desk.clock.now
        self._request_ids = itertools.count()
        self._prefix = secrets.token_hex(6).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        authorization = b""
        wished_id = b""
        keys = 0
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
                keys += 1
            elif name == b"x-request-id":
                wished_id = value
        question = (authorization, scope["path"], scope["query_string"], scope["method"])
        answer = self._answers.get(question)
        if answer is not None and keys == 1 and not wished_id and self._monotonic() < answer[0]:
            await send(answer[1])
            await send(answer[2])
            return
        await self._answer(question, keys, wished_id, send)

    async def _answer(
        self, question: tuple[bytes, str, bytes, str], keys: int, wished_id: bytes, send: Send
    ) -> None:
        authorization, path, query, method = question
        request_id = self._request_id(wished_id)
        asked_s = self._monotonic()
        try:
            if method != "GET":
                await _answer(send, 405, _not_allowed(request_id), request_id, [(b"allow", b"GET")])
                return
            caller = await self._caller(authorization, keys)
            min_ttl_s = _min_ttl(query) if query else MIN_TTL_S
            account_id = path[_ID]
            token = at_hand = self._at_hand(account_id, by=caller, min_ttl_s=min_ttl_s)
            if token is None:
                token = await self._mint(account_id, by=caller, min_ttl_s=min_ttl_s)
        except EvergrantError as error:
            status, problem, headers = _problem(error, request_id)
            await _answer(send, status, problem, request_id, headers)
            return
        body = self._body(token)
        start: Message = {
            "type": "http.response.start",
            "status": 200,
            "headers": [*_JSON, (b"content-length", b"%d" % len(body))],
        }
        rest: Message = {"type": "http.response.body", "body": body}
        if wished_id:
            start["headers"].append((b"x-request-id", request_id))
        elif at_hand is not None:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[question] = (asked_s + _MOMENT_S, start, rest)
        await send(start)
        await send(rest)

    async def _caller(self, authorization: bytes, keys: int) -> Caller:
        known = self._callers.get(authorization)
        now_s = self._monotonic()
        if known is not None and keys == 1 and now_s < known[0]:
            return known[1]
        caller = await self._authenticate(_api_key(authorization, keys))
        if caller.client_instance_id is not None:
            await self._note_seen(caller.client_instance_id)
        if len(self._callers) >= _MOST_CALLERS:
            self._callers.clear()
        self._callers[authorization] = (now_s + _MOMENT_S, caller)
        return caller

    def _body(self, token: AccessToken) -> bytes:
        told = {
            "access_token": token.value.reveal(),
            "token_type": "bearer",
            "expires_in": int((token.expires_at - self._now()).total_seconds()),
            "expires_at": token.expires_at.isoformat(),
        }
        return json.dumps(told, separators=(",", ":")).encode()

    def _request_id(self, wished: bytes) -> bytes:
        if wished and _REQUEST_ID.match(wished.decode("latin-1")):
            return wished
        return b"req_%b%012x" % (self._prefix, next(self._request_ids))


def _api_key(authorization: bytes, times: int) -> str:
    scheme, _, key = authorization.partition(b" ")
    if times != 1 or scheme.lower() != b"bearer" or not key.strip():
        raise NotAuthenticated(
            "This address needs an API key, sent once.",
            hint="Send 'Authorization: Bearer egk_…'. The command 'evergrant apikey add' or "
            "POST /v1/api-keys makes a key.",
        )
    return key.strip().decode("latin-1")


def _min_ttl(query: bytes) -> int:
    flaws: list[Flaw] = []
    found: list[str] = []
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        pairs = []
        flaws.append(Flaw("The query cannot be read."))
    for name, value in pairs:
        if name == "min_ttl":
            found.append(value)
        else:
            flaws.append(
                Flaw(
                    "is no parameter of this address.",
                    field=scrub(name)[:64] if name.isprintable() else None,
                    code="unknown",
                    hint="It knows one: min_ttl.",
                )
            )
    if len(found) > 1:
        flaws.append(Flaw("is given twice.", field="min_ttl", code="duplicate"))
    if len(found) == 1 and not _WHOLE_NUMBER.match(found[0]):
        flaws.append(
            Flaw(
                "has to be a whole number of seconds.",
                field="min_ttl",
                hint=f"From 0 to {LONGEST_MIN_TTL_S}.",
            )
        )
    if flaws:
        raise InvalidInput(flaws=flaws)
    return int(found[0]) if found else MIN_TTL_S


# --- problems (RFC 9457) ----------------------------------------------------------------------


def _problem(
    error: EvergrantError, request_id: bytes
) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, NotAuthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="evergrant"'))
    if status == 503:
        wait_s = error.retry_after_s if isinstance(error, errors.Throttled) else None
        headers.append((b"retry-after", b"%d" % max(1, round(wait_s or _RETRY_AFTER_S))))
    document: dict[str, Any] = {
        "type": f"urn:evergrant:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": scrub(error.message),
        "code": error.code,
        "blame": error.blame.value,
        "permanent": error.permanent,
        "request_id": request_id.decode("latin-1"),
    }
    if error.hint:
        document["hint"] = scrub(error.hint)
    if isinstance(error, InvalidInput) and error.flaws:
        document["flaws"] = [_flaw(flaw) for flaw in error.flaws]
    facts = {name: _plain(value) for name, value in error.facts.items() if value}
    if facts:
        document["facts"] = facts
    return status, json.dumps(document, ensure_ascii=False).encode(), headers


def _flaw(flaw: Flaw) -> dict[str, str]:
    told = {"code": flaw.code, "message": scrub(flaw.message)}
    if flaw.field:
        told["field"] = told["parameter"] = scrub(flaw.field)
    if flaw.hint:
        told["hint"] = scrub(flaw.hint)
    return told


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float) else scrub(str(value))


def _not_allowed(request_id: bytes) -> bytes:
    return json.dumps(
        {
            "type": "urn:evergrant:problem:method_not_allowed",
            "title": "Method not allowed",
            "status": 405,
            "detail": "This path does not know that method.",
            "code": "method_not_allowed",
            "blame": errors.Blame.CALLER.value,
            "permanent": True,
            "request_id": request_id.decode("latin-1"),
            "hint": "The header 'Allow' names the methods that it knows.",
        }
    ).encode()


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    request_id: bytes,
    headers: list[tuple[bytes, bytes]],
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                *_PROBLEM,
                *headers,
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", request_id),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
