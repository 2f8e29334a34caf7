"""Counts of calls: by the hour for the store, and since the start for whoever scrapes.

Answers for: adding one call up in memory, on the way of every call, and for writing the hours of
all accounts down together every few seconds and at the end. Does not answer for: reading them back
(the room), or for how they look to Prometheus (the operations door).

Counts are figures, not facts: what was in memory when a process was killed is lost. Nothing else
is: a write that is refused is tried again with the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar

from evergrant.errors import StoreUnavailable
from evergrant.limits.causes import THROTTLED, cause_of
from evergrant.logs import logger
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.ports.things import CallCount

__all__ = [
    "BOUNDS_S",
    "FLUSH_EVERY_S",
    "OTHER",
    "Counts",
    "OfAccount",
    "Spans",
    "Tally",
    "hour_of",
]

log = logger(__name__)

K = TypeVar("K")

#: Seconds between two writes.
FLUSH_EVERY_S = 3.0
#: So many rows go into one statement.
AT_ONCE = 1000
#: So many hours of accounts wait in memory at most; a store that is away for long costs counts,
#: not the process its memory.
MOST_WAITING = 100_000
#: Upper bounds of the places that spans are sorted into, in seconds.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

#: So many pairs of account and operation are told apart since the start; the rest goes under
#: this name, as an account.
MOST_PAIRS = 20_000
OTHER = "other"
NOTHING: Mapping[str, int] = MappingProxyType({})

_Key = tuple[str, str, int]  # account, operation, hour since 1970


class _Hour:
    """One row to be: plain numbers, as it is written to by every call."""

    __slots__ = ("calls", "errors", "last_s", "refused", "throttled", "waited_ms", "waits")

    def __init__(self) -> None:
        self.calls = self.waits = self.refused = self.throttled = 0
        self.waited_ms = 0.0
        self.errors: dict[str, int] = {}
        self.last_s = 0.0


class OfAccount:
    """One account and operation since the process began."""

    __slots__ = ("calls", "errors", "refused", "throttled", "waits")

    def __init__(self) -> None:
        self.calls = self.waits = self.refused = self.throttled = 0
        self.errors: Mapping[str, int] = NOTHING  # most never have any


@dataclass(slots=True)
class Spans:
    """How long calls took: how many in each place, one more than there are bounds."""

    places: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.places[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds


@dataclass(slots=True)
class Tally:
    """All that was counted since the process began. Read it, never write it.

    ``calls`` by (operation, region, outcome): ``ok`` or a word of `causes`; ``refused`` and
    ``throttled`` by (operation, region); ``spans`` by operation: for a permit, and for Amazon's
    answer; ``accounts`` by (account, operation)."""

    calls: dict[tuple[str, str, str], int] = field(default_factory=dict)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    throttled: dict[tuple[str, str], int] = field(default_factory=dict)
    spans: dict[str, tuple[Spans, Spans]] = field(default_factory=dict)
    accounts: dict[tuple[str, str], OfAccount] = field(default_factory=dict)


class Counts:
    """``note_*`` neither wait nor raise."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.tally = Tally()
        self._hours: dict[_Key, _Hour] = {}
        self._writing = asyncio.Lock()
        self._flushing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._lost = 0

    def note_call(
        self,
        account_id: str,
        operation: str,
        region: str,
        *,
        status: int | None,
        error: str,
        took_s: float,
        waited_s: float,
    ) -> None:
        cause = cause_of(status, error)
        hour, of_account = self._places(account_id, operation)
        hour.calls += 1
        of_account.calls += 1
        if waited_s > 0:
            hour.waits += 1
            hour.waited_ms += waited_s * 1000
            of_account.waits += 1
        if cause == THROTTLED:
            hour.throttled += 1
            of_account.throttled += 1
            _add(self.tally.throttled, (operation, region))
        elif cause:
            _add(hour.errors, cause)
            of_account.errors = {**of_account.errors, cause: of_account.errors.get(cause, 0) + 1}
        _add(self.tally.calls, (operation, region, cause or "ok"))
        spans = self.tally.spans.get(operation)
        if spans is None:
            spans = self.tally.spans[operation] = (Spans(), Spans())
        spans[0].add(waited_s)
        spans[1].add(took_s)

    def note_refused(self, account_id: str, operation: str, region: str) -> None:
        hour, of_account = self._places(account_id, operation)
        hour.refused += 1
        of_account.refused += 1
        _add(self.tally.refused, (operation, region))

    async def flush(self) -> None:
        """Writes down what was counted until now. Raises StoreUnavailable; then it waits on."""
        async with self._writing:
            hours, self._hours = self._hours, {}
            rows = [_row(key, hour) for key, hour in hours.items()]
            try:
                while rows:
                    async with self._store.transaction() as tx:
                        await tx.call_counts.add_up(rows[:AT_ONCE])
                    for key in list(hours)[:AT_ONCE]:
                        del hours[key]
                    del rows[:AT_ONCE]
            finally:
                self._keep(hours)

    async def close(self) -> None:
        """Writes down the rest. Never raises: what cannot be written is told in the log."""
        self._closing.set()
        if self._flushing is not None:
            # Not cancelled: a write under way would be told of as unwritten, and counted twice.
            await self._flushing
        await self._flush_or_tell()
        if self._hours:
            log.error("counts of calls were lost", rows=len(self._hours))

    # --- what stands behind the verbs ---

    def _places(self, account_id: str, operation: str) -> tuple[_Hour, OfAccount]:
        now_s = self._clock.now().timestamp()
        key = (account_id, operation, int(now_s // 3600))
        hour = self._hours.get(key)
        if hour is None:
            hour = self._hours[key] = _Hour()
            self._ensure_flushing()
        hour.last_s = now_s
        name = (account_id, operation)
        of_account = self.tally.accounts.get(name)
        if of_account is None:
            if len(self.tally.accounts) >= MOST_PAIRS:
                name = (OTHER, OTHER)
            of_account = self.tally.accounts.setdefault(name, OfAccount())
        return hour, of_account

    def _keep(self, unwritten: dict[_Key, _Hour]) -> None:
        """What was not written waits again, together with what was counted meanwhile."""
        for key, former in unwritten.items():
            hour = self._hours.get(key)
            if hour is not None:
                _merge(hour, former)
            elif len(self._hours) < MOST_WAITING:
                self._hours[key] = former
            else:
                self._lost += 1

    def _ensure_flushing(self) -> None:
        if self._closing.is_set() or (self._flushing is not None and not self._flushing.done()):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # nobody's loop runs: whoever counts without one flushes by hand
        self._flushing = loop.create_task(self._flush_while_counting(), name="counts of calls")

    async def _flush_while_counting(self) -> None:
        """Ends when there is nothing left to write; the next count begins it anew."""
        while self._hours and not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY_S):
                    await self._closing.wait()
            await self._flush_or_tell()

    async def _flush_or_tell(self) -> None:
        try:
            await self.flush()
        except StoreUnavailable as error:
            log.warning("counts of calls wait for the database", error=str(error))
        except Exception:
            log.exception("counts of calls could not be written")
        if self._lost:
            log.error("counts of calls were lost", rows=self._lost)
            self._lost = 0


def hour_of(instant: datetime) -> datetime:
    """The beginning of its hour, in UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _add(numbers: dict[K, int], key: K) -> None:
    numbers[key] = numbers.get(key, 0) + 1


def _merge(into: _Hour, other: _Hour) -> None:
    into.calls += other.calls
    into.waits += other.waits
    into.waited_ms += other.waited_ms
    into.refused += other.refused
    into.throttled += other.throttled
    for cause, number in other.errors.items():
        into.errors[cause] = into.errors.get(cause, 0) + number
    into.last_s = max(into.last_s, other.last_s)


def _row(key: _Key, hour: _Hour) -> CallCount:
    account_id, operation, number = key
    hour_at = datetime.fromtimestamp(number * 3600, UTC)
    return CallCount(
        id=f"{account_id}/{operation}/{hour_at:%Y-%m-%dT%H}",
        account_id=account_id,
        operation=operation,
        hour_at=hour_at,
        calls=hour.calls,
        waits=hour.waits,
        waited_ms=round(hour.waited_ms),
        refused=hour.refused,
        throttled=hour.throttled,
        errors=dict(hour.errors),
        last_at=datetime.fromtimestamp(hour.last_s, UTC),
    )
