"""The operators' daily letter: what it says at the moment of delivery.

Answers for: leaving out what has settled itself since the letter was written, for telling as over
what has ended since, and for opening a renewal link for every row that has a use for one. Does not
answer for: what is worth a row (the clock tower), or for words.
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
from evergrant.ports.watched import Notice
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import KINDS, Gravity, NoticeKind
from evergrant.rules.secrecy import Secret

__all__ = ["LONGEST_TABLE", "Digest", "Table"]

#: So many rows of one kind a person reads in a mail; the others are counted.
LONGEST_TABLE = 100

_OF_ACCOUNTS = ("ending", "lapsed", "refused", "believed", "undated")
#: Accounts of private applications have no consent page, so there is no link for a belief.
_WITH_LINK = ("ending", "lapsed", "refused", "undated")
#: No letter of that day says whom to write to.
_TO_BE_ADDRESSED = ("lapsed", "refused")
_TABLES = (*_OF_ACCOUNTS, "secrets", "undelivered", "board")
#: The urgent first, and of those one kind after the other.
_GRAVITIES, _KINDS = tuple(Gravity), tuple(NoticeKind)

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
            known = _with_what_is_over(
                {name: await self._still_so(tx, name, item, now) for name in _TABLES}, now
            )
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
                {**row, "state": one.state}
                for row in told
                if (one := found.get(row["authorization_id"]))
                and _holds(name, row, one, item.created_at)
            ]
            if name == "refused":
                hanging = {one.id for one in await _hanging(tx, held)}
                held = [row for row in held if row["notice_id"] in hanging]
            return await _with_addresses(tx, held) if name in _TO_BE_ADDRESSED else held
        if name == "secrets":
            return await _secrets_that_end(tx, told)
        if name == "board":
            return await _named(tx, await _hanging(tx, told))
        return told


def _with_what_is_over(known: Mapping[str, list[Row]], now: datetime) -> dict[str, list[Row]]:
    """What was still ahead when the letter was written, and is behind us when it goes, stands with
    what is over."""
    ended = [row for row in known["ending"] if _is_over(row, now)]
    lapsed = sorted(known["lapsed"] + ended, key=lambda row: row["ends_at"] or now)
    return {
        **known,
        "ending": [row for row in known["ending"] if not _is_over(row, now)],
        # Amazon may end it some hours before our clock does.
        "lapsed": [{**row, "days_left": min(0, row["days_left"] or 0)} for row in lapsed],
        "secrets": [row for row in known["secrets"] if now < row["ends_at"]],
        "secrets_over": [row for row in known["secrets"] if row["ends_at"] <= now],
    }


def _is_over(row: Row, now: datetime) -> bool:
    return row["state"] is State.LAPSED or bool(row["ends_at"] <= now)


def _linked(name: str, rows: Sequence[Row], links: Mapping[str, Secret | None]) -> list[Row]:
    if name not in _WITH_LINK:
        return [{**row, "link": None} for row in rows]
    return [{**row, "link": links[row["account_id"]]} for row in rows]


def _dated(row: Mapping[str, Any], now: datetime) -> Row:
    """A row as it was meant: its instants as such, the days counted from today."""
    dated = dict(row)
    for name in ("ends_at", "refused_at"):
        if told := row.get(name):
            at = datetime.fromisoformat(told)
            days = (at.astimezone(UTC).date() - now.astimezone(UTC).date()).days
            dated |= {name: at, "days_left": days}
    return dated


async def _hanging(tx: Transaction, rows: Sequence[Row]) -> list[Notice]:
    ids = [row["notice_id"] for row in rows]
    return await tx.notices.all(id=ids, settled_at=None) if ids else []


async def _named(tx: Transaction, hanging: Sequence[Notice]) -> list[Row]:
    """As they hang now, each with the name of what it is about."""
    names: dict[str, str] = {}
    if account_ids := {one.account_id for one in hanging if one.account_id}:
        names |= {one.id: one.name for one in await tx.accounts.all(id=sorted(account_ids))}
    if others := sorted({one.subject for one in hanging if not one.account_id}):
        names |= {one.id: one.name for one in await tx.applications.all(id=others)}
        names |= {one.id: one.name for one in await tx.instances.all(id=others)}
    return [
        {
            "kind": one.kind.value,
            "name": names.get(one.account_id or one.subject, one.subject),
            "message": one.message,
        }
        for one in sorted(hanging, key=_urgency)
    ]


def _urgency(notice: Notice) -> tuple[int, int, str]:
    gravity = KINDS[notice.kind].gravity
    return _GRAVITIES.index(gravity), _KINDS.index(notice.kind), notice.id


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
    if name == "refused":
        return authorization.state is State.REVOKED
    return (
        authorization.state in (State.ACTIVE, State.LAPSED)
        and authorization.term_ends_at == row["ends_at"]
    )
