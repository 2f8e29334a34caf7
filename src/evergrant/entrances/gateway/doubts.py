"""Access tokens that Amazon may have stopped taking, where nobody sees why a call was denied.

Answers for: when one is worth replacing after a 403. Does not answer for: getting a fresh one.

Amazon's 403 says only in its body whether the access token was at fault ("expired", "revoked,
malformed or invalid") or the application's roles, and nginx reads no bodies. So the first 403 of an
access token makes it doubtful and the account's next call takes a fresh one. Where the 403s go on,
it was not the access token, and each further try waits twice as long as the one before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from evergrant.calls.values import Leave
from evergrant.rules.secrecy import Secret

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "Doubts"]

FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 1_800.0
_MOST: Final = 10_000


@dataclass(slots=True)
class _Doubt:
    denied: Secret | None
    next_s: float | None = None  # before this second no other access token is doubted
    pause_s: float = FIRST_PAUSE_S


class Doubts:
    """Of one process. ``monotonic`` is for tests."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._accounts: dict[str, _Doubt] = {}

    def denied(self, leave: Leave) -> None:
        """Amazon answered 403 to this call."""
        if not leave.account_id or leave.restricted or leave.operation.scope is not None:
            return
        doubt = self._accounts.get(leave.account_id)
        if doubt is None:
            if len(self._accounts) >= _MOST:
                del self._accounts[next(iter(self._accounts))]
            self._accounts[leave.account_id] = _Doubt(leave.access_token)
        elif doubt.next_s is None or self._monotonic() >= doubt.next_s:
            doubt.denied = leave.access_token

    def about(self, leave: Leave) -> bool:
        """Whether this call should go with another access token. Says so once."""
        if not self._accounts:
            return False
        doubt = self._accounts.get(leave.account_id)
        if doubt is None or doubt.denied is None or doubt.denied != leave.access_token:
            return False
        now_s = self._monotonic()
        again = doubt.next_s is not None and now_s - doubt.next_s < LONGEST_PAUSE_S
        doubt.pause_s = min(doubt.pause_s * 2, LONGEST_PAUSE_S) if again else FIRST_PAUSE_S
        doubt.next_s = now_s + doubt.pause_s
        doubt.denied = None
        return True
