"""THE CLOCK TOWER. Looks once a minute for what time alone brings about.

Answers for: handshakes that a dead process left behind and first looks that are still owed (the
reception decides what becomes of them), terms that are over, sealed things whose content has
expired, records that are kept no longer. Does not answer for: reminders or probes, or for calling
Amazon: the reception does, with access tokens that the tower brings from the mint, because these
two rooms never meet.

Every step is safe to run twice and at once in several processes: each change is conditional on
what was seen, and a round that was cut short is continued by the next one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from evergrant import journal, vault
from evergrant.consent import Consent
from evergrant.outbox import put_event
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.things import Authorization, OutboxItem
from evergrant.rotation import Rotations
from evergrant.rules import lifecycle
from evergrant.rules.lifecycle import Event, State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import House, Watching
from evergrant.tokens import Tokens
from evergrant.watch.retention import purge

__all__ = ["Swept", "Watch"]

#: Rows per round and kind. What is more waits a minute.
ROUND = 500
#: How long an expired sealed thing stays, so that a clock that is set back meets it again.
KEPT_AFTER_EXPIRY = timedelta(hours=1)
#: Records are purged that often at most, by each process.
PURGE_EVERY = timedelta(hours=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one round found: counts."""

    handshakes_lost: int
    terms_ended: int
    secrets_swept: int
    looks_made: int = 0
    rows_purged: int = 0


class Watch:
    """Called by the worker each minute."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: vault.Vault,
        consent: Consent,
        tokens: Tokens,
        rotations: Rotations,
        bell: Bell,
        house: House,
        watching: Watching,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._consent = consent
        self._tokens = tokens
        self._rotations = rotations
        self._bell = bell
        self._house = house
        self._watching = watching
        self._purged_at: datetime | None = None

    async def sweep(self) -> Swept:
        """One round. What one step stumbles over does not keep the others from their work; it is
        raised afterwards. Raises StoreUnavailable."""
        now = self._clock.now()
        steps = await asyncio.gather(
            self._lose_handshakes(now),
            self._end_terms(now),
            self._empty_safe(now),
            self._look(),
            self._purge(now),
            return_exceptions=True,
        )
        lost, ended, swept, looked, purged = steps
        return Swept(
            handshakes_lost=_done(lost),
            terms_ended=_done(ended),
            secrets_swept=_done(swept),
            looks_made=_done(looked),
            rows_purged=_done(purged),
        )

    async def _lose_handshakes(self, now: datetime) -> int:
        return len(await self._consent.lose_stale(now))

    async def _look(self) -> int:
        return await self._consent.look_where_due(self._access_token)

    async def _access_token(self, account_id: str) -> Secret:
        return (await self._tokens.mint(account_id, by=SYSTEM)).value

    async def _purge(self, now: datetime) -> int:
        if self._purged_at is not None and now < self._purged_at + PURGE_EVERY:
            return 0
        purged = await purge(self._store, now)
        self._purged_at = now
        return purged.rows

    async def _end_terms(self, now: datetime) -> int:
        async with self._store.transaction() as tx:
            over = await tx.authorizations.all(
                state=State.ACTIVE, before=not_after("term_ends_at", now), limit=ROUND
            )
        ended = 0
        for authorization in over:
            async with self._store.transaction() as tx:
                lapsed = await self._lapse(tx, authorization, now)
                told = None if lapsed is None else await _announce(tx, lapsed, now)
            ended += lapsed is not None
            if told is not None:
                await self._bell.ring([told.id])
        return ended

    async def _lapse(
        self, tx: Transaction, seen: Authorization, now: datetime
    ) -> Authorization | None:
        decision = lifecycle.advance(seen.state, Event.TERM_ENDED)
        if not isinstance(decision, lifecycle.Moved):
            return None
        lapsed = await tx.authorizations.change(
            seen.id,
            # A renewal that came between moved the end of the term; then it is not over.
            expecting={
                "state": seen.state,
                "term_ends_at": seen.term_ends_at,
                "version": seen.version,
            },
            state=decision.to,
            version=seen.version + 1,
            changed_at=now,
        )
        if lapsed is None:
            return None
        await self._vault.drop(tx, vault.access_token(seen.id))
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb="authorization.lapsed",
            subject=seen.id,
            account_id=seen.account_id,
            granted_at=seen.granted_at,
            term_ends_at=seen.term_ends_at,
            before=seen.state,
            after=decision.to,
        )
        return lapsed

    async def _empty_safe(self, now: datetime) -> int:
        async with self._store.transaction() as tx:
            expired = await tx.safe.all(before=("expires_at", now - KEPT_AFTER_EXPIRY), limit=ROUND)
            swept = 0
            for sealed in expired:
                # Touching the row first holds it: a fresh secret put there meanwhile is not swept.
                held = await tx.safe.change(
                    sealed.id,
                    expecting={"expires_at": sealed.expires_at, "sealed_at": sealed.sealed_at},
                    expires_at=sealed.expires_at,
                )
                swept += held is not None and await tx.safe.drop(sealed.id)
        return swept


def _done(step: T | BaseException) -> T:
    if isinstance(step, BaseException):
        raise step
    return step


async def _announce(tx: Transaction, lapsed: Authorization, now: datetime) -> OutboxItem | None:
    """The event for the client instance, where it wants to hear."""
    account = await tx.accounts.get(lapsed.account_id)
    if account is None:
        return None
    return await put_event(
        tx, now=now, topic="authorization.lapsed", account=account, authorization=lapsed
    )
