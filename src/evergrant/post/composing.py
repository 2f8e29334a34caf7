"""Puts letters and events together at the last moment.

Answers for: what a letter says besides its words, the body of an event, and opening what no row
holds: a link, a signing secret. Does not answer for: sending, or for words (``letters``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evergrant import letters, sessions
from evergrant.consent import Consent
from evergrant.errors import NotDelivered
from evergrant.ports import Letter, WebhookPost
from evergrant.ports.store import Store
from evergrant.ports.things import OutboxItem
from evergrant.ports.watched import EventRecord
from evergrant.registry import Registry
from evergrant.sessions import Sessions
from evergrant.settings import House

__all__ = ["TO_OPERATORS", "UNDELIVERABLE", "Composing", "payload"]

UNDELIVERABLE = "letter_undeliverable"
#: Letters that operators read. Reports of failed authorizations go to developers, in English.
TO_OPERATORS = frozenset({"operators_digest", "secret_incident", UNDELIVERABLE, *sessions.LETTERS})


def payload(event: EventRecord) -> dict[str, Any]:
    """The event as a webhook's body has it, and ``GET /v1/events`` as well: ``type``, ``timestamp``
    (when it happened) and ``data``, as the Standard Webhooks specification recommends."""
    return _told(event.topic, event.at, event.subject, event.account_id, event.facts)


class Composing:
    def __init__(
        self,
        store: Store,
        registry: Registry,
        consent: Consent,
        lodge: Sessions,
        house: House,
    ) -> None:
        self._store = store
        self._registry = registry
        self._consent = consent
        self._lodge = lodge
        self._house = house

    async def letter(self, item: OutboxItem) -> Letter | None:
        """The letter in words; None when it is pointless by now."""
        if item.topic == UNDELIVERABLE:
            told: dict[str, Any] = {**item.facts, **await self._account_facts(item)}
        else:
            knowing = self._lodge if item.topic in sessions.LETTERS else self._consent
            known = await knowing.letter_facts(item)
            if known is None:
                return None
            told = dict(known.facts)
            if known.link is not None:
                # A letter is a socket of its own: here the link stops being a secret.
                told["link"] = known.link.reveal()
        facts = {
            "house_name": self._house.name,
            "support_email": self._house.support_email,
            "looks": letters.LetterLooks.of(self._house),
            **told,
        }
        # Decided at delivery: who changes the setting reads the next letter in it.
        language = self._house.operators_language if item.topic in TO_OPERATORS else item.language
        words = letters.render(item.topic, language, facts)
        reply_to = self._house.support_email
        return Letter(
            id=item.id,
            to=item.to,
            subject=words.subject,
            text=words.text,
            html=words.html,
            headers={"Reply-To": reply_to} if reply_to and reply_to != item.to else {},
        )

    async def webhook(self, item: OutboxItem, now: datetime) -> WebhookPost:
        """Its id is the event's, the same at each attempt and when it is sent again."""
        async with self._store.transaction() as tx:
            event = await tx.events.get(item.event_id) if item.event_id else None
        told = (
            _told(item.topic, item.created_at, item.subject, item.account_id, item.facts)
            if event is None
            else payload(event)
        )
        return await self.signed(item.to, item.event_id or item.id, told, now)

    async def signed(
        self, instance_id: str, id: str, told: Mapping[str, Any], now: datetime
    ) -> WebhookPost:
        """For that client instance. Raises NotDelivered, for good, when it has no address."""
        async with self._store.transaction() as tx:
            instance = await tx.instances.get(instance_id)
        if instance is None or not instance.webhook_url:
            raise NotDelivered("The client instance has no webhook URL.", permanent=True)
        signing_secrets = await self._registry.signing_secrets(instance.id)
        if not signing_secrets:
            raise NotDelivered("The client instance has no signing secret.", permanent=True)
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str)
        return WebhookPost(
            id=id,
            url=instance.webhook_url,
            body=body.encode(),
            signing_secret=signing_secrets[0],
            also_signed_with=tuple(signing_secrets[1:]),
            at=now,
        )

    async def _account_facts(self, item: OutboxItem) -> dict[str, str]:
        if item.account_id is None:
            return {"account_name": ""}
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(item.account_id)
        return {"account_name": "" if account is None else account.name}


def _told(
    topic: str,
    at: datetime,
    subject: str,
    account_id: str | None,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    data = {"subject": subject, "account_id": account_id, **facts}
    return {"type": topic, "timestamp": at.isoformat(), "data": data}
