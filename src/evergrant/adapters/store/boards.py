"""What is read of very many things at once: hand-written statements behind the gallery.

Answers for: ``ports.Boards`` inside one transaction. Does not answer for: which conditions make a
need and which words they get (``rules.attention``; a test compares its judgement with the one in
SQL here, which sorts and counts), or for finding what needs somebody (``boards_needs``).
"""

# ruff: noqa: S608 - statements are made of words of ours; what others typed is bound

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import text

from evergrant.adapters.store.boards_house import HouseBoards, reach_sql
from evergrant.adapters.store.boards_needs import OF_CLOSED, needs_sql
from evergrant.adapters.store.boards_rows import ROWS, row_of
from evergrant.adapters.store.forms import Form
from evergrant.adapters.store.shelves import FORMS
from evergrant.ports import boards as b
from evergrant.ports.things import JournalLine
from evergrant.rules.attention import (
    DUE,
    REFUSED_SHOWN,
    REPORTS_SHOWN,
    SECRET_URGENT,
    SILENT_AFTER,
    URGENT,
    Need,
    place,
)
from evergrant.rules.lifecycle import State

__all__ = ["PostgresBoards"]

_LINE = Form(JournalLine, "journal")
_NEEDS = tuple(Need)

_STATE_ORDER = (
    "array_position(ARRAY[" + ", ".join(f"'{one.value}'" for one in State) + "], z.state)"
)
_ORDERS = {
    b.AccountSort.STATE: _STATE_ORDER,
    b.AccountSort.ENDS: "z.term_ends_at",
    b.AccountSort.CHANGED: "greatest(a.changed_at, z.changed_at)",
    b.AccountSort.NEEDS: "w.place",
}

_LINES = text("""
WITH told AS (
    SELECT * FROM journal WHERE account_id = :account_id AND verb = ANY(:verbs)
)
SELECT * FROM (SELECT * FROM told ORDER BY id LIMIT :first) AS first
UNION
SELECT * FROM (SELECT * FROM told ORDER BY id DESC LIMIT :last) AS last
ORDER BY id
""")
_HANDSHAKES = text("""
SELECT * FROM (SELECT * FROM handshakes WHERE account_id = :account_id ORDER BY id DESC LIMIT :most)
    AS newest ORDER BY id
""")
_FIRST_FEED = text("""
SELECT min(coalesce(submitted_at, asked_at)) FROM feed_runs WHERE account_id = :account_id
""")


class PostgresBoards(HouseBoards):
    """``ports.Boards``."""

    # --- accounts -----------------------------------------------------------------------------

    async def account_counts(
        self, wanted: b.AccountsWanted, reach: b.Reach, *, now: datetime
    ) -> b.AccountCounts:
        conditions, values = _conditions(wanted, reach)
        narrowed = conditions != "true"
        accounts = "JOIN accounts a ON a.id = z.account_id" if narrowed else ""
        hits = "".join(f"{hit}, " for hit in _hits(wanted))
        statement = f"""
            WITH {hits}needs AS MATERIALIZED ({needs_sql()}),
            found AS MATERIALIZED (
                SELECT z.account_id, z.state FROM authorizations z {accounts} WHERE {conditions}),
            of_found AS MATERIALIZED (
                SELECT DISTINCT needs.account_id, needs.place
                  FROM needs JOIN found ON found.account_id = needs.account_id
                 WHERE found.state <> 'closed' OR needs.place = {OF_CLOSED})
            SELECT state, NULL::integer, count(*) FROM found GROUP BY state
            UNION ALL
            SELECT NULL, place, count(*) FROM of_found GROUP BY place
            UNION ALL
            SELECT NULL, NULL, count(DISTINCT account_id) FROM of_found
        """
        by_state: dict[State, int] = {}
        by_need: dict[Need, int] = {}
        needing = 0
        for state, at, count in await self._rows(statement, {**values, **_instants(now)}):
            if state is not None:
                by_state[State(state)] = count
            elif at is not None:
                by_need[_NEEDS[at]] = count
            else:
                needing = count
        return b.AccountCounts(by_state=by_state, by_need=by_need, needing=needing)

    async def account_total(
        self, wanted: b.AccountsWanted, reach: b.Reach, *, now: datetime
    ) -> int:
        begin, tables, conditions, values = _chosen(wanted, reach, now, worst=False)
        statement = f"{begin} SELECT count(*) FROM {tables} WHERE {conditions}"
        ((count,),) = await self._rows(statement, values)
        return int(count)

    async def account_ids(
        self,
        wanted: b.AccountsWanted,
        reach: b.Reach,
        *,
        now: datetime,
        sort: b.AccountSort = b.AccountSort.NAME,
        descending: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[str]:
        by_need = sort is b.AccountSort.NEEDS
        begin, tables, conditions, values = _chosen(wanted, reach, now, worst=by_need)
        direction = "DESC" if descending else "ASC"
        if sort is b.AccountSort.NAME:
            order = f"k.word {direction}, k.account_id {direction}"
        else:
            order = f"{_ORDERS[sort]} {direction} NULLS LAST, k.word, k.account_id"
        statement = f"""
            {begin} SELECT a.id FROM {tables}
              JOIN account_words k ON k.account_id = a.id AND k.source = 'name'
             WHERE {conditions} ORDER BY {order} LIMIT :most OFFSET :skipped
        """
        rows = await self._rows(statement, {**values, "most": limit, "skipped": offset})
        return [row[0] for row in rows]

    async def account_rows(
        self, ids: Sequence[str], reach: b.Reach, *, now: datetime
    ) -> list[b.BoardRow]:
        if not ids:
            return []
        conditions, values = _conditions(b.AccountsWanted(), reach)
        values |= {
            "ids": list(ids),
            "refused_since": now - REFUSED_SHOWN,
            "reports_since": now - REPORTS_SHOWN,
            "most": b.MOST_COUNTED,
        }
        statement = ROWS.replace(":conditions", conditions)
        rows = (await self._execute(text(statement), values)).mappings()
        return [row_of(cast("Mapping[str, Any]", row)) for row in rows]

    # --- one account --------------------------------------------------------------------------

    async def steps(self, account_id: str, verbs: Collection[str]) -> b.Steps:
        last = b.MOST_LINES - b.FIRST_LINES
        lines = (
            await self._execute(
                _LINES,
                {
                    "account_id": account_id,
                    "verbs": sorted(verbs),
                    "first": b.FIRST_LINES,
                    "last": last,
                },
            )
        ).mappings()
        told = tuple(_LINE.thing(cast("Mapping[str, Any]", row)) for row in lines)
        attempts = (
            await self._execute(_HANDSHAKES, {"account_id": account_id, "most": b.MOST_LINES})
        ).mappings()
        form = FORMS["handshakes"]
        handshakes = tuple(form.thing(cast("Mapping[str, Any]", row)) for row in attempts)
        first = (await self._execute(_FIRST_FEED, {"account_id": account_id})).scalar_one()
        return b.Steps(
            lines=told,
            handshakes=handshakes,
            first_feed_at=None if first is None else first.astimezone(UTC),
        )


# --- conditions ----------------------------------------------------------------------------------


def _chosen(
    wanted: b.AccountsWanted, reach: b.Reach, now: datetime, *, worst: bool
) -> tuple[str, str, str, dict[str, Any]]:
    """What a statement about accounts that fit the whole wish is made of: its beginning, its
    tables, its conditions, and the values of all."""
    conditions, values = _conditions(wanted, reach)
    tables = "accounts a JOIN authorizations z ON z.account_id = a.id"
    begins = _hits(wanted)
    if wanted.states:
        conditions += " AND z.state = ANY(:states)"
        values["states"] = sorted(state.value for state in wanted.states)
    if wanted.needing or worst:
        begins.append(
            "worst AS MATERIALIZED (SELECT n.account_id, min(n.place) AS place "
            f"FROM ({needs_sql()}) AS n JOIN authorizations z ON z.account_id = n.account_id "
            f"WHERE z.state <> 'closed' OR n.place = {OF_CLOSED} GROUP BY n.account_id)"
        )
        join = "JOIN" if wanted.needing else "LEFT JOIN"
        tables += f" {join} worst w ON w.account_id = a.id"
    if wanted.need is not None:
        begins.append(f"those AS MATERIALIZED ({needs_sql(wanted.need)})")
        conditions += " AND a.id IN (SELECT account_id FROM those)"
        if place(wanted.need) != OF_CLOSED:
            conditions += " AND z.state <> 'closed'"
    if wanted.needing or wanted.need is not None or worst:
        values |= _instants(now)
    begin = f"WITH {', '.join(begins)}" if begins else ""
    return begin, tables, conditions, values


def _hits(wanted: b.AccountsWanted) -> list[str]:
    """Who has a word that begins so, for each word. Each is found first and by itself: PostgreSQL
    knows little of how many they are, and would rather try account after account."""
    return [
        f"""hits_{number} AS MATERIALIZED (
            SELECT DISTINCT account_id FROM account_words
             WHERE source <> 'name' AND word >= :word_{number} AND word < :behind_{number})"""
        for number in range(len(wanted.words))
    ]


def _conditions(wanted: b.AccountsWanted, reach: b.Reach) -> tuple[str, dict[str, Any]]:
    """Of accounts ``a`` and their authorizations ``z``: all of the wish but state and needs."""
    within, values = reach_sql(reach)
    found = [within]

    def holds(condition: str, name: str, value: Any) -> None:
        if value is not None:
            found.append(condition)
            values[name] = value

    for number, word in enumerate(wanted.words):
        found.append(f"a.id IN (SELECT account_id FROM hits_{number})")
        values[f"word_{number}"] = word
        values[f"behind_{number}"] = word + _LAST_LETTER
    holds("a.partner_kind = :partner_kind", "partner_kind", _value(wanted.partner_kind))
    holds("a.vendor_kind = :vendor_kind", "vendor_kind", _value(wanted.vendor_kind))
    holds("a.region = :region", "region", _value(wanted.region))
    holds("a.application_id = :application_id", "application_id", wanted.application_id)
    holds("a.client_instance_id = :instance_id", "instance_id", wanted.client_instance_id)
    holds("(a.flags ->> CAST(:flag AS text))::boolean IS FALSE", "flag", _value(wanted.flag_off))
    holds("z.state = 'active' AND z.term_ends_at <= :ends_until", "ends_until", wanted.ends_until)
    return " AND ".join(found), values


#: No word of ours goes on with it: it is no letter, and stands behind all of them.
_LAST_LETTER = "\U0010ffff"


def _value(word: Any) -> str | None:
    return None if word is None else word.value


def _instants(now: datetime) -> dict[str, datetime]:
    """What needs are judged by."""
    return {
        "now": now,
        "due": now + DUE,
        "urgent": now + URGENT,
        "silent": now - SILENT_AFTER,
        "secrets": now + SECRET_URGENT,
        "refused_since": now - REFUSED_SHOWN,
        "reports_since": now - REPORTS_SHOWN,
    }
