"""One errand: a grantless token of one application from the safe, or from LWA.

Answers for: the lock over all processes and looking again after locking. Does not answer for: who
may have one (the mint).
"""

from __future__ import annotations

from datetime import timedelta

from evergrant import vault as safe
from evergrant.errors import NotFound, SealBroken
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.rules import terms
from evergrant.tokens.asking import Asking
from evergrant.tokens.values import GrantlessToken

__all__ = ["Grantless"]


class Grantless:
    """One per process."""

    def __init__(self, *, store: Store, clock: Clock, vault: safe.Vault, asking: Asking) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._asking = asking

    async def fetch(self, application_id: str, scope: str, min_ttl_s: int) -> GrantlessToken:
        since_s = self._asking.now_s()
        token = await self._at_rest(application_id, scope, min_ttl_s)
        if token is not None:
            return token
        async with self._store.transaction() as tx:
            if await tx.applications.get(application_id) is None:
                raise NotFound("There is no such application.")
        async with self._store.exclusive(f"mint/{application_id}/{scope}"):
            token = await self._at_rest(application_id, scope, min_ttl_s)
            if token is not None:
                return token
            now = self._clock.now()
            answer = await self._asking.grantless(application_id, scope, since_s=since_s)
            life = min(timedelta(seconds=answer.expires_in_s), terms.ACCESS_TOKEN_LIFE)
            token = GrantlessToken(
                value=answer.access_token,
                expires_at=now + life,
                application_id=application_id,
                scope=scope,
            )
            async with self._store.transaction() as tx:
                await self._vault.put(
                    tx,
                    safe.grantless_token(application_id, scope),
                    token.value,
                    now=now,
                    expires_at=token.expires_at,
                )
        return token

    async def _at_rest(
        self, application_id: str, scope: str, min_ttl_s: int
    ) -> GrantlessToken | None:
        sealed = await self._store.quick.sealed(safe.grantless_token(application_id, scope))
        if (
            sealed is None
            or sealed.expires_at is None
            or not terms.usable(self._clock.now(), sealed.expires_at, min_ttl_s)
        ):
            return None
        try:
            value = await self._vault.open_sealed(sealed)
        except SealBroken:
            return None
        return GrantlessToken(
            value=value,
            expires_at=sealed.expires_at,
            application_id=application_id,
            scope=scope,
        )
