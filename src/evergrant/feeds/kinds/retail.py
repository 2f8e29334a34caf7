"""Amazon retail: a vendor's shipments, invoices and answers to purchase orders.

Answers for: the bodies of SubmitShipmentConfirmations, submitInvoices and submitAcknowledgement.
Does not answer for: what becomes of a submission (``transactions``), or for what a wish may hold
(``rules.wishes.retail``).

Sources: Amazon's models vendor shipping v1, vendor payments v1 and vendor orders v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from evergrant.feeds.kinds import Ground, TransactionKind
from evergrant.feeds.kinds.transactions import (
    RETAIL_TRANSACTIONS,
    VendorTransaction,
    instant,
    money,
    party,
    product,
)
from evergrant.feeds.kinds.vendor_invoices import charges, order_ids, taxes
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.feedruns import Path

__all__ = ["RETAIL"]

Json = dict[str, Any]


def _quantity(item: Mapping[str, Any], amount: int | None = None) -> Json:
    return {
        "amount": item["quantity"] if amount is None else amount,
        "unitOfMeasure": item["unit"],
        "unitSize": item.get("unit_size"),
    }


# --- shipments ------------------------------------------------------------------------------------


def _confirmations(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {"shipmentConfirmations": [_confirmation(ground, one.wish) for one in changes]}


def _confirmation(ground: Ground, wish: Mapping[str, Any]) -> Json:
    return {
        "shipmentIdentifier": wish["shipment_id"],
        "shipmentConfirmationType": wish["confirmation_type"],
        "shipmentType": wish.get("shipment_type"),
        "shipmentStructure": wish.get("shipment_structure"),
        "transportationDetails": {
            "carrierScac": wish.get("carrier_code"),
            "carrierShipmentReferenceNumber": wish.get("tracking_number"),
            "transportationMode": wish.get("transport_mode"),
            "billOfLadingNumber": wish.get("bill_of_lading"),
        },
        "amazonReferenceNumber": wish.get("amazon_reference_number"),
        "shipmentConfirmationDate": instant(ground),
        "shippedDate": wish["shipped_at"],
        "estimatedDeliveryDate": wish.get("estimated_delivery_at"),
        "sellingParty": party(wish, "selling", wish["vendor_code"]),
        "shipFromParty": party(wish, "ship_from"),
        "shipToParty": party(wish, "ship_to"),
        "shipmentMeasurements": {
            "grossShipmentWeight": _measure(wish, "weight"),
            "shipmentVolume": _measure(wish, "volume"),
            "cartonCount": wish.get("carton_count"),
            "palletCount": wish.get("pallet_count"),
        },
        "shippedItems": [_shipped(item) for item in wish["items"]],
        "cartons": [_carton(one) for one in wish.get("cartons", ())],
        "pallets": [_pallet(one, wish.get("cartons", ())) for one in wish.get("pallets", ())],
    }


def _measure(holder: Mapping[str, Any], name: str) -> Json | None:
    value = holder.get(name)
    return value and {"unitOfMeasure": holder[f"{name}_unit"], "value": value}


def _shipped(item: Mapping[str, Any]) -> Json:
    return {
        "itemSequenceNumber": item["line"],
        **product(item, "amazonProductIdentifier"),
        "shippedQuantity": _quantity(item),
        "itemDetails": {
            "purchaseOrderNumber": item["order_id"],
            "lotNumber": item.get("lot_number"),
            "countryOfOrigin": item.get("country_of_origin"),
            "expiry": {
                "manufacturerDate": _midnight(item.get("made_on")),
                "expiryDate": _midnight(item.get("expires_on")),
            },
        },
    }


def _midnight(day: str | None) -> str | None:
    return day and f"{day}T00:00:00Z"


def _carton(carton: Mapping[str, Any]) -> Json:
    return {
        "cartonIdentifiers": _identifiers(carton),
        "cartonSequenceNumber": carton["carton"],
        "dimensions": _dimensions(carton),
        "weight": _measure(carton, "weight"),
        "trackingNumber": carton.get("tracking_number"),
        "items": _packed(carton),
    }


def _pallet(pallet: Mapping[str, Any], cartons: Sequence[Mapping[str, Any]]) -> Json:
    here = [one["carton"] for one in cartons if one.get("pallet") == pallet["id"]]
    return {
        "palletIdentifiers": _identifiers(pallet),
        "tier": pallet.get("tier"),
        "block": pallet.get("block"),
        "dimensions": _dimensions(pallet),
        "weight": _measure(pallet, "weight"),
        "cartonReferenceDetails": here
        and {"cartonCount": len(here), "cartonReferenceNumbers": here},
        "items": _packed(pallet),
    }


def _identifiers(holder: Mapping[str, Any]) -> list[Json]:
    if not holder.get("id"):
        return []
    return [
        {
            "containerIdentificationType": holder["id_type"],
            "containerIdentificationNumber": holder["id"],
        }
    ]


def _dimensions(holder: Mapping[str, Any]) -> Json | None:
    if not holder.get("length"):
        return None
    return {
        "length": holder["length"],
        "width": holder["width"],
        "height": holder["height"],
        "unitOfMeasure": holder["size_unit"],
    }


def _packed(holder: Mapping[str, Any]) -> list[Json]:
    return [
        {"itemReference": item["line"], "shippedQuantity": _quantity(item)}
        for item in holder.get("items", ())
    ]


# --- invoices -------------------------------------------------------------------------------------

_TYPES = {"invoice": "Invoice", "credit_note": "CreditNote"}
_CREDIT_NOTE = {
    "reference_invoice_number": "referenceInvoiceNumber",
    "debit_note_number": "debitNoteNumber",
    "returns_reference_number": "returnsReferenceNumber",
    "rma_id": "rmaId",
    "coop_reference_number": "coopReferenceNumber",
    "consignors_reference_number": "consignorsReferenceNumber",
}


def _invoices(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {"invoices": [_invoice(one.wish) for one in changes]}


def _invoice(wish: Mapping[str, Any]) -> Json:
    def named(role: str, default: str = "") -> Json | None:
        return party(wish, role, default, postal="postalOrZipCode")

    return {
        "invoiceType": _TYPES[wish["document_type"]],
        "id": wish["invoice_number"],
        "referenceNumber": wish.get("reference_number"),
        "date": wish["invoiced_at"],
        "remitToParty": named("remit_to", wish["vendor_code"]),
        "shipToParty": named("ship_to"),
        "shipFromParty": named("ship_from"),
        "billToParty": named("bill_to"),
        "paymentTerms": {
            "type": wish.get("payment_terms"),
            "discountPercent": wish.get("discount_percent"),
            "discountDueDays": wish.get("discount_due_days"),
            "netDueDays": wish.get("net_due_days"),
        },
        "invoiceTotal": money(wish, wish["total"]),
        "taxDetails": taxes(wish, wish),
        "chargeDetails": charges(wish, wish, "charges", "chargeAmount"),
        "allowanceDetails": charges(wish, wish, "allowances", "allowanceAmount"),
        "items": [_invoiced(wish, item) for item in wish["items"]],
    }


def _invoiced(wish: Mapping[str, Any], item: Mapping[str, Any]) -> Json:
    credit = item.get("credit", {})
    return {
        "itemSequenceNumber": item["line"],
        **product(item, "amazonProductIdentifier"),
        "invoicedQuantity": _quantity(item),
        "netCost": money(wish, item["net_cost"]),
        "purchaseOrderNumber": item.get("order_id"),
        "hsnCode": item.get("hsn_code"),
        "creditNoteDetails": {
            **{theirs: credit.get(ours) for ours, theirs in _CREDIT_NOTE.items()},
            "goodsReturnDate": _midnight(credit.get("goods_returned_on")),
        },
        "taxDetails": taxes(wish, item),
        "chargeDetails": charges(wish, item, "charges", "chargeAmount"),
        "allowanceDetails": charges(wish, item, "allowances", "allowanceAmount"),
    }


# --- acknowledgements -----------------------------------------------------------------------------


def _acknowledgements(ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Json:
    return {
        "acknowledgements": [
            {
                "purchaseOrderNumber": one.subject,
                "sellingParty": party(one.wish, "selling", one.wish["vendor_code"]),
                "acknowledgementDate": instant(ground),
                "items": [_answered(one.wish, item) for item in one.wish["items"]],
            }
            for one in changes
        ]
    }


def _answered(wish: Mapping[str, Any], item: Mapping[str, Any]) -> Json:
    return {
        "itemSequenceNumber": item.get("line"),
        **product(item, "amazonProductIdentifier"),
        "orderedQuantity": _quantity(item),
        "netCost": money(wish, item["net_cost"]),
        "listPrice": money(wish, item.get("list_price")),
        "discountMultiplier": item.get("discount_multiplier"),
        "itemAcknowledgements": [
            _share(item, code, amount)
            for name, code in (
                ("accept", "Accepted"),
                ("backorder", "Backordered"),
                ("reject", "Rejected"),
            )
            if (amount := item[name])
        ],
    }


def _share(item: Mapping[str, Any], code: str, amount: int) -> Json:
    is_rejected = code == "Rejected"
    return {
        "acknowledgementCode": code,
        "acknowledgedQuantity": _quantity(item, amount),
        "scheduledShipDate": None if is_rejected else item.get("ship_at"),
        "scheduledDeliveryDate": None if is_rejected else item.get("deliver_at"),
        "rejectionReason": item["reason"] if is_rejected else None,
    }


# --- the table ------------------------------------------------------------------------------------


def _shipment_names(change: Change) -> list[str]:
    return [change.wish["shipment_id"], *order_ids(change)]


def _invoice_names(change: Change) -> list[str]:
    return [change.wish["invoice_number"], *order_ids(change)]


RETAIL: Mapping[Path, TransactionKind] = MappingProxyType(
    {
        Path.RETAIL_SHIPMENT: VendorTransaction(
            path=lambda run, changes: "/vendor/shipping/v1/shipmentConfirmations",
            body=_confirmations,
            names=_shipment_names,
            at=RETAIL_TRANSACTIONS,
        ),
        Path.RETAIL_INVOICE: VendorTransaction(
            path=lambda run, changes: "/vendor/payments/v1/invoices",
            body=_invoices,
            names=_invoice_names,
            at=RETAIL_TRANSACTIONS,
        ),
        # A later one takes the place of the earlier: no duplicates.
        Path.RETAIL_ACKNOWLEDGEMENT: VendorTransaction(
            path=lambda run, changes: "/vendor/orders/v1/acknowledgements",
            body=_acknowledgements,
            names=lambda change: (change.subject,),
            at=RETAIL_TRANSACTIONS,
            once=False,
        ),
    }
)
