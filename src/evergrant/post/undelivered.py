"""What nobody took, brought to the notice of operators; and taken down when it is over.

Answers for: one notice for a client instance, however many events it did not take, one for an
account whose letters the relay refuses, and the mail about the latter. Does not answer for: giving
up (the room), or for mails that come back later (bounces).
"""

from __future__ import annotations

from datetime import datetime

from evergrant import notices
from evergrant.bounces import HeardFrom, put_undelivered
from evergrant.outbox import put_mail
from evergrant.ports.store import Transaction
from evergrant.ports.things import OutboxItem
from evergrant.post.composing import UNDELIVERABLE
from evergrant.rules.notices import NoticeKind

__all__ = ["note_event", "note_letter", "settle_events", "settle_letters"]


async def note_event(tx: Transaction, failed: OutboxItem, now: datetime) -> None:
    """An instance whose address was taken away is meant to hear nothing."""
    instance = await tx.instances.get(failed.to)
    if instance is None or not instance.webhook_url:
        return
    await notices.put(
        tx,
        now=now,
        kind=NoticeKind.EVENTS_UNDELIVERED,
        subject=instance.id,
        message=f"{instance.name} did not take {failed.topic}: {failed.last_error}",
        instance_name=instance.name,
        event_id=failed.event_id,
        topic=failed.topic,
        attempts=failed.attempts,
        error=failed.last_error,
    )


async def settle_events(tx: Transaction, sent: OutboxItem, now: datetime) -> None:
    await notices.settle(tx, now=now, kinds=[NoticeKind.EVENTS_UNDELIVERED], subject=sent.to)


async def note_letter(tx: Transaction, failed: OutboxItem, now: datetime, *, tell: str) -> None:
    """``tell``: whom to mail about it at once. Nobody rings for that mail: the next sweep finds it,
    and a minute does not matter here."""
    await put_undelivered(tx, failed, failed.last_error, now=now, heard_from=HeardFrom.RELAY)
    if tell:
        await put_mail(
            tx,
            now=now,
            topic=UNDELIVERABLE,
            subject=failed.id,
            to=tell,
            account_id=failed.account_id,
            facts={"to": failed.to, "letter": failed.topic, "error": failed.last_error},
        )


async def settle_letters(tx: Transaction, sent: OutboxItem, now: datetime) -> None:
    """The relay took a letter to the client. That settles what the relay said, and what anybody
    said of another address."""
    if sent.account_id is None:
        return
    kind = NoticeKind.LETTER_UNDELIVERED
    hanging = await tx.notices.one(kind=kind, subject=sent.account_id, settled_at=None)
    if hanging is None:
        return
    if hanging.facts.get("heard_from") == HeardFrom.RELAY or hanging.facts.get("to") != sent.to:
        await notices.settle(tx, now=now, kinds=[kind], subject=sent.account_id)
