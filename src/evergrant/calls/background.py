"""Work that nobody waits for.

Answers for: that it is not lost, that its errors are told, and that closing waits for it. Does not
answer for: what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from evergrant import logs
from evergrant.errors import EvergrantError

__all__ = ["Background"]

_log = logs.logger("evergrant.calls")


class Background:
    """One per process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, what: str, work: Callable[[], Awaitable[object]]) -> None:
        """``what`` names it in the log, should it fail."""
        task = asyncio.create_task(_told(what, work), name=f"gate: {what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, within_s: float) -> None:
        """Lets what is under way come to its end, for so long; then ends it."""
        tasks = list(self._tasks)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            _log.warning("cut off at closing", what=task.get_name())
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _told(what: str, work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except EvergrantError as error:
        _log.warning("in the background", what=what, error=error.code, message=error.message)
    except Exception as mistake:  # noqa: BLE001 - nobody else would ever hear of it
        _log.error("in the background", what=what, exc_info=mistake)
