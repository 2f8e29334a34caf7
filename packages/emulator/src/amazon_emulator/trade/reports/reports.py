"""Reports: what was asked for, its statuses over time, schedules that ask by themselves.

Answers for: IN_QUEUE, IN_PROGRESS and an end by the emulator's clock, CANCELLED where there is
nothing to report, schedules by their periods (Amazon's reports_2021-06-30 model), and what tests
decide. What stands in a report is in `contents`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.feeds.results import account_id
from amazon_emulator.trade.pace import Paces
from amazon_emulator.trade.processings import ENDS, KEPT, highest, take
from amazon_emulator.trade.queues import notices
from amazon_emulator.trade.records import Record, records
from amazon_emulator.trade.reports.choices import ReportChoice, ReportHabits
from amazon_emulator.trade.reports.contents import Asked, Written, aborted, write
from amazon_emulator.trade.reports.report import FIRST_ID, Report, Schedule, after, first_after

__all__ = ["Reports"]

log = logging.getLogger("amazon_emulator")


@dataclass
class Reports:
    """All reports and schedules."""

    paces: Paces = field(default_factory=lambda: Paces(queue_s=2.0, processing_s=5.0))
    habits: ReportHabits = field(default_factory=ReportHabits)
    choices: list[ReportChoice] = field(default_factory=list)
    _reports: dict[str, Report] = field(default_factory=dict)
    _schedules: dict[str, Schedule] = field(default_factory=dict)
    _number: int = 0

    # --- reports ----------------------------------------------------------------------------------

    def submit(
        self,
        stage: Stage,
        *,
        partner_id: str,
        application_id: str,
        region: Region,
        report_type: str,
        marketplace_ids: tuple[str, ...],
        options: dict[str, str],
        start_at: datetime | None,
        end_at: datetime | None,
        now: datetime,
        schedule_id: str | None = None,
    ) -> Report:
        """A new report."""
        self._let_go(now)
        report = Report(
            report_id=self._next_id(),
            partner_id=partner_id,
            application_id=application_id,
            region=region,
            report_type=report_type,
            marketplace_ids=marketplace_ids,
            options=dict(options),
            start_at=start_at,
            end_at=end_at,
            created_at=now,
            schedule_id=schedule_id,
        )
        report.choice = take(self.choices, report_type, partner_id)
        self._reports[report.report_id] = report
        self._plan(stage, report, now)
        return report

    def make(
        self,
        stage: Stage,
        *,
        partner_id: str,
        application_id: str,
        region: Region,
        report_type: str,
        marketplace_ids: tuple[str, ...],
        written: Written,
        now: datetime,
    ) -> Report:
        """A report that Amazon made unasked, such as a settlement, and that is there at once."""
        report = Report(
            report_id=self._next_id(),
            partner_id=partner_id,
            application_id=application_id,
            region=region,
            report_type=report_type,
            marketplace_ids=marketplace_ids,
            options={},
            start_at=None,
            end_at=None,
            created_at=now,
            started_at=now,
        )
        self._reports[report.report_id] = report
        self._end(stage, report, written, now)
        return report

    def of(self, report_id: str, partner_id: str, region: Region, now: datetime) -> Report | None:
        """One that this partner can see in this region, and that is not older than 90 days."""
        report = self._reports.get(report_id)
        if report is None or (report.partner_id, report.region) != (partner_id, region):
            return None
        return report if now < report.created_at + KEPT else None

    def all(self) -> Iterator[Report]:
        """In the order of making."""
        return iter(self._reports.values())

    def get(self, report_id: str) -> Report | None:
        return self._reports.get(report_id)

    def with_document(self, document_id: str) -> Report | None:
        """The report that this document belongs to."""
        return next((one for one in self._reports.values() if one.document_id == document_id), None)

    def cancel(self, stage: Stage, report: Report, now: datetime) -> bool:
        """Whether it could be cancelled: only what waits can."""
        if report.status != "IN_QUEUE":
            return False
        self._end(stage, report, Written("CANCELLED"), now)
        return True

    def hold(self, stage: Stage, report: Report) -> None:
        """Keeps a report where it is until released."""
        report.held = True
        self._strike(stage, report)

    def release(self, stage: Stage, report: Report, now: datetime) -> None:
        report.held = False
        self._plan(stage, report, now)

    def finish(
        self, stage: Stage, report: Report, choice: ReportChoice | None, now: datetime
    ) -> None:
        """Ends a report now."""
        if choice is not None:
            report.choice = choice
        report.held = False
        report.started_at = report.started_at or now
        self._finish(stage, report, now)

    def replan(self, stage: Stage, now: datetime) -> None:
        """A new pace holds for what is under way too, but nothing happens in the past."""
        for report in self._reports.values():
            self._plan(stage, report, now)

    def _plan(self, stage: Stage, report: Report, now: datetime) -> None:
        self._strike(stage, report)
        if report.held or report.status in ENDS:
            return
        pace = self.paces.of(report.report_type)
        if report.started_at is None:
            due_at = report.created_at + timedelta(seconds=pace.queue_s)
            act = self._begin
        else:
            due_at = report.started_at + timedelta(seconds=pace.processing_s)
            act = self._finish
        self._at(stage, report, max(due_at, now), lambda instant: act(stage, report, instant))

    def _at(
        self,
        stage: Stage,
        thing: Report | Schedule,
        due_at: datetime,
        act: Callable[[datetime], None],
    ) -> None:
        def step(instant: datetime) -> None:
            # The reports of a world that was read anew are others; these have no next step.
            if stage.of(Reports) is self:
                act(instant)

        thing.entry = stage.agenda.at(due_at, step)

    def _begin(self, stage: Stage, report: Report, now: datetime) -> None:
        report.status = "IN_PROGRESS"
        report.started_at = now
        self._plan(stage, report, now)

    def _finish(self, stage: Stage, report: Report, now: datetime) -> None:
        asked = Asked(
            stage=stage,
            partner=stage.world.partners[report.partner_id],
            region=report.region,
            report_type=report.report_type,
            marketplace_ids=report.marketplace_ids,
            options=report.options,
            start_at=report.start_at,
            end_at=report.end_at,
            now=now,
        )
        choice = report.choice
        try:
            written = choice.written(asked) if choice else write(asked)
        except Exception:
            log.exception("the emulator failed at report %s; this is a bug", report.report_id)
            written = aborted("An error occurred while the report was made.")
        self._end(stage, report, written, now)

    def _end(self, stage: Stage, report: Report, written: Written, now: datetime) -> None:
        self._strike(stage, report)
        if written.content is not None:
            content, content_type = self.habits.encoded(stage, written)
            report.document_id = (
                stage.of(Documents)
                .store(
                    stage,
                    report.partner_id,
                    content,
                    content_type,
                    gzip=self.habits.packs(stage),
                    now=now,
                    region=report.region,
                    purpose="report",
                )
                .document_id
            )
        report.status = written.status
        report.ended_at = now
        _tell(stage, report, now)

    def _strike(self, stage: Stage, report: Report) -> None:
        if report.entry is not None:
            stage.agenda.strike(report.entry)
            report.entry = None

    def _let_go(self, now: datetime) -> None:
        while self._reports:
            oldest = next(iter(self._reports.values()))
            if now < oldest.created_at + KEPT or oldest.status not in ENDS:
                return
            del self._reports[oldest.report_id]

    def _next_id(self) -> str:
        self._number += 1
        return str(FIRST_ID + self._number)

    # --- schedules --------------------------------------------------------------------------------

    def plan_schedule(
        self,
        stage: Stage,
        *,
        partner_id: str,
        application_id: str,
        region: Region,
        report_type: str,
        marketplace_ids: tuple[str, ...],
        options: dict[str, str],
        period: str,
        next_at: datetime | None,
        now: datetime,
    ) -> Schedule:
        """A schedule; one of the same type and marketplaces is replaced."""
        for known in self.schedules(partner_id, region, (report_type,)):
            if set(known.marketplace_ids) == set(marketplace_ids):
                self.cancel_schedule(stage, known)
        schedule = Schedule(
            schedule_id=self._next_id(),
            partner_id=partner_id,
            application_id=application_id,
            region=region,
            report_type=report_type,
            marketplace_ids=marketplace_ids,
            options=dict(options),
            period=period,
            next_at=next_at or after(period, now),
            since=now,
        )
        self._schedules[schedule.schedule_id] = schedule
        self._await(stage, schedule)
        return schedule

    def schedules(
        self, partner_id: str, region: Region, report_types: tuple[str, ...]
    ) -> list[Schedule]:
        return [
            known
            for known in self._schedules.values()
            if (known.partner_id, known.region) == (partner_id, region)
            and known.report_type in report_types
        ]

    def schedule(self, schedule_id: str, partner_id: str, region: Region) -> Schedule | None:
        known = self._schedules.get(schedule_id)
        if known is None or (known.partner_id, known.region) != (partner_id, region):
            return None
        return known

    def cancel_schedule(self, stage: Stage, schedule: Schedule) -> None:
        del self._schedules[schedule.schedule_id]
        if schedule.entry is not None:
            stage.agenda.strike(schedule.entry)

    def _await(self, stage: Stage, schedule: Schedule) -> None:
        self._at(
            stage,
            schedule,
            schedule.next_at,
            lambda instant: self._on_schedule(stage, schedule, instant),
        )

    def _on_schedule(self, stage: Stage, schedule: Schedule, now: datetime) -> None:
        self.submit(
            stage,
            partner_id=schedule.partner_id,
            application_id=schedule.application_id,
            region=schedule.region,
            report_type=schedule.report_type,
            marketplace_ids=schedule.marketplace_ids,
            options=schedule.options,
            start_at=schedule.since,
            end_at=now,
            now=now,
            schedule_id=schedule.schedule_id,
        )
        schedule.since = now
        # After a jump over more than what is kept, the oldest reports could be seen by nobody.
        oldest_seen = stage.clock.now() - KEPT
        schedule.next_at = first_after(schedule.period, schedule.next_at, oldest_seen)
        self._await(stage, schedule)

    # --- the world file ---------------------------------------------------------------------------

    def as_json(self) -> Any:
        return {
            "pace": self.paces.as_json(),
            "habits": self.habits.as_json(),
            "choices": [choice.as_json() for choice in self.choices],
            "number": self._number,
            "reports": [report.as_json() for report in self._reports.values()],
            "schedules": [schedule.as_json() for schedule in self._schedules.values()],
        }

    def load(self, stage: Stage, given: Any) -> None:
        """Takes reports and schedules as they were, and lets them go on. To be called on a world
        without reports, once its partners and applications stand.

        Raises ValueError that names the place."""
        record = Record.of(given, "reports")
        paces = Paces(self.paces.queue_s, self.paces.processing_s)
        paces.load(Record.of(record.raw("pace", {}), "reports.pace"))
        habits = ReportHabits.from_json(Record.of(record.raw("habits", {}), "reports.habits"))
        choices = [
            ReportChoice.from_json(row)
            for row in records(record.raw("choices", []), "reports.choices")
        ]
        choices = [choice for choice in choices if choice.times != 0]
        number = record.number("number", 0, lowest=0)
        reports, schedules = {}, {}
        for row in records(record.raw("reports", []), "reports.reports"):
            report = Report.from_json(row)
            _check_owner(stage, report, row.place)
            if report.report_id in reports:
                raise ValueError(f"{row.place}: {report.report_id} stands there twice")
            reports[report.report_id] = report
        for row in records(record.raw("schedules", []), "reports.schedules"):
            schedule = Schedule.from_json(row)
            _check_owner(stage, schedule, row.place)
            if schedule.schedule_id in schedules:
                raise ValueError(f"{row.place}: {schedule.schedule_id} stands there twice")
            schedules[schedule.schedule_id] = schedule
        record.done()
        self.paces, self.habits, self.choices = paces, habits, choices
        self._reports, self._schedules = reports, schedules
        self._number = highest(number, (*reports, *schedules), FIRST_ID)
        self.replan(stage, stage.clock.now())
        for schedule in schedules.values():
            self._await(stage, schedule)


def _check_owner(stage: Stage, thing: Report | Schedule, place: str) -> None:
    if thing.partner_id not in stage.world.partners:
        raise ValueError(f"{place}: there is no partner {thing.partner_id}")
    if thing.application_id not in stage.world.applications:
        raise ValueError(f"{place}: there is no application {thing.application_id}")


def _tell(stage: Stage, report: Report, now: datetime) -> None:
    """REPORT_PROCESSING_FINISHED. A vendor's has no seller id, as in the schema's own example."""
    partner = stage.world.partners[report.partner_id]
    facts: dict[str, str] = {
        "accountId": account_id(partner.kind, partner.selling_partner_id),
        "reportId": report.report_id,
        "reportType": report.report_type,
        "processingStatus": report.status,
    }
    if partner.kind == "seller":
        facts["sellerId"] = partner.selling_partner_id
    if report.document_id is not None:
        facts["reportDocumentId"] = report.document_id
    notices.tell(
        stage,
        "REPORT_PROCESSING_FINISHED",
        partner,
        {"reportProcessingFinishedNotification": facts},
        now,
        payload_version="2020-09-04",
        application=stage.world.applications[report.application_id],
    )
