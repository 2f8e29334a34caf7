"""What happened: support reports, the journal. And the table of marketplaces."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from evergrant import journal
from evergrant.consent.reports import MOST_REPORTS
from evergrant.entrances.api.asking import AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import (
    JournalLineView,
    MarketplaceView,
    Page,
    ReportView,
    page,
)
from evergrant.entrances.api.wishes import Order
from evergrant.errors import Flaw, InvalidInput

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute)

Reference = Annotated[
    str, Path(max_length=40, description="As people type it: `EG-7F3K-92QD`, `eg 7f3k 92qd`")
]
Word = Annotated[str | None, Query(pattern="^[A-Za-z0-9_./-]{1,100}$")]
OneAccount = Annotated[str | None, Query(pattern="^acc_[0-9a-z]{26}$")]


@router.get("/reports", operation_id="listReports", tags=["records"], responses=answers(404))
async def list_reports(
    desk: AtDesk, caller: AsCaller, wished: Paging, account_id: OneAccount = None
) -> Page[ReportView]:
    """List failed authorizations, oldest first. Needs the right `read`."""
    found = await desk.consent.reports(
        by=caller,
        account_id=account_id,
        after=wished.after,
        limit=min(wished.asked, MOST_REPORTS),
    )
    return page(found, wished.limit, ReportView.of, lambda one: one.id, most=MOST_REPORTS)


@router.get(
    "/reports/{reference}", operation_id="getReport", tags=["records"], responses=answers(404)
)
async def get_report(desk: AtDesk, caller: AsCaller, reference: Reference) -> ReportView:
    """Look up the number that a page or letter showed. Needs the right `read`."""
    return ReportView.of(await desk.consent.report(reference, by=caller))


@router.post(
    "/reports/{reference}/resolve",
    operation_id="resolveReport",
    tags=["records"],
    responses=answers(404),
)
async def resolve_report(desk: AtDesk, caller: AsCaller, reference: Reference) -> ReportView:
    """Mark a report as seen to. Needs the right `write`. Repeating it is safe."""
    return ReportView.of(await desk.consent.resolve(reference, by=caller))


@router.get("/journal", operation_id="readJournal", tags=["records"], responses=answers(404))
async def read_journal(
    desk: AtDesk,
    caller: AsCaller,
    wished: Paging,
    subject: Annotated[Word, Query(description="Id of the thing that was changed")] = None,
    account_id: OneAccount = None,
    verb: Annotated[Word, Query(description="For example `account.added`")] = None,
    order: Order = "newest",
) -> Page[JournalLineView]:
    """Read the journal: who did what to whom. Needs the right `read`.

    A key that is narrowed to one client instance has to name an account.
    """
    found = await journal.read(
        desk.store,
        caller,
        after=_line_number(wished.after),
        limit=min(wished.asked, journal.MOST_LINES),
        account_id=account_id,
        subject=subject,
        verb=verb,
        newest_first=order == "newest",
    )
    return page(
        found, wished.limit, JournalLineView.of, lambda line: line.id, most=journal.MOST_LINES
    )


@router.get("/marketplaces", operation_id="listMarketplaces", tags=["records"], responses=answers())
async def list_marketplaces(desk: AtDesk) -> Page[MarketplaceView]:
    """List Amazon's marketplaces with their regions and hosts. Needs no right.

    What the operator overrides is in it.
    """
    table = desk.marketplaces
    return Page(items=[MarketplaceView.of(row, table) for row in table.rows], next=None)


def _line_number(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidInput(flaws=[Flaw("is no `next` of this list.", field="after")])
    return int(after)
