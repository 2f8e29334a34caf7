"""Feeds of sellers: order_feeds."""

from __future__ import annotations

from amazon_emulator.trade.processing import Processor

__all__ = ["PROCESSORS"]

PROCESSORS: dict[str, Processor] = {}
