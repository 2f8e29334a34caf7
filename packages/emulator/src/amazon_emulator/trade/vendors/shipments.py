"""What vendors of Amazon retail send: shipment confirmations, and transport that Amazon pays.

Answers for: identifiers that are unique for 365 days, replacing a confirmation for seven days,
requests for transport with their carrier and labels, and cancelling them (Amazon's vendorShipments
model and vendor shipments guide). Receiving the goods is `vendor_retail`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors import records as vendor_records
from amazon_emulator.trade.vendors.bodies import Body, Incomplete
from amazon_emulator.trade.vendors.errand import (
    Case,
    Errand,
    Fault,
    foreign_vendor_code,
    unknown_order,
)
from amazon_emulator.trade.vendors.retail import VendorRetail
from amazon_emulator.world import Partner

__all__ = [
    "CARRIER_COMES_AFTER",
    "CONFIRMATIONS",
    "REPLACEABLE_FOR",
    "TRANSPORTS",
    "TRANSPORT_STATUSES",
    "UNIQUE_FOR",
    "Confirmation",
    "Step",
    "Transport",
    "TransportStatus",
    "VendorShipments",
]

UNIQUE_FOR = timedelta(days=365)
REPLACEABLE_FOR = timedelta(days=7)
CARRIER_COMES_AFTER = timedelta(hours=1)
UNITS = ("Cases", "Eaches")

TransportStatus = Literal["Created", "TransportationRequested", "CarrierAssigned", "Shipped"]
TRANSPORT_STATUSES: tuple[TransportStatus, ...] = get_args(TransportStatus)


@dataclass
class Confirmation:
    """An advance ship notice, as it was sent last. ``versions``: how often it was sent."""

    identifier: str
    content: dict[str, Any]
    first_at: datetime
    sent_at: datetime
    versions: int = 1

    @property
    def order_numbers(self) -> set[str]:
        return set(_order_numbers(Body(self.content)))


@dataclass
class Step:
    """A status of a transport, and since when."""

    status: TransportStatus
    at: datetime


@dataclass
class Transport:
    """A shipment that was announced, with transport by Amazon where the freight is Collect."""

    identifier: str
    content: dict[str, Any]
    created_at: datetime
    steps: list[Step]
    cancelled_at: datetime | None = None
    carrier_due_at: datetime | None = None
    pick_up_at: datetime | None = None
    labels_at: datetime | None = None

    @property
    def status(self) -> TransportStatus:
        return self.steps[-1].status

    @property
    def collect(self) -> bool:
        return self.content.get("shipmentFreightTerm") == "Collect"

    def go(self, status: TransportStatus, at: datetime) -> None:
        self.steps.append(Step(status, at))
        if status == "CarrierAssigned":
            self.pick_up_at = at + timedelta(days=1)
            self.labels_at = at
            self.carrier_due_at = None

    @property
    def order_numbers(self) -> set[str]:
        orders = self.content.get("purchaseOrders") or []
        return {str(order.get("purchaseOrderNumber")) for order in orders}


@dataclass
class VendorShipments:
    """Confirmations and transports, by selling partner id and identifier."""

    confirmations: dict[str, dict[str, Confirmation]] = field(default_factory=dict)
    transports: dict[str, dict[str, Transport]] = field(default_factory=dict)

    def confirmations_of(self, partner: Partner) -> dict[str, Confirmation]:
        return self.confirmations.setdefault(partner.selling_partner_id, {})

    def transports_of(self, partner: Partner, now: datetime) -> dict[str, Transport]:
        """With the carriers that came by now."""
        found = self.transports.setdefault(partner.selling_partner_id, {})
        for transport in found.values():
            due_at = transport.carrier_due_at
            if due_at is not None and due_at <= now and transport.cancelled_at is None:
                transport.go("CarrierAssigned", due_at)
        return found

    def as_json(self) -> Any:
        return vendor_records.plain(self)

    def load(self, stage: Stage, given: Any) -> None:
        read = vendor_records.read(VendorShipments, given, "vendor_shipments")
        for partner_id, confirmations in read.confirmations.items():
            where = f"vendor_shipments.confirmations.{partner_id}"
            vendor_records.check_vendor(stage, partner_id, where)
            for confirmation in confirmations.values():
                _checked(_check_confirmation, confirmation.content, where)
        for partner_id, transports in read.transports.items():
            where = f"vendor_shipments.transports.{partner_id}"
            vendor_records.check_vendor(stage, partner_id, where)
            for transport in transports.values():
                _checked(_check_transport, transport.content, where)
                if not transport.steps:
                    raise ValueError(f"{where}.{transport.identifier}: 'steps' is empty")
        self.confirmations, self.transports = read.confirmations, read.transports


def _checked(check: Any, content: dict[str, Any], where: str) -> None:
    try:
        check(Body(content, "content"))
    except Incomplete as error:
        raise ValueError(f"{where}: {error}") from None


# --- confirmations --------------------------------------------------------------------------------


def _check_confirmations(content: Body) -> None:
    for confirmation in content.all("shipmentConfirmations"):
        _check_confirmation(confirmation)


def _check_confirmation(confirmation: Body) -> None:
    confirmation.text("shipmentIdentifier")
    confirmation.choice("shipmentConfirmationType", ("Original", "Replace"))
    confirmation.instant("shipmentConfirmationDate")
    for name in ("shippedDate", "estimatedDeliveryDate"):
        confirmation.maybe_instant(name)
    for name in ("sellingParty", "shipFromParty", "shipToParty"):
        confirmation.party(name)
    for item in confirmation.all("shippedItems"):
        item.text("itemSequenceNumber")
        item.quantity("shippedQuantity", UNITS)
        for name in ("amazonProductIdentifier", "vendorProductIdentifier"):
            item.maybe_text(name)
        _check_details(item)
    for carton in confirmation.some("cartons"):
        carton.text("cartonSequenceNumber")
        _check_packed(carton.all("items"))
    for pallet in confirmation.some("pallets"):
        pallet.all("palletIdentifiers")
        _check_packed(pallet.some("items"))


def _check_packed(items: list[Body]) -> None:
    for item in items:
        item.text("itemReference")
        item.quantity("shippedQuantity", UNITS)
        _check_details(item)


def _check_details(item: Body) -> None:
    if details := item.maybe("itemDetails"):
        details.maybe_text("purchaseOrderNumber")


def _judge_confirmations(case: Case) -> list[Fault]:
    seen: set[str] = set()
    faults: list[Fault] = []
    for confirmation in case.content.all("shipmentConfirmations"):
        identifier = confirmation.text("shipmentIdentifier")
        if identifier in seen:
            faults.append(_taken(identifier))
        else:
            faults += _confirmation_faults(case, confirmation, identifier)
        seen.add(identifier)
    return faults


def _confirmation_faults(case: Case, confirmation: Body, identifier: str) -> list[Fault]:
    known = case.stage.of(VendorShipments).confirmations_of(case.partner).get(identifier)
    party = confirmation.party("sellingParty")
    if party not in case.partner.vendor_codes:
        return [foreign_vendor_code(party)]
    if confirmation.given["shipmentConfirmationType"] == "Original":
        if known is not None and case.submitted_at < known.first_at + UNIQUE_FOR:
            return [_taken(identifier)]
    elif known is None or known.content["sellingParty"]["partyId"] != party:
        words = "There is no shipment confirmation with this identifier to replace."
        return [Fault("UNKNOWN_SHIPMENT_IDENTIFIER", words, identifier)]
    elif case.submitted_at > known.first_at + REPLACEABLE_FOR:
        words = "The shipment confirmation can no longer be replaced."
        return [Fault("REPLACEMENT_TOO_LATE", words, identifier)]
    elif _arrived(case, known):
        words = "The shipment has arrived: its confirmation can no longer be replaced."
        return [Fault("SHIPMENT_ARRIVED", words, identifier)]
    shipped_at = confirmation.maybe_instant("shippedDate")
    if shipped_at and shipped_at > case.submitted_at:
        return [Fault("INVALID_SHIPPED_DATE", "The shipped date is in the future.", identifier)]
    return [*_order_faults(case, confirmation, party), *_packing_faults(confirmation)]


def _arrived(case: Case, known: Confirmation) -> bool:
    """Whether Amazon received anything of its orders since it was announced."""
    orders = case.stage.of(VendorRetail).of(case.partner)
    received = [
        line.received_at
        for number in known.order_numbers
        if number in orders
        for line in orders[number].lines
    ]
    return any(at is not None and at >= known.first_at for at in received)


def _taken(identifier: str) -> Fault:
    words = "The shipment identifier was used within the last 365 days."
    return Fault("DUPLICATE_SHIPMENT_IDENTIFIER", words, identifier)


def _order_faults(case: Case, confirmation: Body, party: str) -> list[Fault]:
    orders = case.stage.of(VendorRetail).of(case.partner)
    faults = []
    for number in _order_numbers(confirmation):
        order = orders.get(number)
        if order is None or order.vendor_code != party:
            faults.append(unknown_order(number))
    if faults:
        return faults
    for item in confirmation.all("shippedItems"):
        named = _order_number(item)
        names = (
            item.maybe_text("amazonProductIdentifier"),
            item.maybe_text("vendorProductIdentifier"),
        )
        place = f"item {item.text('itemSequenceNumber')}"
        if named and any(names) and orders[named].line(*names) is None:
            words = "The item is not a line of the purchase order."
            faults.append(Fault("INVALID_ITEM", words, place))
        if item.quantity("shippedQuantity") < 1:
            faults.append(Fault("INVALID_QUANTITY", "Nothing of the item is shipped.", place))
    return faults


def _packing_faults(confirmation: Body) -> list[Fault]:
    known = {item.text("itemSequenceNumber") for item in confirmation.all("shippedItems")}
    packed = [
        item
        for holder in (*confirmation.some("cartons"), *confirmation.some("pallets"))
        for item in holder.some("items")
    ]
    words = "A carton or pallet refers to an item that is not shipped."
    return [
        Fault("INVALID_ITEM_REFERENCE", words, item.text("itemReference"))
        for item in packed
        if item.text("itemReference") not in known
    ]


def _order_number(item: Body) -> str | None:
    details = item.maybe("itemDetails")
    return details.maybe_text("purchaseOrderNumber") if details else None


def _order_numbers(confirmation: Body) -> list[str]:
    """Of the items themselves and of what is packed; each once, in the order of naming."""
    holders = (*confirmation.some("cartons"), *confirmation.some("pallets"))
    items = [*confirmation.some("shippedItems"), *(i for h in holders for i in h.some("items"))]
    return list(dict.fromkeys(number for item in items if (number := _order_number(item))))


def _apply_confirmations(case: Case) -> None:
    known = case.stage.of(VendorShipments).confirmations_of(case.partner)
    for confirmation in case.content.all("shipmentConfirmations"):
        identifier = confirmation.text("shipmentIdentifier")
        content = dict(confirmation.given)
        before = known.get(identifier)
        if before is not None and content["shipmentConfirmationType"] == "Replace":
            before.content, before.sent_at = content, case.submitted_at
            before.versions += 1
        else:
            at = case.submitted_at
            known[identifier] = Confirmation(identifier, content, at, at)


# --- transport ------------------------------------------------------------------------------------


def _check_transports(content: Body) -> None:
    for transport in content.all("shipments"):
        _check_transport(transport)


def _check_transport(transport: Body) -> None:
    transport.text("vendorShipmentIdentifier")
    transport.choice("transactionType", ("New", "Cancel"))
    transport.instant("transactionDate")
    transport.maybe_choice("shipmentFreightTerm", ("Collect", "Prepaid"))
    transport.maybe_choice("currentShipmentStatus", TRANSPORT_STATUSES)
    for name in ("sellingParty", "shipFromParty", "shipToParty"):
        transport.party(name)
    for order in transport.some("purchaseOrders"):
        order.maybe_text("purchaseOrderNumber")
        for item in order.some("items"):
            item.text("itemSequenceNumber")
            item.quantity("shippedQuantity", UNITS)
    for container in transport.some("containers"):
        container.choice("containerType", ("carton", "pallet"))
        container.all("containerIdentifiers")
    transport.maybe_instant("shipmentConfirmDate")
    transport.maybe_text("buyerReferenceNumber")
    if pick_up := transport.maybe("collectFreightPickupDetails"):
        pick_up.maybe_instant("requestedPickUp")
    if details := transport.maybe("transportationDetails"):
        details.maybe_choice("shipMode", ("TruckLoad", "LessThanTruckLoad", "SmallParcel"))
        details.maybe_instant("estimatedDeliveryDate")
        details.maybe_instant("shipmentDeliveryDate")


def _judge_transports(case: Case) -> list[Fault]:
    known = case.stage.of(VendorShipments).transports_of(case.partner, case.now)
    seen: set[str] = set()
    faults = []
    for transport in case.content.all("shipments"):
        identifier = transport.text("vendorShipmentIdentifier")
        before = known.get(identifier)
        party = transport.party("sellingParty")
        new = transport.given["transactionType"] == "New"
        if party not in case.partner.vendor_codes:
            faults.append(foreign_vendor_code(party))
        elif identifier in seen or (
            new and before and case.submitted_at < before.created_at + UNIQUE_FOR
        ):
            faults.append(_taken(identifier))
        elif not new and (
            before is None
            or before.cancelled_at
            or before.status == "Shipped"
            or before.content["sellingParty"]["partyId"] != party
        ):
            words = "There is no shipment with this identifier that can be cancelled."
            faults.append(Fault("SHIPMENT_NOT_CANCELLABLE", words, identifier))
        elif new:
            faults += _transport_faults(case, transport)
        seen.add(identifier)
    return faults


def _transport_faults(case: Case, transport: Body) -> list[Fault]:
    orders = case.stage.of(VendorRetail).of(case.partner)
    wanted = [order.maybe_text("purchaseOrderNumber") for order in transport.some("purchaseOrders")]
    party = transport.party("sellingParty")
    faults = [
        unknown_order(number)
        for number in wanted
        if number and (number not in orders or orders[number].vendor_code != party)
    ]
    if not transport.has("shipmentFreightTerm"):
        words = "The freight term is needed."
        faults.append(Fault("MISSING_FREIGHT_TERM", words, "shipmentFreightTerm"))
    elif transport.given["shipmentFreightTerm"] == "Collect" and not wanted:
        words = "Transport by the buyer needs the purchase orders."
        faults.append(Fault("MISSING_PURCHASE_ORDERS", words, "purchaseOrders"))
    return faults


def _apply_transports(case: Case) -> None:
    known = case.stage.of(VendorShipments).transports_of(case.partner, case.now)
    for given in case.content.all("shipments"):
        identifier = given.text("vendorShipmentIdentifier")
        at = case.submitted_at
        if given.given["transactionType"] == "Cancel":
            known[identifier].cancelled_at = at
            known[identifier].carrier_due_at = None
            continue
        transport = Transport(identifier, dict(given.given), at, [Step("Created", at)])
        if transport.collect:
            transport.go("TransportationRequested", at)
            transport.carrier_due_at = at + CARRIER_COMES_AFTER
        known[identifier] = transport


CONFIRMATIONS = Errand(
    "vendor_shipments.SubmitShipmentConfirmations",
    "retail",
    _check_confirmations,
    _judge_confirmations,
    _apply_confirmations,
)
TRANSPORTS = Errand(
    "vendor_shipments.SubmitShipments",
    "retail",
    _check_transports,
    _judge_transports,
    _apply_transports,
)
