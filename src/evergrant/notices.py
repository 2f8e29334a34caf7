"""THE NOTICE BOARD. What somebody of the house has to know or do, until it is settled.

Answers for: putting a notice up in the transaction of its fact, once per kind and subject while it
is open, and for taking it down. Does not answer for: what is worth a notice (the rooms), its words
(``rules.notices``), or for mails and events about the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from evergrant import journal
from evergrant.errors import NotFound, StoreUnavailable
from evergrant.intake import accounts_within, check_page, need
from evergrant.naming import new_id
from evergrant.ports import Clock
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.watched import Notice
from evergrant.rules import ids
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub

__all__ = ["Notices", "put", "settle"]

_LONGEST = 500
#: So often somebody else may be there first, until it is said that there is no getting through.
_TRIES = 20


async def put(
    tx: Transaction,
    *,
    now: datetime,
    kind: NoticeKind,
    subject: str,
    message: str,
    account_id: str | None = None,
    application_id: str | None = None,
    **facts: Any,
) -> bool:
    """Puts it up; True when it is news. One that hangs there already is brought up to date.

    ``message`` and ``facts`` hang for days: they name days and moments, and never how far off these
    are."""
    message = scrub(message)[:_LONGEST]
    notice = Notice(
        id=new_id(ids.Kind.NOTICE, now),
        kind=kind,
        subject=subject,
        account_id=account_id,
        application_id=application_id,
        message=message,
        facts=facts,
        first_at=now,
        last_at=now,
    )
    for _ in range(_TRIES):
        try:
            await tx.notices.add(notice)
        except AlreadyThere:
            open_one = await tx.notices.one(kind=kind, subject=subject, settled_at=None)
        else:
            return True
        # Between two statements somebody else may have settled it, or counted it up.
        if open_one is not None and await tx.notices.change(
            open_one.id,
            expecting={"settled_at": None, "times": open_one.times},
            message=message,
            facts=facts,
            last_at=max(now, open_one.last_at),
            times=open_one.times + 1,
        ):
            return False
    raise StoreUnavailable("The notice board is too busy; try again.")


async def settle(
    tx: Transaction,
    *,
    now: datetime,
    kinds: Iterable[NoticeKind],
    subject: str,
    by: str = "system",
) -> int:
    """Takes down what hangs there of these kinds about this subject; gives how many."""
    hanging = await tx.notices.all(kind=tuple(kinds), subject=subject, settled_at=None)
    settled = [
        await tx.notices.change(
            notice.id, expecting={"settled_at": None}, settled_at=now, settled_by=by
        )
        for notice in hanging
    ]
    return sum(one is not None for one in settled)


class Notices:
    """For those who look at the board. A caller that is bound to accounts reaches the notices about
    these; one that is bound to a client instance those about its accounts and about itself; those
    about applications are for callers that reach everything."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(
        self,
        *,
        by: Caller,
        open_only: bool = True,
        account_id: str | None = None,
        kind: NoticeKind | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Notice]:
        """In the order in which they were put up, within reach. Needs READ. Raises NotFound for an
        account out of reach, InvalidInput."""
        need(by, Right.READ)
        check_page(ids.Kind.NOTICE, after, limit)
        wanted: dict[str, Any] = {"settled_at": None} if open_only else {}
        if kind is not None:
            wanted["kind"] = kind
        async with self._store.transaction() as tx:
            if account_id is not None:
                await _reached(tx, account_id, by)
                return await tx.notices.all(
                    after=after, limit=limit, account_id=account_id, **wanted
                )
            within = accounts_within(by)
            if not within:
                return await tx.notices.all(after=after, limit=limit, **wanted)
            reached = [account.id for account in await tx.accounts.all(**within)]
            found = await tx.notices.all(after=after, limit=limit, account_id=reached, **wanted)
            if by.client_instance_id is not None and by.reaches(by.client_instance_id):
                found += await tx.notices.all(
                    after=after,
                    limit=limit,
                    subject=by.client_instance_id,
                    account_id=None,
                    **wanted,
                )
        return sorted(found, key=lambda notice: notice.id)[:limit]

    async def get(self, id: str, *, by: Caller) -> Notice:
        """Needs READ. Raises NotFound."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            return await _notice_in_reach(tx, id, by)

    async def settle(self, id: str, *, by: Caller) -> Notice:
        """Somebody has seen to it; repeating it is safe. It comes back as a new one if what it
        tells goes on. Needs WRITE. Journal: ``notice.settled``. Raises NotFound."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            notice = await _notice_in_reach(tx, id, by)
            settled = await tx.notices.change(
                id, expecting={"settled_at": None}, settled_at=now, settled_by=str(by)
            )
            if settled is None:
                return await tx.notices.get(id) or notice
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="notice.settled",
                subject=notice.id,
                account_id=notice.account_id,
                kind=notice.kind,
                about=notice.subject,
            )
        return settled


async def _notice_in_reach(tx: Transaction, id: str, by: Caller) -> Notice:
    notice = await tx.notices.get(id)
    if notice is None:
        raise NotFound
    if notice.account_id is not None:
        await _reached(tx, notice.account_id, by)
    elif not by.reaches(notice.subject):
        # Of no account: about an application or about a client instance.
        raise NotFound
    return notice


async def _reached(tx: Transaction, account_id: str, by: Caller) -> None:
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound
