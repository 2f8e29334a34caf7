"""What stands in reports: listings, orders and invoices from the world, the rest honestly empty.

Answers for: the columns and rows of the types that the emulator knows something for, CANCELLED
where there is no data to return (Amazon's reports_2021-06-30 model), FATAL with a document that
says why, and files without a row for all other types. Files are UTF-8 here; how they are stored is
in `choices`.

What is approximated: statuses of listings; columns of side programmes are left out; a type without
known columns has one column that says so; order reports over more than 31 days are aborted, as
users report of about 30.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from amazon_emulator.clock import stamp
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings.catalogue import Catalogue, Listing
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.invoices import Invoices
from amazon_emulator.trade.orders.orders import Item, Order, Orders
from amazon_emulator.trade.reports.columns import COLUMNS
from amazon_emulator.trade.reports.types import (
    JSON,
    REPORT_TYPES,
    TABS,
    ReportType,
)
from amazon_emulator.world import Partner

__all__ = ["LONGEST", "Asked", "Written", "aborted", "write"]

LONGEST = timedelta(days=31)
USUAL = timedelta(days=30)
FIRST = datetime.min.replace(tzinfo=UTC)

Row = Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """What one report is to be about."""

    stage: Stage
    partner: Partner
    region: Region
    report_type: str
    marketplace_ids: tuple[str, ...]
    start_at: datetime | None
    end_at: datetime | None
    now: datetime
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> ReportType:
        return REPORT_TYPES[self.report_type]

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From and to, both included."""
        end_at = self.end_at or self.now
        if self.start_at is not None:
            return self.start_at, end_at
        return (end_at - USUAL if end_at - FIRST > USUAL else FIRST), end_at


@dataclass(frozen=True)
class Written:
    """An end and a document. ``as_given``: to be stored byte for byte."""

    status: Literal["DONE", "FATAL", "CANCELLED"]
    content: bytes | None = None
    content_type: str = TABS
    as_given: bool = False


def write(asked: Asked) -> Written:
    """The report as it would be."""
    rows_of = _ROWS.get(asked.report_type)
    if rows_of is None:
        return Written("DONE", _empty(asked), asked.type.content_type)
    if asked.report_type in _BOUNDED:
        start_at, end_at = asked.span
        if end_at - start_at > LONGEST:
            return aborted("The date range of this report type must not be longer than 31 days.")
    rows = list(rows_of(asked))
    if not rows:
        return Written("CANCELLED")
    return Written("DONE", _table(COLUMNS[asked.report_type], rows), TABS)


def aborted(why: str) -> Written:
    """FATAL, and the document that says why."""
    return Written("FATAL", json.dumps({"errorDetails": why}).encode(), JSON)


# --- formats --------------------------------------------------------------------------------------


def _table(columns: Sequence[str], rows: Iterable[Row], separator: str = "\t") -> bytes:
    lines = [separator.join(columns)]
    lines += [separator.join(_cell(row.get(name, "")) for name in columns) for row in rows]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _cell(text: str) -> str:
    return " ".join(text.split())


def _empty(asked: Asked) -> bytes:
    """A file of the type's format without any data."""
    columns = COLUMNS.get(asked.report_type, ("not-emulated",))
    match asked.type.content_type:
        case "application/json":
            return json.dumps({"reportSpecification": _specification(asked)}).encode()
        case "text/xml":
            return b'<?xml version="1.0" encoding="UTF-8"?>\n<AmazonEnvelope/>\n'
        case "text/csv":
            return _table(columns, (), ",")
        case "application/pdf":
            return b"%PDF-1.4\n%%EOF\n"
        case "text/tab-separated-values":
            return _table(columns, ())
    # What is left are sheets: an archive without a file in it.
    return b"PK\x05\x06" + bytes(18)


def _specification(asked: Asked) -> dict[str, Any]:
    start_at, end_at = asked.span
    return {
        "reportType": asked.report_type,
        "reportOptions": dict(asked.options),
        "dataStartTime": f"{start_at:%Y-%m-%d}",
        "dataEndTime": f"{end_at:%Y-%m-%d}",
        "marketplaceIds": list(asked.marketplace_ids),
    }


# --- listings -------------------------------------------------------------------------------------


def _listings(asked: Asked) -> Iterator[tuple[Listing, str]]:
    """Each SKU once, with the first of the stores asked for in which it is listed."""
    for listing in asked.stage.of(Catalogue).of(asked.partner, asked.region):
        for marketplace_id in asked.marketplace_ids:
            if marketplace_id in listing.listed_at:
                yield listing, marketplace_id
                break


def _price(listing: Listing, marketplace_id: str) -> str:
    price = listing.price(marketplace_id)
    return "" if price is None else price.amount


def _quantity(listing: Listing) -> str:
    """Empty for what lies with Amazon."""
    return "" if listing.by_amazon else str(listing.stock)


def _all_listings(asked: Asked) -> Iterator[Row]:
    for listing, marketplace_id in _listings(asked):
        channels = [code for code in listing.channels if code.startswith("AMAZON")]
        status = listing.status(marketplace_id)
        yield {
            "item-name": listing.first("item_name", marketplace_id) or "",
            "item-description": listing.first("product_description", marketplace_id) or "",
            "listing-id": f"{zlib.crc32(listing.sku.encode()):010d}",
            "seller-sku": listing.sku,
            "price": _price(listing, marketplace_id),
            "quantity": _quantity(listing),
            "open-date": f"{listing.listed_at[marketplace_id]:%Y-%m-%d %H:%M:%S} UTC",
            "item-is-marketplace": "y",
            "product-id-type": "1",
            "item-condition": "11",
            "asin1": listing.asin,
            "product-id": listing.asin,
            "pending-quantity": "0",
            "fulfillment-channel": channels[0] if channels else "DEFAULT",
            "merchant-shipping-group": listing.first("merchant_shipping_group", marketplace_id)
            or "",
            "status": "Active"
            if "BUYABLE" in status
            else "Inactive"
            if listing.asin
            else "Incomplete",
        }


def _open_listings(asked: Asked) -> Iterator[Row]:
    for listing, marketplace_id in _listings(asked):
        if "BUYABLE" in listing.status(marketplace_id):
            yield {
                "sku": listing.sku,
                "asin": listing.asin,
                "price": _price(listing, marketplace_id),
                "quantity": _quantity(listing),
            }


# --- orders ---------------------------------------------------------------------------------------

_STATUSES = {
    "PENDING_AVAILABILITY": "Pending",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "Shipping",
    "SHIPPED": "Shipped",
    "CANCELLED": "Cancelled",
    "UNFULFILLABLE": "Unfulfillable",
}


def _orders(asked: Asked) -> Iterator[Order]:
    shown = asked.stage.of(Orders).shown(asked.partner.selling_partner_id, asked.region, asked.now)
    for order in shown:
        if order.marketplace.id in asked.marketplace_ids:
            yield order


def _by_last_update(asked: Asked) -> Iterator[Row]:
    start_at, end_at = asked.span
    found = [one for one in _orders(asked) if start_at <= one.updated_at <= end_at]
    for order in sorted(found, key=lambda one: one.updated_at, reverse=True):
        yield from _order_rows(order)


def _by_order_date(asked: Asked) -> Iterator[Row]:
    start_at, end_at = asked.span
    found = [one for one in _orders(asked) if start_at <= one.created_at <= end_at]
    for order in sorted(found, key=lambda one: one.created_at, reverse=True):
        yield from _order_rows(order)


def _order_rows(order: Order) -> Iterator[Row]:
    for item in order.items:
        amounts = {
            column: _amount(order, item.charges.get(name))
            for column, name in (
                ("item-price", "Principal"),
                ("item-tax", "Tax"),
                ("shipping-price", "Shipping"),
                ("shipping-tax", "ShippingTax"),
                ("gift-wrap-price", "GiftWrap"),
                ("gift-wrap-tax", "GiftWrapTax"),
            )
        }
        yield {
            "amazon-order-id": order.order_id,
            "merchant-order-id": order.seller_order_id,
            "purchase-date": _instant(order.created_at),
            "last-updated-date": _instant(order.updated_at),
            "order-status": _STATUSES[order.status],
            "fulfillment-channel": order.fulfilled_by.title(),
            "sales-channel": order.marketplace.name,
            "ship-service-level": order.service_level.title(),
            "product-name": item.title,
            "sku": item.sku,
            "asin": item.asin,
            "item-status": "Shipped"
            if order.shipped(item) >= item.quantity
            else "Cancelled"
            if order.status == "CANCELLED"
            else "Unshipped",
            "quantity": str(item.quantity),
            "currency": order.currency,
            **amounts,
            "item-promotion-discount": _amount(order, item.discounts.get("Principal")),
            "ship-promotion-discount": _amount(order, item.discounts.get("Shipping")),
            "ship-city": order.recipient.city,
            "ship-state": order.recipient.state,
            "ship-postal-code": order.recipient.postal_code,
            "ship-country": order.recipient.country_code,
            "promotion-ids": item.promotion_id,
            "is-business-order": "true" if order.buyer.company else "false",
            "purchase-order-number": order.buyer.purchase_order_number,
        }


def _to_ship(asked: Asked) -> Iterator[Row]:
    for order in _orders(asked):
        if order.status not in ("UNSHIPPED", "PARTIALLY_SHIPPED"):
            continue
        if order.fulfilled_by != "MERCHANT":
            continue
        if (asked.start_at and order.created_at < asked.start_at) or (
            asked.end_at and order.created_at > asked.end_at
        ):
            continue
        for item in order.items:
            if order.shipped(item) < item.quantity:
                yield _to_ship_row(order, item, asked.now)


def _to_ship_row(order: Order, item: Item, now: datetime) -> Row:
    shipped, recipient = order.shipped(item), order.recipient
    late = max(0, (now - order.ship_by.latest).days)
    return {
        "order-id": order.order_id,
        "order-item-id": item.order_item_id,
        "purchase-date": _instant(order.created_at),
        "payments-date": _instant(order.created_at),
        "reporting-date": _instant(now),
        "promise-date": _instant(order.ship_by.latest),
        "days-past-promise": str(late),
        "buyer-email": order.buyer.email,
        "buyer-name": order.buyer.name,
        "buyer-phone-number": recipient.phone,
        "sku": item.sku,
        "product-name": item.title,
        "quantity-purchased": str(item.quantity),
        "quantity-shipped": str(shipped),
        "quantity-to-ship": str(item.quantity - shipped),
        "ship-service-level": order.service_level.title(),
        "recipient-name": recipient.name,
        "ship-address-1": recipient.line1,
        "ship-address-2": recipient.line2,
        "ship-city": recipient.city,
        "ship-state": recipient.state,
        "ship-postal-code": recipient.postal_code,
        "ship-country": recipient.country_code,
        "sales-channel": order.marketplace.name,
        "is-business-order": "true" if order.buyer.company else "false",
    }


def _amount(order: Order, amount: Decimal | None) -> str:
    return "" if amount is None else money.write(amount, order.currency)


def _instant(instant: datetime) -> str:
    return str(stamp(instant))


# --- invoices -------------------------------------------------------------------------------------


def _vat_invoices(asked: Asked) -> Iterator[Row]:
    """Pending ones, or all by the option of that name."""
    wished = {name.lower(): value.lower() for name, value in asked.options.items()}
    yield from asked.stage.of(Invoices).missing_and_present(
        asked.stage,
        asked.partner.selling_partner_id,
        asked.marketplace_ids,
        pending_only=wished.get("all") != "true",
    )


_ROWS: dict[str, Callable[[Asked], Iterator[Row]]] = {
    "GET_MERCHANT_LISTINGS_ALL_DATA": _all_listings,
    "GET_FLAT_FILE_OPEN_LISTINGS_DATA": _open_listings,
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": _by_last_update,
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": _by_order_date,
    "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING": _to_ship,
    "GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT": _vat_invoices,
}
_BOUNDED = (
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL",
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL",
)
