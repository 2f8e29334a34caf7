"""The wishes of all accounts, by the thousand.

Answers for: ``ports.Changes`` inside one transaction, each verb in one statement for many rows.
Does not answer for: which changes a run takes, or what becomes of them (the kitchen).

States stand in the statements as words, not as parameters: PostgreSQL knows a partial index by the
words of its condition alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from psycopg import errors as pg
from sqlalchemy import ColumnElement, Text, TextClause, any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from evergrant.adapters.store.forms import Form
from evergrant.adapters.store.tables import SHELVES
from evergrant.ports import store as ports
from evergrant.ports.traded import Change, ChangeCount, Outcome, Pick, Plannable
from evergrant.rules.changes import SETTLED, STATE_SETTING, ChangeKind, ChangeState

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = ["PostgresChanges"]

_CHANGES = SHELVES["changes"]
_CHANGE = Form(Change, "changes")
_OUTCOME = Form(Outcome, "outcomes")
_TYPES = {"INTEGER": "integer[]", "DATETIME": "timestamptz[]"}


def _arrays(*names: str) -> str:
    """Parameters of these columns' names, each an array."""
    types = {name: _TYPES.get(_CHANGES.c[name].type.__class__.__name__.upper()) for name in names}
    return ", ".join(f"CAST(:{name} AS {types[name] or 'text[]'})" for name in names)


_COPY = f"COPY changes ({', '.join(column.name for column in _CHANGES.columns)}) FROM STDIN"

_HOLD = text("SELECT FROM work WHERE id = :account_id FOR UPDATE")

#: Asked for row by row, each time by the index on what is in flight: how much that is changes by
#: the minute, and a plan for few, which EXISTS would be free to get, is a catastrophe for many.
_IN_FLIGHT = """
(SELECT true FROM changes o
  WHERE o.state = 'in_flight' AND o.account_id = c.account_id
    AND o.lane = c.lane AND o.subject = c.subject {others} LIMIT 1)
"""
#: Not "IS NULL", which PostgreSQL takes for rare: then it would rather sort all that waits.
_FREE = f"{_IN_FLIGHT.format(others='')} IS NOT TRUE"
_BUSY = f"{_IN_FLIGHT.format(others='')} IS TRUE"
_BUT_FOR = "AND o.run_id <> ALL (CAST(:runs AS text[]))"
_BUSY_OF_OTHERS = f"{_IN_FLIGHT.format(others=_BUT_FOR)} IS TRUE"
_FREE_OF_OTHERS = f"{_IN_FLIGHT.format(others=_BUT_FOR)} IS NOT TRUE"

_KINDS = {kind.value: kind for kind in ChangeKind}

#: What waits for subjects that are sold out. Those few are found first, by an index of their own.
_OF_ZERO = """
       (SELECT DISTINCT z.marketplace_id, z.subject FROM changes z
         WHERE z.state = 'pending' AND z.kind = 'stock' AND z.wish @> '{"quantity": 0}'
           AND z.account_id = :account_id) AS zero
       CROSS JOIN LATERAL (
           SELECT o.* FROM changes o
            WHERE o.state = 'pending' AND o.account_id = :account_id
              AND o.marketplace_id = zero.marketplace_id AND o.subject = zero.subject
           OFFSET 0) AS c
"""

#: Rows are looked up by their ids alone and looked at when they are held, for the same reason.
_CLAIMED = text(f"""
WITH c AS MATERIALIZED (
    SELECT changes.id, account_id, lane, subject, state, picked.message_id AS message
      FROM unnest({_arrays("id", "message_id")}) AS picked (id, message_id)
      JOIN changes ON changes.id = picked.id
     ORDER BY changes.id
       FOR UPDATE OF changes SKIP LOCKED
)
UPDATE changes
   SET state = 'in_flight', run_id = :run_id, message_id = c.message, tries = tries + 1,
       next_at = NULL
  FROM c
 WHERE changes.id = c.id AND c.state = 'pending' AND c.account_id = :account_id
   AND {_FREE_OF_OTHERS}
RETURNING changes.id
""")  # noqa: S608

_SUPERSEDED = text(f"""
WITH older AS MATERIALIZED (
    SELECT changes.id, changes.account_id, changes.state, later.id AS later,
           later.state AS state_of_later
      FROM unnest({_arrays("id", "superseded_by")}) AS named (id, superseded_by)
      JOIN changes ON changes.id = named.id
      JOIN changes later ON later.id = named.superseded_by
     ORDER BY changes.id
       FOR UPDATE OF changes SKIP LOCKED
)
UPDATE changes
   SET state = 'superseded', superseded_by = older.later, settled_at = :now, next_at = NULL
  FROM older
 WHERE changes.id = older.id AND older.state = 'pending' AND older.account_id = :account_id
   AND older.state_of_later NOT IN ('refused', 'withdrawn')
""")  # noqa: S608


#: Each is looked for by itself, among what waits: what was wished in the last month of the same
#: thing is very much more. Only then are they held, in one order.
_OVERTAKEN = text(f"""
WITH later AS (
    SELECT *
      FROM unnest({_arrays("id", "kind", "marketplace_id", "subject", "key")})
        AS later (id, kind, marketplace_id, subject, key)
),
older AS MATERIALIZED (
    SELECT found.id, max(later.id) AS later
      FROM later CROSS JOIN LATERAL (
           SELECT c.id FROM changes c
            WHERE c.state = 'pending' AND c.account_id = :account_id
              AND c.marketplace_id = later.marketplace_id AND c.subject = later.subject
              AND c.kind = later.kind AND c.key = later.key AND c.id < later.id
           OFFSET 0) AS found
     GROUP BY found.id
),
held AS MATERIALIZED (
    SELECT changes.id, changes.state, older.later
      FROM older JOIN changes ON changes.id = older.id
     ORDER BY changes.id
       FOR UPDATE OF changes SKIP LOCKED
)
UPDATE changes
   SET state = 'superseded', superseded_by = held.later, settled_at = :now, next_at = NULL
  FROM held
 WHERE changes.id = held.id AND held.state = 'pending'
""")  # noqa: S608


def _settled(found: str, which: str) -> TextClause:
    """Outcomes for those of ``which``; ``told`` has one outcome for each, or one for all."""
    statement = f"""
WITH told AS (
    SELECT *
      FROM unnest({_arrays("id", "state", "code", "message", "attribute", "next_at")},
                  CAST(:counted AS boolean[]))
        AS told (id, state, code, message, attribute, next_at, counted)
),
c AS MATERIALIZED (
    SELECT changes.id, account_id, marketplace_id, kind, key, changes.state, run_id,
           told.state AS told_state, told.code AS told_code, told.message AS told_message,
           told.attribute AS told_attribute, told.next_at AS told_next_at, told.counted
      FROM told JOIN changes ON {found}
     ORDER BY changes.id
       FOR UPDATE OF changes
),
mine AS (
    SELECT c.*, later.id AS later,
           CASE WHEN later.id IS NULL THEN told_state ELSE 'superseded' END AS becomes
      FROM c LEFT JOIN LATERAL (
           SELECT l.id FROM changes l
            WHERE told_state = 'pending' AND c.kind = ANY (CAST(:state_setting AS text[]))
              AND l.account_id = c.account_id AND l.kind = c.kind AND l.key = c.key
              AND l.marketplace_id = c.marketplace_id AND l.id > c.id
              AND l.state NOT IN ('refused', 'withdrawn')
            ORDER BY l.id DESC
            LIMIT 1) AS later ON true
     WHERE {which}
)
UPDATE changes
   SET state = becomes, code = told_code, message = told_message, attribute = told_attribute,
       superseded_by = later,
       tries = greatest(
           tries - CASE WHEN becomes = 'pending' AND NOT counted THEN 1 ELSE 0 END, 0),
       next_at = CASE WHEN becomes = 'pending' THEN told_next_at END,
       settled_at = CASE WHEN becomes = ANY (CAST(:ends AS text[])) THEN :now END
  FROM mine
 WHERE changes.id = mine.id
"""  # noqa: S608
    return text(statement).bindparams(
        state_setting=sorted(kind.value for kind in STATE_SETTING),
        ends=sorted(state.value for state in SETTLED),
    )


_SETTLED = _settled("changes.id = told.id", "c.run_id = :run_id AND c.state = 'in_flight'")
_SETTLED_REST = _settled(
    "changes.run_id = :run_id AND changes.state = 'in_flight'", "c.state = 'in_flight'"
)
_DECIDED = _settled("changes.id = told.id", "c.state = :expecting")

_PURGED = text("""
DELETE FROM changes WHERE id = ANY (ARRAY(
    SELECT id FROM changes
     WHERE settled_at < :before AND kind = ANY (CAST(:kinds AS text[]))
     ORDER BY settled_at, id
     LIMIT :limit
       FOR UPDATE SKIP LOCKED))
""")

_HELD_UP = """
SELECT kind, word, count(*) AS count, min(next_at) AS first_at
  FROM (SELECT c.kind, CASE WHEN c.next_at > :now THEN c.next_at END AS next_at,
               CASE WHEN c.next_at > :now THEN 'later'
                    WHEN {busy} THEN 'in_flight' END AS word
          FROM changes c
         WHERE c.state = 'pending' AND c.account_id = :account_id) AS waiting
 WHERE word IS NOT NULL
 GROUP BY kind, word
 ORDER BY kind, word
"""


def _counted(where: str, account_ids: bool) -> str:
    within = " AND account_id = ANY (CAST(:account_ids AS text[]))" if account_ids else ""
    return (
        "SELECT account_id, kind, state, count(*) AS count,"  # noqa: S608
        " min(coalesce(settled_at, created_at)) AS oldest_at"
        f" FROM changes WHERE {where}{within} GROUP BY account_id, kind, state"
    )


_OPEN = ("state = 'pending'", "state = 'in_flight'", "state = 'uncertain'")


#: Read from the indexes on these states alone.
_AT_WORK = (*_OPEN, "state = 'refused' AND settled_at >= :since")
_BUSY_ACCOUNTS = " UNION ".join(f"SELECT account_id FROM changes WHERE {one}" for one in _AT_WORK)  # noqa: S608


class PostgresChanges:
    """``ports.Changes``."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx

    async def add_all(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        connection = self._tx.connection
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        async with connection.begin_nested():
            try:
                async with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
                    for change in changes:
                        row = _CHANGE.row(change)
                        row["wish"] = json.dumps(row["wish"])
                        await copy.write_row(list(row.values()))
            except pg.UniqueViolation as refused:
                raise ports.AlreadyThere(refused.diag.constraint_name or "") from None

    async def supersede(self, account_id: str, by: Sequence[Change], now: datetime) -> int:
        if not by:
            return 0
        asked: dict[str, Any] = {
            name: [_CHANGE.value(name, getattr(change, name)) for change in by]
            for name in ("id", "kind", "marketplace_id", "subject", "key")
        }
        asked["account_id"] = _CHANGE.value("account_id", account_id)
        asked["now"] = _CHANGE.value("settled_at", now)
        return (await self._tx.connection.execute(_OVERTAKEN, asked)).rowcount

    async def get(self, id: str) -> Change | None:
        found = await self._read(_CHANGES.c.id == _CHANGE.value("id", id), limit=1)
        return found[0] if found else None

    async def read(
        self,
        *,
        account_id: str | None = None,
        states: Collection[ChangeState] | None = None,
        kind: ChangeKind | None = None,
        subject: str | None = None,
        reference: str | None = None,
        run_id: str | None = None,
        intake_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Change]:
        names = ("account_id", "kind", "subject", "reference", "run_id", "intake_id")
        asked = zip(names, (account_id, kind, subject, reference, run_id, intake_id), strict=True)
        conditions = [
            _CHANGES.c[name] == _CHANGE.value(name, wanted)
            for name, wanted in asked
            if wanted is not None
        ]
        if states is not None:
            conditions.append(_CHANGES.c.state.in_(_values("state", states)))
        if after is not None:
            behind = _CHANGE.value("id", after)
            conditions.append(_CHANGES.c.id < behind if newest_first else _CHANGES.c.id > behind)
        return await self._read(*conditions, limit=limit, newest_first=newest_first)

    async def known(
        self, account_id: str, kind: ChangeKind, keys: Collection[str]
    ) -> dict[str, list[Change]]:
        account = _CHANGE.value("account_id", account_id)
        await self._tx.connection.execute(_HOLD, {"account_id": account})
        found = await self._read(
            _CHANGES.c.account_id == account,
            _CHANGES.c.kind == _CHANGE.value("kind", kind),
            # One array: each element of a list would be a parameter, and those are bounded.
            _CHANGES.c.key == any_(literal(_values("key", keys), ARRAY(Text))),
            _CHANGES.c.state.not_in(["superseded", "withdrawn"]),
        )
        by_key: dict[str, list[Change]] = defaultdict(list)
        for change in found:
            by_key[change.key].append(change)
        return dict(by_key)

    async def counts(
        self, account_ids: Collection[str] | None = None, *, settled_since: datetime | None = None
    ) -> list[ChangeCount]:
        parts = [_counted(where, account_ids is not None) for where in _OPEN]
        asked: dict[str, Any] = {}
        if account_ids is not None:
            asked["account_ids"] = _values("account_id", account_ids)
        if settled_since is not None:
            parts.append(_counted("settled_at >= :since", account_ids is not None))
            asked["since"] = _CHANGE.value("settled_at", settled_since)
        rows = await self._tx.connection.execute(text(" UNION ALL ".join(parts)), asked)
        counts = [
            ChangeCount(
                account_id=row.account_id,
                kind=ChangeKind(row.kind),
                state=ChangeState(row.state),
                count=row[3],
                oldest_at=row.oldest_at,
            )
            for row in rows
        ]
        return sorted(counts, key=lambda one: (one.account_id, one.kind, one.state))

    async def busy(self, *, refused_since: datetime) -> list[str]:
        since = {"since": _CHANGE.value("settled_at", refused_since)}
        return sorted((await self._tx.connection.execute(text(_BUSY_ACCOUNTS), since)).scalars())

    async def plannable(
        self,
        account_id: str,
        kinds: Collection[ChangeKind],
        now: datetime,
        *,
        after: tuple[str, str, str, str] | None = None,
        limit: int = 5_000,
        together: Collection[str] = (),
        only_zero: bool = False,
    ) -> list[Plannable]:
        asked: dict[str, Any] = {
            "account_id": _CHANGE.value("account_id", account_id),
            "kinds": _values("kind", kinds),
            "now": _CHANGE.value("next_at", now),
            "limit": limit,
        }
        behind = ""
        if after is not None:
            behind = "AND (c.marketplace_id, c.subject, c.kind, c.id) > (:p0, :p1, :p2, :p3)"
            asked |= {f"p{place}": _CHANGE.value("id", part) for place, part in enumerate(after)}
        free = _FREE
        if together:
            free = _FREE_OF_OTHERS
            asked["runs"] = _values("run_id", together)
        statement = text(f"""
SELECT c.id, c.kind, c.marketplace_id, c.subject, c.key, c.wish, c.code
  FROM {_OF_ZERO if only_zero else "changes c"}
 WHERE c.state = 'pending' AND c.account_id = :account_id
   AND c.kind = ANY (CAST(:kinds AS text[]))
   AND (c.next_at IS NULL OR c.next_at <= :now) {behind}
   AND {free}
 ORDER BY c.marketplace_id, c.subject, c.kind, c.id
 LIMIT :limit
""")  # noqa: S608
        rows = await self._tx.connection.execute(statement, asked)
        return [Plannable(id, _KINDS[kind], *rest) for id, kind, *rest in rows]  # noqa: A001

    async def held_up(
        self, account_id: str, now: datetime, *, together: Collection[str] = ()
    ) -> list[tuple[ChangeKind, str, int, datetime | None]]:
        asked: dict[str, Any] = {
            "account_id": _CHANGE.value("account_id", account_id),
            "now": _CHANGE.value("next_at", now),
        }
        busy = _BUSY
        if together:
            busy = _BUSY_OF_OTHERS
            asked["runs"] = _values("run_id", together)
        rows = await self._tx.connection.execute(text(_HELD_UP.format(busy=busy)), asked)
        return [(ChangeKind(row.kind), row.word, row[2], row.first_at) for row in rows]

    async def claim(
        self,
        account_id: str,
        run_id: str,
        picks: Sequence[Pick],
        superseded: Mapping[str, str],
        now: datetime,
        *,
        together: Collection[str] = (),
    ) -> list[str]:
        account = _CHANGE.value("account_id", account_id)
        messages = {pick.change_id: pick.message_id for pick in picks}
        await self._tx.connection.execute(_HOLD, {"account_id": account})
        found = await self._tx.connection.execute(
            _CLAIMED,
            {
                "account_id": account,
                "id": _values("id", messages),
                "message_id": list(messages.values()),
                "run_id": _CHANGE.value("run_id", run_id),
                "runs": _values("run_id", {run_id, *together}),
            },
        )
        claimed = sorted(found.scalars())
        missed = messages.keys() - set(claimed)
        older = {one: later for one, later in superseded.items() if later not in missed}
        if older:
            await self._tx.connection.execute(
                _SUPERSEDED,
                {
                    "account_id": account,
                    "id": _values("id", older),
                    "superseded_by": _values("id", older.values()),
                    "now": _CHANGE.value("settled_at", now),
                },
            )
        return claimed

    async def of_run(
        self, run_id: str, *, after: int = 0, limit: int = 5_000, in_flight: bool = True
    ) -> list[Change]:
        statement = (
            select(_CHANGES)
            .where(
                _CHANGES.c.run_id == _CHANGE.value("run_id", run_id),
                _CHANGES.c.message_id > after,
            )
            .order_by(_CHANGES.c.message_id)
            .fetch(limit, with_ties=True)
        )
        if in_flight:
            statement = statement.where(text("state = 'in_flight'"))
        found = _things((await self._tx.connection.execute(statement)).mappings())
        return sorted(found, key=lambda change: (change.message_id or 0, change.id))

    async def settle(self, run_id: str, outcomes: Sequence[Outcome], now: datetime) -> int:
        last = {outcome.change_id: outcome for outcome in outcomes}
        if not last:
            return 0
        return await self._settle(_SETTLED, last, now, run_id=_CHANGE.value("run_id", run_id))

    async def settle_rest(self, run_id: str, outcome: Outcome, now: datetime) -> int:
        told = {"": outcome}
        return await self._settle(_SETTLED_REST, told, now, run_id=_CHANGE.value("run_id", run_id))

    async def decide(
        self, ids: Collection[str], expecting: ChangeState, outcome: Outcome, now: datetime
    ) -> int:
        told = dict.fromkeys(ids, outcome)
        return await self._settle(_DECIDED, told, now, expecting=_CHANGE.value("state", expecting))

    async def purge(self, before: datetime, kinds: Collection[ChangeKind], *, limit: int) -> int:
        asked = {
            "before": _CHANGE.value("settled_at", before),
            "kinds": _values("kind", kinds),
            "limit": limit,
        }
        return (await self._tx.connection.execute(_PURGED, asked)).rowcount

    async def _settle(
        self, statement: TextClause, told: Mapping[str, Outcome], now: datetime, **which: Any
    ) -> int:
        arrays: dict[str, list[Any]] = {"id": _values("id", told)}
        for name in ("state", "code", "message", "attribute", "next_at", "counted"):
            arrays[name] = [_OUTCOME.value(name, getattr(one, name)) for one in told.values()]
        asked = {**arrays, **which, "now": _CHANGE.value("settled_at", now)}
        return (await self._tx.connection.execute(statement, asked)).rowcount

    async def _read(
        self, *conditions: ColumnElement[bool], limit: int | None = None, newest_first: bool = False
    ) -> list[Change]:
        order = _CHANGES.c.id.desc() if newest_first else _CHANGES.c.id
        statement = select(_CHANGES).where(*conditions).order_by(order).limit(limit)
        return _things((await self._tx.connection.execute(statement)).mappings())


def _values(name: str, wanted: Collection[Any]) -> list[Any]:
    return [_CHANGE.value(name, one) for one in wanted]


def _things(rows: Any) -> list[Change]:
    return [_CHANGE.thing(cast("Mapping[str, Any]", row)) for row in rows]
