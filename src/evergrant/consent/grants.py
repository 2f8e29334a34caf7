"""Grants: what Amazon gave, put into the safe.

Answers for: storing a grant with everything that follows from it in one commit, and for the first
look at what an account can do. Does not answer for: believing a callback (arrivals) or a pasted
refresh token (adoption), or for access tokens after the first one (the mint).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from evergrant import journal, vault
from evergrant.consent.ground import Case, Ground, case_in_reach, case_of, new_id
from evergrant.errors import AmazonError, CallDenied
from evergrant.intake import need
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.store import ONE_HOLDER_PER_SELLING_PARTNER, AlreadyThere, Transaction
from evergrant.ports.things import (
    Authorization,
    Grant,
    GrantSource,
    OutboxItem,
    OutboxKind,
)
from evergrant.rules import ids
from evergrant.rules.invitations import Refusal
from evergrant.rules.lifecycle import Event, Moved, State, advance
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret, digest
from evergrant.rules.terms import ACCESS_TOKEN_LIFE, grant_term_ends_at

#: The first look at an account happens while its owner waits for a page.
LOOK_PATIENCE_S = 8.0
#: How often a grant is stored anew after somebody else changed the same authorization.
MOST_RACES = 5


class NotStorable(Exception):
    """The grant is good, and it must not be stored here."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.value)


class Raced(Exception):
    """Somebody else changed the authorization at the same time; load it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A grant as it came, before it is stored."""

    id: str
    refresh_token: Secret
    access_token: Secret
    access_token_expires_at: datetime
    source: GrantSource
    selling_partner_id: str
    granted_at: datetime | None
    handshake_id: str | None = None

    def named(self, selling_partner_id: str) -> Given:
        return replace(self, selling_partner_id=selling_partner_id)


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
            **_told(grant, after),
        )
        return await self._announce(tx, case, grant, after, now)

    async def _advanced(
        self, tx: Transaction, before: Authorization, grant: Grant, to: State, now: datetime
    ) -> Authorization:
        try:
            after = await tx.authorizations.change(
                before.id,
                expecting={"version": before.version},
                state=to,
                selling_partner_id=grant.selling_partner_id,
                grant_id=grant.id,
                granted_at=grant.granted_at,
                term_ends_at=grant.term_ends_at,
                refused_at=None,
                refused_reason="",
                first_refused_at=None,
                checked_at=now,
                finding="",
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
        self, tx: Transaction, case: Case, grant: Grant, after: Authorization, now: datetime
    ) -> tuple[str, ...]:
        if not case.instance.webhook_url:
            return ()
        item = OutboxItem(
            id=new_id(ids.Kind.OUTBOX, now),
            kind=OutboxKind.WEBHOOK,
            topic="authorization.granted",
            subject=after.id,
            to=case.instance.id,
            account_id=case.account.id,
            facts={
                "account_id": case.account.id,
                "account_name": case.account.name,
                "partner_kind": case.account.partner_kind.value,
                "region": case.account.region.value,
                "renewal": case.renewal,
                "state": after.state.value,
                **_told(grant, after),
            },
            next_at=now,
            created_at=now,
        )
        await tx.outbox.add(item)
        return (item.id,)

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

    # --- the first look -----------------------------------------------------------------------

    async def after_grant(self, account_id: str, access_token: Secret) -> str:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            case = await case_of(tx, account_id)
        reported: list[ReportedParticipation] = []
        try:
            async with asyncio.timeout(LOOK_PATIENCE_S):
                reported = await self._look(case, access_token, now)
            finding = _missing_home(case, reported, self._ground)
            passed = True
        except CallDenied as denied:
            finding, passed = f"The first call was denied. {denied.message}", False
        except (AmazonError, TimeoutError) as error:
            said = error.message if isinstance(error, AmazonError) else "No answer in time."
            finding, passed = f"The first call got no answer. {said}", False
        async with self._ground.store.transaction() as tx:
            if passed and case.account.partner_kind is PartnerKind.SELLER:
                await self._ground.accounts.record_participations(tx, account_id, reported, now)
            if passed:
                await self._drop_superseded(tx, case.authorization.id)
            await tx.authorizations.change(
                case.authorization.id,
                expecting={"grant_id": case.authorization.grant_id},
                finding=finding,
                **({"checked_at": now} if passed else {}),
            )
        return finding

    async def _look(
        self, case: Case, access_token: Secret, now: datetime
    ) -> list[ReportedParticipation]:
        """One call of the partner's kind. Source: sellers API v1 model (getMarketplace-
        Participations), vendor orders API v1 model; the Sellers API does not serve vendors."""
        api = self._ground.selling_partner_api
        endpoint = self._ground.marketplaces.endpoint(case.account.region)
        if case.account.partner_kind is PartnerKind.SELLER:
            return await api.participations(endpoint, access_token)
        await api.probe_vendor(endpoint, access_token, now)
        return []

    async def _drop_superseded(self, tx: Transaction, authorization_id: str) -> None:
        """The grant in force works, so nobody needs the older refresh tokens any more."""
        for grant in await tx.grants.all(authorization_id=authorization_id):
            if grant.superseded_at is not None:
                await self._ground.vault.drop(tx, vault.refresh_token(grant.id))

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
        "selling_partner_id": grant.selling_partner_id,
        "granted_at": _text(grant.granted_at),
        "term_ends_at": _text(grant.term_ends_at),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _missing_home(case: Case, reported: Sequence[ReportedParticipation], ground: Ground) -> str:
    if case.account.partner_kind is not PartnerKind.SELLER:
        return ""
    home = ground.marketplaces.by_country(case.account.home_marketplace)
    if any(row.marketplace_id == home.marketplace_id and row.participating for row in reported):
        return ""
    named = ", ".join(row.country_code for row in reported if row.participating) or "none"
    return (
        f"Amazon does not name {home.country_code} among the marketplaces of this account "
        f"(it names: {named}). Is it the right account?"
    )
