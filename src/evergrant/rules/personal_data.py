"""Which of Amazon's operations have to do with personal data.

Answers for: the class of each operation, the data elements that it knows, and whether a request as
it stands asks for personal data. Does not answer for: who may have it (the gate), or how a
restricted data token is made (the mint).

Sources: which operations take a restricted data token, and data elements: Amazon's page
"tokens-api-use-case-guide", its tokens 2021-03-01 model and the RestrictedDataTokenSigner of its
PHP SDK. All others: the answers in the models.

One counts as personal where its answer has the name, address, phone number, mail or tax number of
a person who is not the seller's staff; where it is a document that is handed to such a person
(labels, packing slips, invoices); or where it writes to them. In doubt it is personal: a right that
is missing is a message to an operator, personal data in the wrong hands is not taken back. Data of
the seller's own business and addresses of Amazon's warehouses are not; the seller's contact person
(sellers v1 ``getAccount``) is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from evergrant.rules.operations import Operation

__all__ = ["CLASSES", "DATA_ELEMENTS", "Personal", "asked"]


class Personal(StrEnum):
    """Whether an operation has to do with personal data of buyers, and how one gets it."""

    NEVER = "never"
    PLAIN = "plain"  # the access token is enough; the answer carries personal data
    QUERY = "query"  # as PLAIN, but only when the query asks for it (`personal_data.asked`)
    RESTRICTED = "restricted"  # always needs a restricted data token
    ELEMENTS = "elements"  # answers without personal data, unless data elements are named
    CONTENT = "content"  # some documents need a restricted data token: getReportDocument


_DIRECT = "vendor.directFulfillment"
_MESSAGES = "messaging.v1"
_MERCHANT_SHIPMENTS = "externalFulfillment.2024-09-11"

_RESTRICTED = (
    "easyShip.2022-03-23.createScheduledPackageBulk",
    "fba.outbound.brazil.v0.getShipmentDetails",
    "mfn.v0.cancelShipment",
    "mfn.v0.createShipment",
    "mfn.v0.getShipment",
    "orders.v0.getOrderAddress",
    "orders.v0.getOrderBuyerInfo",
    "orders.v0.getOrderItemsBuyerInfo",
    "orders.v0.getOrderRegulatedInfo",
    "shipping.v1.getShipment",
    *(
        f"{_DIRECT}.{part}.{version}.{name}"
        for version in ("v1", "2021-12-28")
        for part, names in (
            ("orders", ("getOrder", "getOrders")),
            (
                "shipping",
                (
                    "getCustomerInvoice",
                    "getCustomerInvoices",
                    "getPackingSlip",
                    "getPackingSlips",
                    "getShippingLabel",
                    "getShippingLabels",
                ),
            ),
        )
        for name in names
    ),
    f"{_DIRECT}.shipping.2021-12-28.createShippingLabels",
)
_PLAIN = (
    # Addresses of recipients, and where their parcels are.
    "fba.outbound.2020-07-01.getFulfillmentOrder",
    "fba.outbound.2020-07-01.getPackageTrackingDetails",
    "fba.outbound.2020-07-01.listAllFulfillmentOrders",
    "fulfillment.outbound.2026-07-04.createOrder",
    "fulfillment.outbound.2026-07-04.getOrder",
    "fulfillment.outbound.2026-07-04.listOrders",
    "fulfillment.outbound.2026-07-04.updateOrder",
    "service.v1.getServiceJobByServiceJobId",
    "service.v1.getServiceJobs",
    "shipping.v1.getTrackingInformation",
    "shipping.v2.getTracking",
    "tracking.2026-01-30.getShipmentTracking",
    f"{_MERCHANT_SHIPMENTS}.getReturn",
    f"{_MERCHANT_SHIPMENTS}.getShipment",
    f"{_MERCHANT_SHIPMENTS}.getShipments",
    f"{_MERCHANT_SHIPMENTS}.listReturns",
    # Labels, and the lists that go along with parcels.
    "easyShip.2022-03-23.createScheduledPackage",
    "easyShip.2022-03-23.getScheduledPackage",
    "easyShip.2022-03-23.updateScheduledPackages",
    "shipping.v1.createShipment",
    "shipping.v1.purchaseLabels",
    "shipping.v1.purchaseShipment",
    "shipping.v1.retrieveShippingLabel",
    "shipping.v2.directPurchaseShipment",
    "shipping.v2.generateCollectionForm",
    "shipping.v2.getCollectionForm",
    "shipping.v2.getShipmentDocuments",
    "shipping.v2.getUnmanifestedShipments",
    "shipping.v2.oneClickShipment",
    "shipping.v2.purchaseShipment",
    f"{_DIRECT}.shipping.2021-12-28.createContainerLabel",
    f"{_MERCHANT_SHIPMENTS}.generateShipLabels",
    # Invoices to buyers.
    "finances.invoices.2026-06-25.getInvoice",
    "finances.invoices.2026-06-25.getInvoiceHeaders",
    "tax.invoices.2024-06-19.getGovernmentInvoiceDocument",
    "tax.invoices.2024-06-19.getInvoice",
    "tax.invoices.2024-06-19.getInvoices",
    "tax.invoices.2024-06-19.getInvoicesDocument",
    f"{_MERCHANT_SHIPMENTS}.generateInvoice",
    f"{_MERCHANT_SHIPMENTS}.retrieveInvoice",
    # To buyers, and in their language.
    f"{_MESSAGES}.CreateWarranty",
    f"{_MESSAGES}.GetAttributes",
    f"{_MESSAGES}.confirmCustomizationDetails",
    f"{_MESSAGES}.createConfirmDeliveryDetails",
    f"{_MESSAGES}.createConfirmOrderDetails",
    f"{_MESSAGES}.createConfirmServiceDetails",
    f"{_MESSAGES}.createDigitalAccessKey",
    f"{_MESSAGES}.createLegalDisclosure",
    f"{_MESSAGES}.createUnexpectedProblem",
    f"{_MESSAGES}.sendInvoice",
    # The seller's contact person; and the way to all of the above.
    "sellers.v1.getAccount",
    "tokens.2021-03-01.createRestrictedDataToken",
)

#: By name. What is not here has nothing to do with personal data.
CLASSES: Mapping[str, Personal] = MappingProxyType(
    {
        **dict.fromkeys(_RESTRICTED, Personal.RESTRICTED),
        **dict.fromkeys(_PLAIN, Personal.PLAIN),
        "orders.2026-01-01.getOrder": Personal.QUERY,
        "orders.2026-01-01.searchOrders": Personal.QUERY,
        "orders.v0.getOrder": Personal.ELEMENTS,
        "orders.v0.getOrderItems": Personal.ELEMENTS,
        "orders.v0.getOrders": Personal.ELEMENTS,
        "reports.2021-06-30.getReportDocument": Personal.CONTENT,
    }
)

_ELEMENTS = ("buyerInfo", "shippingAddress", "buyerTaxInformation")
#: What may be named, in Amazon's order.
DATA_ELEMENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: _ELEMENTS for name, personal in CLASSES.items() if personal is Personal.ELEMENTS}
)

#: Data sets of the orders 2026-01-01 model that hold nothing of the buyer. Besides BUYER and
#: RECIPIENT, TAX has the buyer's legal name, address and tax number, and PAYMENT the card's brand
#: and authorization; a set that nobody knows yet is taken for personal.
_HARMLESS = frozenset(
    {
        "CANCELLATION",
        "EXPENSE",
        "FULFILLMENT",
        "FULFILLMENT_ORDERS",
        "PACKAGES",
        "PROCEEDS",
        "PROMOTION",
    }
)
_SETS = re.compile(r"[A-Za-z0-9_%]+")


def asked(operation: Operation, query: str) -> bool:
    """Whether the request, as it stands, is answered with personal data. ``query`` as it was sent,
    encoded, without ``?``.

    For ELEMENTS and CONTENT no: without a restricted data token they answer without, or not.
    """
    if operation.personal is Personal.QUERY:
        return not _HARMLESS.issuperset(_data_sets(query))
    return operation.personal in (Personal.PLAIN, Personal.RESTRICTED)


def _data_sets(query: str) -> list[str]:
    """All that may be read as a value of ``includedData``, however it is written: repeated, with
    commas, in brackets, encoded, or cut by other separators than we would take."""
    found: list[str] = []
    named = False
    for part in re.split(r"[&;]", query):
        name, equals, value = part.partition("=")
        ours = _decoded(name).strip().casefold().startswith("includeddata")
        if equals or ours:
            named = ours
        if named:
            found.extend(_SETS.findall(_decoded(value if equals or ours else name)))
    return [one.upper() for one in found]


def _decoded(text: str) -> str:
    """Twice: whoever stands between us and Amazon may have decoded it once."""
    return unquote_plus(unquote_plus(text)) if "%" in text or "+" in text else text
