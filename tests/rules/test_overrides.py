from __future__ import annotations

from typing import Any

import pytest

from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region
from evergrant.rules.overrides import overridden

SELLER, VENDOR = PartnerKind.SELLER, PartnerKind.VENDOR


def test_nothing_changes_nothing() -> None:
    assert overridden(STANDARD, {}) == STANDARD


def test_a_whole_world_at_one_host_forgets_amazons_own() -> None:
    table = overridden(
        STANDARD,
        {
            "lwa_url": "http://127.0.0.1:9000",
            "all_seller_central": "http://127.0.0.1:9001",
            "all_vendor_central": "http://127.0.0.1:9002",
            "regions": {"eu": {"endpoint": "http://127.0.0.1:9003"}},
        },
    )
    assert table.lwa_url == "http://127.0.0.1:9000/auth/o2/token"
    assert table.central_origins() == {"http://127.0.0.1:9001", "http://127.0.0.1:9002"}
    assert table.consent_origin("IE", VENDOR) == "http://127.0.0.1:9002"
    assert table.endpoint(Region.EU) == "http://127.0.0.1:9003"
    assert table.endpoint(Region.NA) == STANDARD.endpoint(Region.NA)


def test_a_host_that_amazon_moved_is_changed_in_one_place() -> None:
    changes = {"countries": {"IE": {"vendor_central": "https://vendorcentral.amazon.ie"}}}
    table = overridden(STANDARD, changes)
    assert table.consent_origin("IE", VENDOR) == "https://vendorcentral.amazon.ie"
    assert table.consent_origin("IE", SELLER) == STANDARD.consent_origin("IE", SELLER)


def test_a_new_store_can_be_added() -> None:
    new = {
        "marketplace_id": "ANEWSTORE",
        "name": "Switzerland",
        "region": "EU",
        "seller_central": "https://sellercentral.amazon.ch",
        "currency": "CHF",
    }
    table = overridden(STANDARD, {"countries": {"ch": new}})
    assert len(table.rows) == 24
    assert table.by_country("CH").region is Region.EU
    assert table.consent_origin("CH", SELLER) == "https://sellercentral.amazon.ch"


def test_another_lwa_host_keeps_its_path() -> None:
    url = "https://api.amazon.co.uk/auth/o2/token"
    assert overridden(STANDARD, {"lwa_url": url}).lwa_url == url


def test_more_centrals_are_believed_beside_the_others() -> None:
    table = overridden(STANDARD, {"more_seller_centrals": ["https://sellercentral.amazon.xy"]})
    assert "https://sellercentral.amazon.xy" in table.central_origins(SELLER)
    assert "https://sellercentral.amazon.de" in table.central_origins(SELLER)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"lwa": "https://x.example"}, "lwa"),
    ({"lwa_url": 7}, "lwa_url"),
    ({"lwa_url": "http://x.example/auth/o2/token"}, "lwa_url"),
    ({"all_seller_central": "http://central.example"}, "all_seller_central"),
    ({"all_seller_central": "https://central.example/path"}, "all_seller_central"),
    ({"regions": {"eu": {"endpont": "https://x.example"}}}, "regions.eu.endpont"),
    ({"regions": {"asia": {"endpoint": "https://x.example"}}}, "regions.asia"),
    ({"regions": ["eu"]}, "regions"),
    ({"regions": {"eu": "https://x.example"}}, "regions.eu"),
    ({"countries": {"DEU": {}}}, "countries.DEU"),
    ({"countries": {"XX": {"name": "Nowhere"}}}, "countries.XX"),
    ({"countries": {"DE": {"seller_central": "central.example"}}}, "countries.DE.seller_central"),
    ({"countries": {"DE": {"region": "west"}}}, "countries.DE.region"),
    ({"countries": {"DE": {"host": "x"}}}, "countries.DE.host"),
    ({"more_seller_centrals": "https://x.example"}, "more_seller_centrals"),
]


@pytest.mark.parametrize(("data", "key"), WRONG)
def test_the_key_that_is_wrong_is_named(data: dict[str, Any], key: str) -> None:
    with pytest.raises(Fault) as caught:
        overridden(STANDARD, data)
    assert caught.value.field == key
