"""The plans that hold, as this process remembers them.

Answers for: what operators set, read from the store at most every second and taken over by every
process within that second; the shares of a call, made of it. Does not answer for: setting plans
(``setting``), or for which one is the narrowest (``rules.plans``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from evergrant.errors import StoreUnavailable
from evergrant.logs import logger
from evergrant.ports.budgets import Share
from evergrant.ports.store import Store
from evergrant.ports.things import PlanOverride
from evergrant.rules import operations
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation
from evergrant.rules.plans import Drawn, buckets_of

__all__ = ["REMEMBERED_S", "Plans"]

log = logger(__name__)

#: So long what operators set is believed without a look at the store.
REMEMBERED_S = 1.0
#: From this age on it is read again in the background, so that under load nobody waits for it.
AHEAD_S = 0.5
#: Shares of so many (account, operation) are kept made; beyond that they are made anew.
MOST_MADE = 50_000

_Key = tuple[str, str, Region, str, str, Importance]


class Plans:
    """``monotonic`` gives seconds that never go back."""

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._overrides: tuple[PlanOverride, ...] = ()
        self._good_until_s = float("-inf")
        self._ahead_from_s = float("-inf")
        self._made: dict[_Key, tuple[Share, ...]] = {}
        self._reading: asyncio.Task[None] | None = None

    def shares(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance,
    ) -> tuple[Share, ...] | None:
        now_s = self._monotonic()
        if now_s >= self._good_until_s:
            return None
        if now_s >= self._ahead_from_s:
            self._read_ahead()
        key = (application_id, account_id, region, operation.name, operation.kind, importance)
        made = self._made.get(key)
        if made is None:
            made = self._make(application_id, account_id, region, operation, importance)
            if len(self._made) >= MOST_MADE:
                self._made.clear()
            self._made[key] = made
        return made

    async def fetch_shares(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance,
    ) -> tuple[Share, ...]:
        await self.known()
        return self._make(application_id, account_id, region, operation, importance)

    async def known(self) -> Sequence[PlanOverride]:
        """What operators set, at most a second old. Raises StoreUnavailable."""
        while self._monotonic() >= self._good_until_s:
            reading = self._read_together()
            # Shielded: whoever goes away must not take the others' answer along.
            await asyncio.shield(reading)
            if reading is self._reading:
                break  # else something was set meanwhile, and this look may not have seen it
        return self._overrides

    async def buckets(
        self, application_id: str, account_id: str, region: Region, operation: Operation
    ) -> tuple[Drawn, ...]:
        """The buckets that a call draws on, with where their plans come from."""
        return buckets_of(
            operation,
            await self.known(),
            application_id=application_id,
            account_id=account_id,
            region=region,
        )

    def forget(self) -> None:
        """Something was set by this process: the next one who asks looks again."""
        self._good_until_s = float("-inf")
        # What is being read may have been asked for before the change.
        self._reading = None

    async def close(self) -> None:
        """Waits for what is being read."""
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    # --- what stands behind the verbs ---

    def _make(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance,
    ) -> tuple[Share, ...]:
        drawn = buckets_of(
            operation,
            self._overrides,
            application_id=application_id,
            account_id=account_id,
            region=region,
        )
        return tuple(
            Share(
                bucket=one.bucket,
                plan=one.plan,
                fixed=one.fixed,
                reserve=operations.reserve(operation, one.plan, importance),
            )
            for one in drawn
        )

    def _read_ahead(self) -> None:
        # Not sooner again, whatever becomes of it: a store that is away is not asked by each call.
        self._ahead_from_s = self._good_until_s
        self._read_together()

    def _read_together(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="plans of operators")
            self._reading.add_done_callback(_told)
        return self._reading

    async def _read(self) -> None:
        asked_s = self._monotonic()
        me = asyncio.current_task()
        async with self._store.transaction() as tx:
            found = tuple(await tx.plan_overrides.all())
        if self._reading is not me:
            return  # something was set meanwhile; another look is the younger one
        if found != self._overrides:
            self._made.clear()
            self._overrides = found
        self._good_until_s = asked_s + REMEMBERED_S
        self._ahead_from_s = asked_s + AHEAD_S


def _told(reading: asyncio.Task[None]) -> None:
    if reading.cancelled():
        return
    error = reading.exception()
    if isinstance(error, StoreUnavailable):
        log.warning("plans of operators are not to be had", error=str(error))
    elif error is not None:
        log.error("reading the plans of operators broke", exc_info=error)
