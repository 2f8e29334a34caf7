"""Long polling: a request that waits until a message is there.

Answers for: waking as soon as one arrives or comes back into view, whoever brought it: a program, a
notification, the agenda, a lever that moved the clock. It waits in nobody's way, ends with the
emulator, with a reset and when the client goes, and gives up by real time, as the client counts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request

from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues.queues import Queue

__all__ = ["until"]

T = TypeVar("T")

# Nothing is announced when a lever moves the clock or when an instant of the agenda comes; who
# waits looks for himself that often.
LOOK_EVERY_S = 0.05


async def until(
    stage: Stage, request: Request, queue: Queue, seconds: float, look: Callable[[], T | None]
) -> T | None:
    """What ``look`` found, as soon as it finds something; None after the seconds or at an end."""
    found = look()
    if found is not None or seconds <= 0:
        return found
    arrived = asyncio.Event()
    queue.waiting[arrived] = None
    gone = asyncio.ensure_future(_gone(request))
    ends_at = asyncio.get_running_loop().time() + seconds
    try:
        while found is None and not gone.done():
            left = ends_at - asyncio.get_running_loop().time()
            if left <= 0:
                return None
            arrived.clear()
            waited = asyncio.ensure_future(_either(arrived, gone, min(left, LOOK_EVERY_S)))
            await stage.weather.hang("aws", waited)
            if not waited.done():
                # The emulator ends, or begins anew: nobody will bring anything any more.
                waited.cancel()
                return None
            stage.agenda.run(stage.clock.now())
            # One at a time, the longest waiting first; the others would find the same nothing.
            if not gone.done() and next(iter(queue.waiting)) is arrived:
                found = look()
    finally:
        queue.waiting.pop(arrived, None)
        if queue.waiting:
            next(iter(queue.waiting)).set()
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
    return found


async def _either(arrived: asyncio.Event, gone: asyncio.Future[Any], seconds: float) -> None:
    waiting: asyncio.Future[Any] = asyncio.ensure_future(arrived.wait())
    try:
        await asyncio.wait({waiting, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
