"""How a lever shows an order: everything that happened to it, in plain words, amounts as texts.

Answers for: one view that tests may lean on. It is the emulator's own, not Amazon's.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.invoices import Invoices, Upload
from amazon_emulator.trade.orders.orders import Booking, Item, Order, Package

__all__ = ["order_shown", "upload_shown"]


def order_shown(stage: Stage, order: Order) -> dict[str, Any]:
    """An order with packages, cancellation, shipments and refunds, invoices."""
    gone = order.cancellation
    return {
        "order_id": order.order_id,
        "selling_partner_id": order.partner_id,
        "marketplace_id": order.marketplace.id,
        "currency": order.currency,
        "status": order.status,
        "fulfilled_by": order.fulfilled_by,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at),
        "seller_order_id": order.seller_order_id,
        "programs": list(order.programs),
        "acknowledged_by": list(order.acknowledged_by),
        "pickup_status": order.pickup_status,
        "total": money.write(order.net(), order.currency),
        "charged": _sum(order, "Shipment"),
        "refunded": _sum(order, "Refund"),
        "items": [_item(order, item) for item in order.items],
        "packages": [_package(package) for package in order.packages.values()],
        "cancellation": gone and {"by": gone.by, "reason": gone.reason, "at": stamp(gone.at)},
        "shipments": [_booking(order, known) for known in _of_kind(order, "Shipment")],
        "refunds": [_booking(order, known) for known in _of_kind(order, "Refund")],
        "invoices": [upload_shown(upload) for upload in stage.of(Invoices).of_order(order)],
    }


def upload_shown(upload: Upload) -> dict[str, Any]:
    """An invoice document that came in."""
    return {
        "selling_partner_id": upload.partner_id,
        "feed_id": upload.feed_id,
        "at": stamp(upload.at),
        **vars(upload.claim),
        "bytes": upload.bytes_,
        "sha256": upload.sha256,
        "accepted": not upload.code,
        "duplicate": upload.duplicate,
        "code": upload.code,
        "message": upload.words,
    }


def _of_kind(order: Order, kind: str) -> list[Booking]:
    return [booking for booking in order.bookings if booking.kind == kind]


def _sum(order: Order, kind: str) -> str:
    sums = sum((booking.net() for booking in _of_kind(order, kind)), money.ZERO)
    return money.write(sums, order.currency)


def _item(order: Order, item: Item) -> dict[str, Any]:
    return {
        "order_item_id": item.order_item_id,
        "sku": item.sku,
        "asin": item.asin,
        "title": item.title,
        "quantity": item.quantity,
        "shipped": order.shipped(item),
        "charges": money.as_json(item.charges, order.currency),
        "discounts": money.as_json(item.discounts, order.currency),
        "charged": money.as_json(order.charged(item), order.currency),
        "refunded": money.as_json(order.refunded(item), order.currency),
        "left": money.write(order.left(item), order.currency),
        "buyer_wishes_to_cancel": item.cancel_wish,
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        "package_reference_id": package.reference_id,
        "carrier_code": package.carrier_code,
        "carrier_name": package.carrier_name,
        "shipping_method": package.shipping_method,
        "tracking_number": package.tracking_number,
        "ship_date": stamp(package.ship_date),
        "contents": dict(package.contents),
        "transparency_codes": {name: list(c) for name, c in package.transparency_codes.items()},
        "created_at": stamp(package.created_at),
        "updated_at": stamp(package.updated_at),
        "said_by": package.said_by,
    }


def _booking(order: Order, booking: Booking) -> dict[str, Any]:
    return {
        "id": booking.booking_id,
        "posted_at": stamp(booking.posted_at),
        "amount": money.write(booking.net(), order.currency),
        "source": booking.source,
        "message_id": booking.message_id,
        "reason": booking.reason,
        "lines": [
            {
                "order_item_id": line.order_item_id,
                "quantity": line.quantity,
                "amounts": money.as_json(line.amounts, order.currency),
                "discounts": money.as_json(line.discounts, order.currency),
            }
            for line in booking.lines
        ],
    }
