"""One listing: attributes, stock, price, issues, status.

Answers for: what can be read off a listing, and whose it can be. Amazon's shapes are of the
Listings Items 2021-08-01 model and its feed schema. Where all listings stand is `catalogue`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from amazon_emulator import marketplaces
from amazon_emulator.marketplaces import Region
from amazon_emulator.trade.listings import issues as listing_issues
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.patches import FULFILLMENT, OFFER, Value
from amazon_emulator.world import Partner

__all__ = ["Listing", "Price", "asin_for", "seller_ids", "trades_in"]

_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WHOLE = frozenset({"JPY"})


@dataclass(frozen=True)
class Price:
    """The amount as Amazon writes it: decimal text, as many places as the currency has."""

    amount: str
    currency: str
    marketplace_id: str
    audience: str

    @classmethod
    def of(cls, offer: Value) -> Price | None:
        """The `our_price` of one purchasable_offer; None when it has none, or is no offer."""
        try:
            told = offer["our_price"][0]["schedule"][0]["value_with_tax"]
        except (KeyError, IndexError, TypeError):
            return None
        if type(told) not in (int, float) or not abs(told) < 10**15:  # never so for NaN
            return None
        currency = offer.get("currency") or ""
        marketplace_id, audience = offer.get("marketplace_id", ""), offer.get("audience", "ALL")
        # Levers and world files write attributes as they like.
        if not all(isinstance(one, str) for one in (currency, marketplace_id, audience)):
            return None
        places = Decimal(1) if currency in _WHOLE else Decimal("0.01")
        return cls(
            str(Decimal(str(told)).quantize(places)),
            currency,
            marketplace_id,
            audience,
        )


@dataclass
class Listing:
    """One SKU of one seller (merchant token) or vendor (vendor code) in one region.

    ``attributes``: Amazon's shape, lists of objects by attribute name; the lists and objects are
    never changed in place. ``listed_at``: since when, by marketplace id. ``issues``: those that
    levers put there or that came later; what is missing is told by `standing_issues`.
    ``amazon_stock``: what lies with Amazon, of which no attribute speaks. ``asin``: empty as long
    as Amazon does not know what is offered."""

    partner_id: str
    seller_id: str
    region: Region
    sku: str
    product_type: str
    asin: str
    created_at: datetime
    updated_at: datetime
    vendor: bool = False
    attributes: dict[str, list[Value]] = field(default_factory=dict)
    listed_at: dict[str, datetime] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    amazon_stock: int = 0
    cost_price: tuple[str, str] | None = None  # amount, currency

    def first(self, attribute: str, marketplace_id: str, field: str = "value") -> str | None:
        """One text of an attribute, in this marketplace or in all."""
        for value in self.attributes.get(attribute, ()):
            if value.get("marketplace_id") in (None, marketplace_id):
                told = value.get(field)
                if isinstance(told, str):
                    return told
        return None

    @property
    def channels(self) -> dict[str, int | None]:
        """The quantity by fulfilment channel, as the attributes tell it."""
        told: dict[str, int | None] = {}
        for value in self.attributes.get(FULFILLMENT, ()):
            code = value.get("fulfillment_channel_code")
            if isinstance(code, str):
                quantity = value.get("quantity")
                told[code] = quantity if type(quantity) is int else None
        return told

    @property
    def by_amazon(self) -> bool:
        """Whether Amazon stores and sends it (FBA)."""
        return any(code.startswith("AMAZON") for code in self.channels)

    @property
    def stock(self) -> int:
        """How many pieces can be sold, over all channels."""
        told, by_amazon = 0, False
        for code, quantity in self.channels.items():
            if code.startswith("AMAZON"):
                by_amazon = True
            else:
                told += quantity or 0
        return told + self.amazon_stock if by_amazon else told

    def prices(self) -> list[Price]:
        told = (Price.of(value) for value in self.attributes.get(OFFER, ()))
        return [price for price in told if price is not None]

    def price(self, marketplace_id: str, audience: str = "ALL") -> Price | None:
        for value in self.attributes.get(OFFER, ()):
            if (
                value.get("marketplace_id") == marketplace_id
                and value.get("audience", "ALL") == audience
            ):
                return Price.of(value)
        return None

    def standing_issues(self, marketplace_id: str | None = None) -> list[Issue]:
        """All there are, or those of one marketplace."""
        told = list(self.issues)
        if not self.asin:
            told.append(listing_issues.missing("item_name"))
        if marketplace_id is None:
            return told
        return [issue for issue in told if issue.concerns(marketplace_id)]

    def status(self, marketplace_id: str) -> tuple[str, ...]:
        """BUYABLE: has price and stock, and is a seller's. DISCOVERABLE: Amazon knows what it is.
        Enforcements of issues take one or both away; issues alone do not."""
        if marketplace_id not in self.listed_at or not self.asin:
            return ()
        taken = {
            action
            for issue in self.issues
            if issue.concerns(marketplace_id)
            for action in issue.actions
        }
        if "CATALOG_ITEM_REMOVED" in taken:
            return ()
        told = []
        if (
            not self.vendor
            and "LISTING_SUPPRESSED" not in taken
            and self.stock > 0
            and self.price(marketplace_id) is not None
        ):
            told.append("BUYABLE")
        if "SEARCH_SUPPRESSED" not in taken:
            told.append("DISCOVERABLE")
        return tuple(told)

    def is_identified(self) -> None:
        """Amazon finds or makes the item of its catalogue, once it was told what it is."""
        if self.asin:
            return
        for value in self.attributes.get("merchant_suggested_asin", ()):
            if isinstance(value.get("value"), str):
                self.asin = value["value"]
                return
        if self.attributes.get("item_name"):
            self.asin = asin_for(self.seller_id, self.sku)


def seller_ids(partner: Partner) -> tuple[str, ...]:
    """What the partner may call itself in the Listings Items API and in feeds."""
    return (partner.selling_partner_id, *partner.vendor_codes)


def trades_in(partner: Partner, region: Region) -> tuple[str, ...]:
    """The ids of the marketplaces of a region in which the partner has listings: where a seller
    participates, for vendors every store."""
    if partner.kind == "vendor":
        return tuple(store.id for store in marketplaces.STORES if store.region == region)
    return tuple(
        row.marketplace.id for row in partner.participations if row.marketplace.region == region
    )


def asin_for(seller_id: str, sku: str) -> str:
    """A made-up ASIN, the same for the same SKU of the same seller."""
    number = int.from_bytes(hashlib.sha256(f"{seller_id}\0{sku}".encode()).digest()[:8], "big")
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 36)
        digits += _BASE36[digit]
    return f"B0EM{digits}"
