"""What a plan takes for the size of a document is never less than what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.feeds.kinds import FeedKind
from evergrant.feeds.kinds.table import KINDS
from evergrant.feeds.standing import seller_id_of
from evergrant.ports.traded import Change
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedcuts import document_frame, document_size
from evergrant.rules.feedruns import Path
from tests.rooms.kinds_ground import DE, ORDER, change, ground, run

#: What JSON and XML write longer than it is, and what is longer in bytes than in characters.
texts = some.text("aé漢&<>'\"\\", max_size=60)
items = some.lists(some.integers(1, 10**14).map(str), min_size=1, max_size=12, unique=True)


@some.composite
def shipments(draw: some.DrawFn) -> Change:
    wish: dict[str, Any] = {
        "package": "1",
        "carrier_code": draw(texts) or "DHL",
        "carrier_name": draw(texts),
        "shipping_method": draw(texts),
        "tracking_number": draw(texts) or "1",
        "shipped_at": "2026-03-01T08:00:00Z",
        "items": [{"order_item_id": one, "quantity": 1} for one in draw(items)],
    }
    return change(ChangeKind.SHIPMENT, ORDER, wish)


@some.composite
def cancellations(draw: some.DrawFn) -> Change:
    chosen = draw(some.one_of(some.just([]), items))
    return change(
        ChangeKind.CANCELLATION,
        ORDER,
        {"reason": "NoInventory", "items": [{"order_item_id": one} for one in chosen]},
    )


@some.composite
def refunds(draw: some.DrawFn) -> Change:
    parts = ("principal", "tax", "shipping", "shipping_tax", "gift_wrap", "gift_wrap_tax")
    amounts = dict.fromkeys(draw(some.sets(some.sampled_from(parts), min_size=1)), "0.01")
    return change(
        ChangeKind.REFUND,
        ORDER,
        {
            "currency": "EUR",
            "reason": "GeneralAdjustment",
            "items": [{"order_item_id": one, **amounts} for one in draw(items)],
        },
    )


@some.composite
def listings(draw: some.DrawFn) -> Change:
    sku = draw(texts) or "SKU"
    price = draw(some.decimals("0.01", "99999", places=2))
    wish = {"price": str(price), "currency": "EUR"}
    return change(ChangeKind.PRICE, sku, wish)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        (Path.LISTINGS_FEED, listings()),
        (Path.FULFILLMENT_FEED, shipments()),
        (Path.ACKNOWLEDGEMENT_FEED, cancellations()),
        (Path.ADJUSTMENT_FEED, refunds()),
    ],
    ids=lambda it: it.value if isinstance(it, Path) else "",
)
def test_no_document_is_larger_than_it_was_planned(
    path: Path, made: some.SearchStrategy[Change]
) -> None:
    kind: Any = KINDS[path]
    size = document_size(path)
    assert size is not None

    @given(some.lists(made, min_size=1, max_size=3))
    def check(changes: list[Change]) -> None:
        planned, written = _both(kind, path, changes)
        assert written <= planned
        if path is Path.LISTINGS_FEED:
            assert written == planned

    check()


def _both(kind: FeedKind, path: Path, changes: list[Change]) -> tuple[int, int]:
    about, this = ground(), run(path)
    size = document_size(path)
    assert size is not None
    planned = document_frame(path, seller_id_of(about.account, about.authorization))
    planned += len(changes) - 1 if path is Path.LISTINGS_FEED else 0
    parts = []
    for number, one in enumerate(changes, 1):
        numbered = replace(one, message_id=number, marketplace_id=DE)
        planned += size(number, [numbered])
        parts.append(kind.message(about, this, [numbered]))
    head, tail = kind.head(about, this), kind.tail(about, this)
    return planned, len(head + kind.between().join(parts) + tail)
