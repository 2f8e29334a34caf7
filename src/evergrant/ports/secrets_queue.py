"""The queue's socket: where Amazon leaves new client secrets and notices of their end.

Answers for: its shape. Does not answer for: what a message says (``rules.rotation`` reads it), or
for Amazon's notifications of other kinds.

Source: Amazon's pages "rotate-your-application-client-secret" and "set-up-credential-rotation-
notifications": both notifications are delivered to a standard SQS queue of the developer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evergrant.rules.secrecy import Secret

__all__ = ["QueueAccess", "QueueMessage", "SecretsQueue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAccess:
    """One application's way to its queue. ``role_arn`` is assumed with the keys; empty: the keys
    themselves read the queue."""

    application_id: str
    queue_url: str
    role_arn: str
    access_key: Secret
    secret_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """One message as it came. Its body may hold a client secret."""

    id: str
    body: Secret
    receipt: str = field(repr=False)  # allows deleting it, while it is ours
    times_received: int = 1


class SecretsQueue(Protocol):
    """Raises errors.QueueRefused (keys, role, policy or address are wrong; blame application) and
    errors.QueueUnavailable (weather)."""

    async def receive(
        self, access: QueueAccess, *, wait_s: float, most: int = 10
    ) -> Sequence[QueueMessage]:
        """Up to ``most`` (10 at the highest) messages, waiting up to ``wait_s`` (20 at the
        highest) for the first: long polling. They stay in the queue, invisible to others for a
        while."""
        ...

    async def delete(self, access: QueueAccess, message: QueueMessage) -> None:
        """For good. One that is gone already is no error."""
        ...

    async def close(self) -> None: ...
