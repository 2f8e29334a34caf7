"""Orders that a notification names, read one by one.

Answers for: noting that an order changed, and reading it soon with getOrder (one in two seconds and
account, a burst of 30: many times more than the sweep may ask). Does not answer for: the queue that
notifications come in, or for completeness: what is lost here comes with the next sweep.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from datetime import datetime, timedelta

from evergrant.errors import EvergrantError, OverLimit, StoreUnavailable
from evergrant.logs import logger
from evergrant.orders.asking import Asking, Refused, kind_of
from evergrant.orders.keeping import Keeping, is_known, row_id
from evergrant.orders.sweeping import AT_ONCE, lacking
from evergrant.orders.values import Swept
from evergrant.ports import Bell, Clock
from evergrant.ports.store import AlreadyThere, Store, Transaction, not_after
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Order, OrderKind, OrderSweep
from evergrant.rules.lifecycle import State
from evergrant.rules.order_reading import Unreadable
from evergrant.rules.order_sweeps import LEVELS, Lack

__all__ = ["Fetching"]

log = logger(__name__)

_ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Due orders that are looked at in one statement.
_BATCH = 400
#: An order belongs to one process for so long.
_CLAIM = timedelta(minutes=5)
_AFTER_FAILURE = timedelta(minutes=5)
#: A notification may be faster than the order can be read; after so long it is no order of ours.
_PATIENCE = timedelta(hours=1)


class Fetching:
    def __init__(
        self, *, store: Store, clock: Clock, bell: Bell, asking: Asking, keeping: Keeping
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._asking = asking
        self._keeping = keeping
        self._turn: str | None = None  # id of the order that was taken up last

    async def note(self, account_id: str, order_id: str) -> bool:
        """False: nothing of it can be read (no such account, no seller, not an id)."""
        now = self._clock.now()
        if not _ORDER_ID.fullmatch(order_id):
            return False
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            authorization = await tx.authorizations.one(account_id=account_id)
            if account is None or authorization is None or kind_of(account) is not OrderKind.SELLER:
                return False
            if authorization.state is not State.ACTIVE or lacking(account, authorization):
                return False  # the sweep goes on from its bound when the account is back
            await _held(tx, account_id, now)
            named = _named(account, order_id, now)
            if await tx.orders.change(named.id, fetch_due_at=now) is None:
                await tx.orders.add(named)
        return True

    async def round(self, ends_s: float) -> Swept:
        """What is due, until that instant of the monotonic clock. Raises StoreUnavailable."""
        counts = Swept()
        turns = asyncio.Semaphore(AT_ONCE)

        async def take_up(account_id: str, due: list[Order]) -> None:
            async with turns:
                await self._account(account_id, due, counts, ends_s)

        by_account: dict[str, list[Order]] = defaultdict(list)
        for row in await self._due():
            by_account[row.account_id].append(row)
        ends = await asyncio.gather(
            *(take_up(account_id, due) for account_id, due in by_account.items()),
            return_exceptions=True,
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return counts

    async def _due(self) -> list[Order]:
        due = not_after("fetch_due_at", self._clock.now())
        async with self._store.transaction() as tx:
            found = await tx.orders.all(after=self._turn, limit=_BATCH, before=due)
            if self._turn is not None and len(found) < _BATCH:
                more = await tx.orders.all(limit=_BATCH - len(found), before=due)
                known = {row.id for row in found}
                found += [row for row in more if row.id not in known]
        if found:
            self._turn = found[-1].id
        return found

    async def _account(
        self, account_id: str, due: list[Order], counts: Swept, ends_s: float
    ) -> None:
        """One after the other: they share a bucket."""
        for row in due:
            if time.monotonic() >= ends_s:
                return
            try:
                if not await self._one(account_id, row, counts):
                    return
            except StoreUnavailable:
                raise
            except Exception:
                counts.failed += 1
                log.exception("an order could not be read", order=row.id)

    async def _one(self, account_id: str, row: Order, counts: Swept) -> bool:
        """Whether the next one of this account can be tried."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            authorization = await tx.authorizations.one(account_id=account_id)
            sweep = await tx.order_sweeps.get(account_id)
            if account is None or not _is_served(account, authorization):
                await self._leave(tx, row)
                return True
            claimed = await tx.orders.change(
                row.id, expecting={"fetch_due_at": row.fetch_due_at}, fetch_due_at=now + _CLAIM
            )
        if claimed is None:
            return True  # another node has it, or there is newer news of it
        lacks = sweep.lacks if sweep is not None and sweep.lacks in LEVELS else ""
        try:
            body = await self._asking.order(account, row.order_id, lacks)
        except StoreUnavailable:
            raise
        except OverLimit as error:
            counts.waiting += 1
            await self._put_off(claimed, timedelta(seconds=max(error.retry_after_s, 1.0)))
            return False
        except Refused as error:
            return await self._answered(claimed, error, counts)
        except (EvergrantError, Unreadable) as error:
            counts.failed += 1
            log.info("an order could not be read", order=row.id, why=str(error))
            await self._put_off(claimed, _AFTER_FAILURE)
            return False
        with_personal = lacks != Lack.PERSONAL_DATA.value
        await self._keep(claimed, body, counts, with_personal=with_personal)
        return True

    async def _keep(
        self, claimed: Order, body: object, counts: Swept, *, with_personal: bool
    ) -> None:
        assert isinstance(body, dict), "it was read as one"
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await _held(tx, claimed.account_id, now)
            account = await tx.accounts.get(claimed.account_id)
            authorization = await tx.authorizations.one(account_id=claimed.account_id)
            if account is None or authorization is None or authorization.state is State.CLOSED:
                return
            kept = await self._keeping.keep(
                tx,
                [body],
                now=now,
                account=account,
                authorization=authorization,
                kind=OrderKind.SELLER,
                with_personal=with_personal,
                answered=claimed.fetch_due_at,
            )
            # A repeat was not put; and what was noted meanwhile stays due.
            await tx.orders.change(
                claimed.id, expecting={"fetch_due_at": claimed.fetch_due_at}, fetch_due_at=None
            )
        counts.fetched += 1
        counts.received += kept.received
        counts.changed += kept.changed
        counts.repeated += kept.repeated
        if kept.told:
            await self._bell.ring(kept.told)

    async def _answered(self, claimed: Order, error: Refused, counts: Swept) -> bool:
        if error.status == 404:
            known_for = self._clock.now() - claimed.created_at
            if is_known(claimed) or known_for >= _PATIENCE:
                async with self._store.transaction() as tx:
                    await self._leave(tx, claimed)
            else:
                await self._put_off(claimed, _AFTER_FAILURE)
            return True
        if error.status in (400, 403):
            # Roles are found out by the sweep, which comes with less, and with this order too.
            counts.failed += 1
            async with self._store.transaction() as tx:
                await self._leave(tx, claimed)
            return True
        counts.failed += 1
        await self._put_off(claimed, _AFTER_FAILURE)
        return False

    async def _put_off(self, claimed: Order, pause: timedelta) -> None:
        async with self._store.transaction() as tx:
            await tx.orders.change(
                claimed.id,
                expecting={"fetch_due_at": claimed.fetch_due_at},
                fetch_due_at=self._clock.now() + pause,
            )

    async def _leave(self, tx: Transaction, row: Order) -> None:
        """It is left to the sweep. One that nobody read yet is forgotten."""
        left = await tx.orders.change(
            row.id, expecting={"fetch_due_at": row.fetch_due_at}, fetch_due_at=None
        )
        if left is not None and not is_known(left):
            await tx.orders.drop(left.id)


def _is_served(account: Account, authorization: Authorization | None) -> bool:
    return (
        authorization is not None
        and authorization.state is State.ACTIVE
        and lacking(account, authorization) is None
    )


def _named(account: Account, order_id: str, now: datetime) -> Order:
    """What is known of an order that was only named. Nobody is told of it yet."""
    return Order(
        id=row_id(account.id, order_id),
        account_id=account.id,
        client_instance_id=account.client_instance_id,
        order_id=order_id,
        kind=OrderKind.SELLER,
        fetch_due_at=now,
        created_at=now,
        changed_at=now,
    )


async def _held(tx: Transaction, account_id: str, now: datetime) -> None:
    """The account's row, until the end of the transaction: whoever writes orders of it waits. Its
    version stays: a sweep under way is not disturbed."""
    if await tx.order_sweeps.change(account_id, changed_at=now) is not None:
        return
    try:
        await tx.order_sweeps.add(OrderSweep(id=account_id, due_at=now, changed_at=now))
    except AlreadyThere:
        await tx.order_sweeps.change(account_id, changed_at=now)
