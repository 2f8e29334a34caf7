"""Orders: handed on from a position, one by one, and how far they were read."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from evergrant.entrances.api.asking import AccountId, AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import Page, page
from evergrant.entrances.api.views.orders import OrderSweepView, OrderView
from evergrant.errors import Flaw, InvalidInput
from evergrant.orders import LONGEST_WAIT_S

__all__ = ["router"]

router = APIRouter(tags=["orders"], route_class=StrictRoute)

OrderId = Annotated[
    str, Path(pattern="^[A-Za-z0-9._-]{1,64}$", description="Amazon's: `028-1234567-1234567`")
]
Include = Annotated[
    Literal["personal"] | None,
    Query(description="`personal`: with buyers and addresses. Takes `personal_data` as well"),
]


@router.get("/orders", operation_id="listOrders", responses=answers(404))
async def list_orders(
    desk: AtDesk,
    caller: AsCaller,
    wished: Paging,
    account_id: Annotated[str | None, Query(pattern="^acc_[0-9a-z]{26}$")] = None,
    client_instance_id: Annotated[str | None, Query(pattern="^ins_[0-9a-z]{26}$")] = None,
    include: Include = None,
    wait: Annotated[
        int,
        Query(
            ge=0,
            le=int(LONGEST_WAIT_S),
            description="When there is none: how many seconds to wait for the first one",
        ),
    ] = 0,
) -> Page[OrderView]:
    """Read orders in the order in which they came or changed. Needs the right `orders`, which
    `amazon_read` holds.

    Keep the `position` of the last order and send it as `after`: nothing is left out. An order that
    changes comes again, with a new position and as it is now. Orders are kept for 30 days after
    their last change. A key that is narrowed reads the orders of its accounts alone.
    """
    found = await desk.orders.orders(
        by=caller,
        after=_position(wished.after),
        limit=wished.asked,
        account_id=account_id,
        client_instance_id=client_instance_id,
        wait_s=float(wait),
        personal=include == "personal",
    )
    return page(found, wished.limit, OrderView.of, lambda one: one.order.position)


@router.get(
    "/accounts/{account_id}/orders/{order_id}", operation_id="getOrder", responses=answers(404)
)
async def get_order(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    order_id: OrderId,
    include: Include = None,
) -> OrderView:
    """Show one order. Needs the right `orders`, which `amazon_read` holds."""
    return OrderView.of(
        await desk.orders.order(account_id, order_id, by=caller, personal=include == "personal")
    )


@router.get("/order-sweeps", operation_id="listOrderSweeps", responses=answers())
async def list_order_sweeps(desk: AtDesk, caller: AsCaller, wished: Paging) -> Page[OrderSweepView]:
    """List how far the orders of all accounts were read. Needs the right `read`."""
    found = await desk.orders.states(by=caller, after=wished.after, limit=wished.asked)
    return page(found, wished.limit, OrderSweepView.of, lambda one: one.account_id)


@router.get(
    "/accounts/{account_id}/order-sweep", operation_id="getOrderSweep", responses=answers(404)
)
async def get_order_sweep(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> OrderSweepView:
    """Show how far the orders of an account were read. Needs the right `read`."""
    return OrderSweepView.of(await desk.orders.state(account_id, by=caller))


@router.post(
    "/accounts/{account_id}/order-sweep",
    operation_id="sweepOrdersNow",
    responses=answers(404, 409, 502),
)
async def sweep_orders_now(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> OrderSweepView:
    """Read the orders of an account now. Needs the right `write`.

    It takes up to some 20 seconds; the answer says how far that came. Evergrant sweeps by itself as
    well: every ten minutes unless the operator set another interval. Repeating it is safe, and
    spends the account's limits.
    """
    return OrderSweepView.of(await desk.orders.sweep_now(account_id, by=caller))


def _position(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidInput(flaws=[Flaw("is no `position` of an order.", field="after")])
    return int(after)
