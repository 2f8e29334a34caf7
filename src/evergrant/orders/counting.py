"""Writes into the journal that somebody read personal data of buyers, in counts.

Answers for: one line at once when a key reads for the first time in an hour, and further lines with
what was read since. Does not answer for: who may (``reading``).

Who reads ten thousand orders a day would fill the journal with ten thousand lines that say the
same. So, per key and process: the first reading of an hour is written before its answer is given,
and is never lost. What follows within that hour is counted in memory and written when it comes to
`FLUSH_AT` orders, or with that key's first reading after the hour. A process that dies loses the
count of less than so many orders, never the fact that this key read in this hour.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from evergrant import journal
from evergrant.ports.store import Store
from evergrant.rules.rights import Caller

__all__ = ["FLUSH_AT", "VERB", "Counting"]

VERB = "orders.personal_read"
FLUSH_AT = 100
#: So many keys are remembered; then it begins anew, with a line for each.
_MOST_KEYS = 10_000
#: So many accounts a line names; how many there were it always says.
_MOST_NAMED = 20


@dataclass(slots=True)
class _Count:
    hour: datetime
    since: datetime
    orders: int = 0
    accounts: set[str] = field(default_factory=set)


class Counting:
    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._counts: dict[str, _Count] = {}

    async def count(
        self, by: Caller, orders: int, account_ids: Collection[str], now: datetime
    ) -> None:
        """Before the answer is given. Raises StoreUnavailable: then there is none."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        known = self._counts.get(str(by))
        fresh = known is None or known.hour != hour
        count = known or _Count(hour, now)
        count.orders += orders
        count.accounts |= set(account_ids)
        if len(self._counts) >= _MOST_KEYS:
            self._counts.clear()
        self._counts[str(by)] = count
        if fresh or count.orders >= FLUSH_AT:
            self._counts[str(by)] = _Count(hour, now)
            try:
                await self._write(by, count, now)
            except BaseException:
                self._counts[str(by)] = count  # it is owed still
                raise

    async def _write(self, by: Caller, count: _Count, now: datetime) -> None:
        accounts = sorted(count.accounts)
        async with self._store.transaction() as tx:
            await journal.write(
                tx,
                now=now,
                by=by,
                verb=VERB,
                subject=accounts[0] if len(accounts) == 1 else "orders",
                account_id=accounts[0] if len(accounts) == 1 else None,
                orders=count.orders,
                accounts=len(accounts),
                account_ids=accounts[:_MOST_NAMED],
                since=count.since,
            )
