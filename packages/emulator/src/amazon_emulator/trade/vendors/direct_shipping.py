"""Shipping of direct-fulfillment orders: labels, confirmations, status updates.

Answers for: what may be asked of an order in which state: labels once it was accepted and only
once, a confirmation of all of it or a denial at the floor, status updates after that (Amazon's
direct fulfillment shipping 2021-12-28 API and its guide).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.direct import (
    DirectOrder,
    Label,
    VendorDirect,
    parties_faults,
)
from amazon_emulator.trade.vendors.errand import Case, Errand, Fault, unknown_order

__all__ = [
    "CONFIRMATIONS",
    "LABELS",
    "STATUS_UPDATES",
    "check_containers",
    "label",
    "tracking_number",
]


def tracking_number(*parts: str) -> str:
    """The same for the same parts, and no carrier's."""
    digits = int(hashlib.sha256("|".join(parts).encode()).hexdigest(), 16) % 10**12
    return f"EMU{digits:012d}"


def label(order: DirectOrder, containers: list[Body], now: datetime) -> None:
    """One label for each container; one for the order when no container is named."""
    packages = [container.text("containerIdentifier") for container in containers] or ["1"]
    order.labels = [
        Label(package, tracking_number(order.number, package), order.ship_method)
        for package in packages
    ]
    order.labels_at = now


def check_containers(holder: Body) -> list[Body]:
    """The containers, if any. Raises Incomplete."""
    containers = holder.some("containers")
    for container in containers:
        # v1 writes them small, 2021-12-28 does not.
        container.choice("containerType", ("Carton", "Pallet", "carton", "pallet"))
        container.text("containerIdentifier")
        weight = container.one("weight")
        weight.choice("unitOfMeasure", ("KG", "LB"))
        weight.text("value")
        for item in container.all("packedItems"):
            item.whole("itemSequenceNumber")
            item.quantity("packedQuantity")
    return containers


def _check_order(said: Body) -> None:
    said.text("purchaseOrderNumber")
    said.party("sellingParty")
    said.party("shipFromParty")


def _orders(case: Case) -> dict[str, DirectOrder]:
    return case.stage.of(VendorDirect).orders_of(case.partner)


# --- labels ---------------------------------------------------------------------------------------


def _check_labels(content: Body) -> None:
    for wish in content.all("shippingLabelRequests"):
        _check_order(wish)
        check_containers(wish)


def _judge_labels(case: Case) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()
    for wish in case.content.all("shippingLabelRequests"):
        number = wish.text("purchaseOrderNumber")
        order = _orders(case).get(number)
        if order is None:
            faults.append(unknown_order(number))
        elif order.status != "ACCEPTED":
            words = "Labels are made for accepted orders."
            faults.append(Fault("ORDER_NOT_ACCEPTED", words, number))
        elif order.labels or number in seen:
            words = "The labels of this order were made before."
            faults.append(Fault("LABELS_ALREADY_MADE", words, number))
        else:
            faults += parties_faults(order, wish)
        seen.add(number)
    return faults


def _apply_labels(case: Case) -> None:
    for wish in case.content.all("shippingLabelRequests"):
        label(_orders(case)[wish.text("purchaseOrderNumber")], wish.some("containers"), case.now)


# --- confirmations --------------------------------------------------------------------------------


def _check_confirmations(content: Body) -> None:
    for confirmation in content.all("shipmentConfirmations"):
        _check_order(confirmation)
        details = confirmation.one("shipmentDetails")
        details.instant("shippedDate")
        details.choice("shipmentStatus", ("SHIPPED", "FLOOR_DENIAL"))
        for item in confirmation.all("items"):
            item.whole("itemSequenceNumber")
            item.quantity("shippedQuantity")
        check_containers(confirmation)


def _judge_confirmations(case: Case) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()
    for confirmation in case.content.all("shipmentConfirmations"):
        number = confirmation.text("purchaseOrderNumber")
        order = _orders(case).get(number)
        if order is None:
            faults.append(unknown_order(number))
        elif order.status == "SHIPPED" or order.shipment is not None or number in seen:
            words = "The order was confirmed before."
            faults.append(Fault("ORDER_NOT_CONFIRMABLE", words, number))
        elif order.status != "ACCEPTED":
            words = "The order is not accepted."
            faults.append(Fault("ORDER_NOT_CONFIRMABLE", words, number))
        else:
            faults += parties_faults(order, confirmation)
            faults += _whole_faults(order, confirmation)
        seen.add(number)
    return faults


def _whole_faults(order: DirectOrder, confirmation: Body) -> list[Fault]:
    """Shipped is every piece of every line; denied is every line, whatever the amounts."""
    shipped = {
        str(item.whole("itemSequenceNumber")): item.quantity("shippedQuantity")
        for item in confirmation.all("items")
    }
    wanted = {line.number.lstrip("0"): line.amount for line in order.lines}
    denied = confirmation.one("shipmentDetails").given["shipmentStatus"] == "FLOOR_DENIAL"
    if set(shipped) != set(wanted) or (shipped != wanted and not denied):
        words = "An order is confirmed as a whole: every line, every piece."
        return [Fault("PARTIAL_SHIPMENT", words, order.number)]
    return []


def _apply_confirmations(case: Case) -> None:
    for confirmation in case.content.all("shipmentConfirmations"):
        order = _orders(case)[confirmation.text("purchaseOrderNumber")]
        shipped = confirmation.one("shipmentDetails").given["shipmentStatus"] == "SHIPPED"
        order.status = "SHIPPED" if shipped else "CANCELLED"
        order.shipment = dict(confirmation.given)
        order.shipped_at = case.submitted_at if shipped else None


# --- status updates -------------------------------------------------------------------------------


def _check_updates(content: Body) -> None:
    for update in content.all("shipmentStatusUpdates"):
        _check_order(update)
        details = update.one("statusUpdateDetails")
        for name in ("trackingNumber", "statusCode", "reasonCode"):
            details.text(name)
        details.instant("statusDateTime")
        details.one("statusLocationAddress")


def _judge_updates(case: Case) -> list[Fault]:
    faults: list[Fault] = []
    for update in case.content.all("shipmentStatusUpdates"):
        number = update.text("purchaseOrderNumber")
        order = _orders(case).get(number)
        if order is None:
            faults.append(unknown_order(number))
        elif order.status != "SHIPPED":
            words = "The order was not shipped."
            faults.append(Fault("ORDER_NOT_SHIPPED", words, number))
        else:
            faults += parties_faults(order, update)
    return faults


def _apply_updates(case: Case) -> None:
    for update in case.content.all("shipmentStatusUpdates"):
        order = _orders(case)[update.text("purchaseOrderNumber")]
        order.updates.append(dict(update.one("statusUpdateDetails").given))


LABELS = Errand(
    "direct_fulfillment_shipping.submitShippingLabelRequest",
    "direct_fulfillment",
    _check_labels,
    _judge_labels,
    _apply_labels,
)
CONFIRMATIONS = Errand(
    "direct_fulfillment_shipping.submitShipmentConfirmations",
    "direct_fulfillment",
    _check_confirmations,
    _judge_confirmations,
    _apply_confirmations,
)
STATUS_UPDATES = Errand(
    "direct_fulfillment_shipping.submitShipmentStatusUpdates",
    "direct_fulfillment",
    _check_updates,
    _judge_updates,
    _apply_updates,
)
