"""Finances v0: financial events of an order, of a span, of a group; and the groups.

Answers for: shipment and refund events in the shapes of Amazon's model financesV0, so that a
program can see prior refunds before it sends one. Refunds are negative charge adjustments.
Other kinds of events and all fees are not played.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_ORDER_ID = re.compile(r"[0-9]{3}-[0-9]{7}-[0-9]{7}")


def _by_order(call: Call) -> dict[str, Any]:
    order_id = call.path["orderId"]
    if call.stage.of(Orders).find(order_id) is None and not _ORDER_ID.fullmatch(order_id):
        raise Denied.invalid(f"{order_id!r} is not an order id")
    asked = _Asked.read(call, "byOrder", order_id)
    return _events(call, asked, lambda entry: True, order_id)


def _all(call: Call) -> dict[str, Any]:
    asked = _Asked.read(call, "all", "", "PostedAfter", "PostedBefore")
    return _events(call, asked, lambda entry: asked.holds(entry.booking.posted_at))


def _by_group(call: Call) -> dict[str, Any]:
    group_id = call.path["eventGroupId"]
    if not re.fullmatch(r"[\w-]{1,128}", group_id):
        raise Denied.invalid(f"{group_id!r} is not a financial event group id")
    asked = _Asked.read(call, "byGroup", group_id, "PostedAfter", "PostedBefore")

    def keep(entry: Entry) -> bool:
        return entry.group.group_id == group_id and asked.holds(entry.booking.posted_at)

    return _events(call, asked, keep)


@dataclass(frozen=True)
class _Asked:
    """The range and the place in it that a call asks for; the next page keeps the range, whatever
    happens meanwhile. ``position``: the key of the last entry that was told."""

    bound: list[Any]
    after: datetime | None
    before: datetime
    position: list[str] | None = None

    @classmethod
    def read(cls, call: Call, what: str, of: str, lower: str = "", upper: str = "") -> _Asked:
        """From a range, or from a NextToken, beside which the range may be repeated or left out.
        Raises Denied."""
        given = [stamp(call.instant(name)) if name else None for name in (lower, upper)]
        mark = call.query("NextToken")
        if mark is None:
            after, before = _span(call, lower, upper) if lower else (None, call.now)
            return cls([what, of, *given], after, before)
        facts = paging.read_mark(call, "finances", mark)
        if facts["bound"][:2] != [what, of]:
            raise Denied.invalid("The NextToken belongs to another request")
        if any(given) and facts["bound"][2:] != given:
            raise Denied.invalid("The NextToken belongs to a request with another range")
        after = datetime.fromisoformat(facts["after"]) if facts["after"] else None
        before = datetime.fromisoformat(facts["before"])
        return cls(facts["bound"], after, before, facts["position"])

    def holds(self, instant: datetime) -> bool:
        """Ends of more than 180 days find nothing, as the model says."""
        if self.after is not None and (instant < self.after or self.before - self.after > WIDEST):
            return False
        return instant < self.before

    def page(self, call: Call, keys: list[list[str]]) -> tuple[slice, str | None]:
        """Which of the entries with these ascending keys are told now, and the mark of the rest."""
        size = call.number("MaxResultsPerPage", PAGE, 1, PAGE)
        start = 0 if self.position is None else bisect_right(keys, self.position)
        shown = slice(start, start + size)
        if start + size >= len(keys):
            return shown, None
        facts = {
            "bound": self.bound,
            "after": self.after and self.after.isoformat(),
            "before": self.before.isoformat(),
            "position": keys[shown][-1],
        }
        return shown, paging.next_mark(call, "finances", facts)


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
    call: Call, asked: _Asked, keep: Callable[[Entry], bool], order_id: str | None = None
) -> dict[str, Any]:
    found = [entry for entry in _told(call, order_id) if keep(entry)]
    shown, mark = asked.page(call, [_key(*entry.key) for entry in found])
    events: dict[str, Any] = {}
    for kind, name in (("Shipment", "ShipmentEventList"), ("Refund", "RefundEventList")):
        events[name] = [_event(entry) for entry in found[shown] if entry.booking.kind == kind]
    payload: dict[str, Any] = {"FinancialEvents": events}
    if mark is not None:
        payload["NextToken"] = mark
    return {"payload": payload}


def _key(instant: datetime, name: str) -> list[str]:
    return [instant.isoformat(timespec="microseconds"), name]


def _latest_first(group: Group) -> list[str]:
    return [f"{(_FAR - group.starts_at).days:07d}", group.group_id]


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
    asked = _Asked.read(call, "groups", "", after, before)
    found = [
        (group, inside)
        for group, inside in money_ledger.groups(_told(call))
        if asked.holds(group.starts_at)
    ]
    shown, mark = asked.page(call, [_latest_first(group) for group, _inside in found])
    groups = [_group(group, inside, call.now) for group, inside in found[shown]]
    payload: dict[str, Any] = {"FinancialEventGroupList": groups}
    if mark is not None:
        payload["NextToken"] = mark
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
