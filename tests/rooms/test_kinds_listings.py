"""Stock and prices: the patch, the JSON feed, Amazon's schemas, and the emulator's reports."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.calls.paths import Paths
from evergrant.feeds.kinds import Reading
from evergrant.feeds.kinds.listings import (
    ISSUE_LOCALES,
    ListingsFeed,
    ListingsPatch,
    issue_locale,
)
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change
from evergrant.rules import marketplaces, processing_reports
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from tests.emulator import listings_desk
from tests.rooms.kinds_ground import (
    DE,
    FR,
    NOW,
    UK,
    _models,
    answer,
    check,
    check_answer,
    error,
    ground,
    price,
    run,
    schema,
    states,
    stock,
)

PATCH, FEED = ListingsPatch(), ListingsFeed()
MODEL = "listings-items-api-model/listingsItems_2021-08-01.json"
HOSTILE = ("a/b", "50%", "a b", "ä€😀", "%2F", "a?b#c", "x&y=z", "a+b", "'\"", "a;b", "1:2@3,4")
skus = some.one_of(
    some.sampled_from(HOSTILE),
    some.text(some.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40),
)


def call(*changes: Change, **where: str) -> Any:
    return PATCH.call(ground(**where), run(Path.PATCH), changes)


def document(messages: Iterable[list[Change]], marketplace_id: str = DE) -> bytes:
    this = run(Path.LISTINGS_FEED, marketplace_id)
    told = [FEED.message(ground(), this, one) for one in messages]
    return FEED.head(ground(), this) + FEED.between().join(told) + FEED.tail(ground(), this)


# --- the patch ------------------------------------------------------------------------------------


def test_stock_and_price_go_in_one_patch_and_nothing_else() -> None:
    told = call(stock(), price())
    assert (told.method, told.path) == ("PATCH", "/listings/2021-08-01/items/A1SELLER/SKU-1")
    assert dict(told.query) == {
        "marketplaceIds": DE,
        "includedData": "issues",
        "issueLocale": "de_DE",
    }
    body = json.loads(told.body, parse_float=Decimal)
    assert body == {
        "productType": "PRODUCT",
        "patches": [
            {
                "op": "merge",
                "path": "/attributes/fulfillment_availability",
                "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 7}],
            },
            {
                "op": "merge",
                "path": "/attributes/purchasable_offer",
                "value": [
                    {
                        "audience": "ALL",
                        "marketplace_id": DE,
                        "currency": "EUR",
                        "our_price": [{"schedule": [{"value_with_tax": Decimal("19.90")}]}],
                    }
                ],
            },
        ],
    }


@pytest.mark.parametrize("changes", [(stock(),), (price(),), (price(), stock())])
def test_amazons_model_allows_the_patch(changes: tuple[Change, ...]) -> None:
    check(call(*changes), MODEL, "patchListingsItem")


@pytest.mark.parametrize("sku", HOSTILE)
def test_amazons_model_and_our_gate_allow_any_sku(sku: str) -> None:
    told = call(stock(sku))
    check(told, MODEL, "patchListingsItem")
    assert unquote(told.path.rpartition("/")[2]) == sku
    assert Paths().read("PATCH", told.path, "").name.endswith(".patchListingsItem")


@given(skus)
def test_a_sku_is_one_segment_whatever_it_holds(sku: str) -> None:
    path = call(stock(sku)).path
    assert path.count("/") == 5
    assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", path)
    assert unquote(path.rpartition("/")[2]) == sku


def test_the_marketplace_is_the_changes_else_the_runs_else_the_home() -> None:
    for change, marketplace_id, wanted in (
        (stock(marketplace_id=FR), DE, FR),
        (stock(marketplace_id=""), FR, FR),
        (stock(marketplace_id=""), "", UK),
    ):
        told = PATCH.call(ground(home="UK"), run(Path.PATCH, marketplace_id), [change])
        assert dict(told.query)["marketplaceIds"] == wanted


def test_issues_are_told_in_the_language_of_the_store() -> None:
    about = ground()
    assert [issue_locale(about, one) for one in (DE, FR, UK, "ANOTHER")] == [
        *("de_DE", "fr_FR", "en_GB", "en_US")
    ]
    known = {row.country_code for row in marketplaces.STANDARD.rows}
    assert set(ISSUE_LOCALES) <= known
    assert {len(one) for one in ISSUE_LOCALES.values()} == {5}, "feeds are cut by bytes before"


def test_amazon_knows_these_languages() -> None:
    folder = _models() / "product-type-definitions-api-model"
    (file,) = folder.glob("*.json")
    assert set(ISSUE_LOCALES.values()) <= set(re.findall(r"[a-z]{2}_[A-Z]{2}", file.read_text()))


# --- its answer -----------------------------------------------------------------------------------


def submission(status: Any, *issues: dict[str, Any]) -> Answer:
    return answer(200, {"sku": "SKU-1", "status": status, "submissionId": "1", "issues": issues})


def issue(severity: str = "ERROR", *attributes: str, code: str = "90220") -> dict[str, Any]:
    return {
        "code": code,
        "message": f"{code} is wrong.",
        "severity": severity,
        "attributeNames": attributes,
        "categories": ["INVALID_ATTRIBUTE"],
    }


def reading(told: Answer, *changes: Change) -> Reading:
    return PATCH.read(ground(), changes or (stock(),), told)


def test_accepted_with_warnings() -> None:
    told = submission("ACCEPTED", issue("WARNING"))
    check_answer(told, MODEL, "patchListingsItem")
    assert states(reading(told, stock(), price())) == [("accepted", ""), ("accepted", "")]


def test_an_invalid_submission_is_refused_although_the_answer_is_200() -> None:
    told = submission("INVALID", issue("WARNING"), issue("ERROR", "a", "b.c"), issue(code="2"))
    check_answer(told, MODEL, "patchListingsItem")
    (outcome,) = reading(told).outcomes
    assert (outcome.state, outcome.code) == (ChangeState.REFUSED, "90220")
    assert outcome.message == "90220 is wrong. (and 1 more)"
    assert outcome.attribute == "a, b.c"


@pytest.mark.parametrize("named", ["purchasable_offer", "purchasable_offer.our_price"])
def test_what_went_with_a_refused_price_goes_back_to_wait(named: str) -> None:
    told = reading(submission("INVALID", issue("ERROR", named)), stock(), price())
    kept, refused = told.outcomes
    assert (kept.state, kept.next_at) == (ChangeState.PENDING, NOW)
    assert (refused.state, refused.code) == (ChangeState.REFUSED, "90220")


def test_an_error_about_both_refuses_both() -> None:
    told = submission("INVALID", issue("ERROR", "item_name"))
    assert states(reading(told, stock(), price())) == [("refused", "90220")] * 2


@pytest.mark.parametrize("issues", [[], [issue("WARNING")], None, "none", ["an issue"]])
def test_invalid_without_a_reason_is_refused_all_the_same(issues: Any) -> None:
    told = answer(200, {"sku": "S", "status": "INVALID", "submissionId": "1", "issues": issues})
    assert states(reading(told)) == [("refused", "invalid")]


@pytest.mark.parametrize(
    "told",
    [
        submission("VALID"),
        submission("SOMETHING"),
        submission(None),
        answer(200, []),
        answer(200, b"<html>"),
        answer(200, b""),
        answer(200, b"[" * 100_000),
        answer(204),
        error(429, "QuotaExceeded", "Slow down."),
        error(500, "InternalFailure"),
        answer(503, b"<html>"),
        error(401, "Unauthorized"),
        error(403, "Unauthorized", "No.", "The role is missing."),
        answer(302),
    ],
)
def test_answers_that_say_nothing_of_the_change_are_asked_for_again(told: Answer) -> None:
    found = reading(told, stock(), price())
    assert (found.again, found.outcomes, found.look) == (True, (), "")
    assert found.said


@pytest.mark.parametrize("status", [400, 404, 413, 415])
def test_a_refused_request_refuses_its_changes_with_amazons_words(status: int) -> None:
    told = error(status, "InvalidInput", "Invalid path.", "patches[0]")
    found = reading(told, stock(), price())
    assert states(found) == [("refused", "InvalidInput")] * 2
    assert found.outcomes[0].message == "Invalid path. patches[0]"
    assert found.said == "InvalidInput Invalid path. patches[0]"


def test_a_refusal_without_words_tells_its_status() -> None:
    assert states(reading(answer(400, b"nothing"))) == [("refused", "http_400")]
    assert states(reading(answer(400, [{"code": "Bare", "message": "A bare list."}]))) == [
        ("refused", "Bare")
    ]


# --- the feed -------------------------------------------------------------------------------------


def test_a_feed_has_a_message_for_each_sku() -> None:
    raw = document([[stock()], [price(message_id=2), stock(message_id=2)]])
    told = json.loads(raw, parse_float=Decimal)
    assert told["header"]["sellerId"] == "A1SELLER"
    assert [one["messageId"] for one in told["messages"]] == [1, 2]
    assert [len(one["patches"]) for one in told["messages"]] == [1, 2]
    schema("listings-feed-schema-v2.json").validate(told)
    assert raw == document([[stock()], [price(message_id=2), stock(message_id=2)]])


@given(some.lists(some.tuples(skus, some.integers(0, 10**9)), min_size=1, max_size=4))
def test_amazons_schema_allows_any_feed(wishes: list[tuple[str, int]]) -> None:
    messages = [
        [stock(sku, quantity, number), price(sku, "0.01", number)]
        for number, (sku, quantity) in enumerate(wishes, 1)
    ]
    told = json.loads(document(messages))
    schema("listings-feed-schema-v2.json").validate(told)
    assert [one["sku"] for one in told["messages"]] == [sku for sku, _ in wishes]


def test_a_feed_is_for_one_marketplace() -> None:
    assert FEED.marketplace_ids(ground(), run(Path.LISTINGS_FEED, FR)) == (FR,)
    assert FEED.marketplace_ids(ground(), run(Path.LISTINGS_FEED, "")) == (DE,)
    assert FEED.options(ground(), run(Path.LISTINGS_FEED), []) == {}


# --- at the emulator ------------------------------------------------------------------------------


def test_the_emulator_takes_the_feed_and_we_read_its_report() -> None:
    shop = listings_desk.Shop.open()
    shop.feed(listings_desk.new("SKU-1"), listings_desk.new("SKU-2"))
    raw = document(
        [
            [stock(), price()],
            [stock("SKU-2", 0, 2)],
            [price("SKU-2", "19.90", 3, marketplace_id=FR)],
        ]
    ).replace(b"A1SELLER", listings_desk.SELLER.encode())
    ended = shop.raw(raw)
    assert ended.report is not None
    schema("listings-feed-processing-report-schema-v2.json").validate(json.loads(ended.report))
    for content in (ended.report, gzip.compress(ended.report)):
        report = processing_reports.read(content, ended.content_type)
        assert report.readable
        assert report.processed == 3
        wrong = [line.message_id for line in report.lines if line.severity == "error"]
        assert report.refused == len(set(wrong))
        assert 1 not in wrong
        assert 2 not in wrong
    attributes = shop.listing("SKU-1").attributes
    assert attributes["fulfillment_availability"][0]["quantity"] == 7
    assert shop.listing("SKU-2").attributes["fulfillment_availability"][0]["quantity"] == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"\xef\xbb\xbf{}", b'{"header":{}}'])
def test_a_feed_that_cannot_be_parsed_is_a_fault_of_the_whole(raw: bytes) -> None:
    ended = listings_desk.Shop.open().raw(raw)
    report = processing_reports.read(ended.report or b"", ended.content_type)
    assert report.fault
    assert report.fault_code == report.lines[0].code
    assert report.processed == 0


def test_amazons_own_example_of_a_report() -> None:
    name = "listings-feed-processing-report-schema-v2.example.json"
    file = _models().parent / "schemas" / "feeds" / name
    if not file.is_file():
        pytest.skip("LOUD: Amazon's schemas of feeds are not beside its models")
    report = processing_reports.read(file.read_bytes())
    assert (report.processed, report.accepted, report.refused) == (4, 2, 2)
    assert {line.message_id for line in report.lines if line.severity == "error"} == {4, 5}
