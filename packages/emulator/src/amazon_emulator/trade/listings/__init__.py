"""Listings of sellers and vendors: attributes, stock, prices, issues, and what patches do."""

__all__: list[str] = []
