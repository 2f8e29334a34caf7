"""Orders v0: confirmShipment, updateShipmentStatus, and the reads (`orders_v0_reads`).

Answers for: what a shipment confirmation must hold, from Amazon's model ordersV0, its page
'confirm-the-shipment-status' and what callers were shown; that a package with the same reference is
edited, not made twice. What an order allows is known by `orders_changes`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from amazon_emulator.apis import orders_v0_reads
from amazon_emulator.apis.operations import Call, Denied, Operation, Said
from amazon_emulator.apis.orders_2026 import ORDER_ROLES, order_of
from amazon_emulator.apis.orders_told import TO_SHIP
from amazon_emulator.trade.orders import changes as orders_changes
from amazon_emulator.trade.orders.changes import Parcel
from amazon_emulator.trade.orders.orders import Order, Refused, instant_of

__all__ = ["OPERATIONS", "confirm_shipment", "update_shipment_status"]

PICKUP_STATUSES = ("ReadyForPickup", "PickedUp", "RefusedPickup")
_REFERENCE = re.compile(r"0*[1-9][0-9]{0,18}")


def confirm_shipment(call: Call) -> Said:
    """Raises Denied; then nothing was confirmed."""
    body = call.json()
    order = order_of(call)
    _check_store(order, body)
    detail = _object(body, "packageDetail")
    method = body.get("codCollectionMethod")
    if method is not None and (method != "DirectPayment" or order.marketplace.country_code != "JP"):
        raise Denied.invalid("codCollectionMethod is DirectPayment, in the JP marketplace only")
    parcel = _parcel(detail)
    if "FBM_SHIP_PLUS" in order.programs:
        raise Denied.invalid("The shipment of FBM Ship+ orders is not confirmed by sellers")
    try:
        orders_changes.ship(call.stage, order, parcel, said_by="confirmShipment", now=call.now)
    except Refused as refused:
        raise _denied(refused) from None
    return Said(204)


def _denied(refused: Refused) -> Denied:
    if refused.reason == "wished":
        return Denied(400, refused.code or "InvalidInput", refused.words)
    if refused.reason == "already_shipped":
        words = "Failed to create package: the order is already fulfilled"
        return Denied.invalid(words, "PackageToUpdateNotFound")
    return Denied.invalid(refused.words)


def _check_store(order: Order, body: dict[str, Any]) -> None:
    if _text(body, "marketplaceId") != order.marketplace.id:
        raise Denied.invalid("Marketplace ID is not defined", "1001")


def _parcel(detail: dict[str, Any]) -> Parcel:
    reference = detail.get("packageReferenceId")
    if reference is None:
        raise Denied.invalid("Missing required parameter 'packageDetail.packageReferenceId'")
    if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
        raise Denied.invalid("packageReferenceId must be a string of a positive number")
    carrier_code = _text(detail, "carrierCode", "packageDetail.")
    carrier_name = _maybe_text(detail, "carrierName")
    if carrier_code == "Other" and not carrier_name.strip():
        raise Denied.invalid("carrierName is required when carrierCode is Other")
    contents, codes = _contents(detail.get("orderItems"))
    return Parcel(
        reference_id=reference,
        carrier_code=carrier_code,
        carrier_name=carrier_name,
        tracking_number=_text(detail, "trackingNumber", "packageDetail."),
        ship_date=_instant(detail, "shipDate"),
        shipping_method=_maybe_text(detail, "shippingMethod"),
        supply_source_id=_maybe_text(detail, "shipFromSupplySourceId"),
        contents=contents,
        transparency_codes=codes,
    )


def _contents(given: Any) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Quantities and transparency codes by item. What is no list has this text, too."""
    if not isinstance(given, list) or not given:
        raise Denied.invalid("OrderItemId is invalid")
    contents: dict[str, int] = {}
    codes: dict[str, list[str]] = {}
    for entry in given:
        order_item_id = entry.get("orderItemId") if isinstance(entry, dict) else None
        if not isinstance(order_item_id, str) or not order_item_id:
            raise Denied.invalid("OrderItemId is invalid")
        quantity = entry.get("quantity")
        if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
            raise Denied.invalid(f"The quantity of {order_item_id} must be a positive number")
        contents[order_item_id] = contents.get(order_item_id, 0) + quantity
        given_codes = entry.get("transparencyCodes") or []
        if not isinstance(given_codes, list) or not all(isinstance(c, str) for c in given_codes):
            raise Denied.invalid("transparencyCodes must be a list of strings")
        if given_codes:
            codes.setdefault(order_item_id, []).extend(given_codes)
    return contents, codes


def update_shipment_status(call: Call) -> Said:
    """Pick-up of an order or of some of its items. Raises Denied."""
    body = call.json()
    order = order_of(call)
    _check_store(order, body)
    status = _text(body, "shipmentStatus")
    if status not in PICKUP_STATUSES:
        raise Denied.invalid(f"shipmentStatus must be one of {', '.join(PICKUP_STATUSES)}")
    items = body.get("orderItems")
    if items is not None:
        if not isinstance(items, list) or not all(isinstance(entry, dict) for entry in items):
            raise Denied.invalid("orderItems must be a list of objects")
        for entry in items:
            item = order.item(_text(entry, "orderItemId", "orderItems."))
            quantity = entry.get("quantity", 1)
            if item is None:
                raise Denied.invalid("OrderItemId is invalid")
            if isinstance(quantity, bool) or not isinstance(quantity, int):
                raise Denied.invalid("quantity must be a whole number")
            if not 1 <= quantity <= item.quantity:
                raise Denied.invalid(f"The quantity of {item.order_item_id} is out of range")
    if order.fulfilled_by == "AMAZON" or order.status not in TO_SHIP:
        raise Denied.invalid(f"The order cannot be {status}")
    order.pickup_status = status
    order.updated_at = max(order.updated_at, call.now)
    return Said(204)


def _object(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    if not isinstance(value, dict):
        raise Denied.invalid(f"Missing required parameter '{name}'")
    return value


def _text(given: dict[str, Any], name: str, within: str = "") -> str:
    value = given.get(name)
    if value is None or value == "":
        raise Denied.invalid(f"Missing required parameter '{within}{name}'")
    if not isinstance(value, str):
        raise Denied.invalid(f"Invalid value at '{within}{name}': must be a string")
    return value


def _maybe_text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Denied.invalid(f"Invalid value at 'packageDetail.{name}': must be a string")
    return value


def _instant(given: dict[str, Any], name: str) -> datetime:
    text = _text(given, name, "packageDetail.")
    try:
        return instant_of(text)
    except ValueError:
        raise Denied.invalid(f"Invalid date-time at 'packageDetail.{name}': {text!r}") from None


OPERATIONS: tuple[Operation, ...] = (
    *orders_v0_reads.OPERATIONS,
    Operation(
        "confirmShipment",
        "POST",
        "/orders/v0/orders/{orderId}/shipmentConfirmation",
        ORDER_ROLES,
        ("seller",),
        confirm_shipment,
    ),
    Operation(
        "updateShipmentStatus",
        "POST",
        "/orders/v0/orders/{orderId}/shipment",
        ORDER_ROLES,
        ("seller",),
        update_shipment_status,
    ),
)
