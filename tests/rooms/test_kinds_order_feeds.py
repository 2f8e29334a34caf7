"""The XML feeds of orders: their bytes, their order, and what the emulator makes of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from amazon_emulator.trade.feeds.results import _as_latin
from amazon_emulator.trade.orders import feed_xml
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.orders import Order
from evergrant.feeds.kinds import FeedKind
from evergrant.feeds.kinds.order_feeds import (
    OrderAcknowledgement,
    OrderAdjustment,
    OrderFulfillment,
)
from evergrant.ports.traded import Change
from evergrant.rules import processing_reports
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedruns import PATHS, Path
from evergrant.rules.processing_reports import ProcessingReport
from tests.emulator.orders_desk import Shop
from tests.rooms.kinds_ground import DE, FR, ORDER, change, ground, run

KINDS: dict[Path, FeedKind] = {
    Path.FULFILLMENT_FEED: OrderFulfillment(),
    Path.ACKNOWLEDGEMENT_FEED: OrderAcknowledgement(),
    Path.ADJUSTMENT_FEED: OrderAdjustment(),
}
#: The sequences of Amazon's schemas, as programs that were generated from them show them.
SEQUENCES = {
    "AmazonEnvelope": ("Header", "MarketplaceName", "MessageType", "PurgeAndReplace", "Message"),
    "Header": ("DocumentVersion", "MerchantIdentifier"),
    "Message": (
        *("MessageID", "OperationType", "OrderFulfillment", "OrderAcknowledgement"),
        "OrderAdjustment",
    ),
    "OrderFulfillment": (
        *("AmazonOrderID", "MerchantOrderID", "MerchantFulfillmentID", "FulfillmentDate"),
        *("FulfillmentData", "CODCollectionMethod", "Item", "ShipFromSupplySourceId"),
    ),
    "FulfillmentData": (
        *("CarrierCode", "CarrierName", "ShippingMethod", "ShipperTrackingNumber"),
    ),
    "Item": (
        *("AmazonOrderItemCode", "MerchantOrderItemID", "MerchantFulfillmentItemID", "Quantity"),
        *("TransparencyCode", "CancelReason"),
    ),
    "OrderAcknowledgement": ("AmazonOrderID", "MerchantOrderID", "StatusCode", "Item"),
    "OrderAdjustment": ("AmazonOrderID", "MerchantOrderID", "AdjustedItem"),
    "AdjustedItem": (
        *("AmazonOrderItemCode", "MerchantOrderItemID", "MerchantAdjustmentItemID"),
        *("AdjustmentReason", "ItemPriceAdjustments", "PromotionAdjustments"),
        *("DirectPaymentAdjustments", "QuantityCancelled"),
    ),
    "ItemPriceAdjustments": ("Component",),
    "Component": ("Type", "Amount"),
}


def document(path: Path, changes: Iterable[Change], seller_id: str = "A1SELLER") -> bytes:
    kind, about, this = KINDS[path], ground(seller_id), run(path)
    messages = [kind.message(about, this, [one]) for one in changes]
    return kind.head(about, this) + kind.between().join(messages) + kind.tail(about, this)


def shipment(order_id: str = ORDER, message_id: int = 1, **wishes: Any) -> Change:
    wish = {
        "package": "1",
        "carrier_code": "DHL",
        "carrier_name": "",
        "shipping_method": "",
        "tracking_number": "T1",
        "shipped_at": "2026-11-20T10:00:00Z",
        "items": [{"order_item_id": "11", "quantity": 2}],
    }
    return change(ChangeKind.SHIPMENT, order_id, {**wish, **wishes}, message_id)


def cancellation(order_id: str = ORDER, message_id: int = 1, items: Sequence[str] = ()) -> Change:
    wish = {"reason": "NoInventory", "items": [{"order_item_id": one} for one in items]}
    return change(ChangeKind.CANCELLATION, order_id, wish, message_id)


def refund(
    order_id: str = ORDER, message_id: int = 1, items: Sequence[dict[str, str]] = (), **more: str
) -> Change:
    items = items or [{"order_item_id": "11", "principal": "10.00", "tax": "1.90"}]
    wish = {"currency": "EUR", "reason": "CustomerReturn", "items": items, **more}
    return change(ChangeKind.REFUND, order_id, wish, message_id)


HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">\n'
    "<Header><DocumentVersion>1.01</DocumentVersion>"
    "<MerchantIdentifier>A1SELLER</MerchantIdentifier></Header>\n"
)
TAIL = "\n</AmazonEnvelope>\n"


# --- bytes ----------------------------------------------------------------------------------------


def test_packages() -> None:
    other = shipment(
        message_id=2,
        package="2",
        carrier_code="Other",
        carrier_name="Bote & Sohn",
        shipping_method="Paket",
        items=[{"order_item_id": "11", "quantity": 1}, {"order_item_id": "12", "quantity": 3}],
    )
    assert document(Path.FULFILLMENT_FEED, [shipment(), other]).decode() == (
        f"{HEAD}<MessageType>OrderFulfillment</MessageType>\n"
        "<Message><MessageID>1</MessageID><OrderFulfillment>"
        f"<AmazonOrderID>{ORDER}</AmazonOrderID>"
        "<MerchantFulfillmentID>1</MerchantFulfillmentID>"
        "<FulfillmentDate>2026-11-20T10:00:00Z</FulfillmentDate>"
        "<FulfillmentData><CarrierCode>DHL</CarrierCode>"
        "<ShipperTrackingNumber>T1</ShipperTrackingNumber></FulfillmentData>"
        "<Item><AmazonOrderItemCode>11</AmazonOrderItemCode><Quantity>2</Quantity></Item>"
        "</OrderFulfillment></Message>\n"
        "<Message><MessageID>2</MessageID><OrderFulfillment>"
        f"<AmazonOrderID>{ORDER}</AmazonOrderID>"
        "<MerchantFulfillmentID>2</MerchantFulfillmentID>"
        "<FulfillmentDate>2026-11-20T10:00:00Z</FulfillmentDate>"
        "<FulfillmentData><CarrierCode>Other</CarrierCode><CarrierName>Bote &amp; Sohn"
        "</CarrierName><ShippingMethod>Paket</ShippingMethod>"
        "<ShipperTrackingNumber>T1</ShipperTrackingNumber></FulfillmentData>"
        "<Item><AmazonOrderItemCode>11</AmazonOrderItemCode><Quantity>1</Quantity></Item>"
        "<Item><AmazonOrderItemCode>12</AmazonOrderItemCode><Quantity>3</Quantity></Item>"
        f"</OrderFulfillment></Message>{TAIL}"
    )


def test_a_carrier_that_amazon_knows_has_no_name_beside_its_code() -> None:
    assert b"CarrierName" not in document(
        Path.FULFILLMENT_FEED, [shipment(carrier_name="DHL Paket")]
    )


def test_cancellations() -> None:
    two = [cancellation(), cancellation(message_id=2, items=("11", "12"))]
    assert document(Path.ACKNOWLEDGEMENT_FEED, two).decode() == (
        f"{HEAD}<MessageType>OrderAcknowledgement</MessageType>\n"
        "<Message><MessageID>1</MessageID><OrderAcknowledgement>"
        f"<AmazonOrderID>{ORDER}</AmazonOrderID><StatusCode>Failure</StatusCode>"
        "</OrderAcknowledgement></Message>\n"
        "<Message><MessageID>2</MessageID><OrderAcknowledgement>"
        f"<AmazonOrderID>{ORDER}</AmazonOrderID><StatusCode>Failure</StatusCode>"
        "<Item><AmazonOrderItemCode>11</AmazonOrderItemCode>"
        "<CancelReason>NoInventory</CancelReason></Item>"
        "<Item><AmazonOrderItemCode>12</AmazonOrderItemCode>"
        "<CancelReason>NoInventory</CancelReason></Item>"
        f"</OrderAcknowledgement></Message>{TAIL}"
    )


def test_refunds_are_amounts_with_their_currency_and_no_quantity() -> None:
    whole = {
        "order_item_id": "11",
        "gift_wrap_tax": "0.06",
        "shipping_tax": "0.57",
        "tax": "1.90",
        "gift_wrap": "0.30",
        "shipping": "3.00",
        "principal": "10.00",
    }
    parts = (
        *(("Principal", "10.00"), ("Tax", "1.90"), ("Shipping", "3.00"), ("ShippingTax", "0.57")),
        *(("GiftWrap", "0.30"), ("GiftWrapTax", "0.06")),
    )
    components = "".join(
        f'<Component><Type>{kind}</Type><Amount currency="EUR">{amount}</Amount></Component>'
        for kind, amount in parts
    )
    assert document(Path.ADJUSTMENT_FEED, [refund(items=[whole])]).decode() == (
        f"{HEAD}<MessageType>OrderAdjustment</MessageType>\n"
        f"<Message><MessageID>1</MessageID><OrderAdjustment><AmazonOrderID>{ORDER}</AmazonOrderID>"
        "<AdjustedItem><AmazonOrderItemCode>11</AmazonOrderItemCode>"
        "<AdjustmentReason>CustomerReturn</AdjustmentReason>"
        f"<ItemPriceAdjustments>{components}</ItemPriceAdjustments></AdjustedItem>"
        f"</OrderAdjustment></Message>{TAIL}"
    )


@pytest.mark.parametrize("path", KINDS)
def test_elements_stand_in_the_order_of_amazons_schemas(path: Path) -> None:
    full = {
        Path.FULFILLMENT_FEED: shipment(
            carrier_code="Other", carrier_name="Bote", shipping_method="Paket"
        ),
        Path.ACKNOWLEDGEMENT_FEED: cancellation(items=("11",)),
        Path.ADJUSTMENT_FEED: refund(),
    }
    for element in ElementTree.fromstring(document(path, [full[path]])).iter():
        names = [child.tag for child in element]
        wanted = SEQUENCES.get(element.tag, ())
        assert sorted(names, key=wanted.index) == names, element.tag


@pytest.mark.parametrize("path", KINDS)
def test_what_goes_beside_the_document(path: Path) -> None:
    kind = KINDS[path]
    assert kind.options(ground(), run(path), []) == {}
    assert kind.marketplace_ids(ground(), run(path, FR)) == (FR,)
    assert kind.marketplace_ids(ground(), run(path, "")) == (DE,), "the home marketplace"
    assert "text/xml" in PATHS[path].content_type


def test_the_seller_is_named_by_the_merchant_token_else_as_amazon_reported_it() -> None:
    told = document(Path.ADJUSTMENT_FEED, [refund()], seller_id="")
    assert b"<MerchantIdentifier>A1REPORTED</MerchantIdentifier>" in told


# --- hostile characters ---------------------------------------------------------------------------

HOSTILE = some.text(
    some.one_of(
        some.characters(),
        some.sampled_from("<>&\"'\r\n\t\0\x0b\x1f\x7f\x85\ud800\udfff\ufffe\uffff]]>"),
    ),
    min_size=1,
    max_size=12,
)


def shown(text: str) -> str:
    """As XML 1.0 lets it be read again."""
    allowed = (
        char in "\t\n\r"
        or " " <= char <= "\ud7ff"
        or "\ue000" <= char <= "\ufffd"
        or char > "\uffff"
        for char in text
    )
    return "".join(char if fine else "\ufffd" for char, fine in zip(text, allowed, strict=True))


@given(HOSTILE, HOSTILE, HOSTILE)
def test_any_text_is_read_again_as_it_was_written(one: str, two: str, three: str) -> None:
    told = document(
        Path.FULFILLMENT_FEED,
        [
            shipment(
                order_id=one,
                carrier_code="Other",
                carrier_name=two,
                shipping_method=three,
                tracking_number=one,
                items=[{"order_item_id": two, "quantity": 1}],
            )
        ],
        seller_id=three,
    )
    root = ElementTree.fromstring(told)
    assert root.findtext("Header/MerchantIdentifier") == shown(three)
    (message,) = root.iter("OrderFulfillment")
    assert message.findtext("AmazonOrderID") == shown(one)
    assert message.findtext("FulfillmentData/CarrierName") == shown(two)
    assert message.findtext("FulfillmentData/ShippingMethod") == shown(three)
    assert message.findtext("Item/AmazonOrderItemCode") == shown(two)
    feed_xml.read(told, "text/xml; charset=UTF-8")  # as strictly as the emulator reads


@given(HOSTILE, HOSTILE)
def test_any_currency_stays_within_its_attribute(currency: str, reason: str) -> None:
    told = document(Path.ADJUSTMENT_FEED, [refund(currency=currency, reason=reason)])
    amounts = list(ElementTree.fromstring(told).iter("Amount"))
    assert [one.text for one in amounts] == ["10.00", "1.90"]
    # White space within an attribute is read as blanks, by the rules of XML.
    blank = str.maketrans("\t\n\r", "   ")
    for one in amounts:
        assert one.attrib["currency"].translate(blank) == shown(currency).translate(blank)


@given(some.lists(HOSTILE, min_size=1, max_size=3))
def test_the_same_changes_give_the_same_bytes(codes: list[str]) -> None:
    first, again = (
        document(Path.ACKNOWLEDGEMENT_FEED, [cancellation(items=tuple(codes))]) for _ in range(2)
    )
    assert first == again


# --- at the emulator ------------------------------------------------------------------------------


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


def order_of(shop: Shop, quantity: int = 2, **wishes: Any) -> Order:
    charges = {"Principal": "10.00", "Tax": "1.90", "Shipping": "3.00", "ShippingTax": "0.57"}
    ware = Ware("SKU-1", quantity, charges={n: Decimal(a) for n, a in charges.items()})
    return shop.order(ware, **wishes)


def send(shop: Shop, path: Path, *changes: Change) -> ProcessingReport:
    """What the emulator reports, read plainly, packed, and as iso-8859-1."""
    facts = PATHS[path]
    ended = shop.process(facts.feed_type, document(path, changes), facts.content_type)
    assert ended.report is not None
    report = processing_reports.read(ended.report, ended.content_type)
    latin, latin_type = _as_latin(ended.report, ended.content_type)
    for content, content_type in (
        (gzip.compress(ended.report), ended.content_type),
        (latin, latin_type),
        (gzip.compress(latin), "application/octet-stream"),
    ):
        assert processing_reports.read(content, content_type) == report
    return report


def test_packages_are_shipped_and_edited(shop: Shop) -> None:
    order = order_of(shop)
    (item,) = order.items
    one = [{"order_item_id": item.order_item_id, "quantity": 1}]
    for tracking in ("T1", "T9"):
        told = shipment(order.order_id, items=one, tracking_number=tracking)
        report = send(shop, Path.FULFILLMENT_FEED, told)
        assert (report.processed, report.accepted, report.lines) == (1, 1, ())
    assert [package.tracking_number for package in order.packages.values()] == ["T9"]
    send(
        shop,
        Path.FULFILLMENT_FEED,
        shipment(
            order.order_id, package="2", items=one, carrier_code="Other", carrier_name="B & S <1>"
        ),
    )
    assert order.status == "SHIPPED"
    assert order.packages["2"].carrier_name == "B & S <1>"


def test_orders_are_cancelled_one_by_one(shop: Shop) -> None:
    good, shipped, bare = order_of(shop), order_of(shop, status="SHIPPED"), order_of(shop)
    report = send(
        shop,
        Path.ACKNOWLEDGEMENT_FEED,
        cancellation(good.order_id, 1, [item.order_item_id for item in good.items]),
        cancellation(shipped.order_id, 2),
        cancellation("302-0000000-0000000", 3),
        cancellation(bare.order_id, 4),
    )
    assert (report.processed, report.accepted, report.refused) == (4, 2, 2)
    told = [(line.message_id, line.severity, line.order_id) for line in report.lines]
    assert told == [(2, "error", shipped.order_id), (3, "error", "302-0000000-0000000")]
    assert [good.status, shipped.status, bare.status] == ["CANCELLED", "SHIPPED", "CANCELLED"]


def test_money_goes_back_to_the_cent(shop: Shop) -> None:
    order, other = order_of(shop, status="SHIPPED"), order_of(shop, status="SHIPPED")
    (item,) = order.items
    amounts = {"principal": "5.01", "tax": "0.95", "shipping": "1.00", "shipping_tax": "0.19"}
    report = send(
        shop,
        Path.ADJUSTMENT_FEED,
        refund(order.order_id, 1, [{"order_item_id": item.order_item_id, **amounts}]),
        refund(other.order_id, 2, [{"order_item_id": "no-such-item", "principal": "1.00"}]),
    )
    assert (report.processed, report.accepted, report.refused) == (2, 1, 1)
    (line,) = report.lines
    assert (line.message_id, line.order_id) == (2, other.order_id)
    back = [booking.net() for booking in order.bookings if booking.kind == "Refund"]
    assert [abs(one) for one in back] == [Decimal("7.15")]
    assert not [booking for booking in other.bookings if booking.kind == "Refund"]


def test_a_document_that_is_refused_as_a_whole(shop: Shop) -> None:
    broken = document(Path.ADJUSTMENT_FEED, [refund()]).replace(b"Component>", b"Part>")
    ended = shop.process("POST_PAYMENT_ADJUSTMENT_DATA", broken)
    report = processing_reports.read(ended.report or b"", ended.content_type)
    assert report.fault_code == "5000"
    assert (report.processed, report.fault) == (0, report.lines[0].message)
    flat = shop.process("POST_FLAT_FILE_PAYMENT_ADJUSTMENT_DATA", b"no-such-column\n1\n")
    assert processing_reports.read(flat.report or b"", flat.content_type).fault


def test_reports_on_flat_files(shop: Shop) -> None:
    order = order_of(shop)
    rows = f"{order.order_id}\tNoInventory\n302-0000000-0000000\tNoInventory\n"
    content = f"order-id\tcancellation-reason-code\n{rows}"
    ended = shop.process("POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA", content)
    report = processing_reports.read(ended.report or b"", ended.content_type)
    assert (report.processed, report.accepted, report.refused) == (2, 1, 1)
    assert [(line.message_id, line.order_id) for line in report.lines] == [
        (2, "302-0000000-0000000")
    ]
