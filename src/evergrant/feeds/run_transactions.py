"""Runs of vendors: one submission, whose transaction is looked at until it ends.

Answers for: these steps, each written down before the next act; a submission whose answer was lost,
which is sent again with the same identifiers, so that Amazon's "duplicate" means that it has it;
and a transaction that Amazon names no end of. Does not answer for: the text of submissions and what
transactions say (``kinds``).

Source: Amazon's vendor models: a submission answers 202 with a transaction id; the vendor guides
allow 15 minutes (retail) or 30 (direct fulfillment).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from evergrant.feeds.kinds import Looked, TransactionKind
from evergrant.feeds.run_ground import Case, Heard, How, RunGround, sent_of
from evergrant.feeds.run_records import DENIED_BEFORE, Records, outcome_of, unusable
from evergrant.ports.traded import Change, Outcome
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import (
    BEGIN_WITHIN,
    LOST_AFTER,
    MOST_SUBMISSIONS,
    UNKNOWN_FEED_AFTER,
    RunStep,
    next_look,
    presumed_at,
)
from evergrant.rules.settling import is_already_there, presumed
from evergrant.rules.wishes.vendors import ASKED_BEFORE

__all__ = ["TransactionRuns"]

#: More than any run of these holds.
_ALL = 5_000
_LATER = timedelta(minutes=5)
_NOT_SERVED = timedelta(minutes=30)


class TransactionRuns:
    """One per process."""

    def __init__(self, ground: RunGround, records: Records) -> None:
        self._ground = ground
        self._records = records

    async def submit(self, case: Case, now: datetime) -> Case:
        """PLANNED -> SUBMITTING -> SUBMITTED."""
        if case.run.tries == 0:
            denied_until = await self._records.denied_until(case, now)
            if denied_until is not None:
                return await self._records.back(case, now, DENIED_BEFORE, at=denied_until)
        changes = await self._ground.pages(case.run.id, _ALL)
        if not changes:
            return await self._records.end(case, now, failed=True)
        if case.run.tries >= MOST_SUBMISSIONS:
            return await self._given_up(case)
        kind = self._kind(case)
        call = kind.submission(self._ground.ground(case, now), case.run, changes)
        case = await self._records.move(
            case,
            now,
            step=RunStep.SUBMITTING,
            asked_at=now,
            tries=case.run.tries + 1,
            next_at=now + LOST_AFTER,
        )
        heard = await self._ground.ask(case, call, begin_before=now + BEGIN_WITHIN)
        now = self._ground.now()
        if heard.how is How.LOST:
            return await self._lost(case, now, heard.said)
        if heard.how is How.NOT_SENT and heard.error is not None:
            ends = [unusable(one, heard.error) for one in changes]
            case = await self._records.settle(case, ends, now)
            return await self._records.end(case, now, failed=True, why=heard.said)
        if heard.how is not How.ANSWER:
            return await self._not_taken(case, now, heard)
        if heard.body.status >= 300:
            return await self._refused(case, now, changes, heard)
        transaction_id = kind.transaction_id(heard.body)
        if not transaction_id:
            return await self._lost(case, now, "Amazon's answer names no transaction.")
        return await self._records.submitted(
            case,
            now,
            step=RunStep.SUBMITTED,
            feed_id=transaction_id,
            submitted_at=now,
            processing_status="",
            next_at=next_look(replace(case.run, submitted_at=now), now),
            last_error="",
        )

    async def seek(self, case: Case, now: datetime) -> Case:
        """SUBMITTING, and nobody knows whether Amazon heard: the same again, once the first one is
        certainly not on its way any more."""
        again_at = (case.run.asked_at or now) + LOST_AFTER
        if now < again_at:
            return await self._records.put_off(case, now, again_at, case.run.last_error)
        return await self._records.move(
            case,
            now,
            step=RunStep.PLANNED,
            asked_at=None,
            next_at=now,
            facts={**case.run.facts, "lost": True},
        )

    async def look(self, case: Case, now: datetime) -> Case:
        """SUBMITTED or PROCESSING: what became of the transaction."""
        run, kind = case.run, self._kind(case)
        ground = self._ground.ground(case, now)
        heard = await self._ground.ask(case, kind.look(ground, run))
        now = self._ground.now()
        if heard.how is not How.ANSWER:
            case = await self._records.look_again(case, now, late=False, said=heard.said)
            pause = _NOT_SERVED if heard.how is How.NOT_SERVED else heard.pause
            if heard.how in (How.LATER, How.NOT_SERVED) and case.run.next_at is not None:
                soon = max(case.run.next_at, now + pause)
                case = await self._records.put_off(case, now, soon, heard.said)
            return case
        if heard.body.status >= 300:
            if run.submitted_at is not None and now < run.submitted_at + UNKNOWN_FEED_AFTER:
                return await self._records.look_again(case, now, late=False, said=heard.said)
            why = f"Amazon does not know transaction {run.feed_id}: {heard.said}"
            case = await self._records.doubt_all(case, "transaction_unknown", why)
            return await self._records.end(case, now, failed=True, why=why)
        changes = await self._ground.pages(run.id, _ALL)
        looked = kind.looked(ground, run, changes, heard.body)
        if looked.over:
            return await self._over(case, now, changes, looked)
        presumed_from = presumed_at(run)
        if presumed_from is not None and now >= presumed_from:
            ends = [outcome_of(presumed(sent_of(one))) for one in changes]
            case = await self._records.settle(case, ends, now, processing_status=looked.status)
            return await self._records.end(case, now)
        return await self._records.look_again(
            case, now, late=False, step=RunStep.PROCESSING, processing_status=looked.status
        )

    # --- inside ---

    def _kind(self, case: Case) -> TransactionKind:
        return cast("TransactionKind", self._ground.kind(case))

    async def _over(
        self, case: Case, now: datetime, changes: Sequence[Change], looked: Looked
    ) -> Case:
        mine = {one.id for one in changes}
        outcomes = [one for one in looked.outcomes if one.change_id in mine]
        case = await self._records.settle(case, outcomes, now, processing_status=looked.status)
        told = "Amazon's transaction ended and does not say what became of it."
        case = await self._records.doubt_all(case, "not_told", told)
        return await self._records.end(case, self._ground.now())

    def _heeded(
        self, case: Case, changes: Sequence[Change], outcomes: Sequence[Outcome]
    ) -> list[Outcome]:
        """After a lost answer "duplicate" means that the first one was heard; and what goes back to
        wait keeps it in mind."""
        mine = {one.id for one in changes}
        told = [one for one in outcomes if one.change_id in mine]
        if not case.run.facts.get("lost"):
            return told
        heeded = []
        for one in told:
            if one.state is ChangeState.REFUSED and is_already_there(one.code, one.message):
                one = replace(one, state=ChangeState.ACCEPTED)
            elif one.state is ChangeState.PENDING and not one.attribute:
                one = replace(one, attribute=ASKED_BEFORE)
            heeded.append(one)
        return heeded

    async def _lost(self, case: Case, now: datetime, said: str) -> Case:
        return await self._records.move(
            case,
            now,
            next_at=(case.run.asked_at or now) + LOST_AFTER,
            last_error=said[:300],
            facts={**case.run.facts, "lost": True},
        )

    async def _not_taken(self, case: Case, now: datetime, heard: Heard) -> Case:
        """A limit, or something that says nothing about the submission."""
        case = await self._records.move(
            case,
            now,
            step=RunStep.PLANNED,
            asked_at=None,
            tries=case.run.tries - 1,
            next_at=now + heard.pause,
            last_error=heard.said,
        )
        if heard.how is How.DENIED:
            return await self._denied(case, now, heard.said)
        if heard.how is How.NOT_SERVED:
            return await self._denied(case, now, heard.said, told=False)
        return case

    async def _denied(self, case: Case, now: datetime, said: str, *, told: bool = True) -> Case:
        """What Amazon may have from a lost try is not simply sent again some day."""
        if case.run.facts.get("lost") and not case.path.repeatable:
            return await self._records.put_off(case, now, now + _NOT_SERVED, said)
        if told:
            return await self._records.deny(case, now, said)
        return await self._records.unserved(case, now, said)

    async def _refused(
        self, case: Case, now: datetime, changes: Sequence[Change], heard: Heard
    ) -> Case:
        reading = self._kind(case).refused(changes, heard.body)
        if reading.again or not reading.outcomes:
            return await self._records.move(
                case,
                now,
                step=RunStep.PLANNED,
                asked_at=None,
                next_at=now + _LATER,
                last_error=heard.said,
            )
        outcomes = self._heeded(case, changes, reading.outcomes)
        case = await self._records.settle(case, outcomes, now)
        why = "Amazon refused the submission and does not say what is wrong with this."
        case = await self._records.return_all(case, "not_told", why)
        return await self._records.end(case, now, failed=True, why=heard.said)

    async def _given_up(self, case: Case) -> Case:
        why = f"It was submitted {case.run.tries} times without an answer. {case.run.last_error}"
        if case.run.facts.get("lost"):
            case = await self._records.doubt_all(case, "answer_lost", why)
        else:
            case = await self._records.return_all(case, "not_taken", why)
        return await self._records.end(case, self._ground.now(), failed=True, why=why)
