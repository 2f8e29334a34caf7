"""THE DOORBELL of one account: whoever has news for it presses it.

Answers for: making an account due, in the transaction of the news, so that it is never lost; and
for the fence: every press changes the version, so a turn that did not know the news does not say
that there is nothing left to do. Does not answer for: ringing a worker after the commit (``Bell``).
"""

from __future__ import annotations

from datetime import datetime

from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.traded import AccountWork

__all__ = ["press", "put_due"]

#: So often somebody else may be faster before it is our mistake.
_TRIES = 20


async def put_due(tx: Transaction, account_id: str, now: datetime) -> AccountWork:
    """Something is to be done for this account, at once. Gives the row as it is then."""
    pressed = await _pressed(tx, account_id, now, hang=True)
    assert pressed is not None
    return pressed


async def press(tx: Transaction, account_id: str, now: datetime) -> AccountWork | None:
    """As ``put_due``, if the account ever had anything to do: what changed is its standing, and
    what waits may go now. None: nobody waits behind this door."""
    return await _pressed(tx, account_id, now, hang=False)


async def _pressed(
    tx: Transaction, account_id: str, now: datetime, *, hang: bool
) -> AccountWork | None:
    for _ in range(_TRIES):
        known = await tx.work.get(account_id)
        if known is None:
            if not hang:
                return None
            fresh = AccountWork(id=account_id, due_at=now, version=1, changed_at=now)
            try:
                await tx.work.add(fresh)
            except AlreadyThere:
                continue
            return fresh
        due_at = now if known.due_at is None else min(known.due_at, now)
        changed = await tx.work.change(
            account_id,
            expecting={"version": known.version},
            due_at=due_at,
            version=known.version + 1,
            changed_at=now,
        )
        if changed is not None:
            return changed
    raise RuntimeError(f"the doorbell of {account_id} was pressed by others {_TRIES} times")
