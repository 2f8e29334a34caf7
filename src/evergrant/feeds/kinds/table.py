"""Which kind each path is of.

Answers for: the table, whole. Does not answer for: which path changes take (``feedplans``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evergrant.feeds.kinds import CallKind, FeedKind, FileKind, TransactionKind
from evergrant.feeds.kinds.direct import DIRECT
from evergrant.feeds.kinds.invoices import VatInvoice
from evergrant.feeds.kinds.listings import ListingsFeed, ListingsPatch
from evergrant.feeds.kinds.order_feeds import (
    OrderAcknowledgement,
    OrderAdjustment,
    OrderFulfillment,
)
from evergrant.feeds.kinds.retail import RETAIL
from evergrant.feeds.kinds.shipments import ConfirmShipment
from evergrant.rules.feedruns import Path

__all__ = ["KINDS", "Kind"]

Kind = FeedKind | FileKind | CallKind | TransactionKind

KINDS: Mapping[Path, Kind] = MappingProxyType(
    {
        Path.PATCH: ListingsPatch(),
        Path.LISTINGS_FEED: ListingsFeed(),
        Path.CONFIRM_SHIPMENT: ConfirmShipment(),
        Path.FULFILLMENT_FEED: OrderFulfillment(),
        Path.ACKNOWLEDGEMENT_FEED: OrderAcknowledgement(),
        Path.ADJUSTMENT_FEED: OrderAdjustment(),
        Path.INVOICE_FEED: VatInvoice(),
        **RETAIL,
        **DIRECT,
    }
)
