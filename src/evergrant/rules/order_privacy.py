"""What of an order is personal: splits Amazon's body into what is kept plain and what is sealed.

Answers for: the list of everything that may lie about plain, by kind of order; all else, known or
not, is personal. Does not answer for: sealing it, or for who may see it.

Kept plain is what a warehouse and a ledger need and what tells nothing of a person: ids, instants,
statuses, products, quantities, amounts, parcels. A field that Amazon adds tomorrow is personal
until somebody writes it down here. Personal are thus: the buyer and the recipient with all that
belongs to them, every address, gift messages, customizations, free text, tax numbers, cards.

Sources: the models orders_2026-01-01, vendorOrders and vendorDirectFulfillmentOrders_2021-12-28 of
Amazon's repository selling-partner-api-models, all fields of ``Order``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

__all__ = ["DIRECT", "RETAIL", "SELLER", "Allowed", "joined", "split"]

#: Names that may stay plain, each with those below it; none below: a scalar, or a list of these.
Allowed = Mapping[str, "Allowed"]

_GONE: Final = object()
_SCALAR = (str, int, float, bool)


def _tree(paths: Iterable[str]) -> Allowed:
    root: dict[str, Any] = {}
    for path in paths:
        below = root
        for name in path.split("."):
            below = below.setdefault(name, {})
    return root


def _each(above: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{above}.{name}" for name in names)


def _money(*paths: str) -> tuple[str, ...]:
    return tuple(f"{path}.{name}" for path in paths for name in ("amount", "currencyCode"))


_ITEM = "orderItems"
_PRODUCT = f"{_ITEM}.product"
_SUBSTITUTE = f"{_ITEM}.fulfillment.picking.substitutionPreference"
_SHIPPING = f"{_ITEM}.fulfillment.shipping"
_WINDOW = ("earliestDateTime", "latestDateTime")

#: Orders API 2026-01-01.
SELLER: Allowed = _tree(
    (
        *("orderId", "createdTime", "lastUpdatedTime", "programs"),
        *_each("orderAliases", "aliasId", "aliasType"),
        *_each("associatedOrders", "orderId", "associationType"),
        *_each("salesChannel", "channelName", "marketplaceId", "marketplaceName"),
        *_money("proceeds.grandTotal", "proceeds.breakdowns.subtotal"),
        *_each("proceeds.breakdowns", "type", "status"),
        *_each("fulfillment", "fulfillmentStatus", "fulfilledBy", "fulfillmentServiceLevel"),
        *_each("fulfillment.shipByWindow", *_WINDOW),
        *_each("fulfillment.deliverByWindow", *_WINDOW),
        *_each("fulfillment.labelPrintingWindow", *_WINDOW),
        *_each(_ITEM, "orderItemId", "quantityOrdered", "programs"),
        *_each(f"{_ITEM}.measurement", "unit", "value"),
        *_each(f"{_ITEM}.associatedOrderItems", "orderId", "orderItemId", "associationType"),
        *_each(_PRODUCT, "asin", "title", "sellerSku"),
        *_each(f"{_PRODUCT}.condition", "conditionType", "conditionSubtype", "conditionNote"),
        *_money(f"{_PRODUCT}.price.unitPrice"),
        f"{_PRODUCT}.price.priceDesignation",
        *_money(
            f"{_ITEM}.proceeds.proceedsTotal",
            f"{_ITEM}.proceeds.breakdowns.subtotal",
            f"{_ITEM}.proceeds.breakdowns.detailedBreakdowns.value",
            f"{_ITEM}.expense.pointsCost.pointsGranted.pointsMonetaryValue",
        ),
        f"{_ITEM}.proceeds.breakdowns.type",
        f"{_ITEM}.proceeds.breakdowns.detailedBreakdowns.subtype",
        f"{_ITEM}.expense.pointsCost.pointsGranted.pointsNumber",
        f"{_ITEM}.promotion.breakdowns.promotionId",
        *_each(f"{_ITEM}.cancellation.cancellationRequest", "requester", "cancelReason"),
        *_each(f"{_ITEM}.cancellation.cancellationExecution", "cancelledBy", "cancelReason"),
        *_each(f"{_ITEM}.fulfillment", "quantityFulfilled", "quantityUnfulfilled"),
        f"{_SUBSTITUTE}.substitutionType",
        *_each(
            f"{_SUBSTITUTE}.substitutionOptions",
            *("asin", "quantityOrdered", "sellerSku", "title"),
            *("measurement.unit", "measurement.value"),
        ),
        f"{_ITEM}.fulfillment.packing.giftOption.giftWrapLevel",
        f"{_ITEM}.fulfillment.packing.serialNumberRequirement.requirementType",
        *_each(f"{_SHIPPING}.scheduledDeliveryWindow", *_WINDOW),
        *_each(
            f"{_SHIPPING}.shippingConstraints",
            *("palletDelivery", "cashOnDelivery", "signatureConfirmation"),
            *("recipientIdentityVerification", "recipientAgeVerification"),
        ),
        f"{_ITEM}.tax.taxCalculationBreakdowns.reportingScheme",
        *_each(f"{_ITEM}.tax.taxCollections", "model", "responsibleParty"),
        *_each("packages", "packageReferenceId", "createdTime", "carrier", "shipTime"),
        *_each("packages", "shippingService", "trackingNumber"),
        *_each("packages.packageStatus", "status", "detailedStatus"),
        *_each("packages.packageItems", "orderItemId", "quantity", "transparencyCodes"),
        "fulfillmentOrders.fulfillmentOrderId",
    )
)

_DETAILS = "orderDetails"
_LINES = f"{_DETAILS}.items"
_QUANTITY = ("amount", "unitOfMeasure", "unitSize")

#: Vendor Orders v1. The parties are firms; their addresses and tax numbers are sealed all the same.
RETAIL: Allowed = _tree(
    (
        *("purchaseOrderNumber", "purchaseOrderState"),
        *_each(_DETAILS, "purchaseOrderDate", "purchaseOrderChangedDate"),
        *_each(_DETAILS, "purchaseOrderStateChangedDate", "purchaseOrderType"),
        *_each(_DETAILS, "dealCode", "paymentMethod", "shipWindow", "deliveryWindow"),
        *_each(f"{_DETAILS}.importDetails", "methodOfPayment", "internationalCommercialTerms"),
        *_each(f"{_DETAILS}.importDetails", "portOfDelivery", "importContainers"),
        *(f"{_DETAILS}.{one}Party.partyId" for one in ("buying", "selling", "shipTo", "billTo")),
        *_each(_LINES, "itemSequenceNumber", "amazonProductIdentifier"),
        *_each(_LINES, "vendorProductIdentifier", "isBackOrderAllowed"),
        *_each(f"{_LINES}.orderedQuantity", *_QUANTITY),
        *_each(f"{_LINES}.netCost", "amount", "currencyCode", "unitOfMeasure"),
        *_each(f"{_LINES}.listPrice", "amount", "currencyCode", "unitOfMeasure"),
    )
)

_SHIPMENT = f"{_DETAILS}.shipmentDetails"
_NOMINATED = f"{_LINES}.scheduledDeliveryShipment"


def _taxes(above: str) -> tuple[str, ...]:
    line = f"{above}.taxLineItem"
    return (
        *_each(line, "taxRate", "type"),
        *_money(f"{line}.taxAmount", f"{line}.taxableAmount"),
    )


#: Vendor Direct Fulfillment Orders 2021-12-28: ``shipToParty`` is a consumer.
DIRECT: Allowed = _tree(
    (
        "purchaseOrderNumber",
        *_each(_DETAILS, "customerOrderNumber", "orderDate", "orderStatus"),
        f"{_DETAILS}.hasCustomizableItems",
        *_each(_SHIPMENT, "isPriorityShipment", "isScheduledDeliveryShipment", "isPslipRequired"),
        *_each(_SHIPMENT, "isGift", "shipMethod"),
        *_each(f"{_SHIPMENT}.shipmentDates", "requiredShipDate", "promisedDeliveryDate"),
        *_taxes(f"{_DETAILS}.taxTotal"),
        *(f"{_DETAILS}.{one}Party.partyId" for one in ("selling", "shipFrom", "billTo")),
        *_each(_LINES, "itemSequenceNumber", "buyerProductIdentifier"),
        *_each(_LINES, "vendorProductIdentifier", "title"),
        *_each(f"{_LINES}.orderedQuantity", "amount", "unitOfMeasure"),
        f"{_NOMINATED}.scheduledDeliveryServiceType",
        *_each(_NOMINATED, "earliestNominatedDeliveryDate", "latestNominatedDeliveryDate"),
        f"{_LINES}.giftDetails.giftWrapId",
        *_money(f"{_LINES}.netPrice", f"{_LINES}.totalPrice"),
        *_taxes(f"{_LINES}.taxDetails"),
    )
)


def split(body: Mapping[str, Any], allowed: Allowed) -> tuple[dict[str, Any], dict[str, Any]]:
    """``body``, which is JSON, as (plain, personal). Plain has the shape of ``body`` with less in
    it; personal has what is missing there, each under its place (a JSON pointer, RFC 6901).
    `joined` puts them together again."""
    personal: dict[str, Any] = {}
    return _mapping(body, allowed, "", personal), personal


def joined(plain: Mapping[str, Any], personal: Mapping[str, Any]) -> dict[str, Any]:
    """The body as it was before `split`. Raises ValueError for a place that plain does not have."""
    whole: dict[str, Any] = deepcopy(dict(plain))
    for place, value in personal.items():
        *above, last = (_name(step) for step in place.split("/")[1:])
        inner: Any = whole
        for step in above:
            try:
                inner = inner[int(step)] if isinstance(inner, list) else inner[step]
            except (KeyError, IndexError, TypeError, ValueError):
                raise ValueError(f"There is no {place} in this order.") from None
        if not isinstance(inner, dict):
            raise ValueError(f"There is no {place} in this order.")  # noqa: TRY004
        inner[last] = deepcopy(value)
    return whole


def _mapping(
    body: Mapping[str, Any], allowed: Allowed, place: str, personal: dict[str, Any]
) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in body.items():
        here = f"{place}/{_step(name)}"
        below = allowed.get(name)
        kept = _GONE if below is None else _value(value, below, here, personal)
        if kept is _GONE:
            personal[here] = value
        else:
            plain[name] = kept
    return plain


def _value(value: Any, allowed: Allowed, place: str, personal: dict[str, Any]) -> Any:
    """What may be kept of it; _GONE for none of it, when nothing was added to ``personal``."""
    if value is None:
        return None
    if not allowed:
        return value if _is_leaf(value) else _GONE
    if isinstance(value, Mapping):
        return _mapping(value, allowed, place, personal)
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        # Every one stays where it was, be it empty: places are counted.
        return [
            _mapping(one, allowed, f"{place}/{number}", personal)
            for number, one in enumerate(value)
        ]
    return _GONE  # not the shape that we know, so nobody knows what it holds


def _is_leaf(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, _SCALAR) for one in value)
    return isinstance(value, _SCALAR)


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _name(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _assert_closed() -> None:
    """A slip of the pen above must not open a block."""
    for tree in (SELLER, RETAIL, DIRECT):
        text = json.dumps(tree)
        for block in ("ddress", "uyerName", "uyerEmail", "phone", "giftMessage", 'ecipient"'):
            if block in text:
                raise AssertionError(f"{block} stands among what may be plain")


_assert_closed()
