"""The boards of the store in memory.

Answers for: ``ports.Boards``, as PostgreSQL answers, by looking at everything and asking the rules.
Does not answer for: speed with very many rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from evergrant.ports import boards as b
from evergrant.ports.things import Account, CallCount, OutboxItem, OutboxKind, OutboxState
from evergrant.ports.traded import Change
from evergrant.rules import words
from evergrant.rules.attention import Badge, badges, place
from evergrant.rules.changes import OPEN, ChangeState
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import is_undated
from evergrant.testing.board_rows import BoardFacts

if TYPE_CHECKING:
    from evergrant.testing.store import MemoryTransaction

__all__ = ["MemoryBoards"]

_DAY = timedelta(days=1)
_STATES = tuple(State)


class MemoryBoards:
    """``ports.Boards`` over everything that is there."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx

    # --- accounts -----------------------------------------------------------------------------

    async def account_counts(
        self, wanted: b.AccountsWanted, reach: b.Reach, *, now: datetime
    ) -> b.AccountCounts:
        rows = [row for row in await self._rows(reach, now) if _fits(row, wanted)]
        needs = [{badge.need for badge in _own(row, now)} for row in rows]
        return b.AccountCounts(
            by_state=Counter(row.signs.state for row in rows),
            by_need=Counter(need for found in needs for need in found),
            needing=sum(bool(found) for found in needs),
        )

    async def account_total(
        self, wanted: b.AccountsWanted, reach: b.Reach, *, now: datetime
    ) -> int:
        return sum(
            _fits(row, wanted) and _stands(row, wanted, now) for row in await self._rows(reach, now)
        )

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
        found = [
            row
            for row in await self._rows(reach, now)
            if _fits(row, wanted) and _stands(row, wanted, now)
        ]
        found.sort(key=_named)
        keyed = [(_key(row, sort, now), row) for row in found]
        lacking = [row for key, row in keyed if key is None]
        having = [(key, row) for key, row in keyed if key is not None]
        having.sort(key=lambda pair: pair[0], reverse=descending)
        if descending and sort is not b.AccountSort.NAME:
            having = _names_rising(having)
        ordered = [row.id for _, row in having] + [row.id for row in lacking]
        return ordered[offset:] if limit is None else ordered[offset : offset + limit]

    async def account_rows(
        self, ids: Sequence[str], reach: b.Reach, *, now: datetime
    ) -> list[b.BoardRow]:
        known = {row.id: row for row in await self._rows(reach, now, ids)}
        return [known[one] for one in ids if one in known]

    async def _rows(
        self, reach: b.Reach, now: datetime, ids: Sequence[str] | None = None
    ) -> list[b.BoardRow]:
        wanted: dict[str, Any] = {} if ids is None else {"id": list(ids)}
        accounts = [
            account for account in await self._tx.accounts.all(**wanted) if _reaches(reach, account)
        ]
        facts = await BoardFacts.of(self._tx)
        return [facts.row(account, now) for account in accounts]

    # --- ends ---------------------------------------------------------------------------------

    async def weeks(
        self, reach: b.Reach, *, since: datetime, until: datetime, names: int
    ) -> list[b.WeekOfTerms]:
        accounts = await self._reached(reach)
        by_week: dict[datetime, list[tuple[datetime, str, str]]] = defaultdict(list)
        for own in await self._tx.authorizations.all(state=State.ACTIVE):
            ends_at, account = own.term_ends_at, accounts.get(own.account_id)
            if account is not None and ends_at is not None and since <= ends_at < until:
                by_week[_monday(ends_at)].append((ends_at, account.id, account.name))
        return [
            b.WeekOfTerms(
                begins_at=begins_at,
                count=len(ends),
                first=tuple((own, name, at) for at, own, name in sorted(ends)[:names]),
            )
            for begins_at, ends in sorted(by_week.items())
        ]

    async def ended_and_undated(self, reach: b.Reach) -> tuple[int, int]:
        accounts = await self._reached(reach)
        applications = {one.id: one for one in await self._tx.applications.all()}
        lapsed = undated = 0
        for own in await self._tx.authorizations.all():
            if own.account_id in accounts:
                kind = applications[accounts[own.account_id].application_id].kind
                lapsed += own.state is State.LAPSED
                undated += own.state is State.ACTIVE and is_undated(
                    kind, own.granted_at, own.term_ends_at
                )
        return lapsed, undated

    # --- the house ----------------------------------------------------------------------------

    async def applications(self, now: datetime) -> list[b.ApplicationPulse]:
        credentials = {one.id: one for one in await self._tx.credentials.all()}
        authorizations = await self._tx.authorizations.all()
        found = []
        for one in await self._tx.applications.all():
            own = [row for row in authorizations if row.application_id == one.id]
            secrets = credentials.get(one.id)
            found.append(
                b.ApplicationPulse(
                    id=one.id,
                    name=one.name,
                    active=sum(row.state is State.ACTIVE for row in own),
                    last_success_at=max((r.checked_at for r in own if r.checked_at), default=None),
                    trouble=secrets.trouble if secrets else "",
                    trouble_since=secrets.trouble_since if secrets else None,
                    secret_expires_at=secrets.secret_expires_at
                    if secrets and secrets.secret_set
                    else None,
                )
            )
        return sorted(found, key=lambda one: (words.folded(one.name), one.id))

    async def accounts_of(
        self, *, instances: Collection[str] = (), applications: Collection[str] = ()
    ) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for account in await self._tx.accounts.all():
            counts.update({account.client_instance_id} & set(instances))
            counts.update({account.application_id} & set(applications))
        return counts

    async def mail(self, now: datetime) -> b.MailPulse:
        mails = await self._tx.outbox.all(kind=OutboxKind.MAIL)
        waiting = [one for one in mails if one.state is OutboxState.WAITING]
        ended = [one for one in mails if one.ended_at is not None and one.ended_at > now - _DAY]
        sent = [one for one in ended if one.state is OutboxState.SENT]
        failed = [one for one in ended if one.state is OutboxState.FAILED]
        told = [one for one in (*waiting, *failed) if one.last_error]
        return b.MailPulse(
            waiting=len(waiting),
            oldest_waiting_at=min((one.created_at for one in waiting), default=None),
            sent=len(sent),
            failed=len(failed),
            last_error=max(told, key=lambda one: one.id).last_error if told else "",
            last_sent_at=max((one.ended_at for one in sent if one.ended_at), default=None),
        )

    async def webhooks(self, now: datetime) -> list[b.InstancePulse]:
        by_instance: dict[str, list[OutboxItem]] = defaultdict(list)
        for one in await self._tx.outbox.all(kind=OutboxKind.WEBHOOK):
            late = one.state is OutboxState.WAITING and (
                one.attempts > 0 or one.created_at < now - b.SLOW_WEBHOOK
            )
            ended = one.ended_at is not None and one.ended_at > now - _DAY
            if late or (one.state is OutboxState.FAILED and ended):
                by_instance[one.to].append(one)
        found = []
        for instance in await self._tx.instances.all(id=sorted(by_instance)):
            items = by_instance[instance.id]
            waiting = [one for one in items if one.state is OutboxState.WAITING]
            told = [one for one in items if one.last_error]
            found.append(
                b.InstancePulse(
                    id=instance.id,
                    name=instance.name,
                    waiting=len(waiting),
                    oldest_waiting_at=min((one.created_at for one in waiting), default=None),
                    failed=len(items) - len(waiting),
                    last_error=max(told, key=lambda one: one.id).last_error if told else "",
                )
            )
        last = datetime.max.replace(tzinfo=UTC)
        return sorted(found, key=lambda one: (one.oldest_waiting_at or last, one.id))

    async def busy(
        self,
        reach: b.Reach,
        *,
        since: datetime,
        limit: int,
        also: Collection[tuple[str, str]] = (),
    ) -> list[b.Busy]:
        accounts = await self._reached(reach)
        whole = reach == b.Reach()
        by_pair: dict[tuple[str, str], list[CallCount]] = defaultdict(list)
        for one in await self._tx.call_counts.read(since=since):
            if one.account_id in accounts or (whole and not one.account_id):
                by_pair[one.account_id, one.operation].append(one)
        found = []
        for (account_id, operation), counts in by_pair.items():
            account = accounts.get(account_id)
            found.append(
                b.Busy(
                    account_id=account_id,
                    account_name=account.name if account else "",
                    application_id=account.application_id if account else "",
                    operation=operation,
                    calls=sum(one.calls for one in counts),
                    waits=sum(one.waits for one in counts),
                    waited_ms=sum(one.waited_ms for one in counts),
                    refused=sum(one.refused for one in counts),
                    throttled=sum(one.throttled for one in counts),
                    last_at=max(one.last_at for one in counts),
                )
            )
        found = [
            one
            for one in found
            if one.waits or one.refused or one.throttled or (one.account_id, one.operation) in also
        ]
        found.sort(key=lambda one: (one.account_id, one.operation))
        found.sort(key=lambda one: (one.throttled, one.refused, one.waited_ms), reverse=True)
        return found[:limit]

    async def trade(self, reach: b.Reach, *, settled_since: datetime | None) -> list[b.TradeCount]:
        by_kind: dict[tuple[Any, ChangeState], list[Change]] = defaultdict(list)
        for change in await self._changes(await self._reached(reach)):
            settled = (
                settled_since is not None
                and change.settled_at is not None
                and change.settled_at >= settled_since
            )
            if change.state in OPEN or settled:
                by_kind[change.kind, change.state].append(change)
        return [
            b.TradeCount(
                kind=kind,
                state=state,
                count=len(changes),
                oldest_at=min(one.created_at for one in changes),
            )
            for (kind, state), changes in sorted(by_kind.items())
        ]

    async def runs(self, reach: b.Reach, *, since: datetime) -> tuple[int, int]:
        accounts = await self._reached(reach)
        own = [run for run in await self._tx.feed_runs.all() if run.account_id in accounts]
        return (
            sum(run.created_at >= since for run in own),
            sum(run.ended_at is None for run in own),
        )

    # --- one account --------------------------------------------------------------------------

    async def steps(self, account_id: str, verbs: Collection[str]) -> b.Steps:
        lines = await self._tx.journal.read(account_id=account_id, limit=1_000_000)
        told = [line for line in lines if line.verb in verbs]
        if len(told) > b.MOST_LINES:
            told = [*told[: b.FIRST_LINES], *told[b.FIRST_LINES - b.MOST_LINES :]]
        runs = await self._tx.feed_runs.all(account_id=account_id)
        sent = [at for run in runs if (at := run.submitted_at or run.asked_at) is not None]
        handshakes = await self._tx.handshakes.all(account_id=account_id)
        return b.Steps(
            lines=tuple(told),
            handshakes=tuple(handshakes[-b.MOST_LINES :]),
            first_feed_at=min(sent, default=None),
        )

    async def _reached(self, reach: b.Reach) -> dict[str, Account]:
        return {one.id: one for one in await self._tx.accounts.all() if _reaches(reach, one)}

    async def _changes(self, account_ids: Collection[str]) -> list[Change]:
        self._tx.check()
        return [one for one in self._tx.rows("changes") if one.account_id in account_ids]


# --- judging a row -------------------------------------------------------------------------------


def _reaches(reach: b.Reach, account: Account) -> bool:
    if reach.account_ids is not None and account.id not in reach.account_ids:
        return False
    return reach.client_instance_id in (None, account.client_instance_id)


def _fits(row: b.BoardRow, wanted: b.AccountsWanted) -> bool:
    """Whether it fits all of the wish but state and needs."""
    signs = row.signs
    ends_at = signs.term_ends_at
    return (
        _is_found(row, wanted.words)
        and wanted.partner_kind in (None, row.partner_kind)
        and wanted.vendor_kind in (None, row.vendor_kind)
        and wanted.region in (None, row.region)
        and wanted.application_id in (None, row.application_id)
        and wanted.client_instance_id in (None, row.client_instance_id)
        and (wanted.flag_off is None or not row.flags.get(wanted.flag_off, True))
        and (
            wanted.ends_until is None
            or (
                signs.state is State.ACTIVE and ends_at is not None and ends_at <= wanted.ends_until
            )
        )
    )


def _stands(row: b.BoardRow, wanted: b.AccountsWanted, now: datetime) -> bool:
    if wanted.states and row.signs.state not in wanted.states:
        return False
    if wanted.needing and not _own(row, now):
        return False
    return wanted.need is None or any(badge.need is wanted.need for badge in badges(row.signs, now))


def _is_found(row: b.BoardRow, typed: Sequence[str]) -> bool:
    signs = row.signs
    told = (
        row.id,
        row.name,
        row.client_email,
        signs.merchant_token,
        *signs.vendor_codes,
        signs.selling_partner_id,
    )
    own = words.split(" ".join(told))
    return all(any(word.startswith(beginning) for word in own) for beginning in typed)


def _own(row: b.BoardRow, now: datetime) -> list[Badge]:
    """Those that make it an account that needs somebody."""
    return [badge for badge in badges(row.signs, now) if badge.counts]


def _named(row: b.BoardRow) -> tuple[str, str]:
    return words.folded(row.name)[: b.LONGEST_KEY], row.id


def _key(row: b.BoardRow, sort: b.AccountSort, now: datetime) -> Any:
    if sort is b.AccountSort.STATE:
        return _STATES.index(row.signs.state)
    if sort is b.AccountSort.ENDS:
        return row.signs.term_ends_at
    if sort is b.AccountSort.CHANGED:
        return row.changed_at
    if sort is b.AccountSort.NEEDS:
        return min((place(badge.need) for badge in _own(row, now)), default=None)
    return _named(row)


def _names_rising(keyed: list[tuple[Any, b.BoardRow]]) -> list[tuple[Any, b.BoardRow]]:
    """Sorting the other way round turned equal ones as well; they stay in order of names."""
    return sorted(
        sorted(keyed, key=lambda pair: _named(pair[1])), key=lambda pair: pair[0], reverse=True
    )


def _monday(at: datetime) -> datetime:
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
