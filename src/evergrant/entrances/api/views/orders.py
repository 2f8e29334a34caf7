"""Orders, and how far they were read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from evergrant.entrances.api.views.pages import View
from evergrant.orders import OrderTold, SweepState
from evergrant.ports.traded import OrderKind
from evergrant.rules.lifecycle import State

__all__ = ["OrderSweepView", "OrderView"]


class OrderView(View):
    """One order as Amazon last told it."""

    position: int = Field(description="Grows with each change of an order. Keep the last one")
    account_id: str
    order_id: str = Field(description="Amazon's; of vendors the purchase order number")
    kind: OrderKind
    marketplace_id: str = Field(description="Amazon's; empty for vendors")
    status: str = Field(description="As Amazon calls it")
    ordered_at: datetime | None
    amazon_changed_at: datetime | None = Field(description="Null where Amazon does not say")
    received_at: datetime
    changed_at: datetime = Field(description="When Evergrant got this state of it")
    has_personal: bool = Field(description="Something of it is personal, and kept sealed")
    with_personal: bool = Field(description="It is in this answer's `body`")
    body: dict[str, JsonValue] = Field(
        description="Amazon's own: `Order` of orders 2026-01-01, of vendor orders v1, or of direct "
        "fulfillment orders 2021-12-28; whole, or less all that is personal"
    )

    @classmethod
    def of(cls, told: OrderTold) -> OrderView:
        order = told.order
        body: Any = told.body
        return cls(
            position=order.position,
            account_id=order.account_id,
            order_id=order.order_id,
            kind=order.kind,
            marketplace_id=order.marketplace_id,
            status=order.status,
            ordered_at=order.ordered_at,
            amazon_changed_at=order.amazon_changed_at,
            received_at=order.created_at,
            changed_at=order.changed_at,
            has_personal=order.personal,
            with_personal=told.opened,
            body=body,
        )


class OrderSweepView(View):
    """How far the orders of an account were read."""

    account_id: str
    account_name: str
    kind: OrderKind
    state: State
    bound_at: datetime | None = Field(description="Everything that changed before was read")
    swept_at: datetime | None = Field(description="When the last sweep ended")
    due_at: datetime | None = Field(description="Null: not before the account is authorized")
    under_way: bool = Field(description="Between two pages of a sweep")
    lacks: str = Field(
        description="Empty, or: `merchant_token`, `vendor_code` (nothing is read), `tax_data`, "
        "`personal_data` (orders come without)"
    )
    why: str = Field(description="The same as a sentence")
    last_error: str = Field(description="What stood against the last try; Amazon's words")
    failures: int = Field(description="Tries in a row that failed")
    orders: int | None = Field(description="How many are kept; null in lists")

    @classmethod
    def of(cls, state: SweepState) -> OrderSweepView:
        return cls(
            account_id=state.account_id,
            account_name=state.account_name,
            kind=state.kind,
            state=state.state,
            bound_at=state.bound_at,
            swept_at=state.swept_at,
            due_at=state.due_at,
            under_way=state.under_way,
            lacks=state.lacks,
            why=state.why,
            last_error=state.last_error,
            failures=state.failures,
            orders=state.orders,
        )
