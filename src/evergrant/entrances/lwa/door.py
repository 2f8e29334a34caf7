"""The door itself: one request in, an access token or a refusal in LWA's shape out.

Answers for: what LWA would have said in our place. Does not answer for: reading the request
and LWA's shapes (``lwa_shapes``), or where access tokens come from (the mint).
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant import errors
from evergrant.desk import Desk
from evergrant.entrances.lwa_shapes import (
    UNKNOWN_GRANT,
    Asked,
    Refusal,
    client_of,
    serve,
    unsupported,
)
from evergrant.entrances.renewal_links import RenewalLinks
from evergrant.errors import AmazonError
from evergrant.rules import terms
from evergrant.rules.rights import Caller, Right
from evergrant.settings import Settings
from evergrant.tokens import MIN_TTL_S, AccessToken, GrantlessToken

__all__ = ["SDK_CACHE_S", "LwaDoor", "build"]

#: So long python-amazon-sp-api keeps an access token, whatever ``expires_in`` said.
SDK_CACHE_S: Final = 3200


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """The door of this desk. It needs no setting."""
    return LwaDoor(desk)


class LwaDoor:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._people = desk.people
        self._tokens = desk.tokens
        self._links = RenewalLinks(desk)
        self._now = desk.clock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await serve(scope, receive, send, self._token)

    async def _token(self, asked: Asked) -> dict[str, object]:
        caller = await self._caller(asked)
        if asked.grant_type == "refresh_token":
            return await self._refresh(asked, caller)
        if asked.grant_type == "client_credentials":
            return await self._grantless(asked, caller)
        raise unsupported(asked.grant_type)

    async def _caller(self, asked: Asked) -> Caller:
        caller = await client_of(self._desk, asked)
        if not caller.may(Right.ACCESS_TOKENS):
            # Before anything else is looked at: it would learn which connection keys there are.
            raise errors.NotAllowed("This key may not have access tokens.")
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
            raise Refusal(400, "invalid_grant", UNKNOWN_GRANT)
        try:
            token = await self._mint(account_id, caller, SDK_CACHE_S)
        except errors.NotFound:
            # Somebody else's is none that we know.
            raise Refusal(400, "invalid_grant", UNKNOWN_GRANT) from None
        except AmazonError:
            # A token that lives shorter than we like is better than none.
            token = await self._mint(account_id, caller, MIN_TTL_S)
        return {**self._told(token), "refresh_token": asked.refresh_token.reveal()}

    async def _mint(self, account_id: str, caller: Caller, min_ttl_s: int) -> AccessToken:
        minted = self._tokens.mint(account_id, by=caller, min_ttl_s=min_ttl_s)
        return await self._links.carried(minted, account_id)

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
