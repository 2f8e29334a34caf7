"""Reports 2021-06-30 (shapes and rules: Amazon's reports_2021-06-30 model).

Answers for: the nine operations, what they refuse and how. Statuses and schedules are in
`trade.reports`, documents in `trade.documents`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from amazon_emulator import limits
from amazon_emulator.apis import asked_body, processings
from amazon_emulator.apis.operations import Call, Denied, Operation, Said
from amazon_emulator.clock import stamp
from amazon_emulator.history import note_facts
from amazon_emulator.trade.documents.documents import Document, Documents
from amazon_emulator.trade.processings import STATUSES
from amazon_emulator.trade.reports.report import PERIODS, Report, Schedule
from amazon_emulator.trade.reports.reports import Reports
from amazon_emulator.trade.reports.types import REPORT_ROLES, REPORT_TYPES, ReportType
from amazon_emulator.world import Kind

__all__ = [
    "OPERATIONS",
    "cancel_report",
    "cancel_report_schedule",
    "create_report",
    "create_report_schedule",
    "get_report",
    "get_report_document",
    "get_report_schedule",
    "get_report_schedules",
    "get_reports",
    "is_restricted",
]


# --- reports --------------------------------------------------------------------------------------


def create_report(call: Call) -> Said:
    given = call.json()
    report_type = _report_type(call, asked_body.text(given, "reportType"))
    note_facts(report_type=report_type.name)
    if not report_type.requestable:
        raise Denied.invalid(f"Reports of type {report_type.name} cannot be requested.")
    marketplace_ids = asked_body.marketplaces(given, call.region)
    options = asked_body.text_table(given, "reportOptions")
    start_at, end_at = _span(call, given)
    limits.spend_for(
        call.stage,
        call.now,
        kind="report",
        type=report_type.name,
        application_id=call.application.application_id,
        partner_id=call.partner.selling_partner_id,
        region=call.region,
    )
    report = call.stage.of(Reports).submit(
        call.stage,
        partner_id=call.partner.selling_partner_id,
        application_id=call.application.application_id,
        region=call.region,
        report_type=report_type.name,
        marketplace_ids=marketplace_ids,
        options=options,
        start_at=start_at,
        end_at=end_at,
        now=call.now,
    )
    return Said(202, {"reportId": report.report_id})


def _report_type(call: Call, name: str) -> ReportType:
    known = REPORT_TYPES.get(name)
    if known is None:
        raise Denied.invalid(f"Invalid report type: {name}")
    if call.partner.kind not in known.partner_kinds:
        raise Denied.access("")
    return known


def _span(call: Call, given: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    start_at = asked_body.instant(given, "dataStartTime")
    end_at = asked_body.instant(given, "dataEndTime")
    for name, instant in (("dataStartTime", start_at), ("dataEndTime", end_at)):
        if instant is not None and instant > call.now:
            raise Denied.invalid(f"'{name}' must not be later than now")
    if start_at is not None and end_at is not None and start_at > end_at:
        raise Denied.invalid("'dataStartTime' must not be later than 'dataEndTime'")
    return start_at, end_at


def get_report(call: Call) -> dict[str, Any]:
    return _view(_report(call))


def cancel_report(call: Call) -> None:
    report = _report(call)
    if not call.stage.of(Reports).cancel(call.stage, report, call.now):
        raise Denied.invalid(
            f"The report {report.report_id} cannot be cancelled: its processingStatus is "
            f"{report.status}."
        )


def _report(call: Call) -> Report:
    report = call.stage.of(Reports).of(
        call.path["reportId"], call.partner.selling_partner_id, call.region, call.now
    )
    if report is None:
        raise Denied.missing("The report could not be found.")
    return report


def _view(report: Report) -> dict[str, Any]:
    facts = {
        "reportId": report.report_id,
        "reportType": report.report_type,
        "marketplaceIds": list(report.marketplace_ids),
        "dataStartTime": stamp(report.start_at or report.created_at),
        "dataEndTime": stamp(report.end_at or report.created_at),
        "reportScheduleId": report.schedule_id,
        "createdTime": stamp(report.created_at),
        "processingStatus": report.status,
        "processingStartTime": stamp(report.started_at),
        "processingEndTime": stamp(report.ended_at),
        "reportDocumentId": report.document_id,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def get_reports(call: Call) -> dict[str, Any]:
    wanted = processings.Wanted.read(call, "getReports", "reportTypes", STATUSES)
    found = [
        report
        for report in call.stage.of(Reports).all()
        if (report.partner_id, report.region) == (call.partner.selling_partner_id, call.region)
        and wanted.holds(
            report.report_type,
            report.status,
            report.marketplace_ids,
            report.created_at,
            int(report.report_id),
        )
    ]
    found.sort(key=lambda report: (report.created_at, int(report.report_id)), reverse=True)
    shown = found[: wanted.page_size]
    answer: dict[str, Any] = {"reports": [_view(report) for report in shown]}
    if len(found) > len(shown):
        last = shown[-1]
        answer["nextToken"] = wanted.next_mark(
            call, "getReports", last.created_at, int(last.report_id)
        )
    return answer


# --- documents ------------------------------------------------------------------------------------


def get_report_document(call: Call) -> dict[str, Any]:
    encoding_header = call.choice("enableContentEncodingUrlHeader", ("true", "false")) == "true"
    document = _document(call)
    if document is None:
        raise Denied.missing("The report document could not be found.")
    return processings.document_view(call, document, "reportDocumentId", encoding_header)


def is_restricted(call: Call) -> bool:
    """Whether the document holds personal data by its type; the page 'tokens-api-use-case-guide'
    lists these."""
    document = _document(call)
    if document is None:
        return False
    report = call.stage.of(Reports).with_document(document.document_id)
    return report is not None and REPORT_TYPES[report.report_type].restricted


def _document(call: Call) -> Document | None:
    return call.stage.of(Documents).of(
        call.path["reportDocumentId"],
        call.partner.selling_partner_id,
        call.region,
        call.now,
        ("report",),
    )


# --- schedules ------------------------------------------------------------------------------------


def create_report_schedule(call: Call) -> Said:
    given = call.json()
    report_type = _report_type(call, asked_body.text(given, "reportType"))
    if not report_type.schedulable:
        raise Denied.invalid(f"Reports of type {report_type.name} cannot be scheduled.")
    period = asked_body.text(given, "period")
    if period not in PERIODS:
        raise Denied.invalid(
            f"Value {period!r} at 'period' failed to satisfy constraint: Member must satisfy enum "
            f"value set: [{', '.join(PERIODS)}]"
        )
    next_at = asked_body.instant(given, "nextReportCreationTime")
    if next_at is not None and next_at < call.now:
        raise Denied.invalid("'nextReportCreationTime' must not be earlier than now")
    schedule = call.stage.of(Reports).plan_schedule(
        call.stage,
        partner_id=call.partner.selling_partner_id,
        application_id=call.application.application_id,
        region=call.region,
        report_type=report_type.name,
        marketplace_ids=asked_body.marketplaces(given, call.region),
        options=asked_body.text_table(given, "reportOptions"),
        period=period,
        next_at=next_at,
        now=call.now,
    )
    return Said(201, {"reportScheduleId": schedule.schedule_id})


def get_report_schedules(call: Call) -> dict[str, Any]:
    wanted = processings.checked_list(call, "reportTypes", needed=True)
    found = call.stage.of(Reports).schedules(call.partner.selling_partner_id, call.region, wanted)
    return {"reportSchedules": [_schedule_view(one) for one in found]}


def get_report_schedule(call: Call) -> dict[str, Any]:
    return _schedule_view(_schedule(call))


def cancel_report_schedule(call: Call) -> None:
    call.stage.of(Reports).cancel_schedule(call.stage, _schedule(call))


def _schedule(call: Call) -> Schedule:
    known = call.stage.of(Reports).schedule(
        call.path["reportScheduleId"], call.partner.selling_partner_id, call.region
    )
    if known is None:
        raise Denied.missing("The report schedule could not be found.")
    return known


def _schedule_view(schedule: Schedule) -> dict[str, Any]:
    view = {
        "reportScheduleId": schedule.schedule_id,
        "reportType": schedule.report_type,
        "marketplaceIds": list(schedule.marketplace_ids),
        "period": schedule.period,
        "nextReportCreationTime": stamp(schedule.next_at),
    }
    return {**view, "reportOptions": schedule.options} if schedule.options else view


_REPORTS = "/reports/2021-06-30/reports"
_SCHEDULES = "/reports/2021-06-30/schedules"
_KINDS: tuple[Kind, ...] = ("seller", "vendor")

OPERATIONS = (
    Operation("getReports", "GET", _REPORTS, REPORT_ROLES, _KINDS, get_reports),
    Operation("createReport", "POST", _REPORTS, REPORT_ROLES, _KINDS, create_report),
    Operation("getReport", "GET", f"{_REPORTS}/{{reportId}}", REPORT_ROLES, _KINDS, get_report),
    Operation(
        "cancelReport", "DELETE", f"{_REPORTS}/{{reportId}}", REPORT_ROLES, _KINDS, cancel_report
    ),
    Operation("getReportSchedules", "GET", _SCHEDULES, REPORT_ROLES, _KINDS, get_report_schedules),
    Operation(
        "createReportSchedule", "POST", _SCHEDULES, REPORT_ROLES, _KINDS, create_report_schedule
    ),
    Operation(
        "getReportSchedule",
        "GET",
        f"{_SCHEDULES}/{{reportScheduleId}}",
        REPORT_ROLES,
        _KINDS,
        get_report_schedule,
    ),
    Operation(
        "cancelReportSchedule",
        "DELETE",
        f"{_SCHEDULES}/{{reportScheduleId}}",
        REPORT_ROLES,
        _KINDS,
        cancel_report_schedule,
    ),
    Operation(
        "getReportDocument",
        "GET",
        "/reports/2021-06-30/documents/{reportDocumentId}",
        REPORT_ROLES,
        _KINDS,
        get_report_document,
        restricted=is_restricted,
    ),
)
