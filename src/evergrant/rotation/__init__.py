"""THE LOCKSMITH. New client secrets for applications, before the old ones die.

Answers for: asking Amazon for a new client secret, receiving it from the queue, trying it,
promoting it, and for never losing the last one that works. Does not answer for: reminders of a
secret's end (the clock tower), or for how a queue is read (the socket).
"""

from __future__ import annotations

from datetime import timedelta

from evergrant.calls import Calls
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LWA
from evergrant.ports.secrets_queue import SecretsQueue
from evergrant.ports.store import Store
from evergrant.registry import Registry
from evergrant.vault import Vault

__all__ = ["Rotations"]


class Rotations:
    """One per process."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        registry: Registry,
        lwa: LWA,
        calls: Calls,
        queue: SecretsQueue,
        bell: Bell,
        ahead: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._registry = registry
        self._lwa = lwa
        self._calls = calls
        self._queue = queue
        self._bell = bell
        self._ahead = ahead
