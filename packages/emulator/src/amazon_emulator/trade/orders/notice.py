"""The notification `ORDER_CHANGE`, with the payload of Amazon's OrderChangeNotification schema 1.0.

Answers for: its words and shape. Who gets it is the notices' business. There is nothing personal in
it but the postal code, as at Amazon.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders.orders import Item, Order, OrderStatus
from amazon_emulator.trade.queues import notices

__all__ = ["V0_STATUS", "payload", "tell_of_status", "tell_of_wish"]

# Statuses of Orders v0 and of the notification, by those of 2026-01-01.
V0_STATUS: dict[OrderStatus, str] = {
    "PENDING_AVAILABILITY": "PendingAvailability",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
    "UNFULFILLABLE": "Unfulfillable",
}
PROGRAMS = {"AMAZON_BUSINESS": "Business", "PRIME": "Prime", "PREMIUM": "Premium"}


def tell_of_status(stage: Stage, order: Order, now: datetime) -> None:
    """The order has another status, or is new."""
    _tell(stage, order, "OrderLevel", "OrderStatusChange", "Order Status Change", order.items, now)


def tell_of_wish(stage: Stage, order: Order, item: Item | None, now: datetime) -> None:
    """The buyer asked for a cancellation of one item, or of all."""
    level, items = ("OrderItemLevel", [item]) if item else ("OrderLevel", order.items)
    _tell(stage, order, level, "BuyerRequestedChange", "Buyer Requested Cancel", items, now)


def _tell(
    stage: Stage,
    order: Order,
    level: str,
    change: str,
    reason: str,
    items: list[Item],
    now: datetime,
) -> None:
    partner = stage.world.partners.get(order.partner_id)
    if partner is not None:
        said = payload(order, level, change, reason, items, now)
        notices.tell(stage, "ORDER_CHANGE", partner, said, now)


def payload(
    order: Order, level: str, change: str, reason: str, items: list[Item], now: datetime
) -> dict[str, Any]:
    """What stands under `Payload`."""
    shipped = sum(order.shipped(item) for item in order.items)
    open_ = 0 if order.status == "CANCELLED" else sum(i.quantity for i in order.items) - shipped
    summary: dict[str, Any] = {
        "MarketplaceId": order.marketplace.id,
        "OrderStatus": V0_STATUS[order.status],
        "PurchaseDate": stamp(order.created_at),
        "DestinationPostalCode": order.recipient.postal_code,
        "FulfillmentType": "AFN" if order.fulfilled_by == "AMAZON" else "MFN",
        "OrderType": "StandardOrder",
        "NumberOfItemsShipped": shipped,
        "NumberOfItemsUnshipped": open_,
        "EarliestDeliveryDate": stamp(order.deliver_by.earliest),
        "LatestDeliveryDate": stamp(order.deliver_by.latest),
        "EarliestShipDate": stamp(order.ship_by.earliest),
        "LatestShipDate": stamp(order.ship_by.latest),
        "OrderItems": [_item(order, item) for item in items],
    }
    if order.cancellation is not None:
        summary["CancelNotifyDate"] = stamp(order.cancellation.at)
    programs = [told for name, told in PROGRAMS.items() if name in order.programs]
    if programs:
        summary["OrderPrograms"] = programs
    notification = {
        "NotificationLevel": level,
        "SellerId": order.partner_id,
        "AmazonOrderId": order.order_id,
        "OrderChangeType": change,
        "OrderChangeTrigger": {"TimeOfOrderChange": stamp(now), "ChangeReason": reason},
        "Summary": summary,
    }
    return {"OrderChangeNotification": notification}


def _item(order: Order, item: Item) -> dict[str, Any]:
    shipped = order.shipped(item)
    return {
        "OrderItemId": item.order_item_id,
        "SellerSKU": item.sku,
        "SupplySourceId": None,
        "OrderItemStatus": "Shipped" if shipped >= item.quantity else "Unshipped",
        "Quantity": item.quantity,
        "QuantityShipped": shipped,
        "IsBuyerRequestedCancel": item.cancel_wish is not None,
        "ItemEarliestDeliveryDate": stamp(order.deliver_by.earliest),
        "ItemLatestDeliveryDate": stamp(order.deliver_by.latest),
    }
