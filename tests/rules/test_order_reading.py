"""What Amazon's answers about orders say, and what they may not do to us."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import order_reading as reading
from evergrant.rules.order_reading import DIRECT, RETAIL, SELLER, Unreadable

SHAPES = {"seller": SELLER, "retail": RETAIL, "direct": DIRECT}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_the_facts_of_a_sellers_order() -> None:
    facts = reading.facts_of(
        {
            "orderId": "902-1845936-5435065",
            "createdTime": "2026-11-20T08:00:00Z",
            "lastUpdatedTime": "2026-11-20T10:30:00.250+01:00",
            "salesChannel": {"marketplaceId": "A1PA6795UKMFR9"},
            "fulfillment": {"fulfillmentStatus": "SHIPPED"},
        },
        SELLER,
    )
    assert (facts.order_id, facts.status) == ("902-1845936-5435065", "SHIPPED")
    assert facts.marketplace_id == "A1PA6795UKMFR9"
    assert facts.ordered_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert facts.amazon_changed_at == datetime(2026, 11, 20, 9, 30, 0, 250000, tzinfo=UTC)


def test_the_latest_of_a_purchase_orders_instants_counts() -> None:
    details = {
        "purchaseOrderDate": "2026-11-01T00:00:00Z",
        "purchaseOrderStateChangedDate": "2026-11-03T00:00:00Z",
        "purchaseOrderChangedDate": "2026-11-02T00:00:00Z",
    }
    facts = reading.facts_of(
        {"purchaseOrderNumber": "PO1", "purchaseOrderState": "New", "orderDetails": details}, RETAIL
    )
    assert facts.amazon_changed_at == datetime(2026, 11, 3, tzinfo=UTC)
    direct = reading.facts_of(
        {"purchaseOrderNumber": "DF1", "orderDetails": {"orderStatus": "NEW"}}, DIRECT
    )
    assert (direct.status, direct.amazon_changed_at) == ("NEW", None)


@pytest.mark.parametrize("order_id", [None, 7, "", "a/b", "../x", " 1", "x" * 65, "1\n"])
def test_an_order_without_a_sound_id_is_none(order_id: Any) -> None:
    with pytest.raises(Unreadable):
        reading.facts_of({"orderId": order_id}, SELLER)


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"[]x", b'{"orders": 7}', b'{"orders": [7]}', b'{"pagination": {"nextToken": 7}}'),
        *(b'{"orders": [{"x": NaN}]}', b"[" * 100_000, b"\xff"),
    ],
)
def test_what_is_no_page_is_refused(answer: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        reading.page(answer, SELLER)
    assert "7" not in str(refused.value)


def test_pages_of_all_three() -> None:
    order = {"orderId": "1"}
    told = reading.page(
        json.dumps(
            {
                "orders": [order],
                "pagination": {"nextToken": "m"},
                "lastUpdatedBefore": "2026-11-20T08:00:00Z",
            }
        ).encode(),
        SELLER,
    )
    assert (told.orders, told.next_page) == ((order,), "m")
    assert told.read_until == datetime(2026, 11, 20, 8, tzinfo=UTC)
    retail = {"payload": {"orders": [order], "pagination": {"nextToken": "n"}}}
    assert reading.page(json.dumps(retail).encode(), RETAIL).next_page == "n"
    assert reading.page(b'{"payload": {}}', RETAIL) == reading.page(b"{}", DIRECT)


@given(JSON, st.sampled_from(sorted(SHAPES)))
def test_whatever_comes_is_a_page_or_refused(told: Any, shape: str) -> None:
    try:
        page = reading.page(json.dumps(told).encode(), SHAPES[shape])
        for order in page.orders:
            reading.facts_of(order, SHAPES[shape])
    except Unreadable:
        pass


def test_characters_that_no_database_keeps_are_replaced() -> None:
    raw = rb'{"orders": [{"orderId": "1", "a\u0000": ["x\u0000\ud800y", "\ud83d\ude00"]}]}'
    (order,) = reading.page(raw, SELLER).orders
    assert order["a\ufffd"] == ["x\ufffd\ufffdy", "\U0001f600"]
    assert reading.one(b'{"order": {"orderId": "1"}}') == {"orderId": "1"}
    with pytest.raises(Unreadable):
        reading.one(b"{}")


def test_equal_bodies_have_one_digest_in_whatever_order() -> None:
    assert reading.digest({"a": 1, "b": {"c": 2, "d": [1]}}) == reading.digest(
        {"b": {"d": [1], "c": 2}, "a": 1}
    )
    assert reading.digest({"a": 1}) != reading.digest({"a": "1"})
