"""The operators' daily letter: what ends, what is over, what is refused, what did not arrive, and
what else was put up on the notice board. One, or none.

Answers for: taking up every line of the ledger that operators have not been told of, and marking
it in the same transaction as the letter; what has lapsed and which mails to clients did not arrive
since; notices that were put up since and hang, each in one letter; and for one letter a day at
most, over all processes: its id is made of the day alone, so the database refuses a second one.
Does not answer for: words and links (reception and print shop, at the moment of delivery), or for
what is told to clients (reminders).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from evergrant.naming import new_id
from evergrant.ports import Bell
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.things import Account, Authorization, OutboxItem, OutboxKind
from evergrant.ports.watched import Notice, Reminder, ReminderKind
from evergrant.rules import ids
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reminders import believed_end, days_left, is_over
from evergrant.rules.terms import SENT_KEPT
from evergrant.settings import House

__all__ = ["BOARD", "DIGEST", "LAPSED_DAYS", "DailyLetter"]

DIGEST = "operators_digest"
#: Stands in the ledger where a window would: operators were told that the term is over.
LAPSED_DAYS = -1
#: So far back the last letter is looked for, and what has lapsed and was never told.
_LOOKED_BACK = timedelta(days=31)
#: Notices that are told as they hang. Those of the other kinds have a table of their own, or a
#: letter of their own at once.
BOARD = (
    NoticeKind.ROTATION_STUCK,
    NoticeKind.QUEUE_TROUBLE,
    NoticeKind.NOTIFICATIONS_TROUBLE,
    NoticeKind.RENEWAL_FAILED,
    NoticeKind.EVENTS_UNDELIVERED,
    NoticeKind.ROLE_LOST,
    NoticeKind.LISTINGS_SUSPENDED,
    NoticeKind.MARKETPLACE_LEFT,
    NoticeKind.FEED_UNCERTAIN,
    NoticeKind.FEED_DENIED,
    NoticeKind.FEED_STUCK,
    NoticeKind.FEED_REFUSED_ALL,
)
#: What was under way when the last letter was written, and clocks that differ.
_OVERLAP = timedelta(days=1)
#: Without any earlier letter.
_SINCE_YESTERDAY = timedelta(days=1)
#: Rows that are looked up at once.
_STRIDE = 500

Row = dict[str, Any]


class _Overtaken(Exception):
    """Another process writes today's letter."""


@dataclass(frozen=True, slots=True)
class _Case:
    account: Account
    authorization: Authorization


class DailyLetter:
    def __init__(self, *, store: Store, bell: Bell, house: House) -> None:
        self._store = store
        self._bell = bell
        self._house = house

    async def put(self, now: datetime) -> OutboxItem | None:
        """Today's letter (UTC), when there is something to say and it was not written yet. Raises
        StoreUnavailable."""
        try:
            async with self._store.transaction() as tx:
                letter = await self._written(tx, now)
        except _Overtaken:
            return None
        if letter is not None:
            await self._bell.ring([letter.id])
        return letter

    async def _written(self, tx: Transaction, now: datetime) -> OutboxItem | None:
        if await tx.outbox.get(_id_of(now)) is not None:
            return None
        lines = await tx.reminders.all(told_operators_at=None)
        earlier = await _letters_before(tx, now)
        last_at = earlier[-1].created_at if earlier else None
        lapsed = await self._lapsed(tx, last_at or now - _LOOKED_BACK, now)
        put_up = await _put_up(tx, earlier, now)
        facts = {
            **await _of_accounts(tx, lines, now),
            "lapsed": [_row(case, now) for case in lapsed],
            "refused": await _of_refusals(tx, put_up, now),
            "secrets": await _of_secrets(tx, lines, now),
            "undelivered": await self._undelivered(tx, last_at or now - _SINCE_YESTERDAY),
            "board": [{"notice_id": one.id} for one in put_up if one.kind in BOARD],
        }
        letter = await self._put(tx, facts, now) if any(facts.values()) else None
        for some in _strides([line.id for line in lines]):
            marked = await tx.reminders.change_all(
                some, {"told_operators_at": None}, told_operators_at=now
            )
            if marked < len(some):
                raise _Overtaken
        for case in lapsed:
            await _enter(tx, case, now)
        return letter

    async def _put(self, tx: Transaction, facts: Mapping[str, Any], now: datetime) -> OutboxItem:
        letter = OutboxItem(
            id=_id_of(now),
            kind=OutboxKind.MAIL,
            topic=DIGEST,
            subject="operators",
            to=self._house.operators,
            facts=facts,
            next_at=now,
            created_at=now,
        )
        try:
            await tx.outbox.add(letter)
        except AlreadyThere:
            raise _Overtaken from None
        return letter

    async def _lapsed(self, tx: Transaction, since: datetime, now: datetime) -> list[_Case]:
        """Those whose notice was put up since then, whoever saw the end first: the tower, or the
        mint when Amazon refused it. The last letter told of all that were there by then."""
        notices = await tx.notices.all(
            kind=NoticeKind.TERM_OVER,
            after=ids.make(ids.Kind.NOTICE, since - _OVERLAP, bytes(10)),
        )
        cases = await _cases(tx, (one.account_id for one in notices if one.account_id), now)
        told = {
            (line.subject, line.ends_at)
            for some in _strides([case.authorization.id for case in cases.values()])
            for line in await tx.reminders.all(
                kind=ReminderKind.TERM, days=LAPSED_DAYS, subject=some
            )
        }
        return [
            case
            for case in cases.values()
            if case.authorization.state is State.LAPSED
            and (case.authorization.id, case.authorization.term_ends_at) not in told
        ]

    async def _undelivered(self, tx: Transaction, since: datetime) -> list[Row]:
        failed = await tx.notices.all(kind=NoticeKind.LETTER_UNDELIVERED, settled_at=None)
        return [
            {name: str(one.facts.get(name, "")) for name in ("to", "topic", "error")}
            for one in failed
            if one.last_at > since
        ]


def _id_of(now: datetime) -> str:
    day = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    return ids.make(ids.Kind.OUTBOX, day, bytes(10))


async def _letters_before(tx: Transaction, now: datetime) -> list[OutboxItem]:
    """The newest at the end."""
    days = range(1, _LOOKED_BACK.days + 1)
    return await tx.outbox.all(id=[_id_of(now - timedelta(days=day)) for day in days])


async def _put_up(
    tx: Transaction, earlier: Sequence[OutboxItem], now: datetime
) -> Sequence[Notice]:
    """What was put up since the last letter, hangs, and was told in none: the letters themselves
    say what they told. Where there is none any more, nothing is told again that the last one may
    have told."""
    since = earlier[-1].created_at - _OVERLAP if earlier else now - SENT_KEPT
    hanging = await tx.notices.all(
        kind=(NoticeKind.GRANT_REFUSED, *BOARD),
        settled_at=None,
        after=ids.make(ids.Kind.NOTICE, since, bytes(10)),
    )
    told = {
        row.get("notice_id")
        for letter in earlier
        for table in ("refused", "board")
        for row in letter.facts.get(table) or ()
    }
    return [one for one in hanging if one.id not in told]


async def _of_refusals(tx: Transaction, put_up: Sequence[Notice], now: datetime) -> list[Row]:
    """One row for each account whose authorization Amazon refuses before its time."""
    refusals = {
        one.account_id: one
        for one in put_up
        if one.kind is NoticeKind.GRANT_REFUSED and one.account_id
    }
    cases = await _cases(tx, refusals, now)
    return [
        {
            "notice_id": notice.id,
            "account_id": case.account.id,
            "account_name": case.account.name,
            "authorization_id": case.authorization.id,
            "refused_at": (case.authorization.refused_at or notice.first_at).isoformat(),
            "amazon_said": str(notice.facts.get("amazon_reason") or ""),
            "letter_to": "",
        }
        for account_id, notice in refusals.items()
        if (case := cases.get(account_id)) and case.authorization.state is State.REVOKED
    ]


async def _of_accounts(
    tx: Transaction, lines: Sequence[Reminder], now: datetime
) -> dict[str, list[Row]]:
    """One row for each account whose end is still what the line says, and still ahead."""
    cases = await _cases(tx, (line.account_id for line in lines if line.account_id), now)
    found: dict[str, dict[str, Row]] = {"ending": {}, "believed": {}, "undated": {}}
    for line in lines:
        case = cases.get(line.account_id or "")
        table = None if case is None else _table_of(line, case.authorization, now)
        if case is not None and table is not None:
            row = _row(case, now, line)
            found[table][case.account.id] = row
    return {name: list(rows.values()) for name, rows in found.items()}


def _table_of(line: Reminder, own: Authorization, now: datetime) -> str | None:
    """Where the line is told; None: it is no news by now. What is over is told as lapsed."""
    if own.state is not State.ACTIVE:
        return None
    if line.kind is ReminderKind.TERM:
        running = own.term_ends_at == line.ends_at and not is_over(now, line.ends_at)
        return "ending" if running else None
    if own.term_ends_at is not None:
        return None
    if line.kind is ReminderKind.AGE:
        known = own.granted_at is not None and believed_end(own.granted_at) == line.ends_at
        return "believed" if known else None
    return "undated" if line.kind is ReminderKind.UNDATED and own.granted_at is None else None


def _row(case: _Case, now: datetime, line: Reminder | None = None) -> Row:
    ends_at = line.ends_at if line else case.authorization.term_ends_at
    dated = ends_at is not None and not (line and line.kind is ReminderKind.UNDATED)
    return {
        "account_id": case.account.id,
        "account_name": case.account.name,
        "authorization_id": case.authorization.id,
        "ends_at": ends_at.isoformat() if ends_at and dated else None,
        "days_left": days_left(now, ends_at) if ends_at and dated else None,
        "letter_to": case.account.client_email if line and line.outbox_id else "",
    }


async def _of_secrets(tx: Transaction, lines: Sequence[Reminder], now: datetime) -> list[Row]:
    """One row for each application whose client secret still ends when the line says: at its own
    end, or before it where a rotation is under way and Amazon may have made another one."""
    rows = {}
    for line in lines:
        if line.kind is not ReminderKind.SECRET:
            continue
        application = await tx.applications.get(line.subject)
        credentials = await tx.credentials.get(line.subject)
        if application is None or credentials is None or credentials.secret_expires_at is None:
            continue
        rotating = await tx.rotations.count(application_id=application.id, ended_at=None) > 0
        ends_at = credentials.secret_expires_at
        if line.ends_at == ends_at or (rotating and line.ends_at < ends_at):
            rows[application.id] = {
                "application_id": application.id,
                "application_name": application.name,
                "ends_at": line.ends_at.isoformat(),
                "days_left": days_left(now, line.ends_at),
            }
    return list(rows.values())


async def _cases(tx: Transaction, account_ids: Iterable[str], now: datetime) -> dict[str, _Case]:
    """By the account's id, those that ended first at the head."""
    accounts: dict[str, Account] = {}
    found: list[Authorization] = []
    for some in _strides(sorted(set(account_ids))):
        accounts |= {one.id: one for one in await tx.accounts.all(id=some)}
        found += await tx.authorizations.all(account_id=some)
    found.sort(key=lambda one: (one.term_ends_at or now, one.id))
    return {
        one.account_id: _Case(accounts[one.account_id], one)
        for one in found
        if one.account_id in accounts
    }


def _strides(of: Sequence[str]) -> list[Sequence[str]]:
    return [of[start : start + _STRIDE] for start in range(0, len(of), _STRIDE)]


async def _enter(tx: Transaction, case: _Case, now: datetime) -> None:
    """So that it is told once."""
    own = case.authorization
    assert own.term_ends_at is not None, "what has no end never lapses"
    line = Reminder(
        id=new_id(ids.Kind.REMINDER, now),
        kind=ReminderKind.TERM,
        subject=own.id,
        account_id=own.account_id,
        ends_at=own.term_ends_at,
        days=LAPSED_DAYS,
        at=now,
        told_operators_at=now,
    )
    try:
        await tx.reminders.add(line)
    except AlreadyThere:
        raise _Overtaken from None
