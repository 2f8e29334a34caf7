"""What the watch asks of the store in memory: events in order, and the scans of the clock tower.

Answers for: ``ports.Events`` and ``ports.Scans``, as PostgreSQL answers. Does not answer for: speed
with very many rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evergrant.ports import store as ports
from evergrant.ports.things import Authorization, OutboxItem, OutboxState
from evergrant.ports.watched import EventRecord, ReminderKind, WindowReached
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import AGE_DAYS, TOLD_AFTER_END
from evergrant.rules.terms import GRANT_TERM
from evergrant.testing.settling import Settling

if TYPE_CHECKING:
    from evergrant.testing.store import MemoryTransaction

__all__ = ["MemoryEvents", "MemoryScans"]

_EVENT = Settling(EventRecord, "events")
_DELIVERY = Settling(OutboxItem, "outbox")


class MemoryEvents:
    """``ports.Events`` over a list."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx
        self._kept: list[tuple[EventRecord, OutboxItem | None]] = []

    async def append(self, event: EventRecord, delivery: OutboxItem | None) -> None:
        self._tx.check()
        settled = None if delivery is None else _DELIVERY.row(delivery)
        self._kept.append((_EVENT.row(event), settled))

    async def write(self) -> None:
        """Called just before the commit."""
        for event, delivery in self._kept:
            if any(event.id == other.id for other in self._there()):
                raise ports.AlreadyThere("events_pkey")
            position = self._tx.store.next_position()
            self._tx.told.append(dataclasses.replace(event, position=position))
            if delivery is not None:
                placed = dataclasses.replace(delivery, event_id=event.id, position=position)
                await self._tx.outbox.add(placed)

    async def get(self, id: str) -> EventRecord | None:
        self._tx.check()
        wanted = _EVENT.text(id)
        return next((event for event in self._there() if event.id == wanted), None)

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
        topic: str | None = None,
        newest_first: bool = False,
    ) -> list[EventRecord]:
        self._tx.check()
        found = [
            event
            for event in self._there()
            if (not after or event.position < after if newest_first else event.position > after)
            and client_instance_id in (None, event.client_instance_id)
            and (account_ids is None or event.account_id in account_ids)
            and topic in (None, event.topic)
        ]
        if newest_first:
            found.reverse()
        return found[:limit]

    async def purge(self, before: datetime, limit: int) -> int:
        self._tx.check()
        waiting = await self._tx.outbox.all(state=OutboxState.WAITING)
        held = {item.event_id for item in waiting}
        old = [event for event in self._there() if event.at < before and event.id not in held]
        old.sort(key=lambda event: (event.at, event.position))
        self._tx.forgotten.update(event.id for event in old[:limit])
        return len(old[:limit])

    def _there(self) -> Iterator[EventRecord]:
        for event in (*self._tx.store.events, *self._tx.told):
            if event.id not in self._tx.forgotten:
                yield event


class MemoryScans:
    """``ports.Scans`` by looking at everything."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx

    async def windows_reached(
        self, now: datetime, usual_days: Sequence[int], *, limit: int
    ) -> list[WindowReached]:
        told = {
            (line.kind, line.subject, line.ends_at, line.days)
            for line in await self._tx.reminders.all()
        }
        reached = [
            window
            for authorization in await self._tx.authorizations.all()
            if (window := await self._window(authorization, now.astimezone(UTC), usual_days))
            and (window.kind, window.authorization_id, window.ends_at, window.days) not in told
        ]
        reached.sort(key=lambda window: (window.ends_at, window.authorization_id))
        return reached[:limit]

    async def terms_ending(
        self,
        until: datetime,
        *,
        limit: int,
        account_ids: Collection[str] | None = None,
        client_instance_id: str | None = None,
    ) -> list[Authorization]:
        within: dict[str, Any] = {}
        if account_ids is not None:
            within["id"] = account_ids
        if client_instance_id is not None:
            within["client_instance_id"] = client_instance_id
        reached = {account.id for account in await self._tx.accounts.all(**within)}
        ahead = [
            (one.term_ends_at, one.id, one)
            for one in await self._tx.authorizations.all(
                state=State.ACTIVE, before=("term_ends_at", until)
            )
            if one.account_id in reached and one.term_ends_at is not None
        ]
        return [one for _, _, one in sorted(ahead, key=lambda end: end[:2])][:limit]

    async def lapsed_before_their_end(self, after: datetime, *, limit: int) -> list[Authorization]:
        lapsed = [
            (one.term_ends_at, one.id, one)
            for one in await self._tx.authorizations.all(state=State.LAPSED, refused_at=None)
            if one.term_ends_at is not None and one.term_ends_at > after
        ]
        return [one for _, _, one in sorted(lapsed, key=lambda end: end[:2])][:limit]

    async def probes_due(
        self,
        until: datetime,
        states: Collection[State],
        application_ids: Collection[str],
        *,
        limit: int,
    ) -> list[Authorization]:
        due = [
            (one.probe_due_at, one.id, one)
            for one in await self._tx.authorizations.all(
                state=states, application_id=application_ids
            )
            if one.probe_due_at is not None and one.probe_due_at <= until
        ]
        return [one for _, _, one in sorted(due, key=lambda probe: probe[:2])][:limit]

    async def closed_since(self, before: datetime, *, limit: int) -> list[str]:
        closed = [
            authorization.account_id
            for authorization in await self._tx.authorizations.all(
                state=State.CLOSED, before=("changed_at", before)
            )
            if await self._holds_something(authorization)
        ]
        return sorted(closed)[:limit]

    async def unswept(self, *, limit: int) -> list[str]:
        swept = {one.id for one in await self._tx.order_sweeps.all() if one.due_at is not None}
        active = await self._tx.authorizations.all(state=State.ACTIVE)
        return sorted({one.account_id for one in active} - swept)[:limit]

    async def _holds_something(self, authorization: Authorization) -> bool:
        account = await self._tx.accounts.get(authorization.account_id)
        assert account is not None, "the store holds to its references"
        if account.client_email or account.notes:
            return True
        for grant in await self._tx.grants.all(authorization_id=authorization.id):
            if await self._tx.safe.get(f"grant/{grant.id}/refresh_token"):
                return True
        return False

    async def _window(
        self, authorization: Authorization, now: datetime, usual_days: Sequence[int]
    ) -> WindowReached | None:
        application = await self._tx.applications.get(authorization.application_id)
        assert application is not None, "the store holds to its references"
        own_days = application.reminder_days
        days: Sequence[int] = usual_days if own_days is None else own_days
        active = authorization.state is State.ACTIVE
        ends_at = authorization.term_ends_at
        if ends_at is not None:
            kind = ReminderKind.TERM
            if not active and authorization.state is not State.LAPSED:
                return None
        elif not active:
            return None
        elif authorization.granted_at is None:
            return await self._undated(authorization)
        elif application.kind is ApplicationKind.PRIVATE and days:
            kind, ends_at, days = ReminderKind.AGE, authorization.granted_at + GRANT_TERM, AGE_DAYS
        else:
            return None
        left = (ends_at.date() - now.date()).days
        reached = [window for window in days if window >= left]
        if not reached or ends_at < now - TOLD_AFTER_END:
            return None
        return _reached(authorization, kind, ends_at, min(reached))

    async def _undated(self, authorization: Authorization) -> WindowReached | None:
        if authorization.grant_id is None:
            return None
        grant = await self._tx.grants.get(authorization.grant_id)
        assert grant is not None, "the store holds to its references"
        return _reached(authorization, ReminderKind.UNDATED, grant.created_at, 0)


def _reached(
    authorization: Authorization, kind: ReminderKind, ends_at: datetime, days: int
) -> WindowReached:
    return WindowReached(
        kind=kind,
        authorization_id=authorization.id,
        account_id=authorization.account_id,
        application_id=authorization.application_id,
        ends_at=ends_at,
        days=days,
    )
