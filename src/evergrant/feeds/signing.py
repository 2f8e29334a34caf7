"""Whether the team lead has signed what an account's work waits for.

Answers for: the question alone. Does not answer for: the values that were signed, or for the
signatures (``looked_at``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["SignedOff"]


class SignedOff(Protocol):
    async def unsigned(self, application_id: str, client_instance_id: str) -> Sequence[str]:
        """Items of the list that a person decides on and nobody has signed as they are now: of the
        house, of this application, of this client instance. Raises StoreUnavailable."""
        ...
