"""THE DOORBELL of one account: whoever has news for it presses it.

Answers for: making an account due, in the transaction of the news, so that it is never lost; and
for the fence: every press changes the version, so a turn that did not know the news does not say
that there is nothing left to do. Does not answer for: ringing a worker after the commit (``Bell``).

Who presses has the account's row until his transaction ends; others who press wait for that, and
each of them has his turn, however many there are.
"""

from __future__ import annotations

from datetime import datetime

from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.traded import AccountWork

__all__ = ["press", "put_due"]


async def put_due(tx: Transaction, account_id: str, now: datetime) -> AccountWork:
    """Something is to be done for this account, at once. Gives the row as it is then."""
    pressed = await press(tx, account_id, now)
    if pressed is not None:
        return pressed
    fresh = AccountWork(id=account_id, due_at=now, version=1, changed_at=now)
    try:
        await tx.work.add(fresh)
    except AlreadyThere:
        # Somebody hung it up at the same moment, and has committed.
        pressed = await press(tx, account_id, now)
        assert pressed is not None, f"the doorbell of {account_id} was just there"
        return pressed
    return fresh


async def press(tx: Transaction, account_id: str, now: datetime) -> AccountWork | None:
    """As ``put_due``, if the account ever had anything to do: what changed is its standing, and
    what waits may go now. None: nobody waits behind this door."""
    # Held from here on. Whoever compares versions first and is too late would have to try again.
    held = await tx.work.change(account_id, changed_at=now)
    if held is None:
        return None
    due_at = now if held.due_at is None else min(held.due_at, now)
    return await tx.work.change(account_id, due_at=due_at, version=held.version + 1)
