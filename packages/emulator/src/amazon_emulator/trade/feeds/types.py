"""The feed types of Amazon's page 'feed-type-values': who may submit them, and what processes them.

Answers for: which types exist, which were removed on 2025-07-31 (Amazon's changelog of June 2025:
accepted, then FATAL), which queue each waits in, and the processors of those that the emulator
applies. Types of programmes that nobody here plays are taken and honestly not applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amazon_emulator.trade.feeds.processing import Processor
from amazon_emulator.trade.listings import feed as listings_feed
from amazon_emulator.trade.orders import feeds as order_feeds
from amazon_emulator.trade.orders import invoices
from amazon_emulator.world import Kind

__all__ = ["FEED_KINDS", "FEED_ROLES", "FEED_TYPES", "PROCESSORS", "FeedKind", "FeedType"]

FeedKind = Literal["listings", "inventory", "orders", "invoices", "other"]
FEED_KINDS: tuple[FeedKind, ...] = ("listings", "inventory", "orders", "invoices", "other")

_JSON = "application/json"
_XML = "text/xml"
_TABS = "text/tab-separated-values"
_TEXT = "text/plain"
_PDF = "application/pdf"

_LISTING = ("Product Listing",)
_PRICING = ("Product Listing", "Pricing")
_ORDERS = (
    *("Inventory and Order Tracking", "Direct-to-Consumer Shipping", "Tax Invoicing"),
    *("Tax Remittance",),
)
_REFUNDS = (*_ORDERS, "Finance and Accounting")
_FULFILLMENT = ("Amazon Fulfillment", "Inventory and Order Tracking")
_INVOICES = ("Tax Invoicing",)


@dataclass(frozen=True)
class FeedType:
    """One type. Any of ``roles`` is enough; ``content_type`` is what its documents usually have."""

    name: str
    kind: FeedKind
    content_type: str
    roles: tuple[str, ...]
    partner_kinds: tuple[Kind, ...] = ("seller",)
    removed: bool = False


def _table(*rows: FeedType) -> dict[str, FeedType]:
    return {row.name: row for row in rows}


FEED_TYPES = _table(
    FeedType("JSON_LISTINGS_FEED", "listings", _JSON, _LISTING, ("seller", "vendor")),
    # Orders.
    FeedType("POST_ORDER_ACKNOWLEDGEMENT_DATA", "orders", _XML, _ORDERS),
    FeedType("POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA", "orders", _TABS, _ORDERS),
    FeedType("POST_PAYMENT_ADJUSTMENT_DATA", "orders", _XML, _REFUNDS),
    FeedType("POST_FLAT_FILE_PAYMENT_ADJUSTMENT_DATA", "orders", _TABS, _REFUNDS),
    FeedType("POST_ORDER_FULFILLMENT_DATA", "orders", _XML, _ORDERS),
    FeedType("POST_FLAT_FILE_FULFILLMENT_DATA", "orders", _TABS, _ORDERS),
    FeedType("POST_EXPECTED_SHIP_DATE_SOD", "orders", _XML, _ORDERS),
    FeedType("POST_EXPECTED_SHIP_DATE_SOD_FLAT_FILE", "orders", _TABS, _ORDERS),
    # Invoices.
    FeedType("UPLOAD_VAT_INVOICE", "invoices", _PDF, _INVOICES),
    FeedType("POST_INVOICE_CONFIRMATION_DATA", "invoices", _XML, _INVOICES),
    # Side programmes.
    FeedType("POST_EASYSHIP_DOCUMENTS", "other", _XML, _ORDERS),
    FeedType("POST_FULFILLMENT_ORDER_REQUEST_DATA", "other", _XML, _FULFILLMENT),
    FeedType("POST_FULFILLMENT_ORDER_CANCELLATION_REQUEST_DATA", "other", _XML, _FULFILLMENT),
    FeedType("POST_FLAT_FILE_FULFILLMENT_ORDER_REQUEST_DATA", "other", _TABS, _FULFILLMENT),
    FeedType(
        *("POST_FLAT_FILE_FULFILLMENT_ORDER_CANCELLATION_REQUEST_DATA", "other"),
        *(_TABS, _FULFILLMENT),
    ),
    FeedType("POST_FBA_INBOUND_CARTON_CONTENTS", "other", _XML, _FULFILLMENT),
    FeedType("POST_FLAT_FILE_FBA_CREATE_REMOVAL", "other", _TABS, _FULFILLMENT),
    FeedType("POST_STD_ACES_DATA", "other", _XML, _LISTING),
    # Removed: accepted, and they end FATAL.
    FeedType("POST_INVENTORY_AVAILABILITY_DATA", "inventory", _XML, _LISTING, removed=True),
    FeedType("POST_PRODUCT_PRICING_DATA", "inventory", _XML, _PRICING, removed=True),
    FeedType("POST_PRODUCT_DATA", "listings", _XML, _LISTING, removed=True),
    FeedType("POST_PRODUCT_OVERRIDES_DATA", "listings", _XML, _LISTING, removed=True),
    FeedType("POST_PRODUCT_IMAGE_DATA", "listings", _XML, _LISTING, removed=True),
    FeedType("POST_PRODUCT_RELATIONSHIP_DATA", "listings", _XML, _LISTING, removed=True),
    FeedType("POST_FLAT_FILE_INVLOADER_DATA", "inventory", _TABS, _LISTING, removed=True),
    FeedType("POST_FLAT_FILE_LISTINGS_DATA", "listings", _TABS, _LISTING, removed=True),
    FeedType(
        *("POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA", "inventory", _TABS, _PRICING),
        removed=True,
    ),
    FeedType("POST_FLAT_FILE_BOOKLOADER_DATA", "listings", _TABS, _LISTING, removed=True),
    FeedType("POST_FLAT_FILE_CONVERGENCE_LISTINGS_DATA", "listings", _TABS, _LISTING, removed=True),
    FeedType("POST_UIEE_BOOKLOADER_DATA", "listings", _TEXT, _LISTING, removed=True),
)

# Who may speak to the Feeds API at all: whoever may submit any type.
FEED_ROLES = tuple(sorted({role for known in FEED_TYPES.values() for role in known.roles}))

PROCESSORS: dict[str, Processor] = {
    **listings_feed.PROCESSORS,
    **order_feeds.PROCESSORS,
    **invoices.PROCESSORS,
}
