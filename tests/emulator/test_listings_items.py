"""Listings Items and catalogue items over HTTP: answers as Amazon's models have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.listings_desk import (
    CATALOG,
    DE,
    FR,
    ITEMS,
    US,
    Desk,
    check,
    offer,
    patch,
    stock,
    whole,
)

Json = dict[str, Any]
ALL = (
    *("summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement"),
    *("relationships", "productTypes"),
)
CATALOG_ALL = (
    *("attributes", "classifications", "dimensions", "identifiers", "images", "productTypes"),
    *("relationships", "salesRanks", "summaries", "vendorDetails"),
)


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


# --- reading --------------------------------------------------------------------------------------


def test_an_item_is_shown_with_all_its_data(desk: Desk, models: Path) -> None:
    made = desk.listed(sku="A", name="Lamp", stock=4, price={"DE": 9.5, "FR": 11})
    item = desk.get("A", *ALL, marketplaceIds=f"{DE},{FR}")
    check(models, "Item", item)
    assert set(item) == {"sku", *ALL}
    summary = item["summaries"][0]
    assert summary["asin"] == made["asin"]
    assert summary["status"] == ["BUYABLE", "DISCOVERABLE"]
    assert (summary["itemName"], summary["conditionType"]) == ("Lamp", "new_new")
    assert [row["price"]["amount"] for row in item["offers"]] == ["9.50", "11.00"]
    assert item["offers"][0]["audience"] == {"value": "ALL", "displayName": "Sell on Amazon"}
    assert item["fulfillmentAvailability"] == [{"fulfillmentChannelCode": "DEFAULT", "quantity": 4}]
    assert item["attributes"]["purchasable_offer"] == [offer(9.5), offer(11, FR)]
    assert item["issues"] == []


def test_summaries_are_what_is_shown_unasked_and_of_the_marketplaces_asked(desk: Desk) -> None:
    desk.listed(sku="A")
    answer = desk.item("GET", "A").json()
    assert set(answer) == {"sku", "summaries"}
    assert [row["marketplaceId"] for row in answer["summaries"]] == [DE]
    item = desk.get("A", "attributes", "offers", marketplaceIds=FR)
    assert {value["marketplace_id"] for value in item["attributes"]["item_name"]} == {FR}
    assert [row["marketplaceId"] for row in item["offers"]] == [FR]


@pytest.mark.parametrize("sku", ["A/B", "A B", "Ä#1%2F", "100%", "a,b"])
def test_a_sku_may_hold_any_character(desk: Desk, sku: str) -> None:
    desk.listed(sku=sku)
    assert desk.get(sku)["sku"] == sku
    assert desk.patch(sku, patch("merge", "fulfillment_availability", stock(3)))["sku"] == sku


def test_what_is_not_listed_is_not_found(desk: Desk) -> None:
    status, error = desk.refused("GET", "NONE")
    assert (status, error["code"]) == (404, "NOT_FOUND")
    desk.listed(sku="A", marketplaces=["FR"])
    status, error = desk.refused("GET", "A")
    assert (status, error["message"]) == (404, f"SKU 'A' not found in marketplace {DE}")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_somebody_elses_items_are_forbidden(desk: Desk, house: House, method: str) -> None:
    other = Desk.of(house)
    other.listed(sku="A")
    answer = desk.call(method, f"{ITEMS}/{other.seller_id}/A", {})
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "Unauthorized"


def test_the_role_is_needed(house: House) -> None:
    house.amazon.levers.pull(
        "PATCH", f"/world/applications/{house.application_id}", {"roles": ["Pricing"]}
    )
    assert Desk.of(house).item("GET", "A").status_code == 403


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"marketplaceIds": ""}, "marketplaceIds"),
        ({"marketplaceIds": "A1F83G8C2ARO7P"}, "combination"),  # of the region, not the seller's
        ({"includedData": "everything"}, "includedData"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(desk: Desk, query: Json, words: str) -> None:
    desk.listed(sku="A")
    status, error = desk.refused("GET", "A", **query)
    assert (status, error["code"]) == (400, "InvalidInput")
    assert words in error["message"]


# --- patching -------------------------------------------------------------------------------------


def test_a_patch_is_accepted_and_seen(desk: Desk, models: Path) -> None:
    desk.listed(sku="A", stock=1, price=5)
    said = desk.patch(
        "A",
        patch("merge", "fulfillment_availability", stock(9)),
        patch("merge", "purchasable_offer", offer(7.25)),
    )
    check(models, "ListingsItemSubmissionResponse", said)
    assert (said["status"], said["issues"]) == ("ACCEPTED", [])
    item = desk.get("A", "offers", "fulfillmentAvailability", "attributes")
    assert item["offers"][0]["price"] == {"currencyCode": "EUR", "amount": "7.25"}
    assert item["fulfillmentAvailability"][0]["quantity"] == 9
    assert item["attributes"]["purchasable_offer"] == [offer(7.25)]


def test_what_is_invalid_comes_with_200_and_changes_nothing(desk: Desk, models: Path) -> None:
    desk.listed(sku="A", stock=1)
    said = desk.patch("A", patch("merge", "fulfillment_availability", stock(-4)))
    check(models, "ListingsItemSubmissionResponse", said)
    assert said["status"] == "INVALID"
    assert [issue["code"] for issue in said["issues"]] == ["4000001"]
    assert desk.get("A", "fulfillmentAvailability")["fulfillmentAvailability"][0]["quantity"] == 1


def test_a_preview_changes_nothing_and_may_tell_the_asin(desk: Desk, models: Path) -> None:
    made = desk.listed(sku="A", stock=1)
    query = {"mode": "VALIDATION_PREVIEW", "includedData": "identifiers,issues"}
    said = desk.patch("A", patch("merge", "fulfillment_availability", stock(5)), **query)
    check(models, "ListingsItemSubmissionResponse", said)
    assert said["status"] == "VALID"
    assert said["identifiers"] == [{"marketplaceId": DE, "asin": made["asin"]}]
    assert desk.get("A", "fulfillmentAvailability")["fulfillmentAvailability"][0]["quantity"] == 1
    said = desk.patch("A", patch("merge", "fulfillmentAvailability", stock(5)), **query)
    check(models, "ListingsItemSubmissionResponse", said)
    assert (said["status"], said["identifiers"]) == ("INVALID", [])
    assert said["issues"][0]["code"] == "90000900"
    body = {"productType": "PRODUCT", "patches": [patch("delete", "color")]}
    assert desk.refused("PATCH", "A", body, includedData="identifiers")[0] == 400
    assert desk.refused("PATCH", "A", body, mode="DRY")[0] == 400


def test_a_patch_may_be_of_several_marketplaces(desk: Desk) -> None:
    desk.listed(sku="A", price=5)
    both = {"marketplaceIds": f"{DE},{FR}"}
    said = desk.patch("A", patch("merge", "purchasable_offer", offer(6), offer(8, FR)), **both)
    assert said["status"] == "ACCEPTED"
    amounts = [row["price"]["amount"] for row in desk.get("A", "offers", **both)["offers"]]
    assert amounts == ["6.00", "8.00"]


PATCHES: list[tuple[Any, str]] = [
    ({"patches": [patch("delete", "color")]}, "cannot be parsed"),
    ({"productType": "", "patches": [patch("delete", "color")]}, "cannot be parsed"),
    ({"productType": "LAMP"}, "cannot be parsed"),
    ({"productType": "LAMP", "patches": []}, "cannot be parsed"),
    ({"productType": "LAMP", "patches": {}}, "cannot be parsed"),
    ({"productType": "LAMP", "patches": [1]}, "cannot be parsed"),
    ({"productType": "LAMP", "patches": [{"op": "move", "path": "/x"}]}, "cannot be parsed"),
    ({"productType": "LAMP", "patches": [{"op": "add"}]}, "cannot be parsed"),
    (
        {"productType": "LAMP", "patches": [{"op": "add", "path": "/attributes/x", "value": {}}]},
        "cannot be parsed",
    ),
    (
        {"productType": "LAMP", "patches": [patch("delete", "color"), {"op": "add", "path": "/x"}]},
        "Invalid path provided in patch at index of 1.",
    ),
    (
        {"productType": "LAMP", "patches": [{"op": "add", "path": "/attributes/a/b"}]},
        "Invalid path provided in patch at index of 0.",
    ),
    (
        {"productType": "LAMP", "patches": [{"op": "replace", "path": "/attributes/color"}]},
        "Value is missing for patch at index of 0.",
    ),
    ([], "JSON object"),
]


@pytest.mark.parametrize(("body", "words"), PATCHES)
def test_a_patch_that_is_not_understood_is_400(desk: Desk, body: Any, words: str) -> None:
    desk.listed(sku="A")
    status, error = desk.refused("PATCH", "A", body)
    assert (status, error["code"]) == (400, "InvalidInput")
    assert words in error["message"]


def test_what_is_accepted_is_applied_after_the_delay(desk: Desk) -> None:
    desk.listed(sku="A", stock=1)
    desk.lever("PATCH", "/world/listings/habits", {"delay_s": 60})
    desk.patch("A", patch("merge", "fulfillment_availability", stock(2)))
    shown = desk.get("A", "fulfillmentAvailability")["fulfillmentAvailability"][0]["quantity"]
    assert shown == 1
    desk.house.amazon.levers.advance(61)
    shown = desk.get("A", "fulfillmentAvailability")["fulfillmentAvailability"][0]["quantity"]
    assert shown == 2


# --- putting and deleting -------------------------------------------------------------------------


def test_a_put_makes_a_listing_and_replaces_it(desk: Desk, models: Path) -> None:
    body = {
        "productType": "LAMP",
        "requirements": "LISTING",
        "attributes": whole("Lamp", purchasable_offer=[offer(3)]),
    }
    answer = desk.item("PUT", "NEW", body)
    assert answer.status_code == 200, answer.text
    check(models, "ListingsItemSubmissionResponse", answer.json())
    item = desk.get("NEW", "attributes", "productTypes")
    assert item["attributes"] == body["attributes"]
    assert item["productTypes"] == [{"marketplaceId": DE, "productType": "LAMP"}]
    desk.item("PUT", "NEW", {**body, "attributes": whole("Better lamp")})
    assert desk.get("NEW", "attributes")["attributes"] == whole("Better lamp")


def test_a_put_without_what_is_required_is_invalid(desk: Desk, models: Path) -> None:
    said = desk.item("PUT", "NEW", {"productType": "LAMP", "attributes": {}}).json()
    check(models, "ListingsItemSubmissionResponse", said)
    assert said["status"] == "INVALID"
    assert [(issue["code"], issue["message"]) for issue in said["issues"]] == [
        ("90220", "'item_name' is required but not supplied."),
        ("90220", "'condition_type' is required but not supplied."),
    ]
    assert desk.item("GET", "NEW").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"productType": "LAMP"},
        {"attributes": whole()},
        {"productType": "LAMP", "attributes": []},
        {"productType": "LAMP", "attributes": whole(), "requirements": "ALL"},
    ],
)
def test_a_put_that_is_not_understood_is_400(desk: Desk, body: Json) -> None:
    status, error = desk.refused("PUT", "A", body)
    assert (status, error["code"]) == (400, "InvalidInput")


def test_put_and_delete_take_one_marketplace(desk: Desk) -> None:
    body = {"productType": "LAMP", "attributes": whole()}
    assert desk.refused("PUT", "A", body, marketplaceIds=f"{DE},{FR}")[0] == 400
    assert desk.refused("DELETE", "A", marketplaceIds=f"{DE},{FR}")[0] == 400


def test_a_deletion_is_of_one_marketplace(desk: Desk, models: Path) -> None:
    desk.listed(sku="A")
    answer = desk.item("DELETE", "A")
    check(models, "ListingsItemSubmissionResponse", answer.json())
    assert answer.json()["status"] == "ACCEPTED"
    assert desk.item("GET", "A").status_code == 404
    item = desk.get("A", "offers", marketplaceIds=FR)
    assert [row["marketplaceId"] for row in item["offers"]] == [FR]
    assert desk.item("DELETE", "NONE").json()["status"] == "ACCEPTED"


# --- vendors --------------------------------------------------------------------------------------


def test_a_vendor_lists_under_its_code(house: House, models: Path) -> None:
    desk = Desk.of(house, house.vendor(vendor_codes=["MILL1"]))
    desk.listed(sku="A", cost_price=3.5)
    item = desk.get("A", *ALL)
    check(models, "Item", item)
    assert item["procurement"] == [{"costPrice": {"currencyCode": "EUR", "amount": "3.50"}}]
    assert item["summaries"][0]["status"] == ["DISCOVERABLE"]
    assert (item["offers"], item["fulfillmentAvailability"]) == ([], [])
    said = desk.patch("A", patch("merge", "fulfillment_availability", stock(4)))
    assert [issue["code"] for issue in said["issues"]] == ["EMU1005"]
    name = {"value": "Mill", "language_tag": "de_DE", "marketplace_id": DE}
    assert desk.patch("A", patch("replace", "item_name", name))["status"] == "ACCEPTED"
    assert desk.get("A")["summaries"][0]["itemName"] == "Mill"


# --- searching ------------------------------------------------------------------------------------


def search(desk: Desk, **query: Any) -> Json:
    answer = desk.call("GET", f"{ITEMS}/{desk.seller_id}", **query)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


def skus(told: Json) -> list[str]:
    return [item["sku"] for item in told["items"]]


def test_everything_is_found_page_by_page_and_back(desk: Desk, models: Path) -> None:
    desk.listed(count=25)
    query: Json = {"sortBy": "sku", "sortOrder": "ASC", "pageSize": 10}
    pages = [search(desk, **query)]
    while "nextToken" in pages[-1]["pagination"]:
        token = pages[-1]["pagination"]["nextToken"]
        pages.append(search(desk, pageToken=token, **query))
    for page in pages:
        check(models, "ItemSearchResults", page)
        assert page["numberOfResults"] == 25
    assert [len(page["items"]) for page in pages] == [10, 10, 5]
    found = [sku for page in pages for sku in skus(page)]
    assert found == sorted(f"SKU-{number}" for number in range(1, 26))
    back = search(desk, pageToken=pages[2]["pagination"]["previousToken"], **query)
    assert skus(back) == skus(pages[1])


def test_no_more_than_a_thousand_are_paged_through(desk: Desk) -> None:
    desk.listed(count=1005)
    query: Json = {"pageSize": 20, "sortBy": "sku"}
    told, seen = search(desk, **query), 0
    assert told["numberOfResults"] == 1005
    while True:
        seen += len(told["items"])
        token = told["pagination"].get("nextToken")
        if token is None:
            break
        told = search(desk, pageToken=token, **query)
    assert seen == 1000


def test_a_page_token_is_good_for_its_query_only(desk: Desk) -> None:
    desk.listed(count=3)
    token = search(desk, pageSize=1)["pagination"]["nextToken"]
    for query in ({"pageSize": 2, "pageToken": token}, {"pageSize": 1, "pageToken": token[::-1]}):
        answer = desk.call("GET", f"{ITEMS}/{desk.seller_id}", **query)
        assert answer.status_code == 400
        assert "pageToken" in answer.json()["errors"][0]["message"]


def test_a_page_token_is_good_for_one_partner_and_operation(house: House) -> None:
    one, other = Desk.of(house), Desk.of(house)
    one.listed(count=3, name="Lamp")
    query = {"keywords": "lamp", "pageSize": 1}
    told = one.call("GET", "/catalog/2022-04-01/items", **query).json()
    token = told["pagination"]["nextToken"]
    path = "/catalog/2022-04-01/items"
    assert one.call("GET", path, **query, pageToken=token).status_code == 200
    assert other.call("GET", path, **query).json()["numberOfResults"] == 3
    assert other.call("GET", path, **query, pageToken=token).status_code == 400
    listings = search(one, pageSize=1)["pagination"]["nextToken"]
    assert one.call("GET", path, pageSize=1, keywords="lamp", pageToken=listings).status_code == 400


@pytest.mark.parametrize("price", [10**400, -(10**400), 10**12, 0, True, "1", None])
def test_a_price_that_is_none_is_an_issue(desk: Desk, price: Any) -> None:
    told = desk.patch("A", patch("replace", "purchasable_offer", offer(price)))
    assert told["status"] == "INVALID"
    assert told["issues"][0]["code"] == "4000001"


def test_what_is_null_goes_without_saying(desk: Desk) -> None:
    desk.listed(sku="A", price=5)
    wish = {**offer(7), "marketplace_id": None, "currency": None}
    assert desk.patch("A", patch("replace", "purchasable_offer", wish))["status"] == "ACCEPTED"
    (told,) = desk.get("A", "offers")["offers"]
    assert told["price"] == {"amount": "7.00", "currencyCode": "EUR"}


def test_filters_narrow_what_is_found(desk: Desk) -> None:
    code = [{"type": "ean", "value": "4006381333931", "marketplace_id": DE}]
    desk.listed(sku="SELLS", attributes={"externally_assigned_product_identifier": code})
    desk.listed(sku="EMPTY", stock=0)
    desk.listed(sku="FBA", stock={"AMAZON_EU": 3})
    desk.listed(sku="PARENT")
    family = [{"child_relationship_type": "variation", "parent_sku": "PARENT"}]
    child = desk.listed(sku="CHILD", attributes={"child_parent_sku_relationship": family})
    desk.listed(sku="BOX", attributes={"package_contains_sku": [{"sku": "CHILD", "quantity": 6}]})
    desk.listed(sku="FRENCH", marketplaces=["FR"])
    warned = [{"code": "18448", "message": "Incomplete.", "severity": "WARNING"}]
    desk.listed(sku="WARNED", issues=warned)

    def found(**query: Any) -> set[str]:
        return set(skus(search(desk, pageSize=20, **query)))

    assert "FRENCH" not in found()
    assert found(identifiers="SELLS,EMPTY,OTHER", identifiersType="SKU") == {"SELLS", "EMPTY"}
    assert found(identifiers=child["asin"], identifiersType="ASIN") == {"CHILD"}
    assert found(identifiers="4006381333931", identifiersType="EAN") == {"SELLS"}
    fnsku = desk.get("FBA")["summaries"][0]["fnSku"]
    assert found(identifiers=fnsku, identifiersType="FNSKU") == {"FBA"}
    assert found(variationParentSku="PARENT") == {"CHILD"}
    assert found(packageHierarchySku="CHILD") == {"BOX"}
    assert found(packageHierarchySku="BOX") == {"CHILD"}
    assert found(withIssueSeverity="WARNING") == {"WARNED"}
    assert found(withoutStatus="BUYABLE") == {"EMPTY"}
    assert "EMPTY" not in found(withStatus="BUYABLE")
    assert found(createdAfter="2999-01-01T00:00:00Z") == set()
    assert len(found(createdBefore="2999-01-01T00:00:00Z", lastUpdatedAfter="2000-01-01")) == 7


@pytest.mark.parametrize(
    "query",
    [
        {"identifiers": "A"},
        {"identifiersType": "SKU"},
        {"identifiers": "A", "identifiersType": "NAME"},
        {"identifiers": ",".join(str(n) for n in range(21)), "identifiersType": "SKU"},
        {"identifiers": "A", "identifiersType": "SKU", "variationParentSku": "B"},
        {"variationParentSku": "A", "packageHierarchySku": "B"},
        {"pageSize": 21},
        {"pageSize": 0},
        {"sortBy": "price"},
        {"sortOrder": "UP"},
        {"withStatus": "SOLD"},
        {"withIssueSeverity": "INFO"},
        {"createdAfter": "yesterday"},
        {"pageToken": "é"},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(desk: Desk, query: Json) -> None:
    answer = desk.call("GET", f"{ITEMS}/{desk.seller_id}", **query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "InvalidInput"


def test_the_latest_change_comes_first(desk: Desk) -> None:
    desk.listed(sku="A")
    desk.listed(sku="B")
    desk.house.amazon.levers.advance(60)
    desk.patch("A", patch("merge", "fulfillment_availability", stock(2)))
    assert skus(search(desk)) == ["A", "B"]
    assert skus(search(desk, sortOrder="ASC")) == ["B", "A"]


def test_relationships_are_shown_on_both_sides(desk: Desk, models: Path) -> None:
    desk.listed(sku="PARENT", attributes={"variation_theme": [{"name": "SIZE/COLOR"}]})
    family = [{"child_relationship_type": "variation", "parent_sku": "PARENT"}]
    desk.listed(sku="CHILD", attributes={"child_parent_sku_relationship": family})
    parent, child = (desk.get(sku, "relationships") for sku in ("PARENT", "CHILD"))
    check(models, "Item", parent)
    assert parent["relationships"][0]["relationships"] == [
        {
            "type": "VARIATION",
            "childSkus": ["CHILD"],
            "variationTheme": {"attributes": ["size", "color"], "theme": "SIZE/COLOR"},
        }
    ]
    assert child["relationships"][0]["relationships"][0]["parentSkus"] == ["PARENT"]


# --- the catalogue of items -----------------------------------------------------------------------


def test_an_item_of_the_catalogue_is_shown_without_sales_terms(
    desk: Desk, house: House, models: Path
) -> None:
    told = {
        "brand": [{"value": "Lumen", "marketplace_id": DE}],
        "externally_assigned_product_identifier": [{"type": "ean", "value": "4006381333931"}],
        "main_product_image_locator": [{"media_location": "https://images.example/1.png"}],
    }
    made = Desk.of(house).listed(sku="A", name="Desk lamp", attributes=told)  # somebody else's
    path = f"/catalog/2022-04-01/items/{made['asin']}"
    answer = desk.call("GET", path, includedData=",".join(CATALOG_ALL))
    assert answer.status_code == 200, answer.text
    item = answer.json()
    check(models, "Item", item, CATALOG)
    assert item["summaries"][0]["itemName"] == "Desk lamp"
    assert item["identifiers"][0]["identifiers"] == [
        {"identifierType": "EAN", "identifier": "4006381333931"}
    ]
    assert item["images"][0]["images"][0]["variant"] == "MAIN"
    assert "purchasable_offer" not in item["attributes"]
    assert desk.call("GET", "/catalog/2022-04-01/items/B0NONE").status_code == 404
    assert desk.call("GET", path, marketplaceIds=US).status_code in (400, 403)


def test_catalogue_items_are_searched_by_words_and_names(desk: Desk, models: Path) -> None:
    brand = {"brand": [{"value": "Lumen"}]}
    lamp = desk.listed(sku="A", name="Desk lamp", attributes=brand)
    desk.listed(sku="B", name="Floor lamp")

    def found(**query: Any) -> Json:
        answer = desk.call("GET", "/catalog/2022-04-01/items", **query)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        check(models, "ItemSearchResults", told, CATALOG)
        return told

    assert found(keywords="LAMP")["numberOfResults"] == 2
    assert found(keywords="lamp,desk")["items"][0]["asin"] == lamp["asin"]
    assert found(keywords="lamp", brandNames="Lumen")["numberOfResults"] == 1
    assert found(keywords="lamp")["refinements"]["brands"] == [
        {"brandName": "Lumen", "numberOfResults": 1}
    ]
    told = found(identifiers="B", identifiersType="SKU", sellerId=desk.seller_id)
    assert told["numberOfResults"] == 1
    for query in ({}, {"identifiers": "B"}, {"identifiers": "B", "identifiersType": "SKU"}):
        assert desk.call("GET", "/catalog/2022-04-01/items", **query).status_code == 400
