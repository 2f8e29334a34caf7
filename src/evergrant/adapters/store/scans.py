"""What the clock tower looks for: single statements over very many rows.

Answers for: ``ports.Scans`` inside one transaction, by indexes alone as far as most rows are
concerned. Does not answer for: what is done about what was found (the tower).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import BindParameter, Date, DateTime, Integer, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from evergrant.adapters.store.forms import Form
from evergrant.adapters.store.tables import SHELVES
from evergrant.ports.things import Authorization
from evergrant.ports.watched import ReminderKind, WindowReached
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import AGE_DAYS, TOLD_AFTER_END
from evergrant.rules.terms import GRANT_TERM

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = ["PostgresScans"]

_AUTHORIZATION = Form(Authorization, "authorizations")
_AUTHORIZATIONS = SHELVES["authorizations"]
_ACCOUNTS = SHELVES["accounts"]

#: The end of a year of days is counted in hours: a day of the session's time zone may be longer.
_WINDOWS_REACHED = text("""
WITH plans AS (
    SELECT id, kind, coalesce(reminder_days, :usual_days) AS days FROM applications
),
ends AS (
    SELECT 'term' AS kind, z.id, z.account_id, z.application_id, z.term_ends_at AS ends_at,
           plans.days
      FROM authorizations z JOIN plans ON plans.id = z.application_id
     WHERE z.state IN ('active', 'lapsed')
       AND z.term_ends_at >= :oldest
       AND z.term_ends_at < :midnight + make_interval(
               hours => 24 * (1 + (SELECT max(day) FROM plans, unnest(plans.days) AS day)))
    UNION ALL
    SELECT 'age', z.id, z.account_id, z.application_id,
           z.granted_at + make_interval(hours => :term_hours), :age_days
      FROM authorizations z JOIN plans ON plans.id = z.application_id
     WHERE z.state = 'active' AND z.term_ends_at IS NULL
       AND z.granted_at >= :oldest_by_age AND z.granted_at < :newest_by_age
       AND plans.kind = 'private' AND cardinality(plans.days) > 0
),
reached AS (
    SELECT kind, id, account_id, application_id, ends_at, newest.days
      FROM ends CROSS JOIN LATERAL (
           SELECT min(day) AS days FROM unnest(ends.days) AS day
            WHERE day >= (ends_at AT TIME ZONE 'UTC')::date - :today) AS newest
     WHERE newest.days IS NOT NULL
    UNION ALL
    SELECT 'undated', z.id, z.account_id, z.application_id, g.created_at, 0
      FROM authorizations z JOIN grants g ON g.id = z.grant_id
     WHERE z.state = 'active' AND z.term_ends_at IS NULL AND z.granted_at IS NULL
)
SELECT kind, id, account_id, application_id, ends_at, days
  FROM reached
 WHERE NOT EXISTS (
       SELECT FROM reminders r
        WHERE r.kind = reached.kind AND r.subject = reached.id
          AND r.ends_at = reached.ends_at AND r.days = reached.days)
 ORDER BY ends_at, id
 LIMIT :most
""")

_CLOSED_SINCE = text("""
SELECT a.id
  FROM authorizations z JOIN accounts a ON a.id = z.account_id
 WHERE z.state = 'closed' AND z.changed_at < :before
   AND (a.client_email <> '' OR a.notes <> '' OR EXISTS (
       SELECT FROM grants g JOIN safe s ON s.id = 'grant/' || g.id || '/refresh_token'
        WHERE g.authorization_id = z.id))
 ORDER BY a.id
 LIMIT :most
""")

#: One look into an index for each ACTIVE account, or one pass over both tables.
_UNSWEPT = text("""
SELECT z.account_id
  FROM authorizations z
 WHERE z.state = 'active' AND NOT EXISTS (
       SELECT FROM order_sweeps s WHERE s.id = z.account_id AND s.due_at IS NOT NULL)
 ORDER BY z.account_id
 LIMIT :most
""")


class PostgresScans:
    """``ports.Scans``."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx

    async def windows_reached(
        self, now: datetime, usual_days: Sequence[int], *, limit: int
    ) -> list[WindowReached]:
        now = now.astimezone(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        asked = _WINDOWS_REACHED.bindparams(
            bindparam("usual_days", list(usual_days), ARRAY(Integer)),
            bindparam("age_days", list(AGE_DAYS), ARRAY(Integer)),
            bindparam("term_hours", GRANT_TERM // timedelta(hours=1), Integer),
            _instant("oldest", now - TOLD_AFTER_END),
            _instant("oldest_by_age", now - TOLD_AFTER_END - GRANT_TERM),
            _instant("newest_by_age", midnight + timedelta(days=1 + max(AGE_DAYS)) - GRANT_TERM),
            _instant("midnight", midnight),
            bindparam("today", midnight.date(), Date),
            bindparam("most", limit, Integer),
        )
        rows = await self._tx.connection.execute(asked)
        return [
            WindowReached(
                kind=ReminderKind(row.kind),
                authorization_id=row.id,
                account_id=row.account_id,
                application_id=row.application_id,
                ends_at=row.ends_at.astimezone(UTC),
                days=row.days,
            )
            for row in rows
        ]

    async def terms_ending(
        self,
        until: datetime,
        *,
        limit: int,
        account_ids: Collection[str] | None = None,
        client_instance_id: str | None = None,
    ) -> list[Authorization]:
        columns = _AUTHORIZATIONS.c
        asked = select(_AUTHORIZATIONS).where(
            columns.state == State.ACTIVE.value,
            columns.term_ends_at < _AUTHORIZATION.value("term_ends_at", until),
        )
        if account_ids is not None:
            asked = asked.where(columns.account_id.in_(sorted(account_ids)))
        if client_instance_id is not None:
            asked = asked.join(_ACCOUNTS, _ACCOUNTS.c.id == columns.account_id)
            asked = asked.where(_ACCOUNTS.c.client_instance_id == client_instance_id)
        asked = asked.order_by(columns.term_ends_at, columns.id).limit(limit)
        rows = (await self._tx.connection.execute(asked)).mappings()
        return [_AUTHORIZATION.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def lapsed_before_their_end(self, after: datetime, *, limit: int) -> list[Authorization]:
        columns = _AUTHORIZATIONS.c
        asked = select(_AUTHORIZATIONS).where(
            columns.state == State.LAPSED.value,
            columns.term_ends_at > _AUTHORIZATION.value("term_ends_at", after),
            columns.refused_at.is_(None),
        )
        asked = asked.order_by(columns.term_ends_at, columns.id).limit(limit)
        rows = (await self._tx.connection.execute(asked)).mappings()
        return [_AUTHORIZATION.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def probes_due(
        self,
        until: datetime,
        states: Collection[State],
        application_ids: Collection[str],
        *,
        limit: int,
    ) -> list[Authorization]:
        # In the order of the index: ordered by id, PostgreSQL may read the whole table for the few.
        columns = _AUTHORIZATIONS.c
        asked = (
            select(_AUTHORIZATIONS)
            .where(
                columns.probe_due_at <= _AUTHORIZATION.value("probe_due_at", until),
                columns.state.in_(sorted(state.value for state in states)),
                columns.application_id.in_(sorted(application_ids)),
            )
            .order_by(columns.probe_due_at, columns.id)
            .limit(limit)
        )
        rows = (await self._tx.connection.execute(asked)).mappings()
        return [_AUTHORIZATION.thing(cast("Mapping[str, Any]", row)) for row in rows]

    async def closed_since(self, before: datetime, *, limit: int) -> list[str]:
        asked = _CLOSED_SINCE.bindparams(
            _instant("before", before), bindparam("most", limit, Integer)
        )
        return list((await self._tx.connection.execute(asked)).scalars())

    async def unswept(self, *, limit: int) -> list[str]:
        asked = _UNSWEPT.bindparams(bindparam("most", limit, Integer))
        return list((await self._tx.connection.execute(asked)).scalars())


def _instant(name: str, at: datetime) -> BindParameter[datetime]:
    return bindparam(name, at, DateTime(timezone=True))
