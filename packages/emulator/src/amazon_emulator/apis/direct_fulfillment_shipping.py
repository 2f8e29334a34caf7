"""Direct Fulfillment Shipping 2021-12-28 and v1 (shapes: Amazon's Python SDK).

Answers for: labels at once (createShippingLabels, 409 when the order is in no state for them) or by
request, packing slips, customer invoices, confirmations, status updates, container labels. All that
shows a customer needs a restricted data token (Amazon's page 'tokens-api-use-case-guide'). What may
be shipped is judged in `trade.vendor_direct_shipping`. In v1 answers have a payload, and no label
is made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.vendor_pages import page, resumed
from amazon_emulator.apis.vendor_submissions import (
    DIRECT_ROLES,
    always,
    bare,
    instants,
    only_direct,
    read_body,
    within,
    wrapped,
)
from amazon_emulator.clock import stamp
from amazon_emulator.trade.vendors import direct_shipping as shipping
from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.direct import DirectOrder, VendorDirect, parties_faults
from amazon_emulator.trade.vendors.errand import Errand
from amazon_emulator.trade.vendors.papers import encoded_label, encoded_pdf

__all__ = [
    "OPERATIONS",
    "create_container_label",
    "create_shipping_labels",
    "customer_invoice_view",
    "label_view",
    "packing_slip_view",
]

BASE = "/vendor/directFulfillment/shipping"
PAGE = 100

Answer = Callable[[Call], dict[str, Any]]
Dress = Callable[[Answer], Answer]
View = Callable[[DirectOrder], dict[str, Any]]
Ready = Callable[[DirectOrder], datetime | None]


# --- labels ---------------------------------------------------------------------------------------


def create_shipping_labels(call: Call) -> dict[str, Any]:
    only_direct(call)
    wish = read_body(call.json(), _check_label_wish)
    order = _order(call)
    faults = parties_faults(order, wish)
    if faults:
        raise Denied.invalid(faults[0].message, faults[0].details)
    if order.status != "ACCEPTED" or order.labels:
        words = "Labels exist already." if order.labels else "The order is not accepted."
        raise Denied(409, "Conflict", words, order.number)
    shipping.label(order, wish.some("containers"), call.now)
    return label_view(order)


def _check_label_wish(content: Body) -> None:
    content.party("sellingParty")
    content.party("shipFromParty")
    shipping.check_containers(content)


def label_view(order: DirectOrder) -> dict[str, Any]:
    """The API's `ShippingLabel`."""
    return {
        "purchaseOrderNumber": order.number,
        "sellingParty": {"partyId": order.vendor_code},
        "shipFromParty": {"partyId": order.warehouse},
        "labelFormat": order.label_format,
        "labelData": [
            {
                "packageIdentifier": label.package,
                "trackingNumber": label.tracking_number,
                "shipMethod": label.ship_method,
                "shipMethodName": label.ship_method,
                "content": encoded_label(
                    [order.number, label.tracking_number, order.customer.name], order.label_format
                ),
            }
            for label in order.labels
        ],
    }


def create_container_label(call: Call) -> dict[str, Any]:
    only_direct(call)
    wish = read_body(call.json(), _check_container)
    if wish.party("sellingParty") not in call.partner.vendor_codes:
        raise Denied.invalid("The party is not a vendor code.", wish.party("sellingParty"))
    known = {
        label.tracking_number
        for order in call.stage.of(VendorDirect).orders_of(call.partner).values()
        for label in order.labels
    }
    packages = [package.text("packageTrackingNumber") for package in wish.all("packages")]
    unknown = [package for package in packages if package not in known]
    if unknown:
        raise Denied.invalid("A package has no shipping label.", unknown[0])
    container, carrier = wish.text("vendorContainerId"), wish.text("carrierId")
    tracking = shipping.tracking_number(call.partner.selling_partner_id, container, carrier)
    return {
        "containerLabel": {
            "containerTrackingNumber": tracking,
            "content": encoded_label([container, carrier, tracking], "PNG"),
            "format": "PNG",
        }
    }


def _check_container(content: Body) -> None:
    content.party("sellingParty")
    content.party("shipFromParty")
    content.text("carrierId")
    content.text("vendorContainerId")
    for package in content.all("packages"):
        package.text("packageTrackingNumber")


# --- papers ---------------------------------------------------------------------------------------


def packing_slip_view(order: DirectOrder) -> dict[str, Any]:
    """The API's `PackingSlip`."""
    words = ["Packing slip", *_words(order)]
    return {
        "purchaseOrderNumber": order.number,
        "content": encoded_pdf(words),
        "contentType": "application/pdf",
    }


def customer_invoice_view(order: DirectOrder) -> dict[str, Any]:
    """The API's `CustomerInvoice`: made by Amazon, once the order is shipped."""
    words = ["Invoice", *_words(order)]
    return {"purchaseOrderNumber": order.number, "content": encoded_pdf(words)}


def _words(order: DirectOrder) -> list[str]:
    rows = [f"{line.amount} x {line.sku}  {line.title}" for line in order.lines]
    return [order.number, order.customer.name, order.customer.street, *rows]


def _labels_at(order: DirectOrder) -> datetime | None:
    return order.labels_at


def _accepted_at(order: DirectOrder) -> datetime | None:
    return order.acknowledged_at if order.status in ("ACCEPTED", "SHIPPED") else None


def _shipped_at(order: DirectOrder) -> datetime | None:
    return order.shipped_at


# --- reading --------------------------------------------------------------------------------------


def _order(call: Call) -> DirectOrder:
    number = call.path["purchaseOrderNumber"]
    order = call.stage.of(VendorDirect).orders_of(call.partner).get(number)
    if order is None:
        raise Denied.missing("The purchase order was not found.", number)
    return order


def _one(ready: Ready, view: View) -> Answer:
    """The paper of one order; 404 until there is one."""

    def answer(call: Call) -> dict[str, Any]:
        only_direct(call)
        order = _order(call)
        if ready(order) is None:
            raise Denied.missing("There is no such document for this order yet.", order.number)
        return view(order)

    return answer


def _many(name: str, field: str, ready: Ready, view: View) -> Answer:
    """The papers that became available in a span of time."""

    def key(order: DirectOrder) -> tuple[str, str]:
        return str(stamp(ready(order))), order.number

    def answer(call: Call) -> dict[str, Any]:
        only_direct(call)
        started = resumed(call, name)
        limit = started.call.number("limit", PAGE, 1, PAGE)
        found, pagination = started.cut(_wanted(started.call, ready), key, limit)
        return page({field: [view(order) for order in found]}, pagination)

    return answer


def _wanted(call: Call, ready: Ready) -> Iterable[DirectOrder]:
    for name in ("createdAfter", "createdBefore"):
        if call.query(name) is None:
            raise Denied(400, "InvalidInput", f"Missing required parameter: '{name}'")
    span = instants(call, "createdAfter", "createdBefore")
    warehouse = call.query("shipFromPartyId")
    for order in call.stage.of(VendorDirect).orders_of(call.partner).values():
        at = ready(order)
        if at is not None and within(at, span) and warehouse in (None, order.warehouse):
            yield order


def _in_payload(answer: Answer) -> Answer:
    return lambda call: {"payload": answer(call)}


def _reads(
    version: str, dress: Dress, one: str, folder: str, ready: Ready, view: View
) -> tuple[Operation, ...]:
    many = f"{one}s"
    return (
        Operation(
            many,
            "GET",
            f"{BASE}/{version}/{folder}",
            DIRECT_ROLES,
            ("vendor",),
            dress(_many(many, folder, ready, view)),
            restricted=always,
        ),
        Operation(
            one,
            "GET",
            f"{BASE}/{version}/{folder}/{{purchaseOrderNumber}}",
            DIRECT_ROLES,
            ("vendor",),
            dress(_one(ready, view)),
            restricted=always,
        ),
    )


def _submission(version: str, name: str, folder: str, answer: Callable[[Call], Any]) -> Operation:
    place = f"{BASE}/{version}/{folder}"
    return Operation(name, "POST", place, DIRECT_ROLES, ("vendor",), answer)


def _operations(
    version: str, dress: Dress, submitted: Callable[[Errand], Callable[[Call], Any]]
) -> tuple[Operation, ...]:
    """What both versions have."""
    labels, slips, invoices = (
        _reads(version, dress, one, folder, ready, view)
        for one, folder, ready, view in (
            ("getShippingLabel", "shippingLabels", _labels_at, label_view),
            ("getPackingSlip", "packingSlips", _accepted_at, packing_slip_view),
            ("getCustomerInvoice", "customerInvoices", _shipped_at, customer_invoice_view),
        )
    )
    submissions = (
        _submission(version, name, folder, submitted(errand))
        for name, folder, errand in (
            ("submitShippingLabelRequest", "shippingLabels", shipping.LABELS),
            ("submitShipmentConfirmations", "shipmentConfirmations", shipping.CONFIRMATIONS),
            ("submitShipmentStatusUpdates", "shipmentStatusUpdates", shipping.STATUS_UPDATES),
        )
    )
    return (*labels, *slips, *invoices, *submissions)


OPERATIONS: tuple[Operation, ...] = (
    *_operations("2021-12-28", lambda answer: answer, bare),
    Operation(
        "createShippingLabels",
        "POST",
        f"{BASE}/2021-12-28/shippingLabels/{{purchaseOrderNumber}}",
        DIRECT_ROLES,
        ("vendor",),
        create_shipping_labels,
        restricted=always,
    ),
    _submission("2021-12-28", "createContainerLabel", "containerLabel", create_container_label),
    *_operations("v1", _in_payload, wrapped),
)
