"""Waits for a database that is away, with something in hand that exists nowhere else.

Answers for: trying a write again while it is refused for no other reason. Does not answer for: what
may be written twice; whoever asks for patience has seen to that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from evergrant.errors import StoreUnavailable

__all__ = ["patiently"]

T = TypeVar("T")


async def patiently(write: Callable[[], Awaitable[T]], pauses_s: Sequence[float]) -> T:
    """What ``write`` gives. After each StoreUnavailable comes the next pause; after the last one
    it is raised. Any other error is raised at once."""
    for pause_s in pauses_s:
        try:
            return await write()
        except StoreUnavailable:
            await asyncio.sleep(pause_s)
    return await write()
