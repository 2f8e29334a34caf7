"""An order in the words of Amazon's model orders_2026-01-01.

Answers for: which data set holds which part, and which role opens personal data: delivery address
and e-mail need Direct-to-Consumer Shipping, other data of buyers Tax Invoicing or Tax Remittance
(Amazon's page 'access-orders-pii'). Without the role a part is left out; nothing is refused.

What is approximated: everything of an order's fulfillment comes with the data set FULFILLMENT;
discounts are negative, so that breakdowns add up to their total.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from amazon_emulator.apis.orders_told import UNPAID, email_of, phone_of
from amazon_emulator.clock import stamp
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.orders import Item, Order, Package, Window

__all__ = ["DATA", "order_view"]

DATA = (
    *("BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT"),
    *("PACKAGES", "TAX", "PAYMENT", "FULFILLMENT_ORDERS"),
)
ADDRESS_ROLES = frozenset({"Direct-to-Consumer Shipping"})
TAX_ROLES = frozenset({"Tax Invoicing", "Tax Remittance"})

# Kinds of proceeds by component: the kind, and for taxes what is taxed.
_PROCEEDS = {"Principal": "ITEM", "Shipping": "SHIPPING", "GiftWrap": "GIFT_WRAP"}
_TAXES = {"Tax": "ITEM", "ShippingTax": "SHIPPING", "GiftWrapTax": "GIFT_WRAP"}


def order_view(
    order: Order, data: frozenset[str], roles: frozenset[str], now: datetime
) -> dict[str, Any]:
    """An `Order` of the model with the data sets that were asked for."""
    view: dict[str, Any] = {
        "orderId": order.order_id,
        "createdTime": stamp(order.created_at),
        "lastUpdatedTime": stamp(order.updated_at),
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": order.marketplace.id,
            "marketplaceName": order.marketplace.name,
        },
        "orderItems": [_item(order, item, data, roles) for item in order.items],
    }
    if order.seller_order_id:
        alias = {"aliasId": order.seller_order_id, "aliasType": "SELLER_ORDER_ID"}
        view["orderAliases"] = [alias]
    if order.programs:
        view["programs"] = list(order.programs)
    parts = {
        "BUYER": ("buyer", _buyer(order, roles)),
        "RECIPIENT": ("recipient", _recipient(order, roles, now)),
        "PROCEEDS": ("proceeds", _proceeds(order)),
        "FULFILLMENT": ("fulfillment", _fulfillment(order)),
        "PACKAGES": ("packages", _packages(order)),
        "PAYMENT": ("payment", _payment(order)),
        "TAX": ("tax", _tax(order, roles)),
    }
    for name, (field, part) in parts.items():
        if name in data and part:
            view[field] = part
    return view


def _buyer(order: Order, roles: frozenset[str]) -> dict[str, str]:
    buyer: dict[str, str] = {}
    if roles & TAX_ROLES:
        buyer["buyerName"] = order.buyer.name
        if order.buyer.company:
            buyer["buyerCompanyName"] = order.buyer.company
        if order.buyer.purchase_order_number:
            buyer["buyerPurchaseOrderNumber"] = order.buyer.purchase_order_number
    email = email_of(order)
    if email and roles & ADDRESS_ROLES:
        buyer["buyerEmail"] = email
    return buyer


def _recipient(order: Order, roles: frozenset[str], now: datetime) -> dict[str, Any]:
    if not roles & ADDRESS_ROLES or order.status in UNPAID:
        return {}
    to = order.recipient
    told = {
        "name": to.name,
        "companyName": to.company,
        "addressLine1": to.line1,
        "addressLine2": to.line2,
        "city": to.city,
        "stateOrRegion": to.state,
        "postalCode": to.postal_code,
        "countryCode": to.country_code,
        "phone": phone_of(order, now),
        "addressType": "COMMERCIAL" if to.company else "RESIDENTIAL",
    }
    return {"deliveryAddress": {name: value for name, value in told.items() if value}}


def _fulfillment(order: Order) -> dict[str, Any]:
    return {
        "fulfillmentStatus": order.status,
        "fulfilledBy": order.fulfilled_by,
        "fulfillmentServiceLevel": order.service_level,
        "shipByWindow": _window(order.ship_by),
        "deliverByWindow": _window(order.deliver_by),
    }


def _window(window: Window) -> dict[str, Any]:
    return {"earliestDateTime": stamp(window.earliest), "latestDateTime": stamp(window.latest)}


def _money(amount: Decimal, order: Order) -> dict[str, str]:
    return {"amount": money.write(amount, order.currency), "currencyCode": order.currency}


def _proceeds(order: Order) -> dict[str, Any]:
    if order.status in UNPAID:
        return {}
    sums: dict[str, Decimal] = {}
    for item in order.items:
        for kind, amount in _kinds(item).items():
            sums[kind] = sums.get(kind, money.ZERO) + amount
    return {
        "grandTotal": _money(order.net(), order),
        "breakdowns": [
            {"type": kind, "subtotal": _money(amount, order)} for kind, amount in sums.items()
        ],
    }


def _kinds(item: Item) -> dict[str, Decimal]:
    kinds = {
        kind: item.charges[component]
        for component, kind in _PROCEEDS.items()
        if component in item.charges
    }
    tax = sum((item.charges.get(name, money.ZERO) for name in _TAXES), money.ZERO)
    if tax:
        kinds["TAX"] = tax
    if item.discounts:
        kinds["DISCOUNT"] = -money.total(item.discounts)
    return kinds


def _payment(order: Order) -> dict[str, Any]:
    if order.status in UNPAID:
        return {}
    execution = {
        "paymentMethod": order.payment_method,
        "paymentAmount": _money(order.net(), order),
    }
    return {"paymentExecutions": [execution]}


def _tax(order: Order, roles: frozenset[str]) -> dict[str, Any]:
    if not order.buyer.company or not roles & TAX_ROLES:
        return {}
    registration = {
        "entityType": "BUYER",
        "legalName": order.buyer.company,
        "taxRegistrationType": "BUSINESS",
        "taxRegistrationNumber": f"EMULATED-{order.order_id[-7:]}",
    }
    return {"taxRegistrations": [registration]}


def _packages(order: Order) -> list[dict[str, Any]]:
    if order.fulfilled_by == "AMAZON":
        return []
    return [_package(package) for package in order.packages.values()]


def _package(package: Package) -> dict[str, Any]:
    view: dict[str, Any] = {
        "packageReferenceId": package.reference_id,
        "createdTime": stamp(package.created_at),
        "packageStatus": {"status": "SHIPPED"},
        "carrier": package.carrier_name if package.carrier_code == "Other" else "",
        "shipTime": stamp(package.ship_date),
        "shippingService": package.shipping_method,
        "trackingNumber": package.tracking_number,
        "packageItems": [
            _package_item(package, order_item_id, quantity)
            for order_item_id, quantity in package.contents.items()
        ],
    }
    view["carrier"] = view["carrier"] or package.carrier_code
    return {name: value for name, value in view.items() if value != ""}


def _package_item(package: Package, order_item_id: str, quantity: int) -> dict[str, Any]:
    view: dict[str, Any] = {"orderItemId": order_item_id, "quantity": quantity}
    codes = package.transparency_codes.get(order_item_id)
    if codes:
        view["transparencyCodes"] = list(codes)
    return view


def _item(order: Order, item: Item, data: frozenset[str], roles: frozenset[str]) -> dict[str, Any]:
    product: dict[str, Any] = {
        "asin": item.asin,
        "title": item.title,
        "sellerSku": item.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
    }
    if order.status not in UNPAID:
        unit = money.share(
            item.charges.get("Principal", money.ZERO), 1, item.quantity, order.currency
        )
        product["price"] = {"unitPrice": _money(unit, order)}
    view: dict[str, Any] = {
        "orderItemId": item.order_item_id,
        "quantityOrdered": item.quantity,
        "product": product,
    }
    if item.transparency:
        view["programs"] = ["TRANSPARENCY"]
    if "PROCEEDS" in data and order.status not in UNPAID:
        view["proceeds"] = _item_proceeds(order, item)
    if "PROMOTION" in data and item.promotion_id and order.status not in UNPAID:
        view["promotion"] = {"breakdowns": [{"promotionId": item.promotion_id}]}
    if "CANCELLATION" in data and (cancellation := _item_cancellation(order, item)):
        view["cancellation"] = cancellation
    if "FULFILLMENT" in data:
        view["fulfillment"] = _item_fulfillment(order, item, roles)
    return view


def _item_proceeds(order: Order, item: Item) -> dict[str, Any]:
    breakdowns = []
    for kind, amount in _kinds(item).items():
        breakdown: dict[str, Any] = {"type": kind, "subtotal": _money(amount, order)}
        details = _details(item, kind)
        if details:
            breakdown["detailedBreakdowns"] = [
                {"subtype": subtype, "value": _money(value, order)}
                for subtype, value in details.items()
            ]
        breakdowns.append(breakdown)
    return {"proceedsTotal": _money(item.net(), order), "breakdowns": breakdowns}


def _details(item: Item, kind: str) -> dict[str, Decimal]:
    if kind == "TAX":
        return {_TAXES[name]: item.charges[name] for name in _TAXES if name in item.charges}
    if kind == "DISCOUNT":
        return {_PROCEEDS[name]: -amount for name, amount in item.discounts.items()}
    return {}


def _item_cancellation(order: Order, item: Item) -> dict[str, Any]:
    view: dict[str, Any] = {}
    if item.cancel_wish is not None:
        view["cancellationRequest"] = {"requester": "BUYER", "cancelReason": item.cancel_wish}
    if order.cancellation is not None:
        execution: dict[str, str] = {"cancelledBy": order.cancellation.by}
        if order.cancellation.reason:
            execution["cancelReason"] = order.cancellation.reason
        view["cancellationExecution"] = execution
    return view


def _item_fulfillment(order: Order, item: Item, roles: frozenset[str]) -> dict[str, Any]:
    shipped = order.shipped(item)
    open_ = 0 if order.status == "CANCELLED" else item.quantity - shipped
    view: dict[str, Any] = {"quantityFulfilled": shipped, "quantityUnfulfilled": open_}
    gift: dict[str, str] = {}
    if item.gift_wrap_level:
        gift["giftWrapLevel"] = item.gift_wrap_level
    if item.gift_message and roles & ADDRESS_ROLES:
        gift["giftMessage"] = item.gift_message
    if gift:
        view["packing"] = {"giftOption": gift}
    return view
