"""What everybody hears of an account that changed.

Answers for: the event ``account.changed`` about what the house itself changes, for each client
instance what it must know and no more; and for taking down what hangs on the notice board about an
account that is closed. Does not answer for: what Amazon changes (the reception), or for writing
the change itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from evergrant import notices
from evergrant.account_fields import FIELDS
from evergrant.outbox import put_event
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Authorization

__all__ = ["settle_notices", "tell", "tell_changed"]

TOPIC = "account.changed"
#: Fields that a client instance must know. It is not told of e-mail, language and notes: they are
#: between the house and its customer.
_TOLD_TO_INSTANCES = frozenset(FIELDS) - {"client_email", "language", "notes"}


async def settle_notices(tx: Transaction, account_id: str, now: datetime) -> None:
    for notice in await tx.notices.all(account_id=account_id, settled_at=None):
        await notices.settle(tx, now=now, kinds=[notice.kind], subject=notice.subject)


async def tell_changed(
    tx: Transaction,
    old: Account,
    fresh: Account,
    was: Mapping[str, Any],
    changed: Mapping[str, Any],
    now: datetime,
) -> list[str]:
    """To the client instance, as plain facts. When the account goes from one to another, each hears
    of its own part: the former one that it is gone, the new one that it is there."""
    names = sorted(_TOLD_TO_INSTANCES & changed.keys())
    if not names:
        return []
    authorization = await tx.authorizations.one(account_id=fresh.id)
    assert authorization is not None, f"{fresh.id} has no authorization"
    before = {name: _plain(was[name]) for name in names}
    after = {name: _plain(changed[name]) for name in names}
    if "client_instance_id" not in names:
        return await tell(tx, fresh, authorization, before, after, now)
    here, there = ({"client_instance_id": one.client_instance_id} for one in (old, fresh))
    hidden = {"client_instance_id": None}
    # Whatever else was changed with it: how the account was is the former one's, how it is the
    # other's, who reads it there.
    return [
        *await tell(tx, old, authorization, here, hidden, now),
        *await tell(tx, fresh, authorization, hidden, there, now),
    ]


async def tell(
    tx: Transaction,
    account: Account,
    authorization: Authorization,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    now: datetime,
) -> list[str]:
    item = await put_event(
        tx,
        now=now,
        topic=TOPIC,
        account=account,
        authorization=authorization,
        changed=sorted(after),
        before=dict(before),
        after=dict(after),
    )
    return [] if item is None else [item.id]


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value
