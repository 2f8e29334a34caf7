"""Catalog Items 2022-04-01: getCatalogItem and searchCatalogItems, of what the world lists.

Answers for: items as far as listings tell of them: attributes, identifiers, images, product types,
summaries. There is no catalogue of Amazon's beside the listings of the world's partners, and data
sets that listings know nothing of (classifications, dimensions, relationships, sales ranks, vendor
details) are empty. Facts of the product are shown to everybody, sales terms to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amazon_emulator.apis.listings_asking import included_data, page, stores_of
from amazon_emulator.apis.listings_search import identifiers_of
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.listings.listing import Listing, seller_ids
from amazon_emulator.trade.listings.patches import OFFER_ATTRIBUTES

__all__ = ["OPERATIONS", "get", "search"]

INCLUDED = (
    *("attributes", "classifications", "dimensions", "identifiers", "images", "productTypes"),
    *("relationships", "salesRanks", "summaries", "vendorDetails"),
)
IDENTIFIERS = ("ASIN", "EAN", "GTIN", "ISBN", "JAN", "MINSAN", "SKU", "UPC")
_BY_MARKETPLACE = {
    "classifications": "classifications",
    "dimensions": "",
    "relationships": "relationships",
    "salesRanks": "",
    "vendorDetails": "",
}


def get(call: Call) -> dict[str, Any]:
    ids = stores_of(call)
    included = included_data(call, INCLUDED, ("summaries",))
    asin = call.path["asin"]
    for listing in _known(call, ids):
        if listing.asin == asin:
            return _item(listing, included, ids)
    words = f"Requested item '{asin}' not found in marketplace(s) '{', '.join(ids)}'."
    raise Denied(404, "NOT_FOUND", words)


def search(call: Call) -> dict[str, Any]:
    ids = stores_of(call, most=1)
    included = included_data(call, INCLUDED, ("summaries",))
    found = _found(call, _known(call, ids), ids[0])
    shown, pagination = page(call, found)
    said: dict[str, Any] = {
        "numberOfResults": len(found),
        "pagination": pagination,
        "items": [_item(listing, included, ids) for listing in shown],
    }
    if call.queries("keywords"):
        said["refinements"] = {"brands": _brands(found, ids[0]), "classifications": []}
    return said


def _found(call: Call, known: Iterable[Listing], where: str) -> list[Listing]:
    """One listing of each ASIN that matches the identifiers or all of the keywords."""
    names = frozenset(call.queries("identifiers"))
    words = [word.lower() for told in call.queries("keywords") for word in told.split()]
    if bool(names) == bool(words) or max(len(names), len(call.queries("keywords"))) > 20:
        raise Denied.invalid(
            "Either 'identifiers' or 'keywords' is required, with up to 20 values."
        )
    kind = call.choice("identifiersType", IDENTIFIERS)
    if bool(names) != (kind is not None):
        raise Denied.invalid("'identifiers' and 'identifiersType' must be used together.")
    seller_id = call.query("sellerId")
    if kind == "SKU" and seller_id not in seller_ids(call.partner):
        raise Denied.invalid("'sellerId' is required when 'identifiersType' is SKU.")
    brands = frozenset(brand.lower() for brand in call.queries("brandNames"))
    found: dict[str, Listing] = {}
    for listing in known:
        if kind is not None and (
            names.isdisjoint(identifiers_of(listing, kind))
            or (kind == "SKU" and listing.seller_id != seller_id)
        ):
            continue
        brand = (listing.first("brand", where) or "").lower()
        told = f"{listing.first('item_name', where) or ''} {brand}".lower()
        if all(word in told for word in words) and (not brands or brand in brands):
            found.setdefault(listing.asin, listing)
    return list(found.values())


def _known(call: Call, ids: tuple[str, ...]) -> Iterable[Listing]:
    """Everybody's listings in these marketplaces that Amazon knows the item of."""
    for listing in call.stage.of(Catalogue).everything():
        if listing.asin and any(where in listing.listed_at for where in ids):
            yield listing


def _item(listing: Listing, included: Iterable[str], ids: tuple[str, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {"asin": listing.asin}
    listed = [where for where in ids if where in listing.listed_at]
    for name in included:
        if name == "attributes":
            told[name] = _attributes(listing, ids)
        elif name == "summaries":
            told[name] = [_summary(listing, where) for where in listed]
        elif name == "identifiers":
            told[name] = [
                {"marketplaceId": where, "identifiers": _identifiers(listing)} for where in listed
            ]
        elif name == "productTypes":
            told[name] = [
                {"marketplaceId": where, "productType": listing.product_type} for where in listed
            ]
        elif name == "images":
            told[name] = [
                {"marketplaceId": where, "images": _images(listing, where)} for where in listed
            ]
        else:
            inner = _BY_MARKETPLACE[name]
            told[name] = [
                {"marketplaceId": where, **({inner: []} if inner else {})} for where in listed
            ]
    return told


def _attributes(listing: Listing, ids: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: shown
        for name, values in listing.attributes.items()
        if name not in OFFER_ATTRIBUTES
        and (shown := [value for value in values if value.get("marketplace_id") in (None, *ids)])
    }


def _summary(listing: Listing, where: str) -> dict[str, Any]:
    told: dict[str, Any] = {"marketplaceId": where, "itemClassification": "BASE_PRODUCT"}
    for name, attribute in (
        ("itemName", "item_name"),
        ("brand", "brand"),
        ("manufacturer", "manufacturer"),
        ("color", "color"),
        ("size", "size"),
        ("modelNumber", "model_number"),
        ("partNumber", "part_number"),
    ):
        text = listing.first(attribute, where)
        if text is not None:
            told[name] = text
    return told


def _identifiers(listing: Listing) -> list[dict[str, str]]:
    return [
        {"identifierType": kind, "identifier": text}
        for kind in IDENTIFIERS
        if kind not in ("ASIN", "SKU")
        for text in sorted(identifiers_of(listing, kind))
    ]


def _images(listing: Listing, where: str) -> list[dict[str, Any]]:
    link = listing.first("main_product_image_locator", where, "media_location")
    return [] if link is None else [{"variant": "MAIN", "link": link, "height": 500, "width": 500}]


def _brands(found: Iterable[Listing], where: str) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for listing in found:
        brand = listing.first("brand", where)
        if brand is not None:
            counts[brand] = counts.get(brand, 0) + 1
    return [
        {"brandName": brand, "numberOfResults": count} for brand, count in sorted(counts.items())
    ]


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "getCatalogItem",
        "GET",
        "/catalog/2022-04-01/items/{asin}",
        ("Product Listing",),
        ("seller", "vendor"),
        get,
    ),
    Operation(
        "searchCatalogItems",
        "GET",
        "/catalog/2022-04-01/items",
        ("Product Listing",),
        ("seller", "vendor"),
        search,
    ),
)
