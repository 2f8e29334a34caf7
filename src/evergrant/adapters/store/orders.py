"""Orders, in the order in which their transactions commit.

Answers for: ``ports.Orders`` inside one transaction. Does not answer for: what an order says (the
rooms), or for the lock that makes the order (``line``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, any_, delete, func, select, text

from evergrant.adapters.store.shelves import PostgresShelf
from evergrant.ports.traded import Order

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = ["PostgresOrders"]

_NUMBERS = text("""
SELECT nextval(pg_get_serial_sequence('orders', 'position')) FROM generate_series(1, :count)
""")
_PLACES = text("""
UPDATE orders SET position = placed.position
  FROM unnest(CAST(:ids AS text[]), CAST(:positions AS bigint[])) AS placed (id, position)
 WHERE orders.id = placed.id
""")


class PostgresOrders(PostgresShelf[Order]):
    """``ports.Orders``. An order stands at position 0, where nobody reads, until just before the
    commit: whoever ends the transaction stands in line and then calls ``write``."""

    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__("orders", tx)
        self._unplaced: dict[str, None] = {}

    async def add(self, thing: Order) -> None:
        await super().add(dataclasses.replace(thing, position=0))
        self._last(thing.id)

    async def put(self, thing: Order) -> None:
        await super().put(dataclasses.replace(thing, position=0))
        self._last(thing.id)

    @property
    def has_some(self) -> bool:
        return bool(self._unplaced)

    async def write(self) -> None:
        if not self._unplaced:
            return
        ids, self._unplaced = list(self._unplaced), {}
        numbers = await self._tx.connection.execute(_NUMBERS, {"count": len(ids)})
        positions = sorted(numbers.scalars())
        await self._tx.connection.execute(_PLACES, {"ids": ids, "positions": positions})

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
    ) -> list[Order]:
        position = self._table.c.position
        conditions = [position > max(after, 0), *self._within(client_instance_id, account_ids)]
        return await self._read(conditions, position, limit)

    async def latest(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
        status: str | None = None,
        order_id: str | None = None,
    ) -> list[Order]:
        columns = self._table.c
        conditions = [
            columns.position > 0,
            columns.digest != "",
            *self._within(client_instance_id, account_ids),
        ]
        if before is not None:
            conditions.append(columns.position < before)
        if status is not None:
            conditions.append(columns.status == self._form.value("status", status))
        if order_id is not None:
            conditions.append(columns.order_id == self._form.value("order_id", order_id))
        return await self._read(conditions, columns.position.desc(), limit)

    def _within(
        self, client_instance_id: str | None, account_ids: Collection[str] | None
    ) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        columns = self._table.c
        if client_instance_id is not None:
            wanted = self._form.value("client_instance_id", client_instance_id)
            found.append(columns.client_instance_id == wanted)
        if account_ids is not None:
            wanted_ids = [self._form.value("account_id", one) for one in account_ids]
            found.append(columns.account_id.in_(wanted_ids))
        return found

    async def _read(
        self, conditions: Sequence[ColumnElement[bool]], order: ColumnElement[Any], limit: int
    ) -> list[Order]:
        statement = select(self._table).where(*conditions).order_by(order).limit(limit)
        rows = (await self._tx.connection.execute(statement)).mappings()
        return [self._form.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def purge(self, before: datetime, *, limit: int) -> list[str]:
        columns = self._table.c
        old = (
            select(columns.id)
            .where(columns.changed_at < self._form.value("changed_at", before))
            .order_by(columns.changed_at, columns.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        # As an array it is asked once; a plain subquery may be asked again, for other rows.
        gone = delete(self._table).where(columns.id == any_(func.array(old)))
        return sorted((await self._tx.connection.execute(gone.returning(columns.id))).scalars())

    def _last(self, id: str) -> None:
        stored = self._form.value("id", id)
        self._unplaced.pop(stored, None)
        self._unplaced[stored] = None
