"""Direct Fulfillment Orders 2021-12-28 and v1: getOrders, getOrder, submitAcknowledgement.

Answers for: both ends of the span needed, filters, paging, and a restricted data token for every
read (Amazon's two models and its page 'tokens-api-use-case-guide'). The versions differ in their
shape alone: v1 has a payload. What is ordered is kept by `trade.vendor_direct`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.vendor_pages import page, resumed
from amazon_emulator.apis.vendor_submissions import (
    DIRECT_ROLES,
    always,
    bare,
    instants,
    only_direct,
    truth,
    within,
    wrapped,
)
from amazon_emulator.clock import stamp
from amazon_emulator.trade.vendors.direct import (
    ACKNOWLEDGEMENT,
    DIRECT_STATUSES,
    DirectLine,
    DirectOrder,
    VendorDirect,
)

__all__ = ["OPERATIONS", "get_order", "get_orders", "order_view"]

BASE = "/vendor/directFulfillment/orders"
PAGE = 100


def get_orders(call: Call) -> dict[str, Any]:
    only_direct(call)
    started = resumed(call, "getOrders")
    call = started.call
    limit = call.number("limit", PAGE, 1, PAGE)
    details = truth(call, "includeDetails", True)
    found, pagination = started.cut(_wanted(call), _key, limit)
    payload = {"orders": [order_view(order, details=details) for order in found]}
    return page(payload, pagination)


def _wanted(call: Call) -> Iterable[DirectOrder]:
    for name in ("createdAfter", "createdBefore"):
        if call.query(name) is None:
            raise Denied(400, "InvalidInput", f"Missing required parameter: '{name}'")
    span = instants(call, "createdAfter", "createdBefore")
    status = call.choice("status", DIRECT_STATUSES)
    warehouse = call.query("shipFromPartyId")
    for order in call.stage.of(VendorDirect).orders_of(call.partner).values():
        if (
            within(order.placed_at, span)
            and status in (None, order.status)
            and warehouse in (None, order.warehouse)
        ):
            yield order


def _key(order: DirectOrder) -> tuple[str, str]:
    return str(stamp(order.placed_at)), order.number


def get_order(call: Call) -> dict[str, Any]:
    only_direct(call)
    number = call.path["purchaseOrderNumber"]
    order = call.stage.of(VendorDirect).orders_of(call.partner).get(number)
    if order is None:
        raise Denied.missing("The purchase order was not found.", number)
    return order_view(order)


def order_view(order: DirectOrder, *, details: bool = True) -> dict[str, Any]:
    """The models' `Order`."""
    view: dict[str, Any] = {"purchaseOrderNumber": order.number}
    if not details:
        return view
    customer = order.customer
    return {
        **view,
        "orderDetails": {
            "customerOrderNumber": order.customer_order_number,
            "orderDate": stamp(order.placed_at),
            "orderStatus": order.status,
            "shipmentDetails": {
                "isPriorityShipment": order.priority,
                "isScheduledDeliveryShipment": False,
                "isPslipRequired": True,
                "isGift": order.gift,
                "shipMethod": order.ship_method,
                "shipmentDates": {
                    "requiredShipDate": stamp(order.required_ship_at),
                    "promisedDeliveryDate": stamp(order.promised_at),
                },
                "messageToCustomer": "Thank you for your order.",
            },
            "sellingParty": {"partyId": order.vendor_code},
            "shipFromParty": {"partyId": order.warehouse},
            "shipToParty": {
                "name": customer.name,
                "addressLine1": customer.street,
                "city": customer.city,
                "stateOrRegion": customer.state,
                "postalCode": customer.postal_code,
                "countryCode": customer.country_code,
                "phone": customer.phone,
            },
            "billToParty": {"partyId": order.country_code},
            "items": [_item_view(order, line) for line in order.lines],
        },
    }


def _item_view(order: DirectOrder, line: DirectLine) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "itemSequenceNumber": line.number,
        "buyerProductIdentifier": line.asin,
        "vendorProductIdentifier": line.sku,
        "title": line.title,
        "orderedQuantity": {"amount": line.amount, "unitOfMeasure": "Each"},
        "netPrice": {"amount": line.price, "currencyCode": order.currency},
        "totalPrice": {
            "amount": str(Decimal(line.price) * line.amount),
            "currencyCode": order.currency,
        },
    }
    if order.gift:
        shown["giftDetails"] = {"giftMessage": f"For you, {order.customer.name}"}
    return shown


def _in_payload(answer: Callable[[Call], dict[str, Any]]) -> Callable[[Call], dict[str, Any]]:
    return lambda call: {"payload": answer(call)}


def _operations(
    version: str,
    dress: Callable[[Callable[[Call], dict[str, Any]]], Callable[[Call], dict[str, Any]]],
    submitted: Callable[[Call], Any],
) -> tuple[Operation, ...]:
    return (
        Operation(
            "getOrders",
            "GET",
            f"{BASE}/{version}/purchaseOrders",
            DIRECT_ROLES,
            ("vendor",),
            dress(get_orders),
            restricted=always,
        ),
        Operation(
            "getOrder",
            "GET",
            f"{BASE}/{version}/purchaseOrders/{{purchaseOrderNumber}}",
            DIRECT_ROLES,
            ("vendor",),
            dress(get_order),
            restricted=always,
        ),
        Operation(
            "submitAcknowledgement",
            "POST",
            f"{BASE}/{version}/acknowledgements",
            DIRECT_ROLES,
            ("vendor",),
            submitted,
        ),
    )


OPERATIONS = (
    *_operations("2021-12-28", lambda answer: answer, bare(ACKNOWLEDGEMENT)),
    *_operations("v1", _in_payload, wrapped(ACKNOWLEDGEMENT)),
)
