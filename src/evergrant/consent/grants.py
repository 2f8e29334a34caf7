"""Grants: what Amazon gave, put into the safe.

Answers for: storing a grant with everything that follows from it in one commit. Does not answer
for: believing a callback (arrivals) or a pasted refresh token (adoption), for what the account can
do (looks), or for access tokens after the first one (the mint).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, notices, vault
from evergrant.consent.ground import Case, Ground, case_in_reach
from evergrant.intake import need
from evergrant.outbox import put_event
from evergrant.ports.store import ONE_HOLDER_PER_SELLING_PARTNER, AlreadyThere, Transaction
from evergrant.ports.things import (
    Authorization,
    Grant,
    GrantSource,
)
from evergrant.rules.invitations import Refusal
from evergrant.rules.lifecycle import Event, Moved, State, advance
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret, digest
from evergrant.rules.terms import ACCESS_TOKEN_LIFE, grant_term_ends_at

__all__ = ["MOST_RACES", "Given", "Grants", "NotStorable", "Raced"]

#: Whoever stores a grant looks at once what the account can do. If nobody has begun by then, the
#: process died in between, and the clock tower sees to it.
LOOK_DUE_AFTER = timedelta(minutes=1)
#: How often a grant is stored anew after somebody else changed the same authorization.
MOST_RACES = 5
#: What hangs on the notice board about a grant is over when another one is there.
_SETTLED = (
    NoticeKind.TERM_ENDING,
    NoticeKind.TERM_OVER,
    NoticeKind.TERM_BELIEVED,
    NoticeKind.TERM_UNKNOWN,
    NoticeKind.GRANT_REFUSED,
    NoticeKind.RENEWAL_FAILED,
)


class NotStorable(Exception):
    """The grant is good, and it must not be stored here."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.value)


class Raced(Exception):
    """Somebody else changed the authorization at the same time; load it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A grant as it came, before it is stored. ``selling_partner_id``: as Amazon or whoever pasted
    it said; "" when nobody did."""

    id: str
    refresh_token: Secret
    access_token: Secret
    access_token_expires_at: datetime
    source: GrantSource
    selling_partner_id: str
    granted_at: datetime | None
    handshake_id: str | None = None


class Grants:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    # --- storing ------------------------------------------------------------------------------

    async def store(
        self, tx: Transaction, case: Case, given: Given, now: datetime, *, by: Caller
    ) -> tuple[str, ...]:
        """Everything that follows from a grant, in the caller's transaction, which has to be
        given up on `NotStorable` and `Raced`. Gives outbox ids for the bell."""
        before = case.authorization
        decision = advance(before.state, Event.GRANTED)
        if not isinstance(decision, Moved):
            raise NotStorable(Refusal.ACCOUNT_CLOSED)
        grant = Grant(
            id=given.id,
            authorization_id=before.id,
            source=given.source,
            selling_partner_id=given.selling_partner_id,
            granted_at=given.granted_at,
            term_ends_at=grant_term_ends_at(given.granted_at, case.application.kind),
            handshake_id=given.handshake_id,
            token_digest=digest(given.refresh_token),
            created_at=now,
        )
        await tx.grants.add(grant)
        after = await self._advanced(tx, before, grant, decision.to, now)
        if before.grant_id is not None:
            # Its refresh token stays in the safe until the new one has passed a test.
            await tx.grants.change(
                before.grant_id, expecting={"superseded_at": None}, superseded_at=now
            )
        await self._ground.vault.put(
            tx, vault.refresh_token(grant.id), given.refresh_token, now=now
        )
        await self._ground.vault.put(
            tx,
            vault.access_token(after.id),
            given.access_token,
            now=now,
            expires_at=min(given.access_token_expires_at, now + ACCESS_TOKEN_LIFE),
        )
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="authorization.renewed" if case.renewal else "authorization.granted",
            subject=after.id,
            account_id=case.account.id,
            state_before=before.state,
            state_after=after.state,
            handshake_id=grant.handshake_id,
            **_told(grant, after),
        )
        await notices.settle(tx, now=now, kinds=_SETTLED, subject=after.id)
        # An adopted refresh token was begun by nobody: there was no consent page.
        begun_by = "" if given.handshake_id is None else by.kind.value
        return await self._announce(tx, case, grant, after, now, begun_by=begun_by)

    async def _advanced(
        self, tx: Transaction, before: Authorization, grant: Grant, to: State, now: datetime
    ) -> Authorization:
        try:
            after = await tx.authorizations.change(
                before.id,
                expecting={"version": before.version},
                state=to,
                selling_partner_id=grant.selling_partner_id or before.selling_partner_id,
                grant_id=grant.id,
                granted_at=grant.granted_at,
                term_ends_at=grant.term_ends_at,
                refused_at=None,
                refused_reason="",
                first_refused_at=None,
                checked_at=now,
                finding="",
                look_due_at=now + LOOK_DUE_AFTER,
                looks=0,
                version=before.version + 1,
                changed_at=now,
            )
        except AlreadyThere as taken:
            if taken.constraint != ONE_HOLDER_PER_SELLING_PARTNER:
                raise
            raise NotStorable(Refusal.ALREADY_CONNECTED) from None
        if after is None:
            raise Raced
        return after

    async def _announce(
        self,
        tx: Transaction,
        case: Case,
        grant: Grant,
        after: Authorization,
        now: datetime,
        *,
        begun_by: str,
    ) -> tuple[str, ...]:
        item = await put_event(
            tx,
            now=now,
            topic="authorization.renewed" if case.renewal else "authorization.granted",
            account=case.account,
            authorization=after,
            renewal=case.renewal,
            grant_id=grant.id,
            source=grant.source.value,
            begun_by=begun_by,
        )
        return () if item is None else (item.id,)

    async def held_by_other(self, tx: Transaction, case: Case, selling_partner_id: str) -> bool:
        """Another account of the same application and region holds this selling partner."""
        if not selling_partner_id:
            return False
        holders = await tx.authorizations.all(
            application_id=case.authorization.application_id,
            region=case.authorization.region,
            selling_partner_id=selling_partner_id,
            state=(State.ACTIVE, State.LAPSED),
        )
        return any(holder.id != case.authorization.id for holder in holders)

    # --- showing ------------------------------------------------------------------------------

    async def history(self, account_id: str, *, by: Caller) -> list[Grant]:
        need(by, Right.READ)
        async with self._ground.store.transaction() as tx:
            case = await case_in_reach(tx, account_id, by)
            return await tx.grants.all(authorization_id=case.authorization.id)


def _told(grant: Grant, after: Authorization) -> dict[str, Any]:
    return {
        "authorization_id": after.id,
        "grant_id": grant.id,
        "source": grant.source.value,
        "selling_partner_id": after.selling_partner_id,
        "granted_at": _text(grant.granted_at),
        "term_ends_at": _text(grant.term_ends_at),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
