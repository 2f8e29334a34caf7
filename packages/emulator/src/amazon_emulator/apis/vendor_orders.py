"""Vendor Orders v1: purchase orders, their status, acknowledgements (Amazon's vendorOrders model).

Answers for: filters, spans of at most seven days, six months of history, paging, the two views of
an order. What is ordered and acknowledged is kept by `trade.vendor_retail`.

Where the model is silent: `createdAfter` without `createdBefore` reaches until now; without any
span the last seven days are listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.vendor_pages import page, resumed
from amazon_emulator.apis.vendor_submissions import (
    RETAIL_ROLES,
    Span,
    instants,
    truth,
    within,
    wrapped,
)
from amazon_emulator.clock import stamp
from amazon_emulator.trade.vendors.acknowledgements import ACKNOWLEDGEMENT
from amazon_emulator.trade.vendors.parties import billing_address, billing_party
from amazon_emulator.trade.vendors.retail import STATES, OrderLine, PurchaseOrder, VendorRetail

__all__ = [
    "OPERATIONS",
    "order_view",
    "purchase_order",
    "purchase_orders",
    "purchase_orders_status",
    "status_view",
]

PAGE = 100
LONGEST = timedelta(days=7)
HISTORY = timedelta(days=183)
EARLIEST = datetime.min.replace(tzinfo=UTC)
CONFIRMATIONS = ("ACCEPTED", "PARTIALLY_ACCEPTED", "REJECTED", "UNCONFIRMED")
RECEIPTS = ("NOT_RECEIVED", "PARTIALLY_RECEIVED", "RECEIVED")


# --- purchase orders ------------------------------------------------------------------------------


def purchase_orders(call: Call) -> dict[str, Any]:
    started = resumed(call, "getPurchaseOrders")
    call = started.call
    limit = call.number("limit", PAGE, 1, PAGE)
    details = truth(call, "includeDetails", True)
    found, pagination = started.cut(_wanted(call), _key, limit)
    payload = {"orders": [order_view(order, details=details) for order in found]}
    return {"payload": page(payload, pagination)}


def _wanted(call: Call) -> Iterable[PurchaseOrder]:
    created, changed = _span(call, "created"), _span(call, "changed")
    if created == changed == (None, None):
        created = (call.now - LONGEST, call.now)
    state = call.choice("purchaseOrderState", STATES)
    cancelled = call.choice("poItemState", ("Cancelled",)) is not None
    only_changed = truth(call, "isPOChanged", False)
    vendor_code = call.query("orderingVendorCode")
    oldest = call.now - HISTORY
    for order in call.stage.of(VendorRetail).of(call.partner).values():
        if (
            order.placed_at >= oldest
            and within(order.placed_at, created)
            and within(order.changed_at, changed)
            and state in (None, order.state)
            and (not cancelled or any(line.cancelled for line in order.lines))
            and (not only_changed or order.changed_at is not None)
            and vendor_code in (None, order.vendor_code)
        ):
            yield order


def _span(call: Call, name: str) -> Span:
    """An end that is not given is now, or seven days before the other one."""
    start, end = instants(call, f"{name}After", f"{name}Before", longest=LONGEST)
    if start is not None and end is None:
        end = max(start, call.now)
        if end - start > LONGEST:
            raise Denied.invalid(
                f"The date range must not exceed 7 days: '{name}Before' is missing, "
                f"and '{name}After' is longer ago"
            )
    elif end is not None and start is None:
        start = max(end, EARLIEST + LONGEST) - LONGEST
    return start, end


def _key(order: PurchaseOrder) -> tuple[str, str]:
    return str(stamp(order.placed_at)), order.number


def purchase_order(call: Call) -> dict[str, Any]:
    number = call.path["purchaseOrderNumber"]
    order = call.stage.of(VendorRetail).of(call.partner).get(number)
    if order is None:
        raise Denied.missing("The purchase order was not found.", number)
    return {"payload": order_view(order)}


def order_view(order: PurchaseOrder, *, details: bool = True) -> dict[str, Any]:
    """The model's `Order`."""
    view: dict[str, Any] = {
        "purchaseOrderNumber": order.number,
        "purchaseOrderState": order.state,
    }
    if not details:
        return view
    window = f"{_seconds(order.ship_from_at)}--{_seconds(order.ship_to_at)}"
    body: dict[str, Any] = {
        "purchaseOrderDate": stamp(order.placed_at),
        "purchaseOrderStateChangedDate": stamp(order.state_changed_at or order.placed_at),
        "purchaseOrderType": "RegularOrder",
        "paymentMethod": "Invoice",
        "buyingParty": {"partyId": order.warehouse},
        "sellingParty": {"partyId": order.vendor_code},
        "shipToParty": {"partyId": order.warehouse},
        "billToParty": {
            "partyId": billing_party(order.country_code),
            "address": billing_address(order.country_code),
        },
        "shipWindow": window,
        "items": [_item_view(order, line) for line in order.lines],
    }
    if order.changed_at is not None:
        body["purchaseOrderChangedDate"] = stamp(order.changed_at)
    return {**view, "orderDetails": body}


def _seconds(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _item_view(order: PurchaseOrder, line: OrderLine) -> dict[str, Any]:
    return {
        "itemSequenceNumber": line.number,
        "amazonProductIdentifier": line.asin,
        "vendorProductIdentifier": line.sku,
        "orderedQuantity": _quantity(line, line.amount),
        "isBackOrderAllowed": line.back_order_allowed,
        "netCost": {"amount": line.cost, "currencyCode": order.currency},
        "listPrice": {"amount": line.list_price, "currencyCode": order.currency},
    }


def _quantity(line: OrderLine, amount: int) -> dict[str, Any]:
    return {"amount": amount, "unitOfMeasure": line.unit, "unitSize": line.unit_size}


# --- status ---------------------------------------------------------------------------------------


def purchase_orders_status(call: Call) -> dict[str, Any]:
    started = resumed(call, "getPurchaseOrdersStatus")
    call = started.call
    limit = call.number("limit", PAGE, 1, PAGE)
    found, pagination = started.cut(_wanted_statuses(call), _key, limit)
    payload = {"ordersStatus": [status_view(order) for order in found]}
    return {"payload": page(payload, pagination)}


def _wanted_statuses(call: Call) -> Iterable[PurchaseOrder]:
    created = instants(call, "createdAfter", "createdBefore", longest=LONGEST)
    updated = instants(call, "updatedAfter", "updatedBefore", longest=LONGEST)
    status = call.choice("purchaseOrderStatus", ("OPEN", "CLOSED"))
    confirmed = call.choice("itemConfirmationStatus", CONFIRMATIONS)
    received = call.choice("itemReceiveStatus", RECEIPTS)
    number = call.query("purchaseOrderNumber")
    vendor_code, warehouse = call.query("orderingVendorCode"), call.query("shipToPartyId")
    for order in call.stage.of(VendorRetail).of(call.partner).values():
        if (
            within(order.placed_at, created)
            and within(order.updated_at, updated)
            and status in (None, _status(order))
            and (confirmed is None or any(line.confirmed == confirmed for line in order.lines))
            and (received is None or any(_receipt(line) == received for line in order.lines))
            and number in (None, order.number)
            and vendor_code in (None, order.vendor_code)
            and warehouse in (None, order.warehouse)
        ):
            yield order


def _status(order: PurchaseOrder) -> str:
    return "CLOSED" if order.state == "Closed" else "OPEN"


def _receipt(line: OrderLine) -> str:
    if not line.received:
        return "NOT_RECEIVED"
    return "RECEIVED" if line.received >= line.amount else "PARTIALLY_RECEIVED"


def status_view(order: PurchaseOrder) -> dict[str, Any]:
    """The model's `OrderStatus`."""
    return {
        "purchaseOrderNumber": order.number,
        "purchaseOrderStatus": _status(order),
        "purchaseOrderDate": stamp(order.placed_at),
        "lastUpdatedDate": stamp(order.updated_at),
        "sellingParty": {"partyId": order.vendor_code},
        "shipToParty": {"partyId": order.warehouse},
        "itemStatus": [_line_status(order, line) for line in order.lines],
    }


def _line_status(order: PurchaseOrder, line: OrderLine) -> dict[str, Any]:
    acknowledgement: dict[str, Any] = {
        "confirmationStatus": line.confirmed,
        "acceptedQuantity": _quantity(line, line.taken),
        "rejectedQuantity": _quantity(line, line.refused),
    }
    if line.answers:
        acknowledgement["acknowledgementStatusDetails"] = [
            {
                "acknowledgementDate": stamp(answer.at),
                "acceptedQuantity": _quantity(line, answer.accepted + answer.backordered),
                "rejectedQuantity": _quantity(line, answer.rejected),
            }
            for answer in reversed(line.answers)
        ]
    receiving: dict[str, Any] = {
        "receiveStatus": _receipt(line),
        "receivedQuantity": _quantity(line, line.received),
    }
    if line.received_at is not None:
        receiving["lastReceiveDate"] = stamp(line.received_at)
    return {
        "itemSequenceNumber": line.number,
        "buyerProductIdentifier": line.asin,
        "vendorProductIdentifier": line.sku,
        "netCost": {"amount": line.cost, "currencyCode": order.currency},
        "listPrice": {"amount": line.list_price, "currencyCode": order.currency},
        "orderedQuantity": {
            "orderedQuantity": _quantity(line, line.amount),
            "orderedQuantityDetails": _ordered(line),
        },
        "acknowledgementStatus": acknowledgement,
        "receivingStatus": receiving,
    }


def _ordered(line: OrderLine) -> list[dict[str, Any]]:
    rows = []
    for ordered in reversed(line.ordered):
        row = {
            "updatedDate": stamp(ordered.at),
            "orderedQuantity": _quantity(line, ordered.amount),
        }
        if ordered.cancelled:
            row["cancelledQuantity"] = _quantity(line, ordered.cancelled)
        rows.append(row)
    return rows


OPERATIONS = (
    Operation(
        "getPurchaseOrders",
        "GET",
        "/vendor/orders/v1/purchaseOrders",
        RETAIL_ROLES,
        ("vendor",),
        purchase_orders,
    ),
    Operation(
        "getPurchaseOrder",
        "GET",
        "/vendor/orders/v1/purchaseOrders/{purchaseOrderNumber}",
        RETAIL_ROLES,
        ("vendor",),
        purchase_order,
    ),
    Operation(
        "submitAcknowledgement",
        "POST",
        "/vendor/orders/v1/acknowledgements",
        RETAIL_ROLES,
        ("vendor",),
        wrapped(ACKNOWLEDGEMENT),
    ),
    Operation(
        "getPurchaseOrdersStatus",
        "GET",
        "/vendor/orders/v1/purchaseOrdersStatus",
        RETAIL_ROLES,
        ("vendor",),
        purchase_orders_status,
    ),
)
