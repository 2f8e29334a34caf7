"""THE OUT TRAY. Puts a mail or an event into the outbox, in the transaction of its fact.

Answers for: the shape of what waits there, and for what every event tells of an authorization, so
that a client instance reads the same names whichever room speaks. Does not answer for: what is
worth telling (the rooms), words (the print shop), ringing the bell and delivery (the post room).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evergrant import doorbell
from evergrant.naming import new_id
from evergrant.ports.store import Transaction
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    OutboxItem,
    OutboxKind,
)
from evergrant.ports.watched import EventRecord
from evergrant.rules import ids

__all__ = ["put_application_event", "put_event", "put_mail"]

#: The account is connected (again) or no more, or its switches and ids are others than before.
_OF_USE_TO_THE_KITCHEN = frozenset(
    {
        "account.changed",
        "authorization.granted",
        "authorization.lapsed",
        "authorization.renewed",
        "authorization.revoked",
    }
)


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
    """One event about an account, as it is after the change, for the client instance of the
    account: always to be read there, and sent where the instance has a webhook URL; then that item
    is given, to ring for. ``more``: what this kind of event adds. Of an event after which what
    waits may go, or waits for another reason, the kitchen hears as well, in the same transaction.
    """
    if topic in _OF_USE_TO_THE_KITCHEN:
        await doorbell.press(tx, account.id, now)
    return await _put(
        tx,
        now,
        topic=topic,
        subject=authorization.id,
        client_instance_id=account.client_instance_id,
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
    )


async def put_application_event(
    tx: Transaction, *, now: datetime, topic: str, application: Application, **more: Any
) -> list[OutboxItem]:
    """One event about an application for every client instance that has an account of it; gives
    the webhooks among them, to ring for."""
    told = [
        await _put(
            tx,
            now,
            topic=topic,
            subject=application.id,
            client_instance_id=instance.id,
            account_id=None,
            facts={
                "application_id": application.id,
                "application_name": application.name,
                "amazon_application_id": application.application_id,
                **more,
            },
        )
        for instance in await tx.instances.all()
        if await tx.accounts.count(application_id=application.id, client_instance_id=instance.id)
    ]
    return [item for item in told if item is not None]


async def _put(
    tx: Transaction,
    now: datetime,
    *,
    topic: str,
    subject: str,
    client_instance_id: str,
    account_id: str | None,
    facts: Mapping[str, Any],
) -> OutboxItem | None:
    event = EventRecord(
        id=new_id(ids.Kind.EVENT, now),
        at=now,
        topic=topic,
        subject=subject,
        client_instance_id=client_instance_id,
        account_id=account_id,
        facts=facts,
    )
    instance = await tx.instances.get(client_instance_id)
    item = None
    if instance is not None and instance.webhook_url:
        item = OutboxItem(
            id=new_id(ids.Kind.OUTBOX, now),
            kind=OutboxKind.WEBHOOK,
            topic=topic,
            subject=subject,
            to=client_instance_id,
            account_id=account_id,
            facts=facts,
            event_id=event.id,
            next_at=now,
            created_at=now,
        )
    await tx.events.append(event, item)
    return item


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
