"""THE METER. Usage plans, what is left of them, and what was spent.

Answers for: which plans hold for a call (Amazon's, an operator's), every bucket of an account live,
counts of calls, waits, throttles and errors. Does not answer for: taking permits (the gate).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from evergrant.errors import Flaw, InvalidInput
from evergrant.intake import need
from evergrant.limits import levels, setting
from evergrant.limits.counts import Counts, Tally, hour_of
from evergrant.limits.plans import Plans
from evergrant.limits.values import BucketLevel, NewPlan
from evergrant.ports import Clock
from evergrant.ports.budgets import Budgets, Share
from evergrant.ports.store import Store
from evergrant.ports.things import CallCount, PlanOverride
from evergrant.rules import terms
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation
from evergrant.rules.rights import Caller, Right

__all__ = ["BucketLevel", "Limits", "NewPlan"]


class Limits:
    """One per process and event loop. ``monotonic`` gives seconds that never go back."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        budgets: Budgets,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._budgets = budgets
        self._plans = Plans(store, monotonic)
        self._counts = Counts(store, clock)

    # --- for the gate ---------------------------------------------------------------------------

    def shares(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance = Importance.LAST,
    ) -> tuple[Share, ...] | None:
        """The buckets that a call draws on: that of the pair and, where there is one, that of the
        application. None: what operators set is not at hand; then ``fetch_shares``."""
        return self._plans.shares(application_id, account_id, region, operation, importance)

    async def fetch_shares(
        self,
        application_id: str,
        account_id: str,
        region: Region,
        operation: Operation,
        importance: Importance = Importance.LAST,
    ) -> tuple[Share, ...]:
        """As ``shares``, after a look at what operators set. Raises StoreUnavailable."""
        return await self._plans.fetch_shares(
            application_id, account_id, region, operation, importance
        )

    def note_call(
        self,
        account_id: str,
        operation: str,
        region: Region,
        *,
        status: int | None,
        error: str,
        took_s: float,
        waited_s: float,
    ) -> None:
        """A call was made. ``operation`` is a name; ``status`` Amazon's, None when no answer came;
        ``error`` a word for what went wrong, empty when nothing did. Never waits, never raises."""
        self._counts.note_call(
            account_id,
            operation,
            region,
            status=status,
            error=error,
            took_s=took_s,
            waited_s=waited_s,
        )

    def note_refused(self, account_id: str, operation: str, region: Region) -> None:
        """We answered 429 ourselves; Amazon was not asked. Never waits, never raises."""
        self._counts.note_refused(account_id, operation, region)

    # --- for operators --------------------------------------------------------------------------

    async def set_plan(self, new: NewPlan, *, by: Caller) -> PlanOverride:
        """The narrowest plan decides: of the account, of the application, for all; where there is
        one, what Amazon reports changes nothing. Every process goes by it within a second. A plan
        for the same thing is replaced. Needs WRITE and reach for an account, else MANAGE.

        Raises InvalidInput, NotAllowed, NotFound, Conflict (too many). Journal: ``plan.set``."""
        plan = await setting.set_plan(self._store, self._clock.now(), new, by)
        self._plans.forget()
        return plan

    async def list_plans(
        self,
        *,
        by: Caller,
        operation: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[PlanOverride]:
        """What operators set, in order of ids, after that id: plans of accounts in reach, and those
        of applications and for all where the caller reaches every account. Needs READ."""
        return await setting.list_plans(
            self._store, by, operation=operation, after=after, limit=limit
        )

    async def remove_plan(self, id: str, *, by: Caller) -> None:
        """The next wider plan holds again, or Amazon's. Rights as for ``set_plan``. Raises
        NotFound, NotAllowed. Journal: ``plan.removed``."""
        await setting.remove_plan(self._store, self._clock.now(), id, by)
        self._plans.forget()

    async def look(self, account_id: str, *, by: Caller) -> list[BucketLevel]:
        """Every bucket of an account that was ever used, or that an operator set a plan for: its
        own and those that all accounts of its application share. Operations that are called in no
        account's name are shown to callers only who reach every account. Needs READ. Raises
        NotFound, StoreUnavailable."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            account = await setting.reached_account(tx, account_id, by)
        own, shared = levels.prefixes_of(account)
        found = [*await self._budgets.look(own), *await self._budgets.look(shared)]
        overrides = await self._plans.known()
        return levels.seen(account, found, overrides, grantless=by.reaches(None))

    async def calls(self, account_id: str, since: datetime, *, by: Caller) -> list[CallCount]:
        """Calls of an account by operation and hour, from the hour of ``since`` on, in order of
        hours. Other processes write down theirs every few seconds. Needs READ. Raises NotFound,
        InvalidInput, StoreUnavailable."""
        need(by, Right.READ)
        if since.tzinfo is None:
            raise InvalidInput(flaws=[Flaw("must say its offset from UTC.", field="since")])
        now = self._clock.now()
        # There is nothing beyond, and instants of the first and the last year have no UTC.
        since = min(max(since, now - terms.CALL_COUNTS_KEPT), now + timedelta(days=1))
        async with self._store.transaction() as tx:
            await setting.reached_account(tx, account_id, by)
        await self.flush()
        async with self._store.transaction() as tx:
            return await tx.call_counts.read(since=hour_of(since), account_id=account_id)

    @property
    def tally(self) -> Tally:
        """What this process counted since it began."""
        return self._counts.tally

    # --- for whoever runs the process -----------------------------------------------------------

    async def flush(self) -> None:
        """Writes down what was counted. Raises StoreUnavailable; then nothing is lost."""
        await self._counts.flush()

    async def close(self) -> None:
        """Writes down what was counted, for the last time, and ends what runs in the background.
        Never raises."""
        await self._plans.close()
        await self._counts.close()
