"""JSON_LISTINGS_FEED: the document, what is refused in it, the report, the time it takes."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_emulator.trade.listings.catalogue import Failing
from amazon_emulator.trade.listings.feed import MOST_MESSAGES
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.patches import FULFILLMENT, OFFER
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import Desk as FeedsDesk
from tests.emulator.listings_desk import (
    DE,
    FR,
    SELLER,
    US,
    Desk,
    Shop,
    check_schema,
    message,
    new,
    offer,
    patch,
    stock,
    whole,
)
from tests.searching import cases

Json = dict[str, Any]
FEED = "feeds/listings-feed-schema-v2.json"
REPORT = "feeds/listings-feed-processing-report-schema-v2.json"
GOOD = message("A", patch("merge", FULFILLMENT, stock(7)), patch("merge", OFFER, offer(19.99)))


def document(*messages: Any, **header: Any) -> Json:
    told = {"sellerId": SELLER, "version": "2.0", **header}
    return {
        "header": {name: value for name, value in told.items() if value is not None},
        "messages": list(messages),
    }


def reported(shop: Shop, told: Any, places: tuple[str, ...] = (DE,)) -> Json:
    content = told if isinstance(told, bytes) else json.dumps(told).encode()
    outcome = shop.raw(content, places)
    assert outcome.status == "DONE"
    assert outcome.content_type == "application/json"
    report: Json = json.loads(outcome.report or b"")
    return report


# --- the document as a whole ----------------------------------------------------------------------

FINE = json.dumps(document({"messageId": 1, **GOOD})).encode()

UNREADABLE = [
    b"",
    b"   ",
    b"not JSON",
    b"[]",
    b"null",
    FINE[:-1],
    FINE + b"x",
    FINE + b"\0",
    b"\xef\xbb\xbf" + FINE,
    FINE.decode().encode("utf-16"),
    FINE.replace(b'"A"', b'"\xe4"'),
    FINE.replace(b'"A"', b'"\\ud800"'),
    FINE.replace(b"19.99", b"NaN"),
    json.dumps(document()).encode(),
    json.dumps({"header": document()["header"]}).encode(),
    json.dumps({**document(), "messages": {}}).encode(),
    json.dumps(document(GOOD, issueLocale=5)).encode(),
    json.dumps(document(GOOD, report={})).encode(),
    json.dumps(document(GOOD, report={"includedData": [], "apiVersion": "2021-08-01"})).encode(),
    json.dumps(document(GOOD, report={"includedData": ["x"], "apiVersion": "2021-08-01"})).encode(),
    json.dumps(document(GOOD, report={"includedData": ["issues"], "apiVersion": "1"})).encode(),
]


@pytest.mark.parametrize("content", UNREADABLE)
def test_what_cannot_be_read_ends_done_with_nothing_processed(content: bytes, models: Path) -> None:
    shop = Shop.open()
    report = reported(shop, content)
    check_schema(models, REPORT, report)
    assert report["header"] == {"sellerId": "", "version": "2.0", "feedId": "50001"}
    assert report["issues"] == [
        {"code": "4002001", "severity": "ERROR", "message": "Item 'Feed' cannot be parsed."}
    ]
    assert report["summary"] == {
        "errors": 1,
        "warnings": 0,
        "messagesProcessed": 0,
        "messagesAccepted": 0,
        "messagesInvalid": 0,
    }
    assert list(shop.catalogue.everything()) == []


@pytest.mark.parametrize("seller_id", [None, 5, ["x"]])
def test_a_header_without_a_seller_is_told_as_such(seller_id: Any) -> None:
    report = reported(Shop.open(), document({"messageId": 1, **GOOD}, sellerId=seller_id))
    assert [one["code"] for one in report["issues"]] == ["4002005"]
    assert report["header"]["sellerId"] == ""


@pytest.mark.parametrize("version", [None, "1.0", 2.0])
def test_another_version_is_told_as_such(version: Any) -> None:
    report = reported(Shop.open(), document({"messageId": 1, **GOOD}, version=version))
    assert [one["code"] for one in report["issues"]] == ["4002006"]
    assert report["header"]["sellerId"] == SELLER
    assert report["summary"]["messagesProcessed"] == 0


def test_one_message_too_many_is_no_feed() -> None:
    messages = [{"messageId": n, "sku": "A", "operationType": "DELETE"} for n in range(1, 25_002)]
    assert len(messages) == MOST_MESSAGES + 1
    report = reported(Shop.open(), document(*messages))
    assert [one["code"] for one in report["issues"]] == ["4002001"]
    assert reported(Shop.open(), document(*messages[:-1]))["summary"]["messagesAccepted"] == 25_000


def test_somebody_elses_seller_id_fails_every_message() -> None:
    shop = Shop.open()
    told = [{"messageId": n, **GOOD} for n in (1, 2)]
    report = reported(shop, document(*told, sellerId="A1EMULATEDELSE"))
    assert [(one["messageId"], one["code"]) for one in report["issues"]] == [
        (1, "BAD_REQUEST"),
        (2, "BAD_REQUEST"),
    ]
    assert report["summary"]["messagesInvalid"] == 2
    assert list(shop.catalogue.everything()) == []


def test_a_vendor_is_known_by_any_of_its_codes() -> None:
    for seller_id in ("MILL1", "MILL2", SELLER):
        shop = Shop.open(kind="vendor")
        told = message("A", patch("replace", "item_name", {"value": "Lamp"}))
        report = reported(shop, document({"messageId": 1, **told}, sellerId=seller_id))
        assert report["issues"] == []
        assert shop.listing("A", seller_id).asin


# --- messages -------------------------------------------------------------------------------------

WRONG: list[Any] = [
    5,
    None,
    {},
    {**GOOD, "messageId": 0},
    {**GOOD, "messageId": 2**31},
    {**GOOD, "messageId": "1"},
    {**GOOD, "messageId": True},
    {**GOOD, "messageId": 1.5},
    {**GOOD, "messageId": 1, "sku": ""},
    {**GOOD, "messageId": 1, "sku": 5},
    {**GOOD, "messageId": 1, "operationType": "MERGE"},
    {**GOOD, "messageId": 1, "operationType": ["PATCH"]},
    {**GOOD, "messageId": 1, "productType": ""},
    {**GOOD, "messageId": 1, "patches": []},
    {**GOOD, "messageId": 1, "patches": [{"op": "move", "path": "/attributes/color"}]},
    {**GOOD, "messageId": 1, "patches": [{"op": ["add"], "path": "/attributes/color"}]},
    {**GOOD, "messageId": 1, "patches": [{"op": "add"}]},
    {**GOOD, "messageId": 1, "patches": [{"op": "add", "path": "/attributes/x", "value": {}}]},
    {**GOOD, "messageId": 1, "patches": [{"op": "add", "path": "/attributes/x", "value": [1]}]},
    {**GOOD, "messageId": 1, "attributes": whole()},
    {**GOOD, "messageId": 1, "requirements": "LISTING"},
    {"messageId": 1, "sku": "A", "operationType": "UPDATE", "productType": "LAMP"},
    {"messageId": 1, "sku": "A", "operationType": "UPDATE", "attributes": whole()},
    {**new("A"), "messageId": 1, "attributes": {}},
    {**new("A"), "messageId": 1, "requirements": "EVERYTHING"},
    {**new("A"), "messageId": 1, "patches": GOOD["patches"]},
    {**new("A"), "messageId": 1, "operationType": "PARTIAL_UPDATE", "requirements": "LISTING"},
    {"messageId": 1, "sku": "A", "operationType": "DELETE", "productType": "LAMP"},
]


@pytest.mark.parametrize("told", WRONG)
def test_a_message_of_another_shape_is_invalid_and_the_next_is_not(told: Any, models: Path) -> None:
    shop = Shop.open()
    with pytest.raises(jsonschema_rs.ValidationError):  # Amazon's schema agrees
        check_schema(models, FEED, document(told))
    report = reported(shop, document(told, {"messageId": 9, **GOOD}))
    check_schema(models, REPORT, report)
    assert [one["code"] for one in report["issues"]] == ["4002008"]
    assert report["summary"]["messagesInvalid"] == 1
    assert report["summary"]["messagesAccepted"] == 1
    number = told.get("messageId") if isinstance(told, dict) else None
    known = type(number) is int and 0 < number < 2**31
    assert report["issues"][0].get("messageId") == (number if known else None)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/attributes/purchasable_offer/0/our_price", "value": []},
        {"path": "/color", "value": []},
        {"path": "attributes/color", "value": []},
        {"path": "/attributes/color"},
    ],
)
def test_a_patch_that_names_nothing_has_invalid_parameters(change: Json) -> None:
    told = {"messageId": 4, **GOOD, "patches": [{"op": "replace", **change}]}
    report = reported(Shop.open(), document(told))
    assert report["issues"] == [
        {
            "messageId": 4,
            "code": "BAD_REQUEST",
            "severity": "ERROR",
            "message": "Invalid parameters provided.",
        }
    ]


def test_a_message_id_is_used_once() -> None:
    shop = Shop.open()
    first = message("A", patch("merge", FULFILLMENT, stock(1)))
    second = message("A", patch("merge", FULFILLMENT, stock(2)))
    report = reported(shop, document({"messageId": 3, **first}, {"messageId": 3, **second}))
    assert [(one["messageId"], one["code"]) for one in report["issues"]] == [(3, "EMU1007")]
    assert shop.listing("A").stock == 1


def test_messages_are_applied_one_after_another() -> None:
    shop = Shop.open()
    report = shop.feed(
        new("A", fulfillment_availability=[stock(1)]),
        message("A", patch("merge", FULFILLMENT, stock(2)), patch("merge", FULFILLMENT, stock(3))),
        {
            "sku": "A",
            "operationType": "PARTIAL_UPDATE",
            "productType": "LAMP",
            "attributes": {"purchasable_offer": [offer(5)], "color": [{"value": "red"}]},
        },
    )
    assert report["issues"] == []
    listing = shop.listing("A")
    assert listing.stock == 3
    assert listing.attributes["color"] == [{"value": "red", "marketplace_id": DE}]
    assert listing.attributes["item_name"]
    shop.feed({"sku": "A", "operationType": "DELETE"})
    assert shop.catalogue.get("eu", SELLER, "A") is None


def test_an_update_loses_stock_and_price_that_it_does_not_repeat() -> None:
    shop = Shop.open()
    shop.feed(new("A", fulfillment_availability=[stock(1)], purchasable_offer=[offer(5)]))
    shop.feed(new("A"))
    assert shop.listing("A").stock == 0
    assert shop.listing("A").prices() == []


def test_a_partial_update_with_a_value_that_is_no_list_is_an_issue() -> None:
    told = {"sku": "A", "operationType": "PARTIAL_UPDATE", "productType": "LAMP"}
    for value in ({"fulfillment_channel_code": "DEFAULT"}, 7, "x", [7]):
        report = Shop.open().feed({**told, "attributes": {FULFILLMENT: value}})
        assert [one["code"] for one in report["issues"]] == ["4000001"]


def test_a_sku_fails_by_a_levers_wish() -> None:
    shop = Shop.open()
    issue = Issue("8541", "The SKU data conflicts.", attribute_names=("brand",))
    shop.catalogue.failing[SELLER, "A"] = Failing(SELLER, "A", issue, times=1)
    report = shop.feed(GOOD, {**GOOD, "sku": "B"})
    assert report["issues"] == [
        {
            "messageId": 1,
            "sku": "A",
            "code": "8541",
            "severity": "ERROR",
            "message": "The SKU data conflicts.",
            "attributeName": "brand",
        }
    ]
    assert shop.feed(GOOD)["issues"] == []


def test_a_warning_is_told_and_the_message_accepted() -> None:
    shop = Shop.open()
    issue = Issue("18448", "Incomplete.", "WARNING")
    shop.catalogue.failing[SELLER, "A"] = Failing(SELLER, "A", issue)
    report = shop.feed(GOOD)
    assert report["summary"]["warnings"] == 1
    assert report["summary"]["messagesAccepted"] == 1
    assert shop.listing("A").stock == 7


def test_marketplaces_that_are_not_the_sellers_are_not_listed_in() -> None:
    shop = Shop.open()
    shop.feed(new("A"), places=(DE, US))
    assert list(shop.listing("A").listed_at) == [DE]
    report = shop.feed(new("B"), places=(US,))
    assert [one["code"] for one in report["issues"]] == ["BAD_REQUEST"]


# --- the report -----------------------------------------------------------------------------------


def test_a_report_with_items_shows_what_was_made(models: Path) -> None:
    shop = Shop.open()
    wish = {
        "includedData": ["summaries", "attributes", "issues", "offers", "fulfillmentAvailability"],
        "apiVersion": "2021-08-01",
    }
    report = shop.feed(
        new("A", fulfillment_availability=[stock(1)], purchasable_offer=[offer(5)]),
        message("B", patch("merge", OFFER, offer(3))),
        message("C", patch("merge", OFFER, offer(-3))),
        report=wish,
    )
    check_schema(models, REPORT, report)
    assert report["header"]["report"] == wish
    assert [item["sku"] for item in report["items"]] == ["A", "B"]
    assert report["items"][0]["offers"][0]["price"] == {"currencyCode": "EUR", "amount": "5.00"}
    assert report["summary"]["itemSummary"] == {"items": 2, "errors": 1, "warnings": 0}


def test_amazons_own_example_of_a_feed_is_taken(models: Path) -> None:
    shop = Shop.open()
    path = models.parent / "schemas" / "feeds" / "listings-feed-schema-v2.example.json"
    told = json.loads(path.read_text())
    told["header"]["sellerId"] = SELLER
    report = reported(shop, json.dumps(told).replace(US, DE).replace("USD", "EUR").encode())
    check_schema(models, REPORT, report)
    assert report["summary"]["messagesProcessed"] == len(told["messages"])
    assert not {one["code"] for one in report["issues"]} & {"4002008", "BAD_REQUEST", "4002001"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["A", "PATCH", "UPDATE", "merge", "/attributes/purchasable_offer", DE]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["messageId", "sku", "operationType", "productType", "attributes", "patches", "op",
             "path", "value", "item_name", FULFILLMENT, OFFER, "our_price", "schedule",
             "value_with_tax", "quantity", "fulfillment_channel_code", "marketplace_id", "currency",
             "audience", "language_tag"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=cases(60))
@given(told=st.lists(JSON, min_size=1, max_size=4), offered=JSON, stocked=JSON, named=JSON)
def test_whatever_is_sent_there_is_a_report(
    told: Any, offered: Any, stocked: Any, named: Any
) -> None:
    """Any JSON as message, and any JSON inside a message that is well-formed around it."""
    shop = Shop.open()
    shaped = {
        "sku": "A",
        "operationType": "UPDATE",
        "productType": "LAMP",
        "attributes": {OFFER: offered, FULFILLMENT: stocked, "item_name": named},
    }
    inside = [
        {"messageId": 2**30 + number, **shaped, "operationType": kind}
        for number, kind in enumerate(("UPDATE", "PARTIAL_UPDATE"))
    ]
    report = reported(shop, document(*told, *inside))
    summary = report["summary"]
    assert summary["messagesProcessed"] == len(told) + 2
    assert summary["messagesAccepted"] + summary["messagesInvalid"] == len(told) + 2
    shop.catalogue.load(shop.stage, json.loads(json.dumps(shop.catalogue.as_json())))


# --- time, and the whole way ----------------------------------------------------------------------


def test_the_largest_feed_is_taken_whole() -> None:
    shop = Shop.open()
    changes = [{"messageId": number, **GOOD, "sku": f"SKU-{number}"} for number in range(1, 25_001)]
    content = json.dumps(document(*changes)).encode()
    report = reported(shop, content)
    assert report["summary"]["messagesAccepted"] == 25_000
    assert gc.isenabled(), "as it was before"


def test_a_feed_over_http_changes_stock_and_price(house: House, models: Path) -> None:
    desk = Desk.of(house)
    desk.listed(sku="A", stock=1, price=5)
    feeds = FeedsDesk.of(house, desk.partner)
    feeds.pace(0, 0)
    told = document(
        {"messageId": 1, **GOOD},
        {"messageId": 2, **message("A", patch("merge", OFFER, offer(1, FR)))},
        sellerId=desk.partner_id,
    )
    uploaded = feeds.uploaded(json.dumps(told).encode(), "application/json")
    feed_id = feeds.feed("JSON_LISTINGS_FEED", inputFeedDocumentId=uploaded)
    feeds.advance(1)
    assert feeds.status(feed_id) == "DONE"
    report = json.loads(feeds.result(feed_id))
    check_schema(models, REPORT, report)
    assert [one["messageId"] for one in report["issues"]] == [2]
    item = desk.get("A", "fulfillmentAvailability", "offers")
    assert item["fulfillmentAvailability"] == [stock_view(7)]
    assert item["offers"][0]["price"]["amount"] == "19.99"


def stock_view(quantity: int) -> Json:
    return {"fulfillmentChannelCode": "DEFAULT", "quantity": quantity}
