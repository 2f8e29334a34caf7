"""Vendor Shipments v1: shipment confirmations, shipments, transport labels.

Answers for: what is submitted, the list of shipments with its filters, and the labels of small
parcels (Amazon's vendorShipments model). What is kept is `trade.vendor_shipments`' business.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from amazon_emulator.apis.operations import Call, Operation
from amazon_emulator.apis.vendor_pages import page, resumed
from amazon_emulator.apis.vendor_submissions import (
    RETAIL_ROLES,
    instants,
    within,
    wrapped,
)
from amazon_emulator.clock import stamp
from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.direct_shipping import tracking_number
from amazon_emulator.trade.vendors.papers import encoded_pdf
from amazon_emulator.trade.vendors.shipments import (
    CONFIRMATIONS,
    TRANSPORTS,
    Transport,
    VendorShipments,
)

__all__ = ["OPERATIONS", "labels", "shipment_details", "shipment_view"]

PAGE = 50


# --- shipments ------------------------------------------------------------------------------------


def shipment_details(call: Call) -> dict[str, Any]:
    started = resumed(call, "GetShipmentDetails")
    call = started.call
    limit = call.number("limit", PAGE, 1, PAGE)
    found, pagination = started.cut(_wanted(call), _key, limit)
    payload = {"shipments": [shipment_view(transport) for transport in found]}
    return {"payload": page(payload, pagination)}


def _key(transport: Transport) -> tuple[str, str]:
    return str(stamp(transport.created_at)), transport.identifier


def _wanted(call: Call) -> Iterable[Transport]:
    spans = [
        (instants(call, f"{name}After", f"{name}Before"), instant)
        for name, instant in (
            ("created", lambda known: known.created_at),
            ("shipmentConfirmed", lambda known: _given(known, "shipmentConfirmDate")),
            ("packageLabelCreated", lambda known: known.labels_at),
            ("shipped", lambda known: _since(known, "Shipped")),
            ("estimatedDelivery", lambda known: _carried(known, "estimatedDeliveryDate")),
            ("shipmentDelivery", lambda known: _carried(known, "shipmentDeliveryDate")),
            ("requestedPickUp", lambda known: _requested(known)),
            ("scheduledPickUp", lambda known: known.pick_up_at),
        )
    ]
    exact = (
        (call.query("currentShipmentStatus"), lambda known: known.status),
        (call.query("vendorShipmentIdentifier"), lambda known: known.identifier),
        (call.query("buyerReferenceNumber"), _reference),
        (call.query("buyerWarehouseCode"), lambda known: _party(known, "shipToParty")),
        (call.query("sellerWarehouseCode"), lambda known: _party(known, "sellingParty")),
    )
    for transport in _transports(call):
        if all(within(read(transport), span) for span, read in spans) and all(
            wanted in (None, read(transport)) for wanted, read in exact
        ):
            yield transport


def _transports(call: Call) -> Iterable[Transport]:
    return call.stage.of(VendorShipments).transports_of(call.partner, call.now).values()


def _given(transport: Transport, name: str) -> datetime | None:
    return Body(transport.content).maybe_instant(name)


def _carried(transport: Transport, name: str) -> datetime | None:
    details = Body(transport.content).maybe("transportationDetails")
    return details.maybe_instant(name) if details else None


def _requested(transport: Transport) -> datetime | None:
    details = Body(transport.content).maybe("collectFreightPickupDetails")
    return details.maybe_instant("requestedPickUp") if details else None


def _since(transport: Transport, status: str) -> datetime | None:
    return next((step.at for step in transport.steps if step.status == status), None)


def _party(transport: Transport, name: str) -> str:
    return Body(transport.content).party(name)


def _reference(transport: Transport) -> str | None:
    """As the vendor gave it; else, where Amazon carries, Amazon's own."""
    given = transport.content.get("buyerReferenceNumber")
    if given or not transport.collect:
        return given
    return tracking_number("reference", transport.identifier).removeprefix("EMU")[:10]


def shipment_view(transport: Transport) -> dict[str, Any]:
    """The model's `Shipment`: what was submitted, and what Amazon added since."""
    view = {
        **transport.content,
        "transactionType": "New" if transport.cancelled_at is None else "Cancel",
        "shipmentCreateDate": stamp(transport.created_at),
        "currentShipmentStatus": transport.status,
        "currentshipmentStatusDate": stamp(transport.steps[-1].at),
        "shipmentStatusDetails": [
            {"shipmentStatus": step.status, "shipmentStatusDate": stamp(step.at)}
            for step in transport.steps
        ],
    }
    reference = _reference(transport)
    if reference:
        view["buyerReferenceNumber"] = reference
    if transport.labels_at is not None:
        view["packageLabelCreateDate"] = stamp(transport.labels_at)
    if transport.pick_up_at is not None:
        view["collectFreightPickupDetails"] = {
            **(transport.content.get("collectFreightPickupDetails") or {}),
            "scheduledPickUp": stamp(transport.pick_up_at),
            "carrierAssignmentDate": stamp(_since(transport, "CarrierAssigned")),
        }
    return view


# --- labels ---------------------------------------------------------------------------------------


def labels(call: Call) -> dict[str, Any]:
    started = resumed(call, "GetShipmentLabels")
    call = started.call
    limit = call.number("limit", PAGE, 1, PAGE)
    span = instants(call, "labelCreatedAfter", "labelCreatedBefore")
    exact = (
        (call.query("buyerReferenceNumber"), _reference),
        (call.query("vendorShipmentIdentifier"), lambda known: known.identifier),
        (call.query("sellerWarehouseCode"), lambda known: _party(known, "sellingParty")),
    )
    wanted = [
        transport
        for transport in _transports(call)
        if _has_labels(transport)
        and within(transport.labels_at, span)
        and all(value in (None, read(transport)) for value, read in exact)
    ]
    found, pagination = started.cut(wanted, _label_key, limit)
    payload = {"transportLabels": [_label_view(transport) for transport in found]}
    return {"payload": page(payload, pagination)}


def _label_key(transport: Transport) -> tuple[str, str]:
    return str(stamp(transport.labels_at)), transport.identifier


def _has_labels(transport: Transport) -> bool:
    """Of small parcels that Amazon carries."""
    details = transport.content.get("transportationDetails") or {}
    return (
        transport.labels_at is not None
        and transport.cancelled_at is None
        and details.get("shipMode") == "SmallParcel"
    )


def _label_view(transport: Transport) -> dict[str, Any]:
    cartons = [
        container
        for container in transport.content.get("containers") or []
        if container.get("containerType") == "carton"
    ]
    count = max(1, len(cartons))
    trackings = [tracking_number(transport.identifier, str(place)) for place in range(1, count + 1)]
    return {
        "labelCreateDateTime": stamp(transport.labels_at),
        "shipmentInformation": {
            "vendorDetails": {
                "sellingParty": {"partyId": _party(transport, "sellingParty")},
                "vendorShipmentIdentifier": transport.identifier,
            },
            "buyerReferenceNumber": _reference(transport),
            "shipToParty": transport.content["shipToParty"],
            "shipFromParty": transport.content["shipFromParty"],
            "warehouseId": _party(transport, "shipFromParty"),
            "masterTrackingId": trackings[0],
            "totalLabelCount": count,
            "shipMode": "SmallParcel",
        },
        "labelData": [
            {
                "labelSequenceNumber": place,
                "labelFormat": "PDF",
                "carrierCode": "EMU",
                "trackingId": tracking,
                "label": encoded_pdf([transport.identifier, tracking]),
            }
            for place, tracking in enumerate(trackings, 1)
        ],
    }


OPERATIONS = (
    Operation(
        "SubmitShipmentConfirmations",
        "POST",
        "/vendor/shipping/v1/shipmentConfirmations",
        RETAIL_ROLES,
        ("vendor",),
        wrapped(CONFIRMATIONS),
    ),
    Operation(
        "SubmitShipments",
        "POST",
        "/vendor/shipping/v1/shipments",
        RETAIL_ROLES,
        ("vendor",),
        wrapped(TRANSPORTS),
    ),
    Operation(
        "GetShipmentDetails",
        "GET",
        "/vendor/shipping/v1/shipments",
        RETAIL_ROLES,
        ("vendor",),
        shipment_details,
    ),
    Operation(
        "GetShipmentLabels",
        "GET",
        "/vendor/shipping/v1/transportLabels",
        RETAIL_ROLES,
        ("vendor",),
        labels,
    ),
)
