"""Orders v0, the reads: deprecated, but there until 2027 (shapes: Amazon's model ordersV0).

Answers for: filters and pages of getOrders, and what a restricted data token opens: getOrderAddress
and both buyer-info operations need one, the others leave personal data out without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from amazon_emulator.apis import orders_v0_view as view
from amazon_emulator.apis import paging
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.orders_2026 import ORDER_ROLES, order_of
from amazon_emulator.apis.orders_search import (
    Names,
    Span,
    choices,
    page,
    read_span,
    span_of,
)
from amazon_emulator.clock import stamp
from amazon_emulator.trade.orders.notice import V0_STATUS
from amazon_emulator.trade.orders.orders import Order, Orders

__all__ = ["OPERATIONS", "Filters", "get_order", "get_orders"]

PAGE = 100
MOST = 50
NAMES = Names("CreatedAfter", "CreatedBefore", "LastUpdatedAfter", "LastUpdatedBefore")
STATUSES = (*V0_STATUS.values(), "InvoiceUnconfirmed")
CHANNELS = ("AFN", "MFN")
INVOICE_STATUSES = ("NotRequired", "NotFound", "Processing", "Errored", "Accepted")
# With a seller's own number there may be none of these.
NOT_WITH_OWN_NUMBER = (
    *("FulfillmentChannels", "OrderStatuses", "PaymentMethods", "LastUpdatedAfter"),
    *("LastUpdatedBefore", "BuyerEmail"),
)
# Filters for programmes that no emulated order takes part in: they find nothing.
FOR_NOBODY = (
    *("EasyShipShipmentStatuses", "ActualFulfillmentSupplySourceId", "StoreChainStoreId"),
)
DELIVERY = (
    *("EarliestDeliveryDateBefore", "EarliestDeliveryDateAfter"),
    *("LatestDeliveryDateBefore", "LatestDeliveryDateAfter"),
)
LISTS = (
    *("MarketplaceIds", "OrderStatuses", "FulfillmentChannels", "PaymentMethods"),
    *("AmazonOrderIds", "ElectronicInvoiceStatuses"),
)
SINGLES = ("BuyerEmail", "SellerOrderId", "IsISPU", *FOR_NOBODY)


class Filters:
    """What getOrders was asked for beside the range; goes into the page mark as it is."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self._finds_nothing = any(facts[name] is not None for name in FOR_NOBODY)
        self._tests = tuple(_tests(facts))

    @classmethod
    def read(cls, call: Call) -> Filters:
        """Raises Denied."""
        facts: dict[str, Any] = {name: call.queries(name) for name in LISTS}
        facts |= {name: call.query(name) for name in SINGLES}
        facts |= {name: stamp(call.instant(name)) for name in DELIVERY}
        for name in ("MarketplaceIds", "AmazonOrderIds"):
            if len(facts[name]) > MOST:
                raise Denied.invalid(f"At most {MOST} {name} may be provided")
        if not facts["MarketplaceIds"]:
            raise Denied.invalid("Missing required parameter 'MarketplaceIds'")
        for name, allowed in (
            ("OrderStatuses", STATUSES),
            ("FulfillmentChannels", CHANNELS),
            ("PaymentMethods", view.PAYMENT_METHODS),
            ("ElectronicInvoiceStatuses", INVOICE_STATUSES),
        ):
            choices(call, name, allowed)
        call.choice("IsISPU", ("true", "false"))
        if facts["SellerOrderId"] is not None:
            for name in NOT_WITH_OWN_NUMBER:
                if call.query(name) is not None:
                    raise Denied.invalid(f"{name} cannot be specified with SellerOrderId")
        return cls(facts)

    def keep(self, order: Order) -> bool:
        return not self._finds_nothing and all(test(order) for test in self._tests)


def _tests(facts: dict[str, Any]) -> Iterator[Callable[[Order], bool]]:
    """One for each filter that was given."""
    for name, told in TOLD.items():
        if facts[name]:
            yield _is_among(told, frozenset(facts[name]))
    for name, told in (("BuyerEmail", _email_of), ("SellerOrderId", _own_number_of)):
        if facts[name] is not None:
            yield _is_among(told, frozenset([facts[name]]))
    if facts["IsISPU"] == "true":
        yield view.is_picked_up
    for name in DELIVERY:
        if facts[name] is not None:
            yield _is_delivered(name, datetime.fromisoformat(facts[name]))


def _is_among(told: Callable[[Order], str], values: frozenset[str]) -> Callable[[Order], bool]:
    return lambda order: told(order) in values


def _is_delivered(name: str, bound: datetime) -> Callable[[Order], bool]:
    """By a parameter's name: which end of the window, and on which side of the bound."""

    def test(order: Order) -> bool:
        window = order.deliver_by
        instant = window.earliest if name.startswith("Earliest") else window.latest
        return instant >= bound if name.endswith("After") else instant <= bound

    return test


def _email_of(order: Order) -> str:
    return order.buyer.email


def _own_number_of(order: Order) -> str:
    return order.seller_order_id


TOLD: dict[str, Callable[[Order], str]] = {
    "MarketplaceIds": lambda order: order.marketplace.id,
    "OrderStatuses": lambda order: V0_STATUS[order.status],
    "FulfillmentChannels": view.channel_of,
    "PaymentMethods": view.payment_method_of,
    "AmazonOrderIds": lambda order: order.order_id,
    "ElectronicInvoiceStatuses": lambda order: "NotRequired",
}


def get_orders(call: Call) -> dict[str, Any]:
    """A page by range and filters, or the one that NextToken names, with the filters of its first
    page."""
    mark = call.query("NextToken")
    position = None
    if mark is not None:
        facts = paging.read_mark(call, "getOrders", mark)
        filters, span, size = Filters(facts["filters"]), span_of(facts), int(facts["size"])
        position = facts["position"]
    else:
        filters = Filters.read(call)
        span = _span(call, filters)
        size = call.number("MaxResultsPerPage", PAGE, 1, PAGE)
    found = page(call, span, size, filters.keep, position)
    payload: dict[str, Any] = {
        "Orders": [view.order_view(order, call.data_elements, call.now) for order in found.orders]
    }
    upper = "CreatedBefore" if span.by == "created" else "LastUpdatedBefore"
    payload[upper] = stamp(span.before)
    if found.position is not None:
        facts = {
            "filters": filters.facts,
            "by": span.by,
            "after": stamp(span.after),
            "before": span.before.isoformat(),
            "size": size,
            "position": found.position,
        }
        payload["NextToken"] = paging.next_mark(call, "getOrders", facts)
    return {"payload": payload}


def _span(call: Call, filters: Filters) -> Span:
    """With order ids no range is needed."""
    given = (NAMES.created_after, NAMES.updated_after)
    if filters.facts["AmazonOrderIds"] and not any(call.query(name) for name in given):
        orders = call.stage.of(Orders).of_partner(call.partner.selling_partner_id)
        oldest = min((order.created_at for order in orders), default=call.now)
        return Span("created", oldest, call.now)
    return read_span(call, NAMES)


def get_order(call: Call) -> dict[str, Any]:
    return {"payload": view.order_view(order_of(call), call.data_elements, call.now)}


def _get_buyer_info(call: Call) -> dict[str, Any]:
    return {"payload": view.buyer_view(order_of(call))}


def _get_address(call: Call) -> dict[str, Any]:
    return {"payload": view.address_view(order_of(call), call.now)}


def _get_items(call: Call) -> dict[str, Any]:
    return _items(call, "getOrderItems", lambda o, i: view.item_view(o, i, call.data_elements))


def _get_items_buyer_info(call: Call) -> dict[str, Any]:
    return _items(call, "getOrderItemsBuyerInfo", view.item_buyer_view)


def _items(call: Call, operation: str, show: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    order = order_of(call)
    start = 0
    mark = call.query("NextToken")
    if mark is not None:
        facts = paging.read_mark(call, operation, mark)
        if facts["order_id"] != order.order_id:
            raise Denied.invalid("The NextToken belongs to another order")
        start = int(facts["start"])
    shown = order.items[start : start + PAGE]
    payload: dict[str, Any] = {
        "AmazonOrderId": order.order_id,
        "OrderItems": [show(order, item) for item in shown],
    }
    if start + PAGE < len(order.items):
        facts = {"order_id": order.order_id, "start": start + PAGE}
        payload["NextToken"] = paging.next_mark(call, operation, facts)
    return {"payload": payload}


def _always(call: Call) -> bool:
    return True


_ONE = "/orders/v0/orders/{orderId}"

OPERATIONS: tuple[Operation, ...] = (
    Operation("getOrders", "GET", "/orders/v0/orders", ORDER_ROLES, ("seller",), get_orders),
    Operation("getOrder", "GET", _ONE, ORDER_ROLES, ("seller",), get_order),
    Operation(
        "getOrderBuyerInfo",
        "GET",
        f"{_ONE}/buyerInfo",
        ORDER_ROLES,
        ("seller",),
        _get_buyer_info,
        restricted=_always,
    ),
    Operation(
        "getOrderAddress",
        "GET",
        f"{_ONE}/address",
        ("Direct-to-Consumer Shipping",),
        ("seller",),
        _get_address,
        restricted=_always,
    ),
    Operation("getOrderItems", "GET", f"{_ONE}/orderItems", ORDER_ROLES, ("seller",), _get_items),
    Operation(
        "getOrderItemsBuyerInfo",
        "GET",
        f"{_ONE}/orderItems/buyerInfo",
        ORDER_ROLES,
        ("seller",),
        _get_items_buyer_info,
        restricted=_always,
    ),
)
