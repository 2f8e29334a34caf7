"""The three XML feeds about orders: shipped, cancelled, refunded.

Answers for: the envelope and its messages, elements in the order of Amazon's schemas, escaping, and
the same changes giving the same bytes. Does not answer for: what may be wished (``rules.wishes``),
or for reports (``processing_reports``).

Characters that XML 1.0 forbids would have Amazon refuse the whole document. Intake takes none; if
one comes all the same, it is written as U+FFFD, so that Amazon refuses that one message.

Sources: OrderFulfillment.xsd, OrderAcknowledgement.xsd and OrderAdjustment.xsd, which Amazon's page
"order-feed-type-values" links to (their sequence of elements, as programs made from them show it);
selling-partner-api-docs issue 413 (a carrier code is needed). ``ActionType`` of an adjustment came
later than its schema and may be absent, as in issue 767 of the same repository, where Amazon took
the refund: it is left out, and so is the quantity, which was reported to change what is paid
(selling-partner-api-models issue 4405).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from evergrant.feeds.kinds import Ground
from evergrant.ports.traded import Change, FeedRun

__all__ = ["OrderAcknowledgement", "OrderAdjustment", "OrderFulfillment"]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">\n'
)
#: Parts of a refund by what the wish calls them, in the order in which they are written.
_COMPONENTS = (
    ("principal", "Principal"),
    ("tax", "Tax"),
    ("shipping", "Shipping"),
    ("shipping_tax", "ShippingTax"),
    ("gift_wrap", "GiftWrap"),
    ("gift_wrap_tax", "GiftWrapTax"),
)


class _OrderFeed(ABC):
    """One change is one message."""

    message_type: str

    @abstractmethod
    def inside(self, change: Change) -> Iterator[str]:
        """The elements within the message's own element."""

    def head(self, ground: Ground, run: FeedRun) -> bytes:
        header = _element(
            "Header",
            _text("DocumentVersion", "1.01"),
            _text("MerchantIdentifier", ground.seller_id),
        )
        return f"{_ENVELOPE}{header}\n{_text('MessageType', self.message_type)}\n".encode()

    def message(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> bytes:
        (change,) = changes
        inside = _element(self.message_type, *self.inside(change))
        return _element("Message", _text("MessageID", str(change.message_id)), inside).encode()

    def between(self) -> bytes:
        return b"\n"

    def tail(self, ground: Ground, run: FeedRun) -> bytes:
        return b"\n</AmazonEnvelope>\n"

    def options(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Mapping[str, str]:
        return {}

    def marketplace_ids(self, ground: Ground, run: FeedRun) -> Sequence[str]:
        return (run.marketplace_id or ground.home_marketplace_id,)


class OrderFulfillment(_OrderFeed):
    """POST_ORDER_FULFILLMENT_DATA: packages. The number of a package is its fulfillment id, as it
    is its reference in confirmShipment: the same again edits it."""

    message_type = "OrderFulfillment"

    def inside(self, change: Change) -> Iterator[str]:
        wish = change.wish
        yield _text("AmazonOrderID", change.subject)
        yield _text("MerchantFulfillmentID", str(wish["package"]))
        yield _text("FulfillmentDate", wish["shipped_at"])
        yield _element("FulfillmentData", *_carried(wish))
        for item in wish["items"]:
            yield _element(
                "Item",
                _text("AmazonOrderItemCode", item["order_item_id"]),
                _text("Quantity", str(item["quantity"])),
            )


class OrderAcknowledgement(_OrderFeed):
    """POST_ORDER_ACKNOWLEDGEMENT_DATA: cancels whole orders (StatusCode Failure). The reason stands
    with the items. Amazon's schema lets a message be without any; a seller's order was then not
    cancelled, by a question on Stack Overflow: whoever knows the items should name all of them."""

    message_type = "OrderAcknowledgement"

    def inside(self, change: Change) -> Iterator[str]:
        yield _text("AmazonOrderID", change.subject)
        yield _text("StatusCode", "Failure")
        for item in change.wish["items"]:
            yield _element(
                "Item",
                _text("AmazonOrderItemCode", item["order_item_id"]),
                _text("CancelReason", change.wish["reason"]),
            )


class OrderAdjustment(_OrderFeed):
    """POST_PAYMENT_ADJUSTMENT_DATA: refunds, as amounts of items."""

    message_type = "OrderAdjustment"

    def inside(self, change: Change) -> Iterator[str]:
        wish = change.wish
        yield _text("AmazonOrderID", change.subject)
        for item in wish["items"]:
            yield _element(
                "AdjustedItem",
                _text("AmazonOrderItemCode", item["order_item_id"]),
                _text("AdjustmentReason", wish["reason"]),
                _element("ItemPriceAdjustments", *_amounts(item, wish["currency"])),
            )


def _carried(wish: Mapping[str, Any]) -> Iterator[str]:
    yield _text("CarrierCode", wish["carrier_code"])
    if wish["carrier_code"] == "Other":
        yield _text("CarrierName", wish["carrier_name"])
    if wish["shipping_method"]:
        yield _text("ShippingMethod", wish["shipping_method"])
    yield _text("ShipperTrackingNumber", wish["tracking_number"])


def _amounts(item: Mapping[str, str], currency: str) -> Iterator[str]:
    for part, kind in _COMPONENTS:
        if part in item:
            amount = (
                f"<Amount currency={quoteattr(_clean(currency))}>{_escaped(item[part])}</Amount>"
            )
            yield _element("Component", _text("Type", kind), amount)


def _element(name: str, *inside: str) -> str:
    return f"<{name}>{''.join(inside)}</{name}>"


def _text(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def _escaped(text: str) -> str:
    # A bare carriage return would be read as a line feed.
    return escape(_clean(text), {"\r": "&#13;"})


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
