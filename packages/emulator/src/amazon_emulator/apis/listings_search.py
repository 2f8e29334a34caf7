"""searchListingsItems of Listings Items 2021-08-01: filters, order, pages (Amazon's model)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from amazon_emulator.apis.listings_asking import (
    included_data,
    marketplaces_of,
    page,
    seller_of,
)
from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.trade.listings import views as listing_views
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.listings.listing import Listing
from amazon_emulator.trade.listings.views import Family

__all__ = ["IDENTIFIERS", "identifiers_of", "search"]

IDENTIFIERS = ("ASIN", "EAN", "FNSKU", "GTIN", "ISBN", "JAN", "MINSAN", "SKU", "UPC")
STATUSES = ("BUYABLE", "DISCOVERABLE")
ORDERS: dict[str, Callable[[Listing], Any]] = {
    "sku": lambda listing: listing.sku,
    "createdDate": lambda listing: (listing.created_at, listing.sku),
    "lastUpdatedDate": lambda listing: (listing.updated_at, listing.sku),
}


def search(call: Call) -> dict[str, Any]:
    seller_id, ids = seller_of(call), marketplaces_of(call)
    included = included_data(call, listing_views.INCLUDED, ("summaries",))
    shelf = call.stage.of(Catalogue).shelf(call.region, seller_id)
    family = Family.of(shelf)
    wanted = _wanted(call, ids, family)
    found = [
        listing
        for listing in shelf
        if any(where in listing.listed_at for where in ids)
        and all(wants(listing) for wants in wanted)
    ]
    order = call.choice("sortBy", tuple(ORDERS)) or "lastUpdatedDate"
    descending = (call.choice("sortOrder", ("ASC", "DESC")) or "DESC") == "DESC"
    found.sort(key=ORDERS[order], reverse=descending)
    shown, pagination = page(call, found)
    return {
        "numberOfResults": len(found),
        "pagination": pagination,
        "items": [listing_views.item(listing, included, ids, family) for listing in shown],
    }


def identifiers_of(listing: Listing, kind: str) -> set[str]:
    """What the listing is known by; for EAN, UPC and the like, by what its attributes tell."""
    if kind == "SKU":
        return {listing.sku}
    if kind == "ASIN":
        return {listing.asin} if listing.asin else set()
    if kind == "FNSKU":
        return {f"X{listing.asin[1:]}"} if listing.by_amazon and listing.asin else set()
    values = listing.attributes.get("externally_assigned_product_identifier", ())
    return {
        value["value"]
        for value in values
        if str(value.get("type")).upper() == kind and isinstance(value.get("value"), str)
    }


def _wanted(call: Call, ids: tuple[str, ...], family: Family) -> list[Callable[[Listing], bool]]:
    """The filters of the query, as questions to a listing."""
    wanted = [*_by_name(call, family), *_by_time(call)]
    severities = _several(call, "withIssueSeverity", ("WARNING", "ERROR"))
    if severities:
        wanted.append(
            lambda listing: any(
                issue.severity in severities and any(map(issue.concerns, ids))
                for issue in listing.standing_issues()
            )
        )
    having = _several(call, "withStatus", STATUSES)
    if having:
        wanted.append(lambda listing: not having.isdisjoint(listing_views.status_in(listing, ids)))
    lacking = _several(call, "withoutStatus", STATUSES)
    if lacking:
        wanted.append(lambda listing: lacking.isdisjoint(listing_views.status_in(listing, ids)))
    return wanted


def _by_name(call: Call, family: Family) -> list[Callable[[Listing], bool]]:
    names = frozenset(call.queries("identifiers"))
    kind = call.choice("identifiersType", IDENTIFIERS)
    parent, package = call.query("variationParentSku"), call.query("packageHierarchySku")
    if sum(map(bool, (names, parent, package))) > 1:
        raise Denied.invalid(
            "Only one of 'identifiers', 'variationParentSku' and 'packageHierarchySku' can be used."
        )
    if bool(names) != (kind is not None):
        raise Denied.invalid("'identifiers' and 'identifiersType' must be used together.")
    if len(names) > 20:
        raise Denied.invalid("'identifiers' takes at most 20 values.")
    if names and kind is not None:
        known = kind
        return [lambda listing: not names.isdisjoint(identifiers_of(listing, known))]
    if parent:
        return [lambda listing: parent in family.parents(listing)]
    if package:
        outside = family.contained_by.get(package, [])
        return [
            lambda listing: (
                listing.sku in outside or package in family.contained_by.get(listing.sku, ())
            )
        ]
    return []


def _by_time(call: Call) -> list[Callable[[Listing], bool]]:
    def between(first: datetime | None, last: datetime | None, told: datetime) -> bool:
        return (first is None or told >= first) and (last is None or told <= last)

    created = call.instant("createdAfter"), call.instant("createdBefore")
    updated = call.instant("lastUpdatedAfter"), call.instant("lastUpdatedBefore")
    return [
        lambda listing: between(*created, listing.created_at),
        lambda listing: between(*updated, listing.updated_at),
    ]


def _several(call: Call, name: str, known: tuple[str, ...]) -> frozenset[str]:
    told = frozenset(call.queries(name))
    wrong = sorted(told - set(known))
    if wrong:
        raise Denied.invalid(
            f"Value {wrong[0]!r} at '{name}' failed to satisfy constraint: Member must satisfy "
            f"enum value set: [{', '.join(known)}]"
        )
    return told
