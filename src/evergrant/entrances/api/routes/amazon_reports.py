"""Amazon's reports: asked for, waited for, and streamed; and what accounts are subscribed to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from evergrant.entrances.api.asking import AccountId, AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import Page, page
from evergrant.entrances.api.views.amazon_reports import (
    AmazonReportView,
    FoundReportsView,
    FoundReportView,
    ReportTypeView,
    SubscriptionView,
)
from evergrant.entrances.api.wishes import Instant, Text, Wish
from evergrant.entrances.report_documents import streamed
from evergrant.errors import NotFound
from evergrant.intake import need
from evergrant.ports.traded import AmazonReport
from evergrant.rules.amazon_reports import KNOWN
from evergrant.rules.rights import Caller, Right

__all__ = ["router"]

router = APIRouter(tags=["reports of Amazon"], route_class=StrictRoute)

ReportId = Annotated[str, Path(pattern="^arp_[0-9a-z]{26}$", description="`arp_…`")]
_OF_ACCOUNT = "/accounts/{account_id}/amazon-reports"


class AmazonReportWish(Wish):
    """What Amazon is to make a report of."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"report_type": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaces": ["DE"]},
            ]
        }
    )

    report_type: Text = Field(description="As Amazon calls it")
    marketplaces: list[Text] | None = Field(
        None,
        min_length=1,
        max_length=25,
        description="Ids or country codes; left out: the account's home marketplace",
    )
    data_from: Instant | None = None
    data_until: Instant | None = None
    options: dict[Text, Text] | None = Field(None, description="Amazon's `reportOptions`")


class AdoptReportWish(Wish):
    """A report that Amazon has already."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amazon_report_id": "54517018502"}]})

    amazon_report_id: Text = Field(description="Amazon's `reportId`")


@router.get("/amazon-report-types", operation_id="listAmazonReportTypes", responses=answers())
async def list_types(caller: AsCaller) -> list[ReportTypeView]:
    """List the types that Evergrant knows. Needs the right `read` or `amazon_read`.

    Others can be asked for as well: Amazon decides whether there are such.
    """
    if not caller.may(Right.AMAZON_READ):
        need(caller, Right.READ)
    return [ReportTypeView.of(KNOWN[name]) for name in sorted(KNOWN)]


@router.post(
    _OF_ACCOUNT,
    operation_id="requestAmazonReport",
    status_code=202,
    responses=answers(404, body=True),
)
async def request_report(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    wish: AmazonReportWish,
    response: Response,
) -> AmazonReportView:
    """Ask Amazon for a report. Needs the right `amazon_read`.

    Types that hold personal data take the right `personal_data` besides. It is asked for within
    Amazon's limits, about one a minute and account, and made within minutes to hours: look at it
    until `step` is `done`, then get its document. Repeating it asks for another one.
    """
    made = await desk.amazon_reports.request(
        account_id,
        wish.report_type,
        by=caller,
        marketplaces=wish.marketplaces,
        data_from=wish.data_from,
        data_until=wish.data_until,
        options=wish.options,
    )
    response.headers["location"] = f"/v1/accounts/{account_id}/amazon-reports/{made.id}"
    return AmazonReportView.of(made)


@router.get(_OF_ACCOUNT, operation_id="listAmazonReports", responses=answers(404))
async def list_reports(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, wished: Paging
) -> Page[AmazonReportView]:
    """List the reports that were asked for here, oldest first. Needs the right `amazon_read`."""
    found = await desk.amazon_reports.list(
        account_id, by=caller, after=wished.after, limit=wished.asked
    )
    return page(found, wished.limit, AmazonReportView.of, lambda one: one.id)


@router.get(
    f"{_OF_ACCOUNT}/at-amazon",
    operation_id="listReportsAtAmazon",
    responses=answers(404, 409, 429, 502),
)
async def list_at_amazon(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    report_type: Annotated[
        Text,
        Query(
            description="As Amazon calls it",
            examples=["GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"],
        ),
    ],
    since: Annotated[Instant | None, Query(description="Made since; at most 90 days ago")] = None,
    next_page: Annotated[
        str, Query(alias="page", max_length=5000, description="`next` of the page before")
    ] = "",
) -> FoundReportsView:
    """List what Amazon has of one type, whoever had it made. Needs the right `amazon_read`.

    The way to reports that cannot be asked for, such as settlements. Spends a permit of Amazon's
    `getReports`, of which one comes back each 45 seconds.
    """
    found = await desk.amazon_reports.list_at_amazon(
        account_id, report_type, by=caller, since=since, page=next_page
    )
    return FoundReportsView(
        items=[FoundReportView.of(one) for one in found.reports], next=found.next_page or None
    )


@router.post(
    f"{_OF_ACCOUNT}/at-amazon",
    operation_id="adoptAmazonReport",
    responses=answers(404, 409, 429, 502, body=True),
)
async def adopt_report(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, wish: AdoptReportWish
) -> AmazonReportView:
    """Take a report that Amazon has already, to get its document. Needs the right `amazon_read`.

    Repeating it is safe.
    """
    adopted = await desk.amazon_reports.adopt(account_id, wish.amazon_report_id, by=caller)
    return AmazonReportView.of(adopted)


@router.get(f"{_OF_ACCOUNT}/{{report_id}}", operation_id="getAmazonReport", responses=answers(404))
async def get_report(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, report_id: ReportId
) -> AmazonReportView:
    """Show how far a report is. Needs the right `amazon_read`."""
    return AmazonReportView.of(await _of_account(desk, caller, account_id, report_id))


@router.post(
    f"{_OF_ACCOUNT}/{{report_id}}/cancel",
    operation_id="cancelAmazonReport",
    responses=answers(404, 409),
)
async def cancel_report(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, report_id: ReportId
) -> AmazonReportView:
    """Do not wait for a report any more. Needs the right `amazon_read`."""
    await _of_account(desk, caller, account_id, report_id)
    return AmazonReportView.of(await desk.amazon_reports.cancel(report_id, by=caller))


@router.get(
    f"{_OF_ACCOUNT}/{{report_id}}/document",
    operation_id="getAmazonReportDocument",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The document as Amazon made it, unpacked; `Content-Type` is Amazon's. "
            "An answer that breaks off is not whole",
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        **answers(404, 409, 429, 502),
    },
)
async def get_document(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, report_id: ReportId
) -> Response:
    """Get a report's document, streamed from Amazon. Needs the right `amazon_read`.

    Types that hold personal data take the right `personal_data` besides. Nothing of it is kept
    here. Spends a permit of Amazon's `getReportDocument`, of which one comes back each minute.
    """
    await _of_account(desk, caller, account_id, report_id)
    return await streamed(desk.amazon_reports.open(report_id, by=caller))


@router.get(
    "/accounts/{account_id}/subscriptions",
    operation_id="listSubscriptions",
    responses=answers(404),
)
async def list_subscriptions(
    desk: AtDesk, caller: AsCaller, account_id: AccountId
) -> list[SubscriptionView]:
    """List what an account is subscribed to at Amazon. Needs the right `read`.

    Empty where the application has no queue for them: then Amazon is asked now and then.
    """
    found = await desk.notifications.subscriptions(account_id, by=caller)
    return [SubscriptionView.of(row) for row in found]


async def _of_account(
    desk: AtDesk, caller: Caller, account_id: str, report_id: str
) -> AmazonReport:
    report = await desk.amazon_reports.get(report_id, by=caller)
    if report.account_id != account_id:
        raise NotFound("There is no such report.")
    return report
