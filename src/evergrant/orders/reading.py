"""Hands orders on: from a position, one by one, and how far the sweeps came.

Answers for: who sees which order, waiting for the next one, opening what is personal for those who
may have it, and writing down that they did. Does not answer for: getting orders (``sweeping``), or
for webhooks (the post room).

An order is told to the client instance that its account belonged to when it came, as events are. A
caller that is bound sees it only while the account is within its reach still.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evergrant import vault as safe
from evergrant.errors import NotFound
from evergrant.intake import Flaws, accounts_within, check_page, need
from evergrant.limits.setting import reached_account
from evergrant.logs import logger
from evergrant.orders.asking import kind_of
from evergrant.orders.counting import Counting
from evergrant.orders.keeping import Keeping, is_known, row_id
from evergrant.orders.sweeping import lacking
from evergrant.orders.values import OrderTold, SweepState
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Order, OrderSweep
from evergrant.rules import ids, order_privacy, order_sweeps
from evergrant.rules.rights import Caller, Right

__all__ = ["LONGEST_WAIT_S", "MOST_ORDERS", "Reading"]

log = logger(__name__)

#: So many orders one look gives at most.
MOST_ORDERS = 1000
#: Whoever waits for orders waits so many seconds at most.
LONGEST_WAIT_S = 30.0
#: While somebody waits, it is looked again so often, in seconds: one cheap statement.
LOOK_AGAIN_S = 1.0
#: So many wait at a time in one process, and so many with one key; the next is answered at once.
MOST_WAITING = 100
MOST_OF_ONE = 20
#: Read at once, at least: some of them may be nobody's to see.
_STRIDE = 100


class Reading:
    def __init__(self, *, store: Store, clock: Clock, keeping: Keeping) -> None:
        self._store = store
        self._clock = clock
        self._keeping = keeping
        self._counting = Counting(store=store)
        self._waiting: Counter[str] = Counter()

    async def orders(
        self,
        *,
        by: Caller,
        after: int,
        limit: int,
        account_id: str | None,
        client_instance_id: str | None,
        wait_s: float,
        personal: bool,
    ) -> list[OrderTold]:
        _need(by, personal)
        flaws = Flaws()
        if not 1 <= limit <= MOST_ORDERS:
            flaws.add("limit", f"must be from 1 to {MOST_ORDERS}.", code="out_of_range")
        if after < 0:
            flaws.add("after", "must not be negative.", code="out_of_range")
        if not 0 <= wait_s <= LONGEST_WAIT_S:
            flaws.add("wait", f"must be from 0 to {LONGEST_WAIT_S:g}.", code="out_of_range")
        flaws.refuse_if_any()
        if client_instance_id is not None and by.client_instance_id not in (
            None,
            client_instance_id,
        ):
            raise NotFound
        wanted = {
            "client_instance_id": client_instance_id or by.client_instance_id,
            "account_ids": by.account_ids if account_id is None else [account_id],
        }
        found = await self._read(wanted, by, account_id, after, limit)
        full = self._waiting.total() >= MOST_WAITING or self._waiting[by.id] >= MOST_OF_ONE
        if not found and wait_s and not full:
            found = await self._wait(wanted, by, account_id, after, limit, wait_s)
        return await self._told(found, by, personal)

    async def latest(
        self,
        *,
        by: Caller,
        before: int | None,
        limit: int,
        account_id: str | None,
        status: str | None,
        order_id: str | None,
    ) -> list[OrderTold]:
        _need(by, personal=False)
        flaws = Flaws()
        if not 1 <= limit <= MOST_ORDERS:
            flaws.add("limit", f"must be from 1 to {MOST_ORDERS}.", code="out_of_range")
        flaws.refuse_if_any()
        found: list[Order] = []
        async with self._store.transaction() as tx:
            if account_id is not None:
                await reached_account(tx, account_id, by)
            while len(found) < limit:
                rows = await tx.orders.latest(
                    before=before,
                    limit=max(limit, _STRIDE),
                    client_instance_id=by.client_instance_id,
                    account_ids=by.account_ids if account_id is None else [account_id],
                    status=status,
                    order_id=order_id,
                )
                within = await _within(tx, by, {row.account_id for row in rows})
                found += [row for row in rows if row.account_id in within]
                if len(rows) < max(limit, _STRIDE):
                    break
                before = rows[-1].position
        return await self._told(found[:limit], by, personal=False)

    async def order(
        self, account_id: str, order_id: str, *, by: Caller, personal: bool
    ) -> OrderTold:
        _need(by, personal)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            found = await tx.orders.get(row_id(account_id, order_id))
        if found is None or not is_known(found):
            raise NotFound("There is no such order here.")
        (told,) = await self._told([found], by, personal)
        return told

    async def state(self, account_id: str, *, by: Caller) -> SweepState:
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            account = await reached_account(tx, account_id, by)
            authorization = await tx.authorizations.one(account_id=account_id)
            assert authorization is not None, f"{account_id} has no authorization"
            sweep = await tx.order_sweeps.get(account_id)
            count = await tx.orders.count(account_id=account_id)
        return _state(account, authorization, sweep, count)

    async def states(self, *, by: Caller, after: str | None, limit: int) -> list[SweepState]:
        need(by, Right.READ)
        check_page(ids.Kind.ACCOUNT, after, limit)
        async with self._store.transaction() as tx:
            accounts = await tx.accounts.all(after=after, limit=limit, **accounts_within(by))
            named = [account.id for account in accounts]
            authorizations = {
                one.account_id: one for one in await tx.authorizations.all(account_id=named)
            }
            sweeps = {row.id: row for row in await tx.order_sweeps.all(id=named)}
        return [
            _state(account, authorizations[account.id], sweeps.get(account.id))
            for account in accounts
        ]

    # --- inside ---

    async def _read(
        self,
        wanted: Mapping[str, Any],
        by: Caller,
        account_id: str | None,
        after: int,
        limit: int,
    ) -> list[Order]:
        found: list[Order] = []
        async with self._store.transaction() as tx:
            if account_id is not None:
                await reached_account(tx, account_id, by)
            while len(found) < limit:
                rows = await tx.orders.read(after=after, limit=max(limit, _STRIDE), **wanted)
                if not rows:
                    break
                after = rows[-1].position
                within = await _within(tx, by, {row.account_id for row in rows})
                found += [row for row in rows if is_known(row) and row.account_id in within]
        return found[:limit]

    async def _wait(
        self,
        wanted: Mapping[str, Any],
        by: Caller,
        account_id: str | None,
        after: int,
        limit: int,
        wait_s: float,
    ) -> list[Order]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + wait_s
        self._waiting[by.id] += 1
        try:
            while (left := ends - loop.time()) > 0:
                await asyncio.sleep(min(LOOK_AGAIN_S, left))
                if found := await self._read(wanted, by, account_id, after, limit):
                    return found
        finally:
            self._waiting[by.id] -= 1
            if not self._waiting[by.id]:
                del self._waiting[by.id]
        return []

    async def _told(self, orders: Sequence[Order], by: Caller, personal: bool) -> list[OrderTold]:
        opened = await self._opened(orders, by) if personal else {}
        return [
            OrderTold(
                order=one,
                body=order_privacy.joined(one.body, opened[one.id])
                if one.id in opened
                else one.body,
                opened=one.id in opened,
            )
            for one in orders
        ]

    async def _opened(self, orders: Sequence[Order], by: Caller) -> Mapping[str, Mapping[str, Any]]:
        """What is personal in these orders, by their ids; written down before it is given."""
        now = self._clock.now()
        names = {safe.order_personal(one.id): one for one in orders if one.personal}
        if not names:
            return {}
        async with self._store.transaction() as tx:
            sealed = await tx.safe.all(id=list(names))
        opened: dict[str, Mapping[str, Any]] = {}
        for one in sealed:
            if one.expires_at is not None and one.expires_at <= now:
                continue  # the sweeper of the safe is on its way
            found = await self._keeping.open(one)
            if found is not None:
                opened[names[one.id].id] = found
        if opened:
            accounts = {one.account_id for one in names.values() if one.id in opened}
            await self._counting.count(by, len(opened), accounts, now)
        return opened


def _need(by: Caller, personal: bool) -> None:
    need(by, Right.ORDERS)
    if personal:
        need(by, Right.PERSONAL_DATA)


async def _within(tx: Transaction, by: Caller, account_ids: Collection[str]) -> Collection[str]:
    """Those of these accounts that the caller reaches now."""
    if by.client_instance_id is None and by.account_ids is None:
        return account_ids
    return {
        one.id
        for one in await tx.accounts.all(id=sorted(account_ids))
        if by.reaches_account(one.id, one.client_instance_id)
    }


def _state(
    account: Account,
    authorization: Authorization,
    sweep: OrderSweep | None,
    count: int | None = None,
) -> SweepState:
    known = lacking(account, authorization)
    lacks = known.value if known is not None else ""
    if sweep is not None and not lacks and sweep.lacks in order_sweeps.LEVELS:
        lacks = sweep.lacks
    state = SweepState(
        account_id=account.id,
        account_name=account.name,
        kind=kind_of(account),
        state=authorization.state,
        lacks=lacks,
        why=order_sweeps.why(lacks),
        orders=count,
    )
    if sweep is None:
        return state
    return replace(
        state,
        bound_at=sweep.bound_at,
        swept_at=sweep.swept_at,
        due_at=sweep.due_at,
        under_way=bool(sweep.page),
        last_error=sweep.last_error,
        failures=sweep.failures,
    )
