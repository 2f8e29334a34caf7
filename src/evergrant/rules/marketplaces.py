"""Amazon's stores: ids, regions, endpoints and the hosts where consent is given.

Answers for: the table and the lookups in it. Does not answer for: what an account participates
in; Amazon reports that, and may report marketplaces that no table knows.

Sources: marketplace ids: Amazon's page "marketplace-ids" (23 stores). Endpoints: page
"sp-api-endpoints". Hosts: the developer guide, the official auth-lifecycle sample and the pages
"seller-central-urls" and "vendor-central-urls". Amazon moves such things, so operators can
override every one of them (`overridden`) without waiting for us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import quote, urlencode

from evergrant.rules.faults import Fault

__all__ = [
    "STANDARD",
    "Marketplace",
    "Marketplaces",
    "PartnerKind",
    "Region",
    "VendorKind",
    "consent_url",
    "country_code",
]


class PartnerKind(StrEnum):
    SELLER = "seller"
    VENDOR = "vendor"


class VendorKind(StrEnum):
    RETAIL = "retail"  # Amazon buys and sells
    DIRECT_FULFILLMENT = "direct_fulfillment"  # the vendor ships to Amazon's customers


class Region(StrEnum):
    """One consent covers all marketplaces of a region."""

    NA = "na"
    EU = "eu"
    FE = "fe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marketplace:
    """One store. Centrals are origins (``https://…``), empty where none is known."""

    country_code: str
    marketplace_id: str
    name: str
    region: Region
    seller_central: str
    vendor_central: str
    currency: str

    def central(self, partner_kind: PartnerKind) -> str:
        return self.seller_central if partner_kind is PartnerKind.SELLER else self.vendor_central


@dataclass(frozen=True, slots=True, kw_only=True)
class Marketplaces:
    """The whole table. Built by `STANDARD` and `overridden`."""

    rows: tuple[Marketplace, ...]
    endpoints: Mapping[Region, str]
    sandbox_endpoints: Mapping[Region, str]
    lwa_url: str = "https://api.amazon.com/auth/o2/token"
    # Hosts where Amazon serves the same pages besides those of the rows.
    more_seller_centrals: frozenset[str] = frozenset()
    more_vendor_centrals: frozenset[str] = frozenset()
    _by_country: Mapping[str, Marketplace] = field(init=False, repr=False, compare=False)
    _by_id: Mapping[str, Marketplace] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_country = {row.country_code: row for row in self.rows}
        object.__setattr__(self, "_by_country", MappingProxyType(by_country))
        by_id = {row.marketplace_id: row for row in self.rows}
        object.__setattr__(self, "_by_id", MappingProxyType(by_id))

    def by_country(self, code: str) -> Marketplace:
        """Raises Fault when there is no such marketplace."""
        found = self._by_country.get(country_code(code))
        if found is None:
            raise Fault(
                "unknown_marketplace",
                f"'{code}' is not a country where Amazon has a store that we know.",
                field="home_marketplace",
                hint=f"Known are: {', '.join(sorted(self._by_country))}.",
            )
        return found

    def by_id(self, marketplace_id: str) -> Marketplace | None:
        """None for an id that nobody told us of; Amazon reports such ids, so it is no fault."""
        return self._by_id.get(marketplace_id)

    def in_region(self, region: Region) -> tuple[Marketplace, ...]:
        return tuple(row for row in self.rows if row.region is region)

    def endpoint(self, region: Region) -> str:
        return self.endpoints[region]

    def consent_origin(self, code: str, partner_kind: PartnerKind) -> str:
        """Where the partner gives consent. Raises Fault when no host is known: for vendors in
        Ireland Amazon publishes none."""
        row = self.by_country(code)
        origin = row.central(partner_kind)
        if not origin:
            others = [r.country_code for r in self.in_region(row.region) if r.central(partner_kind)]
            raise Fault(
                "no_consent_host",
                f"No {partner_kind.value.title()} Central of {row.name} is known.",
                field="home_marketplace",
                hint="Any country of the region serves, as consent is regional: "
                f"{', '.join(others)}. Or name the host in the marketplaces file.",
            )
        return origin

    def central_origins(self, partner_kind: PartnerKind | None = None) -> frozenset[str]:
        """Every origin on which Amazon's own pages of that kind may live."""
        found: set[str] = set()
        if partner_kind is not PartnerKind.VENDOR:
            found |= {row.seller_central for row in self.rows} | self.more_seller_centrals
        if partner_kind is not PartnerKind.SELLER:
            found |= {row.vendor_central for row in self.rows} | self.more_vendor_centrals
        return frozenset(found - {""})


def country_code(text: str) -> str:
    """Upper case, and the one name that we use where two are common: UK for GB."""
    code = text.strip().upper()
    return "UK" if code == "GB" else code


def consent_url(
    origin: str, *, application_id: str, state: str, redirect_uri: str, beta: bool
) -> str:
    """Amazon's consent page. The path is the same in Seller and Vendor Central; there is no
    ``scope``, ``response_type`` or PKCE. Source: developer guide, "website authorization
    workflow", and Amazon's page "website-authorization-workflow"."""
    query = {"application_id": application_id, "state": state, "redirect_uri": redirect_uri}
    if beta:
        query["version"] = "beta"
    return f"{origin}/apps/authorize/consent?{urlencode(query, quote_via=quote, safe='')}"


# --- the standard table ---------------------------------------------------------------------

_EUROPE = "https://sellercentral-europe.amazon.com"


def _origin(central: str, ending: str) -> str:
    if not ending or ending.startswith("https://"):
        return ending
    return f"https://{central}.amazon.{ending}"


# Hosts are given by their endings, "co.jp" for sellercentral.amazon.co.jp, or in full.
def _row(
    code: str, marketplace_id: str, name: str, region: Region, seller: str, vendor: str, money: str
) -> Marketplace:
    return Marketplace(
        country_code=code,
        marketplace_id=marketplace_id,
        name=name,
        region=region,
        seller_central=_origin("sellercentral", seller),
        vendor_central=_origin("vendorcentral", vendor),
        currency=money,
    )


_NA, _EU, _FE = Region.NA, Region.EU, Region.FE

# fmt: off
_ROWS = (
    _row("CA", "A2EUQ1WTGCTBG2", "Canada", _NA, "ca", "ca", "CAD"),
    _row("US", "ATVPDKIKX0DER", "United States", _NA, "com", "com", "USD"),
    _row("MX", "A1AM78C64UM0Y8", "Mexico", _NA, "com.mx", "com.mx", "MXN"),
    _row("BR", "A2Q3Y263D00KWC", "Brazil", _NA, "com.br", "com.br", "BRL"),
    _row("IE", "A28R8C7NBKEWEA", "Ireland", _EU, "ie", "", "EUR"),
    _row("ES", "A1RKKUPIHCS9HS", "Spain", _EU, _EUROPE, "es", "EUR"),
    _row("UK", "A1F83G8C2ARO7P", "United Kingdom", _EU, _EUROPE, "co.uk", "GBP"),
    _row("FR", "A13V1IB3VIYZZH", "France", _EU, _EUROPE, "fr", "EUR"),
    _row("BE", "AMEN7PMS3EDWL", "Belgium", _EU, "com.be", "com.be", "EUR"),
    _row("NL", "A1805IZSGTT6HS", "Netherlands", _EU, "nl", "nl", "EUR"),
    _row("DE", "A1PA6795UKMFR9", "Germany", _EU, _EUROPE, "de", "EUR"),
    _row("IT", "APJ6JRA9NG5V4", "Italy", _EU, _EUROPE, "it", "EUR"),
    _row("SE", "A2NODRKZP88ZB9", "Sweden", _EU, "se", "se", "SEK"),
    _row("ZA", "AE08WJ6YKNBMC", "South Africa", _EU, "co.za", "co.za", "ZAR"),
    _row("PL", "A1C3SOZRARQ6R3", "Poland", _EU, "pl", "pl", "PLN"),
    _row("EG", "ARBP9OOSHTCHU", "Egypt", _EU, "eg", "me", "EGP"),
    _row("TR", "A33AVAJ2PDY3EV", "Turkey", _EU, "com.tr", "com.tr", "TRY"),
    _row("SA", "A17E79C6D8DWNP", "Saudi Arabia", _EU, "sa", "me", "SAR"),
    _row("AE", "A2VIGQ35RCS4UG", "United Arab Emirates", _EU, "ae", "me", "AED"),
    # Vendors in India: the official sample names this host, the developer guide the other.
    _row("IN", "A21TJRUUN4KGV", "India", _EU, "in", "https://www.vendorcentral.in", "INR"),
    _row("SG", "A19VAU5U5O7RUS", "Singapore", _FE, "sg", "com.sg", "SGD"),
    _row("AU", "A39IBJ37TRP1C6", "Australia", _FE, "com.au", "com.au", "AUD"),
    _row("JP", "A1VC38T7YXB528", "Japan", _FE, "co.jp", "co.jp", "JPY"),
)
# fmt: on

STANDARD = Marketplaces(
    rows=_ROWS,
    endpoints=MappingProxyType(
        {r: f"https://sellingpartnerapi-{r.value}.amazon.com" for r in Region}
    ),
    sandbox_endpoints=MappingProxyType(
        {r: f"https://sandbox.sellingpartnerapi-{r.value}.amazon.com" for r in Region}
    ),
    more_seller_centrals=frozenset(
        f"https://sellercentral.amazon.{ending}" for ending in ("de", "co.uk", "fr", "it", "es")
    ),
    more_vendor_centrals=frozenset({"https://vendorcentral.amazon.in"}),
)
