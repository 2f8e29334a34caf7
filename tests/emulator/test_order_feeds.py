"""Feeds of orders: what XML and flat files do, what reports say, and that money adds up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders.feeds_errands import REASON_CODES
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.orders import Order, Refusal
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import DE
from tests.emulator.orders_desk import (
    NOW,
    Shop,
    adjusted,
    adjustment,
    envelope,
    orders_desk,
    read_report,
)
from tests.searching import cases

SHIP = "POST_ORDER_FULFILLMENT_DATA"
SHIP_FLAT = "POST_FLAT_FILE_FULFILLMENT_DATA"
ACK = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
ACK_FLAT = "POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA"
REFUND = "POST_PAYMENT_ADJUSTMENT_DATA"
REFUND_FLAT = "POST_FLAT_FILE_PAYMENT_ADJUSTMENT_DATA"


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


def priced(sku: str = "SKU-1", quantity: int = 1, **more: Any) -> Ware:
    charges = {"Principal": "10.00", "Tax": "1.90", "Shipping": "3.00", "ShippingTax": "0.57"}
    return Ware(sku, quantity, charges={n: Decimal(a) for n, a in charges.items()}, **more)


def fulfillment(order: Order, *, tracking: str = "T1", more: str = "", items: str = "") -> str:
    return (
        f"<AmazonOrderID>{order.order_id}</AmazonOrderID>{more}"
        "<FulfillmentDate>2026-11-19T10:00:00Z</FulfillmentDate><FulfillmentData>"
        "<CarrierCode>DHL</CarrierCode><ShippingMethod>Paket</ShippingMethod>"
        f"<ShipperTrackingNumber>{tracking}</ShipperTrackingNumber></FulfillmentData>{items}"
    )


def shipped_item(order_item_id: str, quantity: int) -> str:
    return (
        f"<Item><AmazonOrderItemCode>{order_item_id}</AmazonOrderItemCode>"
        f"<Quantity>{quantity}</Quantity></Item>"
    )


def back(order: Order) -> Decimal:
    return sum((b.net() for b in order.bookings if b.kind == "Refund"), money.ZERO)


def taken(order: Order) -> Decimal:
    return sum((b.net() for b in order.bookings if b.kind == "Shipment"), money.ZERO)


# --- shipping -------------------------------------------------------------------------------------


def test_a_whole_order_ships(shop: Shop) -> None:
    order = shop.order(priced(quantity=2), priced("SKU-2"))
    outcome = shop.process(SHIP, envelope("OrderFulfillment", fulfillment(order)))
    report = read_report(outcome.report)
    assert (outcome.status, report.processed, report.successful) == ("DONE", 1, 1)
    assert report.results == [], "success has no Result"
    assert order.status == "SHIPPED"
    assert [package.tracking_number for package in order.packages.values()] == ["T1"]
    assert taken(order) == order.net() == Decimal("30.94")


def test_a_part_ships_and_then_the_rest(shop: Shop) -> None:
    order = shop.order(priced(quantity=3))
    item = order.items[0].order_item_id
    for tracking, quantity in (("T1", 1), ("T2", 2)):
        text = fulfillment(order, tracking=tracking, items=shipped_item(item, quantity))
        read = read_report(shop.process(SHIP, envelope("OrderFulfillment", text)).report)
        assert read.results == []
    assert order.status == "SHIPPED"
    assert [package.contents for package in order.packages.values()] == [{item: 1}, {item: 2}]
    assert taken(order) == order.net(), "shares add up to the whole"


def test_the_same_shipment_again_edits_its_package(shop: Shop) -> None:
    order = shop.order(priced())
    for _ in range(2):
        shop.process(SHIP, envelope("OrderFulfillment", fulfillment(order)))
    assert len(order.packages) == 1
    assert taken(order) == order.net()
    named = "<MerchantFulfillmentID>1</MerchantFulfillmentID>"
    text = fulfillment(order, tracking="T9", more=named)
    shop.process(SHIP, envelope("OrderFulfillment", text))
    assert [package.tracking_number for package in order.packages.values()] == ["T9"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("<CarrierCode>DHL</CarrierCode>", "<CarrierName>DHL</CarrierName>"), "carrier"),
        (("<CarrierCode>DHL</CarrierCode>", "<CarrierCode>Other</CarrierCode>"), "carrier"),
        (("2026-11-19T10:00:00Z", "yesterday"), "instant"),
        (("<Quantity>1<", "<Quantity>2<"), "quantity"),
        (("<Quantity>1<", "<Quantity>0<"), "quantity"),
        (("<AmazonOrderItemCode>", "<AmazonOrderItemCode>9"), "unknown_item"),
        (("<AmazonOrderID>", "<AmazonOrderID>9"), "unknown_order"),
        (("AmazonOrderID", "MerchantOrderID"), "unknown_order"),
        (("AmazonOrderItemCode", "MerchantOrderItemID"), "unknown_item"),
    ],
    ids=str,
)
def test_shipments_that_are_refused(shop: Shop, change: tuple[str, str], reason: str) -> None:
    order = shop.order(priced())
    text = fulfillment(order, items=shipped_item(order.items[0].order_item_id, 1))
    changed = text.replace(*change)
    assert changed != text
    report = read_report(shop.process(SHIP, envelope("OrderFulfillment", changed, text)).report)
    assert report.codes == [REASON_CODES[reason]]
    assert report.results[0]["MessageID"] == "1"
    assert (report.processed, report.successful, report.errors) == (2, 1, 1)
    assert order.status == "SHIPPED", "the good message was done"


def test_amazons_own_orders_are_not_shipped_by_sellers(shop: Shop) -> None:
    order = shop.order(priced(), fulfilled_by="AMAZON")
    report = read_report(
        shop.process(SHIP, envelope("OrderFulfillment", fulfillment(order))).report
    )
    assert report.codes == [REASON_CODES["not_yours"]]


def test_a_flat_file_ships(shop: Shop) -> None:
    order = shop.order(priced(quantity=2), priced("SKU-2"))
    first, second = (item.order_item_id for item in order.items)
    head = "order-id\torder-item-id\tquantity\tship-date\tcarrier-code\ttracking-number"
    rows = [
        f"{order.order_id}\t{first}\t2\t2026-11-19\tDHL\tT1",
        f"{order.order_id}\t{second}\t1\t2026-11-19\tDHL\tT1",
        f"{order.order_id}\t{second}\t1\t2026-11-19\tDHL\tT2",
        "999-0000000-0000000\t\t\t2026-11-19\tDHL\tT3",
    ]
    outcome = shop.process(SHIP_FLAT, "\r\n".join([head, *rows]), "text/tab-separated-values")
    text = (outcome.report or b"").decode()
    assert outcome.content_type.startswith("text/plain")
    assert "Number of records processed\t\t4" in text
    assert "Number of records successful\t\t2" in text
    faults = [line.split("\t")[:3] for line in text.splitlines() if line[:1].isdigit()]
    assert faults == [
        ["3", order.order_id, REASON_CODES["already_shipped"]],
        ["4", "999-0000000-0000000", REASON_CODES["unknown_order"]],
    ]
    assert order.status == "SHIPPED"
    assert len(order.packages) == 1


# --- acknowledging and cancelling -----------------------------------------------------------------


def acknowledgement(order: Order, status: str, *items: str, more: str = "") -> str:
    return (
        f"<AmazonOrderID>{order.order_id}</AmazonOrderID>{more}"
        f"<StatusCode>{status}</StatusCode>{''.join(items)}"
    )


def cancelled_item(order: Order, reason: str) -> str:
    code = order.items[0].order_item_id
    return (
        f"<Item><AmazonOrderItemCode>{code}</AmazonOrderItemCode>"
        f"<CancelReason>{reason}</CancelReason></Item>"
    )


def test_failure_cancels_and_success_does_not(shop: Shop) -> None:
    gone, kept = shop.order(priced(), priced("SKU-2")), shop.order(priced())
    own = "<MerchantOrderID>OWN-1</MerchantOrderID>"
    content = envelope(
        "OrderAcknowledgement",
        acknowledgement(gone, "Failure", cancelled_item(gone, "NoInventory")),
        acknowledgement(kept, "Success", more=own),
    )
    report = read_report(shop.process(ACK, content).report)
    assert (report.processed, report.successful, report.results) == (2, 2, [])
    assert gone.status == "CANCELLED"
    assert gone.cancellation is not None
    assert (gone.cancellation.by, gone.cancellation.reason) == ("MERCHANT", "NO_INVENTORY")
    assert taken(gone) == 0
    assert (kept.status, kept.seller_order_id, kept.acknowledged_by) == (
        *("UNSHIPPED", "OWN-1"),
        ["feed-1"],
    )
    again = read_report(shop.process(ACK, content).report)
    assert again.codes == [REASON_CODES["already_cancelled"]]
    assert again.results[0]["AmazonOrderID"] == gone.order_id


@pytest.mark.parametrize("status", ["PENDING", "SHIPPED"])
def test_too_early_and_too_late_to_cancel(shop: Shop, status: Any) -> None:
    order = shop.order(priced(), status=status)
    text = acknowledgement(order, "Failure")
    report = read_report(shop.process(ACK, envelope("OrderAcknowledgement", text)).report)
    assert report.codes == [REASON_CODES["wrong_status"]]
    assert order.status == status


def test_wrong_acknowledgements(shop: Shop) -> None:
    order = shop.order(priced())
    report = read_report(
        shop.process(
            ACK,
            envelope(
                "OrderAcknowledgement",
                acknowledgement(order, "Perhaps"),
                acknowledgement(order, "Failure", cancelled_item(order, "Whim")),
                acknowledgement(order, "Success").replace(order.order_id, "9"),
            ),
        ).report
    )
    assert report.codes == [REASON_CODES[r] for r in ("status_code", "reason", "unknown_order")]
    assert order.status == "UNSHIPPED"


def test_a_flat_file_cancels_whole_orders(shop: Shop) -> None:
    order = shop.order(priced(), priced("SKU-2"))
    rows = [f"{order.order_id}\t{item.order_item_id}\tNoInventory" for item in order.items]
    content = "\n".join(
        [
            "TemplateType=OrderCancellation",
            "order-id\tamazon-order-item-code\tcancellation-reason-code",
            *rows,
        ]
    )
    text = (shop.process(ACK_FLAT, content, "text/plain").report or b"").decode()
    assert "Number of records successful\t\t2" in text
    assert order.status == "CANCELLED"


# --- refunds --------------------------------------------------------------------------------------


def test_a_refund(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    item = order.items[0].order_item_id
    text = adjustment(order, adjusted(item, Principal="4.00", Tax="0.76"))
    report = read_report(shop.process(REFUND, envelope("OrderAdjustment", text)).report)
    assert (report.processed, report.successful, report.results) == (1, 1, [])
    assert order.refunded(order.items[0]) == {"Principal": Decimal("4.00"), "Tax": Decimal("0.76")}
    booking = order.bookings[-1]
    assert (booking.source, booking.message_id, booking.reason) == ("feed-1", "1", "CustomerReturn")


def test_money_is_not_idempotent(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    text = adjustment(order, adjusted(order.items[0].order_item_id, Principal="4.00"))
    content = envelope("OrderAdjustment", text)
    codes = [read_report(shop.process(REFUND, content).report).codes for _ in range(3)]
    assert codes == [[], [], [REASON_CODES["too_much"]]]
    assert back(order) == Decimal("8.00")


def test_a_message_is_done_as_a_whole_or_not_at_all(shop: Shop) -> None:
    order = shop.order(priced(), priced("SKU-2"), status="SHIPPED")
    first, second = (item.order_item_id for item in order.items)
    bad = adjustment(order, adjusted(first, Principal="1.00"), adjusted(second, Principal="11.00"))
    twice = adjustment(order, adjusted(first, Principal="6.00"), adjusted(first, Principal="6.00"))
    good = adjustment(order, adjusted(first, Principal="2.00"))
    report = read_report(shop.process(REFUND, envelope("OrderAdjustment", bad, twice, good)).report)
    assert [result["MessageID"] for result in report.results] == ["1", "2"]
    assert report.codes == [REASON_CODES["too_much"]] * 2
    assert back(order) == Decimal("2.00")


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"currency": "USD", "Principal": "1.00"}, "currency"),
        ({"Principal": "one"}, "amount"),
        ({"Principal": "1.001"}, "amount"),
        ({"Principal": "-1.00"}, "negative"),
        ({"Principal": "0.00"}, "nothing"),
        ({"Principal": "10.01"}, "too_much"),
        ({"GiftWrap": "0.01"}, "too_much"),
        ({"Goodwill": "15.48"}, "too_much"),
        ({"Cashback": "1.00"}, "unknown_component"),
        ({"reason": "Whim", "Principal": "1.00"}, "reason"),
        ({"promotions": {"Principal": "1.00"}, "Principal": "2.00"}, "too_much"),
    ],
    ids=str,
)
def test_refunds_that_are_refused(shop: Shop, wish: dict[str, Any], reason: str) -> None:
    order = shop.order(priced(), status="SHIPPED")
    text = adjustment(order, adjusted(order.items[0].order_item_id, **wish))
    report = read_report(shop.process(REFUND, envelope("OrderAdjustment", text)).report)
    assert report.codes == [REASON_CODES[reason]]
    assert back(order) == 0


def test_nobody_gets_back_what_was_not_charged(shop: Shop) -> None:
    order = shop.order(priced())
    text = adjustment(order, adjusted(order.items[0].order_item_id, Principal="1.00"))
    report = read_report(shop.process(REFUND, envelope("OrderAdjustment", text)).report)
    assert report.codes == [REASON_CODES["too_much"]]


def test_promotions_go_back_with_the_price(shop: Shop) -> None:
    ware = priced(discounts={"Principal": Decimal("2.00")})
    order = shop.order(ware, status="SHIPPED")
    assert taken(order) == Decimal("13.47")
    item = order.items[0].order_item_id
    too_much = adjusted(item, Principal="10.00", Tax="1.90", Shipping="3.00", ShippingTax="0.57")
    report = read_report(
        shop.process(REFUND, envelope("OrderAdjustment", adjustment(order, too_much))).report
    )
    assert report.codes == [REASON_CODES["too_much"]]
    text = adjusted(
        item,
        promotions={"Principal": "-2.00"},
        Principal="10.00",
        Tax="1.90",
        Shipping="3.00",
        ShippingTax="0.57",
    )
    report = read_report(
        shop.process(REFUND, envelope("OrderAdjustment", adjustment(order, text))).report
    )
    assert report.results == []
    assert back(order) == taken(order)


def test_restocking_fees_are_kept_back(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    text = adjusted(order.items[0].order_item_id, Principal="10.00", RestockingFee="1.50")
    shop.process(REFUND, envelope("OrderAdjustment", adjustment(order, text)))
    assert back(order) == Decimal("8.50")


def test_japan_takes_all_of_it_as_principal() -> None:
    shop = Shop.open("JP")
    order = shop.order(Ware("SKU-1", unit_price=Decimal(1000)), status="SHIPPED")
    item = order.items[0].order_item_id
    both = adjustment(order, adjusted(item, "JPY", Principal="100", Tax="10"))
    one = adjustment(order, adjusted(item, "JPY", Principal="110"))
    report = read_report(shop.process(REFUND, envelope("OrderAdjustment", both, one)).report)
    assert report.codes == [REASON_CODES["tax_not_eligible"]]
    assert back(order) == 110


def test_what_is_not_played_is_refused_or_told(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    item = adjusted(order.items[0].order_item_id, Principal="1.00")
    cancel = adjustment(order, "<ActionType>Cancel</ActionType>", item)
    pieces = item.replace(
        "</AdjustedItem>", "<QuantityCancelled>1</QuantityCancelled></AdjustedItem>"
    )
    counted = item.replace("</AdjustedItem>", "<Quantity>1</Quantity></AdjustedItem>")
    report = read_report(
        shop.process(
            REFUND,
            envelope(
                "OrderAdjustment", cancel, adjustment(order, pieces), adjustment(order, counted)
            ),
        ).report
    )
    assert report.codes == [
        REASON_CODES["not_emulated"],
        REASON_CODES["not_emulated"],
        REASON_CODES["ignored"],
    ]
    assert (report.successful, report.errors, report.warnings) == (1, 2, 1)
    assert back(order) == Decimal("1.00")


def test_refusals_that_a_lever_wished_for(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    shop.orders.refusals.append(Refusal("refund", "18028", "Not today.", 1, None))
    text = adjustment(order, adjusted(order.items[0].order_item_id, Principal="1.00"))
    content = envelope("OrderAdjustment", text)
    first, second = (read_report(shop.process(REFUND, content).report) for _ in range(2))
    assert (first.codes, first.words) == (["18028"], ["Not today."])
    assert second.results == []


def test_a_flat_file_refunds(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    item = order.items[0].order_item_id
    head = (
        "order-id\torder-item-id\tadjustment-reason-code\tcurrency\titem-price-adj\titem-tax-adj\t"
        "shipping-price-adj\tquantity-cancelled"
    )
    rows = [
        f"{order.order_id}\t{item}\tCustomerReturn\tEUR\t4.00\t0.76\t1.00\t",
        f"{order.order_id}\t{item}\tCustomerReturn\tEUR\t40.00\t\t\t",
        f"{order.order_id}\t{item}\tCustomerReturn\tEUR\t1.00\t\t\t1",
    ]
    content = "\n".join([head, *rows])
    outcome = shop.process(REFUND_FLAT, content, "text/tab-separated-values; charset=iso-8859-1")
    text = (outcome.report or b"").decode()
    assert "Number of records successful\t\t1" in text
    assert f"2\t{order.order_id}\t{REASON_CODES['too_much']}\tError" in text
    assert f"3\t{order.order_id}\t{REASON_CODES['not_emulated']}\tError" in text
    assert back(order) == Decimal("5.76")


AMOUNTS = st.integers(1, 1200).map(lambda cents: f"{Decimal(cents) / 100:.2f}")
WISHES = st.lists(
    st.dictionaries(
        st.sampled_from(["Principal", "Tax", "Shipping", "ShippingTax", "Goodwill", "Other"]),
        AMOUNTS,
        min_size=1,
    ),
    max_size=12,
)


@settings(max_examples=cases(25), deadline=None)
@given(WISHES, st.integers(1, 3))
def test_never_more_back_than_was_taken(wishes: list[dict[str, str]], quantity: int) -> None:
    shop = Shop.open()
    order = shop.order(priced(quantity=quantity), status="SHIPPED")
    item = order.items[0]
    messages = [adjustment(order, adjusted(item.order_item_id, amounts=wish)) for wish in wishes]
    done = Decimal(0)
    for message, wish in zip(messages, wishes, strict=True):
        report = read_report(shop.process(REFUND, envelope("OrderAdjustment", message)).report)
        if not report.results:
            done += sum(map(Decimal, wish.values()))
    assert back(order) == done <= taken(order)
    charged, refunded = order.charged(item), order.refunded(item)
    for component, amount in refunded.items():
        if component in money.CHARGED:
            assert amount <= charged[component]


@settings(max_examples=cases(25), deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(1, 99999))
def test_shares_add_up(parts: list[int], cents: int) -> None:
    shop = Shop.open()
    charges = {"Principal": Decimal(cents) / 100, "Tax": Decimal(cents // 7) / 100}
    order = shop.order(Ware("SKU-1", sum(parts), charges=charges))
    item = order.items[0].order_item_id
    for number, part in enumerate(parts):
        text = fulfillment(order, tracking=f"T{number}", items=shipped_item(item, part))
        shop.process(SHIP, envelope("OrderFulfillment", text))
    assert order.status == "SHIPPED"
    assert taken(order) == order.net()


# --- over HTTP -----------------------------------------------------------------------------------


def test_over_http(house: House) -> None:
    """Refund, then the report, as a program does it."""
    desk = orders_desk(house)
    order = desk.make(
        status="SHIPPED",
        age_seconds=86400 * 5,
        items=[{"sku": "SKU-1", "price": "10.00", "tax": "1.90", "shipping": 0, "shipping_tax": 0}],
    )
    item = order["items"][0]["order_item_id"]
    body = f"<AmazonOrderID>{order['order_id']}</AmazonOrderID>" + adjusted(item, Principal="4.00")
    content = envelope("OrderAdjustment", body).encode()
    for _ in range(2):
        document = desk.uploaded(content, "text/xml; charset=UTF-8")
        feed_id = desk.feed(REFUND, inputFeedDocumentId=document, marketplaceIds=[DE])
        desk.advance(1200)
        assert desk.status(feed_id) == "DONE"
        assert read_report(desk.result(feed_id)).results == []
    seen = desk.seen(order)
    assert (seen["charged"], seen["refunded"]) == ("11.90", "8.00")
    assert [refund["amount"] for refund in seen["refunds"]] == ["4.00", "4.00"]


def test_orders_are_as_old_as_wished(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED", age=timedelta(days=3))
    assert order.created_at == NOW - timedelta(days=3)
    assert order.bookings[0].posted_at == NOW - timedelta(days=2)
