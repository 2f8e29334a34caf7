"""THE POST ROOM. Delivers what lies in the outbox: letters by mail, events by webhook.

Answers for: claiming one item for one process, putting the letter or event together at the last
moment (a link or signing secret is opened here and nowhere stored), trying again by the ladder of
``rules.cadence``, giving up in the open. Does not answer for: what has to be told to whom; that
was decided and committed by the room that put the item there, together with the fact.

An item is claimed by a conditional change that pushes ``next_at`` to where the ladder would try
again if this attempt failed. A process that dies in between therefore needs no janitor: the item
comes due again, and an item that kills every process that touches it comes to the ladder's end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, letters
from evergrant.consent import Consent
from evergrant.errors import EvergrantError, NotDelivered, NotFound
from evergrant.outbox import put_mail
from evergrant.patience import patiently
from evergrant.ports import Clock, Letter, Mail, WebhookPost, Webhooks
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.registry import Registry
from evergrant.rules import cadence
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub
from evergrant.settings import House

__all__ = ["CLAIM", "Post"]

#: An attempt belongs to one process for this long at least: longer than every time-out of a pipe.
CLAIM = timedelta(minutes=2)
#: So far ahead of ours may be the clock of the process that wrote an item down.
CLOCK_SKEW = timedelta(seconds=5)
#: So long one attempt may take, in seconds, whatever a pipe allows itself: a relay that answers
#: each word slowly would outlast the claim, and another process would send the same letter.
ATTEMPT_S = 100.0
#: Pauses, in seconds, between attempts to write down that something went out.
NOTING_S: Sequence[float] = (0.2, 0.5, 1, 2, 4)
#: What one look into the outbox brings up. More come due at the next look.
SWEEP_LIMIT = 1000
_ERROR_LIMIT = 500

UNDELIVERABLE = "letter_undeliverable"
#: Letters to a selling partner. When one cannot be delivered, an operator hears of it.
TO_PARTNER = frozenset({"invitation", "renewal"})


class Post:
    """One item per ``deliver``; safe to call from any number of processes at once."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        registry: Registry,
        consent: Consent,
        mail: Mail,
        webhooks: Webhooks,
        house: House,
    ) -> None:
        self._store = store
        self._clock = clock
        self._registry = registry
        self._consent = consent
        self._mail = mail
        self._webhooks = webhooks
        self._house = house

    async def deliver(self, item_id: str) -> OutboxItem:
        """One attempt at one item, if it is due and nobody else is at it; gives the item as it
        stands afterwards. Raises NotFound, StoreUnavailable."""
        now = self._clock.now()
        claimed, item = await self._claim(item_id, now)
        if not claimed:
            return item
        try:
            async with asyncio.timeout(ATTEMPT_S):
                sent = await self._send(item, now)
        except TimeoutError:
            late = NotDelivered(f"It did not go out within {ATTEMPT_S:g} seconds.", permanent=False)
            return await self._note_failure(item, late, now)
        except EvergrantError as error:
            return await self._note_failure(item, error, now)
        return await self._note_success(item, now) if sent else await self._drop(item, now)

    async def _send(self, item: OutboxItem, now: datetime) -> bool:
        """False: it is pointless by now."""
        if item.kind is OutboxKind.WEBHOOK:
            await self._webhooks.deliver(await self._event(item, now))
        elif letter := await self._letter(item):
            await self._mail.send(letter)
        else:
            return False
        return True

    async def sweep(self) -> list[str]:
        """The ids of all that is due: what a lost ring, a dead process or a retry left lying."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            due = await tx.outbox.all(
                state=OutboxState.WAITING,
                before=not_after("next_at", now),
                limit=SWEEP_LIMIT,
            )
        return [item.id for item in due]

    async def _claim(self, item_id: str, now: datetime) -> tuple[bool, OutboxItem]:
        async with self._store.transaction() as tx:
            item = await tx.outbox.get(item_id)
            if item is None:
                raise NotFound(f"There is no outbox item {item_id}.")
            # Who wrote it down may live by a clock that runs a little ahead of ours.
            skew = timedelta() if item.attempts else CLOCK_SKEW
            if item.state is not OutboxState.WAITING or item.next_at > now + skew:
                return False, item
            if item.attempts and isinstance(
                _next_try(item.kind, item.attempts, now), cadence.GiveUp
            ):
                # Its last attempt was claimed and never ended: the process died with it.
                lost = NotDelivered("Its last attempt never came to an end.", permanent=True)
                return False, await self._give_up(tx, item, lost, now)
            planned = _next_try(item.kind, item.attempts + 1, now)
            claimed = await tx.outbox.change(
                item.id,
                expecting={
                    "state": OutboxState.WAITING,
                    "attempts": item.attempts,
                    "next_at": item.next_at,
                },
                attempts=item.attempts + 1,
                next_at=max(
                    now + CLAIM, planned.at if isinstance(planned, cadence.TryAgain) else now
                ),
            )
            return claimed is not None, claimed or item

    async def _note_success(self, item: OutboxItem, now: datetime) -> OutboxItem:
        """What went out and is not written down goes out again, so a database that restarts is
        waited for."""
        return await patiently(lambda: self._note_sent(item, now), NOTING_S)

    async def _note_sent(self, item: OutboxItem, now: datetime) -> OutboxItem:
        async with self._store.transaction() as tx:
            sent = await tx.outbox.change(
                item.id,
                expecting={"state": OutboxState.WAITING, "attempts": item.attempts},
                state=OutboxState.SENT,
                ended_at=now,
                last_error="",
            )
            if sent is not None and item.kind is OutboxKind.MAIL:
                await self._journal(tx, item, "letter.sent", now)
        return sent or item

    async def _drop(self, item: OutboxItem, now: datetime) -> OutboxItem:
        """A letter whose link was used, withdrawn or ran out before the letter could go."""
        async with self._store.transaction() as tx:
            dropped = await tx.outbox.change(
                item.id,
                expecting={"state": OutboxState.WAITING, "attempts": item.attempts},
                state=OutboxState.FAILED,
                ended_at=now,
                last_error="It was pointless by the time it could be sent, so it was not sent.",
            )
            if dropped is not None:
                await self._journal(tx, item, "letter.dropped", now)
        return dropped or item

    async def _note_failure(
        self, item: OutboxItem, error: EvergrantError, now: datetime
    ) -> OutboxItem:
        verdict = _next_try(item.kind, item.attempts, now)
        async with self._store.transaction() as tx:
            if error.permanent or isinstance(verdict, cadence.GiveUp):
                return await self._give_up(tx, item, error, now)
            waiting = await tx.outbox.change(
                item.id,
                expecting={"state": OutboxState.WAITING, "attempts": item.attempts},
                next_at=verdict.at,
                last_error=_words(error),
            )
        return waiting or item

    async def _give_up(
        self, tx: Transaction, item: OutboxItem, error: EvergrantError, now: datetime
    ) -> OutboxItem:
        failed = await tx.outbox.change(
            item.id,
            expecting={"state": OutboxState.WAITING, "attempts": item.attempts},
            state=OutboxState.FAILED,
            ended_at=now,
            last_error=_words(error),
        )
        if failed is None:
            return item
        verb = "letter.failed" if item.kind is OutboxKind.MAIL else "webhook.failed"
        await self._journal(tx, item, verb, now, attempts=item.attempts, error=_words(error))
        if item.topic in TO_PARTNER and self._house.support_email:
            await self._tell_operators(tx, failed, now)
        return failed

    async def _tell_operators(self, tx: Transaction, failed: OutboxItem, now: datetime) -> None:
        """Nobody rings for it: the next sweep finds it, and a minute does not matter here."""
        await put_mail(
            tx,
            now=now,
            topic=UNDELIVERABLE,
            subject=failed.id,
            to=self._house.support_email,
            account_id=failed.account_id,
            facts={"to": failed.to, "letter": failed.topic, "error": failed.last_error},
        )

    async def _journal(
        self, tx: Transaction, item: OutboxItem, verb: str, now: datetime, **facts: Any
    ) -> None:
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb=verb,
            subject=item.subject,
            account_id=item.account_id,
            topic=item.topic,
            to=item.to,
            outbox_id=item.id,
            **facts,
        )

    # --- putting together ---------------------------------------------------------------------

    async def _letter(self, item: OutboxItem) -> Letter | None:
        """The letter in words; None when it is pointless by now."""
        if item.topic == UNDELIVERABLE:
            told: dict[str, Any] = {**item.facts, **await self._account_facts(item)}
        else:
            known = await self._consent.letter_facts(item)
            if known is None:
                return None
            told = dict(known.facts)
            if known.link is not None:
                # A letter is a socket of its own: here the link stops being a secret.
                told["link"] = known.link.reveal()
        facts = {"house_name": self._house.name, "support_email": self._house.support_email, **told}
        words = letters.render(item.topic, item.language, facts)
        reply_to = self._house.support_email
        return Letter(
            id=item.id,
            to=item.to,
            subject=words.subject,
            text=words.text,
            html=words.html,
            headers={"Reply-To": reply_to} if reply_to and reply_to != item.to else {},
        )

    async def _account_facts(self, item: OutboxItem) -> dict[str, str]:
        if item.account_id is None:
            return {"account_name": ""}
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(item.account_id)
        return {"account_name": "" if account is None else account.name}

    async def _event(self, item: OutboxItem, now: datetime) -> WebhookPost:
        async with self._store.transaction() as tx:
            instance = await tx.instances.get(item.to)
        if instance is None or not instance.webhook_url:
            raise NotDelivered("The client instance has no webhook URL.", permanent=True)
        signing_secret = await self._registry.signing_secret(instance.id)
        if signing_secret is None:
            raise NotDelivered("The client instance has no signing secret.", permanent=True)
        return WebhookPost(
            id=item.id,
            url=instance.webhook_url,
            body=_body(item),
            signing_secret=signing_secret,
            at=now,
        )


def _next_try(kind: OutboxKind, attempts: int, now: datetime) -> cadence.TryAgain | cadence.GiveUp:
    ladder = cadence.MAIL if kind is OutboxKind.MAIL else cadence.WEBHOOK
    return cadence.next_try(ladder, attempts, now)


def _words(error: EvergrantError) -> str:
    return scrub(error.message)[:_ERROR_LIMIT]


def _body(item: OutboxItem) -> bytes:
    """The payload as the Standard Webhooks specification recommends it: type, timestamp, data."""
    data = {"subject": item.subject, "account_id": item.account_id, **item.facts}
    told = {"type": item.topic, "timestamp": item.created_at.isoformat(), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str).encode()
