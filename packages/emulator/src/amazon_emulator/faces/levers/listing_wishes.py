"""What levers say of a listing, in few words, turned into Amazon's attributes.

Answers for: new listings and changed ones. It puts nothing into the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from amazon_emulator import marketplaces
from amazon_emulator.faces.levers.making import partner_of, store
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.marketplaces import Marketplace, Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings import records as listing_records
from amazon_emulator.trade.listings.listing import Listing, asin_for, seller_ids, trades_in
from amazon_emulator.trade.listings.patches import FULFILLMENT, OFFER, Patch, Value, patched
from amazon_emulator.trade.records import records
from amazon_emulator.world import Partner

__all__ = ["change", "made"]

MOST_MADE = 100_000


def made(stage: Stage, wish: Wish) -> Iterator[Listing]:
    """The listings of one wish: one, or as many as it counts."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    default = partner.vendor_codes[0] if partner.vendor_codes else partner.selling_partner_id
    seller_id = wish.maybe("seller_id") or default
    if seller_id not in seller_ids(partner):
        raise WrongWish(f"'seller_id' must be one of {', '.join(seller_ids(partner))}")
    count = wish.count("count")
    if count is not None and count > MOST_MADE:
        raise WrongWish(f"'count' must be at most {MOST_MADE}")
    sku, prefix = wish.maybe("sku"), wish.text("sku_prefix", "SKU-")
    if count is not None and sku is not None:
        raise WrongWish("'count' numbers the SKUs: use 'sku_prefix' in place of 'sku'")
    region, stores = _places(partner, wish)
    now = stage.clock.now()
    pattern = Listing(
        partner_id=partner.selling_partner_id,
        seller_id=seller_id,
        region=region,
        sku=sku or "",
        product_type=wish.text("product_type", "PRODUCT"),
        asin="",
        created_at=now,
        updated_at=now,
        vendor=partner.kind == "vendor",
        listed_at={one.id: now for one in stores},
    )
    name, asin = wish.maybe("name"), wish.maybe("asin")
    if asin is not None and count is not None and count > 1:
        raise WrongWish("'asin' belongs to one listing")
    pattern = _terms(change(pattern, wish), wish)
    numbers = range(1, (count or 1) + 1)
    for number in numbers:
        told = (
            sku if sku is not None else f"{prefix}{number if count else stage.world.next_number()}"
        )
        listing = replace(
            pattern,
            sku=told,
            asin=asin or asin_for(seller_id, told),
            attributes=dict(pattern.attributes),
            listed_at=dict(pattern.listed_at),
            issues=list(pattern.issues),
        )
        listing.attributes.setdefault("item_name", _named(name or f"Item {told}", stores))
        yield listing


def _places(partner: Partner, wish: Wish) -> tuple[Region, list[Marketplace]]:
    """Marketplaces of one region: those that are wished, or all of the home region that the partner
    trades in; of a vendor, its home."""
    home = partner.home
    if home.region is None:
        raise WrongWish(f"{home.id} belongs to no region")
    if wish.has("marketplaces"):
        stores = [store(told) for told in wish.texts("marketplaces")]
    elif partner.kind == "vendor":
        stores = [home]
    else:
        stores = [marketplaces.find(where) for where in trades_in(partner, home.region)]
    regions = {one.region for one in stores}
    if len(regions) != 1:
        raise WrongWish("'marketplaces' must be of one region, and at least one")
    region = regions.pop()
    if region is None:
        raise WrongWish(f"{stores[0].id} is no store of the Selling Partner API")
    return region, stores


def _terms(listing: Listing, wish: Wish) -> Listing:
    """A seller's new listing has a stock, a price and a condition if nothing else is wished."""
    if listing.vendor:
        return listing
    where = list(listing.listed_at)
    if not wish.has("stock") and FULFILLMENT not in listing.attributes:
        _set_stock(listing, 10)
    if not wish.has("price") and OFFER not in listing.attributes:
        _set_price(listing, 19.99)
    listing.attributes.setdefault(
        "condition_type", [{"value": "new_new", "marketplace_id": one} for one in where]
    )
    return listing


def _named(name: str, stores: list[Marketplace]) -> list[Value]:
    return [
        {"value": name, "language_tag": one.language, "marketplace_id": one.id} for one in stores
    ]


def change(listing: Listing, wish: Wish) -> Listing:
    """A changed copy. Raises WrongWish."""
    changed = copy(listing)
    changed.attributes = dict(listing.attributes)
    if wish.has("attributes"):
        _set_attributes(changed, wish.raw("attributes"))
    if wish.has("product_type"):
        changed.product_type = wish.text("product_type")
    if wish.has("asin"):
        changed.asin = wish.maybe("asin") or ""
    if wish.has("name"):
        name = wish.maybe("name")
        stores = [marketplaces.find(where) for where in changed.listed_at]
        if name is not None:
            changed.attributes["item_name"] = _named(name, stores)
    if wish.has("stock"):
        _set_stock(changed, wish.raw("stock"))
    if wish.has("price"):
        _set_price(changed, wish.raw("price"))
    if wish.has("cost_price"):
        changed.cost_price = _cost(wish.raw("cost_price"), changed)
    if wish.has("issues"):
        try:
            rows = records(wish.raw("issues"), "issues")
            changed.issues = [listing_records.read_issue(row) for row in rows]
        except ValueError as wrong:
            raise WrongWish(str(wrong)) from None
    return changed


def _set_attributes(listing: Listing, told: Any) -> None:
    """Whole attributes by name, in Amazon's shape; null takes one away."""
    if not isinstance(told, dict):
        raise WrongWish("'attributes' must be an object")
    try:
        given = {name: values for name, values in told.items() if values is not None}
        listing.attributes |= listing_records.read_attributes(given, "attributes")
    except ValueError as wrong:
        raise WrongWish(str(wrong)) from None
    for name in told:
        if told[name] is None:
            listing.attributes.pop(name, None)


def _set_stock(listing: Listing, told: Any) -> None:
    if listing.vendor:
        raise WrongWish("a vendor's listing has no stock")
    rows = told if isinstance(told, dict) else {"DEFAULT": told}
    for channel, quantity in rows.items():
        if not channel or type(quantity) is not int or not 0 <= quantity <= 2_147_483_647:
            raise WrongWish("'stock' must be a whole number or {channel: whole number}")
        value: Value = {"fulfillment_channel_code": channel}
        if channel.startswith("AMAZON"):
            listing.amazon_stock = quantity
        else:
            value["quantity"] = quantity
        _patch(listing, Patch("merge", FULFILLMENT, (value,)))


def _set_price(listing: Listing, told: Any) -> None:
    if listing.vendor:
        raise WrongWish("a vendor's listing has no price, but a 'cost_price'")
    rows = told if isinstance(told, dict) else dict.fromkeys(listing.listed_at, told)
    for name, amount in rows.items():
        place = store(name)
        if place.id not in listing.listed_at:
            raise WrongWish(f"the listing is not in {name}")
        offer: Value = {"marketplace_id": place.id, "audience": "ALL", "currency": place.currency}
        if amount is None:
            _patch(listing, Patch("delete", OFFER, (offer,)))
            continue
        if type(amount) not in (int, float) or not 0 < amount < 10**12:
            raise WrongWish("'price' must be a number or {marketplace: number or null}")
        offer["our_price"] = [{"schedule": [{"value_with_tax": amount}]}]
        _patch(listing, Patch("merge", OFFER, (offer,)))


def _patch(listing: Listing, patch: Patch) -> None:
    values = patched(listing.attributes.get(patch.attribute, ()), patch, tuple(listing.listed_at))
    if values:
        listing.attributes[patch.attribute] = values
    else:
        listing.attributes.pop(patch.attribute, None)


def _cost(told: Any, listing: Listing) -> tuple[str, str] | None:
    if told is None:
        return None
    try:
        amount = Decimal(str(told))
    except InvalidOperation:
        raise WrongWish("'cost_price' must be a number") from None
    if isinstance(told, bool) or not amount.is_finite() or not 0 <= amount < 10**12:
        raise WrongWish("'cost_price' must be a number")
    currency = marketplaces.find(next(iter(listing.listed_at))).currency
    return str(amount.quantize(Decimal("0.01"))), currency
