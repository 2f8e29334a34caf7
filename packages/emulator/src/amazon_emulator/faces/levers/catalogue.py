"""Levers of the catalogue: listings with stock and prices, those that fail, and habits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.feeds import maybe_truth
from amazon_emulator.faces.levers.listing_wishes import change, made
from amazon_emulator.faces.levers.making import partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.marketplaces import REGIONS
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings import news as listing_news
from amazon_emulator.trade.listings.catalogue import Catalogue, Failing
from amazon_emulator.trade.listings.issues import SEVERITIES, Issue
from amazon_emulator.trade.listings.listing import Listing

__all__ = [
    "LEVERS",
    "add",
    "change_habits",
    "change_listings",
    "fail",
    "failing",
    "habits",
    "listing_view",
    "listings",
    "mend",
    "remove",
]

SHOWN = 100
MOST_SHOWN = 25_000


def add(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes listings {selling_partner_id, sku?, seller_id?, marketplaces?, product_type?, asin?,
    name?, stock?, price?, cost_price?, attributes?, issues?, count?, sku_prefix?}, or several
    {items: [...]}: stock is a number or {channel: number}, price a number or {marketplace: number},
    count makes as many, numbered. Nothing is told to subscribers."""
    if wish.has("items"):
        rows = wish.raw("items")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise WrongWish("'items' must be a list of objects")
        wish.done()
        wishes = [Wish(row) for row in rows]
    else:
        wishes = [wish]
    catalogue = stage.of(Catalogue)
    ready: dict[tuple[str, str, str], Listing] = {}
    for one in wishes:
        for listing in made(stage, one):
            place = (listing.region, listing.seller_id, listing.sku)
            if place in ready or catalogue.get(listing.region, listing.seller_id, listing.sku):
                raise WrongWish(f"{listing.sku!r} of {listing.seller_id} exists already", 409)
            ready[place] = listing
        one.done()
    for listing in ready.values():
        catalogue.keep(listing)
    return _told(list(ready.values()), SHOWN)


def listings(stage: Stage, wish: Wish) -> dict[str, Any]:
    """What is listed, with stock and prices now: ?selling_partner_id=, sku=, region=, limit=."""
    query = dict(wish.query)
    limit = query.pop("limit", str(SHOWN))
    if not limit.isascii() or not limit.isdigit() or len(limit) > 9 or int(limit) > MOST_SHOWN:
        raise WrongWish(f"'limit' must be a whole number up to {MOST_SHOWN}")
    return _told(list(_chosen(stage, query)), int(limit))


def change_listings(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes listings {selling_partner_id, sku?, region?} as if in Seller Central: any of stock,
    price, product_type, asin, name, cost_price, attributes, issues; null takes a price or an
    attribute away. Subscribers are told."""
    chosen = _chosen_by_wish(stage, wish)
    now = stage.clock.now()
    befores = [listing_news.Seen.of(listing) for listing in chosen]
    changes = [change(listing, wish) for listing in chosen]  # all are understood before any is made
    wish.done()
    for listing, before, changed in zip(chosen, befores, changes, strict=True):
        vars(listing).update(vars(changed))
        listing.updated_at = now
        partner = stage.world.partners.get(listing.partner_id)
        if partner is not None:
            listing_news.tell(stage, partner, listing, before, now)
    return _told(chosen, SHOWN)


def remove(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Removes listings {selling_partner_id, sku?, region?}; without a SKU all of the partner.
    Subscribers are told."""
    chosen = _chosen_by_wish(stage, wish, or_none=True)
    wish.done()
    now = stage.clock.now()
    for listing in chosen:
        stage.of(Catalogue).drop(listing)
        partner = stage.world.partners.get(listing.partner_id)
        if partner is not None:
            listing_news.tell_gone(stage, partner, listing, listing.listed_at, now)
    return {"count": len(chosen)}


def listing_view(listing: Listing) -> dict[str, Any]:
    """Stock and prices in few words, and all the rest."""
    prices: dict[str, Any] = {}
    for price in listing.prices():
        told = {"amount": price.amount, "currency": price.currency}
        if price.audience == "ALL":
            prices[price.marketplace_id] = told
        else:
            prices.setdefault(price.audience, {})[price.marketplace_id] = told
    stock: dict[str, Any] = dict(listing.channels)
    for channel in stock:
        if channel.startswith("AMAZON"):
            stock[channel] = listing.amazon_stock
    return {
        "selling_partner_id": listing.partner_id,
        "seller_id": listing.seller_id,
        "region": listing.region,
        "sku": listing.sku,
        "asin": listing.asin,
        "product_type": listing.product_type,
        "stock": stock,
        "price": prices,
        "status": {where: list(listing.status(where)) for where in listing.listed_at},
        "issues": [issue.as_json() for issue in listing.standing_issues()],
        "attributes": listing.attributes,
        "created_at": stamp(listing.created_at),
        "updated_at": stamp(listing.updated_at),
    }


def _told(found: list[Listing], limit: int) -> dict[str, Any]:
    return {"count": len(found), "items": [listing_view(one) for one in islice(found, limit)]}


def _chosen(stage: Stage, query: dict[str, str]) -> Iterator[Listing]:
    partner_id = query.pop("selling_partner_id", None)
    sku, region = query.pop("sku", None), query.pop("region", None)
    if query:
        known = "selling_partner_id, sku, region, limit"
        raise WrongWish(f"unknown: {', '.join(sorted(query))}; known: {known}")
    if region is not None and region not in REGIONS:
        raise WrongWish(f"'region' must be one of {', '.join(REGIONS)}")
    catalogue = stage.of(Catalogue)
    if partner_id is None:
        every = catalogue.everything()
    else:
        every = catalogue.of(partner_of(stage, partner_id), region)
    for listing in every:
        if sku in (None, listing.sku) and region in (None, listing.region):
            yield listing


def _chosen_by_wish(stage: Stage, wish: Wish, *, or_none: bool = False) -> list[Listing]:
    """Names stand in the body, or, for programs that send none with DELETE, in the query."""
    told = {"selling_partner_id": wish.query.get("selling_partner_id")}
    told |= {"sku": wish.query.get("sku"), "region": wish.query.get("region")}
    for name in told:
        told[name] = wish.maybe(name) or told[name]
    if told["selling_partner_id"] is None:
        raise WrongWish("'selling_partner_id' is missing")
    chosen = list(_chosen(stage, {name: text for name, text in told.items() if text}))
    if not chosen and not or_none:
        raise WrongWish("there is no such listing", 404)
    return chosen


# --- what fails ----------------------------------------------------------------------------------


def fail(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes submissions for a SKU meet an issue {selling_partner_id, sku, code?, message?,
    severity?, attribute_names?, categories?, actions?, later?, times?}: with ERROR they are
    INVALID; later: they are accepted and the listing has the issue afterwards."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    known = Failing(
        partner.selling_partner_id,
        wish.text("sku"),
        Issue(
            wish.text("code", "EMU1000"),
            wish.text("message", "This SKU fails because a lever was pulled."),
            wish.choice("severity", SEVERITIES, "ERROR"),
            tuple(wish.texts("attribute_names", [])),
            tuple(wish.texts("categories", [])),
            (),
            tuple(wish.texts("actions", [])),
        ),
        wish.truth("later", False),
        wish.count("times"),
    )
    wish.done()
    stage.of(Catalogue).failing[known.partner_id, known.sku] = known
    return failing(stage, wish)


def failing(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The SKUs that fail by a lever."""
    return {
        "items": [
            {
                "selling_partner_id": known.partner_id,
                "sku": known.sku,
                "issue": known.issue.as_json(),
                "later": known.later,
                "times": known.times,
            }
            for known in stage.of(Catalogue).failing.values()
        ]
    }


def mend(stage: Stage, wish: Wish) -> dict[str, Any]:
    """SKUs fail no more {selling_partner_id?, sku?}; issues that listings have already stay."""
    partner_id = wish.maybe("selling_partner_id") or wish.query.get("selling_partner_id")
    sku = wish.maybe("sku") or wish.query.get("sku")
    wish.done()
    known = stage.of(Catalogue).failing
    mended = [
        place for place in known if partner_id in (None, place[0]) and sku in (None, place[1])
    ]
    for place in mended:
        del known[place]
    return {"mended": len(mended)}


# --- habits --------------------------------------------------------------------------------------


def habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How the catalogue behaves now."""
    catalogue = stage.of(Catalogue)
    return {
        "delay_s": catalogue.delay_s(stage),
        "missing_offers_are_lost": catalogue.loses_offers(stage),
        "unknown_skus": catalogue.habits.unknown_skus,
        "required": {name: list(told) for name, told in sorted(catalogue.required.items())},
        "refused_product_types": sorted(catalogue.refused_types),
    }


def change_habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes any of delay_s (until a submission is applied), missing_offers_are_lost (prices that
    a feed of several marketplaces does not name), unknown_skus (accept|refuse),
    required ({product type: [attributes]}), refused_product_types."""
    catalogue = stage.of(Catalogue)
    now, told = catalogue.habits, type(catalogue.habits)
    delay_s = wish.number("delay_s", 0) if wish.has("delay_s") else now.delay_s
    if delay_s is not None and not 0 <= delay_s <= 86_400:
        raise WrongWish("'delay_s' must be from 0 to 86400")
    changed = told(
        delay_s,
        maybe_truth(wish, "missing_offers_are_lost", now.missing_offers_are_lost),
        wish.choice("unknown_skus", ("accept", "refuse"), now.unknown_skus),
    )
    required = wish.raw("required", {})
    if not isinstance(required, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in required.values()
    ):
        raise WrongWish("'required' must be an object of lists of attribute names")
    refused = wish.texts("refused_product_types", sorted(catalogue.refused_types))
    wish.done()
    catalogue.habits = changed
    catalogue.required |= {name: tuple(names) for name, names in required.items()}
    catalogue.refused_types = set(refused)
    return habits(stage, wish)


LEVERS = (
    ("POST", "/world/listings", add),
    ("GET", "/world/listings", listings),
    ("PATCH", "/world/listings", change_listings),
    ("DELETE", "/world/listings", remove),
    ("POST", "/world/listings/failing", fail),
    ("GET", "/world/listings/failing", failing),
    ("DELETE", "/world/listings/failing", mend),
    ("GET", "/world/listings/habits", habits),
    ("PATCH", "/world/listings/habits", change_habits),
)
