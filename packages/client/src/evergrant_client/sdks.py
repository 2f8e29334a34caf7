"""The two Python SDKs that people use, with Evergrant in the place of Login with Amazon.

Where an SDK wants a client secret it is given an API key (``egk_…``), where it wants a refresh
token a connection key (``egc_…``). Each function needs its SDK installed; nothing else here does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = ["official", "python_amazon_sp_api"]

CLIENT_ID = "evergrant-client"


def official(
    evergrant_url: str,
    api_key: str,
    connection_key: str,
    *,
    region: str,
    endpoint: str | None = None,
    client_id: str = CLIENT_ID,
) -> Any:
    """An ``SPAPIClient`` of ``amzn-sp-api``, Amazon's own SDK; pass its ``api_client`` to any API
    class. ``region`` is "NA", "EU" or "FE"; ``endpoint`` takes the place of the region's."""
    import logging

    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    from spapi import SPAPIClient, SPAPIConfig

    # On import the SDK turns everybody's logging up.
    root.setLevel(level)
    root.handlers[:] = handlers
    config = SPAPIConfig(
        client_id=client_id,
        client_secret=api_key,
        refresh_token=connection_key,
        region=region,
    )
    places = {"oauth_endpoint": f"{evergrant_url.rstrip('/')}/auth/o2/token"}
    if endpoint is not None:
        places["endpoint"] = endpoint
    return SPAPIClient(config, **places)


def python_amazon_sp_api(
    evergrant_url: str, api_key: str, connection_key: str, *, client_id: str = CLIENT_ID
) -> dict[str, Any]:
    """Keyword arguments for any API class of ``python-amazon-sp-api``::

    Sellers(marketplace=Marketplaces.DE, **python_amazon_sp_api(url, api_key, connection_key))
    """
    from sp_api.auth import AccessTokenClient

    address = urlsplit(evergrant_url.rstrip("/"))

    class ThroughEvergrant(AccessTokenClient):  # type: ignore[misc]  # untyped library
        scheme = f"{address.scheme}://"
        host = address.netloc
        path = f"{address.path}/auth/o2/token"

    return {
        "refresh_token": connection_key,
        "credentials": {"lwa_app_id": client_id, "lwa_client_secret": api_key},
        "auth_token_client_class": ThroughEvergrant,
    }
