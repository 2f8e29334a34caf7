"""What is kept no longer: attempts, deliveries, reports and counts of calls whose time is over.

Answers for: removing them a batch at a time, what still names them first, and for one journal line
that counts. Counts of calls are figures and no record of anybody: they go without a line. Does not
answer for: how long anything is kept (``rules.terms``), for secrets (the tower's other steps), or
for the journal: nothing is ever removed from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from evergrant import journal
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Handshake, HandshakeStep, OutboxState
from evergrant.rules import terms
from evergrant.rules.rights import SYSTEM

__all__ = ["BATCH", "Purged", "purge"]

#: Rows per kind that one purge removes; counts, which nothing names, go at once. What is more waits
#: for the next one.
BATCH = 1000
#: A handshake whose exchange is under way belongs to the reception, however old it is.
_AT_REST = tuple(step for step in HandshakeStep if step is not HandshakeStep.SPENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What one purge removed: counts."""

    reports: int = 0
    handshakes: int = 0
    outbox_items: int = 0
    call_counts: int = 0

    @property
    def records(self) -> int:
        return self.reports + self.handshakes + self.outbox_items

    @property
    def rows(self) -> int:
        return self.records + self.call_counts


async def purge(store: Store, now: datetime) -> Purged:
    """One batch of each kind. Safe to run at the same time in several processes: a row is counted
    by whoever removed it. Raises StoreUnavailable."""
    async with store.transaction() as tx:
        purged = Purged(
            # First the reports, because they name handshakes.
            reports=await _reports(tx, now),
            handshakes=await _handshakes(tx, now),
            outbox_items=await _outbox(tx, now),
            call_counts=await tx.call_counts.purge(now - terms.CALL_COUNTS_KEPT),
        )
        if purged.records:
            told = asdict(purged)
            del told["call_counts"]
            await journal.write(
                tx, now=now, by=SYSTEM, verb="records.purged", subject="records", **told
            )
    return purged


async def _reports(tx: Transaction, now: datetime) -> int:
    solved = await tx.reports.all(
        before=("resolved_at", now - terms.SOLVED_REPORTS_KEPT), limit=BATCH
    )
    old = await tx.reports.all(before=("at", now - terms.REPORTS_KEPT), limit=BATCH - len(solved))
    due = sorted({report.id for report in (*solved, *old)})
    return sum([await tx.reports.drop(one) for one in due])


async def _handshakes(tx: Transaction, now: datetime) -> int:
    due = await tx.handshakes.all(
        step=_AT_REST, before=("created_at", now - terms.HANDSHAKES_KEPT), limit=BATCH
    )
    return sum([await _drop_handshake(tx, handshake) for handshake in due])


async def _drop_handshake(tx: Transaction, handshake: Handshake) -> bool:
    """A grant and an open report outlive the attempt that they came from."""
    for grant in await tx.grants.all(handshake_id=handshake.id):
        await tx.grants.change(grant.id, handshake_id=None)
    for report in await tx.reports.all(handshake_id=handshake.id):
        await tx.reports.change(report.id, handshake_id=None)
    return await tx.handshakes.drop(handshake.id)


async def _outbox(tx: Transaction, now: datetime) -> int:
    sent = await tx.outbox.all(
        state=OutboxState.SENT, before=("ended_at", now - terms.SENT_KEPT), limit=BATCH
    )
    failed = await tx.outbox.all(
        state=OutboxState.FAILED,
        before=("ended_at", now - terms.UNDELIVERED_KEPT),
        limit=BATCH - len(sent),
    )
    due = sorted(item.id for item in (*sent, *failed))
    return sum([await tx.outbox.drop(one) for one in due])
