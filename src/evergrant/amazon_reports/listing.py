"""What Amazon tells of its reports, and telling it that one is not wanted any more.

Answers for: getReport, getReports and cancelReport, each as one call. Does not answer for: who may,
or for rows of ours.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from evergrant import logs
from evergrant.amazon_reports.answers import told
from evergrant.amazon_reports.values import AtAmazon
from evergrant.amazon_reports.wishes import checked_type
from evergrant.calls import Calls
from evergrant.errors import (
    CallDenied,
    EvergrantError,
    Flaw,
    InvalidInput,
    NotFound,
    UnreadableAnswer,
)
from evergrant.intake import Flaws
from evergrant.ports.traded import AmazonReport
from evergrant.rules import amazon_reports as rules
from evergrant.rules.amazon_reports import FoundReport
from evergrant.rules.budgets import Importance
from evergrant.rules.rights import SYSTEM, Caller

__all__ = ["REPORTS", "one", "some", "unwanted"]

_log = logs.logger(__name__)

REPORTS = "/reports/2021-06-30/reports"
_LONGEST_PAGE = 5_000


async def one(calls: Calls, account_id: str, report_id: str, by: Caller) -> FoundReport:
    """Raises NotFound, and as ``calls.send`` and ``answers.told``."""
    if not 0 < len(report_id) <= 100 or not report_id.isascii() or not report_id.isprintable():
        raise InvalidInput(flaws=[Flaw("is no id of Amazon's.", field="amazon_report_id")])
    try:
        said = told(
            await calls.send(account_id, "GET", f"{REPORTS}/{quote(report_id, safe='')}", by=by)
        )
    except CallDenied as denied:
        if denied.status in (400, 404):
            raise NotFound("Amazon has no such report for this account.") from denied
        raise
    found = rules.read_found(said)
    if found is None or found.report_id != report_id:
        raise UnreadableAnswer
    return found


async def some(
    calls: Calls, account_id: str, report_type: str, since: datetime | None, page: str, by: Caller
) -> AtAmazon:
    """Raises InvalidInput, and as ``calls.send`` and ``answers.told``."""
    flaws = Flaws()
    name = checked_type(flaws, report_type)
    flaws.instant("since", since)
    if len(page) > _LONGEST_PAGE:
        flaws.add("page", "is none that Amazon gave.")
    flaws.refuse_if_any()
    query = [("nextToken", page)] if page else rules.look_query(name, since)
    found, next_page = rules.read_list(
        told(await calls.send(account_id, "GET", REPORTS, query, by=by))
    )
    return AtAmazon(reports=found, next_page=next_page)


async def unwanted(calls: Calls, report: AmazonReport) -> None:
    """Tells Amazon, which listens while a report waits in its queue; else it comes to nothing."""
    try:
        await calls.send(
            report.account_id,
            "DELETE",
            f"{REPORTS}/{quote(report.report_id, safe='')}",
            by=SYSTEM,
            ready_to_wait_s=0.0,
            importance=Importance.LAST,
        )
    except EvergrantError as error:
        _log.info("report not cancelled at Amazon", report_id=report.id, error=error.code)
