"""Runs of single calls: each message of the run is one call, answered at once.

Answers for: making them several at a time, settling their answers a few at a time, and that a
process which was thought dead, and is not, stops: the run is taken anew before every ten calls, no
call is begun later than ten seconds after that, and nobody else takes the run within a minute. Does
not answer for: what a call looks like and what its answer says (``kinds``).

All of these may be told twice: they say how a thing is to be, or edit the same package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import cast

from evergrant import logs
from evergrant.feeds.kinds import CallKind, Ground, LookingKind, Reading
from evergrant.feeds.run_ground import Case, Heard, How, RunGround, sent_of
from evergrant.feeds.run_records import DENIED_BEFORE, Records, outcome_of, unusable
from evergrant.ports.traded import Change, Outcome
from evergrant.rules.feedruns import CALLS_LEASE, RunStep
from evergrant.rules.settling import returned

__all__ = ["CallRuns"]

_log = logs.logger(__name__)

#: Messages between two lines of the run in the store.
CALLS_PER_LINE = 10
AT_ONCE = 5
#: No call is begun later after the run was taken.
FRESH = timedelta(seconds=10)
#: One turn; what is left goes on in the next one, so that other work of the account has its turn.
LONGEST_TURN = timedelta(seconds=20)


@dataclass(slots=True)
class _Told:
    """What came of some calls."""

    outcomes: list[Outcome] = field(default_factory=list)
    stop: Heard | None = None  # a limit or a denial: no more calls


class CallRuns:
    """One per process."""

    def __init__(self, ground: RunGround, records: Records) -> None:
        self._ground = ground
        self._records = records

    async def call(self, case: Case, now: datetime) -> Case:
        """PLANNED or PROCESSING, until all calls are made, a limit is met, or the turn is over."""
        until = now + LONGEST_TURN
        if case.run.step is RunStep.PLANNED:
            denied_until = await self._records.denied_until(case, now)
            if denied_until is not None:
                return await self._records.back(case, now, DENIED_BEFORE, at=denied_until)
            case = await self._records.submitted(
                case, now, step=RunStep.PROCESSING, submitted_at=now, next_at=now + CALLS_LEASE
            )
        else:
            case = await self._records.move(case, now, next_at=now + CALLS_LEASE)
        while True:
            page = await self._ground.pages(case.run.id, CALLS_PER_LINE)
            if not page:
                return await self._records.end(case, self._ground.now())
            told = await self._called(case, page)
            now = self._ground.now()
            stop = told.stop
            if stop is not None and stop.how in (How.DENIED, How.NOT_SERVED):
                case = await self._records.settle(case, told.outcomes, now)
                if stop.how is How.DENIED:
                    return await self._records.deny(case, now, stop.said)
                return await self._records.unserved(case, now, stop.said)
            if stop is not None:
                return await self._records.settle(
                    case, told.outcomes, now, next_at=now + stop.pause, last_error=stop.said
                )
            if now >= until:
                return await self._records.settle(
                    case, told.outcomes, now, next_at=now, last_error=""
                )
            case = await self._records.settle(
                case, told.outcomes, now, next_at=now + CALLS_LEASE, last_error=""
            )

    async def _called(self, case: Case, page: Sequence[Change]) -> _Told:
        """What the run was just taken for. Calls that were not begun in time are left."""
        began = case.run.changed_at
        ground = self._ground.ground(case, self._ground.now())
        told = _Told()
        room = asyncio.Semaphore(AT_ONCE)

        async def one(changes: list[Change]) -> None:
            async with room:
                if told.stop is None and self._ground.now() < began + FRESH:
                    await self._one(case, ground, changes, told)

        groups = [list(some) for _, some in groupby(page, key=lambda change: change.message_id)]
        ends = await asyncio.gather(*(one(changes) for changes in groups), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end
        return told

    async def _one(self, case: Case, ground: Ground, changes: list[Change], told: _Told) -> None:
        kind = cast("CallKind", self._ground.kind(case))
        try:
            call = kind.call(ground, case.run, changes)
        except Exception as mistake:  # noqa: BLE001 - it holds up none of the others
            _log.exception("a change cannot be written", run_id=case.run.id)
            told.outcomes += [unusable(change, mistake) for change in changes]
            return
        # Whoever takes the run over after its lease must not be overtaken by an older value.
        until = case.run.changed_at + CALLS_LEASE / 2
        heard = await self._ground.ask(case, call, begin_before=until)
        if heard.how is How.ANSWER:
            reading = kind.read(ground, changes, heard.body)
            if reading.look and isinstance(kind, LookingKind):
                looked = await self._ground.ask(case, kind.look(ground, changes))
                if looked.how is How.ANSWER:
                    reading = kind.looked(ground, changes, looked.body, reading.said)
                elif looked.how in (How.LATER, How.NOT_SENT):
                    told.stop = looked
                    return
        if heard.how is How.ANSWER:
            self._heed(reading, changes, told)
        elif heard.how is How.NOT_SENT and heard.error is not None:
            told.outcomes += [unusable(change, heard.error) for change in changes]
        elif heard.how is How.LOST:
            told.outcomes += self._again(changes, heard.said)
        else:
            told.stop = heard

    def _heed(self, reading: Reading, changes: Sequence[Change], told: _Told) -> None:
        ends = {outcome.change_id for outcome in reading.outcomes}
        told.outcomes += reading.outcomes
        told.outcomes += self._again(
            [one for one in changes if one.id not in ends],
            reading.said or "Amazon's answer says nothing about it.",
        )

    def _again(self, changes: Sequence[Change], said: str) -> list[Outcome]:
        now = self._ground.now()
        return [
            outcome_of(returned(sent_of(one), now, code="no_answer", message=said))
            for one in changes
        ]
