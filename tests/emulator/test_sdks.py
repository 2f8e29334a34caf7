"""The two Python SDKs that people use read participations with nothing but addresses changed.

The recipes are those of packages/emulator/README.md.
"""

from __future__ import annotations

import gc
import logging
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from amazon_emulator import Emulator
from tests.emulator.conftest import House

pytestmark = [
    # Both leave connections open and use what their own dependencies call old.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=["gentle", "harsh"])
def shop(request: pytest.FixtureRequest, house: House) -> Any:
    """A house with a connected seller; once with unknown fields and odd header case."""
    house.amazon.levers.habits(gentle=request.param == "gentle")
    seller = house.seller(marketplaces=["DE", "FR", "A38D8NSA03LJTC"])
    yield SimpleNamespace(house=house, refresh_token=house.grant(seller))
    gc.collect()


def official(amazon: Emulator, client: dict[str, str], refresh_token: str) -> list[str]:
    level = logging.getLogger().level
    from spapi import SPAPIClient
    from spapi.api.sellers_v1.sellers_api import SellersApi
    from spapi.auth.credentials import SPAPIConfig

    logging.getLogger().setLevel(level)  # importing the SDK turns everybody's logging up
    config = SPAPIConfig(**client, refresh_token=refresh_token, region="EU")
    sdk = SPAPIClient(
        config,
        oauth_endpoint=f"{amazon.addresses['lwa']}/auth/o2/token",
        endpoint=amazon.addresses["eu"],
    )
    answer = SellersApi(sdk.api_client).get_marketplace_participations()
    return [row.marketplace.country_code for row in answer.payload]


def community(amazon: Emulator, client: dict[str, str], refresh_token: str) -> list[str]:
    from sp_api.api import Sellers
    from sp_api.auth import AccessTokenClient

    class EmulatedLogin(AccessTokenClient):  # type: ignore[misc]  # untyped library
        scheme = "http://"
        host = urlsplit(amazon.addresses["lwa"]).netloc

    europe = SimpleNamespace(
        endpoint=amazon.addresses["eu"], marketplace_id="A1PA6795UKMFR9", region="eu-west-1"
    )
    sellers = Sellers(
        marketplace=europe,
        refresh_token=refresh_token,
        credentials={
            "lwa_app_id": client["client_id"],
            "lwa_client_secret": client["client_secret"],
        },
        auth_token_client_class=EmulatedLogin,
    )
    answer = sellers.get_marketplace_participation()
    return [row["marketplace"]["countryCode"] for row in answer.payload]


@pytest.mark.parametrize("read", [official, community])
def test_reads_participations(shop: Any, read: Any) -> None:
    assert read(shop.house.amazon, shop.house.client, shop.refresh_token) == ["DE", "FR", "DE"]
    levers = shop.house.amazon.levers
    assert levers.count(kind="lwa.refresh", status=200) == 1
    assert levers.count(kind="spapi.getMarketplaceParticipations", status=200) == 1
