"""THE SOCKETS. What the rooms need from the world, as Protocols, and the values that pass.

Answers for: the shape of each socket. Does not answer for: any plug; those live in ``adapters``
(real) and ``testing`` (shipped fakes), and one contract suite per port runs on both.

- ``things``: what the store keeps
- ``store``: Store, Transaction, Shelf
- ``amazon``: LWA, SellingPartnerApi
- here: Clock, Keyring, Mail, Webhooks, Bell
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from evergrant.rules.secrecy import Secret

__all__ = ["Bell", "Clock", "Keyring", "Letter", "Mail", "WebhookPost", "Webhooks"]


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC. Taken once per verb and handed down."""
        ...


class Keyring(Protocol):
    """Seals and opens with versioned keys. ``context`` is bound to the ciphertext: AES-GCM's
    associated data, or the encryption context of a key management service.

    Raises errors.SealBroken when a ciphertext does not open, errors.Misconfigured when the key
    is not in the ring.
    """

    async def seal(self, plaintext: bytes, context: str) -> tuple[str, bytes]:
        """Gives (key id, ciphertext), made with the current key."""
        ...

    async def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes: ...

    async def current_key_id(self) -> str: ...

    async def key_ids(self) -> Sequence[str]: ...

    async def add_key(self) -> str:
        """Adds a fresh key and makes it current; gives its id. Every process that shares the
        ring can open with it from then on. Misconfigured when the ring cannot be written."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail, rendered. It may hold a link that is a secret, so it is never stored."""

    id: str  # becomes part of the Message-ID, so a repeat is recognised
    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Mail(Protocol):
    async def send(self, letter: Letter) -> None:
        """Raises errors.NotDelivered, permanent when the relay refused for good (5xx)."""
        ...

    async def ping(self) -> None:
        """The relay answers and lets us in. Raises errors.NotDelivered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPost:
    """One event to deliver, signed by the Standard Webhooks scheme. ``also_signed_with``: secrets
    that were replaced a short while ago; the receiver may not know the new one yet."""

    id: str
    url: str
    body: bytes
    signing_secret: Secret
    at: datetime
    also_signed_with: tuple[Secret, ...] = ()


class Webhooks(Protocol):
    async def deliver(self, post: WebhookPost) -> None:
        """Any 2xx is delivered. Raises errors.NotDelivered otherwise."""
        ...


class Bell(Protocol):
    """Tells the worker that something waits in the outbox, or that accounts have work. Never
    raises: a ring that gets lost costs a minute, because the worker also looks by itself."""

    async def ring(self, outbox_ids: Sequence[str]) -> None: ...

    async def ring_after(self, outbox_ids: Sequence[str], pause: timedelta) -> None:
        """Rings when so much time has passed, give or take some seconds."""
        ...

    async def ring_for_orders(self, account_id: str) -> None:
        """Somebody waits for the orders of this account. However often it is rung, one job
        waits."""
        ...

    async def ring_for_work(
        self, account_ids: Sequence[str], pause: timedelta = timedelta()
    ) -> None:
        """The kitchen has something to do for these accounts. However often it is rung for one,
        one job waits; and two never work for the same account at a time."""
        ...
