"""Queues, who may use them, who subscribed to what, and what is put into them."""

__all__: list[str] = []
