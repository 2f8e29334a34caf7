"""The 23 stores of the Selling Partner API: ids, regions and what the Sellers API says of them.

Source of ids and regions: Amazon's page 'marketplace-ids'. Country codes are ISO 3166 as the
Sellers API model demands, so the United Kingdom is GB; on the way in, UK is understood too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ODD", "REGIONS", "Marketplace", "Region", "find", "region_of", "usual_for"]

Region = Literal["na", "eu", "fe"]
REGIONS: tuple[Region, ...] = ("na", "eu", "fe")


@dataclass(frozen=True)
class Marketplace:
    """One store. ``region`` is None for odd ids that belong to no SP-API store."""

    id: str
    country_code: str
    name: str
    currency: str
    language: str
    domain: str
    region: Region | None

    def as_json(self) -> dict[str, str]:
        """The `Marketplace` of the Sellers API v1 model."""
        return {
            "id": self.id,
            "name": self.name,
            "countryCode": self.country_code,
            "defaultCurrencyCode": self.currency,
            "defaultLanguageCode": self.language,
            "domainName": self.domain,
        }


def _store(
    region: Region, code: str, id: str, currency: str, language: str, domain: str
) -> Marketplace:
    host = domain.removeprefix("www.")
    return Marketplace(id, code, f"A{host[1:]}", currency, language, domain, region)


STORES: tuple[Marketplace, ...] = (
    _store("na", "CA", "A2EUQ1WTGCTBG2", "CAD", "en_CA", "www.amazon.ca"),
    _store("na", "US", "ATVPDKIKX0DER", "USD", "en_US", "www.amazon.com"),
    _store("na", "MX", "A1AM78C64UM0Y8", "MXN", "es_MX", "www.amazon.com.mx"),
    _store("na", "BR", "A2Q3Y263D00KWC", "BRL", "pt_BR", "www.amazon.com.br"),
    _store("eu", "IE", "A28R8C7NBKEWEA", "EUR", "en_IE", "www.amazon.ie"),
    _store("eu", "ES", "A1RKKUPIHCS9HS", "EUR", "es_ES", "www.amazon.es"),
    _store("eu", "GB", "A1F83G8C2ARO7P", "GBP", "en_GB", "www.amazon.co.uk"),
    _store("eu", "FR", "A13V1IB3VIYZZH", "EUR", "fr_FR", "www.amazon.fr"),
    _store("eu", "BE", "AMEN7PMS3EDWL", "EUR", "fr_BE", "www.amazon.com.be"),
    _store("eu", "NL", "A1805IZSGTT6HS", "EUR", "nl_NL", "www.amazon.nl"),
    _store("eu", "DE", "A1PA6795UKMFR9", "EUR", "de_DE", "www.amazon.de"),
    _store("eu", "IT", "APJ6JRA9NG5V4", "EUR", "it_IT", "www.amazon.it"),
    _store("eu", "SE", "A2NODRKZP88ZB9", "SEK", "sv_SE", "www.amazon.se"),
    _store("eu", "ZA", "AE08WJ6YKNBMC", "ZAR", "en_ZA", "www.amazon.co.za"),
    _store("eu", "PL", "A1C3SOZRARQ6R3", "PLN", "pl_PL", "www.amazon.pl"),
    _store("eu", "EG", "ARBP9OOSHTCHU", "EGP", "ar_AE", "www.amazon.eg"),
    _store("eu", "TR", "A33AVAJ2PDY3EV", "TRY", "tr_TR", "www.amazon.com.tr"),
    _store("eu", "SA", "A17E79C6D8DWNP", "SAR", "ar_AE", "www.amazon.sa"),
    _store("eu", "AE", "A2VIGQ35RCS4UG", "AED", "en_AE", "www.amazon.ae"),
    _store("eu", "IN", "A21TJRUUN4KGV", "INR", "en_IN", "www.amazon.in"),
    _store("fe", "SG", "A19VAU5U5O7RUS", "SGD", "en_SG", "www.amazon.sg"),
    _store("fe", "AU", "A39IBJ37TRP1C6", "AUD", "en_AU", "www.amazon.com.au"),
    _store("fe", "JP", "A1VC38T7YXB528", "JPY", "ja_JP", "www.amazon.co.jp"),
)

# An id that real answers carry for stores outside the API ("non-amazon" marketplaces).
ODD = Marketplace(
    "A38D8NSA03LJTC", "DE", "Non-Amazon DE", "EUR", "de_DE", "siprod.stores.amazon.de", None
)

_BY_CODE = {store.country_code: store for store in STORES}
_BY_ID = {store.id: store for store in (*STORES, ODD)}

# What a seller has whose partner was made with a home and nothing else.
_NEIGHBOURS = {
    "na": ("US", "CA", "MX"),
    "eu": ("DE", "FR", "IT", "ES"),
    "fe": (),
}


def find(code_or_id: str) -> Marketplace:
    """A store by its country code (UK or GB) or marketplace id.

    Raises ValueError when it is neither."""
    wanted = code_or_id.strip()
    code = "GB" if wanted.upper() == "UK" else wanted.upper()
    found = _BY_CODE.get(code) or _BY_ID.get(wanted)
    if found is None:
        raise ValueError(
            f"{code_or_id!r} is neither a country code of a store nor a marketplace id"
        )
    return found


def usual_for(home: Marketplace) -> list[Marketplace]:
    """The stores that a seller with this home usually has: the home first."""
    others = () if home.region is None else _NEIGHBOURS[home.region]
    return [home, *(_BY_CODE[code] for code in others if code != home.country_code)]


def region_of(id: str) -> Region | None:
    """The region of a marketplace id; None for one that is no store of the API."""
    store = _BY_ID.get(id)
    return None if store is None else store.region
