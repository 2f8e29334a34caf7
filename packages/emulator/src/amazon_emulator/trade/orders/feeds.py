"""Feeds of orders, by type: confirm, acknowledge or cancel, refund.

Answers for: which processor a feed type has. XML is read in `order_feeds_xml`, text in
`order_feeds_flat`; both wish the same of orders, in `order_feeds_errands`.
"""

from __future__ import annotations

from amazon_emulator.trade.feeds.processing import Processor
from amazon_emulator.trade.orders import feeds_flat as order_feeds_flat
from amazon_emulator.trade.orders import feeds_xml as order_feeds_xml

__all__ = ["PROCESSORS"]

PROCESSORS: dict[str, Processor] = {
    **order_feeds_xml.PROCESSORS,
    **order_feeds_flat.PROCESSORS,
}
