"""One errand: an access token of one account from the safe, or from LWA.

Answers for: the lock over all processes, looking again after locking, the second look at
``invalid_grant``, and the grant before this one where a renewal did not work. Does not answer for:
who asks and whether they may (the mint), for how often LWA is asked in bad weather (`asking`), or
for what is written down (`records`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from evergrant import vault as safe
from evergrant.errors import (
    AccountClosed,
    AmazonError,
    Conflict,
    GrantLapsed,
    GrantRefused,
    NotYetAuthorized,
    SealBroken,
)
from evergrant.patience import patiently
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import TokenAnswer
from evergrant.ports.store import Store
from evergrant.ports.things import SealedSecret, Standing
from evergrant.rules import lifecycle, terms
from evergrant.rules.lifecycle import State
from evergrant.rules.secrecy import Secret
from evergrant.tokens.asking import Asking
from evergrant.tokens.records import Former, Found, Records
from evergrant.tokens.values import AccessToken

__all__ = ["Refresh", "refuse_unless_serving"]

#: So often an errand begins again because the grant changed under its hands.
_ATTEMPTS = 3
#: Pauses, in seconds, between attempts to write down an answer of LWA. Callers wait meanwhile.
_KEEPING_S = (0.1, 0.4)
_RENEW = "Send the account a fresh link; the selling partner renews with it."

Good = Callable[[AccessToken], bool]


def refuse_unless_serving(
    state: State, grant_id: str | None, refused_reason: str, *, dead_too: bool = False
) -> None:
    """Says why there is no access token in this state, before anybody asks LWA.

    AWAITING with a grant is an account that was closed and reopened: LWA is asked what its grant
    is still worth, once. ``dead_too``: somebody wants to know it of LAPSED and REVOKED as well.
    """
    if state is State.CLOSED:
        raise AccountClosed
    if grant_id is None:
        raise NotYetAuthorized(hint="Send the account its link.")
    if lifecycle.serves_tokens(state) or dead_too:
        return
    if state is State.LAPSED:
        raise GrantLapsed(
            hint=_RENEW,
            facts={"amazon_reason": refused_reason} if refused_reason else None,
        )
    if state is State.REVOKED or refused_reason:
        raise _refusal(refused_reason)


class Refresh:
    """One per process."""

    def __init__(
        self, *, store: Store, clock: Clock, vault: safe.Vault, bell: Bell, asking: Asking
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._asking = asking
        self._records = Records(store=store, clock=clock, vault=vault, bell=bell)

    async def fetch(
        self,
        standing: Standing,
        good: Good,
        before_asking: Callable[[], None],
        *,
        dead_too: bool = False,
    ) -> AccessToken:
        """A token that is ``good``, or a fresh one. ``before_asking`` may raise: then nobody waits
        for the lock in order to ask LWA."""
        since_s = self._asking.now_s()
        if lifecycle.serves_tokens(standing.state):
            token = await self._at_rest(standing, good)
            if token is not None:
                return token
        before_asking()
        async with self._store.exclusive(f"mint/{standing.authorization_id}"):
            for _ in range(_ATTEMPTS):
                token = await self._attempt(standing, good, dead_too, since_s)
                if token is not None:
                    return token
        raise Conflict("The grant of this account is being replaced right now; try again.")

    async def _at_rest(self, standing: Standing, good: Good) -> AccessToken | None:
        """The sealed row, read without any lock."""
        sealed = await self._store.quick.sealed(safe.access_token(standing.authorization_id))
        return await self._opened(sealed, good, standing)

    async def _attempt(
        self, standing: Standing, good: Good, dead_too: bool, since_s: float
    ) -> AccessToken | None:
        """None: somebody replaced the grant meanwhile."""
        found = await self._records.look(standing.account_id)
        authorization = found.authorization
        refuse_unless_serving(
            authorization.state,
            authorization.grant_id,
            authorization.refused_reason,
            dead_too=dead_too,
        )
        if lifecycle.serves_tokens(authorization.state):
            owner = replace(
                standing,
                application_id=authorization.application_id,
                region=authorization.region,
                grant_id=found.grant_id,
            )
            token = await self._opened(found.access_token, good, owner)
            if token is not None:
                return token
        if found.refresh_token is None:
            raise SealBroken("The refresh token of this account is not in the safe.")
        refresh_token = await self._vault.open_sealed(found.refresh_token)
        try:
            answer = await self._asking.refresh(
                authorization.application_id, refresh_token, since_s=since_s
            )
        except GrantRefused as first:
            return await self._refused(found, refresh_token, first, since_s)
        return await self._keep(found, refresh_token, answer)

    async def _opened(
        self, sealed: SealedSecret | None, good: Good, owner: Standing
    ) -> AccessToken | None:
        """A row that does not open is worth as much as none: the next refresh writes over it."""
        if sealed is None or sealed.expires_at is None or sealed.expires_at <= self._clock.now():
            return None
        try:
            value = await self._vault.open_sealed(sealed)
        except SealBroken:
            return None
        token = AccessToken(
            value=value,
            expires_at=sealed.expires_at,
            account_id=owner.account_id,
            application_id=owner.application_id,
            region=owner.region,
            partner_kind=owner.partner_kind,
            grant_id=owner.grant_id or "",
        )
        return token if good(token) else None

    # --- what Amazon said ---

    async def _refused(
        self, found: Found, refresh_token: Secret, first: GrantRefused, since_s: float
    ) -> AccessToken | None:
        """A token after all, if LWA changed its mind or takes the former grant. Else it is written
        down, and raised. None when the grant was replaced meanwhile, which explains the refusal."""
        said = first
        try:
            if found.authorization.first_refused_at is None:
                try:
                    answer = await self._asking.refresh(
                        found.authorization.application_id, refresh_token, since_s=since_s
                    )
                    return await self._keep(found, refresh_token, answer)
                except GrantRefused as second:
                    said = second
            former = await self._former_accepted(found, since_s)
        except AmazonError:
            # Said once, not confirmed: whoever asks next takes the second look.
            await self._records.note_first_look(found)
            raise _refusal(said.reason) from None
        if former is not None:
            return await self._restore(found, *former, said.reason)
        moved = await self._records.note_refused(found, said.reason)
        if moved is None:
            return None
        if moved is State.LAPSED:
            raise GrantLapsed(hint=_RENEW, facts={"amazon_reason": said.reason})
        raise _refusal(said.reason)

    async def _former_accepted(
        self, found: Found, since_s: float
    ) -> tuple[Former, Secret, TokenAnswer] | None:
        """A renewal that Amazon refuses before it passed a call: whether it still takes what was in
        force before."""
        for former in await self._records.former(found):
            try:
                refresh_token = await self._vault.open_sealed(former.refresh_token)
                answer = await self._asking.refresh(
                    found.authorization.application_id, refresh_token, since_s=since_s
                )
            except (GrantRefused, SealBroken):
                continue
            return former, refresh_token, answer
        return None

    async def _restore(
        self,
        found: Found,
        former: Former,
        refresh_token: Secret,
        answer: TokenAnswer,
        reason: str,
    ) -> AccessToken | None:
        token = self._token(found, former.grant.id, answer)
        kept = await patiently(
            lambda: self._records.restore(
                found, former, token, answer.refresh_token or refresh_token, reason
            ),
            _KEEPING_S,
        )
        return token if kept else None

    async def _keep(
        self, found: Found, refresh_token: Secret, answer: TokenAnswer
    ) -> AccessToken | None:
        """Writes a fresh token down; None when the grant is another one by now."""
        token = self._token(found, found.grant_id, answer)
        swapped = answer.refresh_token is not None and answer.refresh_token != refresh_token
        new_refresh_token = answer.refresh_token if swapped else None
        # A refresh token that Amazon swapped would be lost with the answer.
        kept = await patiently(
            lambda: self._records.write(found, token, new_refresh_token), _KEEPING_S
        )
        return token if kept else None

    def _token(self, found: Found, grant_id: str, answer: TokenAnswer) -> AccessToken:
        life = min(timedelta(seconds=answer.expires_in_s), terms.ACCESS_TOKEN_LIFE)
        return AccessToken(
            value=answer.access_token,
            expires_at=found.at + life,
            account_id=found.account.id,
            application_id=found.authorization.application_id,
            region=found.authorization.region,
            partner_kind=found.account.partner_kind,
            grant_id=grant_id,
        )


def _refusal(reason: str) -> GrantRefused:
    return GrantRefused(
        reason,
        message="Amazon no longer accepts the authorization of this account"
        + (f": {reason}" if reason else "."),
        hint="Send the account a fresh link; the selling partner has to authorize again.",
    )
