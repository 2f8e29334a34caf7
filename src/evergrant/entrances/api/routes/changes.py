"""Changes: handing them in, and taking back what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field
from starlette.responses import Response

from evergrant.entrances.api.asking import AccountId, AsCaller, AtDesk, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views.changes import TakenView, WithdrawnView
from evergrant.entrances.api.wishes import Wish
from evergrant.errors import NotFound
from evergrant.feeds.files import read_csv
from evergrant.feeds.taken import Line
from evergrant.intake import Flaws, need
from evergrant.rules import ids
from evergrant.rules.changes import ChangeKind
from evergrant.rules.faults import Fault
from evergrant.rules.rights import Right
from evergrant.rules.wishes import Refused

__all__ = ["router"]

IntakeId = Annotated[str, Path(pattern="^itk_[0-9a-z]{26}$", description="`itk_…`")]
IdempotencyKey = Annotated[
    str,
    Header(
        max_length=200,
        description="Any text of yours, one for each batch: the same key with the same lines gives "
        "the same answer again and takes nothing",
    ),
]
Kind = Annotated[ChangeKind | None, Query(description="Of lines that name none")]

_CSV: Final = "text/csv"
_CSV_BODY: Final = {
    "requestBody": {
        "content": {
            _CSV: {
                "schema": {
                    "type": "string",
                    "description": "The first row names the fields. Rows of one package, refund, "
                    "order or document are one line",
                },
                "example": "kind,sku,quantity\nstock,MUG-1,12\n",
            }
        }
    }
}


class ChangesWish(Wish):
    """One batch for one account, of all kinds. Lines are read one by one: a bad one is refused with
    a reason, and the others are taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "changes": [
                        {"kind": "stock", "sku": "MUG-1", "quantity": 12},
                        {
                            "kind": "price",
                            "sku": "MUG-1",
                            "marketplace": "FR",
                            "price": "19.99",
                            "currency": "EUR",
                        },
                        {
                            "kind": "refund",
                            "reference": "RMA-2026-17",
                            "order_id": "302-1234567-1234567",
                            "currency": "EUR",
                            "reason": "CustomerReturn",
                            "items": [{"order_item_id": "68828574383266", "principal": "19.99"}],
                        },
                    ]
                }
            ]
        }
    )

    changes: list[Any] = Field(
        description="1 to 10,000 objects with the fields of their kinds; amounts are decimal text"
    )


class WithdrawalOfChangesWish(Wish):
    """Changes that are not to be sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"change_ids": ["chg_01k9z4h6q8w2e5r7t9y1a3s5d7"]}]}
    )

    change_ids: list[Annotated[str, Field(pattern="^chg_[0-9a-z]{26}$")]] = Field(
        min_length=1, max_length=1000
    )


class _HandInRoute(StrictRoute):
    """JSON as everywhere, and CSV beside it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        in_json = super().get_route_handler()

        async def either(request: Request) -> Response:
            media_type = request.headers.get("content-type", "").partition(";")[0]
            if media_type.strip().lower() != _CSV:
                return await in_json(request)
            self._check_query(request)
            return await _in_csv(request)

        return either


router = APIRouter(tags=["feeds"], route_class=StrictRoute)
_hatch = APIRouter(tags=["feeds"], route_class=_HandInRoute)


@_hatch.post(
    "/accounts/{account_id}/changes",
    operation_id="handInChanges",
    responses=answers(404, 409, 429, body=True),
    openapi_extra=_CSV_BODY,
)
async def hand_in(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    wish: ChangesWish,
    idempotency_key: IdempotencyKey = "",
    kind: Kind = None,
) -> TakenView:
    """Hand in a batch of changes. Needs the right `amazon_write`.

    Stock, prices, shipments, invoices, cancellations and refunds may be mixed. Every line is
    answered: good ones are taken, in one commit, and bad ones refused with all that is wrong with
    them. A problem is answered only when nothing at all could be taken in: no list, too many lines,
    a closed account. What was taken is sent as switches, authorization and Amazon's limits allow;
    until then it waits, and `notes` say so.

    Repeating it is safe with an idempotency key. Without one, refunds, invoices, cancellations and
    packages are known again all the same: a refund by its `reference`, an invoice by its number.

    Invoices go as JSON with the PDF in base64; a body may have 16 MiB here, if its length is
    announced.
    """
    lines = [_line(one, kind) for one in wish.changes]
    taken = await desk.feeds.intake.put(
        account_id, lines, by=caller, idempotency_key=idempotency_key
    )
    return TakenView.of(taken)


def _line(one: Any, kind: ChangeKind | None) -> Line:
    if not isinstance(one, dict):
        return Refused([Fault("wrong_type", "must be an object.")])
    return {"kind": kind.value, **one} if kind else one


async def _in_csv(request: Request) -> Response:
    """What ``hand_in`` does, for a body that the framework does not read."""
    desk, caller = request.app.state.desk, request.state.caller
    account_id = request.path_params["account_id"]
    try:
        ids.check(ids.Kind.ACCOUNT, account_id)
    except Fault:
        raise NotFound from None
    need(caller, Right.AMAZON_WRITE)
    kind = _kind(request.query_params.get("kind"))
    read = await asyncio.to_thread(read_csv, await request.body(), kind=kind)
    taken = await desk.feeds.intake.put(
        account_id,
        read.lines,
        by=caller,
        idempotency_key=request.headers.get("idempotency-key", ""),
        source="csv",
    )
    return JSONResponse(TakenView.of(taken, read.rows).model_dump(mode="json"))


def _kind(text: str | None) -> str:
    flaws = Flaws()
    found = None if text is None else flaws.word("kind", text, ChangeKind)
    flaws.refuse_if_any()
    return found.value if found else ""


router.include_router(_hatch)


@router.get(
    "/accounts/{account_id}/intakes/{intake_id}",
    operation_id="getIntake",
    responses=answers(404),
)
async def get_intake(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, intake_id: IntakeId
) -> TakenView:
    """Show once more what a batch was answered. Needs the right `read` or `amazon_write`.

    Kept for 90 days. What became of its changes since: `GET …/changes?intake_id=`.
    """
    return TakenView.of(await desk.feeds.intake.get(account_id, intake_id, by=caller))


@router.post("/withdrawals", operation_id="withdrawChanges", responses=answers(404, body=True))
async def withdraw(desk: AtDesk, caller: AsCaller, wish: WithdrawalOfChangesWish) -> WithdrawnView:
    """Take back changes that wait. Needs the right `amazon_write`. Repeating it is safe.

    What is under way to Amazon, or over, stays as it is. When one of the changes is not there, none
    is taken back.
    """
    return WithdrawnView.of(await desk.feeds.intake.withdraw(wish.change_ids, by=caller))
