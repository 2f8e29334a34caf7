"""THE NOTICE BOARD. What somebody of the house has to know or do, until it is settled.

Answers for: putting a notice up in the transaction of its fact, once per kind and subject while it
is open, and for taking it down. Does not answer for: what is worth a notice (the rooms), its words
(``rules.notices``), or for mails and events about the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from evergrant.errors import NotAllowed, NotFound
from evergrant.intake import check_page
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
    """Puts it up; True when it is news. One that hangs there already is brought up to date."""
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
    try:
        await tx.notices.add(notice)
    except AlreadyThere:
        open_one = await tx.notices.one(kind=kind, subject=subject, settled_at=None)
        if open_one is not None:
            await tx.notices.change(
                open_one.id, message=message, facts=facts, last_at=now, times=open_one.times + 1
            )
        return False
    return True


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
    for notice in hanging:
        await tx.notices.change(
            notice.id, expecting={"settled_at": None}, settled_at=now, settled_by=by
        )
    return len(hanging)


class Notices:
    """For those who look at the board."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(
        self,
        *,
        by: Caller,
        open_only: bool = True,
        account_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Notice]:
        """In the order in which they were put up, within reach. Needs READ. A caller that does not
        reach everything sees those of its accounts, and has to name one. Raises NotFound for an
        account out of reach."""
        if not by.may(Right.READ):
            raise NotAllowed
        check_page(ids.Kind.NOTICE, after, limit)
        wanted: dict[str, Any] = {"settled_at": None} if open_only else {}
        async with self._store.transaction() as tx:
            if account_id is not None:
                await self._reached(tx, account_id, by)
                wanted["account_id"] = account_id
            elif not by.reaches(None):
                raise NotAllowed("This key does not reach everything: ask for one account.")
            return await tx.notices.all(after=after, limit=limit, **wanted)

    async def settle(self, id: str, *, by: Caller) -> Notice:
        """An operator has seen to it. Needs WRITE. Raises NotFound."""
        if not by.may(Right.WRITE):
            raise NotAllowed
        now = self._clock.now()
        async with self._store.transaction() as tx:
            notice = await tx.notices.get(id)
            if notice is None:
                raise NotFound
            if notice.account_id is not None:
                await self._reached(tx, notice.account_id, by)
            elif not by.reaches(None):
                raise NotFound
            settled = await tx.notices.change(
                id, expecting={"settled_at": None}, settled_at=now, settled_by=str(by)
            )
        return settled or notice

    async def _reached(self, tx: Transaction, account_id: str, by: Caller) -> None:
        account = await tx.accounts.get(account_id)
        if account is None or not by.reaches_account(account.id, account.client_instance_id):
            raise NotFound
