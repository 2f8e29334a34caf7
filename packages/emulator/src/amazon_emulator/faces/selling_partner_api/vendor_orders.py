"""Vendor Orders v1: getPurchaseOrdersStatus (shapes: Amazon's vendorOrders model).

Answers for: a couple of made-up purchase orders per vendor code, filtered, sorted and paged as the
model's parameters say. The orders are made when the vendor is made.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.selling_partner_api.operations import Call, Denied, Operation
from amazon_emulator.world import Partner

PAGE = 100
CONFIRMATIONS = ("ACCEPTED", "PARTIALLY_ACCEPTED", "REJECTED", "UNCONFIRMED")
RECEIPTS = ("NOT_RECEIVED", "PARTIALLY_RECEIVED", "RECEIVED")


def stock_orders(partner: Partner, now: datetime) -> None:
    """Three purchase orders for each vendor code: received, partly received, and open."""
    for place, code in enumerate(partner.vendor_codes):
        for number, days_ago in enumerate((60, 20, 2)):
            partner.orders.append(
                _order(
                    partner, code, f"{place:02d}{number}", number, now - timedelta(days=days_ago)
                )
            )


def _order(
    partner: Partner, vendor_code: str, tail: str, progress: int, placed: datetime
) -> dict[str, object]:
    received = (10, 4, 0)[progress]
    accepted = (10, 10, 0)[progress]
    updated = placed + timedelta(days=(14, 7, 0)[progress])
    acknowledgement: dict[str, Any] = {
        "confirmationStatus": ("ACCEPTED", "ACCEPTED", "UNCONFIRMED")[progress],
        "acceptedQuantity": _eaches(accepted),
        "rejectedQuantity": _eaches(0),
    }
    if accepted:
        acknowledgement["acknowledgementStatusDetails"] = [
            {
                "acknowledgementDate": stamp(placed + timedelta(days=1)),
                "acceptedQuantity": _eaches(accepted),
                "rejectedQuantity": _eaches(0),
            }
        ]
    receiving: dict[str, Any] = {
        "receiveStatus": ("RECEIVED", "PARTIALLY_RECEIVED", "NOT_RECEIVED")[progress],
        "receivedQuantity": _eaches(received),
    }
    if received:
        receiving["lastReceiveDate"] = stamp(updated)
    cost = {"amount": "12.50", "currencyCode": partner.home.currency}
    ordered = {
        "orderedQuantity": _eaches(10),
        "orderedQuantityDetails": [{"updatedDate": stamp(placed), "orderedQuantity": _eaches(10)}],
    }
    return {
        "purchaseOrderNumber": f"{vendor_code[:5]}{tail}",
        "purchaseOrderStatus": ("CLOSED", "OPEN", "OPEN")[progress],
        "purchaseOrderDate": stamp(placed),
        "lastUpdatedDate": stamp(updated),
        "sellingParty": {"partyId": vendor_code},
        "shipToParty": {"partyId": f"{partner.home.country_code}M1"},
        "itemStatus": [
            {
                "itemSequenceNumber": "1",
                "buyerProductIdentifier": f"B0EMUL{tail}A",
                "vendorProductIdentifier": f"EMU-{tail}",
                "netCost": cost,
                "listPrice": cost,
                "orderedQuantity": ordered,
                "acknowledgementStatus": acknowledgement,
                "receivingStatus": receiving,
            }
        ],
    }


def _eaches(amount: int) -> dict[str, Any]:
    return {"amount": amount, "unitOfMeasure": "Eaches", "unitSize": 1}


def purchase_orders_status(call: Call) -> dict[str, Any]:
    limit = call.number("limit", PAGE, 1, 100)
    found = [order for order in call.partner.orders if _matches(call, order)]
    descending = call.choice("sortOrder", ("ASC", "DESC")) == "DESC"
    found.sort(key=lambda order: str(order["purchaseOrderDate"]), reverse=descending)
    start = _start(call)
    page = found[start : start + limit]
    payload: dict[str, Any] = {"ordersStatus": page}
    if start + limit < len(found):
        payload["pagination"] = {"nextToken": _page_mark(start + limit)}
    return {"payload": payload}


def _matches(call: Call, order: dict[str, Any]) -> bool:
    item = order["itemStatus"][0]
    for name, field in (("created", "purchaseOrderDate"), ("updated", "lastUpdatedDate")):
        instant = datetime.fromisoformat(order[field])
        after, before = call.instant(f"{name}After"), call.instant(f"{name}Before")
        if after and before and after > before:
            raise Denied.invalid(f"'{name}After' must not be later than '{name}Before'")
        if (after and instant < after) or (before and instant > before):
            return False
    confirmation = call.choice("itemConfirmationStatus", CONFIRMATIONS)
    receipt = call.choice("itemReceiveStatus", RECEIPTS)
    wanted = (
        (call.query("purchaseOrderNumber"), order["purchaseOrderNumber"]),
        (
            call.choice("purchaseOrderStatus", ("OPEN", "CLOSED")),
            order["purchaseOrderStatus"],
        ),
        (confirmation, item["acknowledgementStatus"]["confirmationStatus"]),
        (receipt, item["receivingStatus"]["receiveStatus"]),
        (call.query("orderingVendorCode"), order["sellingParty"]["partyId"]),
        (call.query("shipToPartyId"), order["shipToParty"]["partyId"]),
    )
    return all(value in (None, has) for value, has in wanted)


def _page_mark(start: int) -> str:
    return base64.b64encode(f"from {start}".encode()).decode()


def _start(call: Call) -> int:
    mark = call.query("nextToken")
    if mark is None:
        return 0
    try:
        word, _, number = base64.b64decode(mark, validate=True).decode().partition(" ")
        if word == "from":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Denied.invalid("The nextToken is not valid")


OPERATIONS = (
    Operation(
        "getPurchaseOrdersStatus",
        "GET",
        "/vendor/orders/v1/purchaseOrdersStatus",
        ("Amazon Fulfillment", "Inventory and Order Tracking"),
        ("vendor",),
        "10.0",
        purchase_orders_status,
    ),
)
