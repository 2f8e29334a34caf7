"""Finances v0: financial events of an order, of a span, of a group; and the groups.

Answers for: shipment and refund events in the shapes of Amazon's model financesV0, so that a
program can see prior refunds before it sends one. Refunds are negative charge adjustments.
Other kinds of events and all fees are not played.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from amazon_emulator.apis import paging
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.clock import stamp
from amazon_emulator.trade.orders import money, money_ledger
from amazon_emulator.trade.orders.money_ledger import Entry, Group
from amazon_emulator.trade.orders.orders import Line, Order, Orders

__all__ = ["FINANCE_ROLES", "OPERATIONS"]

FINANCE_ROLES = ("Finance and Accounting",)
PAGE = 100
SETTLED = timedelta(minutes=2)
WIDEST = timedelta(days=180)
# Components of an order adjustment under the names that charges have here.
CHARGE_TYPES = {
    "Shipping": "ShippingCharge",
    "GiftWrap": "Giftwrap",
    "GiftWrapTax": "GiftwrapTax",
    "COD": "CODItemCharge",
    "CODTax": "CODItemTaxCharge",
}

_ORDER_ID = re.compile(r"[0-9]{3}-[0-9]{7}-[0-9]{7}")


def _by_order(call: Call) -> dict[str, Any]:
    order_id = call.path["orderId"]
    if call.stage.of(Orders).find(order_id) is None and not _ORDER_ID.fullmatch(order_id):
        raise Denied.invalid(f"{order_id!r} is not an order id")
    return _events(call, "byOrder", lambda entry: True, order_id, order_id)


def _all(call: Call) -> dict[str, Any]:
    after, before = _span(call, "PostedAfter", "PostedBefore")
    return _events(call, "all", lambda entry: _is_within(entry, after, before), "")


def _by_group(call: Call) -> dict[str, Any]:
    group_id = call.path["eventGroupId"]
    if not re.fullmatch(r"[\w-]{1,128}", group_id):
        raise Denied.invalid(f"{group_id!r} is not a financial event group id")
    after, before = _span(call, "PostedAfter", "PostedBefore")
    return _events(
        call,
        "byGroup",
        lambda entry: entry.group.group_id == group_id and _is_within(entry, after, before),
        group_id,
    )


def _is_within(entry: Entry, after: datetime | None, before: datetime) -> bool:
    return _is_between(entry.booking.posted_at, after, before)


def _is_between(instant: datetime, after: datetime | None, before: datetime) -> bool:
    """Ends of more than 180 days find nothing, as the model says."""
    if after is not None and (instant < after or before - after > WIDEST):
        return False
    return instant < before


def _span(call: Call, lower: str, upper: str) -> tuple[datetime | None, datetime]:
    after, before = call.instant(lower), call.instant(upper)
    latest = call.now - SETTLED
    for name, instant in ((lower, after), (upper, before)):
        if instant is not None and instant > latest:
            raise Denied.invalid(f"{name} must be no later than two minutes before the request")
    if before is not None and (after is None or before <= after):
        raise Denied.invalid(f"{upper} needs {lower} and must be later than it")
    return after, before or latest


def _told(call: Call, order_id: str | None = None) -> list[Entry]:
    lag = call.stage.of(Orders).finances_v0_lag
    partner_id = call.partner.selling_partner_id
    return money_ledger.entries(call.stage, partner_id, call.region, call.now, lag, order_id)


def _events(
    call: Call,
    what: str,
    keep: Callable[[Entry], bool],
    bound: str,
    order_id: str | None = None,
) -> dict[str, Any]:
    size = call.number("MaxResultsPerPage", PAGE, 1, PAGE)
    start = _start(call, what, bound)
    found = [entry for entry in _told(call, order_id) if keep(entry)]
    shown = found[start : start + size]
    events: dict[str, Any] = {}
    for kind, name in (("Shipment", "ShipmentEventList"), ("Refund", "RefundEventList")):
        events[name] = [_event(entry) for entry in shown if entry.booking.kind == kind]
    payload: dict[str, Any] = {"FinancialEvents": events}
    if start + size < len(found):
        payload["NextToken"] = _mark(call, what, bound, start + size)
    return {"payload": payload}


def _mark(call: Call, what: str, bound: str, start: int) -> str:
    return paging.next_mark(call, f"finances.{what}", {"bound": bound, "start": start})


def _start(call: Call, what: str, bound: str) -> int:
    mark = call.query("NextToken")
    if mark is None:
        return 0
    facts = paging.read_mark(call, f"finances.{what}", mark)
    if facts["bound"] != bound:
        raise Denied.invalid("The NextToken belongs to another request")
    return int(facts["start"])


def _event(entry: Entry) -> dict[str, Any]:
    order, booking = entry.order, entry.booking
    event: dict[str, Any] = {
        "AmazonOrderId": order.order_id,
        "MarketplaceName": order.marketplace.name,
        "PostedDate": stamp(booking.posted_at),
    }
    if order.seller_order_id:
        event["SellerOrderId"] = order.seller_order_id
    if booking.kind == "Shipment":
        event["ShipmentItemList"] = [_shipped(order, line) for line in booking.lines]
    else:
        event["ShipmentItemAdjustmentList"] = [_refunded(order, line) for line in booking.lines]
    return event


def _shipped(order: Order, line: Line) -> dict[str, Any]:
    view = _item(order, line)
    view["ItemChargeList"] = _charges(order, line, 1)
    promotions = _promotions(order, line, -1)
    if promotions:
        view["PromotionList"] = promotions
    return view


def _refunded(order: Order, line: Line) -> dict[str, Any]:
    view = _item(order, line)
    view["OrderAdjustmentItemId"] = line.adjustment_id
    view["ItemChargeAdjustmentList"] = _charges(order, line, -1)
    promotions = _promotions(order, line, 1)
    if promotions:
        view["PromotionAdjustmentList"] = promotions
    return view


def _item(order: Order, line: Line) -> dict[str, Any]:
    item = order.item(line.order_item_id)
    assert item is not None, "bookings name items of their order"
    return {
        "SellerSKU": item.sku,
        "OrderItemId": item.order_item_id,
        "QuantityShipped": line.quantity,
    }


def _charges(order: Order, line: Line, sign: int) -> list[dict[str, Any]]:
    return [
        {
            "ChargeType": CHARGE_TYPES.get(name, name),
            "ChargeAmount": _currency(sign * amount, order.currency),
        }
        for name, amount in line.amounts.items()
    ]


def _promotions(order: Order, line: Line, sign: int) -> list[dict[str, Any]]:
    item = order.item(line.order_item_id)
    return [
        {
            "PromotionType": "PromotionMetaDataDefinitionValue",
            "PromotionId": item.promotion_id if item else "",
            "PromotionAmount": _currency(sign * amount, order.currency),
        }
        for amount in line.discounts.values()
    ]


def _currency(amount: Decimal, currency: str) -> dict[str, Any]:
    return {"CurrencyCode": currency, "CurrencyAmount": money.as_number(amount)}


def _groups(call: Call) -> dict[str, Any]:
    before, after = "FinancialEventGroupStartedBefore", "FinancialEventGroupStartedAfter"
    size = call.number("MaxResultsPerPage", PAGE, 1, PAGE)
    start = _start(call, "groups", "")
    starts_after, starts_before = _span(call, after, before)
    found = [
        _group(group, inside, call.now)
        for group, inside in money_ledger.groups(_told(call))
        if _is_between(group.starts_at, starts_after, starts_before)
    ]
    payload: dict[str, Any] = {"FinancialEventGroupList": found[start : start + size]}
    if start + size < len(found):
        payload["NextToken"] = _mark(call, "groups", "", start + size)
    return {"payload": payload}


def _group(group: Group, inside: list[Entry], now: datetime) -> dict[str, Any]:
    total = sum(
        (e.booking.net() if e.booking.kind == "Shipment" else -e.booking.net() for e in inside),
        money.ZERO,
    )
    is_over = group.ends_at <= now
    view: dict[str, Any] = {
        "FinancialEventGroupId": group.group_id,
        "ProcessingStatus": "Closed" if is_over else "Open",
        "OriginalTotal": _currency(total, group.currency),
        "FinancialEventGroupStart": stamp(group.starts_at),
    }
    if is_over:
        view["FinancialEventGroupEnd"] = stamp(group.ends_at)
        view["FundTransferStatus"] = "Succeeded"
        view["FundTransferDate"] = stamp(group.ends_at)
    return view


OPERATIONS: tuple[Operation, ...] = tuple(
    Operation(name, "GET", path, FINANCE_ROLES, ("seller",), answer)
    for name, path, answer in (
        (
            "listFinancialEventsByOrderId",
            "/finances/v0/orders/{orderId}/financialEvents",
            _by_order,
        ),
        ("listFinancialEvents", "/finances/v0/financialEvents", _all),
        ("listFinancialEventGroups", "/finances/v0/financialEventGroups", _groups),
        (
            "listFinancialEventsByGroupId",
            "/finances/v0/financialEventGroups/{eventGroupId}/financialEvents",
            _by_group,
        ),
    )
)
