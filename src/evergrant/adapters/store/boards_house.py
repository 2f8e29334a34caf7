"""The house at a glance: ends by weeks, applications, mail, webhooks, limits, feeds.

Answers for: the statements behind the overview. Does not answer for: the list of accounts
(``boards``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import CursorResult, TextClause, text

from evergrant.ports import boards as b
from evergrant.rules import ids
from evergrant.rules.changes import OPEN, ChangeKind, ChangeState

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = ["HouseBoards"]

_DAY = timedelta(days=1)

_WEEKS = """
SELECT begins_at, count, id, name, ends_at FROM (
    SELECT date_trunc('week', z.term_ends_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS begins_at,
           count(*) OVER week AS count,
           row_number() OVER (week ORDER BY z.term_ends_at, a.id) AS number,
           a.id, a.name, z.term_ends_at AS ends_at
      FROM authorizations z JOIN accounts a ON a.id = z.account_id
     WHERE z.state = 'active' AND z.term_ends_at >= :since AND z.term_ends_at < :until
       AND :reach
    WINDOW week AS (PARTITION BY date_trunc('week', z.term_ends_at AT TIME ZONE 'UTC'))
) AS ends WHERE number <= :names ORDER BY begins_at, number
"""
_ENDED = """
SELECT count(*) FILTER (WHERE z.state = 'lapsed'),
       count(*) FILTER (WHERE z.state = 'active'
                          AND CASE WHEN p.kind = 'private' THEN z.granted_at IS NULL
                                   ELSE z.term_ends_at IS NULL END)
  FROM authorizations z JOIN accounts a ON a.id = z.account_id
  JOIN applications p ON p.id = a.application_id
 WHERE (z.state = 'lapsed' OR z.state = 'active' AND z.term_ends_at IS NULL
        OR z.state = 'active' AND z.granted_at IS NULL) AND :reach
"""
_APPLICATIONS = """
SELECT p.id, p.name, coalesce(own.active, 0), own.checked_at, coalesce(c.trouble, ''),
       c.trouble_since, CASE WHEN c.secret_set THEN c.secret_expires_at END
  FROM applications p LEFT JOIN credentials c ON c.id = p.id
  LEFT JOIN (SELECT application_id, count(*) FILTER (WHERE state = 'active') AS active,
                    max(checked_at) AS checked_at
               FROM authorizations GROUP BY application_id) AS own ON own.application_id = p.id
 ORDER BY account_words_fold(p.name) COLLATE "C", p.id
"""
_OF_INSTANCES = """
SELECT client_instance_id, count(*) FROM accounts
 WHERE client_instance_id = ANY(:ids) GROUP BY client_instance_id
"""
_OF_APPLICATIONS = """
SELECT application_id, count(*) FROM accounts
 WHERE application_id = ANY(:ids) GROUP BY application_id
"""
_MAIL = """
WITH waiting AS (
    SELECT id, created_at, last_error FROM outbox WHERE state = 'waiting' AND kind = 'mail'),
ended AS (
    SELECT id, state, ended_at, last_error FROM outbox WHERE kind = 'mail' AND ended_at > :since)
SELECT (SELECT count(*) FROM waiting), (SELECT min(created_at) FROM waiting),
       (SELECT count(*) FROM ended WHERE state = 'sent'),
       (SELECT count(*) FROM ended WHERE state = 'failed'),
       (SELECT last_error FROM (
               SELECT id, last_error FROM waiting
               UNION ALL SELECT id, last_error FROM ended WHERE state = 'failed') AS told
         WHERE last_error <> '' ORDER BY id DESC LIMIT 1),
       (SELECT max(ended_at) FROM ended WHERE state = 'sent')
"""
_WEBHOOKS = """
WITH late AS (
    SELECT id, "to", state, created_at, last_error FROM outbox
     WHERE state = 'waiting' AND kind = 'webhook' AND (attempts > 0 OR created_at < :slow)
    UNION ALL
    SELECT id, "to", state, created_at, last_error FROM outbox
     WHERE state = 'failed' AND kind = 'webhook' AND ended_at > :since)
SELECT i.id, i.name, count(*) FILTER (WHERE late.state = 'waiting'),
       min(late.created_at) FILTER (WHERE late.state = 'waiting') AS oldest_at,
       count(*) FILTER (WHERE late.state = 'failed'),
       coalesce((array_agg(late.last_error ORDER BY late.id DESC)
                 FILTER (WHERE late.last_error <> ''))[1], '')
  FROM late JOIN instances i ON i.id = late."to"
 GROUP BY i.id ORDER BY oldest_at NULLS LAST, i.id
"""
_BUSY = """
SELECT n.account_id, coalesce(a.name, ''), coalesce(a.application_id, ''), n.operation,
       n.calls, n.waits, n.waited_ms, n.refused, n.throttled, n.last_at
  FROM (SELECT account_id, operation, sum(calls)::bigint AS calls, sum(waits)::bigint AS waits,
               sum(waited_ms)::bigint AS waited_ms, sum(refused)::bigint AS refused,
               sum(throttled)::bigint AS throttled, max(last_at) AS last_at
          FROM call_counts WHERE hour_at >= :since
         GROUP BY account_id, operation
        HAVING sum(waits) > 0 OR sum(refused) > 0 OR sum(throttled) > 0
            OR (account_id, operation) IN (SELECT * FROM unnest(CAST(:accounts AS text[]),
                                                                CAST(:operations AS text[])))) AS n
  LEFT JOIN accounts a ON a.id = n.account_id
 WHERE (a.id IS NOT NULL AND :reach) OR (:whole AND n.account_id = '')
 ORDER BY n.throttled DESC, n.refused DESC, n.waited_ms DESC, n.account_id, n.operation
 LIMIT :most
"""
#: What is open by its partial indexes, what was settled by its instant.
_TRADE = """
SELECT ch.kind, ch.state, count(*), min(ch.created_at) FROM (
    SELECT account_id, kind, state, created_at FROM changes WHERE state = 'pending'
    UNION ALL SELECT account_id, kind, state, created_at FROM changes WHERE state = 'in_flight'
    UNION ALL SELECT account_id, kind, state, created_at FROM changes WHERE state = 'uncertain'
    {}) AS ch
 {} GROUP BY ch.kind, ch.state ORDER BY ch.kind COLLATE "C", ch.state COLLATE "C"
"""
#: A statement of its own without it: prepared for any instant, it would read everything.
_SETTLED = """
    UNION ALL SELECT account_id, kind, state, created_at FROM changes
               WHERE settled_at >= :since AND state <> ALL(:open)
"""
_RUNS = """
SELECT (SELECT count(*) FROM feed_runs r {0} AND r.created_at >= :since AND r.id >= :first),
       (SELECT count(*) FROM feed_runs r {0} AND r.ended_at IS NULL)
"""


class HouseBoards:
    """The part of ``ports.Boards`` that is not about the list of accounts."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx

    async def weeks(
        self, reach: b.Reach, *, since: datetime, until: datetime, names: int
    ) -> list[b.WeekOfTerms]:
        condition, values = reach_sql(reach)
        rows = await self._rows(
            _WEEKS.replace(":reach", condition),
            {**values, "since": since, "until": until, "names": names},
        )
        counts: dict[datetime, int] = {}
        first: dict[datetime, list[tuple[str, str, datetime]]] = {}
        for begins_at, count, own, name, ends_at in rows:
            begins_at = begins_at.astimezone(UTC)
            counts[begins_at] = count
            first.setdefault(begins_at, []).append((own, name, ends_at.astimezone(UTC)))
        return [
            b.WeekOfTerms(begins_at=begins_at, count=count, first=tuple(first[begins_at]))
            for begins_at, count in counts.items()
        ]

    async def ended_and_undated(self, reach: b.Reach) -> tuple[int, int]:
        condition, values = reach_sql(reach)
        ((lapsed, undated),) = await self._rows(_ENDED.replace(":reach", condition), values)
        return lapsed, undated

    async def applications(self, now: datetime) -> list[b.ApplicationPulse]:
        return [
            b.ApplicationPulse(
                id=own,
                name=name,
                active=active,
                last_success_at=_at(checked_at),
                trouble=trouble,
                trouble_since=_at(since),
                secret_expires_at=_at(expires_at),
            )
            for own, name, active, checked_at, trouble, since, expires_at in await self._rows(
                _APPLICATIONS, {}
            )
        ]

    async def accounts_of(
        self, *, instances: Collection[str] = (), applications: Collection[str] = ()
    ) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for statement, wanted in ((_OF_INSTANCES, instances), (_OF_APPLICATIONS, applications)):
            if wanted:
                rows = await self._rows(statement, {"ids": sorted(wanted)})
                counts |= dict(map(tuple, rows))
        return counts

    async def mail(self, now: datetime) -> b.MailPulse:
        ((waiting, oldest_at, sent, failed, error, sent_at),) = await self._rows(
            _MAIL, {"since": now - _DAY}
        )
        return b.MailPulse(
            waiting=waiting,
            oldest_waiting_at=_at(oldest_at),
            sent=sent,
            failed=failed,
            last_error=error or "",
            last_sent_at=_at(sent_at),
        )

    async def webhooks(self, now: datetime) -> list[b.InstancePulse]:
        values = {"since": now - _DAY, "slow": now - b.SLOW_WEBHOOK}
        return [
            b.InstancePulse(
                id=own,
                name=name,
                waiting=waiting,
                oldest_waiting_at=_at(oldest_at),
                failed=failed,
                last_error=error,
            )
            for own, name, waiting, oldest_at, failed, error in await self._rows(_WEBHOOKS, values)
        ]

    async def busy(
        self,
        reach: b.Reach,
        *,
        since: datetime,
        limit: int,
        also: Collection[tuple[str, str]] = (),
    ) -> list[b.Busy]:
        condition, values = reach_sql(reach)
        values |= {"since": since, "most": limit, "whole": reach == b.Reach()}
        values["accounts"] = [account_id for account_id, _ in also]
        values["operations"] = [operation for _, operation in also]
        return [
            b.Busy(
                account_id=account_id,
                account_name=name,
                application_id=application_id,
                operation=operation,
                calls=calls,
                waits=waits,
                waited_ms=waited_ms,
                refused=refused,
                throttled=throttled,
                last_at=last_at.astimezone(UTC),
            )
            for (
                account_id, name, application_id, operation, calls, waits, waited_ms, refused,
                throttled, last_at,
            ) in await self._rows(_BUSY.replace(":reach", condition), values)
        ]  # fmt: skip

    async def trade(self, reach: b.Reach, *, settled_since: datetime | None) -> list[b.TradeCount]:
        condition, values = reach_sql(reach)
        join = f"JOIN accounts a ON a.id = ch.account_id WHERE {condition}" if values else ""
        settled = ""
        if settled_since is not None:
            settled = _SETTLED
            values |= {"since": settled_since, "open": sorted(state.value for state in OPEN)}
        return [
            b.TradeCount(
                kind=ChangeKind(kind),
                state=ChangeState(state),
                count=count,
                oldest_at=oldest_at.astimezone(UTC),
            )
            for kind, state, count, oldest_at in await self._rows(
                _TRADE.format(settled, join), values
            )
        ]

    async def runs(self, reach: b.Reach, *, since: datetime) -> tuple[int, int]:
        condition, values = reach_sql(reach)
        where = (
            f"JOIN accounts a ON a.id = r.account_id WHERE {condition}" if values else "WHERE true"
        )
        ((planned, open_ones),) = await self._rows(
            _RUNS.format(where),
            {
                **values,
                "since": since,
                # Ids sort by their instants.
                "first": ids.make(ids.Kind.FEED_RUN, since, bytes(10)),
            },
        )
        return planned, open_ones

    async def _rows(self, statement: str, values: dict[str, Any]) -> Sequence[Any]:
        return (await self._execute(text(statement), values)).all()

    async def _execute(self, statement: TextClause, values: dict[str, Any]) -> CursorResult[Any]:
        return await self._tx.connection.execute(statement, values)


def reach_sql(reach: b.Reach) -> tuple[str, dict[str, Any]]:
    """Of accounts ``a``; no values: everything is reached."""
    found, values = ["true"], dict[str, Any]()
    if reach.client_instance_id is not None:
        found.append("a.client_instance_id = :reach_instance")
        values["reach_instance"] = reach.client_instance_id
    if reach.account_ids is not None:
        found.append("a.id = ANY(:reach_accounts)")
        values["reach_accounts"] = sorted(reach.account_ids)
    return " AND ".join(found), values


def _at(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.astimezone(UTC)
