"""Shelves over tables: the same few verbs for every kind of thing.

Answers for: ``ports.Shelf``, ``ports.Outbox``, ``ports.CallCounts`` and ``ports.Diary`` inside one
transaction. Does not answer for: the transaction itself (``transactions``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    UniqueConstraint,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from evergrant.adapters.store.forms import Form
from evergrant.adapters.store.refusals import understood
from evergrant.adapters.store.tables import JOURNAL, SHELVES
from evergrant.ports import boards as b
from evergrant.ports import signed_in as o
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = [
    "FORMS",
    "THINGS",
    "PostgresCallCounts",
    "PostgresDiary",
    "PostgresOutbox",
    "PostgresShelf",
]

Thing = TypeVar("Thing")

#: A statement may have 65,535 in all.
MOST_PARAMETERS = 1_000

THINGS: dict[str, type[Any]] = {
    "applications": t.Application,
    "credentials": t.IntegrationCredentials,
    "instances": t.ClientInstance,
    "accounts": t.Account,
    "authorizations": t.Authorization,
    "grants": t.Grant,
    "participations": t.Participation,
    "invitations": t.Invitation,
    "handshakes": t.Handshake,
    "outbox": t.OutboxItem,
    "reports": t.SupportReport,
    "operators": t.Operator,
    "operator_sessions": o.OperatorSession,
    "operator_invitations": o.OperatorInvitation,
    "recovery_codes": o.RecoveryCode,
    "sign_in_counts": o.SignInCount,
    "api_keys": t.ApiKey,
    "connection_keys": t.ConnectionKey,
    "plan_overrides": t.PlanOverride,
    "call_counts": t.CallCount,
    "reminders": w.Reminder,
    "notices": w.Notice,
    "rotations": w.Rotation,
    "reviews": w.Review,
    "changes": d.Change,
    "intakes": d.Intake,
    "feed_runs": d.FeedRun,
    "work": d.AccountWork,
    "orders": d.Order,
    "order_sweeps": d.OrderSweep,
    "amazon_reports": d.AmazonReport,
    "subscriptions": d.Subscription,
    "saved_filters": b.SavedFilter,
    "safe": t.SealedSecret,
}

FORMS: dict[str, Form[Any]] = {name: Form(thing, name) for name, thing in THINGS.items()}
_LINE = Form(t.JournalLine, "journal")


def _keyed_fields(table: Table) -> frozenset[str]:
    """Fields that a unique key looks at, those in the condition of a partial key as well."""
    fields = {
        column.name
        for key in table.constraints
        if isinstance(key, UniqueConstraint)
        for column in key.columns
    }
    for index in table.indexes:
        if index.unique:
            condition = str(index.dialect_options["postgresql"]["where"])
            fields |= {column.name for column in index.columns}
            fields |= {column.name for column in table.columns if column.name in condition}
    return frozenset(fields)


#: Half of all statements of a busy day; made once.
_GET = {
    name: select(table).where(table.c.id == bindparam("wanted")) for name, table in SHELVES.items()
}
_KEYED = {name: _keyed_fields(table) for name, table in SHELVES.items()}


class PostgresShelf(Generic[Thing]):
    """``ports.Shelf`` over one table."""

    def __init__(self, name: str, tx: PostgresTransaction) -> None:
        self._name = name
        self._tx = tx
        self._table = SHELVES[name]
        self._form: Form[Thing] = FORMS[name]

    async def get(self, id: str) -> Thing | None:
        found = await self._tx.connection.execute(
            _GET[self._name], {"wanted": self._form.value("id", id)}
        )
        row = found.mappings().one_or_none()
        return None if row is None else self._form.thing(cast("Mapping[str, Any]", row))

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
        statement = select(self._table).where(*self._conditions(equal, before))
        place = self._table.c.id
        if after is not None:
            seen = self._form.value("id", after)
            statement = statement.where(place < seen if newest_first else place > seen)
        statement = statement.order_by(place.desc() if newest_first else place).limit(limit)
        rows = (await self._tx.connection.execute(statement)).mappings()
        return [self._form.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def count(self, *, before: tuple[str, datetime] | None = None, **equal: Any) -> int:
        statement = select(func.count()).select_from(self._table)
        statement = statement.where(*self._conditions(equal, before))
        return (await self._tx.connection.execute(statement)).scalar_one()

    async def add(self, thing: Thing) -> None:
        row = self._form.row(thing)
        # One round trip as a rule. Only when a key refused it, a second statement in a savepoint
        # asks which: the answer of the first does not say.
        quietly = upsert(self._table).values(row).on_conflict_do_nothing()
        with understood(self._name):
            result = await self._tx.connection.execute(quietly.returning(self._table.c.id))
        if result.one_or_none() is None:
            with understood(self._name):
                async with self._tx.connection.begin_nested():
                    await self._tx.connection.execute(insert(self._table).values(row))

    async def put(self, thing: Thing) -> None:
        row = self._form.row(thing)
        statement = upsert(self._table).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=[self._table.c.id],
            set_={name: statement.excluded[name] for name in row if name != "id"},
        )
        async with self._guarded(row):
            await self._tx.connection.execute(statement)

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> Thing | None:
        if "id" in values:
            raise TypeError("An id does not change.")
        stored = {name: self._form.value(name, value) for name, value in values.items()}
        conditions = self._conditions(expecting or {}, None)
        if not stored:
            found = await self.all(id=id, **dict(expecting or {}))
            return found[0] if found else None
        statement = (
            update(self._table)
            .where(self._table.c.id == self._form.value("id", id), *conditions)
            .values(stored)
            .returning(*self._table.c)
        )
        async with self._guarded(stored):
            result = await self._tx.connection.execute(statement)
        row = result.mappings().one_or_none()
        return None if row is None else self._form.thing(cast("Mapping[str, Any]", row))

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        if "id" in values:
            raise TypeError("An id does not change.")
        stored = {name: self._form.value(name, value) for name, value in values.items()}
        conditions = self._conditions({"id": sorted(ids), **(expecting or {})}, None)
        statement = update(self._table).where(*conditions).values(stored)
        async with self._guarded(stored):
            result = await self._tx.connection.execute(statement)
        return result.rowcount

    async def drop(self, id: str) -> bool:
        statement = delete(self._table).where(self._table.c.id == self._form.value("id", id))
        with understood(self._name):
            result = await self._tx.connection.execute(statement.returning(self._table.c.id))
        return result.one_or_none() is not None

    async def drop_all(self, ids: Collection[str]) -> int:
        wanted = [self._form.value("id", one) for one in sorted(ids)]
        # One array: each element of a list would be a parameter, and those are bounded.
        statement = delete(self._table).where(
            self._table.c.id == any_(literal(wanted, ARRAY(Text)))
        )
        with understood(self._name):
            result = await self._tx.connection.execute(statement)
        return result.rowcount

    def _conditions(
        self, equal: Mapping[str, Any], before: tuple[str, datetime] | None
    ) -> list[ColumnElement[bool]]:
        conditions = [self._condition(name, wanted) for name, wanted in equal.items()]
        if before is not None:
            name, instant = before
            conditions.append(self._table.c[name] < self._form.value(name, instant))
        return conditions

    def _condition(self, name: str, wanted: Any) -> ColumnElement[bool]:
        several = isinstance(wanted, (list, tuple, set, frozenset))
        values = list(wanted) if several else [wanted]
        stored = [self._form.value(name, value) for value in values if value is not None]
        column = self._table.c[name]
        if len(stored) > MOST_PARAMETERS:
            # One array: each element of a list would be a parameter, and those are bounded. Few
            # stay a list, which tells PostgreSQL more about them.
            among = column == any_(literal(stored, ARRAY(column.type)))
        else:
            among = column.in_(stored)
        if None not in values:
            return among if several else column == stored[0]
        return or_(column.is_(None), among) if stored else column.is_(None)

    @asynccontextmanager
    async def _guarded(self, row: Iterable[str]) -> AsyncIterator[None]:
        """A savepoint where a unique key can refuse: its refusal must not end the transaction."""
        with understood(self._name):
            if _KEYED[self._name].isdisjoint(row):
                yield
            else:
                async with self._tx.connection.begin_nested():
                    yield


#: In the words of the index on the lines, which a parameter would not match.
_WAITING_EVENT = text("outbox.state = 'waiting' AND outbox.kind = 'webhook'")

#: JSON objects of numbers, added to each other name by name.
_ADDED_ERRORS = text("""
    (SELECT coalesce(jsonb_object_agg(name, number), '{}')
       FROM (SELECT name, sum(number::bigint) AS number
               FROM (SELECT * FROM jsonb_each_text(call_counts.errors)
                     UNION ALL
                     SELECT * FROM jsonb_each_text(excluded.errors)) AS of_both (name, number)
              GROUP BY name) AS added)
""")


class PostgresCallCounts(PostgresShelf[t.CallCount]):
    """``ports.CallCounts``."""

    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__("call_counts", tx)

    async def add_up(self, rows: Sequence[t.CallCount]) -> None:
        if not rows:
            return
        # In order of ids: two processes that add at once then wait for each other in one order.
        merged = ports.merged(rows)
        statement = upsert(self._table).values([self._form.row(row) for row in merged])
        mine, more = self._table.c, statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[mine.id],
            set_={
                **{name: mine[name] + more[name] for name in ports.COUNTED},
                "errors": _ADDED_ERRORS,
                "last_at": func.greatest(mine.last_at, more.last_at),
            },
        )
        await self._tx.connection.execute(statement)

    async def read(
        self,
        *,
        since: datetime,
        account_id: str | None = None,
        operation: str | None = None,
        throttled: bool = False,
    ) -> list[t.CallCount]:
        columns = self._table.c
        statement = select(self._table).where(columns.hour_at >= self._form.value("hour_at", since))
        for column, wanted in ((columns.account_id, account_id), (columns.operation, operation)):
            if wanted is not None:
                statement = statement.where(column == self._form.value(column.name, wanted))
        if throttled:
            statement = statement.where(columns.throttled > 0)
        statement = statement.order_by(columns.hour_at, columns.id)
        rows = (await self._tx.connection.execute(statement)).mappings()
        return [self._form.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def purge(self, before: datetime) -> int:
        earlier = self._table.c.hour_at < self._form.value("hour_at", before)
        result = await self._tx.connection.execute(delete(self._table).where(earlier))
        return result.rowcount


class PostgresOutbox(PostgresShelf[t.OutboxItem]):
    """``ports.Outbox``."""

    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__("outbox", tx)

    async def is_held_up(self, item: t.OutboxItem) -> bool:
        if not _stands_in_line(item):
            return False
        earlier = exists().where(self._line_of(item), self._place < self._place_of(item))
        return bool((await self._tx.connection.execute(select(earlier))).scalar_one())

    async def next_in_line(self, item: t.OutboxItem) -> t.OutboxItem | None:
        if not _stands_in_line(item):
            return None
        behind = select(self._table).where(self._line_of(item), self._place > self._place_of(item))
        statement = behind.order_by(self._table.c.position, self._table.c.id).limit(1)
        row = (await self._tx.connection.execute(statement)).mappings().one_or_none()
        return None if row is None else self._form.thing(cast("Mapping[str, Any]", row))

    def _line_of(self, item: t.OutboxItem) -> ColumnElement[bool]:
        return and_(
            _WAITING_EVENT,
            self._table.c.to == self._form.value("to", item.to),
            self._table.c.account_id == self._form.value("account_id", item.account_id),
        )

    @property
    def _place(self) -> Any:
        return tuple_(self._table.c.position, self._table.c.id)

    def _place_of(self, item: t.OutboxItem) -> Any:
        stored = self._form.row(item)
        return tuple_(stored["position"], stored["id"])


def _stands_in_line(item: t.OutboxItem) -> bool:
    return item.kind is t.OutboxKind.WEBHOOK and item.account_id is not None


class PostgresDiary:
    """``ports.Diary`` over the journal's table. Lines are kept until somebody reads, or the
    transaction ends; then they are written together, in their order."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx
        self._kept: list[dict[str, Any]] = []

    async def append(self, line: t.JournalLine) -> None:
        self._tx.check()
        row = _LINE.row(line)
        del row["id"]
        self._kept.append(row)

    async def write(self) -> None:
        kept, self._kept = self._kept, []
        if kept:
            await self._tx.connection.execute(insert(JOURNAL), kept)

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
        await self.write()
        columns = JOURNAL.c
        statement = select(JOURNAL).limit(limit)
        for column, wanted in (
            (columns.account_id, account_id),
            (columns.subject, subject),
            (columns.verb, verb),
            (columns.caller, caller),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if since is not None:
            statement = statement.where(columns.at >= _LINE.value("at", since))
        if until is not None:
            statement = statement.where(columns.at < _LINE.value("at", until))
        if newest_first and not (since is until is None):
            # Days long ago by their own index: from the newest id back they are far away.
            statement = statement.order_by(columns.at.desc(), columns.id.desc())
            if after:
                statement = statement.where(await self._before(after))
        else:
            if after:
                behind = columns.id < after if newest_first else columns.id > after
                statement = statement.where(behind)
            statement = statement.order_by(columns.id.desc() if newest_first else columns.id)
        rows = (await self._tx.connection.execute(statement)).mappings()
        return [_LINE.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def _before(self, id: int) -> ColumnElement[bool]:
        """Of lines that come behind this one, newest first by instants."""
        columns = JOURNAL.c
        asked = select(columns.at).where(columns.id == id)
        at = (await self._tx.connection.execute(asked)).scalar_one_or_none()
        if at is None:
            return columns.id < id
        return tuple_(columns.at, columns.id) < tuple_(literal(at), literal(id))

    async def purge(self, before: datetime, *, limit: int = 10_000) -> int:
        await self.write()
        asked = select(func.journal_purge(_LINE.value("at", before), limit))
        return int((await self._tx.connection.execute(asked)).scalar_one())
