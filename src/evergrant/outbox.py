"""THE OUT TRAY. Puts a mail or an event into the outbox, in the transaction of its fact.

Answers for: the shape of what waits there, and for what every event tells of an authorization, so
that a client instance reads the same names whichever room speaks. Does not answer for: what is
worth telling (the rooms), words (the print shop), ringing the bell and delivery (the post room).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evergrant.naming import new_id
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Authorization, OutboxItem, OutboxKind
from evergrant.rules import ids

__all__ = ["put_event", "put_mail"]


async def put_mail(
    tx: Transaction,
    *,
    now: datetime,
    topic: str,
    subject: str,
    to: str,
    facts: Mapping[str, Any],
    account_id: str | None = None,
    language: str = "en",
) -> OutboxItem:
    """One letter. ``subject`` is the id of the thing that it is about; ``facts`` hold no secret."""
    item = OutboxItem(
        id=new_id(ids.Kind.OUTBOX, now),
        kind=OutboxKind.MAIL,
        topic=topic,
        subject=subject,
        to=to,
        language=language,
        account_id=account_id,
        facts=facts,
        next_at=now,
        created_at=now,
    )
    await tx.outbox.add(item)
    return item


async def put_event(
    tx: Transaction,
    *,
    now: datetime,
    topic: str,
    account: Account,
    authorization: Authorization,
    **more: Any,
) -> OutboxItem | None:
    """One event about an authorization, as it is after the change, for the client instance of its
    account; None where that wants to hear nothing. ``more``: what this kind of event adds."""
    instance = await tx.instances.get(account.client_instance_id)
    if instance is None or not instance.webhook_url:
        return None
    item = OutboxItem(
        id=new_id(ids.Kind.OUTBOX, now),
        kind=OutboxKind.WEBHOOK,
        topic=topic,
        subject=authorization.id,
        to=instance.id,
        account_id=account.id,
        facts={
            "account_id": account.id,
            "account_name": account.name,
            "partner_kind": account.partner_kind.value,
            "region": account.region.value,
            "authorization_id": authorization.id,
            "selling_partner_id": authorization.selling_partner_id,
            "state": authorization.state.value,
            "granted_at": _text(authorization.granted_at),
            "term_ends_at": _text(authorization.term_ends_at),
            **more,
        },
        next_at=now,
        created_at=now,
    )
    await tx.outbox.add(item)
    return item


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
