"""Levers of the catalogue: listings made, shown, changed and removed; what fails; habits."""

from __future__ import annotations

from typing import Any

import pytest

from amazon_emulator.levers import LeverError
from tests.emulator.conftest import House
from tests.emulator.listings_desk import DE, FR, Desk, offer, patch, stock

Json = dict[str, Any]


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def shown(desk: Desk, **query: Any) -> list[Json]:
    told = desk.lever("GET", "/world/listings", selling_partner_id=desk.partner_id, **query)
    items: list[Json] = told["items"]
    assert told["count"] >= len(items)
    return items


def test_a_listing_has_what_was_wished_and_sells(desk: Desk) -> None:
    made = desk.listed(sku="A", stock=4, price=9.5, name="Lamp", product_type="LAMP")
    assert made["stock"] == {"DEFAULT": 4}
    assert made["price"] == {
        DE: {"amount": "9.50", "currency": "EUR"},
        FR: {"amount": "9.50", "currency": "EUR"},
    }
    assert made["status"] == {where: ["BUYABLE", "DISCOVERABLE"] for where in (DE, FR)}
    assert made["product_type"] == "LAMP"
    assert made["attributes"]["item_name"][0]["value"] == "Lamp"
    assert shown(desk) == [made]


def test_a_thousand_listings_are_made_at_once(desk: Desk) -> None:
    told = desk.lever(
        "POST",
        "/world/listings",
        {"selling_partner_id": desk.partner_id, "count": 1000, "marketplaces": ["DE"]},
    )
    assert told["count"] == 1000
    assert len(told["items"]) == 100
    assert [item["sku"] for item in told["items"][:2]] == ["SKU-1", "SKU-2"]
    assert len({item["asin"] for item in shown(desk, limit=1000)}) == 1000


def test_several_listings_in_one_wish_are_all_made_or_none(desk: Desk) -> None:
    row = {"selling_partner_id": desk.partner_id}
    told = desk.lever(
        "POST", "/world/listings", {"items": [{**row, "sku": "A"}, {**row, "sku": "B", "stock": 0}]}
    )
    assert [item["sku"] for item in told["items"]] == ["A", "B"]
    for second in ({**row, "sku": "A"}, {**row, "sku": "D", "colour": 1}, {**row, "stock": -1}):
        with pytest.raises(LeverError):
            desk.lever("POST", "/world/listings", {"items": [{**row, "sku": "C"}, second]})
    assert [item["sku"] for item in shown(desk)] == ["A", "B"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"stock": -1}, "stock"),
        ({"stock": {"DEFAULT": "4"}}, "stock"),
        ({"price": 0}, "price"),
        ({"price": "9"}, "price"),
        ({"price": {"US": 9}}, "not in US"),
        ({"price": {"XX": 9}}, "XX"),
        ({"marketplaces": ["DE", "US"]}, "one region"),
        ({"marketplaces": []}, "one region"),
        ({"seller_id": "ELSE"}, "seller_id"),
        ({"sku": "A", "count": 2}, "sku_prefix"),
        ({"asin": "B0", "count": 2}, "asin"),
        ({"count": 100_001}, "count"),
        ({"attributes": {"color": "red"}}, "attributes.color"),
        ({"attributes": []}, "attributes"),
        ({"issues": [{"code": "1"}]}, "message"),
        ({"issues": [{"code": "1", "message": "x", "severity": "BAD"}]}, "severity"),
        ({"cost_price": "much"}, "cost_price"),
        ({"surprise": 1}, "surprise"),
        ({"selling_partner_id": "NOBODY"}, "NOBODY"),
    ],
)
def test_a_wish_that_makes_no_sense_is_told(desk: Desk, wish: Json, words: str) -> None:
    with pytest.raises(LeverError, match=words):
        desk.listed(**wish)
    assert shown(desk) == []


def test_a_sku_is_made_once(desk: Desk) -> None:
    desk.listed(sku="A")
    with pytest.raises(LeverError, match="exists already"):
        desk.listed(sku="A")


def test_listings_are_shown_by_sku_and_region(house: House) -> None:
    desk = Desk.of(house, house.seller(marketplaces=["DE", "US"]))
    desk.listed(sku="A", marketplaces=["DE"])
    american = desk.listed(sku="A", marketplaces=["US"])
    assert american["price"]["ATVPDKIKX0DER"]["currency"] == "USD"
    assert len(shown(desk, sku="A")) == 2
    assert shown(desk, sku="A", region="na") == [american]
    assert shown(desk, sku="B") == []
    assert desk.lever("GET", "/world/listings")["count"] == 2
    for query in ({"region": "moon"}, {"limit": "x"}, {"colour": "red"}):
        with pytest.raises(LeverError):
            shown(desk, **query)


def test_a_vendor_has_neither_stock_nor_price(house: House) -> None:
    desk = Desk.of(house, house.vendor(vendor_codes=["MILL1", "MILL2"]))
    made = desk.listed(sku="A", seller_id="MILL2", cost_price=3)
    assert (made["seller_id"], made["stock"], made["price"]) == ("MILL2", {}, {})
    for wish in ({"stock": 1}, {"price": 1}):
        with pytest.raises(LeverError, match="vendor"):
            desk.listed(sku="B", **wish)


def test_a_change_is_seen_by_the_program(desk: Desk) -> None:
    desk.listed(sku="A", stock=1, price=5)
    desk.listed(sku="B")
    names: Json = {"selling_partner_id": desk.partner_id, "sku": "A"}
    issues = [{"code": "18027", "message": "Image.", "actions": ["SEARCH_SUPPRESSED"]}]
    told = desk.lever(
        "PATCH",
        "/world/listings",
        {**names, "stock": 8, "price": {"DE": 6, "FR": None}, "issues": issues, "name": "Better"},
    )
    assert told["count"] == 1
    item = desk.get("A", "summaries", "offers", "fulfillmentAvailability", "issues")
    assert item["summaries"][0]["status"] == ["BUYABLE"]
    assert item["summaries"][0]["itemName"] == "Better"
    assert item["offers"][0]["price"]["amount"] == "6.00"
    assert item["fulfillmentAvailability"][0]["quantity"] == 8
    assert item["issues"][0]["enforcements"]["actions"] == [{"action": "SEARCH_SUPPRESSED"}]
    assert desk.get("A", "offers", marketplaceIds=FR)["offers"] == []
    desk.lever("PATCH", "/world/listings", {**names, "attributes": {"item_name": None}})
    assert "itemName" not in desk.get("A")["summaries"][0]


def test_a_change_of_all_is_made_to_all_or_none(desk: Desk) -> None:
    desk.listed(sku="A", marketplaces=["DE"])
    desk.listed(sku="B", marketplaces=["FR"])
    row: Json = {"selling_partner_id": desk.partner_id}
    with pytest.raises(LeverError, match="not in DE"):
        desk.lever("PATCH", "/world/listings", {**row, "stock": 3, "price": {"DE": 1}})
    assert [item["stock"] for item in shown(desk)] == [{"DEFAULT": 10}, {"DEFAULT": 10}]
    desk.lever("PATCH", "/world/listings", {**row, "stock": 3})
    assert [item["stock"] for item in shown(desk)] == [{"DEFAULT": 3}, {"DEFAULT": 3}]
    for wrong in ({"sku": "A"}, {**row, "sku": "NONE"}, {**row, "colour": 1}):
        with pytest.raises(LeverError):
            desk.lever("PATCH", "/world/listings", wrong)


def test_listings_are_removed_one_or_all(desk: Desk) -> None:
    desk.listed(count=5)
    row = {"selling_partner_id": desk.partner_id}
    assert desk.lever("DELETE", "/world/listings", {**row, "sku": "SKU-2"}) == {"count": 1}
    assert desk.item("GET", "SKU-2").status_code == 404
    assert desk.lever("DELETE", "/world/listings", None, **row, sku="SKU-3") == {"count": 1}
    assert desk.lever("DELETE", "/world/listings", row) == {"count": 3}
    assert shown(desk) == []


# --- what fails -----------------------------------------------------------------------------------


def test_a_chosen_sku_fails_until_it_is_mended(desk: Desk) -> None:
    desk.listed(sku="A", stock=1)
    row = {"selling_partner_id": desk.partner_id, "sku": "A"}
    wish = {**row, "code": "8541", "message": "Conflict.", "attribute_names": ["brand"]}
    desk.lever("POST", "/world/listings/failing", wish)
    change = patch("merge", "fulfillment_availability", stock(7))
    for query in ({"mode": "VALIDATION_PREVIEW"}, {}, {}):
        said = desk.patch("A", change, **query)
        assert said["status"] == "INVALID"
        assert said["issues"] == [
            {
                "code": "8541",
                "message": "Conflict.",
                "severity": "ERROR",
                "categories": [],
                "attributeNames": ["brand"],
            }
        ]
    assert desk.lever("GET", "/world/listings/failing")["items"][0]["sku"] == "A"
    assert desk.lever("DELETE", "/world/listings/failing", row) == {"mended": 1}
    assert desk.patch("A", change)["status"] == "ACCEPTED"


def test_a_sku_may_fail_some_times_only_and_previews_do_not_count(desk: Desk) -> None:
    desk.listed(sku="A")
    row = {"selling_partner_id": desk.partner_id, "sku": "A"}
    desk.lever("POST", "/world/listings/failing", {**row, "times": 2})
    change = patch("merge", "fulfillment_availability", stock(7))
    modes: list[Json] = [{"mode": "VALIDATION_PREVIEW"}, {}, {}, {}]
    statuses = [desk.patch("A", change, **mode)["status"] for mode in modes]
    assert statuses == ["INVALID", "INVALID", "INVALID", "ACCEPTED"]


def test_an_issue_may_come_after_a_submission_was_accepted(desk: Desk) -> None:
    desk.listed(sku="A", stock=1)
    row = {"selling_partner_id": desk.partner_id, "sku": "A"}
    wish = {**row, "later": True, "actions": ["LISTING_SUPPRESSED"], "code": "18155"}
    desk.lever("POST", "/world/listings/failing", wish)
    said = desk.patch("A", patch("merge", "fulfillment_availability", stock(7)))
    assert (said["status"], said["issues"]) == ("ACCEPTED", [])
    item = desk.get("A", "summaries", "issues", "fulfillmentAvailability")
    assert item["fulfillmentAvailability"][0]["quantity"] == 7
    assert [issue["code"] for issue in item["issues"]] == ["18155"]
    assert item["summaries"][0]["status"] == ["DISCOVERABLE"]


# --- habits ---------------------------------------------------------------------------------------


def test_habits_are_shown_and_changed(desk: Desk) -> None:
    known = desk.lever("GET", "/world/listings/habits")
    assert known == {
        "delay_s": 0.0,
        "missing_offers_are_lost": False,
        "unknown_skus": "accept",
        "required": {},
        "refused_product_types": [],
    }
    changes = {
        "delay_s": 5,
        "missing_offers_are_lost": True,
        "unknown_skus": "refuse",
        "required": {"LAMP": ["wattage"]},
        "refused_product_types": ["GONE"],
    }
    assert desk.lever("PATCH", "/world/listings/habits", changes) == changes
    assert desk.lever("PATCH", "/world/listings/habits", {"delay_s": 0}) == {
        **changes,
        "delay_s": 0,
    }
    desk.house.amazon.levers.reset()
    assert desk.lever("GET", "/world/listings/habits") == known


@pytest.mark.parametrize(
    "wish",
    [
        {"delay_s": -1},
        {"delay_s": "1"},
        {"unknown_skus": "eat"},
        {"missing_offers_are_lost": "yes"},
        {"missing_offers_are_lost": 1},
        {"missing_offers_are_lost": 0.0},
        {"required": {"LAMP": "wattage"}},
        {"refused_product_types": [1]},
        {"surprise": 1},
    ],
)
def test_a_habit_that_makes_no_sense_is_told(desk: Desk, wish: Json) -> None:
    with pytest.raises(LeverError):
        desk.lever("PATCH", "/world/listings/habits", wish)


@pytest.mark.parametrize(
    "odd",
    [
        {"audience": [1]},
        {"audience": None},
        {"marketplace_id": [DE]},
        {"marketplace_id": {}},
        {"currency": ["EUR"]},
        {"our_price": [{"schedule": [{"value_with_tax": 10**400}]}]},
        {"our_price": [{"schedule": [{"value_with_tax": -(10**400)}]}]},
        {"our_price": "19.99"},
    ],
)
def test_an_offer_that_levers_wrote_oddly_is_none_and_breaks_nothing(desk: Desk, odd: Json) -> None:
    attributes = {"purchasable_offer": [{**offer(19.99), **odd}]}
    first = desk.listed(sku="ODD", attributes=attributes)
    assert first["price"] == {}
    told = desk.get("ODD", "offers", "attributes", "summaries")
    assert told["offers"] == []
    assert told["summaries"][0]["status"] == ["DISCOVERABLE"]
    assert desk.lever("GET", "/world/listings")["count"] == 1


@pytest.mark.parametrize(
    "wish",
    [{"price": 10**400}, {"price": -(10**400)}, {"stock": 10**400}, {"stock": {"": 1}}],
)
def test_an_amount_beyond_all_bounds_is_told(desk: Desk, wish: Json) -> None:
    with pytest.raises(LeverError, match=r"'price'|'stock'"):
        desk.listed(sku="A", **wish)


@pytest.mark.parametrize("limit", ["0" * 9 + "9" * 5000, "25001", "-1", "\u00b2", ""])
def test_a_limit_of_what_is_shown(desk: Desk, limit: str) -> None:
    with pytest.raises(LeverError, match="'limit' must be a whole number"):
        desk.lever("GET", "/world/listings", limit=limit)


def test_unknown_skus_are_refused_by_habit(desk: Desk) -> None:
    change = patch("merge", "purchasable_offer", offer(3))
    desk.lever("PATCH", "/world/listings/habits", {"unknown_skus": "refuse"})
    assert desk.patch("NEW", change)["issues"][0]["code"] == "EMU1003"
    desk.lever("PATCH", "/world/listings/habits", {"unknown_skus": "accept"})
    assert desk.patch("NEW", change)["status"] == "ACCEPTED"
    assert desk.get("NEW", "issues")["issues"][0]["code"] == "90220"


# --- the world file -------------------------------------------------------------------------------


def test_listings_go_with_the_world(house: House) -> None:
    desk = Desk.of(house)
    desk.listed(sku="A/1", stock=4, price=9.5)
    vendor = Desk.of(house, house.vendor(vendor_codes=["MILL1"]))
    vendor.listed(sku="A", cost_price=3)
    before = desk.lever("GET", "/world/listings")["items"]
    world = desk.lever("GET", "/world")
    desk.lever("DELETE", "/world/listings", {"selling_partner_id": desk.partner_id})
    desk.lever("PUT", "/world", world)
    assert desk.lever("GET", "/world/listings")["items"] == before
