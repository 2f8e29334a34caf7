"""Amazon's reports and what accounts are subscribed to."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from evergrant.entrances.api.views.pages import View
from evergrant.ports.traded import AmazonReport, AmazonReportStep, Subscription
from evergrant.rules import amazon_reports as rules
from evergrant.rules.amazon_reports import FoundReport, ReportType
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notifications import NotificationType

__all__ = [
    "AmazonReportView",
    "FoundReportView",
    "FoundReportsView",
    "ReportTypeView",
    "SubscriptionView",
]


class AmazonReportView(View):
    """One report that somebody asked Amazon for."""

    id: str
    account_id: str
    report_type: str
    marketplace_ids: list[str]
    data_from: datetime | None
    data_until: datetime | None
    options: dict[str, str] = Field(description="Amazon's `reportOptions`")
    step: AmazonReportStep = Field(
        description="`done`: its document can be fetched. `empty`: Amazon has no data for it"
    )
    amazon_report_id: str = Field(description="Empty until Amazon took it")
    processing_status: str = Field(description="As Amazon last said")
    has_document: bool = Field(description="A report that failed may have one that says why")
    note: str = Field(description="What is to be known of this type; empty: nothing")
    last_error: str
    created_at: datetime
    next_at: datetime | None = Field(description="When Amazon is asked next")
    ended_at: datetime | None

    @classmethod
    def of(cls, report: AmazonReport) -> AmazonReportView:
        return cls(
            id=report.id,
            account_id=report.account_id,
            report_type=report.report_type,
            marketplace_ids=list(report.marketplace_ids),
            data_from=report.data_from,
            data_until=report.data_until,
            options={name: str(value) for name, value in report.options.items()},
            step=report.step,
            amazon_report_id=report.report_id,
            processing_status=report.processing_status,
            has_document=bool(report.document_id) and report.ended_at is not None,
            note=rules.note_of(report.report_type),
            last_error=report.last_error,
            created_at=report.created_at,
            next_at=report.next_at,
            ended_at=report.ended_at,
        )


class FoundReportView(View):
    """One report that Amazon has, whoever had it made."""

    amazon_report_id: str
    report_type: str
    processing_status: str = Field(description="As Amazon says")
    marketplace_ids: list[str]
    data_from: datetime | None
    data_until: datetime | None
    created_at: datetime | None
    has_document: bool

    @classmethod
    def of(cls, found: FoundReport) -> FoundReportView:
        return cls(
            amazon_report_id=found.report_id,
            report_type=found.report_type,
            processing_status=found.status,
            marketplace_ids=list(found.marketplace_ids),
            data_from=found.data_from,
            data_until=found.data_until,
            created_at=found.made_at,
            has_document=bool(found.document_id),
        )


class FoundReportsView(View):
    """Some of them. `next` is to be sent as `page`."""

    items: list[FoundReportView]
    next: str | None


class ReportTypeView(View):
    """One type of Amazon's reports that Evergrant knows."""

    report_type: str
    partner_kinds: list[PartnerKind]
    restricted: bool = Field(description="Holds personal data: takes the right `personal_data`")
    requestable: bool = Field(description="false: Amazon makes it by itself")
    schedulable: bool
    longest_days: int | None = Field(description="So many days one report covers at most")
    note: str

    @classmethod
    def of(cls, known: ReportType) -> ReportTypeView:
        return cls(
            report_type=known.name,
            partner_kinds=sorted(known.partner_kinds),
            restricted=known.restricted,
            requestable=known.requestable,
            schedulable=known.schedulable,
            longest_days=known.longest.days if known.longest is not None else None,
            note=rules.note_of(known.name),
        )


class SubscriptionView(View):
    """One notification type that an account is subscribed to, or is to be."""

    notification_type: NotificationType
    subscribed: bool
    trouble: str = Field(description="What Amazon said against it; empty: nothing")
    next_at: datetime | None = Field(description="When it is seen to again")
    heard_at: datetime | None = Field(description="When the last notification came, about")

    @classmethod
    def of(cls, row: Subscription) -> SubscriptionView:
        return cls(
            notification_type=NotificationType(row.notification_type),
            subscribed=bool(row.subscription_id) and not row.trouble,
            trouble=row.trouble,
            next_at=row.next_at,
            heard_at=row.heard_at,
        )
