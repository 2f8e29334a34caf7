"""Feeds of orders, by type: confirm, acknowledge or cancel, refund.

Answers for: which processor a feed type has. XML is read in `order_feeds_xml`, text in
`order_feeds_flat`; both wish the same of orders, in `order_feeds_errands`.
"""

from __future__ import annotations

from amazon_emulator.trade import order_feeds_flat, order_feeds_xml
from amazon_emulator.trade.processing import Processor

__all__ = ["PROCESSORS"]

PROCESSORS: dict[str, Processor] = {
    **order_feeds_xml.PROCESSORS,
    **order_feeds_flat.PROCESSORS,
}
