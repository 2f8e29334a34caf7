"""An order in the words of Amazon's model ordersV0.

Answers for: the parts that a restricted data token opens (`buyerInfo`, `shippingAddress`,
`buyerTaxInformation`): without one nothing personal is told. Prices of orders that are not paid yet
are left out, as the model says of getOrderItems; addresses of such and of cancelled ones, as it
says of `ShippingAddress`; e-mail addresses and telephones are told as in version 2026-01-01.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from amazon_emulator.apis.orders_told import TO_SHIP, UNPAID, email_of, phone_of
from amazon_emulator.clock import stamp
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.notice import V0_STATUS
from amazon_emulator.trade.orders.orders import Item, Order

__all__ = [
    "PAYMENT_METHODS",
    "address_view",
    "buyer_view",
    "channel_of",
    "is_picked_up",
    "item_buyer_view",
    "item_view",
    "order_view",
    "payment_method_of",
]

PAYMENT_METHODS = ("COD", "CVS", "Other")
LEVELS = {"STANDARD": "Standard", "EXPEDITED": "Expedited", "NEXT_DAY": "NextDay"}


def order_view(order: Order, opened: frozenset[str], now: datetime) -> dict[str, Any]:
    """An `Order` of the model; ``opened``: data elements of a restricted data token."""
    shipped = sum(order.shipped(item) for item in order.items)
    ordered = sum(item.quantity for item in order.items)
    open_ = 0 if order.status == "CANCELLED" else ordered - shipped
    level = LEVELS.get(order.service_level, "Standard")
    view: dict[str, Any] = {
        "AmazonOrderId": order.order_id,
        "PurchaseDate": stamp(order.created_at),
        "LastUpdateDate": stamp(order.updated_at),
        "OrderStatus": V0_STATUS[order.status],
        "FulfillmentChannel": channel_of(order),
        "SalesChannel": order.marketplace.name,
        "ShipServiceLevel": level,
        "NumberOfItemsShipped": shipped,
        "NumberOfItemsUnshipped": open_,
        "PaymentMethod": payment_method_of(order),
        "PaymentMethodDetails": [order.payment_method],
        "MarketplaceId": order.marketplace.id,
        "ShipmentServiceLevelCategory": level,
        "OrderType": "StandardOrder",
        "IsBusinessOrder": "AMAZON_BUSINESS" in order.programs,
        "IsPrime": "PRIME" in order.programs,
        "IsPremiumOrder": "PREMIUM" in order.programs,
        "IsISPU": is_picked_up(order),
        "IsReplacementOrder": False,
        "IsSoldByAB": False,
    }
    if order.fulfilled_by == "MERCHANT":
        view["EarliestShipDate"] = stamp(order.ship_by.earliest)
        view["LatestShipDate"] = stamp(order.ship_by.latest)
        view["EarliestDeliveryDate"] = stamp(order.deliver_by.earliest)
        if order.status in TO_SHIP:
            view["LatestDeliveryDate"] = stamp(order.deliver_by.latest)
    if order.seller_order_id:
        view["SellerOrderId"] = order.seller_order_id
    if order.status not in UNPAID:
        view["OrderTotal"] = _money(order.net(), order)
    if "buyerInfo" in opened:
        view["BuyerInfo"] = _buyer(order)
    if "shippingAddress" in opened and order.status in TO_SHIP:
        view["ShippingAddress"] = _address(order, now)
    if "buyerTaxInformation" in opened and order.buyer.company:
        view["BuyerTaxInformation"] = {
            "BuyerLegalCompanyName": order.buyer.company,
            "BuyerTaxRegistrationId": f"EMULATED-{order.order_id[-7:]}",
        }
    return view


def channel_of(order: Order) -> str:
    return "AFN" if order.fulfilled_by == "AMAZON" else "MFN"


def payment_method_of(order: Order) -> str:
    return order.payment_method if order.payment_method in PAYMENT_METHODS else "Other"


def is_picked_up(order: Order) -> bool:
    """In a store, by the buyer."""
    return "IN_STORE_PICK_UP" in order.programs


def buyer_view(order: Order) -> dict[str, Any]:
    """An `OrderBuyerInfo`."""
    return {"AmazonOrderId": order.order_id, **_buyer(order)}


def address_view(order: Order, now: datetime) -> dict[str, Any]:
    """An `OrderAddress`; with an address while the order is to be shipped or has been."""
    view: dict[str, Any] = {"AmazonOrderId": order.order_id}
    if order.status in TO_SHIP:
        view["ShippingAddress"] = _address(order, now)
    if order.buyer.company:
        view["BuyerCompanyName"] = order.buyer.company
    return view


def item_view(order: Order, item: Item, opened: frozenset[str]) -> dict[str, Any]:
    """An `OrderItem`."""
    view: dict[str, Any] = {
        "ASIN": item.asin,
        "SellerSKU": item.sku,
        "OrderItemId": item.order_item_id,
        "Title": item.title,
        "QuantityOrdered": 0 if order.status == "CANCELLED" else item.quantity,
        "QuantityShipped": order.shipped(item),
        "ProductInfo": {"NumberOfItems": "1"},
        "ConditionId": "New",
        "ConditionSubtypeId": "New",
        "IsTransparency": item.transparency,
        "BuyerRequestedCancel": {
            "IsBuyerRequestedCancel": "false" if item.cancel_wish is None else "true",
            "BuyerCancelReason": item.cancel_wish or "",
        },
    }
    if order.status not in UNPAID:
        view |= _prices(order, item)
    if "buyerInfo" in opened and (buyer := _item_buyer(order, item)):
        view["BuyerInfo"] = buyer
    return view


def item_buyer_view(order: Order, item: Item) -> dict[str, Any]:
    """An `OrderItemBuyerInfo`."""
    return {"OrderItemId": item.order_item_id, **_item_buyer(order, item)}


def _prices(order: Order, item: Item) -> dict[str, Any]:
    amounts = {
        "ItemPrice": item.charges.get("Principal", money.ZERO),
        "ItemTax": item.charges.get("Tax", money.ZERO),
        "PromotionDiscount": item.discounts.get("Principal", money.ZERO),
    }
    if "Shipping" in item.charges:
        amounts["ShippingPrice"] = item.charges["Shipping"]
        amounts["ShippingTax"] = item.charges.get("ShippingTax", money.ZERO)
        amounts["ShippingDiscount"] = item.discounts.get("Shipping", money.ZERO)
    view: dict[str, Any] = {name: _money(amount, order) for name, amount in amounts.items()}
    view["IsGift"] = "true" if item.gift_wrap_level or item.gift_message else "false"
    if item.promotion_id:
        view["PromotionIds"] = [item.promotion_id]
    return view


def _item_buyer(order: Order, item: Item) -> dict[str, Any]:
    if order.status in UNPAID:
        return {}
    view: dict[str, Any] = {}
    if "GiftWrap" in item.charges:
        view["GiftWrapPrice"] = _money(item.charges["GiftWrap"], order)
        view["GiftWrapTax"] = _money(item.charges.get("GiftWrapTax", money.ZERO), order)
    if item.gift_message:
        view["GiftMessageText"] = item.gift_message
    if item.gift_wrap_level:
        view["GiftWrapLevel"] = item.gift_wrap_level
    return view


def _buyer(order: Order) -> dict[str, Any]:
    view = {"BuyerName": order.buyer.name}
    if email := email_of(order):
        view["BuyerEmail"] = email
    if order.buyer.purchase_order_number:
        view["PurchaseOrderNumber"] = order.buyer.purchase_order_number
    return view


def _address(order: Order, now: datetime) -> dict[str, Any]:
    to = order.recipient
    told = {
        "Name": to.name,
        "CompanyName": to.company,
        "AddressLine1": to.line1,
        "AddressLine2": to.line2,
        "City": to.city,
        "StateOrRegion": to.state,
        "PostalCode": to.postal_code,
        "CountryCode": to.country_code,
        "Phone": phone_of(order, now),
        "AddressType": "Commercial" if to.company else "Residential",
    }
    return {name: value for name, value in told.items() if value}


def _money(amount: Decimal, order: Order) -> dict[str, str]:
    return {"CurrencyCode": order.currency, "Amount": money.write(amount, order.currency)}
