"""Vendors, retail and direct fulfillment: orders, shipments, invoices, stock, transactions."""

__all__: list[str] = []
