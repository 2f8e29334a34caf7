"""The counter of the post room: what was told to a client instance, and what became of it.

Answers for: reading events from a position on, the deliveries to one client instance, sending an
event once more, trying an address out. Does not answer for: delivering (the room itself), or for
what is told of what (the rooms, ``outbox``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evergrant import journal
from evergrant.errors import Conflict, EvergrantError, NotDelivered, NotFound
from evergrant.intake import Flaws, check_page, need
from evergrant.naming import new_id
from evergrant.ports import Bell, Clock, Webhooks
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import ClientInstance, OutboxItem, OutboxKind, OutboxState
from evergrant.ports.watched import EventRecord
from evergrant.post.composing import Composing
from evergrant.rules import ids
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub

__all__ = ["LONGEST_WAIT_S", "MOST_EVENTS", "TEST", "Inquiries", "Trial"]

#: So many events one look gives at most.
MOST_EVENTS = 1000
#: Whoever waits for events waits so many seconds at most.
LONGEST_WAIT_S = 30.0
#: While somebody waits, it is looked again so often, in seconds: one cheap statement.
LOOK_AGAIN_S = 1.0
#: So many wait at a time in one process. Who comes after is answered at once.
MOST_WAITING = 100
#: And so many with one key: whoever asks for all of the places leaves some to the others.
MOST_OF_ONE = 20
#: The type of an event that says nothing but that it arrived.
TEST = "webhook.test"
_ZERO = b"\0" * 10
#: No id is older.
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of a test delivery."""

    delivered: bool
    at: datetime
    took_ms: int
    url: str
    status: int | None = None  # of a refusal
    error: str = ""


class Inquiries:
    def __init__(
        self, *, store: Store, clock: Clock, webhooks: Webhooks, bell: Bell, composing: Composing
    ) -> None:
        self._store = store
        self._clock = clock
        self._webhooks = webhooks
        self._bell = bell
        self._composing = composing
        self._waiting: Counter[str] = Counter()

    async def events(
        self,
        *,
        by: Caller,
        after: int,
        limit: int,
        account_id: str | None,
        client_instance_id: str | None,
        topic: str | None,
        wait_s: float,
        newest_first: bool,
    ) -> list[EventRecord]:
        need(by, Right.READ)
        flaws = Flaws()
        if not 1 <= limit <= MOST_EVENTS:
            flaws.add("limit", f"must be from 1 to {MOST_EVENTS}.", code="out_of_range")
        if after < 0:
            flaws.add("after", "must not be negative.", code="out_of_range")
        if not 0 <= wait_s <= LONGEST_WAIT_S:
            flaws.add("wait", f"must be from 0 to {LONGEST_WAIT_S:g}.", code="out_of_range")
        flaws.refuse_if_any()
        if client_instance_id is not None and by.client_instance_id not in (
            None,
            client_instance_id,
        ):
            raise NotFound
        wanted = {
            "after": after,
            "limit": limit,
            "client_instance_id": client_instance_id or by.client_instance_id,
            "account_ids": by.account_ids if account_id is None else [account_id],
            "topic": topic,
            "newest_first": newest_first,
        }
        found = await self._read(wanted, by, account_id)
        full = self._waiting.total() >= MOST_WAITING or self._waiting[by.id] >= MOST_OF_ONE
        if found or not wait_s or full:
            return found
        return await self._wait(wanted, by, account_id, wait_s)

    async def _read(
        self, wanted: dict[str, Any], by: Caller, account_id: str | None
    ) -> list[EventRecord]:
        async with self._store.transaction() as tx:
            if account_id is not None:
                account = await tx.accounts.get(account_id)
                if account is None or not by.reaches_account(
                    account.id, account.client_instance_id
                ):
                    raise NotFound
            return await tx.events.read(**wanted)

    async def _wait(
        self, wanted: dict[str, Any], by: Caller, account_id: str | None, wait_s: float
    ) -> list[EventRecord]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + wait_s
        self._waiting[by.id] += 1
        try:
            while (left := ends - loop.time()) > 0:
                await asyncio.sleep(min(LOOK_AGAIN_S, left))
                if found := await self._read(wanted, by, account_id):
                    return found
        finally:
            self._waiting[by.id] -= 1
            if not self._waiting[by.id]:
                del self._waiting[by.id]
        return []

    async def event(self, id: str, *, by: Caller) -> EventRecord:
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            return await _reached_event(tx, id, by)

    async def resend(self, id: str, *, by: Caller) -> OutboxItem:
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            event = await _reached_event(tx, id, by)
            instance = await tx.instances.get(event.client_instance_id)
            if instance is None or not instance.webhook_url:
                raise Conflict(
                    "The client instance has no webhook URL.",
                    hint="Give it one, or have it read its events with GET /v1/events.",
                )
            waiting = await tx.outbox.all(
                event_id=event.id, state=OutboxState.WAITING, kind=OutboxKind.WEBHOOK, limit=1
            )
            item = (
                await tx.outbox.change(
                    waiting[0].id,
                    expecting={"state": OutboxState.WAITING},
                    next_at=min(now, waiting[0].next_at),
                )
                if waiting
                else None
            )
            if item is None:
                item = _repeat(event, now)
                await tx.outbox.add(item)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="event.resent",
                subject=event.id,
                account_id=event.account_id,
                topic=event.topic,
                to=instance.id,
                outbox_id=item.id,
            )
        await self._bell.ring([item.id])
        return item

    async def deliveries(
        self,
        instance_id: str,
        *,
        by: Caller,
        state: OutboxState | None,
        topic: str | None,
        since: datetime | None,
        after: str | None,
        limit: int,
        newest_first: bool,
    ) -> list[OutboxItem]:
        need(by, Right.READ)
        check_page(ids.Kind.OUTBOX, after, limit)
        flaws = Flaws()
        since = flaws.instant("since", since)
        if since is not None and newest_first:
            flaws.add("since", "is told oldest first.", code="out_of_range")
        flaws.refuse_if_any()
        if since is not None and after is None:
            # Ids sort by time: this one stands before all that were made from then on.
            after = ids.make(ids.Kind.OUTBOX, max(since, _FIRST), _ZERO)
        named = {"state": state, "topic": topic}
        wanted: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        async with self._store.transaction() as tx:
            await _reached_instance(tx, instance_id, by)
            return await tx.outbox.all(
                after=after,
                limit=limit,
                newest_first=newest_first,
                kind=OutboxKind.WEBHOOK,
                to=instance_id,
                **wanted,
            )

    async def try_out(self, instance_id: str, *, by: Caller) -> Trial:
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            instance = await _reached_instance(tx, instance_id, by)
        if not instance.webhook_url:
            raise Conflict(
                "The client instance has no webhook URL.",
                hint="Give it one: evergrant instance change --webhook-url",
            )
        loop = asyncio.get_running_loop()
        began, trouble = loop.time(), None
        try:
            event_id = new_id(ids.Kind.EVENT, now)
            told = {
                "type": TEST,
                "timestamp": now.isoformat(),
                "data": {"client_instance_id": instance.id, "client_instance_name": instance.name},
            }
            await self._webhooks.deliver(
                await self._composing.signed(instance.id, event_id, told, now)
            )
        except NotDelivered as error:
            trouble = error
        trial = Trial(
            delivered=trouble is None,
            at=now,
            took_ms=round((loop.time() - began) * 1000),
            url=instance.webhook_url,
            status=_status(trouble),
            error=scrub(trouble.message) if trouble else "",
        )
        async with self._store.transaction() as tx:
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="instance.webhook_tried",
                subject=instance.id,
                delivered=trial.delivered,
                error=trial.error,
            )
        return trial


def _repeat(event: EventRecord, now: datetime) -> OutboxItem:
    """Of no account: it stands in no line, so that a repeat holds up nothing that is new."""
    return OutboxItem(
        id=new_id(ids.Kind.OUTBOX, now),
        kind=OutboxKind.WEBHOOK,
        topic=event.topic,
        subject=event.subject,
        to=event.client_instance_id,
        account_id=None,
        facts=event.facts,
        event_id=event.id,
        next_at=now,
        created_at=now,
    )


async def _reached_event(tx: Transaction, id: str, by: Caller) -> EventRecord:
    event = await tx.events.get(id)
    if event is None:
        raise NotFound
    reached = (
        by.reaches(event.client_instance_id)
        if event.account_id is None
        else by.reaches_account(event.account_id, event.client_instance_id)
    )
    if not reached:
        raise NotFound
    return event


async def _reached_instance(tx: Transaction, id: str, by: Caller) -> ClientInstance:
    instance = await tx.instances.get(id)
    if instance is None or not by.reaches(instance.id):
        raise NotFound
    return instance


def _status(trouble: EvergrantError | None) -> int | None:
    status = trouble.facts.get("status") if trouble else None
    return status if isinstance(status, int) else None
