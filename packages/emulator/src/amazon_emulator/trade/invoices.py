"""Feeds of sellers: invoices."""

from __future__ import annotations

from amazon_emulator.trade.processing import Processor

__all__ = ["PROCESSORS"]

PROCESSORS: dict[str, Processor] = {}
