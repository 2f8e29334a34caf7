"""The XML order feeds: fulfillment, acknowledgement, adjustment.

Answers for: what each message type holds, as far as sellers' programs showed it (Amazon's schemas
are linked from its page 'order-feed-type-values'), and the report. A missing or strange element
refuses the whole document with 5000; a value that cannot be refuses its message alone.
"""

from __future__ import annotations

from collections.abc import Callable

from amazon_emulator.trade.feeds.processing import Outcome, Work
from amazon_emulator.trade.orders import changes as orders_changes
from amazon_emulator.trade.orders import feed_xml
from amazon_emulator.trade.orders import feeds_errands as errands
from amazon_emulator.trade.orders.feed_xml import (
    BrokenDocument,
    Element,
    Message,
    Result,
    Shape,
)
from amazon_emulator.trade.orders.feeds_errands import Named
from amazon_emulator.trade.orders.orders import Refused

__all__ = ["PROCESSORS", "XML_REPORT"]

XML_REPORT = "text/xml; charset=UTF-8"

_TEXT = Shape()
_COMPONENT = Shape((("Type", "1", _TEXT), ("Amount", "1", _TEXT)))
_FULFILLMENT = Shape(
    (
        ("AmazonOrderID", "?", _TEXT),
        ("MerchantOrderID", "?", _TEXT),
        ("MerchantFulfillmentID", "?", _TEXT),
        ("FulfillmentDate", "1", _TEXT),
        (
            "FulfillmentData",
            "?",
            Shape(
                (
                    ("CarrierCode", "?", _TEXT),
                    ("CarrierName", "?", _TEXT),
                    ("ShippingMethod", "?", _TEXT),
                    ("ShipperTrackingNumber", "?", _TEXT),
                )
            ),
        ),
        ("CODCollectionMethod", "?", _TEXT),
        (
            "Item",
            "*",
            Shape(
                (
                    ("AmazonOrderItemCode", "?", _TEXT),
                    ("MerchantOrderItemID", "?", _TEXT),
                    ("MerchantFulfillmentItemID", "?", _TEXT),
                    ("Quantity", "?", _TEXT),
                    ("TransparencyCode", "*", _TEXT),
                )
            ),
        ),
        ("ShipFromSupplySourceId", "?", _TEXT),
    )
)
_ACKNOWLEDGEMENT = Shape(
    (
        ("AmazonOrderID", "1", _TEXT),
        ("MerchantOrderID", "?", _TEXT),
        ("StatusCode", "1", _TEXT),
        (
            "Item",
            "*",
            Shape(
                (
                    ("AmazonOrderItemCode", "1", _TEXT),
                    ("MerchantOrderItemID", "?", _TEXT),
                    ("CancelReason", "?", _TEXT),
                )
            ),
        ),
    )
)
_ADJUSTMENT = Shape(
    (
        ("AmazonOrderID", "?", _TEXT),
        ("MerchantOrderID", "?", _TEXT),
        ("MerchantFulfillmentID", "?", _TEXT),
        ("ActionType", "?", _TEXT),
        ("CODCollectionMethod", "?", _TEXT),
        (
            "AdjustedItem",
            "+",
            Shape(
                (
                    ("AmazonOrderItemCode", "?", _TEXT),
                    ("MerchantOrderItemID", "?", _TEXT),
                    ("MerchantAdjustmentItemID", "?", _TEXT),
                    ("AdjustmentReason", "1", _TEXT),
                    ("ItemPriceAdjustments", "?", Shape((("Component", "+", _COMPONENT),))),
                    (
                        "PromotionAdjustments",
                        "*",
                        Shape(
                            (
                                ("PromotionClaimCode", "?", _TEXT),
                                ("MerchantPromotionID", "?", _TEXT),
                                ("Component", "+", _COMPONENT),
                            )
                        ),
                    ),
                    ("DirectPaymentAdjustments", "?", Shape((("Component", "+", _COMPONENT),))),
                    ("QuantityCancelled", "?", _TEXT),
                    ("Quantity", "?", _TEXT),
                )
            ),
        ),
    )
)


def _fulfillment(work: Work, message: Message) -> list[Result]:
    told = message.content
    data = told.one("FulfillmentData") or Element("FulfillmentData", {}, told.line)
    items = [(_item_code(item), item.value("Quantity")) for item in told.all("Item")]
    wish = errands.Shipping(
        named=_named(told),
        ship_date=told.value("FulfillmentDate"),
        carrier_code=data.value("CarrierCode"),
        carrier_name=data.value("CarrierName"),
        tracking_number=data.value("ShipperTrackingNumber"),
        shipping_method=data.value("ShippingMethod"),
        supply_source_id=told.value("ShipFromSupplySourceId"),
        reference_id=told.value("MerchantFulfillmentID"),
        contents=tuple(items) or None,
        transparency_codes=_transparency_codes(told.all("Item")),
    )
    errands.ship(work, wish)
    return []


def _transparency_codes(items: list[Element]) -> dict[str, list[str]]:
    """By item; an item may stand there more than once."""
    found: dict[str, list[str]] = {}
    for item in items:
        for code in item.all("TransparencyCode"):
            found.setdefault(_item_code(item), []).append(code.text)
    return found


def _acknowledgement(work: Work, message: Message) -> list[Result]:
    told = message.content
    named = Named(amazon_order_id=told.value("AmazonOrderID"))
    match told.value("StatusCode"):
        case "Failure":
            reasons = [(_item_code(item), item.value("CancelReason")) for item in told.all("Item")]
            errands.cancel(work, errands.Cancelling(named, tuple(reasons)))
        case "Success":
            order = errands.order_of(work, named)
            for item in told.all("Item"):
                if order.item(_item_code(item)) is None:
                    words = f"The order has no item {_item_code(item)}."
                    raise Refused("unknown_item", words)
            own = told.value("MerchantOrderID")
            orders_changes.acknowledge(order, own, work.feed_id, work.now)
        case other:
            raise Refused("status_code", f"StatusCode is Success or Failure, not {other!r}.")
    return []


def _adjustment(work: Work, message: Message) -> list[Result]:
    told = message.content
    named = _named(told)
    if told.value("ActionType") not in ("", "Refund"):
        words = "The emulator plays ActionType Refund alone."
        raise Refused("not_emulated", words)
    items = [_adjusted(item) for item in told.all("AdjustedItem")]
    errands.adjust(work, errands.Adjustment(named, tuple(items), str(message.message_id)))
    if any(item.one("Quantity") for item in told.all("AdjustedItem")):
        words = "Quantity is not looked at: an adjustment is made of amounts."
        code = errands.REASON_CODES["ignored"]
        return [Result(message.message_id, code, words, "Warning", str(named))]
    return []


def _adjusted(item: Element) -> errands.AdjustedItem:
    for unplayed in ("DirectPaymentAdjustments", "QuantityCancelled"):
        if item.one(unplayed):
            raise Refused("not_emulated", f"The emulator does not play {unplayed}.")
    prices = item.one("ItemPriceAdjustments")
    promotions = [
        amount for promotion in item.all("PromotionAdjustments") for amount in _amounts(promotion)
    ]
    return errands.AdjustedItem(
        _item_code(item),
        item.value("AdjustmentReason"),
        tuple(_amounts(prices)) if prices else (),
        tuple(promotions),
    )


def _amounts(within: Element) -> list[tuple[str, str, str]]:
    found = []
    for component in within.all("Component"):
        amount = component.one("Amount")
        assert amount is not None, "the shape wants it"
        found.append((component.value("Type"), amount.attributes.get("currency", ""), amount.text))
    return found


def _named(told: Element) -> Named:
    return Named(
        told.value("AmazonOrderID"),
        told.value("MerchantOrderID"),
        told.value("MerchantFulfillmentID"),
    )


def _item_code(item: Element) -> str:
    """Raises Refused: the seller's own item ids are known to nobody here."""
    code = item.value("AmazonOrderItemCode")
    if not code:
        raise Refused("unknown_item", "An item must be named by its AmazonOrderItemCode.")
    return code


def _processor(
    message_type: str, shape: Shape, play: Callable[[Work, Message], list[Result]]
) -> Callable[[Work], Outcome]:
    def process(work: Work) -> Outcome:
        results: list[Result] = []
        processed = 0
        try:
            messages = feed_xml.messages_of(work.content, work.content_type, message_type, shape)
        except BrokenDocument as broken:
            results.append(Result(0, broken.code, broken.words))
        else:
            for message in messages:
                processed += 1
                results += _played(work, message, play)
        merchant_id = work.partner.selling_partner_id
        return Outcome(
            "DONE",
            feed_xml.report(work.report_feed_id, merchant_id, processed, results),
            XML_REPORT,
        )

    return process


def _played(
    work: Work, message: Message, play: Callable[[Work, Message], list[Result]]
) -> list[Result]:
    try:
        return play(work, message)
    except Refused as refused:
        order_id = message.content.value("AmazonOrderID")
        code = errands.code_of(refused)
        return [Result(message.message_id, code, refused.words, order_id=order_id)]


PROCESSORS = {
    "POST_ORDER_FULFILLMENT_DATA": _processor("OrderFulfillment", _FULFILLMENT, _fulfillment),
    "POST_ORDER_ACKNOWLEDGEMENT_DATA": _processor(
        "OrderAcknowledgement", _ACKNOWLEDGEMENT, _acknowledgement
    ),
    "POST_PAYMENT_ADJUSTMENT_DATA": _processor("OrderAdjustment", _ADJUSTMENT, _adjustment),
}
