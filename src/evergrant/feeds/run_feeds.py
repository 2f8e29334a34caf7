"""Runs that are a feed, once its document lies at Amazon: createFeed, waiting, the report.

Answers for: these steps, each written down before the next act; a createFeed whose answer was lost;
and that a report is read to the end. Does not answer for: the document (``run_documents``), what a
report means (``rules.settling``), finding feeds that nobody here knows (``run_strangers``), or for
refunds that may have been paid already (``run_refunds``).

Source: Amazon's feeds 2021-06-30 model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

from evergrant import logs
from evergrant.feeds.kinds import ApiCall, FeedKind, FileKind
from evergrant.feeds.run_ground import Case, Heard, How, RunGround, post, sent_of, text_in, told_by
from evergrant.feeds.run_records import BATCH, Records, outcome_of, unusable
from evergrant.feeds.run_refunds import Refunds
from evergrant.feeds.run_reports import fetch_report
from evergrant.feeds.run_strangers import STRANGERS, Strangers
from evergrant.ports.traded import Outcome
from evergrant.rules import settling
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import (
    BEGIN_WITHIN,
    LOST_AFTER,
    MOST_SUBMISSIONS,
    UNKNOWN_FEED_AFTER,
    LostMeans,
    Path,
    RunStep,
    decide_lost,
    is_late,
    looked_through,
    next_look,
)
from evergrant.rules.processing_reports import ProcessingReport

__all__ = ["FeedRuns"]

_log = logs.logger(__name__)

_FEEDS = "/feeds/2021-06-30/feeds"
_DOCUMENTS = "/feeds/2021-06-30/documents"
_SOON = timedelta(minutes=1)
#: Tries of an upload, or of a fetched report, before it is given up for this time.
_MOST_UPLOADS = 8
_MOST_READS = 12
_MOST_PAGES = 20
#: After the model's 400 a fresh document is tried, once.
_FRESH = "fresh_document"
#: Amazon's feeds were looked through for good, of the asking at this instant.
_SOUGHT = "sought"
_NO_SUCH_FEED = "Amazon has no such feed."
_READING = timedelta(minutes=5)


class FeedRuns:
    """One per process."""

    def __init__(self, ground: RunGround, records: Records) -> None:
        self._ground = ground
        self._records = records
        self._refunds = Refunds(ground, records)
        self._strangers = Strangers(ground)

    # --- createFeed ---

    async def submit(self, case: Case, now: datetime) -> Case:
        """UPLOADED -> SUBMITTING -> SUBMITTED."""
        if case.run.tries >= MOST_SUBMISSIONS:
            return await self._not_there(case, "Amazon took it at none of the tries.")
        ground = self._ground.ground(case, now)
        feed = cast("FeedKind | FileKind", self._ground.kind(case))
        page = await self._ground.pages(case.run.id, 100)
        if not page:
            return await self._records.end(case, now, failed=True)
        body: dict[str, Any] = {
            "feedType": case.path.feed_type,
            "marketplaceIds": list(feed.marketplace_ids(ground, case.run)),
            "inputFeedDocumentId": case.run.document_id,
        }
        try:
            options = feed.options(ground, case.run, page)
        except Exception as mistake:  # noqa: BLE001 - a run that cannot be told would stay for ever
            _log.exception("a feed's options cannot be written", run_id=case.run.id)
            return await self._records.settle(
                case, [unusable(one, mistake) for one in page], now, next_at=now
            )
        if options:
            body["feedOptions"] = dict(options)
        if case.path.repeatable:
            return await self._send(case, body)
        async with self._ground.store.transaction() as tx:
            family = await self._ground.family(tx, case)
        # Of two whose answers are lost at once nobody could tell which feed is which.
        way = f"create-feed/{family[0]}/{case.run.path.value}"
        async with self._ground.store.exclusive(way):
            until = await self._lost_before(case, family)
            if until is not None:
                why = "An earlier feed of this kind is still being looked for."
                return await self._records.put_off(case, self._ground.now(), until, why)
            unknown = await self._strangers.before_first(case)
            if isinstance(unknown, Heard):
                return await self._records.unheard(case, unknown)
            if unknown:
                return await self._unknown(case, unknown)
            return await self._send(case, body)

    async def _unknown(self, case: Case, feed_ids: Sequence[str]) -> Case:
        """What Amazon did since is written down nowhere here: perhaps it did this as well."""
        why = (
            f"Amazon has {len(feed_ids)} feeds of this type of the last day that nobody here "
            "knows: another program sent them, or an older backup was restored. Nothing was sent "
            "now; look whether it was done before."
        )
        facts = {**case.run.facts, STRANGERS: list(feed_ids)}
        case = await self._records.move(case, self._ground.now(), facts=facts)
        case = await self._records.doubt_all(case, "unknown_feeds", why)
        return await self._records.end(case, self._ground.now(), failed=True, why=why)

    async def _lost_before(self, case: Case, family: Sequence[str]) -> datetime | None:
        """When another run on this path is looked for whose answer was lost."""
        async with self._ground.store.transaction() as tx:
            others = await tx.feed_runs.all(
                account_id=family,
                path=case.run.path,
                step=RunStep.SUBMITTING,
                ended_at=None,
            )
        lost = [run.next_at for run in others if run.id != case.run.id and run.next_at]
        soon = self._ground.now() + _SOON
        return max(*lost, soon) if lost else None

    async def _send(self, case: Case, body: Mapping[str, Any]) -> Case:
        now = self._ground.now()
        case = await self._records.move(
            case,
            now,
            step=RunStep.SUBMITTING,
            asked_at=now,
            tries=case.run.tries + 1,
            next_at=now + LOST_AFTER,
        )
        heard = await self._ground.ask(
            case,
            post(_FEEDS, body),
            kind=case.path.feed_type,
            begin_before=now + BEGIN_WITHIN,
        )
        now = self._ground.now()
        if heard.how is How.ANSWER:
            return await self._answered(case, heard, now)
        if heard.how is How.LOST:
            return await self._records.put_off(case, now, _lost_until(case, now), heard.said)
        # Amazon did certainly not take it: what is uploaded is good for two days.
        case = await self._records.move(
            case,
            now,
            step=RunStep.UPLOADED,
            asked_at=None,
            tries=case.run.tries - 1,
            next_at=now + heard.pause,
            last_error=heard.said,
        )
        return await self._records.unheard(case, heard, put_off=False)

    async def _answered(self, case: Case, heard: Heard, now: datetime) -> Case:
        if heard.body.status >= 300:
            return await self._refused(case, heard, now)
        feed_id = text_in(told_by(heard), "feedId")
        if not feed_id:
            why = "Amazon's answer to createFeed holds no feed id."
            return await self._records.put_off(case, now, _lost_until(case, now), why)
        if await self._is_known(case, feed_id):
            # Seen at Amazon: the id, and later the report, of an earlier feed.
            why = f"Amazon gave feed {feed_id}, which is that of an earlier run."
            return await self._records.put_off(case, now, _lost_until(case, now), why)
        return await self._submitted(case, feed_id, now, now)

    async def _submitted(
        self, case: Case, feed_id: str, at: datetime, now: datetime, *, guessed: bool = False
    ) -> Case:
        run = replace(case.run, submitted_at=at)
        facts = {**case.run.facts, "guessed": True} if guessed else case.run.facts
        return await self._records.submitted(
            case,
            now,
            step=RunStep.SUBMITTED,
            feed_id=feed_id,
            submitted_at=at,
            processing_status="",
            next_at=next_look(run, now),
            facts=facts,
            last_error="",
        )

    async def _refused(self, case: Case, heard: Heard, now: datetime) -> Case:
        """A 400 may be about the document; the second one is about what is in it."""
        if not case.run.facts.get(_FRESH):
            return await self._afresh(case, now, heard.said, **{_FRESH: True})
        code, _, message = heard.said.partition(" ")
        while page := await self._ground.pages(case.run.id, BATCH):
            outcomes = [
                Outcome(
                    change_id=one.id, state=ChangeState.REFUSED, code=code, message=message or code
                )
                for one in page
            ]
            case = await self._records.settle(case, outcomes, now)
        return await self._records.end(case, now, failed=True, why=heard.said)

    async def _afresh(self, case: Case, now: datetime, why: str, **facts: Any) -> Case:
        """From the beginning, with a document of its own."""
        return await self._records.move(
            case,
            now,
            step=RunStep.PLANNED,
            asked_at=None,
            document_id="",
            document_at=None,
            looks=0,
            next_at=now,
            last_error=why[:300],
            facts={**case.run.facts, **facts},
        )

    # --- a lost answer ---

    async def seek(self, case: Case, now: datetime) -> Case:
        """SUBMITTING, and nobody knows whether Amazon heard."""
        asked_at = case.run.asked_at or now
        lost = decide_lost(None, asked_at, now, case.path.repeatable)
        if lost.means is LostMeans.WAIT:
            return await self._records.put_off(case, now, lost.at or now, case.run.last_error)
        if case.run.facts.get(_SOUGHT) == asked_at.isoformat():
            return await self._unpaid(case, asked_at)
        span = looked_through(asked_at, case.path.repeatable)
        found = await self._strangers.of(case, *span)
        if isinstance(found, Heard):
            return await self._records.unheard(case, found)
        now = self._ground.now()
        lost = decide_lost(found, asked_at, now, case.path.repeatable)
        if lost.means is LostMeans.OURS:
            at = next(one.created_at for one in found if one.feed_id == lost.feed_id)
            return await self._submitted(case, lost.feed_id, min(at, now), now, guessed=True)
        if lost.means is LostMeans.WAIT:
            return await self._records.move(case, now, next_at=lost.at, looks=case.run.looks + 1)
        if lost.means is LostMeans.UNCERTAIN:
            why = (
                f"The answer to createFeed was lost, and Amazon has {len(found)} unknown feeds of "
                "around that time, of which any may be it."
            )
            case = await self._records.doubt_all(case, "answer_lost", why)
            return await self._records.end(case, now, failed=True, why=why)
        if case.run.tries >= MOST_SUBMISSIONS:
            return await self._not_there(case, "Amazon did not take it at any of the tries.")
        if case.run.path is Path.ADJUSTMENT_FEED:
            facts = {**case.run.facts, _SOUGHT: asked_at.isoformat()}
            case = await self._records.move(case, now, next_at=now, facts=facts)
            return await self._unpaid(case, asked_at)
        return await self._afresh(case, now, _NO_SUCH_FEED)

    async def _unpaid(self, case: Case, asked_at: datetime) -> Case:
        """Amazon has no such feed; its finances are looked at before it is sent again."""
        checked = await self._refunds.look(case, asked_at)
        if checked.heard is not None:
            return await self._records.unheard(checked.case, checked.heard)
        return await self._afresh(checked.case, self._ground.now(), _NO_SUCH_FEED)

    async def _not_there(self, case: Case, why: str) -> Case:
        case = await self._records.return_all(case, "not_taken", f"{why} {case.run.last_error}")
        return await self._records.end(case, self._ground.now(), failed=True, why=why)

    async def _is_known(self, case: Case, feed_id: str) -> bool:
        async with self._ground.store.transaction() as tx:
            ours = await tx.feed_runs.all(account_id=case.run.account_id, feed_id=feed_id)
        return any(run.id != case.run.id for run in ours)

    # --- waiting ---

    async def look(self, case: Case, now: datetime) -> Case:
        """SUBMITTED or PROCESSING: how far Amazon is."""
        run = case.run
        heard = await self._ground.ask(
            case, ApiCall(method="GET", path=f"{_FEEDS}/{quote(run.feed_id, safe='')}")
        )
        now = self._ground.now()
        late = is_late(run, now)
        if heard.how is How.NOT_SERVED:
            return await self._records.unheard(case, heard)
        if heard.how is How.ANSWER and heard.body.status >= 300:
            if run.submitted_at is not None and now < run.submitted_at + UNKNOWN_FEED_AFTER:
                return await self._records.look_again(case, now, late=late, said=heard.said)
            why = f"Amazon does not know feed {run.feed_id}: {heard.said}"
            case = await self._records.doubt_all(case, "feed_unknown", why)
            return await self._records.end(case, now, failed=True, why=why)
        if heard.how is not How.ANSWER:
            case = await self._records.look_again(case, now, late=late, said=heard.said)
            if heard.how is How.LATER and case.run.next_at is not None:
                soon = max(case.run.next_at, now + heard.pause)
                case = await self._records.put_off(case, now, soon, heard.said)
            return case
        told = told_by(heard)
        status = text_in(told, "processingStatus")
        if status in ("DONE", "FATAL", "CANCELLED"):
            return await self._records.move(
                case,
                now,
                step=RunStep.PROCESSING,
                processing_status=status,
                result_document_id=text_in(told, "resultFeedDocumentId"),
                next_at=now,
                last_error="",
            )
        return await self._records.look_again(
            case, now, late=late, step=RunStep.PROCESSING, processing_status=status
        )

    # --- the report ---

    async def read(self, case: Case, now: datetime) -> Case:
        """Amazon is done with it: each change comes to its end."""
        run = case.run
        report: ProcessingReport | None = None
        if run.result_document_id and run.processing_status != "CANCELLED":
            got = await fetch_report(self._ground, case)
            if isinstance(got, Heard):
                reads = int(run.facts.get("reads", 0))
                if got.how in (How.LATER, How.NOT_SENT):
                    return await self._records.put_off(
                        case, self._ground.now(), self._ground.now() + got.pause, got.said
                    )
                if got.how is How.NOT_SERVED or reads < _MOST_READS:
                    return await self._read_later(case, reads, got)
                report = ProcessingReport(readable=False, reason=f"no report came: {got.said}")
            else:
                report = got
        return await self._settle(case, report)

    async def _read_later(self, case: Case, reads: int, heard: Heard) -> Case:
        now = self._ground.now()
        counted = reads if heard.how is How.NOT_SERVED else reads + 1
        pause = min(_READING * 2 ** min(counted, 4), timedelta(hours=1))
        return await self._records.move(
            case,
            now,
            facts={**case.run.facts, "reads": counted},
            next_at=now + pause,
            last_error=heard.said,
        )

    async def _settle(self, case: Case, report: ProcessingReport | None) -> Case:
        run = case.run
        reckoning = settling.reckon(
            run.processing_status,
            report,
            messages=int(run.facts.get("messages", run.changes)),
            repeatable=case.path.repeatable,
            guessed=bool(run.facts.get("guessed")),
        )
        facts = {**run.facts, "report": _summary(report)}
        while page := await self._ground.pages(run.id, BATCH):
            now = self._ground.now()
            ends = reckoning.settle([sent_of(one) for one in page], now)
            case = await self._records.settle(
                case, [outcome_of(one) for one in ends], now, facts=facts
            )
        failed = run.processing_status != "DONE" or bool(report and report.fault)
        return await self._records.end(case, self._ground.now(), failed=failed, why=reckoning.words)


def _lost_until(case: Case, now: datetime) -> datetime:
    return (case.run.asked_at or now) + LOST_AFTER


def _summary(report: ProcessingReport | None) -> dict[str, Any]:
    """What a page shows of a report."""
    if report is None:
        return {}
    return {
        "readable": report.readable,
        "processed": report.processed,
        "accepted": report.accepted,
        "refused": report.refused,
        "warnings": sum(line.severity == "warning" for line in report.lines),
        "words": report.fault or report.reason,
    }
