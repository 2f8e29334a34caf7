"""Forgets orders: 30 days after their last change, and at once those of accounts that were closed.

Answers for: rows and what is sealed beside them, together. Does not answer for: what lies in the
safe past its end (the watch sweeps that), or for events and the journal, which hold nothing
personal of an order.
"""

from __future__ import annotations

from datetime import datetime

from evergrant import journal
from evergrant.orders.keeping import Keeping
from evergrant.ports.store import Store
from evergrant.rules import order_sweeps
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM

__all__ = ["Forgetting"]

#: In one transaction.
BATCH = 500
#: Transactions per purge and account; what is more waits for the next one.
_MOST_BATCHES = 100
_STRIDE = 1000


class Forgetting:
    def __init__(self, *, store: Store, keeping: Keeping) -> None:
        self._store = store
        self._keeping = keeping

    async def purge(self, now: datetime) -> int:
        """How many orders went. Safe in several processes at once. Raises StoreUnavailable."""
        old = await self._old(now)
        left = await self._of_closed()
        if old or left:
            async with self._store.transaction() as tx:
                await journal.write(
                    tx,
                    now=now,
                    by=SYSTEM,
                    verb="orders.purged",
                    subject="orders",
                    old=old,
                    of_closed_accounts=left,
                )
        return old + left

    async def _old(self, now: datetime) -> int:
        done = 0
        for _ in range(_MOST_BATCHES):
            async with self._store.transaction() as tx:
                gone = await tx.orders.purge(now - order_sweeps.KEPT, limit=BATCH)
                await self._keeping.drop(tx, gone)
            done += len(gone)
            if len(gone) < BATCH:
                break
        return done

    async def _of_closed(self) -> int:
        """A closed account has no orders to read any more. Its sweep goes with them: an account
        that is reopened begins anew."""
        done, after = 0, None
        while True:
            async with self._store.transaction() as tx:
                closed = await tx.authorizations.all(state=State.CLOSED, after=after, limit=_STRIDE)
                ids = [one.account_id for one in closed]
                sweeps = await tx.order_sweeps.all(id=ids) if ids else []
            for sweep in sweeps:
                done += await self._account(sweep.id)
            if len(closed) < _STRIDE:
                return done
            after = closed[-1].id

    async def _account(self, account_id: str) -> int:
        done = 0
        for _ in range(_MOST_BATCHES):
            async with self._store.transaction() as tx:
                authorization = await tx.authorizations.one(account_id=account_id)
                if authorization is None or authorization.state is not State.CLOSED:
                    return done  # somebody reopened it meanwhile
                found = await tx.orders.all(account_id=account_id, limit=BATCH)
                for one in found:
                    done += await tx.orders.drop(one.id)
                await self._keeping.drop(tx, [one.id for one in found])
                if len(found) < BATCH:
                    await tx.order_sweeps.drop(account_id)
                    return done
        return done
