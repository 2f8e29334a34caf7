"""Vendor Orders v1: getPurchaseOrdersStatus (shapes: Amazon's vendorOrders model).

Answers for: a couple of made-up purchase orders per vendor code, filtered, sorted and paged as the
model's parameters say. The orders are made when the vendor is made.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.selling_partner_api.operations import Call, Denied, Operation
from amazon_emulator.world import Partner

__all__ = ["OPERATIONS", "Wanted", "purchase_orders_status", "stock_orders"]

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


@dataclass(frozen=True)
class Wanted:
    """The filters of one call, read and checked."""

    spans: tuple[tuple[str, datetime | None, datetime | None], ...]  # field, after, before
    exact: tuple[tuple[tuple[str, ...], str], ...]  # path into the order, value

    @classmethod
    def read(cls, call: Call) -> Wanted:
        """Raises Denied for a value that the model does not allow."""
        item = ("itemStatus",)
        choices = (
            (("purchaseOrderNumber",), call.query("purchaseOrderNumber")),
            (("purchaseOrderStatus",), call.choice("purchaseOrderStatus", ("OPEN", "CLOSED"))),
            (
                (*item, "acknowledgementStatus", "confirmationStatus"),
                call.choice("itemConfirmationStatus", CONFIRMATIONS),
            ),
            (
                (*item, "receivingStatus", "receiveStatus"),
                call.choice("itemReceiveStatus", RECEIPTS),
            ),
            (("sellingParty", "partyId"), call.query("orderingVendorCode")),
            (("shipToParty", "partyId"), call.query("shipToPartyId")),
        )
        spans = (
            _span(call, "created", "purchaseOrderDate"),
            _span(call, "updated", "lastUpdatedDate"),
        )
        return cls(spans, tuple((path, value) for path, value in choices if value is not None))

    def holds(self, order: dict[str, Any]) -> bool:
        for field, after, before in self.spans:
            instant = datetime.fromisoformat(order[field])
            if (after and instant < after) or (before and instant > before):
                return False
        return all(_at(order, path) == value for path, value in self.exact)


def _span(call: Call, name: str, field: str) -> tuple[str, datetime | None, datetime | None]:
    after, before = call.instant(f"{name}After"), call.instant(f"{name}Before")
    if after and before and after > before:
        raise Denied.invalid(f"'{name}After' must not be later than '{name}Before'")
    return field, after, before


def _at(order: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = order
    for name in path:
        value = value[name]
        if isinstance(value, list):
            value = value[0]
    return value


def purchase_orders_status(call: Call) -> dict[str, Any]:
    limit = call.number("limit", PAGE, 1, 100)
    wanted = Wanted.read(call)
    descending = call.choice("sortOrder", ("ASC", "DESC")) == "DESC"
    start = _start(call)
    found = [order for order in call.partner.orders if wanted.holds(order)]
    found.sort(key=lambda order: str(order["purchaseOrderDate"]), reverse=descending)
    payload: dict[str, Any] = {"ordersStatus": found[start : start + limit]}
    if start + limit < len(found):
        payload["pagination"] = {"nextToken": _page_mark(start + limit)}
    return {"payload": payload}


def _page_mark(start: int) -> str:
    return base64.b64encode(f"from {start}".encode()).decode()


def _start(call: Call) -> int:
    mark = call.query("nextToken")
    if mark is None:
        return 0
    try:
        word, _, number = base64.b64decode(mark, validate=True).decode().partition(" ")
        start = int(number)
    except (binascii.Error, ValueError):
        word, start = "", -1
    if word != "from" or start < 0:
        raise Denied.invalid("The nextToken is not valid")
    return start


OPERATIONS = (
    Operation(
        "getPurchaseOrdersStatus",
        "GET",
        "/vendor/orders/v1/purchaseOrdersStatus",
        ("Amazon Fulfillment", "Inventory and Order Tracking"),
        ("vendor",),
        purchase_orders_status,
    ),
)
