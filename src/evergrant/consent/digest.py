"""The operators' daily letter: what it says at the moment of delivery.

Answers for: leaving out what has settled itself since the letter was written, and for opening a
renewal link for every row that has a use for one. Does not answer for: what is worth a row (the
clock tower), or for words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evergrant.consent.ground import Ground
from evergrant.consent.renewals import Renewals
from evergrant.consent.values import LetterFacts
from evergrant.ports.store import Transaction
from evergrant.ports.things import Authorization, OutboxItem
from evergrant.rules.lifecycle import State
from evergrant.rules.secrecy import Secret

__all__ = ["LONGEST_TABLE", "Digest", "Table"]

#: So many rows of one kind a person reads in a mail; the others are counted.
LONGEST_TABLE = 100

_OF_ACCOUNTS = ("ending", "lapsed", "believed", "undated")
#: Accounts of private applications have no consent page, so there is no link for a belief.
_WITH_LINK = ("ending", "lapsed", "undated")
_TABLES = (*_OF_ACCOUNTS, "secrets", "undelivered")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that are shown, and how many more there are."""

    rows: Sequence[Mapping[str, Any]]
    left_out: int = 0


class Digest:
    def __init__(self, ground: Ground, renewals: Renewals) -> None:
        self._ground = ground
        self._renewals = renewals

    async def letter_facts(self, item: OutboxItem, now: datetime) -> LetterFacts | None:
        async with self._ground.store.transaction() as tx:
            known = {name: await self._still_so(tx, name, item, now) for name in _TABLES}
        matters = sum(len(rows) for rows in known.values())
        if not matters:
            return None
        shown = {name: rows[:LONGEST_TABLE] for name, rows in known.items()}
        links = await self._renewals.links(
            {row["account_id"] for name in _WITH_LINK for row in shown[name]}
        )
        tables = {
            name: Table(_linked(name, rows, links), len(known[name]) - len(rows))
            for name, rows in shown.items()
        }
        return LetterFacts(facts={**tables, "matters": matters, "told_at": now})

    async def _still_so(
        self, tx: Transaction, name: str, item: OutboxItem, now: datetime
    ) -> list[Row]:
        told = [_dated(row, now) for row in item.facts.get(name) or ()]
        if name in _OF_ACCOUNTS:
            ids = sorted({row["authorization_id"] for row in told})
            found = {one.id: one for one in await tx.authorizations.all(id=ids)} if ids else {}
            held = [
                row
                for row in told
                if (one := found.get(row["authorization_id"]))
                and _holds(name, row, one, item.created_at)
            ]
            return await _with_addresses(tx, held) if name == "lapsed" else held
        if name == "secrets":
            return await _secrets_that_end(tx, told)
        return told


def _linked(name: str, rows: Sequence[Row], links: Mapping[str, Secret | None]) -> list[Row]:
    if name not in _WITH_LINK:
        return [{**row, "link": None} for row in rows]
    return [{**row, "link": links[row["account_id"]]} for row in rows]


def _dated(row: Mapping[str, Any], now: datetime) -> Row:
    """A row as it was meant: its end as an instant, the days counted from today."""
    dated = dict(row)
    if ends_at := row.get("ends_at"):
        at = datetime.fromisoformat(ends_at)
        dated["ends_at"] = at
        dated["days_left"] = (at.astimezone(UTC).date() - now.astimezone(UTC).date()).days
    return dated


async def _with_addresses(tx: Transaction, rows: Sequence[Row]) -> list[Row]:
    """Whom to write to or to call: no letter of that day says it."""
    ids = sorted({row["account_id"] for row in rows})
    clients = {one.id: one.client_email for one in await tx.accounts.all(id=ids)} if ids else {}
    return [{**row, "letter_to": clients.get(row["account_id"], "")} for row in rows]


async def _secrets_that_end(tx: Transaction, rows: Sequence[Row]) -> list[Row]:
    """Those that still end when the row says. While a rotation is open that may be before the end
    that we know: Amazon may have made another one, and the one in force dies earlier."""
    ids = sorted({row["application_id"] for row in rows})
    ends = {one.id: one.secret_expires_at for one in await tx.credentials.all(id=ids)}
    rotating = {
        one.application_id for one in await tx.rotations.all(application_id=ids, ended_at=None)
    }
    return [
        row
        for row in rows
        if (known := ends.get(of := row["application_id"])) is not None
        and (row["ends_at"] == known or (of in rotating and row["ends_at"] < known))
    ]


def _holds(name: str, row: Row, authorization: Authorization, written_at: datetime) -> bool:
    """Whether it is still worth telling."""
    if name == "undated":
        return authorization.state is State.ACTIVE and authorization.granted_at is None
    if name == "believed":
        granted_at = authorization.granted_at
        return authorization.state is State.ACTIVE and (
            granted_at is None or granted_at <= written_at
        )
    if name == "lapsed":
        return authorization.state is State.LAPSED
    return (
        authorization.state in (State.ACTIVE, State.LAPSED)
        and authorization.term_ends_at == row["ends_at"]
    )
