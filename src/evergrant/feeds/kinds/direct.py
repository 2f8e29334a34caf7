"""Direct fulfillment: a vendor's stock, shipments, invoices and refusals of orders.

Answers for: the bodies of submitInventoryUpdate, submitShipmentConfirmations, submitInvoice and
submitAcknowledgement. Does not answer for: what becomes of a submission (``transactions``), or for
what a wish may hold (``rules.wishes.direct``).

Stock is never sent as a full update: that sets to zero all that it does not name.

Sources: Amazon's models direct fulfillment inventory v1 and orders 2021-12-28; its SDK for direct
fulfillment shipping 2021-12-28 and payments v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from evergrant.feeds.kinds import Ground, TransactionKind
from evergrant.feeds.kinds.transactions import (
    DIRECT_TRANSACTIONS,
    VendorTransaction,
    instant,
    money,
    party,
    product,
)
from evergrant.feeds.kinds.vendor_invoices import charges, order_ids, taxes
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.feedruns import Path

__all__ = ["DIRECT"]

Json = dict[str, Any]
_ROOT = "/vendor/directFulfillment"


def _each(amount: int) -> Json:
    return {"amount": amount, "unitOfMeasure": "Each"}


# --- stock ----------------------------------------------------------------------------------------


def _inventory_path(run: FeedRun, changes: Sequence[Change]) -> str:
    warehouse = quote(changes[0].wish["warehouse"], safe="")
    return f"{_ROOT}/inventory/v1/warehouses/{warehouse}/items"


def _inventory(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {
        "inventory": {
            "sellingParty": {"partyId": changes[0].wish["vendor_code"]},
            "isFullUpdate": False,
            "items": [_stocked(one.wish) for one in changes],
        }
    }


def _stocked(wish: Mapping[str, Any]) -> Json:
    return {
        **product(wish, "buyerProductIdentifier"),
        "availableQuantity": {"amount": wish["quantity"], "unitOfMeasure": wish["unit"]},
        "isObsolete": True if wish["obsolete"] else None,
    }


# --- shipments ------------------------------------------------------------------------------------


def _confirmations(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {"shipmentConfirmations": [_confirmation(one) for one in changes]}


def _confirmation(change: Change) -> Json:
    wish = change.wish
    return {
        "purchaseOrderNumber": change.subject,
        "shipmentDetails": {
            "shippedDate": wish["shipped_at"],
            "shipmentStatus": wish["status"],
            "vendorOrderNumber": wish.get("vendor_order_number"),
            "estimatedDeliveryDate": wish.get("estimated_delivery_at"),
        },
        "sellingParty": party(wish, "selling", wish["vendor_code"]),
        "shipFromParty": party(wish, "ship_from", wish["warehouse"]),
        "items": [
            {
                "itemSequenceNumber": item["line"],
                **product(item, "buyerProductIdentifier"),
                "shippedQuantity": _each(item["quantity"]),
            }
            for item in wish["items"]
        ],
        "containers": [_container(one) for one in wish.get("containers", ())],
    }


def _container(container: Mapping[str, Any]) -> Json:
    return {
        "containerType": container["type"],
        "containerIdentifier": container["id"],
        "trackingNumber": container.get("tracking_number"),
        "manifestId": container.get("manifest_id"),
        "manifestDate": container.get("manifest_date"),
        "shipMethod": container.get("shipping_method"),
        "scacCode": container.get("carrier_code"),
        "carrier": container.get("carrier_name"),
        "containerSequenceNumber": container["number"],
        "dimensions": _dimensions(container),
        "weight": {"unitOfMeasure": container["weight_unit"], "value": container["weight"]},
        "packedItems": [
            {"itemSequenceNumber": item["line"], "packedQuantity": _each(item["quantity"])}
            for item in container["items"]
        ],
    }


def _dimensions(container: Mapping[str, Any]) -> Json | None:
    if not container.get("length"):
        return None
    return {
        "length": container["length"],
        "width": container["width"],
        "height": container["height"],
        "unitOfMeasure": container["size_unit"],
    }


# --- invoices -------------------------------------------------------------------------------------


def _invoices(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {"invoices": [_invoice(one.wish) for one in changes]}


def _invoice(wish: Mapping[str, Any]) -> Json:
    return {
        "invoiceNumber": wish["invoice_number"],
        "invoiceDate": wish["invoiced_at"],
        "referenceNumber": wish.get("reference_number"),
        "remitToParty": party(wish, "remit_to", wish["vendor_code"]),
        "shipFromParty": party(wish, "ship_from", wish["warehouse"]),
        "billToParty": party(wish, "bill_to"),
        "billFromParty": party(wish, "bill_from"),
        "shipToCountryCode": wish.get("ship_to_country"),
        "paymentTermsCode": wish.get("payment_terms_code"),
        "invoiceTotal": money(wish, wish["total"]),
        "taxTotals": taxes(wish, wish),
        "chargeDetails": charges(wish, wish, "charges", "chargeAmount"),
        "allowanceDetails": charges(wish, wish, "allowances", "allowanceAmount"),
        "items": [_invoiced(wish, item) for item in wish["items"]],
    }


def _invoiced(wish: Mapping[str, Any], item: Mapping[str, Any]) -> Json:
    return {
        "itemSequenceNumber": item["line"],
        **product(item, "buyerProductIdentifier"),
        "itemDescription": item.get("description"),
        "invoicedQuantity": _each(item["quantity"]),
        "netCost": money(wish, item["net_cost"]),
        "purchaseOrderNumber": item["order_id"],
        "vendorOrderNumber": item.get("vendor_order_number"),
        "hsnCode": item.get("hsn_code"),
        "taxDetails": taxes(wish, item),
        "chargeDetails": charges(wish, item, "charges", "chargeAmount"),
        "allowanceDetails": charges(wish, item, "allowances", "allowanceAmount"),
    }


# --- acknowledgements -----------------------------------------------------------------------------


def _acknowledgements(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {"orderAcknowledgements": [_acknowledgement(ground, one) for one in changes]}


def _acknowledgement(ground: Ground, change: Change) -> Json:
    wish = change.wish
    return {
        "purchaseOrderNumber": change.subject,
        "vendorOrderNumber": wish.get("vendor_order_number") or change.subject,
        "acknowledgementDate": instant(ground),
        "acknowledgementStatus": {"code": wish["code"], "description": wish.get("reason")},
        "sellingParty": {"partyId": wish["vendor_code"]},
        "shipFromParty": {"partyId": wish["warehouse"]},
        "itemAcknowledgements": [
            {
                "itemSequenceNumber": item["line"],
                **product(item, "buyerProductIdentifier"),
                "acknowledgedQuantity": _each(item["quantity"]),
            }
            for item in wish["items"]
        ],
    }


# --- the table ------------------------------------------------------------------------------------


def _stock_names(change: Change) -> list[str]:
    return [change.wish[name] for name in ("sku", "asin") if name in change.wish]


DIRECT: Mapping[Path, TransactionKind] = MappingProxyType(
    {
        # The same amount again is the same amount: no duplicates.
        Path.DIRECT_STOCK: VendorTransaction(
            path=_inventory_path,
            body=_inventory,
            names=_stock_names,
            shared=lambda change: (change.wish["vendor_code"], change.wish["warehouse"]),
            at=DIRECT_TRANSACTIONS,
            once=False,
        ),
        Path.DIRECT_SHIPMENT: VendorTransaction(
            path=lambda run, changes: f"{_ROOT}/shipping/2021-12-28/shipmentConfirmations",
            body=_confirmations,
            names=lambda change: (change.subject,),
            at=DIRECT_TRANSACTIONS,
        ),
        Path.DIRECT_INVOICE: VendorTransaction(
            path=lambda run, changes: f"{_ROOT}/payments/v1/invoices",
            body=_invoices,
            names=lambda change: (change.wish["invoice_number"], *order_ids(change)),
            at=DIRECT_TRANSACTIONS,
        ),
        Path.DIRECT_ACKNOWLEDGEMENT: VendorTransaction(
            path=lambda run, changes: f"{_ROOT}/orders/2021-12-28/acknowledgements",
            body=_acknowledgements,
            names=lambda change: (change.subject,),
            at=DIRECT_TRANSACTIONS,
        ),
    }
)
