"""Submissions of listing data: judged, applied, told.

Answers for: what one put, patch or deletion does to a listing, whichever way it came, and for the
notifications that follow (payloads: Amazon's notification schemas LISTINGS_ITEM_STATUS_CHANGE,
LISTINGS_ITEM_ISSUES_CHANGE, LISTINGS_ITEM_MFN_QUANTITY_CHANGE). Shapes of requests and reports are
with the API and the feed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from amazon_emulator import marketplaces
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings import issues as listing_issues
from amazon_emulator.trade.listings import news as listing_news
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.listing import Listing
from amazon_emulator.trade.listings.patches import (
    FULFILLMENT,
    OFFER,
    Patch,
    Requirements,
    Value,
    completed,
    patched,
    rewritten,
    without_marketplaces,
)
from amazon_emulator.trade.listings.rules import (
    Known,
    judge_changes,
    judge_frame,
    judge_whole,
)
from amazon_emulator.world import Partner

__all__ = ["Submission", "apply", "judge"]


@dataclass(frozen=True)
class Submission:
    """What a selling partner wants of one SKU. ``update``: ``attributes`` are all there are;
    ``patch``: ``patches``, one after another; ``delete``: neither."""

    partner: Partner
    region: Region
    seller_id: str
    sku: str
    marketplace_ids: tuple[str, ...]
    operation: Literal["update", "patch", "delete"]
    product_type: str | None = None
    requirements: Requirements = "LISTING"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()
    by_feed: bool = False


def judge(stage: Stage, wish: Submission, *, in_earnest: bool = True) -> list[Issue]:
    """The issues that Amazon tells at once; with an ERROR among them nothing is applied. Not in
    earnest (a preview): SKUs that fail by a lever's wish are not counted."""
    catalogue = stage.of(Catalogue)
    listing = catalogue.get(wish.region, wish.seller_id, wish.sku)
    known = Known(
        wish.partner.kind == "vendor",
        wish.marketplace_ids,
        listing is not None and listing.by_amazon,
        catalogue.required,
        frozenset(catalogue.refused_types),
    )
    found = list(judge_frame(wish.sku, wish.product_type, known))
    if wish.operation == "update":
        found += judge_whole(
            wish.product_type or "",
            wish.attributes,
            wish.requirements,
            replace(known, by_amazon=False),  # what was there is being replaced
        )
    elif wish.operation == "patch":
        found += judge_changes(wish.patches, known)
        if listing is None and catalogue.habits.unknown_skus == "refuse":
            found.append(listing_issues.unknown_sku())
    wished = catalogue.failing.get((wish.partner.selling_partner_id, wish.sku))
    if wished is not None and not wished.later:
        found.append(wished.issue)
        if in_earnest:
            catalogue.failure(wished.partner_id, wished.sku, later=False)
    return found


def apply(stage: Stage, wish: Submission, now: datetime) -> Listing | None:
    """Changes the catalogue and tells the subscribed. Gives the listing; None when there is none
    afterwards. A patch for an unknown SKU makes a listing that Amazon cannot sell: nobody told what
    it is."""
    catalogue = stage.of(Catalogue)
    listing = catalogue.get(wish.region, wish.seller_id, wish.sku)
    if wish.operation == "delete":
        return None if listing is None else _deleted(stage, catalogue, listing, wish, now)
    if listing is None:
        listing = _new(wish, now)
        before = listing_news.Seen()
    else:
        before = listing_news.Seen.of(listing)
    for where in wish.marketplace_ids:
        listing.listed_at.setdefault(where, now)
    _change(stage, catalogue, listing, wish)
    listing.is_identified()
    listing.updated_at = now
    catalogue.keep(listing)
    late = catalogue.failure(listing.partner_id, listing.sku, later=True)
    if late is not None and late not in listing.issues:
        listing.issues.append(late)
    listing_news.tell(stage, wish.partner, listing, before, now)
    return listing


def _new(wish: Submission, now: datetime) -> Listing:
    return Listing(
        partner_id=wish.partner.selling_partner_id,
        seller_id=wish.seller_id,
        region=wish.region,
        sku=wish.sku,
        product_type=wish.product_type or "PRODUCT",
        asin="",
        created_at=now,
        updated_at=now,
        vendor=wish.partner.kind == "vendor",
    )


def _change(stage: Stage, catalogue: Catalogue, listing: Listing, wish: Submission) -> None:
    offers: Sequence[Value] | None = None
    if wish.operation == "update":
        listing.product_type = wish.product_type or listing.product_type
        given = {
            name: _completed(name, values, wish.marketplace_ids)
            for name, values in wish.attributes.items()
        }
        offers = given.get(OFFER)
        listing.attributes = rewritten(
            listing.attributes, given, wish.marketplace_ids, wish.requirements
        )
    else:
        for patch in wish.patches:
            told = patch
            if patch.op != "delete":
                values = _completed(patch.attribute, patch.values, wish.marketplace_ids)
                told = Patch(patch.op, patch.attribute, tuple(values))
            if told.attribute == OFFER and told.op != "delete":
                offers = told.values
            values = patched(listing.attributes.get(told.attribute, ()), told, wish.marketplace_ids)
            if values:
                listing.attributes[told.attribute] = values
            else:
                listing.attributes.pop(told.attribute, None)
    if wish.by_feed and len(wish.marketplace_ids) > 1 and offers is not None:
        _lose_offers(stage, catalogue, listing, wish.marketplace_ids, offers)


def _completed(name: str, values: Sequence[Value], ids: Sequence[str]) -> list[Value]:
    currency = marketplaces.find(ids[0]).currency if name == OFFER else ""
    told = completed(name, values, ids, currency)
    if name != OFFER or len(ids) == 1:
        return told
    return [
        value
        if value.get("currency") is not None
        else {**value, "currency": marketplaces.find(value["marketplace_id"]).currency}
        for value in told
    ]


def _lose_offers(
    stage: Stage,
    catalogue: Catalogue,
    listing: Listing,
    marketplace_ids: Sequence[str],
    given: Sequence[Value],
) -> None:
    """As developers reported of feeds of several marketplaces: no offer told, no offer left."""
    if not catalogue.loses_offers(stage):
        return
    told = {value.get("marketplace_id") for value in given}
    lost = [where for where in marketplace_ids if where not in told]
    kept = [
        value
        for value in listing.attributes.get(OFFER, ())
        if value.get("marketplace_id") not in lost
    ]
    if kept:
        listing.attributes[OFFER] = kept
    else:
        listing.attributes.pop(OFFER, None)


def _deleted(
    stage: Stage, catalogue: Catalogue, listing: Listing, wish: Submission, now: datetime
) -> Listing | None:
    gone = {
        where: listing.listed_at[where]
        for where in wish.marketplace_ids
        if where in listing.listed_at
    }
    if not gone:
        return listing
    for where in gone:
        del listing.listed_at[where]
    listing.attributes = without_marketplaces(listing.attributes, tuple(gone))
    listing.updated_at = now
    if not listing.listed_at:
        listing.attributes.pop(FULFILLMENT, None)
        catalogue.drop(listing)
    listing_news.tell_gone(stage, wish.partner, listing, gone, now)
    return listing if listing.listed_at else None
