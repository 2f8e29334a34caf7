"""One errand per name at a time; whoever comes while it runs shares its end.

Answers for: callers that leave without ending the errand, and for a herd that costs one errand.
Does not answer for: other processes; the store's lock does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from evergrant.errors import EvergrantError

__all__ = ["Flights", "Pauses"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Landed(Generic[T]):
    """How it ended. An error is a value here, so that no traceback is shared or lost."""

    value: T | None
    error: EvergrantError | None


class Flights(Generic[T]):
    """Errands under way in this process, at most ``at_once`` of them working."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._under_way: dict[str, asyncio.Task[_Landed[T]]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def join(self, name: str, errand: Callable[[], Awaitable[T]]) -> T:
        """The end of the errand of that name: the one under way, else this one. A caller that is
        cancelled leaves it flying for the others."""
        landed = await asyncio.shield(self.start(name, errand))
        if landed.error is not None:
            raise landed.error.with_traceback(None)
        assert landed.value is not None
        return landed.value

    def start(self, name: str, errand: Callable[[], Awaitable[T]]) -> asyncio.Task[_Landed[T]]:
        """Sets it going and waits for nothing."""
        flight = self._under_way.get(name)
        if flight is None:
            flight = asyncio.create_task(self._fly(name, errand), name=f"flight {name}")
            self._under_way[name] = flight
            flight.add_done_callback(_look)
        return flight

    async def close(self, within_s: float) -> None:
        """Lets what is under way come to its end, for so long; then ends it."""
        flights = list(self._under_way.values())
        if flights:
            _, late = await asyncio.wait(flights, timeout=within_s)
            for flight in late:
                flight.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _fly(self, name: str, errand: Callable[[], Awaitable[T]]) -> _Landed[T]:
        try:
            async with self._slots:
                return _Landed(await errand(), None)
        except EvergrantError as error:
            return _Landed(None, error)
        finally:
            del self._under_way[name]


def _look(flight: asyncio.Task[_Landed[T]]) -> None:
    """A mistake of ours in an errand that nobody waits for is still told by the loop."""
    if not flight.cancelled() and (mistake := flight.exception()) is not None:
        flight.get_loop().call_exception_handler(
            {"message": f"{flight.get_name()} failed", "exception": mistake, "task": flight}
        )


@dataclass(frozen=True, slots=True)
class _Pause:
    failures: int
    until_s: float
    error: EvergrantError


class Pauses:
    """After weather, nobody is sent out again for a moment: a storm is not made worse by us."""

    LADDER_S = (0.5, 1.0, 2.0, 5.0)
    MOST = 10_000

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._pauses: dict[str, _Pause] = {}

    def check(self, name: str) -> None:
        """Raises the weather that was met, as long as its pause lasts."""
        pause = self._pauses.get(name)
        if pause is not None and self._monotonic() < pause.until_s:
            raise pause.error.with_traceback(None)

    def lasts(self, name: str) -> bool:
        pause = self._pauses.get(name)
        return pause is not None and self._monotonic() < pause.until_s

    def begin(self, name: str, error: EvergrantError) -> None:
        before = self._pauses.pop(name, None)
        failures = 1 + (before.failures if before else 0)
        span_s = self.LADDER_S[min(failures, len(self.LADDER_S)) - 1]
        while len(self._pauses) >= self.MOST:
            del self._pauses[next(iter(self._pauses))]
        self._pauses[name] = _Pause(failures, self._monotonic() + span_s, error)

    def end(self, name: str) -> None:
        self._pauses.pop(name, None)
