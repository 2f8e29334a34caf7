"""What both versions of the Orders API tell of people and prices, by an order's status.

Answers for: the statuses in which something is told at all, from Amazon's page 'access-orders-pii'
and the notes of its models ordersV0 and orders_2026-01-01. Who may see it is decided elsewhere: in
v0 by a restricted data token, in 2026-01-01 by the application's roles.
"""

from __future__ import annotations

from datetime import datetime

from amazon_emulator.trade.orders.orders import Order

__all__ = ["TO_SHIP", "UNPAID", "email_of", "phone_of"]

UNPAID = ("PENDING_AVAILABILITY", "PENDING")
TO_SHIP = ("UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED")


def email_of(order: Order) -> str:
    """The buyer's e-mail address, of orders that a seller ships itself; empty when not told."""
    is_told = order.fulfilled_by == "MERCHANT" and order.status in TO_SHIP
    return order.buyer.email if is_told else ""


def phone_of(order: Order, now: datetime) -> str:
    """The recipient's telephone, until the goods should have arrived; empty when not told."""
    is_late = order.status == "SHIPPED" and now > order.deliver_by.latest
    return "" if is_late or order.fulfilled_by == "AMAZON" else order.recipient.phone
