"""Looks at what the watch keeps: ends of secrets, rotations, queues, client instances, grants.

Answers for: findings made of what is stored, notices included. Does not answer for: putting up
notices (the rooms do), or for telling anybody but who looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evergrant.checks import kinds
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind

if TYPE_CHECKING:
    from evergrant.checks.kinds import Finding
    from evergrant.desk import Desk
    from evergrant.ports.store import Transaction
    from evergrant.ports.things import ClientInstance
    from evergrant.ports.watched import Notice
    from evergrant.settings import Settings

__all__ = ["board", "grants", "instances", "names_of", "secrets", "told", "took_events"]

#: An instance that was heard of within this time is there.
HEARD = timedelta(days=30)
#: One that was added so recently may still be on its way.
GRACE = timedelta(days=1)
#: With a queue the secret was to be renewed 30 days before its end; so long before it that is late.
LATE = timedelta(days=21)
#: From then on Amazon itself reminds of the end (its page on rotating credentials).
BY_HAND = timedelta(days=90)
#: So many are named one by one.
_NAMED = 5
_MOST = 500


async def secrets(desk: Desk) -> AsyncIterator[Finding]:
    """What ends, with and without a queue; and what waits for credentials."""
    now = desk.clock.now()
    async with desk.store.transaction() as tx:
        applications = await tx.applications.all()
        credentials = {row.id: row for row in await tx.credentials.all()}
        accounts = {one.id: await tx.accounts.count(application_id=one.id) for one in applications}
    for application in applications:
        own = credentials.get(application.id)
        if own is None or not own.lwa_client_id or not own.secret_set:
            if accounts[application.id]:
                lacks = "client id" if own is None or not own.lwa_client_id else "client secret"
                yield kinds.CREDENTIALS_AWAITED(
                    f"{application.name} has no {lacks}, and {_accounts(accounts[application.id])}"
                    ".",
                    subject=application.id,
                )
            continue
        if own.secret_expires_at is None or own.secret_expires_at <= now:
            continue  # EG044 and EG046 say so
        left, ends = own.secret_expires_at - now, f"{own.secret_expires_at:%Y-%m-%d}"
        if own.queue_url and left <= LATE:
            yield kinds.ROTATION_LATE(
                f"{application.name}: it ends {ends}.", subject=application.id
            )
        elif not own.queue_url and left <= BY_HAND:
            yield kinds.ROTATION_BY_HAND(
                f"{application.name}: it ends {ends}.", subject=application.id
            )


async def instances(desk: Desk) -> AsyncIterator[Finding]:
    """Whether those that have accounts are there."""
    now = desk.clock.now()
    async with desk.store.transaction() as tx:
        for instance in await tx.instances.all():
            accounts = await tx.accounts.count(client_instance_id=instance.id)
            if not accounts or now - instance.created_at < GRACE:
                continue
            if not await _heard_of(tx, instance, now):
                seen = (
                    f"last on {instance.last_seen_at:%Y-%m-%d}"
                    if instance.last_seen_at
                    else "never"
                )
                yield kinds.INSTANCE_UNHEARD(
                    f"{instance.name}, {_accounts(accounts)}: {seen}.", subject=instance.id
                )


async def _heard_of(tx: Transaction, instance: ClientInstance, now: datetime) -> bool:
    if instance.last_seen_at is not None and now - instance.last_seen_at < HEARD:
        return True
    return await took_events(tx, instance.id, now - HEARD)


async def took_events(tx: Transaction, instance_id: str, since: datetime) -> bool:
    """Whether the instance took an event since then."""
    from evergrant.ports.things import OutboxKind, OutboxState

    sent: dict[str, Any] = {
        "kind": OutboxKind.WEBHOOK,
        "to": instance_id,
        "state": OutboxState.SENT,
    }
    before = await tx.outbox.count(before=("ended_at", since), **sent)
    return await tx.outbox.count(**sent) > before


async def board(desk: Desk) -> AsyncIterator[Finding]:
    """What hangs on the notice board and keeps the house from going live."""
    by_kind: dict[NoticeKind, list[Notice]] = defaultdict(list)
    single = {
        NoticeKind.QUEUE_TROUBLE: kinds.QUEUE_UNREADABLE,
        NoticeKind.NOTIFICATIONS_TROUBLE: kinds.NOTIFICATIONS_SILENT,
        NoticeKind.ROTATION_STUCK: kinds.ROTATION_STUCK,
        NoticeKind.EVENTS_UNDELIVERED: kinds.INSTANCE_SILENT,
    }
    counted = {
        NoticeKind.TERM_BELIEVED: kinds.ENDS_BELIEVED,
        NoticeKind.LETTER_UNDELIVERED: kinds.LETTERS_UNDELIVERED,
    }
    async with desk.store.transaction() as tx:
        for notice in await tx.notices.all(kind=[*single, *counted], settled_at=None, limit=_MOST):
            by_kind[notice.kind].append(notice)
        names = await names_of(tx, [one.account_id for kind in counted for one in by_kind[kind]])
    for kind, finding in single.items():
        for notice in by_kind[kind]:
            yield finding(notice.message, subject=notice.subject)
    for kind, finding in counted.items():
        if by_kind[kind]:
            yield finding(
                told([names.get(one.account_id or "", one.subject) for one in by_kind[kind]])
            )


async def grants(desk: Desk, settings: Settings) -> AsyncIterator[Finding]:
    """Authorizations without a date, and such that nobody looks after."""
    now = desk.clock.now()
    late = now - max(settings.probe_every, timedelta(hours=6))
    async with desk.store.transaction() as tx:
        undated = await tx.authorizations.all(state=State.ACTIVE, granted_at=None, limit=_NAMED + 1)
        number = await tx.authorizations.count(state=State.ACTIVE, granted_at=None)
        names = await names_of(tx, [row.account_id for row in undated])
        overdue = await tx.authorizations.count(state=State.ACTIVE, before=("probe_due_at", late))
    if undated:
        yield kinds.GRANTS_UNDATED(told([names[row.account_id] for row in undated], number))
    if overdue:
        yield kinds.PROBES_OVERDUE(f"{overdue}, since {late:%Y-%m-%d %H:%M} UTC or longer.")


async def names_of(tx: Transaction, ids: Sequence[str | None]) -> dict[str, str]:
    """Of accounts; its id for one that is not there."""
    wanted = sorted({one for one in ids if one})
    rows = await tx.accounts.all(id=wanted) if wanted else []
    found = {row.id: row.name for row in rows}
    return {one: found.get(one, one) for one in wanted}


def told(names: Sequence[str], number: int | None = None) -> str:
    """How many there are, and the first of them by name."""
    number = len(names) if number is None else number
    shown = ", ".join(names[:_NAMED])
    more = f" and {number - _NAMED} more" if number > _NAMED else ""
    return f"{number}: {shown}{more}."


def _accounts(number: int) -> str:
    return "1 account" if number == 1 else f"{number} accounts"
