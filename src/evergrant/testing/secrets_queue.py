"""A queue in memory.

Answers for: the contract of ``ports.secrets_queue``. Does not answer for: AWS.
"""

from __future__ import annotations

from collections.abc import Sequence

from evergrant.ports.secrets_queue import QueueAccess, QueueMessage

__all__ = ["MemorySecretsQueue"]


class MemorySecretsQueue:
    """``ports.SecretsQueue``."""

    async def receive(
        self, access: QueueAccess, *, wait_s: float, most: int = 10
    ) -> Sequence[QueueMessage]:
        return ()

    async def delete(self, access: QueueAccess, message: QueueMessage) -> None:
        return None

    async def close(self) -> None:
        return None
