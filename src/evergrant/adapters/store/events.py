"""Events, in the order in which their transactions commit.

Answers for: ``ports.Events`` inside one transaction. Does not answer for: what is worth an event
(the rooms), for bringing it anywhere (the post room), or for the lock
that makes the order (``line``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, any_, delete, exists, func, insert, select

from evergrant.adapters.store.forms import Form
from evergrant.adapters.store.line import LINE
from evergrant.adapters.store.refusals import understood
from evergrant.adapters.store.tables import EVENTS, SHELVES
from evergrant.ports.things import OutboxItem, OutboxState
from evergrant.ports.watched import EventRecord

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = ["LINE", "PostgresEvents"]

_EVENT = Form(EventRecord, "events")
_DELIVERY = Form(OutboxItem, "outbox")
_OUTBOX = SHELVES["outbox"]
_ACCOUNTS = SHELVES["accounts"]

_Row = dict[str, Any]


class PostgresEvents:
    """``ports.Events``. Whoever ends the transaction calls ``hold_accounts``, stands in line where
    something was kept, and then calls ``write``."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx
        self._kept: list[tuple[_Row, _Row | None]] = []

    async def append(self, event: EventRecord, delivery: OutboxItem | None) -> None:
        self._tx.check()
        row = _EVENT.row(event)
        del row["position"]
        self._kept.append((row, None if delivery is None else _DELIVERY.row(delivery)))

    @property
    def has_some(self) -> bool:
        return bool(self._kept)

    async def write(self) -> None:
        """Raises AlreadyThere for an id that is taken, LookupError for a webhook about an account
        that is not there."""
        if not self._kept:
            return
        kept, self._kept = self._kept, []
        with understood("events"):
            written = await self._tx.connection.execute(
                insert(EVENTS).returning(EVENTS.c.id, EVENTS.c.position),
                [event for event, _ in kept],
            )
        positions = {row.id: row.position for row in written}
        deliveries = [
            {**delivery, "event_id": event["id"], "position": positions[event["id"]]}
            for event, delivery in kept
            if delivery is not None
        ]
        if deliveries:
            with understood("outbox"):
                await self._tx.connection.execute(insert(_OUTBOX), deliveries)

    async def get(self, id: str) -> EventRecord | None:
        found = await self._read(EVENTS.c.id == _EVENT.value("id", id), limit=1)
        return found[0] if found else None

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
        conditions = [EVENTS.c.position < after if newest_first else EVENTS.c.position > after]
        if newest_first and not after:
            conditions.clear()
        for name, wanted in (("client_instance_id", client_instance_id), ("topic", topic)):
            if wanted is not None:
                conditions.append(EVENTS.c[name] == _EVENT.value(name, wanted))
        if account_ids is not None:
            wanted_ids = [_EVENT.value("account_id", one) for one in account_ids]
            conditions.append(EVENTS.c.account_id.in_(wanted_ids))
        return await self._read(*conditions, limit=limit, newest_first=newest_first)

    async def purge(self, before: datetime, limit: int) -> int:
        waiting = exists().where(
            _OUTBOX.c.event_id == EVENTS.c.id, _OUTBOX.c.state == OutboxState.WAITING.value
        )
        # As an array it is asked once; a plain subquery may be asked again, for other rows.
        old = (
            select(EVENTS.c.id)
            .where(EVENTS.c.at < _EVENT.value("at", before), ~waiting)
            .order_by(EVENTS.c.at, EVENTS.c.position)
            .limit(limit)
            .with_for_update(skip_locked=True, of=EVENTS)
            .scalar_subquery()
        )
        gone = delete(EVENTS).where(EVENTS.c.id == any_(func.array(old)))
        result = await self._tx.connection.execute(gone)
        return result.rowcount

    async def hold_accounts(self) -> None:
        """What the webhooks' references will ask for, asked for before the lock: somebody who
        renames an account holds its row, and may be the next in line."""
        deliveries = [delivery for _, delivery in self._kept if delivery is not None]
        named = {row["account_id"] for row in deliveries if row["account_id"] is not None}
        if named:
            known = select(_ACCOUNTS.c.id).where(_ACCOUNTS.c.id.in_(named)).order_by(_ACCOUNTS.c.id)
            await self._tx.connection.execute(known.with_for_update(read=True, key_share=True))

    async def _read(
        self, *conditions: ColumnElement[bool], limit: int, newest_first: bool = False
    ) -> list[EventRecord]:
        order = EVENTS.c.position.desc() if newest_first else EVENTS.c.position
        statement = select(EVENTS).where(*conditions).order_by(order).limit(limit)
        rows = (await self._tx.connection.execute(statement)).mappings()
        return [_EVENT.thing(cast("Mapping[str, Any]", row)) for row in rows]
