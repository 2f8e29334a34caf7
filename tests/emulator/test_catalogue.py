"""What is listed: what is read off a listing, judgements, notices, the world file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.trade.listings import issues as listing_issues
from amazon_emulator.trade.listings.catalogue import Catalogue, Failing
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.listing import Price, asin_for
from amazon_emulator.trade.listings.news import Seen, tell
from amazon_emulator.trade.listings.patches import FULFILLMENT, OFFER
from tests.emulator.listings_desk import (
    DE,
    FR,
    SELLER,
    US,
    Shop,
    check_payload,
    message,
    new,
    offer,
    patch,
    stock,
)

Json = dict[str, Any]

# --- what is read off a listing -------------------------------------------------------------------


def test_a_new_listing_sells_once_it_has_price_and_stock() -> None:
    shop = Shop.open()
    shop.feed(new("A"))
    listing = shop.listing("A")
    assert listing.asin == asin_for(SELLER, "A")
    assert listing.status(DE) == ("DISCOVERABLE",)
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(3))))
    assert listing.status(DE) == ("DISCOVERABLE",)
    shop.feed(message("A", patch("merge", OFFER, offer(9.5))))
    assert listing.status(DE) == ("BUYABLE", "DISCOVERABLE")
    assert listing.status(FR) == ()
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(0))))
    assert listing.status(DE) == ("DISCOVERABLE",)


def test_merge_keeps_the_lead_time_and_replace_loses_it() -> None:
    shop = Shop.open()
    shop.feed(new("A", fulfillment_availability=[stock(1, lead_time_to_ship_max_days=4)]))
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(7))))
    assert shop.listing("A").attributes[FULFILLMENT] == [stock(7, lead_time_to_ship_max_days=4)]
    shop.feed(message("A", patch("replace", FULFILLMENT, stock(8))))
    assert shop.listing("A").attributes[FULFILLMENT] == [stock(8)]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("SEARCH_SUPPRESSED", ("BUYABLE",)),
        ("LISTING_SUPPRESSED", ("DISCOVERABLE",)),
        ("CATALOG_ITEM_REMOVED", ()),
        ("ATTRIBUTE_SUPPRESSED", ("BUYABLE", "DISCOVERABLE")),
    ],
)
def test_enforcements_take_a_status_away(action: str, status: tuple[str, ...]) -> None:
    shop = Shop.open()
    shop.feed(new("A", purchasable_offer=[offer(9)], fulfillment_availability=[stock(1)]))
    listing = shop.listing("A")
    listing.issues = [Issue("18027", "The main image.", marketplace_ids=(DE,), actions=(action,))]
    assert listing.status(DE) == status


def test_a_vendors_listing_is_never_buyable() -> None:
    shop = Shop.open(kind="vendor")
    report = shop.feed(
        {**new("A"), "attributes": {"item_name": [{"value": "Lamp"}]}}, sellerId="MILL2"
    )
    assert report["issues"] == []
    assert shop.listing("A", "MILL2").status(DE) == ("DISCOVERABLE",)
    assert shop.catalogue.get("eu", "MILL1", "A") is None
    assert [one.sku for one in shop.catalogue.of(shop.partner)] == ["A"]


@pytest.mark.parametrize(
    ("told", "amount"),
    [(19.99, "19.99"), (20, "20.00"), (0.1 + 0.2, "0.30"), (1e11, "1" + "0" * 11 + ".00")],
)
def test_amounts_are_decimal_text(told: float, amount: str) -> None:
    price = Price.of(offer(told))
    assert price is not None
    assert price.amount == amount


def test_yen_have_no_places() -> None:
    price = Price.of(offer(1200, "A1VC38T7YXB528", "JPY"))
    assert price is not None
    assert (price.amount, price.currency) == ("1200", "JPY")


def test_an_offer_without_a_price_has_none() -> None:
    assert Price.of({"our_price": []}) is None
    assert Price.of({"our_price": [{"schedule": [{"value_with_tax": "9"}]}]}) is None


# --- unknown SKUs ---------------------------------------------------------------------------------


def test_an_offer_for_an_unknown_sku_is_accepted_and_sells_nothing() -> None:
    shop = Shop.open()
    report = shop.feed(
        message("NEW", patch("merge", OFFER, offer(3)), patch("merge", FULFILLMENT, stock(5)))
    )
    assert report["summary"]["messagesAccepted"] == 1
    listing = shop.listing("NEW")
    assert (listing.asin, listing.status(DE)) == ("", ())
    assert [issue.code for issue in listing.standing_issues()] == ["90220"]
    shop.feed(message("NEW", patch("add", "item_name", {"value": "Now a lamp"})))
    assert listing.status(DE) == ("BUYABLE", "DISCOVERABLE")
    assert listing.standing_issues() == []


def test_unknown_skus_can_be_refused() -> None:
    shop = Shop.open()
    shop.catalogue.habits.unknown_skus = "refuse"
    report = shop.feed(message("NEW", patch("merge", OFFER, offer(3))))
    assert [issue["code"] for issue in report["issues"]] == ["EMU1003"]
    assert shop.catalogue.get("eu", SELLER, "NEW") is None


def test_a_suggested_asin_is_taken() -> None:
    shop = Shop.open()
    shop.feed(new("A", merchant_suggested_asin=[{"value": "B0EXAMPLE1"}]))
    assert shop.listing("A").asin == "B0EXAMPLE1"


# --- several marketplaces -------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["merge", "replace"])
def test_a_feed_of_two_marketplaces_takes_prices_away_where_it_names_none(op: str) -> None:
    shop = Shop.open(gentle=False)
    shop.feed(new("A"))
    shop.feed(message("A", patch("merge", OFFER, offer(1), offer(2, FR))), places=(DE, FR))
    assert shop.listing("A").price(FR) is not None
    shop.feed(message("A", patch(op, OFFER, offer(3))), places=(DE,))
    assert shop.listing("A").price(FR) is not None
    shop.feed(message("A", patch(op, OFFER, offer(4))), places=(DE, FR))
    assert shop.listing("A").price(FR) is None
    german = shop.listing("A").price(DE)
    assert german is not None
    assert german.amount == "4.00"


def test_a_gentle_catalogue_takes_no_price_away_and_a_habit_decides() -> None:
    shop = Shop.open(gentle=True)
    shop.feed(new("A"))
    both = (DE, FR)
    shop.feed(message("A", patch("merge", OFFER, offer(1), offer(2, FR))), places=both)
    shop.feed(message("A", patch("merge", OFFER, offer(3))), places=both)
    assert shop.listing("A").price(FR) is not None
    shop.catalogue.habits.missing_offers_are_lost = True
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(3))), places=both)
    assert shop.listing("A").price(FR) is not None  # nothing was said of prices
    shop.feed(message("A", patch("merge", OFFER, offer(3))), places=both)
    assert shop.listing("A").price(FR) is None


def test_a_price_without_a_marketplace_is_of_the_one_that_there_is() -> None:
    shop = Shop.open()
    shop.feed(new("A"))
    told = {"our_price": offer(7)["our_price"]}
    shop.feed(message("A", patch("replace", OFFER, told)))
    assert shop.listing("A").attributes[OFFER] == [offer(7)]
    report = shop.feed(message("A", patch("replace", OFFER, told)), places=(DE, FR))
    assert [issue["code"] for issue in report["issues"]] == ["99022"]


# --- judgements -----------------------------------------------------------------------------------

JUDGED: list[tuple[Json, str, str]] = [
    (patch("merge", FULFILLMENT, {"quantity": 1}), "99022", FULFILLMENT),
    (patch("merge", FULFILLMENT, stock(-1)), "4000001", FULFILLMENT),
    (patch("merge", FULFILLMENT, {**stock(None), "quantity": 1.5}), "4000001", FULFILLMENT),
    (patch("merge", FULFILLMENT, {**stock(None), "quantity": True}), "4000001", FULFILLMENT),
    (patch("merge", FULFILLMENT, {**stock(None), "quantity": "1"}), "4000001", FULFILLMENT),
    (patch("merge", FULFILLMENT, stock(1, 5)), "4000001", FULFILLMENT),  # type: ignore[arg-type]
    (patch("merge", FULFILLMENT, stock(1, "AMAZON_EU")), "EMU1004", FULFILLMENT),
    (patch("merge", "fulfillmentAvailability", stock(1)), "90000900", "fulfillmentAvailability"),
    (patch("merge", OFFER, offer(1, currency="USD")), "4000001", OFFER),
    (patch("merge", OFFER, offer(1, FR)), "EMU1006", OFFER),
    (patch("merge", OFFER, offer(1, audience="")), "4000001", OFFER),
    (patch("merge", OFFER, offer(-1)), "4000001", OFFER),
    (patch("merge", OFFER, {**offer(1), "our_price": {"schedule": []}}), "4000001", OFFER),
    (patch("merge", OFFER, {**offer(1), "our_price": [7]}), "4000001", OFFER),
    (patch("merge", OFFER, {**offer(1), "our_price": []}), "99022", OFFER),
    (patch("merge", OFFER, {**offer(1), "our_price": [{"schedule": []}]}), "99022", OFFER),
    (patch("merge", OFFER, {**offer(1), "our_price": [{"schedule": {}}]}), "4000001", OFFER),
    (patch("merge", OFFER, offer(1, discounted_price=[{}])), "99022", OFFER),
    (patch("replace", OFFER, {"marketplace_id": DE}), "99022", OFFER),
    (patch("replace", "color", {"value": "x", "marketplace_id": FR}), "EMU1006", "color"),
    (patch("replace", "color", {"value": "x", "language_tag": []}), "4000001", "color"),
]


@pytest.mark.parametrize(("told", "code", "attribute"), JUDGED)
def test_what_is_wrong_is_told_and_not_applied(told: Json, code: str, attribute: str) -> None:
    shop = Shop.open()
    shop.feed(new("A", purchasable_offer=[offer(9)], fulfillment_availability=[stock(1)]))
    before = copy.deepcopy(shop.listing("A").attributes)
    report = shop.feed(message("A", told))
    assert [(one["code"], one["attributeName"]) for one in report["issues"]] == [(code, attribute)]
    assert report["summary"]["messagesInvalid"] == 1
    assert shop.listing("A").attributes == before


def test_a_merge_may_leave_the_price_out_and_take_a_plan_away() -> None:
    shop = Shop.open()
    plan = [{"schedule": [{"discount_type": "fixed"}]}]
    shop.feed(new("A", purchasable_offer=[offer(9, quantity_discount_plan=plan)]))
    told = {
        "audience": "ALL",
        "currency": "EUR",
        "marketplace_id": DE,
        "quantity_discount_plan": None,
    }
    report = shop.feed(message("A", patch("merge", OFFER, told)))
    assert report["issues"] == []
    assert shop.listing("A").attributes[OFFER] == [offer(9)]


def test_what_amazon_fulfills_takes_no_quantity() -> None:
    shop = Shop.open()
    shop.feed(new("A", fulfillment_availability=[stock(None, "AMAZON_EU")]))
    assert shop.listing("A").by_amazon
    report = shop.feed(message("A", patch("merge", FULFILLMENT, stock(5))))
    assert [one["code"] for one in report["issues"]] == ["EMU1004"]
    report = shop.feed(new("A", fulfillment_availability=[stock(5)]))  # a full update may switch
    assert report["issues"] == []
    assert shop.listing("A").stock == 5


def test_a_full_update_needs_name_condition_and_what_levers_require() -> None:
    shop = Shop.open()
    shop.catalogue.required["LAMP"] = ("wattage",)
    bare = {**new("A"), "attributes": {"color": [{"value": "red"}]}}
    report = shop.feed(bare)
    named = [one["attributeName"] for one in report["issues"]]
    assert named == ["item_name", "wattage", "condition_type"]
    assert {one["code"] for one in report["issues"]} == {"90220"}
    report = shop.feed({**bare, "requirements": "LISTING_OFFER_ONLY"})
    assert [one["attributeName"] for one in report["issues"]] == ["condition_type"]


@pytest.mark.parametrize("kind", ["lamp", "LAMP ", "LAMP_", "", "GONE"])
def test_product_types_are_known_by_their_form_and_a_lever(kind: str) -> None:
    shop = Shop.open()
    shop.catalogue.refused_types.add("GONE")
    report = shop.feed(message("A", patch("merge", OFFER, offer(1)), product_type=kind))
    assert [one["code"] for one in report["issues"]] == ["EMU1002" if kind else "4002008"]


@pytest.mark.parametrize("sku", ["x" * 41, " A", "A\n"])
def test_skus_have_forty_characters_at_most(sku: str) -> None:
    report = Shop.open().feed(message(sku, patch("merge", OFFER, offer(1))))
    assert [one["code"] for one in report["issues"]] == ["EMU1001"]


def test_vendors_have_neither_stock_nor_price() -> None:
    shop = Shop.open(kind="vendor")
    told = message("A", patch("merge", FULFILLMENT, stock(1)), patch("merge", OFFER, offer(1)))
    report = shop.feed(told, sellerId="MILL1")
    assert [one["code"] for one in report["issues"]] == ["EMU1005", "EMU1005"]


def test_the_codes_of_the_emulator_look_like_no_code_of_amazon() -> None:
    own = [
        listing_issues.bad_sku(),
        listing_issues.bad_product_type("x"),
        listing_issues.unknown_sku(),
        listing_issues.stock_of_amazon(),
        listing_issues.not_for_vendors("x"),
        listing_issues.foreign_marketplace("x"),
        listing_issues.already_sent(),
    ]
    assert len({issue.code for issue in own}) == len(own)
    assert all(issue.code.startswith("EMU") for issue in own)


# --- what is told ---------------------------------------------------------------------------------


def test_what_changes_is_told_in_the_shape_of_amazons_schemas(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop.open()
    shop.feed(new("A", purchasable_offer=[offer(9)]))
    shop.listen(monkeypatch)
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(4))))
    quantity, status = sorted(shop.told)
    assert quantity == (
        "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
        {"SellerId": SELLER, "FulfillmentChannelCode": "DEFAULT", "Sku": "A", "Quantity": 4},
    )
    assert status[0] == "LISTINGS_ITEM_STATUS_CHANGE"
    assert status[1]["Status"] == ["BUYABLE", "DISCOVERABLE"]
    check_payload(models, "ListingsItemMfnQuantityChange.json", quantity[1])
    check_payload(models, "ListingsItemStatusChangeNotification.json", status[1])


def test_nothing_is_told_when_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop.open()
    shop.feed(new("A", fulfillment_availability=[stock(4)]))
    shop.listen(monkeypatch)
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(4))))
    assert shop.told == []


def test_an_issue_that_comes_and_goes_is_told(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop.open()
    shop.listen(monkeypatch)
    shop.feed(message("A", patch("merge", OFFER, offer(3))))
    shop.feed(message("A", patch("replace", "item_name", {"value": "Lamp"})))
    action = Issue("1", "Words.", actions=("LISTING_SUPPRESSED",))
    shop.catalogue.failing[SELLER, "A"] = Failing(SELLER, "A", action, later=True)
    shop.feed(message("A", patch("merge", FULFILLMENT, stock(4))))
    for version, schema, actions in (
        ("1.0", "ListingsItemIssuesChangeNotification.json", []),
        (
            "2023-12-13",
            "ListingsItemIssuesChangeNotification_2023-12-13.json",
            ["LISTING_SUPPRESSED"],
        ),
    ):
        name = f"LISTINGS_ITEM_ISSUES_CHANGE {version}"
        told = [payload for kind, payload in shop.told if kind == name]
        assert [payload["Severities"] for payload in told] == [["ERROR"], ["NONE"], ["ERROR"]]
        assert told[-1]["EnforcementActions"] == actions
        for payload in told:
            check_payload(models, schema, payload)


def test_a_deletion_is_told_for_each_marketplace(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop.open()
    shop.feed(new("A"), places=(DE, FR))
    shop.listen(monkeypatch)
    shop.feed({"sku": "A", "operationType": "DELETE"}, places=(DE,))
    assert list(shop.listing("A").listed_at) == [FR]
    shop.feed({"sku": "A", "operationType": "DELETE"}, places=(DE, FR))
    assert shop.catalogue.get("eu", SELLER, "A") is None
    assert [payload["MarketplaceId"] for _, payload in shop.told] == [DE, FR]
    for _, payload in shop.told:
        assert payload["Status"] == ["DELETED"]
        check_payload(models, "ListingsItemStatusChangeNotification.json", payload)


# --- the world file -------------------------------------------------------------------------------


def furnished() -> Shop:
    shop = Shop.open()
    shop.feed(new("A", purchasable_offer=[offer(9)], fulfillment_availability=[stock(3)]))
    shop.listing("A").issues.append(
        Issue("1", "Words.", "WARNING", ("color",), ("X",), (DE,), ("Y",))
    )
    shop.listing("A").cost_price = ("3.50", "EUR")
    shop.catalogue.habits.delay_s = 3.0
    shop.catalogue.habits.unknown_skus = "refuse"
    shop.catalogue.required["LAMP"] = ("color",)
    shop.catalogue.refused_types.add("GONE")
    return shop


def test_a_catalogue_is_written_and_read_back() -> None:
    shop = furnished()
    written = json.loads(json.dumps(shop.catalogue.as_json()))
    other = Shop.open()
    other.catalogue.load(other.stage, written)
    assert other.catalogue.as_json() == shop.catalogue.as_json()
    assert other.listing("A").status(DE) == ("BUYABLE", "DISCOVERABLE")


def test_a_listing_may_be_written_in_few_words() -> None:
    shop = Shop.open()
    row = {
        "selling_partner_id": SELLER,
        "region": "eu",
        "sku": "B",
        "listed_at": {DE: "2026-01-01T00:00:00Z"},
    }
    shop.catalogue.load(shop.stage, {"listings": [row]})
    assert shop.listing("B").status(DE) == ("DISCOVERABLE",)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"selling_partner_id": "A1EMULATEDNONE"}, "listings[0].selling_partner_id"),
        ({"seller_id": "OTHER"}, "listings[0].seller_id"),
        ({"sku": ""}, "listings[0].sku"),
        ({"region": "moon"}, "listings[0].region"),
        (
            {"listed_at": {US: "2026-01-01T00:00:00Z"}},
            "listed_at",
        ),
        ({"listed_at": {DE: "yesterday"}}, "listed_at"),
        ({"attributes": {"color": "red"}}, "attributes.color"),
        ({"issues": [{"code": "1"}]}, "issues[0].message"),
        ({"cost_price": {"amount": "much", "currency": "EUR"}}, "cost_price.amount"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_row_is_told_with_its_place(change: Json, place: str) -> None:
    shop = furnished()
    written = copy.deepcopy(shop.catalogue.as_json())
    written["listings"][0] |= change
    with pytest.raises(ValueError, match="catalogue") as told:
        Catalogue().load(shop.stage, written)
    assert place in str(told.value)


def test_a_part_of_a_world_file_that_is_wrong_changes_nothing() -> None:
    shop = Shop.open()
    shop.feed(new("A"))
    shop.catalogue.habits.delay_s = 3
    written = json.loads(json.dumps(shop.catalogue.as_json()))
    other = Shop.open()
    before = other.catalogue.as_json()
    wrong = {**written, "listings": [*written["listings"], {**written["listings"][0], "sku": 5}]}
    with pytest.raises(ValueError, match=r"catalogue\.listings\[1\]\.sku"):
        other.catalogue.load(other.stage, {**wrong, "required": {"LAMP": ["wattage"]}})
    assert other.catalogue.as_json() == before


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("created_at", "9999-12-31T00:00:00Z", "of the years 1000 to 9000"),
        ("updated_at", "0001-01-02T00:00:00Z", "of the years 1000 to 9000"),
        ("region", ["eu"], "must be one of na, eu, fe"),
        ("amazon_stock", True, "whole number"),
    ],
)
def test_a_listing_of_a_world_file_is_read_strictly(field: str, value: Any, words: str) -> None:
    shop = Shop.open()
    shop.feed(new("A"))
    written = json.loads(json.dumps(shop.catalogue.as_json()))
    written["listings"][0][field] = value
    with pytest.raises(ValueError, match=words):
        shop.catalogue.load(shop.stage, written)


def test_issues_are_told_where_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop.open()
    shop.feed(new("A"), message("A", patch("merge", OFFER, offer(5, FR))), places=(DE, FR))
    listing = shop.listing("A")
    assert set(listing.listed_at) == {DE, FR}
    listing.issues = [Issue("1", "of Germany", marketplace_ids=(DE,))]
    before = Seen.of(listing)
    shop.listen(monkeypatch)
    listing.issues = [*listing.issues, Issue("2", "of France", marketplace_ids=(FR,))]
    tell(shop.stage, shop.partner, listing, before, shop.stage.clock.now())
    assert {payload["MarketplaceId"] for _, payload in shop.told} == {FR}
