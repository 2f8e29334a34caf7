"""What the kitchen asks of the store in memory: changes, as if by the thousand.

Answers for: ``ports.Changes``, as PostgreSQL answers. Does not answer for:
speed with very many rows.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evergrant.ports import store as ports
from evergrant.ports.traded import Change, ChangeCount, Outcome, Pick, Plannable
from evergrant.rules.changes import OPEN, SETTLED, STATE_SETTING, ChangeKind, ChangeState
from evergrant.testing.settling import Settling

if TYPE_CHECKING:
    from evergrant.testing.store import MemoryTransaction

__all__ = ["MemoryChanges"]

_CHANGE = Settling(Change, "changes")
_OUTCOME = Settling(Outcome, "outcomes")
_GONE_BEFORE = frozenset({ChangeState.REFUSED, ChangeState.WITHDRAWN})
_UNKNOWN = frozenset({ChangeState.SUPERSEDED, ChangeState.WITHDRAWN})


class MemoryChanges:
    """``ports.Changes`` by looking at everything."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx

    async def add_all(self, changes: Sequence[Change]) -> None:
        self._tx.check()
        added: dict[str, Change] = {}
        for change in changes:
            row = _CHANGE.row(change)
            if row.id in added or self._find(row.id) is not None:
                raise ports.AlreadyThere("changes_pkey")
            added[row.id] = row
        self._tx.written["changes"].update(added)

    async def supersede(self, account_id: str, by: Sequence[Change], now: datetime) -> int:
        later: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for change in by:
            later[(*_same(change), change.subject)].append(change.id)
        found = 0
        for row in list(self._all(account_id=account_id, state=ChangeState.PENDING)):
            ids = later.get((*_same(row), row.subject), ())
            if ids and max(ids) > row.id:
                self._supersede(row, max(ids), now)
                found += 1
        return found

    async def get(self, id: str) -> Change | None:
        self._tx.check()
        return self._find(_CHANGE.text(id))

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
        asked = {
            "account_id": account_id,
            "state": None if states is None else list(states),
            "kind": kind,
            "subject": subject,
            "reference": reference,
            "run_id": run_id,
            "intake_id": intake_id,
        }
        behind = None if after is None else _CHANGE.text(after)
        found = self._all(**{name: value for name, value in asked.items() if value is not None})
        rows = _by_id(found)
        if newest_first:
            rows.reverse()
            return [row for row in rows if behind is None or row.id < behind][:limit]
        return [row for row in rows if behind is None or row.id > behind][:limit]

    async def known(
        self, account_id: str, kind: ChangeKind, keys: Collection[str]
    ) -> dict[str, list[Change]]:
        by_key: dict[str, list[Change]] = defaultdict(list)
        for row in _by_id(self._all(account_id=account_id, kind=kind, key=list(keys))):
            if row.state not in _UNKNOWN:
                by_key[row.key].append(row)
        return dict(by_key)

    async def counts(
        self, account_ids: Collection[str] | None = None, *, settled_since: datetime | None = None
    ) -> list[ChangeCount]:
        within = {} if account_ids is None else {"account_id": list(account_ids)}
        since: dict[tuple[str, ChangeKind, ChangeState], list[datetime]] = defaultdict(list)
        for row in self._all(**within):
            settled_at = row.settled_at
            recently = settled_since is not None and settled_at and settled_at >= settled_since
            if row.state in OPEN or recently:
                since[row.account_id, row.kind, row.state].append(settled_at or row.created_at)
        return [
            ChangeCount(
                account_id=account_id, kind=kind, state=state, count=len(ats), oldest_at=min(ats)
            )
            for (account_id, kind, state), ats in sorted(since.items())
        ]

    async def busy(self, *, refused_since: datetime) -> list[str]:
        return sorted(
            {
                row.account_id
                for row in self._all()
                if row.state in OPEN
                or (
                    row.state is ChangeState.REFUSED
                    and row.settled_at is not None
                    and row.settled_at >= refused_since
                )
            }
        )

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
        busy = self._busy(account_id, but_for=together)
        waiting = list(
            self._all(account_id=account_id, kind=list(kinds), state=ChangeState.PENDING)
        )
        if only_zero:
            zero = {_listing(row) for row in self._all(account_id=account_id) if _is_zero(row)}
            waiting = [row for row in waiting if _listing(row) in zero]
        found = [
            row
            for row in waiting
            if (row.next_at is None or row.next_at <= now)
            and (row.lane, row.subject) not in busy
            and (after is None or _place(row) > after)
        ]
        return [
            Plannable(
                row.id, row.kind, row.marketplace_id, row.subject, row.key, row.wish, row.code
            )
            for row in sorted(found, key=_place)[:limit]
        ]

    async def held_up(
        self, account_id: str, now: datetime, *, together: Collection[str] = ()
    ) -> list[tuple[ChangeKind, str, int, datetime | None]]:
        busy = self._busy(account_id, but_for=together)
        held: dict[tuple[ChangeKind, str], list[datetime | None]] = defaultdict(list)
        for row in self._all(account_id=account_id, state=ChangeState.PENDING):
            if row.next_at is not None and row.next_at > now:
                held[row.kind, "later"].append(row.next_at)
            elif (row.lane, row.subject) in busy:
                held[row.kind, "in_flight"].append(None)
        return [
            (kind, word, len(ats), min((at for at in ats if at), default=None))
            for (kind, word), ats in sorted(held.items())
        ]

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
        busy = self._busy(account_id, but_for={run_id, *together})
        messages = {pick.change_id: pick.message_id for pick in picks}
        claimed = [
            row
            for row in self._of(messages)
            if row.state is ChangeState.PENDING
            and row.account_id == account_id
            and (row.lane, row.subject) not in busy
        ]
        for row in claimed:
            self._change(
                row,
                state=ChangeState.IN_FLIGHT,
                run_id=run_id,
                message_id=messages[row.id],
                tries=row.tries + 1,
                next_at=None,
            )
        missed = messages.keys() - {row.id for row in claimed}
        older = [
            (row, later)
            for row in self._of(superseded)
            if row.state is ChangeState.PENDING
            and row.account_id == account_id
            and superseded[row.id] not in missed
            and (later := self._find(superseded[row.id])) is not None
            and later.state not in _GONE_BEFORE
        ]
        for row, later in older:
            self._supersede(row, later.id, now)
        return sorted(row.id for row in claimed)

    async def of_run(
        self, run_id: str, *, after: int = 0, limit: int = 5_000, in_flight: bool = True
    ) -> list[Change]:
        asked: dict[str, Any] = {"state": ChangeState.IN_FLIGHT} if in_flight else {}
        found = [
            (row.message_id, row.id, row)
            for row in self._all(run_id=run_id, **asked)
            if row.message_id is not None and row.message_id > after
        ]
        found.sort(key=lambda one: one[:2])
        last = found[:limit][-1][0] if found[:limit] else 0
        return [row for message_id, _, row in found if message_id <= last]

    async def settle(self, run_id: str, outcomes: Sequence[Outcome], now: datetime) -> int:
        told = {outcome.change_id: outcome for outcome in outcomes}
        mine = {row.id: told[row.id] for row in self._of(told) if row.run_id == run_id}
        return self._settle(mine, ChangeState.IN_FLIGHT, now)

    async def settle_rest(self, run_id: str, outcome: Outcome, now: datetime) -> int:
        mine = {row.id: outcome for row in self._all(run_id=run_id)}
        return self._settle(mine, ChangeState.IN_FLIGHT, now)

    async def decide(
        self, ids: Collection[str], expecting: ChangeState, outcome: Outcome, now: datetime
    ) -> int:
        self._tx.check()
        return self._settle(dict.fromkeys(ids, outcome), expecting, now)

    async def purge(self, before: datetime, kinds: Collection[ChangeKind], *, limit: int) -> int:
        old = [
            (row.settled_at, row.id)
            for row in self._all(kind=list(kinds))
            if row.settled_at is not None and row.settled_at < before
        ]
        gone = sorted(old)[:limit]
        for _, row_id in gone:
            self._tx.tear("changes", row_id)
        return len(gone)

    def _supersede(self, row: Change, by: str, now: datetime) -> None:
        self._change(
            row, state=ChangeState.SUPERSEDED, superseded_by=by, settled_at=now, next_at=None
        )

    def _settle(self, told: Mapping[str, Outcome], expecting: ChangeState, now: datetime) -> int:
        """All of them as they stood before the first is settled."""
        found = [row for row in self._of(told) if row.state is expecting]
        later = self._last_of(row for row in found if _gives_way(row, told[row.id]))
        for row in found:
            outcome = told[row.id]
            by = later.get(_same(row), "") if _gives_way(row, outcome) else ""
            state = ChangeState.SUPERSEDED if by > row.id else outcome.state
            self._change(
                row,
                state=state,
                code=outcome.code,
                message=outcome.message,
                attribute=outcome.attribute,
                superseded_by=by if by > row.id else None,
                tries=max(row.tries - (state is ChangeState.PENDING and not outcome.counted), 0),
                next_at=outcome.next_at if state is ChangeState.PENDING else None,
                settled_at=now if state in SETTLED else None,
            )
        return len(found)

    def _last_of(self, rows: Iterable[Change]) -> dict[tuple[str, ...], str]:
        """The last wish of the same things, by what makes them the same."""
        wanted = {_same(row) for row in rows}
        last: dict[tuple[str, ...], str] = {}
        for row in self._all() if wanted else ():
            if _same(row) in wanted and row.state not in _GONE_BEFORE:
                last[_same(row)] = max(row.id, last.get(_same(row), ""))
        return last

    def _busy(self, account_id: str, but_for: Collection[str] = ()) -> set[tuple[str, str]]:
        """Lanes and subjects that are in flight."""
        return {
            (row.lane, row.subject)
            for row in self._all(account_id=account_id, state=ChangeState.IN_FLIGHT)
            if row.run_id not in but_for
        }

    def _all(self, **equal: Any) -> Iterator[Change]:
        self._tx.check()
        matches = _CHANGE.matcher(equal, None)
        return (row for row in self._tx.rows("changes") if matches(row))

    def _of(self, ids: Iterable[str]) -> list[Change]:
        self._tx.check()
        return [row for one in ids if (row := self._find(_CHANGE.text(one))) is not None]

    def _find(self, id: str) -> Change | None:
        found: Change | None = self._tx.find("changes", id)
        return found

    def _change(self, row: Change, **values: Any) -> None:
        changed = _CHANGE.row(dataclasses.replace(row, **values))
        self._tx.written["changes"][row.id] = changed


def _gives_way(row: Change, outcome: Outcome) -> bool:
    """Whether it becomes superseded when there is a later one."""
    return outcome.state is ChangeState.PENDING and row.kind in STATE_SETTING


def _same(row: Change) -> tuple[str, ...]:
    return row.account_id, row.kind, row.marketplace_id, row.key


def _listing(row: Change) -> tuple[str, str]:
    return row.marketplace_id, row.subject


def _is_zero(row: Change) -> bool:
    is_pending_stock = row.state is ChangeState.PENDING and row.kind is ChangeKind.STOCK
    return is_pending_stock and row.wish.get("quantity") == 0


def _place(row: Change) -> tuple[str, str, str, str]:
    return row.marketplace_id, row.subject, row.kind.value, row.id


def _by_id(rows: Iterable[Change]) -> list[Change]:
    return sorted(rows, key=lambda row: row.id)
