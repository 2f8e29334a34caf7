"""The door itself: one request in, an access token or a refusal in LWA's shape out.

Answers for: what LWA would have said in our place. Does not answer for: reading the request
(``asked``), or where access tokens come from (the mint).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant import errors
from evergrant.desk import Desk
from evergrant.entrances.lwa.asked import Asked, Refusal, read
from evergrant.errors import AmazonError, EvergrantError
from evergrant.rules import terms
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import scrub
from evergrant.settings import Settings
from evergrant.tokens import MIN_TTL_S, AccessToken, GrantlessToken

__all__ = ["SDK_CACHE_S", "LwaDoor", "build"]

#: So long python-amazon-sp-api keeps an access token, whatever ``expires_in`` said.
SDK_CACHE_S: Final = 3200
MOST_BYTES: Final = 16 * 1024
_RETRY_AFTER_S: Final = 5

_REFUSED_CLIENT: Final = "Client authentication failed"
_REFUSED_GRANT: Final = "The request has an invalid grant parameter : refresh_token."


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """The door of this desk. It needs no setting."""
    return LwaDoor(desk)


class LwaDoor:
    def __init__(self, desk: Desk) -> None:
        self._people = desk.people
        self._registry = desk.registry
        self._tokens = desk.tokens
        self._now = desk.clock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            if scope["method"] != "POST":
                raise Refusal(405, "invalid_request", "This address takes POST.", {"allow": "POST"})
            body = await _body(receive)
            if body is None:
                return
            told = await self._token(read(Headers(scope=scope), body))
        except Refusal as refusal:
            await _answer(
                send,
                refusal.status,
                {
                    "error_description": scrub(refusal.description),
                    "error": refusal.error,
                    "request_id": secrets.token_hex(12),
                },
                refusal.headers,
            )
            return
        await _answer(send, 200, told, {})

    async def _token(self, asked: Asked) -> dict[str, object]:
        try:
            caller = await self._caller(asked)
            if asked.grant_type == "refresh_token":
                return await self._refresh(asked, caller)
            if asked.grant_type == "client_credentials":
                return await self._grantless(asked, caller)
        except EvergrantError as error:
            raise _refusal(error) from None
        if asked.grant_type == "authorization_code":
            raise Refusal(
                400,
                "unsupported_grant_type",
                "Authorization codes are exchanged by Evergrant itself; send the selling partner "
                "its link.",
            )
        raise Refusal(
            400,
            "unsupported_grant_type",
            "The authorization grant type is not supported by the authorization server",
        )

    async def _caller(self, asked: Asked) -> Caller:
        caller = await self._people.authenticate(asked.client_secret.reveal())
        if asked.client_id.startswith("key_") and asked.client_id != caller.id:
            raise errors.NotAuthenticated
        if caller.client_instance_id is not None:
            await self._registry.note_seen(caller.client_instance_id)
        return caller

    async def _refresh(self, asked: Asked, caller: Caller) -> dict[str, object]:
        if not asked.refresh_token:
            raise Refusal(
                400,
                "invalid_request",
                "The request is missing a required parameter : refresh_token",
            )
        account_id = await self._people.account_of(asked.refresh_token.reveal())
        if account_id is None:
            raise Refusal(
                400,
                "invalid_grant",
                f"{_REFUSED_GRANT} It is no connection key of Evergrant, or a revoked one.",
            )
        try:
            token = await self._tokens.mint(account_id, by=caller, min_ttl_s=SDK_CACHE_S)
        except AmazonError:
            # A token that lives shorter than we like is better than none.
            token = await self._tokens.mint(account_id, by=caller, min_ttl_s=MIN_TTL_S)
        return {**self._told(token), "refresh_token": asked.refresh_token.reveal()}

    async def _grantless(self, asked: Asked, caller: Caller) -> dict[str, object]:
        if not asked.scope:
            raise Refusal(
                400, "invalid_request", "The request is missing a required parameter : scope"
            )
        if not asked.client_id.startswith("app_"):
            raise Refusal(
                400,
                "unauthorized_client",
                "For a grantless token the client_id has to be the application's id (app_…).",
            )
        mint = self._tokens.grantless
        try:
            token = await mint(asked.client_id, asked.scope, by=caller, min_ttl_s=SDK_CACHE_S)
        except AmazonError:
            token = await mint(asked.client_id, asked.scope, by=caller, min_ttl_s=MIN_TTL_S)
        return self._told(token)

    def _told(self, token: AccessToken | GrantlessToken) -> dict[str, object]:
        left_s = int((token.expires_at - self._now()).total_seconds())
        life_s = int(terms.ACCESS_TOKEN_LIFE.total_seconds())
        return {
            "access_token": token.value.reveal(),
            "token_type": "bearer",
            "expires_in": min(left_s, life_s),
        }


def _refusal(error: EvergrantError) -> Refusal:
    """What LWA would have said. The words are Amazon's where Amazon said some."""
    match error:
        case errors.NotAuthenticated():
            return Refusal(401, "invalid_client", _REFUSED_CLIENT)
        case errors.InvalidInput():
            scope = any(flaw.field == "scope" for flaw in error.flaws)
            return Refusal(400, "invalid_scope" if scope else "invalid_request", error.message)
        case errors.NotAllowed():
            return Refusal(400, "unauthorized_client", error.message)
        case errors.NotFound():
            return Refusal(400, "invalid_grant", f"{_REFUSED_GRANT} {error.message}")
        case errors.GrantRefused():
            return Refusal(400, "invalid_grant", error.reason or f"{_REFUSED_GRANT}")
        case errors.PartnerError():
            return Refusal(400, "invalid_grant", f"{_REFUSED_GRANT} {error.message}")
        case errors.ApplicationRefused():
            status = 401 if error.error == "invalid_client" else 400
            return Refusal(status, error.error, error.message)
        case errors.ApplicationError():
            return Refusal(400, "unauthorized_client", error.message)
        case errors.AmazonError() | errors.StoreUnavailable() | errors.Conflict():
            return Refusal(
                503,
                "temporarily_unavailable",
                error.message,
                {"retry-after": str(_RETRY_AFTER_S)},
            )
        case _:
            return Refusal(500, "server_error", error.message)


async def _body(receive: Receive) -> bytes | None:
    """None when the caller hung up. Raises Refusal when it is larger than a token request is."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise Refusal(413, "invalid_request", "The body is too large for a token request.")
        if not message.get("more_body", False):
            return bytes(body)


async def _answer(
    send: Send, status: int, told: Mapping[str, object], headers: Mapping[str, str]
) -> None:
    body = json.dumps(told).encode()
    every = {
        "content-type": "application/json;charset=UTF-8",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "pragma": "no-cache",
        "x-content-type-options": "nosniff",
        **headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
