"""The queue on which Amazon's notifications of feeds, orders and reports come in.

Answers for: the way to it with its keys, for the room that reads it, and for subscriptions being
seen to anew when it is another one. Does not answer for: reading it, or for the queue of new client
secrets (the locksmith).
"""

from __future__ import annotations

from datetime import datetime

from evergrant import vault
from evergrant.ports.secrets_queue import QueueAccess
from evergrant.ports.store import Store, Transaction
from evergrant.vault import Vault

__all__ = ["access_to", "see_to_anew"]


async def access_to(store: Store, safe: Vault, application_id: str) -> QueueAccess | None:
    """As ``Registry.notifications_queue``."""
    async with store.transaction() as tx:
        credentials = await tx.credentials.get(application_id)
        if credentials is None or not credentials.notifications_queue_url:
            return None
        access_key = await safe.open(tx, vault.aws_access_key(application_id))
        secret_key = await safe.open(tx, vault.aws_secret_key(application_id))
    if access_key is None or secret_key is None:
        return None
    return QueueAccess(
        # Not the locksmith's way: each has a client of its own.
        application_id=f"{application_id}.notifications",
        queue_url=credentials.notifications_queue_url,
        role_arn=credentials.role_arn,
        access_key=access_key,
        secret_key=secret_key,
    )


async def see_to_anew(tx: Transaction, application_id: str, now: datetime) -> None:
    """What is subscribed to goes to the former queue, or is not wanted any more."""
    rows = await tx.subscriptions.all(application_id=application_id)
    if rows:
        await tx.subscriptions.change_all(
            [row.id for row in rows], destination_id="", tries=0, next_at=now, changed_at=now
        )
