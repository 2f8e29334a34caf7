"""A good line of each kind that vendors have, and one with everything that it may hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.wishes import WishGround

Line = dict[str, Any]

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


def about(
    vendor_kind: VendorKind, *codes: str, now: datetime = NOW, home: str = "DE"
) -> WishGround:
    return WishGround(
        partner_kind=PartnerKind.VENDOR,
        vendor_kind=vendor_kind,
        region=STANDARD.by_country(home).region,
        home_marketplace=home,
        marketplaces=STANDARD,
        vendor_codes=codes or ("MILL1",),
        now=now,
    )


RETAIL = about(VendorKind.RETAIL)
DIRECT = about(VendorKind.DIRECT_FULFILLMENT)
assert RETAIL.region is Region.EU

ADDRESS = {
    "name": "Mill & Söhne",
    "address_line1": "Am Bach 1",
    "city": "Mühlheim",
    "state": "Hessen",
    "postal_code": "63165",
    "country_code": "DE",
    "phone": "+49 6108 1",
}
TAX = {"type": "VAT", "rate": "0.19", "amount": "23.75", "taxable": "125.00"}

# --- retail ---------------------------------------------------------------------------------------

ASN: Line = {
    "kind": "shipment",
    "reference": "delivery 1",
    "shipment_id": "SHIP-0001",
    "order_id": "4Z32PABC",
    "ship_from": "MILLWH",
    "ship_to": "DEM1",
    "shipped_at": "2026-11-21T19:50:00Z",
    "items": [{"sku": "MUG-1", "quantity": 10}],
}
FULL_ASN: Line = {
    **ASN,
    "confirmation_type": "replace",
    "vendor_code": "MILL1",
    "estimated_delivery_at": "2026-11-23T08:00:00+01:00",
    "parties": [
        {"role": "ship_from", **ADDRESS},
        {"role": "selling", **ADDRESS, "tax_type": "VAT", "tax_number": "DE123456789"},
    ],
    "shipment_type": "less_than_truckload",
    "shipment_structure": "PalletizedAssortmentCase",
    "amazon_reference_number": "ARN0000001",
    "carrier_code": "DHLG",
    "tracking_number": "PRO-77",
    "transport_mode": "road",
    "bill_of_lading": "BOL-1",
    "weight": "120.5",
    "weight_unit": "kg",
    "volume": "1.25",
    "volume_unit": "CuM",
    "carton_count": 2,
    "pallet_count": 1,
    "items": [
        {
            "line": "001",
            "sku": "MUG-1",
            "asin": "B0EMULPO01",
            "quantity": 10,
            "unit": "cases",
            "unit_size": 6,
            "lot_number": "L-7",
            "expires_on": "2027-11-30",
            "made_on": "2026-10-01",
            "country_of_origin": "DE",
        },
        {"sku": "MUG-2", "quantity": 4, "order_id": "5Z32PABC"},
    ],
    "cartons": [
        {
            "carton": "C1",
            "id": "003401234567890128",
            "id_type": "SSCC",
            "pallet": "003401234567890111",
            "tracking_number": "JD014600003",
            "weight": "12",
            "weight_unit": "Kg",
            "length": "0.6",
            "width": "0.4",
            "height": "0.35",
            "size_unit": "meter",
            "items": [{"line": "001", "quantity": 10, "unit": "Cases", "unit_size": 6}],
        },
        {"items": [{"line": "002", "quantity": 4}]},
    ],
    "pallets": [
        {
            "id": "003401234567890111",
            "tier": 2,
            "block": 3,
            "weight": "100",
            "weight_unit": "Kg",
            "length": "1.2",
            "width": "0.8",
            "height": "1",
            "size_unit": "Meter",
            "items": [{"line": "002", "quantity": 4}],
        }
    ],
}
INVOICE: Line = {
    "kind": "invoice",
    "invoice_number": "R-2026-0017",
    "order_id": "4Z32PABC",
    "invoiced_at": "2026-11-21T12:00:00Z",
    "total": "148.75",
    "items": [{"sku": "MUG-1", "quantity": 10, "net_cost": "12.5"}],
}
FULL_INVOICE: Line = {
    **INVOICE,
    "currency": "EUR",
    "vendor_code": "MILL1",
    "reference_number": "LS-9",
    "remit_to": "MILL1",
    "ship_to": "DEM1",
    "ship_from": "MILLWH",
    "bill_to": "DEBILL",
    "parties": [
        {"role": "remit_to", **ADDRESS, "tax_type": "VAT", "tax_number": "DE123456789"},
        {"role": "bill_to", **ADDRESS},
    ],
    "payment_terms": "Basic",
    "net_due_days": 60,
    "discount_due_days": 30,
    "discount_percent": "2",
    "taxes": [TAX],
    "charges": [{"type": "Freight", "amount": "5", "description": "Spedition", "taxes": [TAX]}],
    "allowances": [{"type": "Discount", "amount": "1.50"}],
    "items": [
        {
            "line": 1,
            "sku": "MUG-1",
            "asin": "B0EMULPO01",
            "quantity": 10,
            "unit": "Eaches",
            "net_cost": "12.3456",
            "hsn_code": "6912",
            "taxes": [TAX],
            "charges": [{"type": "Packing", "amount": "0.10"}],
            "allowances": [{"type": "Special", "amount": "0.20", "description": "Saison"}],
        }
    ],
}
CREDIT_NOTE: Line = {
    **INVOICE,
    "invoice_number": "G-2026-0001",
    "document_type": "credit_note",
    "items": [
        {
            "sku": "MUG-1",
            "quantity": 1,
            "net_cost": "12.50",
            "reference_invoice_number": "R-2026-0017",
            "returns_reference_number": "RET-1",
            "goods_returned_on": "2026-11-01",
            "rma_id": "RMA-1",
            "debit_note_number": "DN-1",
            "coop_reference_number": "CO-1",
            "consignors_reference_number": "VRET-1",
        }
    ],
}
REJECTION: Line = {
    "kind": "cancellation",
    "order_id": "4Z32PABC",
    "reason": "obsolete_product",
    "order_lines": 1,
    "items": [{"line": "1", "sku": "MUG-1", "quantity": 10, "net_cost": "12.50"}],
}
PARTLY: Line = {
    **REJECTION,
    "order_lines": 3,
    "items": [
        {"line": 1, "sku": "MUG-1", "quantity": 10, "net_cost": "12.50", "accept": 6, "reject": 4},
        {"line": 2, "sku": "MUG-2", "quantity": 5, "net_cost": "3", "accept": 5},
        {
            "line": "3",
            "asin": "B0EMULPO03",
            "quantity": 7,
            "unit": "Cases",
            "unit_size": 12,
            "net_cost": "99.99",
            "list_price": "120.00",
            "discount_multiplier": "0.9",
            "backorder": 5,
            "reject": 2,
            "reason": "NoInventory",
            "ship_at": "2026-12-01T08:00:00Z",
            "deliver_at": "2026-12-03T08:00:00Z",
        },
    ],
}

# --- direct fulfillment ---------------------------------------------------------------------------

STOCK: Line = {"kind": "stock", "warehouse": "WH01", "sku": "MUG-1", "quantity": 12}
GONE: Line = {
    "kind": "stock",
    "warehouse": "WH01",
    "asin": "B0EMULPO01",
    "quantity": 0,
    "availability": "obsolete",
    "unit": "Each",
    "vendor_code": "MILL1",
}
PARCEL: Line = {
    "kind": "shipment",
    "order_id": "DF0000001",
    "warehouse": "WH01",
    "shipped_at": "2026-11-21T19:50:00Z",
    "items": [{"line": 1, "sku": "MUG-1", "quantity": 2}],
}
FULL_PARCEL: Line = {
    **PARCEL,
    "status": "shipped",
    "vendor_order_number": "V-1",
    "estimated_delivery_at": "2026-11-23T08:00:00Z",
    "parties": [
        {"role": "ship_from", **ADDRESS},
        {"role": "selling", **ADDRESS, "tax_type": "VAT", "tax_number": "DE123456789"},
    ],
    "containers": [
        {
            "id": "C1",
            "type": "carton",
            "tracking_number": "JD014600003",
            "shipping_method": "EMU_GROUND",
            "carrier_code": "DHLG",
            "carrier_name": "DHL",
            "manifest_id": "M-1",
            "manifest_date": "2026-11-21",
            "weight": "1.50",
            "weight_unit": "kg",
            "length": "30",
            "width": "20",
            "height": "10",
            "size_unit": "cm",
            "items": [{"line": 1, "quantity": 2}],
        }
    ],
}
DENIAL: Line = {
    **PARCEL,
    "status": "floor_denial",
    "items": [{"line": 1, "sku": "MUG-1", "quantity": 0}],
}
DIRECT_INVOICE: Line = {
    "kind": "invoice",
    "invoice_number": "D-2026-0001",
    "order_id": "DF0000001",
    "warehouse": "WH01",
    "invoiced_at": "2026-11-21T12:00:00Z",
    "total": "39.80",
    "items": [{"quantity": 2, "net_cost": "19.90"}],
}
FULL_DIRECT_INVOICE: Line = {
    **DIRECT_INVOICE,
    "currency": "EUR",
    "reference_number": "LS-9",
    "payment_terms_code": "Basic",
    "ship_to_country": "DE",
    "remit_to": "MILL1",
    "bill_to": "DE",
    "bill_from": "MILL1",
    "parties": [
        {"role": "remit_to", **ADDRESS, "tax_type": "LocalTaxNumber", "tax_number": "12/345"},
        {"role": "ship_from", **ADDRESS},
        {"role": "bill_to", **ADDRESS},
    ],
    "taxes": [TAX],
    "charges": [{"type": "giftwrap", "amount": "1.00", "taxes": [TAX]}],
    "allowances": [{"type": "Discount", "amount": "0.50", "description": "Treue"}],
    "items": [
        {
            "line": 1,
            "sku": "MUG-1",
            "asin": "B0EMULPO01",
            "description": "Becher, weiß",
            "quantity": 2,
            "net_cost": "19.90",
            "vendor_order_number": "V-1",
            "hsn_code": "6912",
            "taxes": [TAX],
            "charges": [{"type": "PACKAGING", "amount": "0.10"}],
            "allowances": [{"type": "Special", "amount": "0.20"}],
        }
    ],
}
REFUSAL: Line = {
    "kind": "cancellation",
    "order_id": "DF0000001",
    "warehouse": "WH01",
    "reason": "temporarily_unavailable",
    "items": [{"line": 1, "sku": "MUG-1", "quantity": 2}],
}

RETAIL_LINES = (ASN, FULL_ASN, INVOICE, FULL_INVOICE, CREDIT_NOTE, REJECTION, PARTLY)
DIRECT_LINES = (
    STOCK, GONE, PARCEL, FULL_PARCEL, DENIAL, DIRECT_INVOICE, FULL_DIRECT_INVOICE, REFUSAL,
)  # fmt: skip
EVERY = tuple((line, RETAIL) for line in RETAIL_LINES) + tuple(
    (line, DIRECT) for line in DIRECT_LINES
)
