from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import (
    STANDARD,
    Marketplace,
    PartnerKind,
    Region,
    consent_url,
    country_code,
)

SELLER, VENDOR = PartnerKind.SELLER, PartnerKind.VENDOR


def test_all_23_stores_are_there_once() -> None:
    assert len(STANDARD.rows) == 23
    assert len({row.country_code for row in STANDARD.rows}) == 23
    assert len({row.marketplace_id for row in STANDARD.rows}) == 23


def test_regions_have_the_countries_that_amazon_gives_them() -> None:
    countries = {
        region: {row.country_code for row in STANDARD.in_region(region)} for region in Region
    }
    assert countries[Region.NA] == {"CA", "US", "MX", "BR"}
    assert countries[Region.FE] == {"SG", "AU", "JP"}
    assert len(countries[Region.EU]) == 16


@pytest.mark.parametrize(
    ("code", "marketplace_id"),
    [("DE", "A1PA6795UKMFR9"), ("US", "ATVPDKIKX0DER"), ("JP", "A1VC38T7YXB528"),
     ("UK", "A1F83G8C2ARO7P"), ("IE", "A28R8C7NBKEWEA")],
)  # fmt: skip
def test_known_ids(code: str, marketplace_id: str) -> None:
    assert STANDARD.by_country(code).marketplace_id == marketplace_id
    found = STANDARD.by_id(marketplace_id)
    assert found is not None
    assert found.country_code == code


def test_an_unknown_marketplace_id_is_no_fault() -> None:
    assert STANDARD.by_id("A38D8NSA03LJTC") is None


def test_gb_and_small_letters_are_understood() -> None:
    assert country_code(" gb ") == "UK"
    assert STANDARD.by_country("gb") is STANDARD.by_country("UK")


def test_an_unknown_country_names_those_that_are_known() -> None:
    with pytest.raises(Fault, match="'XX' is not a country") as caught:
        STANDARD.by_country("XX")
    assert "DE" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("code", "kind", "origin"),
    [
        ("DE", SELLER, "https://sellercentral-europe.amazon.com"),
        ("NL", SELLER, "https://sellercentral.amazon.nl"),
        ("US", SELLER, "https://sellercentral.amazon.com"),
        ("JP", SELLER, "https://sellercentral.amazon.co.jp"),
        ("DE", VENDOR, "https://vendorcentral.amazon.de"),
        ("AE", VENDOR, "https://vendorcentral.amazon.me"),
        ("IN", VENDOR, "https://www.vendorcentral.in"),
        ("AU", VENDOR, "https://vendorcentral.amazon.com.au"),
    ],
)
def test_consent_hosts(code: str, kind: PartnerKind, origin: str) -> None:
    assert STANDARD.consent_origin(code, kind) == origin


def test_every_store_has_a_seller_central_and_only_ireland_no_vendor_central() -> None:
    assert all(row.seller_central.startswith("https://") for row in STANDARD.rows)
    assert [row.country_code for row in STANDARD.rows if not row.vendor_central] == ["IE"]


def test_a_vendor_in_ireland_is_told_of_the_other_countries() -> None:
    with pytest.raises(Fault, match=r"No Vendor Central of Ireland") as caught:
        STANDARD.consent_origin("IE", VENDOR)
    assert "UK" in (caught.value.hint or "")
    assert "US" not in (caught.value.hint or "")


def test_central_origins_know_the_alternates_and_keep_the_kinds_apart() -> None:
    sellers, vendors = STANDARD.central_origins(SELLER), STANDARD.central_origins(VENDOR)
    assert "https://sellercentral.amazon.de" in sellers
    assert "https://vendorcentral.amazon.in" in vendors
    assert not sellers & vendors
    assert STANDARD.central_origins() == sellers | vendors
    assert "" not in STANDARD.central_origins()


@pytest.mark.parametrize("region", Region)
def test_endpoints(region: Region) -> None:
    assert STANDARD.endpoint(region) == f"https://sellingpartnerapi-{region}.amazon.com"
    assert STANDARD.sandbox_endpoints[region].startswith("https://sandbox.")


def test_the_consent_url_carries_what_amazon_reads_and_nothing_else() -> None:
    url = consent_url(
        "https://sellercentral.amazon.nl",
        application_id="amzn1.sp.solution.1",
        state="a+b/c=",
        redirect_uri="https://erp.example/callback?x=1&y=2",
        beta=True,
    )
    parts = urlsplit(url)
    assert (parts.netloc, parts.path) == ("sellercentral.amazon.nl", "/apps/authorize/consent")
    assert parse_qsl(parts.query) == [
        ("application_id", "amzn1.sp.solution.1"),
        ("state", "a+b/c="),
        ("redirect_uri", "https://erp.example/callback?x=1&y=2"),
        ("version", "beta"),
    ]


def test_a_published_application_does_not_say_beta() -> None:
    url = consent_url(
        "https://x.example", application_id="a", state="s", redirect_uri="r", beta=False
    )
    assert "version" not in url


def test_a_row_knows_its_centrals_by_kind() -> None:
    row: Marketplace = STANDARD.by_country("UK")
    assert row.central(SELLER) == row.seller_central
    assert row.central(VENDOR) == row.vendor_central
