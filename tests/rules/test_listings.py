from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.listings import BETWEEN, TAIL, head, message, patch, wished

skus = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
prices = st.decimals("0.01", "99999999", places=2).map(str)


def test_a_message_has_stock_and_price_in_one_patch() -> None:
    whole = head("A1EXAMPLE") + message(
        1, "SKU-1", marketplace_id="A1PA6795UKMFR9", quantity=7, price="19.90", currency="EUR"
    )
    document = json.loads(whole + TAIL, parse_float=Decimal)
    assert document["header"] == {"sellerId": "A1EXAMPLE", "version": "2.0", "issueLocale": "en_US"}
    (only,) = document["messages"]
    stock, price = only.pop("patches")
    assert only == {
        "messageId": 1,
        "sku": "SKU-1",
        "operationType": "PATCH",
        "productType": "PRODUCT",
    }
    assert stock["value"] == [{"fulfillment_channel_code": "DEFAULT", "quantity": 7}]
    assert price["value"] == [
        {
            "audience": "ALL",
            "marketplace_id": "A1PA6795UKMFR9",
            "currency": "EUR",
            "our_price": [{"schedule": [{"value_with_tax": Decimal("19.90")}]}],
        }
    ]
    assert {stock["op"], price["op"]} == {"merge"}
    assert stock["path"] == "/attributes/fulfillment_availability"
    assert price["path"] == "/attributes/purchasable_offer"


@given(skus, st.one_of(st.none(), st.integers(0, 10**9)), st.one_of(st.none(), prices))
def test_what_is_written_is_read_again(sku: str, quantity: int | None, price: str | None) -> None:
    if quantity is None and price is None:
        return
    wishes = wished(
        None if quantity is None else {"quantity": quantity},
        None if price is None else {"price": price, "currency": "EUR"},
    )
    written = [message(n, sku, marketplace_id="M", **wishes) for n in (1, 2)]
    document = json.loads(head("A") + BETWEEN.join(written) + TAIL, parse_float=Decimal)
    assert [one["messageId"] for one in document["messages"]] == [1, 2]
    assert {one["sku"] for one in document["messages"]} == {sku}
    body = json.loads(patch(marketplace_id="M", **wishes), parse_float=Decimal)
    assert body == {"productType": "PRODUCT", "patches": document["messages"][0]["patches"]}
    told = [one["value"][0] for one in body["patches"]]
    assert [one["quantity"] for one in told if "quantity" in one] == [
        one for one in [quantity] if one is not None
    ]
    numbers = [one["our_price"][0]["schedule"][0]["value_with_tax"] for one in told[-1:] if price]
    assert [Decimal(str(one)) for one in numbers] == [Decimal(one) for one in [price] if one]


def test_prices_keep_their_digits_and_never_become_powers() -> None:
    text = patch(marketplace_id="M", price="0.0000001", currency="EUR").decode()
    assert '"value_with_tax":0.0000001}' in text
    with pytest.raises(ValueError, match="not a price"):
        patch(marketplace_id="M", price="NaN", currency="EUR")


def test_a_message_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a stock, a price"):
        message(1, "SKU", marketplace_id="M")


def test_25_000_usual_messages_stay_below_the_size_that_amazon_asks_for() -> None:
    one = message(
        25_000,
        "SKU-0000001",
        marketplace_id="A1PA6795UKMFR9",
        quantity=100,
        price="19.99",
        currency="EUR",
    )
    assert 350 < len(one) < 419
