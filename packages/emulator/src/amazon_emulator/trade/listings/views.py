"""How a listing is shown: the `Item` of Amazon's Listings Items 2021-08-01 model.

Answers for: the data sets that can be included. The same form stands in the processing report of a
listings feed that asked for it. It decides nothing about who may see what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.trade.listings.listing import Listing

__all__ = ["INCLUDED", "Family", "item", "status_in"]

INCLUDED = (
    "summaries",
    "attributes",
    "issues",
    "offers",
    "fulfillmentAvailability",
    "procurement",
    "relationships",
    "productTypes",
)
_CONDITIONS = frozenset(
    {
        *("new_new", "new_open_box", "new_oem", "refurbished_refurbished"),
        *("used_like_new", "used_very_good", "used_good", "used_acceptable"),
        *("collectible_like_new", "collectible_very_good", "collectible_good"),
        *("collectible_acceptable", "club_club"),
    }
)
_AUDIENCES = {"ALL": "Sell on Amazon", "B2B": "Amazon Business"}


@dataclass(frozen=True)
class Family:
    """Who is whose child among the listings of one seller, by the attribute
    `child_parent_sku_relationship`, and who is contained in whom, by `package_contains_sku`."""

    children: dict[str, list[str]] = field(default_factory=dict)
    contained_by: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, listings: Iterable[Listing]) -> Family:
        family = cls()
        for listing in listings:
            for parent in cls.parents(listing):
                family.children.setdefault(parent, []).append(listing.sku)
            for content in cls.contents(listing):
                family.contained_by.setdefault(content, []).append(listing.sku)
        return family

    @staticmethod
    def parents(listing: Listing) -> list[str]:
        return _texts(listing, "child_parent_sku_relationship", "parent_sku")

    @staticmethod
    def contents(listing: Listing) -> list[str]:
        return _texts(listing, "package_contains_sku", "sku")


def _texts(listing: Listing, attribute: str, name: str) -> list[str]:
    told = (value.get(name) for value in listing.attributes.get(attribute, ()))
    return list(dict.fromkeys(text for text in told if isinstance(text, str)))


def item(
    listing: Listing, included: Iterable[str], marketplace_ids: Sequence[str], family: Family
) -> dict[str, Any]:
    """The SKU and the data sets that are asked for, of these marketplaces."""
    listed = [where for where in marketplace_ids if where in listing.listed_at]
    told: dict[str, Any] = {"sku": listing.sku}
    for name in included:
        if name == "summaries":
            told[name] = [_summary(listing, where) for where in listed]
        elif name == "attributes":
            told[name] = _attributes(listing, marketplace_ids)
        elif name == "issues":
            told[name] = [
                issue.as_json()
                for issue in listing.standing_issues()
                if any(issue.concerns(where) for where in marketplace_ids)
            ]
        elif name == "offers":
            told[name] = _offers(listing, listed)
        elif name == "fulfillmentAvailability":
            told[name] = _availability(listing)
        elif name == "procurement":
            told[name] = _procurement(listing)
        elif name == "relationships":
            told[name] = [_relationships(listing, where, family) for where in listed]
        elif name == "productTypes":
            told[name] = [
                {"marketplaceId": where, "productType": listing.product_type} for where in listed
            ]
    return told


def status_in(listing: Listing, marketplace_ids: Iterable[str]) -> frozenset[str]:
    """Every status that it has in any of these marketplaces."""
    return frozenset(status for where in marketplace_ids for status in listing.status(where))


def _summary(listing: Listing, where: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "marketplaceId": where,
        "productType": listing.product_type,
        "status": list(listing.status(where)),
        "createdDate": stamp(listing.listed_at[where]),
        "lastUpdatedDate": stamp(listing.updated_at),
    }
    if listing.asin:
        told["asin"] = listing.asin
    condition = listing.first("condition_type", where)
    if condition in _CONDITIONS:
        told["conditionType"] = condition
    name = listing.first("item_name", where)
    if name is not None:
        told["itemName"] = name
    if listing.by_amazon and listing.asin:
        told["fnSku"] = f"X{listing.asin[1:]}"
    image = listing.first("main_product_image_locator", where, "media_location")
    if image is not None:
        told["mainImage"] = {"link": image, "height": 500, "width": 500}
    return told


def _attributes(listing: Listing, marketplace_ids: Sequence[str]) -> dict[str, Any]:
    told = {}
    for name, values in listing.attributes.items():
        shown = [
            value for value in values if value.get("marketplace_id") in (None, *marketplace_ids)
        ]
        if shown:
            told[name] = shown
    return told


def _offers(listing: Listing, listed: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "marketplaceId": price.marketplace_id,
            "offerType": "B2C" if price.audience == "ALL" else "B2B",
            "price": {"currencyCode": price.currency, "amount": price.amount},
            "audience": {
                "value": price.audience,
                "displayName": _AUDIENCES.get(price.audience, price.audience),
            },
        }
        for price in listing.prices()
        if price.marketplace_id in listed
    ]


def _availability(listing: Listing) -> list[dict[str, Any]]:
    """Amazon tells no quantity of what it stores itself."""
    told = []
    for code, quantity in listing.channels.items():
        row: dict[str, Any] = {"fulfillmentChannelCode": code}
        if quantity is not None and not code.startswith("AMAZON"):
            row["quantity"] = quantity
        told.append(row)
    return told


def _procurement(listing: Listing) -> list[dict[str, Any]]:
    if listing.cost_price is None:
        return []
    amount, currency = listing.cost_price
    return [{"costPrice": {"currencyCode": currency, "amount": amount}}]


def _relationships(listing: Listing, where: str, family: Family) -> dict[str, Any]:
    told: list[dict[str, Any]] = []
    parents, children = family.parents(listing), family.children.get(listing.sku, [])
    if parents or children:
        row: dict[str, Any] = {"type": "VARIATION"}
        if parents:
            row["parentSkus"] = parents
        if children:
            row["childSkus"] = children
        theme = listing.first("variation_theme", where, "name")
        if theme is not None:
            attributes = [part.strip().lower() for part in theme.split("/")]
            row["variationTheme"] = {"attributes": attributes, "theme": theme}
        told.append(row)
    contents, containers = family.contents(listing), family.contained_by.get(listing.sku, [])
    if contents or containers:
        row = {"type": "PACKAGE_HIERARCHY"}
        if containers:
            row["parentSkus"] = containers
        if contents:
            row["childSkus"] = contents
        told.append(row)
    return {"marketplaceId": where, "relationships": told}
