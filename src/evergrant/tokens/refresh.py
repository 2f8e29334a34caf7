"""One errand: an access token of one account from the safe, or from LWA.

Answers for: the lock over all processes, looking again after locking, the second look at
``invalid_grant``, and for writing down what Amazon said. Does not answer for: who asks and whether
they may (the mint), or for how often LWA is asked in bad weather (`asking`).

An answer is written down only if the authorization still holds the grant that was asked with; the
row of the authorization is always touched before the safe, here and in every other room, so two
processes cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evergrant import journal
from evergrant import vault as safe
from evergrant.errors import (
    AccountClosed,
    AmazonError,
    Conflict,
    GrantLapsed,
    GrantRefused,
    NotFound,
    NotYetAuthorized,
    SealBroken,
)
from evergrant.outbox import put_event
from evergrant.patience import patiently
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import TokenAnswer
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.things import (
    Account,
    Authorization,
    OutboxItem,
    SealedSecret,
    Standing,
)
from evergrant.rules import lifecycle, terms
from evergrant.rules.lifecycle import Event, State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret, digest
from evergrant.tokens.asking import Asking
from evergrant.tokens.values import AccessToken

__all__ = ["Refresh", "refuse_unless_serving"]

#: So often an errand begins again because the grant changed under its hands.
_ATTEMPTS = 3
#: Pauses, in seconds, between attempts to write down an answer of LWA. Callers wait meanwhile.
_KEEPING_S = (0.1, 0.4)

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
            hint="Send the account a fresh link; the selling partner renews with it.",
            facts={"amazon_reason": refused_reason} if refused_reason else None,
        )
    if state is State.REVOKED or refused_reason:
        raise _refused(refused_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What lay there under the lock."""

    account: Account
    authorization: Authorization
    grant_id: str
    refresh_token: SealedSecret | None
    access_token: SealedSecret | None


class Refresh:
    """One per process."""

    def __init__(
        self, *, store: Store, clock: Clock, vault: safe.Vault, bell: Bell, asking: Asking
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._bell = bell
        self._asking = asking

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
        now = self._clock.now()
        found = await self._look(standing.account_id)
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
            again = await self._second_look(found, refresh_token, first, since_s)
            if again is None:
                return None
            answer = again
        return await self._keep(found, refresh_token, answer, now)

    async def _look(self, account_id: str) -> _Found:
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            authorization = await tx.authorizations.one(account_id=account_id)
            if account is None or authorization is None:
                raise NotFound("There is no such account.")
            grant_id = authorization.grant_id or ""
            return _Found(
                account=account,
                authorization=authorization,
                grant_id=grant_id,
                refresh_token=await tx.safe.get(safe.refresh_token(grant_id)),
                access_token=await tx.safe.get(safe.access_token(authorization.id)),
            )

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

    async def _second_look(
        self, found: _Found, refresh_token: Secret, first: GrantRefused, since_s: float
    ) -> TokenAnswer | None:
        """LWA's answer if it changed its mind. Refused again: written down, and raised. None when
        the grant was replaced meanwhile, which explains the refusal."""
        if found.authorization.first_refused_at is None:
            try:
                return await self._asking.refresh(
                    found.authorization.application_id, refresh_token, since_s=since_s
                )
            except GrantRefused as second:
                first = second
            except AmazonError:
                # Said once, not confirmed: whoever asks next takes the second look.
                await self._note_first_look(found)
                raise _refused(first.reason) from None
        moved = await self._note_refused(found, first.reason)
        if moved is None:
            return None
        if moved is State.LAPSED:
            raise GrantLapsed(
                hint="Send the account a fresh link; the selling partner renews with it.",
                facts={"amazon_reason": first.reason},
            )
        raise _refused(first.reason)

    async def _note_first_look(self, found: _Found) -> None:
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await tx.authorizations.change(
                found.authorization.id,
                expecting={"grant_id": found.grant_id, "state": found.authorization.state},
                first_refused_at=now,
            )

    async def _note_refused(self, found: _Found, reason: str) -> State | None:
        """The state in which it is now; None when the grant is another one by now."""
        now = self._clock.now()
        seen = found.authorization
        over = terms.phase(now, seen.term_ends_at) is terms.Phase.OVER
        decision = lifecycle.advance(seen.state, Event.TERM_ENDED if over else Event.REFUSED)
        state = decision.to if isinstance(decision, lifecycle.Moved) else seen.state
        told: OutboxItem | None = None
        async with self._store.transaction() as tx:
            changed = await tx.authorizations.change(
                seen.id,
                expecting={"grant_id": found.grant_id, "state": seen.state},
                state=state,
                refused_at=now,
                refused_reason=reason,
                first_refused_at=seen.first_refused_at or now,
                checked_at=now,
                version=seen.version + 1,
                changed_at=now,
            )
            if changed is None:
                return None
            await self._vault.drop(tx, safe.access_token(seen.id))
            if state is not seen.state or not seen.refused_reason:
                await journal.write(
                    tx,
                    now=now,
                    by=SYSTEM,
                    verb=_VERBS.get(state, "authorization.refused"),
                    subject=seen.id,
                    account_id=found.account.id,
                    grant_id=found.grant_id,
                    amazon_reason=reason,
                    state_before=seen.state,
                    state=state,
                )
            if state is not seen.state:
                told = await _announce(tx, found.account, changed, now)
        if told is not None:
            await self._bell.ring([told.id])
        return state

    async def _keep(
        self, found: _Found, refresh_token: Secret, answer: TokenAnswer, now: datetime
    ) -> AccessToken | None:
        """Writes a fresh token down; None when the grant is another one by now."""
        life = min(timedelta(seconds=answer.expires_in_s), terms.ACCESS_TOKEN_LIFE)
        authorization = found.authorization
        token = AccessToken(
            value=answer.access_token,
            expires_at=now + life,
            account_id=found.account.id,
            application_id=authorization.application_id,
            region=authorization.region,
            partner_kind=found.account.partner_kind,
            grant_id=found.grant_id,
        )
        swapped = answer.refresh_token is not None and answer.refresh_token != refresh_token
        new_refresh_token = answer.refresh_token if swapped else None
        # A refresh token that Amazon swapped would be lost with the answer.
        kept = await patiently(lambda: self._write(found, token, new_refresh_token), _KEEPING_S)
        return token if kept else None

    async def _write(
        self, found: _Found, token: AccessToken, new_refresh_token: Secret | None
    ) -> bool:
        now = self._clock.now()
        seen = found.authorization
        decision = lifecycle.advance(seen.state, Event.ACCEPTED)
        values: dict[str, object] = {"checked_at": now, "first_refused_at": None}
        revived = isinstance(decision, lifecycle.Moved)
        if isinstance(decision, lifecycle.Moved):
            values |= {
                "state": decision.to,
                "refused_at": None,
                "refused_reason": "",
                "version": seen.version + 1,
                "changed_at": now,
            }
            if terms.phase(now, seen.term_ends_at) is terms.Phase.OVER:
                # It was renewed at Amazon, and nobody told us when.
                values["term_ends_at"] = None
        told: OutboxItem | None = None
        try:
            async with self._store.transaction() as tx:
                changed = await tx.authorizations.change(
                    seen.id, expecting={"grant_id": found.grant_id, "state": seen.state}, **values
                )
                if changed is None:
                    return False
                await self._vault.put(
                    tx,
                    safe.access_token(seen.id),
                    token.value,
                    now=now,
                    expires_at=token.expires_at,
                )
                if new_refresh_token is not None:
                    await self._swap(tx, found, new_refresh_token, now)
                if revived:
                    await journal.write(
                        tx,
                        now=now,
                        by=SYSTEM,
                        verb="authorization.reinstated",
                        subject=seen.id,
                        account_id=found.account.id,
                        grant_id=found.grant_id,
                        state_before=seen.state,
                        state=changed.state,
                    )
                    told = await _announce(tx, found.account, changed, now)
        except AlreadyThere:
            raise Conflict(
                "Another account of this application and region holds the selling partner by now."
            ) from None
        if told is not None:
            await self._bell.ring([told.id])
        return True

    async def _swap(
        self, tx: Transaction, found: _Found, refresh_token: Secret, now: datetime
    ) -> None:
        await self._vault.put(tx, safe.refresh_token(found.grant_id), refresh_token, now=now)
        await tx.grants.change(found.grant_id, token_digest=digest(refresh_token))
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb="authorization.refresh_token_replaced",
            subject=found.authorization.id,
            account_id=found.account.id,
            grant_id=found.grant_id,
        )


_VERBS = {State.REVOKED: "authorization.revoked", State.LAPSED: "authorization.lapsed"}
_TOPICS = {**_VERBS, State.ACTIVE: "authorization.reinstated"}


def _refused(reason: str) -> GrantRefused:
    return GrantRefused(
        reason,
        message="Amazon no longer accepts the authorization of this account"
        + (f": {reason}" if reason else "."),
        hint="Send the account a fresh link; the selling partner has to authorize again.",
    )


async def _announce(
    tx: Transaction, account: Account, changed: Authorization, now: datetime
) -> OutboxItem | None:
    """The event for the client instance, where it wants to hear."""
    return await put_event(
        tx,
        now=now,
        topic=_TOPICS[changed.state],
        account=account,
        authorization=changed,
        amazon_reason=changed.refused_reason,
    )
