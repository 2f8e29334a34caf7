"""Terms that are over.

Answers for: LAPSED at the instant of the end, once, with all that follows in the same commit: the
access token leaves the safe, the journal, the event for the client instance, the notice. Does not
answer for: letters about it (reminders), or for a refusal of Amazon's before the end (the mint).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from evergrant import journal, notices, vault
from evergrant.outbox import put_event
from evergrant.ports import Bell
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Authorization, OutboxItem
from evergrant.rules import lifecycle, reminders
from evergrant.rules.lifecycle import Event
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.watch.rounds import in_rounds

__all__ = ["Lapses"]

#: Instants are kept to the microsecond, and a term is over at the instant of its end.
_NOT_AFTER = timedelta(microseconds=1)


class Lapses:
    def __init__(self, *, store: Store, vault: vault.Vault, bell: Bell) -> None:
        self._store = store
        self._vault = vault
        self._bell = bell

    async def round(self, now: datetime) -> int:
        """Ends every term that is over by now; gives how many. Safe to be called by several
        processes at once. Raises StoreUnavailable."""

        async def over(limit: int) -> list[Authorization]:
            async with self._store.transaction() as tx:
                return await tx.scans.terms_ending(now + _NOT_AFTER, limit=limit)

        async def end(seen: Authorization) -> bool:
            async with self._store.transaction() as tx:
                lapsed = await self._lapse(tx, seen, now)
                told = None if lapsed is None else await _announce(tx, lapsed, now)
            if told is not None:
                await self._bell.ring([told.id])
            return lapsed is not None

        return await in_rounds(over, end)

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


async def _announce(tx: Transaction, lapsed: Authorization, now: datetime) -> OutboxItem | None:
    """To the board, and to the client instance where it wants to hear."""
    assert lapsed.term_ends_at is not None, "what has no end never lapses"
    await notices.settle(tx, now=now, kinds=[NoticeKind.TERM_ENDING], subject=lapsed.id)
    await notices.put(
        tx,
        now=now,
        kind=NoticeKind.TERM_OVER,
        subject=lapsed.id,
        account_id=lapsed.account_id,
        application_id=lapsed.application_id,
        message=f"The year was over on {reminders.day_words(lapsed.term_ends_at)}.",
        term_ends_at=lapsed.term_ends_at.isoformat(),
    )
    account = await tx.accounts.get(lapsed.account_id)
    if account is None:
        return None
    return await put_event(
        tx, now=now, topic="authorization.lapsed", account=account, authorization=lapsed
    )
