"""What is kept no longer: attempts, deliveries, reports, events, settled notices, old lines of the
ledger, counts of calls, and of the journal what is older than an operator wishes.

Answers for: removing them a batch at a time, what still names them first, and for one journal line
that counts. Counts of calls are figures and no record of anybody: they go without a line. Does not
answer for: how long anything is kept (``rules.terms``), for secrets and for accounts that were
closed (`farewells`), or for rotations, which are kept for good.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from evergrant import journal
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Handshake, HandshakeStep, OutboxState
from evergrant.ports.watched import ReminderKind
from evergrant.rules import terms
from evergrant.rules.rights import SYSTEM

__all__ = ["BATCH", "Purged", "purge", "purge_journal"]

#: Rows per kind that one purge removes; counts, which nothing names, go at once. What is more waits
#: for the next one.
BATCH = 1000
#: Lines of the journal, which nothing names.
JOURNAL_BATCH = 10_000
#: A handshake whose exchange is under way belongs to the reception, however old it is.
#: Told once for each grant without a date: their lines say for good that it was done.
_DATED = tuple(kind for kind in ReminderKind if kind is not ReminderKind.UNDATED)
_AT_REST = tuple(step for step in HandshakeStep if step is not HandshakeStep.SPENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What one purge removed: counts."""

    reports: int = 0
    handshakes: int = 0
    outbox_items: int = 0
    events: int = 0
    notices: int = 0
    reminders: int = 0
    call_counts: int = 0

    @property
    def records(self) -> int:
        return (
            self.reports
            + self.handshakes
            + self.outbox_items
            + self.events
            + self.notices
            + self.reminders
        )

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
            events=await tx.events.purge(now - terms.EVENTS_KEPT, BATCH),
            notices=await _notices(tx, now),
            reminders=await _reminders(tx, now),
            call_counts=await tx.call_counts.purge(now - terms.CALL_COUNTS_KEPT),
        )
        if purged.records:
            told = {name: count for name, count in asdict(purged).items() if count}
            told.pop("call_counts", None)
            await journal.write(
                tx, now=now, by=SYSTEM, verb="records.purged", subject="records", **told
            )
    return purged


async def purge_journal(store: Store, now: datetime, months: int | None) -> int:
    """Lines that are older than so many months, the oldest first, a batch of them; none of the last
    twelve months, and none at all where ``months`` is None. Writes one line that counts. Raises
    StoreUnavailable."""
    before = terms.journal_kept_from(now, months)
    if before is None:
        return 0
    async with store.transaction() as tx:
        gone = await tx.journal.purge(before, limit=JOURNAL_BATCH)
        if gone:
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="journal.purged",
                subject="journal",
                lines=gone,
                before=before,
                months=months,
            )
    return gone


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


async def _notices(tx: Transaction, now: datetime) -> int:
    settled = await tx.notices.all(
        before=("settled_at", now - terms.SETTLED_NOTICES_KEPT), limit=BATCH
    )
    return sum([await tx.notices.drop(one.id) for one in settled])


async def _reminders(tx: Transaction, now: datetime) -> int:
    told = await tx.reminders.all(
        kind=_DATED, before=("ends_at", now - terms.REMINDERS_KEPT), limit=BATCH
    )
    return sum([await tx.reminders.drop(one.id) for one in told])
