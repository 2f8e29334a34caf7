"""The feed JSON_LISTINGS_FEED: its document, its messages, its processing report."""

from __future__ import annotations

from amazon_emulator.trade.processing import Processor

__all__ = ["PROCESSORS"]

PROCESSORS: dict[str, Processor] = {}
