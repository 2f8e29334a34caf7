"""Login with Amazon in memory: clients, codes, grants, and every way of saying no.

Answers for: LWA's rules as ``ports.amazon.LWA`` promises them (a code is good once, for five
minutes, for its own client and redirect URI; a refresh token for its own client only; the same
refresh token comes back). Does not answer for: LWA's bytes (the adapter, the emulator).

``calls`` tells what was asked. ``fail`` makes the weather, ``hold`` keeps callers waiting.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant.errors import (
    AmazonUnavailable,
    ApplicationRefused,
    CodeRefused,
    EvergrantError,
    GrantRefused,
)
from evergrant.ports import Clock
from evergrant.ports.amazon import LwaClient, TokenAnswer
from evergrant.rules.secrecy import Secret

__all__ = ["REFUSED_CLIENT", "REFUSED_CODE", "REFUSED_GRANT", "FakeLWA", "Issued", "LwaCall"]

#: What LWA says, verbatim, when a refresh token is revoked, over, made up, or of another client.
REFUSED_GRANT = (
    "The request has an invalid grant parameter : refresh_token. "
    "User may have revoked or didn't grant the permission."
)
REFUSED_CODE = "The request has an invalid grant parameter : code"
REFUSED_CLIENT = "Client authentication failed"

CODE_LIFE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LwaCall:
    """One question to LWA. ``about`` is the grant's name (``selling_partner_id`` where one was
    given), the scope, or the empty string when LWA did not know what was shown."""

    verb: str  # "exchange_code", "refresh", "grantless"
    lwa_client_id: str
    about: str
    at: datetime


@dataclass(slots=True, kw_only=True)
class _Grant:
    lwa_client_id: str
    about: str
    refresh_token: Secret
    alive: bool = True
    next_refresh_token: Secret | None = None  # LWA swaps it at the next refresh, once


@dataclass(slots=True, kw_only=True)
class _Code:
    grant: _Grant
    redirect_uri: str
    expires_at: datetime
    spent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What an access token that we gave stands for."""

    about: str  # the grant's name, or the scope
    lwa_client_id: str
    expires_at: datetime


class FakeLWA:
    """``ports.amazon.LWA`` in memory."""

    def __init__(self, clock: Clock, *, expires_in_s: int = 3600) -> None:
        self.calls: list[LwaCall] = []
        self.expires_in_s = expires_in_s
        self._clock = clock
        self._clients: dict[str, list[Secret]] = {}
        self._codes: dict[str, _Code] = {}
        self._grants: list[_Grant] = []
        self._issued: dict[str, Issued] = {}
        self._failure: Callable[[], EvergrantError] | None = None
        self._failures_left: int | None = None
        self._gate = asyncio.Event()
        self._gate.set()

    # --- what exists at Amazon ---

    def add_client(self, lwa_client_id: str, secret: Secret) -> None:
        """An application; a second secret for the same id stands beside the first (rotation)."""
        self._clients.setdefault(lwa_client_id, []).append(secret)

    def drop_secrets(self, lwa_client_id: str) -> None:
        """The client secrets of this application are dead from now on."""
        self._clients[lwa_client_id] = []

    def grant(self, lwa_client_id: str, about: str = "") -> Secret:
        """A selling partner consented, or authorized a private application: a refresh token."""
        return self._grant(lwa_client_id, about).refresh_token

    def code(self, lwa_client_id: str, redirect_uri: str, about: str = "") -> Secret:
        """A selling partner consented: an authorization code, good once and for five minutes."""
        code = Secret("AN" + secrets.token_hex(9))
        self._codes[code.reveal()] = _Code(
            grant=self._grant(lwa_client_id, about),
            redirect_uri=redirect_uri,
            expires_at=self._clock.now() + CODE_LIFE,
        )
        return code

    def revoke(self, refresh_token_or_about: Secret | str) -> None:
        """The selling partner disabled the application. By refresh token, or by name."""
        for grant in self._find(refresh_token_or_about):
            grant.alive = False

    def reinstate(self, refresh_token_or_about: Secret | str) -> None:
        for grant in self._find(refresh_token_or_about):
            grant.alive = True

    def swap_refresh_token(self, refresh_token_or_about: Secret | str) -> Secret:
        """The next refresh answers with another refresh token; gives that token. Amazon does not
        do so today, but nothing it writes forbids it."""
        fresh = Secret("Atzr|" + secrets.token_hex(32))
        for grant in self._find(refresh_token_or_about):
            grant.next_refresh_token = fresh
        return fresh

    def issued(self, access_token: Secret) -> Issued | None:
        """What this access token stands for; None when we never gave it."""
        return self._issued.get(access_token.reveal())

    # --- weather ---

    def fail(
        self,
        failure: Callable[[], EvergrantError] = AmazonUnavailable,
        *,
        times: int | None = None,
    ) -> None:
        """Every call (or the next ``times``) ends with ``failure()``."""
        self._failure, self._failures_left = failure, times

    def clear(self) -> None:
        self._failure = self._failures_left = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Whoever asks waits until the block is over; what is asked meanwhile is in ``calls``."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def count(self, verb: str | None = None, about: str | None = None) -> int:
        return sum(
            1 for call in self.calls if verb in (None, call.verb) and about in (None, call.about)
        )

    # --- the port ---

    async def exchange_code(
        self, client: LwaClient, code: Secret, redirect_uri: str
    ) -> TokenAnswer:
        found = self._codes.get(code.reveal())
        await self._asked("exchange_code", client, found.grant.about if found else "")
        if (
            found is None
            or found.spent
            or found.expires_at <= self._clock.now()
            or found.redirect_uri != redirect_uri
            or found.grant.lwa_client_id != client.lwa_client_id
        ):
            raise CodeRefused(REFUSED_CODE)
        found.spent = True
        return self._answer(found.grant)

    async def refresh(self, client: LwaClient, refresh_token: Secret) -> TokenAnswer:
        found = next(iter(self._find(refresh_token)), None)
        await self._asked("refresh", client, found.about if found else "")
        if found is None or not found.alive or found.lwa_client_id != client.lwa_client_id:
            raise GrantRefused(REFUSED_GRANT)
        if found.next_refresh_token is not None:
            found.refresh_token, found.next_refresh_token = found.next_refresh_token, None
        return self._answer(found)

    async def grantless(self, client: LwaClient, scope: str) -> TokenAnswer:
        await self._asked("grantless", client, scope)
        if not scope.startswith("sellingpartnerapi::"):
            raise ApplicationRefused("invalid_scope", "The requested scope is invalid.")
        return TokenAnswer(
            access_token=self._issue(scope, client.lwa_client_id), expires_in_s=self.expires_in_s
        )

    # --- inside ---

    async def _asked(self, verb: str, client: LwaClient, about: str) -> None:
        self.calls.append(
            LwaCall(
                verb=verb,
                lwa_client_id=client.lwa_client_id,
                about=about,
                at=self._clock.now(),
            )
        )
        await asyncio.sleep(0)
        await self._gate.wait()
        if self._failure is not None and self._failures_left != 0:
            if self._failures_left is not None:
                self._failures_left -= 1
            raise self._failure()
        if client.lwa_client_secret not in self._clients.get(client.lwa_client_id, []):
            raise ApplicationRefused("invalid_client", REFUSED_CLIENT)

    def _grant(self, lwa_client_id: str, about: str) -> _Grant:
        grant = _Grant(
            lwa_client_id=lwa_client_id,
            about=about or f"grant-{len(self._grants) + 1}",
            refresh_token=Secret("Atzr|" + secrets.token_hex(32)),
        )
        self._grants.append(grant)
        return grant

    def _find(self, which: Secret | str) -> list[_Grant]:
        if isinstance(which, str):
            return [grant for grant in self._grants if grant.about == which]
        return [grant for grant in self._grants if grant.refresh_token == which]

    def _answer(self, grant: _Grant) -> TokenAnswer:
        return TokenAnswer(
            access_token=self._issue(grant.about, grant.lwa_client_id),
            expires_in_s=self.expires_in_s,
            refresh_token=grant.refresh_token,
        )

    def _issue(self, about: str, lwa_client_id: str) -> Secret:
        access_token = Secret("Atza|" + secrets.token_hex(32))
        self._issued[access_token.reveal()] = Issued(
            about=about,
            lwa_client_id=lwa_client_id,
            expires_at=self._clock.now() + timedelta(seconds=self.expires_in_s),
        )
        return access_token
