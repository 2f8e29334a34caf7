"""The pipe to AWS: the queue in which Amazon leaves new client secrets.

Answers for: SQS and STS by boto3, which is an extra. Does not answer for: what a message says.
"""

from __future__ import annotations

from collections.abc import Sequence

from evergrant.errors import Misconfigured
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage

__all__ = ["SqsSecretsQueue"]


class SqsSecretsQueue:
    """``ports.SecretsQueue`` over HTTPS. ``aws_url``: where an emulated AWS answers."""

    def __init__(self, *, aws_url: str | None, timeout_s: float, user_agent: str) -> None:
        self._aws_url = aws_url
        self._timeout_s = timeout_s
        self._user_agent = user_agent

    async def receive(
        self, access: QueueAccess, *, wait_s: float, most: int = 10
    ) -> Sequence[QueueMessage]:
        raise Misconfigured("EVERGRANT_AWS_URL", "the queue is not built yet.")

    async def delete(self, access: QueueAccess, message: QueueMessage) -> None:
        raise Misconfigured("EVERGRANT_AWS_URL", "the queue is not built yet.")

    async def close(self) -> None:
        return None
