"""Reminders: somebody is told in time that an authorization ends.

Answers for: telling every window of every end once, in one transaction with its line in the ledger:
the letter to the client with a renewal link, the event, the notice, the journal. The ledger's
unique key is the referee between processes, and what was renewed or closed meanwhile is not told.
Does not answer for: which windows there are (``rules.reminders``) and which are due (one scan of
the store), for words (print shop), for client secrets (the locksmith), or for the operators' letter
(digest), which takes up the ledger's new lines.

A grant's year ends by Amazon's rule: its client is written to. That a self-authorization ends after
a year is our belief, and of an undated grant nobody knows when: both are for operators alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from evergrant import journal, notices
from evergrant.consent import Consent
from evergrant.naming import new_id
from evergrant.outbox import put_event
from evergrant.ports import Bell
from evergrant.ports.store import (
    ONE_REMINDER_PER_WINDOW,
    AlreadyThere,
    Store,
    Transaction,
)
from evergrant.ports.things import Authorization
from evergrant.ports.watched import Reminder, ReminderKind, WindowReached
from evergrant.rules import ids
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reminders import day_words, days_left, is_over
from evergrant.rules.rights import SYSTEM
from evergrant.rules.terms import GRANT_TERM
from evergrant.settings import Watching
from evergrant.watch.rounds import in_rounds

__all__ = ["ENDING", "LOOK_EVERY", "Reminders"]

#: The letter to a client whose authorization ends, or has ended.
ENDING = "authorization_ending"
#: Windows open at midnight. What else makes one be due, as a date that somebody told, waits so
#: long: the look reads every end of two months, too much for every minute.
LOOK_EVERY = timedelta(minutes=10)


class Reminders:
    def __init__(self, *, store: Store, consent: Consent, bell: Bell, watching: Watching) -> None:
        self._store = store
        self._consent = consent
        self._bell = bell
        self._usual_days = watching.reminder_days
        self._quiet_at: datetime | None = None  # when this process last looked and found nothing

    async def round(self, now: datetime) -> int:
        """Tells every window that is due; gives how many. Safe to be called by several processes at
        once. Raises StoreUnavailable."""
        if self._quiet_at is not None and _may_wait(self._quiet_at, now):
            return 0

        async def due(limit: int) -> list[WindowReached]:
            async with self._store.transaction() as tx:
                return await tx.scans.windows_reached(now, self._usual_days, limit=limit)

        async def tell(window: WindowReached) -> bool:
            async with self._store.transaction() as tx:
                entered = await _entered(tx, window, now)
                outbox_ids = None if entered is None else await self._tell(tx, *entered, now)
            if outbox_ids:
                await self._bell.ring(outbox_ids)
            return outbox_ids is not None

        told = await in_rounds(due, tell)
        self._quiet_at = None if told else now
        return told

    async def _tell(
        self, tx: Transaction, line: Reminder, own: Authorization, now: datetime
    ) -> list[str]:
        """Outbox ids to ring for."""
        outbox_ids: list[str] = []
        if line.kind is ReminderKind.TERM:
            outbox_ids = await self._tell_client(tx, line, own, now)
        else:
            await _tell_board(tx, line, own, now)
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb="authorization.reminded",
            subject=own.id,
            account_id=own.account_id,
            about=line.kind,
            ends_at=line.ends_at,
            window_days=line.days,
        )
        return outbox_ids

    async def _tell_client(
        self,
        tx: Transaction,
        line: Reminder,
        own: Authorization,
        now: datetime,
    ) -> list[str]:
        # Amazon may end it some hours before our clock does.
        over = own.state is State.LAPSED or is_over(now, line.ends_at)
        left = max(0, days_left(now, line.ends_at))
        letter = await self._consent.put_renewal_letter(
            tx,
            own.account_id,
            now=now,
            topic=ENDING,
            facts={"days_left": left, "ends_at": line.ends_at.isoformat(), "over": over},
        )
        if letter is not None:
            await tx.reminders.change(line.id, outbox_id=letter.id)
        told = [letter]
        if not over:
            # That it is over is told by the lapse itself.
            account = await tx.accounts.get(own.account_id)
            assert account is not None, "the store holds to its references"
            told.append(
                await put_event(
                    tx,
                    now=now,
                    topic="authorization.expiring",
                    account=account,
                    authorization=own,
                    days_left=left,
                )
            )
            await _put_up(
                tx,
                now,
                NoticeKind.TERM_ENDING,
                own,
                f"It ends on {day_words(line.ends_at)}."
                + ("" if letter else " The client could not be sent a renewal link."),
                term_ends_at=line.ends_at.isoformat(),
                letter_to=letter.to if letter else "",
            )
        return [item.id for item in told if item is not None]


def _may_wait(quiet_at: datetime, now: datetime) -> bool:
    same_day = quiet_at.astimezone(UTC).date() == now.astimezone(UTC).date()
    return same_day and quiet_at <= now < quiet_at + LOOK_EVERY


async def _entered(
    tx: Transaction, window: WindowReached, now: datetime
) -> tuple[Reminder, Authorization] | None:
    """The new line of the ledger, and what it is about, held until the commit; None: it stands
    there already, or its end is another one now."""
    # Written before anything is looked at: the write holds the row, so that whoever renews, dates
    # or closes it comes before this or after it.
    unchanged = _as_seen(window)
    held = await tx.authorizations.change(
        window.authorization_id, unchanged, term_ends_at=unchanged["term_ends_at"]
    )
    if held is None:
        return None
    line = Reminder(
        id=new_id(ids.Kind.REMINDER, now),
        kind=window.kind,
        subject=held.id,
        account_id=held.account_id,
        ends_at=window.ends_at,
        days=window.days,
        at=now,
    )
    try:
        await tx.reminders.add(line)
    except AlreadyThere as told:
        if told.constraint != ONE_REMINDER_PER_WINDOW:
            raise
        return None
    return line, held


def _as_seen(window: WindowReached) -> dict[str, Any]:
    """What the authorization has to be for this window to be told."""
    if window.kind is ReminderKind.TERM:
        return {"state": (State.ACTIVE, State.LAPSED), "term_ends_at": window.ends_at}
    granted_at = window.ends_at - GRANT_TERM if window.kind is ReminderKind.AGE else None
    return {"state": State.ACTIVE, "term_ends_at": None, "granted_at": granted_at}


async def _tell_board(tx: Transaction, line: Reminder, own: Authorization, now: datetime) -> None:
    if line.kind is ReminderKind.UNDATED:
        message = "Amazon accepts it, and nobody knows when it was given or when it ends."
        await _put_up(tx, now, NoticeKind.TERM_UNKNOWN, own, message)
        return
    message = (
        f"A year old on {day_words(line.ends_at)}. Amazon states no end of a self-authorization: "
        "that it may stop then is our belief."
    )
    facts = {"believed_end_at": line.ends_at.isoformat()}
    await _put_up(tx, now, NoticeKind.TERM_BELIEVED, own, message, **facts)


async def _put_up(
    tx: Transaction,
    now: datetime,
    kind: NoticeKind,
    own: Authorization,
    message: str,
    **facts: Any,
) -> None:
    await notices.put(
        tx,
        now=now,
        kind=kind,
        subject=own.id,
        account_id=own.account_id,
        application_id=own.application_id,
        message=message,
        **facts,
    )
