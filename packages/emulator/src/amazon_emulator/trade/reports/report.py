"""One report and one schedule: what they are, and how a world file holds them."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.agenda import Entry
from amazon_emulator.clock import stamp
from amazon_emulator.marketplaces import REGIONS, Region
from amazon_emulator.trade.processings import STATUSES, Status, instants_fit
from amazon_emulator.trade.records import Record
from amazon_emulator.trade.reports.choices import ReportChoice
from amazon_emulator.trade.reports.types import REPORT_TYPES

__all__ = ["FIRST_ID", "PERIODS", "Report", "Schedule", "after", "first_after"]

FIRST_ID = 60_000_000_000  # ids of reports and schedules count from here

# Of the model's enum; a month is counted by the calendar.
PERIODS: dict[str, timedelta | None] = {
    **{f"PT{minutes}M": timedelta(minutes=minutes) for minutes in (5, 15, 30)},
    **{f"PT{hours}H": timedelta(hours=hours) for hours in (1, 2, 4, 8, 12)},
    **{f"P{days}D": timedelta(days=days) for days in (1, 2, 3)},
    "PT84H": timedelta(hours=84),
    **{f"P{days}D": timedelta(days=days) for days in (7, 14, 15, 18, 30)},
    "P1M": None,
}


def after(period: str, instant: datetime) -> datetime:
    """One period later; a month later is the same day, or the last one of a shorter month."""
    length = PERIODS[period]
    if length is not None:
        return instant + length
    years, month = divmod(instant.month, 12)
    year = instant.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last))


def first_after(period: str, instant: datetime, earliest: datetime) -> datetime:
    """One period later; or as many as it takes to come to ``earliest`` or beyond."""
    following, length = after(period, instant), PERIODS[period]
    if length is not None and following < earliest:
        # At once: over centuries there are millions of the shorter periods.
        return following + -((following - earliest) // length) * length
    while following < earliest:
        following = after(period, following)
    return following


@dataclass
class Report:
    """One report. ``start_at`` and ``end_at`` bound its data where its type makes use of them."""

    report_id: str
    partner_id: str
    application_id: str
    region: Region
    report_type: str
    marketplace_ids: tuple[str, ...]
    options: dict[str, str]
    start_at: datetime | None
    end_at: datetime | None
    created_at: datetime
    schedule_id: str | None = None
    status: Status = "IN_QUEUE"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    document_id: str | None = None
    held: bool = False
    choice: ReportChoice | None = None
    entry: Entry | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """For a world file."""
        return {
            "report_id": self.report_id,
            "selling_partner_id": self.partner_id,
            "application_id": self.application_id,
            "region": self.region,
            "report_type": self.report_type,
            "marketplace_ids": list(self.marketplace_ids),
            "options": self.options,
            "start_at": stamp(self.start_at),
            "end_at": stamp(self.end_at),
            "created_at": stamp(self.created_at),
            "schedule_id": self.schedule_id,
            "status": self.status,
            "started_at": stamp(self.started_at),
            "ended_at": stamp(self.ended_at),
            "document_id": self.document_id,
            "held": self.held,
            "choice": self.choice.as_json() if self.choice else None,
        }

    @classmethod
    def from_json(cls, row: Record) -> Report:
        """Raises ValueError that names the place."""
        choice = row.raw("choice", None)
        report = cls(
            report_id=row.digits("report_id"),
            partner_id=row.text("selling_partner_id"),
            application_id=row.text("application_id"),
            region=row.choice("region", REGIONS),
            report_type=row.choice("report_type", REPORT_TYPES),
            marketplace_ids=row.texts("marketplace_ids"),
            options=row.text_table("options"),
            start_at=row.maybe_instant("start_at"),
            end_at=row.maybe_instant("end_at"),
            created_at=row.instant("created_at"),
            schedule_id=row.maybe("schedule_id"),
            status=row.choice("status", STATUSES),
            started_at=row.maybe_instant("started_at"),
            ended_at=row.maybe_instant("ended_at"),
            document_id=row.maybe("document_id"),
            held=row.truth("held", False),
            choice=None
            if choice is None
            else ReportChoice.from_json(Record.of(choice, f"{row.place}.choice")),
        )
        row.done()
        if not instants_fit(report.status, report.started_at, report.ended_at):
            raise ValueError(f"{row.place}: its instants do not fit its status")
        return report


@dataclass
class Schedule:
    """Reports by themselves. ``since``: where the data of the next one begins."""

    schedule_id: str
    partner_id: str
    application_id: str
    region: Region
    report_type: str
    marketplace_ids: tuple[str, ...]
    options: dict[str, str]
    period: str
    next_at: datetime
    since: datetime
    entry: Entry | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """For a world file."""
        return {
            "schedule_id": self.schedule_id,
            "selling_partner_id": self.partner_id,
            "application_id": self.application_id,
            "region": self.region,
            "report_type": self.report_type,
            "marketplace_ids": list(self.marketplace_ids),
            "options": self.options,
            "period": self.period,
            "next_at": stamp(self.next_at),
            "since": stamp(self.since),
        }

    @classmethod
    def from_json(cls, row: Record) -> Schedule:
        """Raises ValueError that names the place."""
        schedule = cls(
            schedule_id=row.digits("schedule_id"),
            partner_id=row.text("selling_partner_id"),
            application_id=row.text("application_id"),
            region=row.choice("region", REGIONS),
            report_type=row.choice("report_type", REPORT_TYPES),
            marketplace_ids=row.texts("marketplace_ids"),
            options=row.text_table("options"),
            period=row.choice("period", PERIODS),
            next_at=row.instant("next_at"),
            since=row.instant("since"),
        )
        row.done()
        return schedule
