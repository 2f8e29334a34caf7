"""Who lives in the town of the demo: shops and vendors, all invented, and when each of them came.

Answers for: the table. Does not answer for: making it true (`town`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EVENTFUL", "SHOPS", "WAVES", "Shopkeeper"]

_REGION_OF = {
    **dict.fromkeys(("US", "CA", "MX", "BR"), "na"),
    **dict.fromkeys(("JP", "AU", "SG"), "fe"),
}
_LANGUAGE_OF = {"DE": "de", "FR": "fr", "IT": "it", "ES": "es", "MX": "es"}


@dataclass(frozen=True)
class Shopkeeper:
    """``days_ago``: before the present, when it came. ``way``: consent (by the link, on Amazon's
    pages), adopt (a refresh token from elsewhere), asked (the link was mailed), opened (and looked
    at), none. ``granted``: adopted with a consent given so many days ago. ``later``: what becomes
    of it in the last days."""

    name: str
    home: str
    days_ago: int
    way: str = "adopt"
    kind: str = "seller"
    vendor_kind: str = ""
    granted: int | None = None
    later: str = ""
    switched_off: tuple[str, ...] = ()

    @property
    def region(self) -> str:
        return _REGION_OF.get(self.home, "eu")

    @property
    def language(self) -> str:
        return _LANGUAGE_OF.get(self.home, "en")


def _retail(name: str, home: str, days_ago: int, way: str = "adopt") -> Shopkeeper:
    return Shopkeeper(name, home, days_ago, way, kind="vendor", vendor_kind="retail")


def _direct(name: str, home: str, days_ago: int, way: str = "adopt") -> Shopkeeper:
    return Shopkeeper(name, home, days_ago, way, kind="vendor", vendor_kind="direct_fulfillment")


_PRICES = ("update_price",)

SHOPS = (
    # Moved in with a consent of a year ago: lapsed, or renewed in time.
    Shopkeeper("Alder & Finch", "DE", 340, granted=372),
    Shopkeeper("Copper Lantern", "GB", 340, granted=369),
    Shopkeeper("Nordlicht Lampen", "DE", 340, granted=366, later="renewed"),
    # Ending within thirty days.
    Shopkeeper("Petit Atelier Lune", "FR", 340, granted=363),
    Shopkeeper("Sole e Mare", "IT", 340, granted=356),
    Shopkeeper("Quarry Bay Tools", "US", 340, kind="vendor", vendor_kind="retail", granted=349),
    Shopkeeper("Casa Olivar", "ES", 340, "consent", later="trades"),
    Shopkeeper("Harbour Toy Works", "GB", 340),
    # Over the year.
    Shopkeeper("Fjord & Wool", "SE", 320, "consent"),
    Shopkeeper("Meridian Pedals", "US", 320, later="trades"),
    _retail("Juniper Home Goods", "DE", 320),
    Shopkeeper("Old Mill Teas", "GB", 320, switched_off=_PRICES),
    Shopkeeper("Larch Outdoor", "CA", 288),
    Shopkeeper("Pebble & Stone", "DE", 288, "consent", later="refused lines"),
    Shopkeeper("Saffron Pantry", "US", 288),
    _direct("Tinker's Bench", "US", 288),
    Shopkeeper("Violet Paperie", "FR", 250),
    Shopkeeper("Willow Gate Garden", "GB", 250, "consent"),
    Shopkeeper("Yarrow Herbs", "DE", 250, later="revoked"),
    _retail("Zephyr Kites", "IT", 250),
    Shopkeeper("Kumo Stationery", "JP", 214, "consent"),
    Shopkeeper("Banksia Surf", "AU", 214),
    Shopkeeper("Merlion Gadgets", "SG", 214),
    Shopkeeper("Tabby Cat Prints", "US", 182),
    _direct("Granite Kitchenware", "DE", 182),
    Shopkeeper("Little Acorn Baby", "GB", 182, later="uncertain"),
    Shopkeeper("Rio Verde Cafe", "BR", 182),
    Shopkeeper("Cactus & Clay", "MX", 158, "consent"),
    Shopkeeper("Seven Bridges Maps", "DE", 158),
    Shopkeeper("Tall Pine Audio", "CA", 158, switched_off=_PRICES),
    _retail("Hearthstone Brushes", "FR", 158),
    Shopkeeper("Umbrella Street", "GB", 121),
    Shopkeeper("Maple Row Books", "CA", 121, "consent", later="trades"),
    Shopkeeper("Indigo Thread", "JP", 121),
    Shopkeeper("Lemon Tree Deli", "IT", 121),
    Shopkeeper("Fox & Fern", "GB", 92),
    Shopkeeper("Windmill Bakehouse", "NL", 92, "consent"),
    _direct("Bright Harbor Lamps", "US", 92),
    Shopkeeper("Silver Birch Skis", "SE", 92),
    Shopkeeper("Garnet & Glass", "PL", 63),
    Shopkeeper("Bluebell Bikes", "GB", 63, later="closed"),
    Shopkeeper("Tidewater Tackle", "US", 63, "consent"),
    _retail("Oakum Ropes", "GB", 63),
    Shopkeeper("Pine Needle Press", "DE", 31),
    Shopkeeper("Marigold Soap", "FR", 31, "consent"),
    Shopkeeper("Terracotta Pots", "ES", 31, later="revoked"),
    Shopkeeper("Lantern Fish Games", "US", 12, "consent"),
    Shopkeeper("Moss & Mortar", "GB", 12),
    # On their way.
    Shopkeeper("Grand Canal Leather", "IT", 12, "asked"),
    Shopkeeper("Red Kite Drones", "GB", 12, "opened"),
    Shopkeeper("Hazel & Rye", "DE", 12, "asked"),
    Shopkeeper("Candle Alley", "US", 3, "opened"),
    Shopkeeper("Atelier Brume", "FR", 3, "none", later="bounced"),
    Shopkeeper("Stonecrop Seeds", "DE", 3, "none", later="wrong shop"),
    Shopkeeper("Cloudberry Jam", "SE", 3, "none", later="at amazon"),
    Shopkeeper("Salt & Sail", "ES", 3, "asked"),
    _retail("Pewter & Pine", "US", 3, "asked"),
    Shopkeeper("Button Box", "GB", 3, "none"),
)

#: Those to whom more happens than that they are connected.
EVENTFUL = tuple(
    one
    for one in SHOPS
    if one.later or one.granted or one.switched_off or one.way in ("asked", "opened", "none")
)

#: Days before the present on which somebody comes, the earliest first.
WAVES = tuple(sorted({one.days_ago for one in SHOPS}, reverse=True))
