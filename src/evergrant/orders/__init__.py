"""THE ORDER BOOK. Reads the orders of every account, keeps them for a while, and hands them on.

Answers for: sweeps from the last bound, orders that a notification names, what is personal lying
sealed, reading on from a position, forgetting after 30 days. Does not answer for: confirming,
cancelling or refunding orders (the kitchen).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import fields
from datetime import datetime

from evergrant import journal
from evergrant.calls import Calls
from evergrant.intake import need
from evergrant.orders.asking import Asking
from evergrant.orders.fetching import Fetching
from evergrant.orders.forgetting import Forgetting
from evergrant.orders.keeping import Keeping
from evergrant.orders.reading import LONGEST_WAIT_S, MOST_ORDERS, Reading
from evergrant.orders.sweeping import Sweeping
from evergrant.orders.values import OrderTold, SweepState, Swept
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller, Right
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = ["LONGEST_WAIT_S", "MOST_ORDERS", "OrderTold", "Orders", "SweepState", "Swept"]

#: No page is begun later than so many seconds after the round began: it lasts some seconds more.
_ROUND_S = 25.0
#: When somebody waits for it.
_NOW_S = 20.0


class Orders:
    """One per process and event loop."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        calls: Calls,
        bell: Bell,
        marketplaces: Marketplaces,
        cooking: Cooking,
    ) -> None:
        self._store = store
        self._clock = clock
        self._calls = calls
        self._bell = bell
        asking = Asking(calls=calls, patience_s=cooking.patience_s)
        keeping = Keeping(vault=vault)
        self._sweeping = Sweeping(
            store=store,
            clock=clock,
            bell=bell,
            asking=asking,
            keeping=keeping,
            every=cooking.sweep_every,
        )
        self._fetching = Fetching(
            store=store, clock=clock, bell=bell, asking=asking, keeping=keeping
        )
        self._reading = Reading(store=store, clock=clock, keeping=keeping)
        self._forgetting = Forgetting(store=store, keeping=keeping)

    # --- each minute ---

    async def round(self) -> Swept:
        """Sweeps that are due, and orders that notifications named: for half a minute at most, and
        as long as the last calls take. Two rounds at the same time, on one node or several, are
        safe. Raises StoreUnavailable."""
        ends_s = time.monotonic() + _ROUND_S
        ends = await asyncio.gather(
            self._sweeping.round(ends_s), self._fetching.round(ends_s), return_exceptions=True
        )
        counts = Swept()
        for end in ends:
            if isinstance(end, BaseException):
                raise end
            for one in fields(Swept):
                setattr(counts, one.name, getattr(counts, one.name) + getattr(end, one.name))
        return counts

    async def purge(self, now: datetime) -> int:
        """Forgets orders that did not change for 30 days, and at once those of closed accounts;
        gives how many. Journal: ``orders.purged``. Raises StoreUnavailable."""
        return await self._forgetting.purge(now)

    # --- when somebody has news ---

    async def note_changed(self, account_id: str, order_id: str) -> bool:
        """Amazon's ORDER_CHANGE named this order of a seller: it is read with the next round.
        ``order_id`` is Amazon's. False: it is none that can be read now (unknown or not ACTIVE
        account, a vendor, no order id); the sweep finds it anyway. Raises StoreUnavailable."""
        return await self._fetching.note(account_id, order_id)

    async def sweep_now(self, account_id: str, *, by: Caller) -> SweepState:
        """A sweep at once, some 20 seconds of it at most, and how far it came. What Amazon refused
        is tried again. Needs WRITE. Journal: ``orders.sweep_asked``.

        Raises NotAllowed, NotFound, NotYetAuthorized, AccountClosed, GrantLapsed, GrantRefused,
        StoreUnavailable; what Amazon says stands in the answer."""
        await self._hurried(account_id, by)
        await self.sweep_asked(account_id)
        return await self._reading.state(account_id, by=by)

    async def ask_for_sweep(self, account_id: str, *, by: Caller) -> SweepState:
        """The same by a worker, in some seconds; nobody waits here. Each step is news of the topic
        ``orders``. Rights, journal and errors as `sweep_now`."""
        await self._hurried(account_id, by)
        await self._bell.ring_for_orders(account_id)
        return await self._reading.state(account_id, by=by)

    async def sweep_asked(self, account_id: str) -> Swept:
        """What somebody asked for. Raises StoreUnavailable."""
        return await self._sweeping.one(account_id, time.monotonic() + _NOW_S)

    async def _hurried(self, account_id: str, by: Caller) -> None:
        need(by, Right.WRITE)
        await self._calls.refuse_unless_served(account_id, by=by)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await self._sweeping.hurry(tx, account_id, now)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="orders.sweep_asked",
                subject=account_id,
                account_id=account_id,
            )

    # --- when somebody asks ---

    async def orders(
        self,
        *,
        by: Caller,
        after: int = 0,
        limit: int = 100,
        account_id: str | None = None,
        client_instance_id: str | None = None,
        wait_s: float = 0.0,
        personal: bool = False,
    ) -> list[OrderTold]:
        """Orders within reach, in the order of their positions, from behind position ``after``; an
        order that changes gets a new position. When there is none, up to ``wait_s`` seconds are
        waited for the first (``LONGEST_WAIT_S``). Needs ORDERS; with ``personal``
        PERSONAL_DATA besides, and bodies are whole. Journal: ``orders.personal_read``, in counts.

        Raises NotAllowed, NotFound (account or client instance out of reach), InvalidInput."""
        return await self._reading.orders(
            by=by,
            after=after,
            limit=limit,
            account_id=account_id,
            client_instance_id=client_instance_id,
            wait_s=wait_s,
            personal=personal,
        )

    async def latest(
        self,
        *,
        by: Caller,
        before: int | None = None,
        limit: int = 100,
        account_id: str | None = None,
        status: str | None = None,
        order_id: str | None = None,
    ) -> list[OrderTold]:
        """Orders within reach that came or changed last, the newest first, from before position
        ``before``; never with what is personal. ``status``: Amazon's word; ``order_id``: Amazon's.
        Needs ORDERS. Raises NotAllowed, NotFound (account out of reach), InvalidInput."""
        return await self._reading.latest(
            by=by,
            before=before,
            limit=limit,
            account_id=account_id,
            status=status,
            order_id=order_id,
        )

    async def order(
        self, account_id: str, order_id: str, *, by: Caller, personal: bool = False
    ) -> OrderTold:
        """One order, by Amazon's id of it. Rights and journal as `orders`. Raises NotAllowed,
        NotFound."""
        return await self._reading.order(account_id, order_id, by=by, personal=personal)

    async def state(self, account_id: str, *, by: Caller) -> SweepState:
        """How far the orders of an account were read. Needs READ. Raises NotAllowed, NotFound."""
        return await self._reading.state(account_id, by=by)

    async def states(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[SweepState]:
        """`state` of every account within reach, in order of their ids. Needs READ. Raises
        NotAllowed, InvalidInput."""
        return await self._reading.states(by=by, after=after, limit=limit)
