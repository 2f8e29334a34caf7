"""The shelves of the store in memory, each seen through one transaction.

Answers for: ``ports.Shelf`` and the shelves that can do more (outbox, counts of calls, orders, the
journal): unique keys, references, order. Does not answer for: transactions (``testing.store``),
changes (``testing.traded``), events and scans (``testing.watched``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.rules.terms import JOURNAL_KEPT_AT_LEAST
from evergrant.testing.kinds import KINDS
from evergrant.testing.settling import Settling

if TYPE_CHECKING:
    from evergrant.testing.store import MemoryTransaction

__all__ = ["MemoryCallCounts", "MemoryDiary", "MemoryOrders", "MemoryOutbox", "MemoryShelf"]

Thing = TypeVar("Thing")


_SETTLINGS = {name: Settling(kind.thing, name) for name, kind in KINDS.items()}
_JOURNAL = Settling(t.JournalLine, "journal")


class MemoryShelf(Generic[Thing]):
    """``ports.Shelf`` over a dict, seen through one transaction."""

    def __init__(self, name: str, tx: MemoryTransaction) -> None:
        self._name = name
        self._tx = tx
        self._settling = _SETTLINGS[name]

    async def get(self, id: str) -> Thing | None:
        self._tx.check()
        return cast("Thing | None", self._tx.find(self._name, self._settling.text(id)))

    async def one(self, **equal: Any) -> Thing | None:
        found = await self.all(limit=2, **equal)
        if len(found) > 1:
            raise LookupError(f"More than one row of {self._name} matches.")
        return found[0] if found else None

    async def all(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        before: tuple[str, datetime] | None = None,
        newest_first: bool = False,
        **equal: Any,
    ) -> list[Thing]:
        self._tx.check()
        matches = self._settling.matcher(equal, before)
        seen = None if after is None else self._settling.text(after)
        found = [
            row
            for row in self._tx.rows(self._name)
            if (seen is None or (row.id < seen if newest_first else row.id > seen)) and matches(row)
        ]
        found.sort(key=lambda row: cast("str", row.id), reverse=newest_first)
        return found if limit is None else found[:limit]

    async def count(self, *, before: tuple[str, datetime] | None = None, **equal: Any) -> int:
        self._tx.check()
        matches = self._settling.matcher(equal, before)
        return sum(1 for row in self._tx.rows(self._name) if matches(row))

    async def add(self, thing: Thing) -> None:
        self._tx.check()
        row = self._settling.row(thing)
        if self._tx.find(self._name, row.id) is not None:
            raise ports.AlreadyThere(f"{self._name}_pkey")
        self._write(row)

    async def put(self, thing: Thing) -> None:
        self._tx.check()
        self._write(self._settling.row(thing))

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> Thing | None:
        self._tx.check()
        matches = self._settling.matcher(expecting or {}, None)
        self._settling.check_changes(values)
        row = self._tx.find(self._name, self._settling.text(id))
        if row is None or not matches(row):
            return None
        changed = self._settling.row(dataclasses.replace(row, **values))
        self._write(changed)
        return cast("Thing", changed)

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        changed = [await self.change(one, expecting, **values) for one in sorted(set(ids))]
        return sum(row is not None for row in changed)

    async def drop(self, id: str) -> bool:
        self._tx.check()
        wanted = self._settling.text(id)
        if self._tx.find(self._name, wanted) is None:
            return False
        for other, kind in KINDS.items():
            for field, target in kind.references.items():
                if target == self._name and any(
                    getattr(row, field) == wanted and (other != self._name or row.id != wanted)
                    for row in self._tx.rows(other)
                ):
                    raise LookupError(f"{other}.{field} still names this row of {self._name}.")
        self._tx.tear(self._name, wanted)
        return True

    async def drop_all(self, ids: Collection[str]) -> int:
        return sum([await self.drop(one) for one in sorted(set(ids))])

    def _write(self, row: Any) -> None:
        kind = KINDS[self._name]
        for key in kind.unique:
            mine = key.of(row)
            if mine is not None and any(
                other.id != row.id and key.of(other) == mine for other in self._tx.rows(self._name)
            ):
                raise ports.AlreadyThere(key.name)
        for field, target in kind.references.items():
            wanted = getattr(row, field)
            itself = target == self._name and wanted == row.id
            if wanted is not None and not itself and self._tx.find(target, wanted) is None:
                raise LookupError(f"{self._name}.{field} names a row that {target} does not hold.")
        self._tx.written[self._name][row.id] = row


class MemoryCallCounts(MemoryShelf[t.CallCount]):
    """``ports.CallCounts``."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("call_counts", tx)

    async def add_up(self, rows: Sequence[t.CallCount]) -> None:
        for row in ports.merged(rows):
            known = await self.get(row.id)
            await self.put(row if known is None else ports.added(known, row))

    async def read(
        self,
        *,
        since: datetime,
        account_id: str | None = None,
        operation: str | None = None,
        throttled: bool = False,
    ) -> list[t.CallCount]:
        found = [
            row
            for row in await self.all()
            if row.hour_at >= since
            and account_id in (None, row.account_id)
            and operation in (None, row.operation)
            and (row.throttled or not throttled)
        ]
        return sorted(found, key=lambda row: (row.hour_at, row.id))

    async def purge(self, before: datetime) -> int:
        gone = await self.all(before=("hour_at", before))
        return sum([await self.drop(row.id) for row in gone])


class MemoryOutbox(MemoryShelf[t.OutboxItem]):
    """``ports.Outbox``."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("outbox", tx)

    async def is_held_up(self, item: t.OutboxItem) -> bool:
        return any(_place(other) < _place(item) for other in await self._line_of(item))

    async def next_in_line(self, item: t.OutboxItem) -> t.OutboxItem | None:
        behind = [other for other in await self._line_of(item) if _place(other) > _place(item)]
        return min(behind, key=_place, default=None)

    async def _line_of(self, item: t.OutboxItem) -> list[t.OutboxItem]:
        if item.kind is not t.OutboxKind.WEBHOOK or item.account_id is None:
            return []
        return await self.all(
            state=t.OutboxState.WAITING, kind=item.kind, to=item.to, account_id=item.account_id
        )


class MemoryOrders(MemoryShelf[d.Order]):
    """``ports.Orders``. Whoever ends the transaction calls ``write`` just before."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("orders", tx)
        self._unplaced: dict[str, None] = {}

    async def add(self, thing: d.Order) -> None:
        await super().add(dataclasses.replace(thing, position=0))
        self._last(thing.id)

    async def put(self, thing: d.Order) -> None:
        await super().put(dataclasses.replace(thing, position=0))
        self._last(thing.id)

    def write(self) -> None:
        for placed in self._unplaced:
            row = self._tx.find(self._name, placed)
            if row is not None:
                position = self._tx.store.next_order_position()
                self._write(dataclasses.replace(row, position=position))

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
    ) -> list[d.Order]:
        found = [
            row
            for row in await self.all()
            if row.position > max(after, 0)
            and client_instance_id in (None, row.client_instance_id)
            and (account_ids is None or row.account_id in account_ids)
        ]
        return sorted(found, key=lambda row: row.position)[:limit]

    async def latest(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
        status: str | None = None,
        order_id: str | None = None,
    ) -> list[d.Order]:
        found = [
            row
            for row in await self.all()
            if row.position > 0
            and row.digest
            and (before is None or row.position < before)
            and client_instance_id in (None, row.client_instance_id)
            and (account_ids is None or row.account_id in account_ids)
            and status in (None, row.status)
            and order_id in (None, row.order_id)
        ]
        return sorted(found, key=lambda row: -row.position)[:limit]

    async def purge(self, before: datetime, *, limit: int) -> list[str]:
        old = await self.all(before=("changed_at", before))
        old.sort(key=lambda row: (row.changed_at, row.id))
        gone = [row.id for row in old[:limit]]
        await self.drop_all(gone)
        return sorted(gone)

    def _last(self, id: str) -> None:
        stored = self._settling.text(id)
        self._unplaced.pop(stored, None)
        self._unplaced[stored] = None


def _place(item: t.OutboxItem) -> tuple[int, str]:
    return item.position, item.id


class MemoryDiary:
    """``ports.Diary`` over a list."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx

    async def append(self, line: t.JournalLine) -> None:
        self._tx.check()
        settled = _JOURNAL.row(line)
        self._tx.lines.append(dataclasses.replace(settled, id=self._tx.store.next_line_id()))

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        account_id: str | None = None,
        subject: str | None = None,
        verb: str | None = None,
        caller: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
    ) -> list[t.JournalLine]:
        self._tx.check()
        kept = [
            line
            for line in (*self._tx.store.lines, *self._tx.lines)
            if line.id not in self._tx.torn_out
        ]
        by_instant = newest_first and not (since is until is None)
        last = next((line for line in kept if line.id == after), None)

        def place(line: t.JournalLine) -> tuple[datetime, int]:
            return (line.at if by_instant else datetime.min.replace(tzinfo=UTC), line.id)

        def is_behind(line: t.JournalLine) -> bool:
            if by_instant and last is not None:
                return place(line) < place(last)
            return line.id < after if newest_first else line.id > after

        found = [
            line
            for line in kept
            if (not after or is_behind(line))
            and account_id in (None, line.account_id)
            and subject in (None, line.subject)
            and verb in (None, line.verb)
            and caller in (None, line.caller)
            and (since is None or line.at >= since)
            and (until is None or line.at < until)
        ]
        found.sort(key=place, reverse=newest_first)
        return found[:limit]

    async def purge(self, before: datetime, *, limit: int = 10_000) -> int:
        self._tx.check()
        bound = min(before, datetime.now(UTC) - JOURNAL_KEPT_AT_LEAST)
        there = [line for line in self._tx.store.lines if line.id not in self._tx.torn_out]
        old = [line.id for line in there[:limit] if line.at < bound]
        self._tx.torn_out.update(old)
        return len(old)
