"""What sellers and vendors list: attributes, stock, prices, issues, status.

Answers for: the listings of one world, known by region, seller and SKU. What Amazon would object to
is in `listing_rules`; who asks and how is told is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage

__all__ = ["Catalogue", "Listing"]


@dataclass
class Listing:
    """One SKU of one seller (merchant token) or vendor (vendor code) in one region.

    ``attributes``: Amazon's shape, lists of objects by attribute name; ``listed_at``: since when,
    by marketplace id."""

    partner_id: str
    seller_id: str
    region: Region
    sku: str
    product_type: str
    asin: str
    created_at: datetime
    updated_at: datetime
    attributes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    listed_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def marketplace_ids(self) -> tuple[str, ...]:
        return tuple(self.listed_at)


@dataclass
class Catalogue:
    """All listings of the world: ``stage.of(Catalogue)``."""

    listings: dict[tuple[Region, str, str], Listing] = field(default_factory=dict)

    def get(self, region: Region, seller_id: str, sku: str) -> Listing | None:
        return self.listings.get((region, seller_id, sku))

    def of(self, partner_id: str, region: Region | None = None) -> Iterator[Listing]:
        """All of a partner, in the order of making."""
        for known in self.listings.values():
            if known.partner_id == partner_id and region in (None, known.region):
                yield known

    def keep(self, listings: Iterable[Listing]) -> None:
        for one in listings:
            self.listings[one.region, one.seller_id, one.sku] = one

    def as_json(self) -> Any:
        return {}

    def load(self, stage: Stage, given: Any) -> None:
        """Raises ValueError that names the place."""
