"""Finances 2024-06-19: listTransactions (shapes: Amazon's model finances_2024-06-19).

Answers for: transactions of shipments and refunds by instant or by order, the model's rules for
them, pages bound to their query; and that the last 48 hours may be missing, which a lever changes.
The operations of Finances v0 are in `finances_v0` and gathered here.

What is approximated: every transaction is released at once; totals hold no fees of Amazon.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from amazon_emulator.apis import finances_v0, paging
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.clock import stamp
from amazon_emulator.trade.orders import money, money_ledger
from amazon_emulator.trade.orders.money_ledger import Entry
from amazon_emulator.trade.orders.orders import Line, Order, Orders

__all__ = ["OPERATIONS", "list_transactions"]

PAGE = 100
SETTLED = timedelta(minutes=2)
WIDEST = timedelta(days=180)
STATUSES = ("DEFERRED", "RELEASED", "DEFERRED_RELEASED")
# The only identifiers that can be searched for, as the model says.
SEARCHED = ("ORDER_ID", "FINANCIAL_EVENT_GROUP_ID")
PARAMETERS = (
    *("postedAfter", "postedBefore", "marketplaceId", "transactionStatus"),
    *("relatedIdentifierName", "relatedIdentifierValue"),
)
US = "ATVPDKIKX0DER"


def list_transactions(call: Call) -> dict[str, Any]:
    """Raises Denied for every breach of the model's rules."""
    after, before = _span(call)
    name, value = _related(call)
    status = call.choice("transactionStatus", STATUSES)
    store = call.query("marketplaceId")
    position = _position(call)
    lag = call.stage.of(Orders).finances_lag
    told = money_ledger.entries(
        call.stage,
        call.partner.selling_partner_id,
        call.region,
        call.now,
        lag,
        value if name == "ORDER_ID" else None,
    )

    def keep(entry: Entry) -> bool:
        return (
            (after is None or entry.booking.posted_at >= after)
            and entry.booking.posted_at < before
            and (store is None or _is_of_store(entry.order, store))
            and status in (None, "RELEASED")
            and (name != "FINANCIAL_EVENT_GROUP_ID" or entry.group.group_id == value)
            and (position is None or list(_key(entry)) > position)
        )

    if after is not None and before - after > WIDEST:
        return {"payload": {"transactions": []}}
    found = [entry for entry in told if keep(entry)]
    shown = found[:PAGE]
    payload: dict[str, Any] = {"transactions": [_transaction(entry) for entry in shown]}
    if len(found) > PAGE:
        facts = {"bound": _bound(call), "position": list(_key(shown[-1]))}
        payload["nextToken"] = paging.next_mark(call, "listTransactions", facts)
    return {"payload": payload}


def _span(call: Call) -> tuple[datetime | None, datetime]:
    after, before = call.instant("postedAfter"), call.instant("postedBefore")
    if after is None and call.query("relatedIdentifierName") is None:
        words = "Start date cannot be null"
        raise Denied.invalid(words, words)
    latest = call.now - SETTLED
    for name, instant in (("postedAfter", after), ("postedBefore", before)):
        if instant is not None and instant > latest:
            raise Denied.invalid(f"{name} must be more than two minutes before the request")
    if after is not None and before is not None and before <= after:
        raise Denied.invalid("postedBefore must be later than postedAfter")
    return after, before or latest


def _related(call: Call) -> tuple[str | None, str | None]:
    name, value = call.query("relatedIdentifierName"), call.query("relatedIdentifierValue")
    if (name is None) != (value is None):
        words = "relatedIdentifierName and relatedIdentifierValue must be provided together"
        raise Denied.invalid(words)
    if name is not None and name not in SEARCHED:
        raise Denied.invalid(f"relatedIdentifierName must be one of {', '.join(SEARCHED)}")
    return name, value


def _is_of_store(order: Order, store: str) -> bool:
    """The model's note: seller-fulfilled orders of the US store are found without its id alone."""
    if store == US and order.fulfilled_by == "MERCHANT":
        return False
    return order.marketplace.id == store


def _bound(call: Call) -> list[str | None]:
    return [call.query(name) for name in PARAMETERS]


def _position(call: Call) -> list[str] | None:
    mark = call.query("nextToken")
    if mark is None:
        return None
    facts = paging.read_mark(call, "listTransactions", mark)
    if facts["bound"] != _bound(call):
        raise Denied.invalid("The nextToken belongs to a request with other arguments")
    position: list[str] = facts["position"]
    return position


def _key(entry: Entry) -> tuple[str, str]:
    posted_at, booking_id = entry.key
    return posted_at.isoformat(timespec="microseconds"), booking_id


def _transaction(entry: Entry) -> dict[str, Any]:
    order, booking = entry.order, entry.booking
    sign = 1 if booking.kind == "Shipment" else -1
    related = [
        {"relatedIdentifierName": "ORDER_ID", "relatedIdentifierValue": order.order_id},
        {
            "relatedIdentifierName": "FINANCIAL_EVENT_GROUP_ID",
            "relatedIdentifierValue": entry.group.group_id,
        },
        {
            "relatedIdentifierName": "SHIPMENT_ID" if sign > 0 else "REFUND_ID",
            "relatedIdentifierValue": booking.booking_id,
        },
    ]
    return {
        "sellingPartnerMetadata": {
            "sellingPartnerId": order.partner_id,
            "accountType": "PAYABLE",
            "marketplaceId": order.marketplace.id,
        },
        "relatedIdentifiers": related,
        "transactionType": booking.kind,
        "transactionId": f"emulated-{booking.booking_id}",
        "transactionStatus": "RELEASED",
        "description": "Order Payment" if sign > 0 else "Refund Order",
        "postedDate": stamp(booking.posted_at),
        "totalAmount": _currency(sign * booking.net(), order),
        "marketplaceDetails": {
            "marketplaceId": order.marketplace.id,
            "marketplaceName": order.marketplace.name,
        },
        "items": [_item(order, line, sign) for line in booking.lines],
    }


def _item(order: Order, line: Line, sign: int) -> dict[str, Any]:
    item = order.item(line.order_item_id)
    assert item is not None, "bookings name items of their order"
    context = {
        "contextType": "ProductContext",
        "asin": item.asin,
        "sku": item.sku,
        "quantityShipped": line.quantity,
        "fulfillmentNetwork": "AFN" if order.fulfilled_by == "AMAZON" else "MFN",
    }
    parts = [_breakdown(name, sign * amount, order) for name, amount in line.amounts.items()]
    parts += [
        _breakdown(f"{name}Promotion", -sign * amount, order)
        for name, amount in line.discounts.items()
    ]
    view: dict[str, Any] = {
        "description": item.title,
        "totalAmount": _currency(sign * line.net(), order),
        "contexts": [context],
        "breakdowns": [
            {
                "breakdownType": "Product Charges",
                "breakdownAmount": _currency(sign * line.net(), order),
                "breakdowns": parts,
            }
        ],
    }
    if line.adjustment_id:
        view["relatedIdentifiers"] = [
            {
                "itemRelatedIdentifierName": "ORDER_ADJUSTMENT_ITEM_ID",
                "itemRelatedIdentifierValue": line.adjustment_id,
            }
        ]
    return view


def _breakdown(name: str, amount: Decimal, order: Order) -> dict[str, Any]:
    return {"breakdownType": name, "breakdownAmount": _currency(amount, order)}


def _currency(amount: Decimal, order: Order) -> dict[str, Any]:
    return {"currencyCode": order.currency, "currencyAmount": money.as_number(amount)}


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "listTransactions",
        "GET",
        "/finances/2024-06-19/transactions",
        finances_v0.FINANCE_ROLES,
        ("seller",),
        list_transactions,
    ),
    *finances_v0.OPERATIONS,
)
