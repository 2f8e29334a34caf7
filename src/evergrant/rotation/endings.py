"""The clock of client secrets.

Answers for: telling in time, once per window, that a client secret ends; for asking LWA on the day
itself, so that one that is dead is known before an account needs a token; and for what hangs on the
board about an end, and about a rotation that does not get on. One that is over and refused has an
incident (the register) instead of a notice that it ends. Does not answer for: the windows
(``rules.reminders``), the operators' letter (it takes up the ledger's new lines), or for rotating.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from evergrant import journal, notices, outbox, vault
from evergrant.errors import AmazonUnavailable, Throttled, UnreadableAnswer
from evergrant.naming import new_id
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.things import OutboxItem
from evergrant.ports.watched import Reminder, ReminderKind
from evergrant.rotation.ground import Ground, Known, open_secret
from evergrant.rotation.trial import try_secret
from evergrant.rotation.values import Turned
from evergrant.rules import ids, reminders
from evergrant.rules import rotation as rules
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM

__all__ = ["Endings"]

#: So often LWA is asked whether a secret that is over by our books is dead.
ASKED_EVERY = timedelta(hours=6)


class Endings:
    """One per process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._asked: dict[str, datetime] = {}

    async def look(self, known: Known, now: datetime) -> Turned:
        """What is due for one application. Safe to be called by several processes at once."""
        told = await self.tell(known, now)
        await self._see_whether_dead(known, now)
        return told

    async def tell(self, known: Known, now: datetime) -> Turned:
        """What of it asks nobody outside."""
        troubled = await self._put_up(known, now)
        reminded = await self._remind(known, now, troubled)
        return Turned(reminded=int(reminded), troubles=int(troubled))

    async def _put_up(self, known: Known, now: datetime) -> bool:
        """The notice of a rotation that does not get on; taken down when it does."""
        if known.running is None:
            return False
        words = rules.trouble(now, known.situation)
        app = known.application
        async with self._ground.store.transaction() as tx:
            hangs = await tx.notices.one(
                kind=NoticeKind.ROTATION_STUCK, subject=app.id, settled_at=None
            )
            if not words and hangs is not None:
                await notices.settle(
                    tx, now=now, kinds=(NoticeKind.ROTATION_STUCK,), subject=app.id
                )
            if words and (hangs is None or hangs.message != words):
                if not await _stands(tx, known):
                    return False
                await notices.put(
                    tx,
                    now=now,
                    kind=NoticeKind.ROTATION_STUCK,
                    subject=app.id,
                    application_id=app.id,
                    message=words,
                )
        return bool(words)

    async def _remind(self, known: Known, now: datetime, troubled: bool) -> bool:
        situation = known.situation
        if not situation.secret_set:
            return False
        ends_at = rules.end_of_use(situation) if troubled else situation.expires_at
        windows = reminders.SECRET_DAYS_WITH_QUEUE if known.automatic else reminders.SECRET_DAYS
        days = None if ends_at is None else reminders.newest(now, ends_at, windows)
        is_quiet = (
            ends_at is None
            or days is None
            or (bool(known.credentials.trouble) and reminders.is_over(now, ends_at))
        )
        if is_quiet and not known.reminded:
            return False
        async with self._ground.store.transaction() as tx:
            if is_quiet or ends_at is None or days is None:
                await notices.settle(
                    tx, now=now, kinds=(NoticeKind.SECRET_ENDING,), subject=known.application.id
                )
                return False
            told = await tx.reminders.all(
                kind=ReminderKind.SECRET, subject=known.application.id, days=days
            )
            if any(line.ends_at.date() == ends_at.date() for line in told):
                return False
            if troubled and not await _stands(tx, known):
                return False
            try:
                await self._enter(tx, known, ends_at, days, now)
            except AlreadyThere:
                return False
            trouble = rules.trouble(now, situation)
            items = await self._tell(tx, known, ends_at, trouble, now)
        await self._ground.ring(items)
        return True

    async def _enter(
        self, tx: Transaction, known: Known, ends_at: datetime, days: int, now: datetime
    ) -> None:
        await tx.reminders.add(
            Reminder(
                id=new_id(ids.Kind.REMINDER, now),
                kind=ReminderKind.SECRET,
                subject=known.application.id,
                ends_at=ends_at,
                days=days,
                at=now,
            )
        )
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb="application.secret_reminded",
            subject=known.application.id,
            ends_at=ends_at,
            window_days=days,
        )

    async def _tell(
        self, tx: Transaction, known: Known, ends_at: datetime, trouble: str, now: datetime
    ) -> list[OutboxItem]:
        app, left = known.application, reminders.days_left(now, ends_at)
        over = reminders.is_over(now, ends_at)
        ends = "It ended" if over else "It ends"
        await notices.put(
            tx,
            now=now,
            kind=NoticeKind.SECRET_ENDING,
            subject=app.id,
            application_id=app.id,
            message=trouble
            or f"{ends} on {reminders.day_words(ends_at)}. "
            + (known.obstacle or "It rotates by itself, and has not yet."),
            ends_at=ends_at.isoformat(),
        )
        if ends_at != known.credentials.secret_expires_at:
            return []  # it may be so, and may not: people look, programs need not know
        return await outbox.put_application_event(
            tx,
            now=now,
            topic="secret.expiring",
            application=app,
            days_left=max(0, left),
            ends_at=ends_at.isoformat(),
        )

    async def _see_whether_dead(self, known: Known, now: datetime) -> None:
        """Our day may be wrong by days: LWA decides. What it says is the application's incident, as
        when an account had met it."""
        credentials = known.credentials
        ends_at = credentials.secret_expires_at
        if ends_at is None or now < ends_at or credentials.trouble or not credentials.secret_set:
            return
        last = self._asked.get(credentials.id)
        if last is not None and last <= now < last + ASKED_EVERY:
            return
        self._asked[credentials.id] = now
        async with self._ground.store.transaction() as tx:
            current = await open_secret(self._ground.vault, tx, vault.client_secret(credentials.id))
        if current is None:
            return
        try:
            verdict = await try_secret(self._ground, credentials, current)
        except (AmazonUnavailable, Throttled, UnreadableAnswer):
            del self._asked[credentials.id]
            return
        if verdict.refusal is not None:
            await self._ground.registry.note_application_trouble(credentials.id, verdict.refusal)
        elif known.reminded and not rules.trouble(now, known.situation):
            await self._say_that_it_lives(known, ends_at, now)

    async def _say_that_it_lives(self, known: Known, ends_at: datetime, now: datetime) -> None:
        """What hangs said that it ended on that day."""
        app = known.application
        words = (
            f"It was to end on {reminders.day_words(ends_at)}, and Login with Amazon still takes "
            "it. " + (known.obstacle or "It rotates by itself, and has not yet.")
        )
        async with self._ground.store.transaction() as tx:
            hangs = await tx.notices.one(
                kind=NoticeKind.SECRET_ENDING, subject=app.id, settled_at=None
            )
            if hangs is not None and hangs.message != words:
                await notices.put(
                    tx,
                    now=now,
                    kind=NoticeKind.SECRET_ENDING,
                    subject=app.id,
                    application_id=app.id,
                    message=words,
                    ends_at=ends_at.isoformat(),
                )


async def _stands(tx: Transaction, known: Known) -> bool:
    """Whether the open rotation is as it was seen. The write holds its row: whoever promotes it,
    and takes down what hangs there, comes after this or came before it."""
    seen = known.running
    if seen is None:
        return False
    as_seen = {"changed_at": seen.changed_at, "step": seen.step, "ended_at": None}
    return await tx.rotations.change(seen.id, as_seen, changed_at=seen.changed_at) is not None
