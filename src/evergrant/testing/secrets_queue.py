"""A queue in memory.

Answers for: the contract of ``ports.secrets_queue``, with queues as SQS has them: what was received
is invisible for a while by the fake clock, comes again unless it was deleted, and a receipt of an
earlier time deletes nothing. Does not answer for: AWS, or for waiting (an empty queue says so at
once, whatever ``wait_s``: the clock stands still).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from evergrant.errors import EvergrantError, QueueRefused, QueueUnavailable
from evergrant.ports import Clock
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock

__all__ = ["MemorySecretsQueue"]

HIDDEN = timedelta(seconds=60)
_MOST = 10


@dataclass(slots=True)
class _Lying:
    id: str
    body: Secret
    visible_at: datetime
    receipt: str = field(default="", repr=False)
    times_received: int = 0


class MemorySecretsQueue:
    """``ports.SecretsQueue``. ``put`` is what Amazon does; ``refuse`` and ``fail`` say no until
    ``heal``, or so many times; ``waiting`` tells what still lies there; ``calls`` what was asked:
    ("receive" | "delete", application id)."""

    def __init__(self, clock: Clock | None = None, *, hidden: timedelta = HIDDEN) -> None:
        self.calls: list[tuple[str, str]] = []
        self.closed = False
        self._clock = clock or FakeClock()
        self._hidden = hidden
        self._queues: dict[str, list[_Lying]] = {}
        self._number = 0
        self._failure: Callable[[], EvergrantError] | None = None
        self._failing_url: str | None = None
        self._failures_left: int | None = None

    # --- what Amazon and AWS do ---

    def put(self, queue_url: str, body: str | Mapping[str, Any]) -> str:
        """A message arrives, as text or as what becomes JSON; gives its id."""
        self._number += 1
        text = body if isinstance(body, str) else json.dumps(body)
        one = _Lying(f"message-{self._number}", Secret(text), self._clock.now())
        self._queues.setdefault(queue_url, []).append(one)
        return one.id

    def waiting(self, queue_url: str) -> list[str]:
        """The ids of what was not deleted, whoever works on it."""
        return [one.id for one in self._queues.get(queue_url, ())]

    def refuse(
        self,
        message: str = "AWS refuses sqs:ReceiveMessage: AccessDenied",
        *,
        queue_url: str | None = None,
        times: int | None = None,
    ) -> None:
        """Keys, role, policy or address are wrong: of one queue, or of all."""
        self._fail(lambda: QueueRefused(message, hint="Look at the role."), queue_url, times)

    def fail(
        self,
        message: str = "AWS did not answer.",
        *,
        queue_url: str | None = None,
        times: int | None = None,
    ) -> None:
        """The weather."""
        self._fail(lambda: QueueUnavailable(message), queue_url, times)

    def heal(self) -> None:
        self._failure = None

    # --- the socket ---

    async def receive(
        self, access: QueueAccess, *, wait_s: float, most: int = _MOST
    ) -> Sequence[QueueMessage]:
        await self._asked("receive", access)
        now = self._clock.now()
        given: list[QueueMessage] = []
        for one in self._queues.get(access.queue_url, ()):
            if one.visible_at > now or len(given) >= max(1, min(_MOST, most)):
                continue
            one.visible_at = now + self._hidden
            one.times_received += 1
            self._number += 1
            one.receipt = f"receipt-{self._number}"
            given.append(
                QueueMessage(
                    id=one.id,
                    body=one.body,
                    receipt=one.receipt,
                    times_received=one.times_received,
                )
            )
        return tuple(given)

    async def delete(self, access: QueueAccess, message: QueueMessage) -> None:
        await self._asked("delete", access)
        queue = self._queues.get(access.queue_url, [])
        queue[:] = [one for one in queue if one.receipt != message.receipt]

    async def close(self) -> None:
        self.closed = True

    # --- inside ---

    def _fail(
        self, failure: Callable[[], EvergrantError], url: str | None, times: int | None
    ) -> None:
        self._failure, self._failing_url, self._failures_left = failure, url, times

    async def _asked(self, verb: str, access: QueueAccess) -> None:
        self.calls.append((verb, access.application_id))
        await asyncio.sleep(0)
        if self.closed:
            raise QueueUnavailable("This process is about to end.")
        if self._failure is None or self._failing_url not in (None, access.queue_url):
            return
        if self._failures_left is not None:
            if self._failures_left <= 0:
                return
            self._failures_left -= 1
        raise self._failure()
