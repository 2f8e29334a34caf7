"""What tells one batch from another: digests of its lines and of its idempotency key.

Answers for: the same digest for the same lines, however they were written down. Does not answer
for: what a digest that is known means (``intake``).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from evergrant.errors import Flaw, InvalidInput
from evergrant.feeds.taken import Line
from evergrant.rules.wishes import Refused

__all__ = ["STRIDE", "digest_of", "digest_of_key"]

#: After so many lines somebody else has a turn: the same loop serves everybody.
STRIDE = 100


def digest_of_key(idempotency_key: str) -> str | None:
    """None without one."""
    if not idempotency_key:
        return None
    return hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()


async def digest_of(lines: Sequence[Line]) -> str:
    """Raises InvalidInput: a line is nested more deeply than can be written down again."""
    found = hashlib.sha256()
    for number, line in enumerate(lines):
        if number % STRIDE == 0:
            await asyncio.sleep(0)
        said = [str(line), line.given] if isinstance(line, Refused) else line
        try:
            found.update(json.dumps(said, sort_keys=True, default=_of_bytes).encode())
        except RecursionError:
            flaw = Flaw("is nested too deeply.", field=f"changes[{number}]", code="unreadable")
            raise InvalidInput(flaws=[flaw]) from None
        found.update(b"\n")
    return found.hexdigest()


def _of_bytes(value: Any) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else str(value)
