"""Orders 2026-01-01: searchOrders and getOrder (shapes: Amazon's model orders_2026-01-01).

Answers for: the rules of the model's parameters, pages bound to their query for 24 hours, data sets
by choice. No restricted data token is needed in this version: roles decide what is told.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from amazon_emulator.apis import paging
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.orders_2026_view import DATA, order_view
from amazon_emulator.apis.orders_search import (
    Names,
    Span,
    choices,
    page,
    read_span,
    span_of,
)
from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.trade.orders.orders import FULFILLERS, STATUSES, Order, Orders

__all__ = ["OPERATIONS", "ORDER_ROLES", "get_order", "order_of", "search_orders"]

# Any of these opens orders (Amazon's page 'role-mappings').
ORDER_ROLES = (
    *("Inventory and Order Tracking", "Direct-to-Consumer Shipping", "Tax Invoicing"),
    "Tax Remittance",
)
PAGE = 100
MARK_LIVES = timedelta(hours=24)
MOST_MARKETPLACES = 50
NAMES = Names("createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore")


def search_orders(call: Call) -> dict[str, Any]:
    """Raises Denied for every breach of the model's rules."""
    span = read_span(call, NAMES)
    size = call.number("maxResultsPerPage", PAGE, 1, PAGE)
    data = _data(call)
    statuses = choices(call, "fulfillmentStatuses", STATUSES)
    fulfillers = choices(call, "fulfilledBy", FULFILLERS)
    stores = set(call.queries("marketplaceIds"))
    if len(stores) > MOST_MARKETPLACES:
        raise Denied.invalid(f"At most {MOST_MARKETPLACES} marketplaceIds may be provided")
    bound = _bound(span, statuses, fulfillers, stores)
    position = None
    mark = call.query("paginationToken")
    if mark is not None:
        facts = _opened(call, mark, bound)
        span, position = span_of(facts), facts["position"]

    def keep(order: Order) -> bool:
        return (
            (not stores or order.marketplace.id in stores)
            and (not statuses or order.status in statuses)
            and (not fulfillers or order.fulfilled_by in fulfillers)
        )

    found = page(call, span, size, keep, position)
    roles = frozenset(call.grant.roles)
    answer: dict[str, Any] = {
        "orders": [order_view(order, data, roles, call.now) for order in found.orders]
    }
    upper = "createdBefore" if span.by == "created" else "lastUpdatedBefore"
    answer[upper] = stamp(span.before)
    if found.position is not None:
        facts = {
            "bound": bound,
            "by": span.by,
            "after": stamp(span.after),
            "before": span.before.isoformat(),
            "position": found.position,
            "ends_at": stamp(call.now + MARK_LIVES),
        }
        answer["pagination"] = {"nextToken": paging.next_mark(call, "searchOrders", facts)}
    return answer


def get_order(call: Call) -> dict[str, Any]:
    data = _data(call)
    order = order_of(call)
    return {"order": order_view(order, data, frozenset(call.grant.roles), call.now)}


def order_of(call: Call) -> Order:
    """The order that the path names. Raises Denied, 404, when this seller has none such here."""
    order_id = call.path["orderId"]
    order = call.stage.of(Orders).one_shown(
        call.partner.selling_partner_id, call.region, order_id, call.now
    )
    if order is None:
        raise Denied.missing(f"Order {order_id} was not found")
    return order


def _data(call: Call) -> frozenset[str]:
    return frozenset(choices(call, "includedData", DATA))


def _bound(span: Span, statuses: set[str], fulfillers: set[str], stores: set[str]) -> list[Any]:
    """What must not change from page to page; the size and the data sets may."""
    told = stamp(span.told)
    return [
        span.by,
        stamp(span.after),
        told,
        sorted(statuses),
        sorted(fulfillers),
        sorted(stores),
    ]


def _opened(call: Call, mark: str, bound: list[Any]) -> dict[str, Any]:
    facts = paging.read_mark(call, "searchOrders", mark)
    if call.now >= read_instant(facts["ends_at"]):
        raise Denied.invalid("The paginationToken has expired")
    if facts["bound"] != bound:
        raise Denied.invalid("The paginationToken belongs to a request with other parameters")
    return facts


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "searchOrders",
        "GET",
        "/orders/2026-01-01/orders",
        ORDER_ROLES,
        ("seller",),
        search_orders,
    ),
    Operation(
        "getOrder",
        "GET",
        "/orders/2026-01-01/orders/{orderId}",
        ORDER_ROLES,
        ("seller",),
        get_order,
    ),
)
