"""What LWA said of a grant, written down with everything that follows from it.

Answers for: state, journal, event, notices and safe in one commit, and only if the authorization
still holds the grant that was asked with: a renewal that came between is never undone. Does not
answer for: asking LWA (`asking`), or for when somebody does (`refresh`).

The row of the authorization is always touched before the safe, here and in every other room, so
two processes cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, notices
from evergrant import vault as safe
from evergrant.errors import Blame, Conflict, NotFound
from evergrant.naming import new_id, new_reference
from evergrant.outbox import put_event
from evergrant.ports import Bell, Clock
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.things import (
    Account,
    Authorization,
    Grant,
    OutboxItem,
    SealedSecret,
    SupportReport,
)
from evergrant.rules import ids, lifecycle, reminders, terms
from evergrant.rules.lifecycle import Event, State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret, digest, scrub
from evergrant.tokens.values import AccessToken

__all__ = ["Former", "Found", "Records"]

#: Amazon's clock is not ours, and it counts the year in its own way: a refusal so shortly before
#: the end that we know is that end.
NEARLY_OVER = timedelta(days=1)

_WHILE_DEAD = (NoticeKind.TERM_ENDING, NoticeKind.TERM_OVER, NoticeKind.GRANT_REFUSED)
_VERBS = {State.REVOKED: "authorization.revoked", State.LAPSED: "authorization.lapsed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lay there under the lock, ``at`` the instant before LWA was asked."""

    at: datetime
    account: Account
    authorization: Authorization
    grant_id: str
    refresh_token: SealedSecret | None
    access_token: SealedSecret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """A grant that was renewed, and whose refresh token is kept until its successor has passed."""

    grant: Grant
    refresh_token: SealedSecret


class Records:
    """One per process."""

    def __init__(self, *, store: Store, clock: Clock, vault: safe.Vault, bell: Bell) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._bell = bell

    # --- reading ------------------------------------------------------------------------------

    async def look(self, account_id: str) -> Found:
        """Raises NotFound."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            authorization = await tx.authorizations.one(account_id=account_id)
            if account is None or authorization is None:
                raise NotFound("There is no such account.")
            grant_id = authorization.grant_id or ""
            return Found(
                at=now,
                account=account,
                authorization=authorization,
                grant_id=grant_id,
                refresh_token=await tx.safe.get(safe.refresh_token(grant_id)),
                access_token=await tx.safe.get(safe.access_token(authorization.id)),
            )

    async def former(self, found: Found) -> list[Former]:
        """Grants that may come back in force, the newest first. The first look at an account that
        succeeds empties the safe of them: where one lies, the grant in force never passed a call.

        Only those of the same selling partner, who is known: one that was pasted without saying
        whose it is may be anybody's, and may have been pasted over for that. And none that was
        adopted for another account while this one was closed.
        """
        async with self._store.transaction() as tx:
            grants = await tx.grants.all(authorization_id=found.authorization.id)
            partner = found.authorization.selling_partner_id
            # Amazon may give the same refresh token for a renewal: then there is no other one.
            known = {grant.token_digest for grant in grants if grant.id == found.grant_id} - {""}
            kept = [
                (grant, await tx.safe.get(safe.refresh_token(grant.id)))
                for grant in reversed(grants)
                if grant.superseded_at is not None
                and grant.token_digest not in known
                and partner != ""
                and grant.selling_partner_id == partner
                and not await _held_elsewhere(tx, grant)
            ]
        return [Former(grant=grant, refresh_token=sealed) for grant, sealed in kept if sealed]

    # --- refused ------------------------------------------------------------------------------

    async def note_first_look(self, found: Found) -> None:
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await tx.authorizations.change(
                found.authorization.id,
                expecting={"grant_id": found.grant_id, "state": found.authorization.state},
                first_refused_at=now,
            )

    async def note_refused(self, found: Found, reason: str) -> State | None:
        """The state in which it is now; None when the grant is another one by now."""
        now = self._clock.now()
        seen = found.authorization
        over = seen.term_ends_at is not None and now >= seen.term_ends_at - NEARLY_OVER
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
                    verb="authorization.refused" if state is seen.state else _VERBS[state],
                    subject=seen.id,
                    account_id=found.account.id,
                    grant_id=found.grant_id,
                    amazon_reason=reason,
                    state_before=seen.state,
                    state=state,
                )
            if state is not seen.state:
                told = await _tell_refused(tx, found.account, changed, now)
        await self._ring(told)
        return state

    # --- accepted -----------------------------------------------------------------------------

    async def write(
        self, found: Found, token: AccessToken, new_refresh_token: Secret | None
    ) -> bool:
        """A fresh access token; False when the grant is another one by now. What was thought dead
        is alive again. Raises Conflict."""
        now = self._clock.now()
        seen = found.authorization
        decision = lifecycle.advance(seen.state, Event.ACCEPTED)
        values: dict[str, object] = {"checked_at": now, "first_refused_at": None}
        revived = isinstance(decision, lifecycle.Moved)
        if isinstance(decision, lifecycle.Moved):
            values |= _in_force(seen, decision.to, now) | _term(
                seen.granted_at, seen.term_ends_at, now
            )
        told: OutboxItem | None = None
        async with self._alone(), self._store.transaction() as tx:
            changed = await tx.authorizations.change(
                seen.id, expecting={"grant_id": found.grant_id, "state": seen.state}, **values
            )
            if changed is None:
                return False
            await self._put(tx, seen.id, token, now)
            if new_refresh_token is not None:
                await self._swap(tx, found, new_refresh_token, now)
            if revived:
                told = await _tell_reinstated(tx, found, changed, now)
        await self._ring(told)
        return True

    async def restore(
        self, found: Found, former: Former, token: AccessToken, refresh_token: Secret, reason: str
    ) -> bool:
        """LWA refuses the grant in force, which never passed a call, and takes the former one: that
        is in force again. False when the authorization is another one by now. Raises Conflict."""
        now = self._clock.now()
        seen, grant = found.authorization, former.grant
        decision = lifecycle.advance(seen.state, Event.ACCEPTED)
        state = decision.to if isinstance(decision, lifecycle.Moved) else seen.state
        term = _term(grant.granted_at, grant.term_ends_at, now)
        told: OutboxItem | None = None
        async with self._alone(), self._store.transaction() as tx:
            changed = await tx.authorizations.change(
                seen.id,
                expecting={
                    "grant_id": found.grant_id,
                    "state": seen.state,
                    "version": seen.version,
                },
                **_in_force(seen, state, now),
                **term,
                grant_id=grant.id,
                selling_partner_id=grant.selling_partner_id,
                first_refused_at=None,
                checked_at=now,
                finding="",
                look_due_at=now,
                looks=0,
            )
            if changed is None:
                return False
            await tx.grants.change(grant.id, superseded_at=None, token_digest=digest(refresh_token))
            await tx.grants.change(found.grant_id, superseded_at=now)
            await self._vault.drop(tx, safe.refresh_token(found.grant_id))
            await self._vault.put(tx, safe.refresh_token(grant.id), refresh_token, now=now)
            await self._put(tx, seen.id, token, now)
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="authorization.grant_restored",
                subject=seen.id,
                account_id=found.account.id,
                grant_id=grant.id,
                refused_grant_id=found.grant_id,
                amazon_reason=reason,
                state_before=seen.state,
                state=changed.state,
                term_ends_at=changed.term_ends_at,
            )
            told = await _tell_restored(tx, found, changed, reason, now)
        await self._ring(told)
        return True

    # --- inside -------------------------------------------------------------------------------

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        try:
            yield
        except AlreadyThere:
            raise Conflict(
                "Another account of this application and region holds the selling partner by now."
            ) from None

    async def _put(
        self, tx: Transaction, authorization_id: str, token: AccessToken, now: datetime
    ) -> None:
        await self._vault.put(
            tx,
            safe.access_token(authorization_id),
            token.value,
            now=now,
            expires_at=token.expires_at,
        )

    async def _swap(
        self, tx: Transaction, found: Found, refresh_token: Secret, now: datetime
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

    async def _ring(self, told: OutboxItem | None) -> None:
        if told is not None:
            await self._bell.ring([told.id])


async def _held_elsewhere(tx: Transaction, grant: Grant) -> bool:
    if not grant.token_digest:
        return False
    for same in await tx.grants.all(token_digest=grant.token_digest):
        holder = await tx.authorizations.get(same.authorization_id)
        if holder and holder.id != grant.authorization_id and holder.state is not State.CLOSED:
            return True
    return False


# --- what follows ---------------------------------------------------------------------------


def _in_force(seen: Authorization, state: State, now: datetime) -> dict[str, Any]:
    return {
        "state": state,
        "refused_at": None,
        "refused_reason": "",
        "probe_due_at": None,  # from weekly, or never, to daily
        "version": seen.version + 1,
        "changed_at": now,
    }


def _term(granted_at: datetime | None, ends_at: datetime | None, now: datetime) -> dict[str, Any]:
    """Of a grant that Amazon takes: one that is over by our clock was renewed at Amazon, and nobody
    told us when."""
    over = terms.phase(now, ends_at) is terms.Phase.OVER
    return {
        "granted_at": None if over else granted_at,
        "term_ends_at": None if over else ends_at,
    }


async def _tell_refused(
    tx: Transaction, account: Account, changed: Authorization, now: datetime
) -> OutboxItem | None:
    if changed.state is State.LAPSED and changed.term_ends_at is not None:
        # Amazon's words alone would have it that somebody took the authorization back.
        was = "was" if changed.term_ends_at <= now else "is"
        day = reminders.day_words(changed.term_ends_at)
        kind, what = NoticeKind.TERM_OVER, f"The year {was} over on {day}, and Amazon refuses it"
    else:
        kind, what = NoticeKind.GRANT_REFUSED, f"Amazon refuses the authorization of {account.name}"
    await notices.settle(tx, now=now, kinds=(NoticeKind.TERM_ENDING,), subject=changed.id)
    await notices.put(
        tx,
        now=now,
        kind=kind,
        subject=changed.id,
        message=f"{what}: {changed.refused_reason}" if changed.refused_reason else f"{what}.",
        account_id=account.id,
        application_id=changed.application_id,
        amazon_reason=changed.refused_reason,
    )
    return await put_event(
        tx,
        now=now,
        topic=_VERBS[changed.state],
        account=account,
        authorization=changed,
        amazon_reason=changed.refused_reason,
    )


async def _tell_reinstated(
    tx: Transaction, found: Found, changed: Authorization, now: datetime
) -> OutboxItem | None:
    account, seen = found.account, found.authorization
    await journal.write(
        tx,
        now=now,
        by=SYSTEM,
        verb="authorization.reinstated",
        subject=seen.id,
        account_id=account.id,
        grant_id=found.grant_id,
        state_before=seen.state,
        state=changed.state,
        term_ended_at=seen.term_ends_at if changed.term_ends_at is None else None,
    )
    await notices.settle(tx, now=now, kinds=_WHILE_DEAD, subject=seen.id)
    if seen.term_ends_at is not None and changed.term_ends_at is None:
        await _tell_unknown(tx, account, changed, now)
    return await put_event(
        tx,
        now=now,
        topic="authorization.renewed",
        account=account,
        authorization=changed,
        renewal=True,
        grant_id=found.grant_id,
        source="reinstated",
    )


async def _tell_restored(
    tx: Transaction, found: Found, changed: Authorization, reason: str, now: datetime
) -> OutboxItem | None:
    account = found.account
    report = await _report(tx, found, changed, reason, now)
    await notices.settle(tx, now=now, kinds=_WHILE_DEAD, subject=changed.id)
    await notices.put(
        tx,
        now=now,
        kind=NoticeKind.RENEWAL_FAILED,
        subject=changed.id,
        message=f"Amazon refused the new authorization of {account.name} before it passed a call, "
        f"and takes the former one. Report {report.reference}.",
        account_id=account.id,
        application_id=changed.application_id,
        amazon_reason=reason,
        reference=report.reference,
    )
    if found.authorization.term_ends_at is not None and changed.term_ends_at is None:
        await _tell_unknown(tx, account, changed, now)
    return await put_event(
        tx,
        now=now,
        topic="authorization.failed",
        account=account,
        authorization=changed,
        renewal=True,
        reference=report.reference,
        reason=report.reason,
        blame=report.blame,
        happened=report.facts["happened"],
        amazon_reason=reason,
        grant_id=changed.grant_id,
        refused_grant_id=found.grant_id,
    )


async def _report(
    tx: Transaction, found: Found, changed: Authorization, reason: str, now: datetime
) -> SupportReport:
    """For Dev Support, as the reception writes them."""
    account = found.account
    report = SupportReport(
        id=new_id(ids.Kind.REPORT, now),
        reference=new_reference(),
        at=now,
        reason="renewal_refused",
        blame=Blame.AMAZON.value,
        account_id=account.id,
        facts={
            "account_name": account.name,
            "advice": "Nothing stands still: the former grant is in force. Send the link again.",
            "happened": "The partner renewed, and Amazon refused the new refresh token before it "
            "passed a call.",
            "said": scrub(reason),
            "refused_grant_id": found.grant_id,
            "grant_id": changed.grant_id or "",
        },
    )
    await tx.reports.add(report)
    return report


async def _tell_unknown(
    tx: Transaction, account: Account, changed: Authorization, now: datetime
) -> None:
    await notices.put(
        tx,
        now=now,
        kind=NoticeKind.TERM_UNKNOWN,
        subject=changed.id,
        message=f"Amazon accepts the authorization of {account.name} after the end that we knew. "
        "It was renewed at Amazon, and nobody told us when.",
        account_id=account.id,
        application_id=changed.application_id,
    )
