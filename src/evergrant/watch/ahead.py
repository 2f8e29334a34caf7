"""What comes: every end that lies ahead, of grants and of client secrets, in one list.

Answers for: the timeline that operators plan by. Does not answer for: telling anybody (reminders,
the locksmith), or for ends that nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant.intake import need
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.ports.things import Account
from evergrant.ports.watched import ReminderKind
from evergrant.rules import reminders
from evergrant.rules.rights import Caller, Right
from evergrant.settings import Watching

__all__ = ["Ahead", "Coming"]

#: Accounts that are looked up at once.
_STRIDE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """One end. ``subject`` is an account's id, or an application's for a client secret."""

    kind: ReminderKind
    subject: str
    name: str
    ends_at: datetime
    days_left: int
    next_reminder_at: datetime | None


class Ahead:
    def __init__(self, *, store: Store, clock: Clock, watching: Watching) -> None:
        self._store = store
        self._clock = clock
        self._usual_days = watching.reminder_days

    async def look(self, within: timedelta, *, by: Caller, limit: int) -> list[Coming]:
        """The ends of the coming days within reach, the nearest first. Needs READ."""
        need(by, Right.READ)
        now = self._clock.now()
        found = await self._terms(now, now + within, by, limit)
        if by.reaches(None):
            found += await self._secrets(now, now + within)
        return sorted(found, key=lambda one: (one.ends_at, one.subject))[:limit]

    async def _terms(self, now: datetime, until: datetime, by: Caller, limit: int) -> list[Coming]:
        async with self._store.transaction() as tx:
            own = await tx.scans.terms_ending(
                until,
                limit=limit,
                account_ids=by.account_ids,
                client_instance_id=by.client_instance_id,
            )
            days = {one.id: one.reminder_days for one in await tx.applications.all()}
            accounts: dict[str, Account] = {}
            ids = [one.account_id for one in own]
            for start in range(0, len(ids), _STRIDE):
                some = await tx.accounts.all(id=ids[start : start + _STRIDE])
                accounts |= {one.id: one for one in some}
        coming = []
        for one in own:
            account, ends_at = accounts.get(one.account_id), one.term_ends_at
            if account is None or ends_at is None:
                continue
            windows = days[one.application_id]
            ahead = reminders.next_opening(
                now, ends_at, self._usual_days if windows is None else windows
            )
            coming.append(
                Coming(
                    kind=ReminderKind.TERM,
                    subject=account.id,
                    name=account.name,
                    ends_at=ends_at,
                    days_left=reminders.days_left(now, ends_at),
                    next_reminder_at=None if ahead is None else ahead.at,
                )
            )
        return coming

    async def _secrets(self, now: datetime, until: datetime) -> list[Coming]:
        async with self._store.transaction() as tx:
            own = await tx.credentials.all(before=("secret_expires_at", until))
            applications = {one.id: one for one in await tx.applications.all()}
        coming = []
        for one in own:
            ends_at = one.secret_expires_at
            if ends_at is None or not one.secret_set:
                continue
            windows = reminders.SECRET_DAYS_WITH_QUEUE if one.queue_url else reminders.SECRET_DAYS
            ahead = reminders.next_opening(now, ends_at, windows)
            coming.append(
                Coming(
                    kind=ReminderKind.SECRET,
                    subject=one.id,
                    name=applications[one.id].name,
                    ends_at=ends_at,
                    days_left=reminders.days_left(now, ends_at),
                    next_reminder_at=None if ahead is None else ahead.at,
                )
            )
        return coming
