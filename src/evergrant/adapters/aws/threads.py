"""Threads for calls that block, which nobody has to wait for at the end.

Answers for: a bounded number of threads, and for giving up on them at once. Does not answer for:
what they do. ``asyncio.to_thread`` and its executors join their threads when the process ends, and
one that waits twenty seconds for a queue would hold it up that long.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Abandoned", "Threads"]

T = TypeVar("T")


class Threads:
    """Up to ``most`` at a time; further calls wait. ``close`` gives up on all of them."""

    def __init__(self, most: int, name: str) -> None:
        self._slots = asyncio.Semaphore(most)
        self._name = name
        self._waiting: set[asyncio.Future[Any]] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    async def run(self, work: Callable[[], T], *, timeout_s: float) -> T:
        """What ``work`` gives or raises. Raises TimeoutError when that takes longer, the time in
        line not counted, and Abandoned after ``close``; the thread goes on to its own end."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            self._slots.release()
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]

        def body() -> None:
            result: T | None = None
            failure: BaseException | None = None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  # it belongs to who waits
                failure = error
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:
                return  # the loop is gone, and with it everybody who waited

        if self._closed:
            self._slots.release()
            raise Abandoned
        threading.Thread(target=body, name=self._name, daemon=True).start()
        self._waiting.add(done)
        try:
            async with asyncio.timeout(timeout_s):
                return await done
        finally:
            self._waiting.discard(done)

    def close(self) -> None:
        self._closed = True
        for future in list(self._waiting):
            if not future.done():
                future.set_exception(Abandoned())


class Abandoned(Exception):
    """Closed while, or before, it was done."""
