"""How much may wait for one account.

Answers for: refusing a batch when very much is open already, at little cost for everybody else.
Does not answer for: what waits, or why (the plan).

Whoever hands in without end, for an account that does not go or for things that nobody has, would
fill the database of all the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant.errors import OverLimit
from evergrant.ports.store import Transaction
from evergrant.rules.changes import OPEN

__all__ = ["MOST_WAITING", "Crowding"]

#: Open changes of one account. Amazon's largest sellers have a million listings or two.
MOST_WAITING = 2_000_000
#: A count is believed for so long, with what was let in since.
_FRESH = timedelta(minutes=1)
_MOST_KNOWN = 10_000
_RETRY_AFTER_S = 3600.0


@dataclass(slots=True)
class _Known:
    count: int
    at: datetime


class Crowding:
    """One per process. Of several processes each lets in a batch or two more."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._known: dict[str, _Known] = {}

    async def check(self, tx: Transaction, account_id: str, lines: int, now: datetime) -> None:
        """Before so many lines are taken. Raises OverLimit."""
        known = self._known.get(account_id)
        stale = known is None or not timedelta(0) <= now - known.at < _FRESH
        if known is None or stale or known.count + lines > self._most:
            counts = await tx.changes.counts([account_id])
            known = _Known(sum(one.count for one in counts if one.state in OPEN), now)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[account_id] = known
        if known.count + lines > self._most:
            raise OverLimit(
                f"{known.count:,} changes of this account are open already; {self._most:,} may be.",
                retry_after_s=_RETRY_AFTER_S,
                hint=f"Look why they wait: evergrant feeds plan {account_id}",
                facts={"open": known.count, "limit": self._most},
            )
        known.count += lines
