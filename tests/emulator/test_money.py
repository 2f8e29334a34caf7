"""Amounts: what is read as one and what is not, exact shares, and refunds from all sides."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_emulator.trade.orders import money, money_moves
from amazon_emulator.trade.orders.feeds_errands import REASON_CODES
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.orders import Order, Orders, Refused
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import DE, FR
from tests.emulator.orders_desk import (
    OrdersDesk,
    Shop,
    adjusted,
    adjustment,
    envelope,
    orders_desk,
    read_report,
)
from tests.emulator.test_order_feeds import REFUND, REFUND_FLAT, back, priced
from tests.searching import cases

DAY = 86400
NO_AMOUNTS = (
    *("", " ", "-", "--1", "+1", "1.", ".5", "1e2", "1E2", "1e400", "NaN", "Infinity", "-inf"),
    *("0x10", "1_000", "1 000", "1.000,50", "10,00", "1'000", "١٢", "１", "1.0000001", "1;2"),
    *("€1", "1 EUR", "9" * 13, "1\x00", "0.1.2", "1/2", "True"),
)


@pytest.mark.parametrize("text", NO_AMOUNTS)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        money.read(text, "EUR")


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("1", "EUR", "1.00"),
        ("0001.5", "EUR", "1.50"),
        ("1.500000", "EUR", "1.50"),
        (" 1.50\n", "EUR", "1.50"),
        ("-0.00", "EUR", "0.00"),
        ("-1.50", "EUR", "-1.50"),
        ("999999999999.99", "EUR", "999999999999.99"),
        ("100", "JPY", "100"),
        ("100.00", "JPY", "100"),
    ],
)
def test_what_is_an_amount(text: str, currency: str, amount: str) -> None:
    read = money.read(text, currency)
    assert read == Decimal(amount)
    assert money.write(read, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency"), [("1.001", "EUR"), ("100.5", "JPY"), ("0.01", "JPY"), ("1.999", "GBP")]
)
def test_finer_than_the_currency(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="more digits than"):
        money.read(text, currency)


CENTS = st.integers(0, int(money.MOST) * 100 - 1)


@settings(max_examples=cases(120), deadline=None)
@given(CENTS, st.integers(1, money.MOST_PIECES), st.data())
def test_shares_lose_nothing(cents: int, pieces: int, data: st.DataObject) -> None:
    whole = Decimal(cents) / 100
    cuts = sorted(data.draw(st.lists(st.integers(0, pieces), max_size=5)))
    shares = [money.share(whole, cut, pieces, "EUR") for cut in (0, *cuts, pieces)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == whole


@settings(max_examples=cases(80), deadline=None)
@given(CENTS)
def test_numbers_in_json_are_exact(cents: int) -> None:
    amount = Decimal(cents) / 100
    said = json.loads(json.dumps(money.as_number(amount)), parse_float=Decimal, parse_int=Decimal)
    assert said == amount


# --- refunds in one feed --------------------------------------------------------------------------


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


def refund(shop: Shop, order: Order, *items: str) -> list[str]:
    """The codes of a feed with one message of these items."""
    content = envelope("OrderAdjustment", adjustment(order, *items))
    return read_report(shop.process(REFUND, content).report).codes


@pytest.mark.parametrize("text", [text for text in NO_AMOUNTS if "\x00" not in text])
def test_amounts_of_feeds_are_read_the_same(shop: Shop, text: str) -> None:
    order = shop.order(priced(), status="SHIPPED")
    item = order.items[0].order_item_id
    assert refund(shop, order, adjusted(item, Principal=text)) == [REASON_CODES["amount"]]
    row = f"{order.order_id}\t{item}\tOther\tEUR\t{text}\t1.00"
    names = (
        "order-id\torder-item-id\tadjustment-reason-code\tcurrency\titem-price-adj\titem-tax-adj"
    )
    shop.process(REFUND_FLAT, f"{names}\n{row}\n", "text/plain; charset=utf-8")
    if text.strip():
        assert back(order) == 0


def components(*amounts: tuple[str, str]) -> str:
    return "".join(
        f'<Component><Type>{name}</Type><Amount currency="EUR">{amount}</Amount></Component>'
        for name, amount in amounts
    )


def item_with(order: Order, prices: str, promotions: str = "") -> str:
    within = f"<PromotionAdjustments>{promotions}</PromotionAdjustments>" if promotions else ""
    return (
        f"<AdjustedItem><AmazonOrderItemCode>{order.items[0].order_item_id}</AmazonOrderItemCode>"
        "<AdjustmentReason>Other</AdjustmentReason>"
        f"<ItemPriceAdjustments>{prices}</ItemPriceAdjustments>{within}</AdjustedItem>"
    )


def test_nothing_is_set_off_against_a_negative_amount(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    prices = components(("Principal", "10.00"), ("Principal", "-4.00"))
    assert refund(shop, order, item_with(order, prices)) == [REASON_CODES["negative"]]
    prices = components(("Principal", "4.00"), ("RestockingFee", "-1.00"))
    assert refund(shop, order, item_with(order, prices)) == [REASON_CODES["negative"]]
    assert back(order) == 0


def test_promotions_with_either_sign_do_not_cancel_out(shop: Shop) -> None:
    ware = priced(discounts={"Principal": Decimal("2.00")})
    order = shop.order(ware, status="SHIPPED")
    prices = components(("Principal", "10.00"))
    promotions = components(("Principal", "1.00"), ("Principal", "-1.00"))
    assert refund(shop, order, item_with(order, prices, promotions)) == []
    assert back(order) == Decimal("8.00")


def test_the_same_item_twice_in_a_message_counts_twice(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    item = order.items[0].order_item_id
    six = adjusted(item, Principal="6.00")
    assert refund(shop, order, six, six) == [REASON_CODES["too_much"]]
    assert back(order) == 0
    assert refund(shop, order, six, adjusted(item, Principal="4.00")) == []
    assert back(order) == Decimal("10.00")


def test_all_items_of_a_message_count_against_what_is_left(shop: Shop) -> None:
    """Also what is given under a name that was never charged."""
    order = shop.order(priced(), status="SHIPPED")
    item = order.items[0].order_item_id
    eight, seven = adjusted(item, Goodwill="8.00"), adjusted(item, Goodwill="7.48")
    assert refund(shop, order, eight, seven) == [REASON_CODES["too_much"]]
    assert refund(shop, order, eight, adjusted(item, Goodwill="7.47")) == []
    assert back(order) == Decimal("15.47")


def test_a_refund_is_an_update_of_its_order(shop: Shop) -> None:
    order = shop.order(priced(), status="SHIPPED")
    assert order.updated_at < shop.now
    assert refund(shop, order, adjusted(order.items[0].order_item_id, Principal="1.00")) == []
    assert order.updated_at == shop.now


def test_a_cancelled_order_took_nothing_and_gives_nothing(shop: Shop) -> None:
    order = shop.order(priced(), status="CANCELLED")
    text = adjusted(order.items[0].order_item_id, Principal="0.01")
    assert refund(shop, order, text) == [REASON_CODES["too_much"]]


def test_a_part_shipped_order_gives_back_that_part(shop: Shop) -> None:
    order = shop.order(priced(quantity=2), status="PARTIALLY_SHIPPED")
    item = order.items[0].order_item_id
    assert refund(shop, order, adjusted(item, Principal="5.01")) == [REASON_CODES["too_much"]]
    assert refund(shop, order, adjusted(item, Principal="5.00")) == []


@pytest.mark.parametrize("name", money.TAXES)
def test_japan_has_no_tax_to_give_back(name: str) -> None:
    shop = Shop.open("JP")
    order = shop.order(Ware("SKU-1", unit_price=Decimal(1000)), status="SHIPPED")
    item = order.items[0].order_item_id
    alone = adjusted(item, "JPY", amounts={name: "10"})
    assert refund(shop, order, alone) == [REASON_CODES["tax_not_eligible"]]
    split = (adjusted(item, "JPY", Principal="100"), adjusted(item, "JPY", amounts={name: "10"}))
    assert refund(shop, order, *split) == [REASON_CODES["tax_not_eligible"]]
    assert back(order) == 0
    half = adjusted(item, "JPY", Principal="100.5")
    assert refund(shop, order, half) == [REASON_CODES["amount"]]


def test_a_sellers_own_number_is_looked_up_in_the_region(shop: Shop) -> None:
    """The same number may stand at an order of another region."""
    us = Shop.open("US")
    shop.partner.participations += us.partner.participations
    there = shop.order(priced(), status="SHIPPED", seller_order_id="OWN-1")
    there.marketplace = us.partner.home
    here = shop.order(priced(), status="SHIPPED", seller_order_id="OWN-1")
    one = adjusted(here.items[0].order_item_id, Principal="1.00")
    content = envelope("OrderAdjustment", f"<MerchantOrderID>OWN-1</MerchantOrderID>{one}")
    assert read_report(shop.process(REFUND, content).report).codes == []
    assert back(there) == 0
    assert back(here) == Decimal("1.00")


# --- refunds from all sides -----------------------------------------------------------------------

NAMES = (*money_moves.COMPONENTS,)
SOME = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 1200), min_size=1, max_size=4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("feed", "feed of two items", "Seller Central")),
        SOME,
        st.dictionaries(st.sampled_from(money.DISCOUNTED), st.integers(0, 300), max_size=2),
    ),
    max_size=10,
)


@settings(max_examples=cases(50), deadline=None)
@given(STEPS, st.integers(1, 3))
def test_whoever_gives_back_it_is_never_more_than_was_taken(steps: Any, quantity: int) -> None:
    shop = Shop.open()
    off = {"Principal": Decimal("2.50"), "Shipping": Decimal("1.00")}
    order = shop.order(priced(quantity=quantity, discounts=off), priced("B"), status="SHIPPED")
    items = [item.order_item_id for item in order.items]
    for who, amounts, promotions in steps:
        euros = {name: f"{cents / 100:.2f}" for name, cents in amounts.items()}
        offs = {name: f"-{cents / 100:.2f}" for name, cents in promotions.items()}
        if who == "Seller Central":
            read = {name: Decimal(text) for name, text in euros.items()}
            wanted = [money_moves.Wanted(items[0], read)]
            try:
                money_moves.refund(order, wanted, source=who, now=shop.now)
            except Refused:
                continue
        elif who == "feed":
            refund(shop, order, adjusted(items[0], promotions=offs, amounts=euros))
        else:
            refund(shop, order, *(adjusted(item, amounts=euros) for item in items))
        for item in order.items:
            charged, given_back = order.charged(item), order.refunded(item)
            assert order.left(item) >= 0
            assert all(given_back.get(n, 0) <= charged.get(n, 0) for n in money.CHARGED)
            assert all(
                amount <= order.discounts_charged(item).get(name, 0)
                for name, amount in order.discounts_refunded(item).items()
            )
    # Whatever happened stands in a world file, and comes back out of it.
    written = shop.orders.as_json()
    again = Orders()
    again.load(shop.stage, json.loads(json.dumps(written)))
    assert again.as_json() == written


@pytest.fixture
def desk(house: House) -> OrdersDesk:
    known = orders_desk(house)
    known.lever("PUT", "/limits", {"enforced": False})
    known.pace(60, 60)
    return known


GOODS = [{"sku": "SKU-1", "price": "10.00", "tax": 0, "shipping": 0, "shipping_tax": 0}]


def sent(desk: OrdersDesk, order: dict[str, Any], amount: str, store: str = DE) -> str:
    """The id of a feed that gives this much of the price back."""
    item = adjusted(order["items"][0]["order_item_id"], Principal=amount)
    body = envelope("OrderAdjustment", f"<AmazonOrderID>{order['order_id']}</AmazonOrderID>{item}")
    document = desk.uploaded(body.encode(), "text/xml; charset=UTF-8")
    return desk.feed(REFUND, inputFeedDocumentId=document, marketplaceIds=[store])


def codes(desk: OrdersDesk, feed_id: str) -> list[str]:
    assert desk.status(feed_id) == "DONE"
    return read_report(desk.result(feed_id)).codes


def test_several_feeds_and_somebody_in_seller_central(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 5, items=GOODS)
    feeds = [sent(desk, order, "4.00", store) for store in (DE, FR, DE)]
    desk.lever("POST", f"/orders/{order['order_id']}/refund", {"amounts": {"Principal": "3.00"}})
    desk.advance(1200)
    assert [codes(desk, feed_id) for feed_id in feeds] == [
        [],
        [REASON_CODES["too_much"]],
        [REASON_CODES["too_much"]],
    ]
    seen = desk.seen(order)
    assert (seen["charged"], seen["refunded"]) == ("10.00", "7.00")
    assert seen["items"][0]["left"] == "3.00"


def test_nobody_refunds_or_sees_the_order_of_another(desk: OrdersDesk, house: House) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 5, items=GOODS)
    stranger = orders_desk(house)
    feed_id = sent(stranger, order, "4.00")
    stranger.advance(1200)
    assert codes(stranger, feed_id) == [REASON_CODES["unknown_order"]]
    assert desk.seen(order)["refunds"] == []
    path = f"/finances/v0/orders/{order['order_id']}/financialEvents"
    assert order["items"][0]["sku"] in desk.call("GET", path).text
    assert order["items"][0]["sku"] not in stranger.call("GET", path).text


def test_an_order_of_another_region_is_not_refunded(house: House) -> None:
    seller = house.seller(marketplaces=["DE", "US"])
    europe = OrdersDesk.of(house, seller)
    america = OrdersDesk.of(house, seller, "na")
    assert isinstance(europe, OrdersDesk)
    assert isinstance(america, OrdersDesk)
    order = europe.make(status="SHIPPED", age_seconds=DAY * 5, items=GOODS)
    feed_id = sent(america, order, "4.00", "ATVPDKIKX0DER")
    america.advance(1200)
    assert codes(america, feed_id) == [REASON_CODES["unknown_order"]]
    assert europe.seen(order)["refunded"] == "0.00"
    told = f"/finances/v0/orders/{order['order_id']}/financialEvents"
    assert order["order_id"] in europe.call("GET", told).text
    assert order["order_id"] not in america.call("GET", told).text
    groups = "/finances/v0/financialEventGroups"
    assert "FinancialEventGroupId" in europe.call("GET", groups).text
    assert "FinancialEventGroupId" not in america.call("GET", groups).text


def test_the_clock_going_back_gives_nothing_back_twice(desk: OrdersDesk) -> None:
    order = desk.make(status="SHIPPED", age_seconds=DAY * 5, items=GOODS)
    feed_id = sent(desk, order, "4.00")
    desk.advance(1200)
    desk.get(feed_id)
    desk.advance(-DAY)
    desk.seen(order)
    desk.advance(DAY * 2)
    assert [one["amount"] for one in desk.seen(order)["refunds"]] == ["4.00"]
