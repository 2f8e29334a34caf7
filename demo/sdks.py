"""The two Python SDKs that people use today, reading through Evergrant.

Unchanged but for their addresses: the token address is Evergrant's, where client secret and refresh
token are keys of Evergrant; the API address is Amazon's (here: the emulator's). Neither program
holds a secret of Amazon.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Access:
    """What a program of the house is given instead of Amazon's secrets."""

    evergrant_url: str
    endpoint: str  # SP-API of the region
    client_id: str  # any name that the house recognises in its logs
    api_key: str  # stands where an SDK wants the client secret
    connection_key: str  # stands where an SDK wants the refresh token


def official_sdk(access: Access) -> list[str]:
    """`amzn-sp-api`, Amazon's own Python SDK."""
    root_level = logging.getLogger().level
    from spapi import SPAPIClient
    from spapi.api.sellers_v1.sellers_api import SellersApi
    from spapi.auth.credentials import SPAPIConfig

    logging.getLogger().setLevel(root_level)  # the SDK turns everybody's logging up on import
    config = SPAPIConfig(
        client_id=access.client_id,
        client_secret=access.api_key,
        refresh_token=access.connection_key,
        region="EU",
    )
    client = SPAPIClient(
        config,
        oauth_endpoint=f"{access.evergrant_url}/auth/o2/token",
        endpoint=access.endpoint,
    )
    answer = SellersApi(client.api_client).get_marketplace_participations()
    return [row.marketplace.country_code for row in answer.payload]


def python_amazon_sp_api(access: Access) -> list[str]:
    """`python-amazon-sp-api`, the community's."""
    from sp_api.api import Sellers
    from sp_api.auth import AccessTokenClient

    address = urlsplit(access.evergrant_url)

    class ThroughEvergrant(AccessTokenClient):  # type: ignore[misc]  # untyped library
        scheme = f"{address.scheme}://"
        host = address.netloc

    europe = SimpleNamespace(
        endpoint=access.endpoint, marketplace_id="A1PA6795UKMFR9", region="eu-west-1"
    )
    sellers = Sellers(
        marketplace=europe,
        refresh_token=access.connection_key,
        credentials={"lwa_app_id": access.client_id, "lwa_client_secret": access.api_key},
        auth_token_client_class=ThroughEvergrant,
    )
    answer = sellers.get_marketplace_participation()
    return [row["marketplace"]["countryCode"] for row in answer.payload]
