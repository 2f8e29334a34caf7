"""How the house is: LWA, mail, webhooks, limits, queue, workers, and today's feeds.

Answers for: gathering the figures and a verdict on each of them, in a sentence. Does not answer
for: numbers over time (metrics do), or for a machine's health check (the operations door).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from evergrant.errors import StoreUnavailable
from evergrant.feeds.kept import Kept
from evergrant.intake import need_everywhere
from evergrant.overview.values import Health, KindToday, LimitPulse
from evergrant.overview.verdicts import verdicts
from evergrant.ports import Clock
from evergrant.ports.boards import ApplicationPulse, Busy, Reach, TradeCount
from evergrant.ports.budgets import Budgets, Level
from evergrant.ports.pulse import Pulse, PulseSeen
from evergrant.ports.store import Store, Transaction
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.plans import read_bucket
from evergrant.rules.rights import Caller, Right

__all__ = ["HealthLook"]

DAY = timedelta(days=1)
#: LWA's silence is told every ten minutes while it lasts and somebody asks.
SILENT_FOR = timedelta(minutes=15)
#: Two lines in that time for each application, of very many.
_MOST_SILENCES = 1_000
#: So many accounts and operations that met a limit, or are about to, are shown.
MOST_LIMITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """Those that are counted over very many rows."""

    busy: Sequence[Busy]
    trade: Sequence[TradeCount]
    runs: int
    open_runs: int


class HealthLook:
    def __init__(
        self, *, store: Store, clock: Clock, budgets: Budgets | None, pulse: Pulse | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._budgets = budgets
        self._pulse = pulse
        self.figures = Kept(clock, self._figures)

    async def look(self, *, by: Caller) -> Health:
        need_everywhere(by, Right.READ)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            applications = await tx.boards.applications(now)
            mail = await tx.boards.mail(now)
            instances = await tx.boards.webhooks(now)
            silent = await _silent(tx, applications, now)
        figures = await self.figures.get()
        health = Health(
            at=now,
            applications=tuple(applications),
            silent=silent,
            mail=mail,
            instances=tuple(instances),
            limits=await self._limits(figures.busy),
            throttled=sum(one.throttled for one in figures.busy),
            kinds=_kinds(figures.trade),
            runs_today=figures.runs,
            runs_open=figures.open_runs,
            pulse=await self._queue(),
        )
        return replace(health, verdicts=verdicts(health))

    async def _figures(self, now: datetime) -> _Figures:
        reach = Reach()
        low = [] if self._budgets is None else await self._budgets.low(limit=MOST_LIMITS)
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        async with self._store.transaction() as tx:
            runs, open_runs = await tx.boards.runs(reach, since=midnight)
            return _Figures(
                busy=await tx.boards.busy(
                    reach, since=now - DAY, limit=2 * MOST_LIMITS, also=_drawn_by_accounts(low)
                ),
                trade=await tx.boards.trade(reach, settled_since=midnight),
                runs=runs,
                open_runs=open_runs,
            )

    async def _queue(self) -> PulseSeen | None:
        if self._pulse is None:
            return None
        try:
            return await self._pulse.look()
        except StoreUnavailable:
            return None

    async def _limits(self, busy: Sequence[Busy]) -> tuple[LimitPulse, ...]:
        levels: dict[tuple[str, str], Level] = {}
        if self._budgets is not None:
            for prefix in sorted({f"{one.application_id}/{one.account_id}/" for one in busy}):
                levels |= _lowest(await self._budgets.look(prefix))
        met = [_limit(one, levels.get((one.account_id, one.operation))) for one in busy]
        return tuple(sorted(met, key=lambda one: not one.is_near_its_end)[:MOST_LIMITS])


def _drawn_by_accounts(levels: Iterable[Level]) -> list[tuple[str, str]]:
    named = [read_bucket(level.bucket) for level in levels]
    return [(one.account_id, one.operation) for one in named if one and one.account_id]


def _lowest(levels: Iterable[Level]) -> Mapping[tuple[str, str], Level]:
    """By account and operation, the one of which the least is left."""
    found: dict[tuple[str, str], Level] = {}
    for level in levels:
        named = read_bucket(level.bucket)
        if named is None or named.account_id is None:
            continue
        key = (named.account_id, named.operation)
        if key not in found or level.left < found[key].left:
            found[key] = level
    return found


def _limit(one: Busy, level: Level | None) -> LimitPulse:
    return LimitPulse(
        account_id=one.account_id,
        account_name=one.account_name,
        operation=one.operation,
        calls=one.calls,
        waits=one.waits,
        waited_s=one.waited_ms / 1000,
        refused=one.refused,
        throttled=one.throttled,
        last_at=one.last_at,
        left=None if level is None else level.left,
        burst=None if level is None else level.plan.burst,
        waiting=0 if level is None else level.waiting,
    )


def _kinds(trade: Iterable[TradeCount]) -> tuple[KindToday, ...]:
    """All six, also those of which there is nothing."""
    counts: dict[ChangeKind, dict[ChangeState, int]] = {kind: {} for kind in ChangeKind}
    oldest: dict[ChangeKind, datetime] = {}
    for one in trade:
        counts[one.kind][one.state] = one.count
        if one.state is ChangeState.PENDING and one.oldest_at is not None:
            oldest[one.kind] = one.oldest_at
    return tuple(
        KindToday(kind=kind, counts=counts[kind], oldest_waiting_at=oldest.get(kind))
        for kind in ChangeKind
    )


async def _silent(
    tx: Transaction, applications: Iterable[ApplicationPulse], now: datetime
) -> Mapping[str, datetime]:
    """Applications for which LWA did not answer lately, and when that was."""
    known = {one.id for one in applications}
    lines = await tx.journal.read(
        verb="application.lwa_silent",
        since=now - SILENT_FOR,
        newest_first=True,
        limit=_MOST_SILENCES,
    )
    found: dict[str, datetime] = {}
    for line in lines:
        if line.subject in known and line.at > now - SILENT_FOR:
            found.setdefault(line.subject, line.at)
    return found
