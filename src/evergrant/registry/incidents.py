"""One incident per application, when LWA refuses the application itself.

Answers for: noting when it began and ended, once each, and for telling it once: on the notice
board, to the client instances, to the operators. Does not answer for: what LWA said (whoever asked
it), or for the accounts: none of them is marked.
"""

from __future__ import annotations

from datetime import datetime

from evergrant import journal, notices, outbox
from evergrant.errors import ApplicationRefused
from evergrant.ports.store import Transaction
from evergrant.ports.things import IntegrationCredentials, OutboxItem
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub

__all__ = ["begin", "end"]

_KINDS = (NoticeKind.APPLICATION_REFUSED, NoticeKind.SECRET_DEAD)
#: LWA's word for a client id or client secret that it does not take.
_WRONG_CLIENT = "invalid_client"


async def begin(
    tx: Transaction,
    old: IntegrationCredentials,
    error: ApplicationRefused,
    *,
    now: datetime,
    operators: str,
) -> list[OutboxItem] | None:
    """What is to be delivered; None when the incident has begun already. ``operators``: where they
    read their mail; empty: no letter."""
    said = scrub(f"{error.error}: {error.reason}".strip(": "))
    fresh = await tx.credentials.change(old.id, {"trouble": ""}, trouble=said, trouble_since=now)
    application = await tx.applications.get(old.id)
    if fresh is None or application is None:
        return None
    await journal.write(
        tx,
        now=now,
        by=SYSTEM,
        verb="application.trouble_began",
        subject=old.id,
        amazon_said=said,
        since=None,
    )
    ends_at = old.secret_expires_at
    is_dead = error.error == _WRONG_CLIENT and ends_at is not None and ends_at <= now
    message = f"Login with Amazon refuses the application {application.name}: {said}."
    if is_dead and ends_at is not None:
        message = (
            f"The client secret of {application.name} ended on {ends_at:%Y-%m-%d}; Login with "
            "Amazon refuses it."
        )
        # What is over no longer ends soon.
        await notices.settle(tx, now=now, kinds=(NoticeKind.SECRET_ENDING,), subject=old.id)
    await notices.put(
        tx,
        now=now,
        kind=NoticeKind.SECRET_DEAD if is_dead else NoticeKind.APPLICATION_REFUSED,
        subject=old.id,
        application_id=old.id,
        message=message,
        amazon_said=said,
    )
    items = await outbox.put_application_event(
        tx,
        now=now,
        topic="secret.dead" if is_dead else "secret.failed",
        application=application,
        amazon_said=said,
        since=now.isoformat(),
    )
    if operators:
        letter = await outbox.put_mail(
            tx,
            now=now,
            topic="secret_incident",
            subject=old.id,
            to=operators,
            facts={
                "application_id": old.id,
                "application_name": application.name,
                "amazon_said": said,
                "since": now.isoformat(),
                "dead": is_dead,
            },
        )
        items.append(letter)
    return items


async def end(tx: Transaction, old: IntegrationCredentials, *, now: datetime) -> bool:
    """Whether that is news."""
    fresh = await tx.credentials.change(
        old.id, {"trouble": old.trouble}, trouble="", trouble_since=None
    )
    if fresh is None or not old.trouble:
        return False
    await journal.write(
        tx,
        now=now,
        by=SYSTEM,
        verb="application.trouble_ended",
        subject=old.id,
        amazon_said=old.trouble,
        since=old.trouble_since,
    )
    await notices.settle(tx, now=now, kinds=_KINDS, subject=old.id)
    return True
