"""The hot door: ``GET /v1/accounts/{id}/access-token?min_ttl=600``.

Answers for: parsing one path, one parameter and one header, and for writing the answer, as plain
ASGI, because programs call it before each of their own calls. Does not answer for: rights, or where
the access token comes from (the mint).

``expires_in`` are the seconds that the access token still lives, at least ``min_ttl``. An access
token carries an ``x-request-id`` only when the caller sent one; problems always do.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergrant.desk import Desk
from evergrant.entrances import problems
from evergrant.entrances.programs import HEADERS, api_key_in, caller_of, fits_as_request_id
from evergrant.entrances.renewal_links import RenewalLinks
from evergrant.errors import EvergrantError, Flaw, InvalidInput
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import scrub
from evergrant.settings import Settings
from evergrant.tokens import LONGEST_MIN_TTL_S, MIN_TTL_S, AccessToken

__all__ = ["AccessTokenDoor", "build"]

_BEFORE: Final = "/v1/accounts/"
_AFTER: Final = "/access-token"
_ID: Final = slice(len(_BEFORE), -len(_AFTER))
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
#: For a moment the same header is the same caller, and the same question has the same answer,
#: number included: what is asked for thousands of times a second is worked out ten times. It is
#: short beside the second for which key rack and mint themselves may remember what was changed.
_MOMENT_S: Final = 0.1
_MOST_CALLERS: Final = 1_000
_MOST_ANSWERS: Final = 2_000

_JSON: Final = [
    (b"content-type", b"application/json"),
    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
]


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """The door of this desk. It needs no setting."""
    return AccessTokenDoor(desk)


class AccessTokenDoor:
    """``monotonic`` is for tests."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._answers: dict[tuple[bytes, str, bytes, str], tuple[float, Message, Message]] = {}
        self._desk = desk
        self._at_hand = desk.tokens.at_hand
        self._mint = desk.tokens.mint
        self._links = RenewalLinks(desk)
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
                refused = problems.of_row("method_not_allowed", headers={"allow": "GET"})
                await problems.answer(refused, request_id.decode("latin-1"), send)
                return
            caller = await self._caller(authorization, keys)
            min_ttl_s = _min_ttl(query) if query else MIN_TTL_S
            account_id = path[_ID]
            token = at_hand = self._at_hand(account_id, by=caller, min_ttl_s=min_ttl_s)
            if token is None:
                minted = self._mint(account_id, by=caller, min_ttl_s=min_ttl_s)
                token = await self._links.carried(minted, account_id)
        except EvergrantError as error:
            problem = problems.of_error(error, in_query=True)
            await problems.answer(problem, request_id.decode("latin-1"), send)
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
        caller = await caller_of(self._desk, api_key_in([authorization.decode("latin-1")] * keys))
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
        if wished and fits_as_request_id(wished.decode("latin-1")):
            return wished
        return b"req_%b%012x" % (self._prefix, next(self._request_ids))


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
