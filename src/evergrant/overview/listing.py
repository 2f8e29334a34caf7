"""The list of accounts, and of all that needs somebody.

Answers for: finding, sorting and paging within the caller's reach, and putting each row's facts
into words. Does not answer for: how the store finds them (its boards).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from evergrant.errors import NotFound
from evergrant.intake import Flaws, need
from evergrant.overview.queries import MOST_PER_PAGE, AccountQuery
from evergrant.overview.values import AccountPage, AccountRow, Needing, NeedingLine
from evergrant.ports import Clock
from evergrant.ports.boards import (
    AccountCounts,
    AccountSort,
    AccountsWanted,
    ApplicationPulse,
    BoardRow,
    Reach,
)
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import ClientInstance
from evergrant.ports.watched import Notice
from evergrant.rules import flags, reminders
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.attention import (
    NEEDS,
    OF_HOUSE,
    Badge,
    Of,
    badge_of_notice,
    badges,
    badges_of_application,
    place,
    worst,
)
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.plain_words import status
from evergrant.rules.reminders import Outlook
from evergrant.rules.rights import Caller, Right
from evergrant.settings import Watching

__all__ = ["Listing", "reach_of"]

MOST_LINES = 500
#: Rows that are read at once where all of them are wanted.
_STRIDE = 500


def reach_of(by: Caller) -> Reach:
    return Reach(client_instance_id=by.client_instance_id, account_ids=by.account_ids)


class Listing:
    def __init__(
        self, *, store: Store, clock: Clock, marketplaces: Marketplaces, watching: Watching
    ) -> None:
        self._store = store
        self._clock = clock
        self._countries = {row.country_code: row.name for row in marketplaces.rows}
        self._usual_days = watching.reminder_days

    async def page(self, query: AccountQuery, *, by: Caller) -> AccountPage:
        need(by, Right.READ)
        _check_size(query.size, "size", MOST_PER_PAGE)
        now = self._clock.now()
        wanted, reach = query.wanted(now), reach_of(by)
        async with self._store.transaction() as tx:
            counts = await tx.boards.account_counts(wanted, reach, now=now)
            total = _total(wanted, counts)
            if total is None:
                total = await tx.boards.account_total(wanted, reach, now=now)
            pages = max(-(-total // query.size), 1)
            query = query.but(page=min(query.page, pages))
            ids = await tx.boards.account_ids(
                wanted,
                reach,
                now=now,
                sort=query.sort,
                descending=query.descending,
                limit=query.size,
                offset=(query.page - 1) * query.size,
            )
            found = await tx.boards.account_rows(ids, reach, now=now)
        first = (query.page - 1) * query.size + 1 if found else 0
        return AccountPage(
            query=query,
            rows=tuple(self.drawn(row, now) for row in found),
            total=total,
            first=first,
            last=first + len(found) - 1 if found else 0,
            pages=pages,
            counts=counts,
        )

    async def row(self, id: str, *, by: Caller) -> AccountRow:
        need(by, Right.READ)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            return self.drawn(await self.board_row(tx, id, by, now), now)

    async def rows(self, ids: Sequence[str], *, by: Caller) -> list[AccountRow]:
        need(by, Right.READ)
        if ids:
            _check_size(len(ids), "ids", MOST_LINES)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            found = await tx.boards.account_rows(ids, reach_of(by), now=now)
        return [self.drawn(row, now) for row in found]

    async def every(self, query: AccountQuery, *, by: Caller) -> AsyncIterator[AccountRow]:
        need(by, Right.READ)
        now = self._clock.now()
        reach = reach_of(by)
        async with self._store.transaction() as tx:
            ids = await tx.boards.account_ids(
                query.wanted(now), reach, now=now, sort=query.sort, descending=query.descending
            )
        for start in range(0, len(ids), _STRIDE):
            async with self._store.transaction() as tx:
                found = await tx.boards.account_rows(ids[start : start + _STRIDE], reach, now=now)
            for row in found:
                yield self.drawn(row, now)

    async def board_row(self, tx: Transaction, id: str, by: Caller, now: datetime) -> BoardRow:
        """Raises NotFound."""
        found = await tx.boards.account_rows([id], reach_of(by), now=now)
        if not found:
            raise NotFound("There is no such account.")
        return found[0]

    async def needing(self, *, by: Caller, limit: int) -> Needing:
        need(by, Right.READ)
        _check_size(limit, "limit", MOST_LINES)
        now, reach = self._clock.now(), reach_of(by)
        async with self._store.transaction() as tx:
            # All of them, which says how many they are: finding them costs more than naming them.
            ids = await tx.boards.account_ids(
                AccountsWanted(needing=True), reach, now=now, sort=AccountSort.NEEDS
            )
            found = await tx.boards.account_rows(ids[:limit], reach, now=now)
            others = await _others(tx, by, now)
        lines = [*others, *self._lines(found, now)]
        lines.sort(key=lambda line: place(line.badge.need))
        return Needing(
            lines=tuple(lines[:limit]),
            total=len(ids) + len(others),
            accounts=len(ids),
        )

    def drawn(self, row: BoardRow, now: datetime) -> AccountRow:
        """One row in words."""
        signs = row.signs
        ahead = self.outlook(row, now)
        ends_at = signs.term_ends_at
        return AccountRow(
            id=row.id,
            name=row.name,
            client_email=row.client_email,
            partner_kind=row.partner_kind,
            vendor_kind=row.vendor_kind,
            region=row.region,
            home_marketplace=row.home_marketplace,
            country=self._countries.get(row.home_marketplace, row.home_marketplace),
            application_id=row.application_id,
            application_name=row.application_name,
            client_instance_id=row.client_instance_id,
            instance_name=row.instance_name,
            state=signs.state,
            status=status(signs, ahead, now),
            granted_at=signs.granted_at,
            term_ends_at=ends_at,
            days_left=None if ends_at is None else reminders.days_left(now, ends_at),
            next_reminder_at=ahead.next_reminder_at,
            flags=flags.view(row.flags, row.partner_kind, row.vendor_kind),
            merchant_token=signs.merchant_token,
            vendor_codes=signs.vendor_codes,
            selling_partner_id=signs.selling_partner_id,
            badges=badges(signs, now),
            waiting=row.waiting,
            in_flight=row.in_flight,
            last_call_at=row.last_call_at,
            checked_at=row.checked_at,
            created_at=row.created_at,
            changed_at=row.changed_at,
        )

    def outlook(self, row: BoardRow, now: datetime) -> Outlook:
        signs, days = row.signs, row.reminder_days
        return reminders.outlook(
            now,
            state=signs.state,
            kind=ApplicationKind.PRIVATE if signs.private else ApplicationKind.PUBLIC,
            granted_at=signs.granted_at,
            term_ends_at=signs.term_ends_at,
            windows=self._usual_days if days is None else days,
        )

    def _lines(self, rows: Iterable[BoardRow], now: datetime) -> Iterable[NeedingLine]:
        for row in rows:
            drawn = self.drawn(row, now)
            first = worst(drawn.badges)
            if first is not None:
                yield NeedingLine(
                    of=Of.ACCOUNT,
                    id=row.id,
                    name=row.name,
                    badge=first,
                    badges=tuple(badge for badge in drawn.badges if badge.counts),
                    row=drawn,
                )


def _total(wanted: AccountsWanted, counts: AccountCounts) -> int | None:
    """How many fit, where the counts tell it already."""
    if wanted.need is not None or (wanted.needing and wanted.states):
        return None
    if wanted.needing:
        return counts.needing
    states = wanted.states or frozenset(State)
    return sum(counts.by_state.get(state, 0) for state in states)


def _check_size(given: int, field: str, most: int) -> None:
    flaws = Flaws()
    if not 1 <= given <= most:
        flaws.add(field, f"must be from 1 to {most}.", code="out_of_range")
    flaws.refuse_if_any()


# --- what is about no account --------------------------------------------------------------------


async def _others(tx: Transaction, by: Caller, now: datetime) -> list[NeedingLine]:
    """Applications, client instances and the house, as far as the caller reaches them."""
    lines: list[NeedingLine] = []
    everything = by.reaches(None)
    hanging = await tx.notices.all(settled_at=None, account_id=None)
    applications = {one.id: one for one in await tx.boards.applications(now)}
    instances = {one.id: one for one in await _instances(tx, hanging)}
    counts = await tx.boards.accounts_of(instances=instances)
    if everything:
        for application in applications.values():
            lines += _of_application(application, hanging, now)
    for notice in hanging:
        instance = instances.get(notice.subject)
        if instance is not None and by.reaches(instance.id):
            badge = badge_of_notice(OF_HOUSE[notice.kind], notice.message, notice.first_at,
                                    subject=instance.id)  # fmt: skip
            lines.append(
                NeedingLine(
                    of=Of.INSTANCE,
                    id=instance.id,
                    name=instance.name,
                    badge=badge,
                    badges=(badge,),
                    accounts=counts.get(instance.id, 0),
                )
            )
        elif everything and _is_of_house(notice):
            badge = badge_of_notice(OF_HOUSE[notice.kind], notice.message, notice.first_at)
            lines.append(NeedingLine(of=Of.HOUSE, id="", name="", badge=badge, badges=(badge,)))
    return lines


def _of_application(
    application: ApplicationPulse, hanging: Iterable[Notice], now: datetime
) -> list[NeedingLine]:
    """One line, if anything stands against it; none where nothing does."""
    found: dict[str, Badge] = {
        badge.need: badge
        for badge in badges_of_application(
            id=application.id,
            trouble=application.trouble,
            trouble_since=application.trouble_since,
            secret_expires_at=application.secret_expires_at,
            now=now,
        )
    }
    for notice in hanging:
        own = notice.application_id == application.id or notice.subject == application.id
        known = OF_HOUSE.get(notice.kind)
        if own and known is not None and NEEDS[known].of is Of.APPLICATION:
            found.setdefault(
                known,
                badge_of_notice(known, notice.message, notice.first_at, subject=application.id),
            )
    if not found:
        return []
    shown = tuple(sorted(found.values(), key=lambda badge: place(badge.need)))
    return [
        NeedingLine(
            of=Of.APPLICATION,
            id=application.id,
            name=application.name,
            badge=shown[0],
            badges=shown,
            accounts=application.active,
        )
    ]


async def _instances(tx: Transaction, hanging: Iterable[Notice]) -> list[ClientInstance]:
    wanted = {
        notice.subject
        for notice in hanging
        if notice.kind in OF_HOUSE and NEEDS[OF_HOUSE[notice.kind]].of is Of.INSTANCE
    }
    return await tx.instances.all(id=wanted) if wanted else []


def _is_of_house(notice: Notice) -> bool:
    known = OF_HOUSE.get(notice.kind)
    return known is not None and NEEDS[known].of is Of.HOUSE
