"""The two Python SDKs that people use, with keys of Evergrant in the place of Amazon's secrets.

Where an SDK wants a client secret it is given an API key (``egk_…``), where it wants a refresh
token a connection key (``egc_…``). With ``gateway`` all its calls go through Evergrant's gateway,
which answers for both of Amazon's addresses; without it, the SDK asks Evergrant for access tokens
and calls Amazon itself. Each function needs its SDK installed; nothing else here does.

For grantless operations leave the connection key out and give the application's id at Evergrant
(``app_…``) as ``client_id``; the API key has to be bound to no client instance.
"""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from evergrant_client.protocol import checked_address, checked_key

__all__ = ["official", "official_restricted", "python_amazon_sp_api"]

CLIENT_ID = "evergrant-client"
_LOGIN = "/auth/o2/token"
#: A token that lives shorter than this is asked for again.
_MARGIN_S = 60
_MOST_REMEMBERED = 10_000


# --- Amazon's own ---------------------------------------------------------------------------------


def official(
    evergrant_url: str,
    api_key: str,
    connection_key: str | None = None,
    *,
    region: str,
    endpoint: str | None = None,
    gateway: str | None = None,
    scope: str | None = None,
    client_id: str = CLIENT_ID,
) -> Any:
    """An ``SPAPIClient`` of ``amzn-sp-api``, Amazon's own SDK; pass its ``api_client`` to any API
    class. ``region`` is "NA", "EU" or "FE"; ``endpoint`` takes the place of the region's.
    ``gateway`` takes the place of both addresses. ``scope`` makes it one for grantless operations
    ("sellingpartnerapi::notifications", for instance)."""
    import logging

    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    from spapi import SPAPIClient, SPAPIConfig

    # On import the SDK turns everybody's logging up.
    root.setLevel(level)
    root.handlers[:] = handlers
    config = SPAPIConfig(
        client_id=client_id,
        client_secret=checked_key(api_key),
        refresh_token=None if scope else connection_key,
        region=region,
        scope=scope,
    )
    login = checked_address(evergrant_url if gateway is None else gateway)
    places = {"oauth_endpoint": f"{login}{_LOGIN}"}
    if gateway is not None:
        endpoint = login
    if endpoint is not None:
        places["endpoint"] = endpoint
    return SPAPIClient(config, **places)


def official_restricted(client: Any, *resources: Mapping[str, Any]) -> Any:
    """The same client, for calls that show personal data. ``resources`` are as the Tokens API takes
    them: ``{"method": "GET", "path": "/orders/v0/orders", "dataElements": ["buyerInfo"]}``. It asks
    for a restricted data token at once, and again when that one ends; through the gateway it is a
    pass of Evergrant's, good for the same calls."""
    from spapi import ApiClient, Configuration, TokensApi

    body = {"restrictedResources": [dict(resource) for resource in resources]}

    def ask() -> tuple[str, float]:
        answer = TokensApi(client.api_client).create_restricted_data_token(body)
        return answer.restricted_data_token, float(answer.expires_in)

    configuration = Configuration()
    configuration.host = client.api_base_url
    configuration.access_token_cache = _Restricted(ask)
    restricted = copy.copy(client)
    restricted.access_token_cache = configuration.access_token_cache
    restricted.api_client = ApiClient(configuration=configuration)
    return restricted


class _Restricted:
    """Stands where the SDK has its ``AccessTokenCache``."""

    def __init__(self, ask: Callable[[], tuple[str, float]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: tuple[str, float] | None = None

    def get_lwa_access_token(self) -> str:
        with self._lock:
            if self._kept is None or self._kept[1] - monotonic() < _MARGIN_S:
                asked_s = monotonic()
                value, expires_in_s = self._ask()
                self._kept = value, asked_s + expires_in_s
            return self._kept[0]


# --- the community's ------------------------------------------------------------------------------


def python_amazon_sp_api(
    evergrant_url: str,
    api_key: str,
    connection_key: str | None = None,
    *,
    gateway: str | None = None,
    marketplace: Any = None,
    asynchronous: bool = False,
    client_id: str = CLIENT_ID,
) -> dict[str, Any]:
    """Keyword arguments for any API class of ``python-amazon-sp-api``::

        Sellers(marketplace=Marketplaces.DE, **python_amazon_sp_api(url, api_key, connection_key))

    With ``gateway`` the marketplace is given here, because the SDK knows Amazon's address by it::

        keys = python_amazon_sp_api(
            url, api_key, connection_key, gateway=gateway, marketplace=Marketplaces.DE
        )
        Sellers(**keys)

    ``asynchronous``: for the classes of ``sp_api.asyncio``. Tokens are remembered for as long as
    they live, and never those of one address or key for another (the SDK by itself keeps ten, for
    3,200 seconds, by refresh token alone). Raises ValueError for what the SDK cannot do.
    """
    login = checked_address(evergrant_url if gateway is None else gateway)
    settings: dict[str, Any] = {
        "refresh_token": connection_key,
        "credentials": {"lwa_app_id": client_id, "lwa_client_secret": checked_key(api_key)},
        "auth_token_client_class": (_asynchronous if asynchronous else _synchronous)(login),
    }
    if gateway is not None:
        settings["marketplace"] = _at_gateway(login, marketplace)
    return settings


def _at_gateway(gateway: str, marketplace: Any) -> Any:
    """What the SDK reads of a marketplace."""
    if marketplace is None:
        raise ValueError(
            "give python_amazon_sp_api the marketplace, too: gateway=..., marketplace=..."
        )
    if urlsplit(gateway).path:
        raise ValueError(
            "python-amazon-sp-api makes its Host header of all that follows https://, and a path "
            "has no place there: give the gateway a port (EVERGRANT_GATEWAY_PORT) or a name "
            "(EVERGRANT_GATEWAY_HOSTS) of its own"
        )
    if os.environ.get("SP_API_DEFAULT_MARKETPLACE"):
        raise ValueError(
            "unset SP_API_DEFAULT_MARKETPLACE: the SDK would take it, and Amazon's address with it"
        )
    return SimpleNamespace(
        endpoint=gateway, marketplace_id=marketplace.marketplace_id, region=marketplace.region
    )


def _synchronous(login: str) -> Any:
    from sp_api.auth import AccessTokenClient, AccessTokenResponse

    address = urlsplit(login)

    class ThroughEvergrant(AccessTokenClient):  # type: ignore[misc]  # untyped library
        scheme = f"{address.scheme}://"
        host = address.netloc
        path = f"{address.path}{_LOGIN}"

        def get_auth(self) -> Any:
            return self._token(self.data)

        def get_grantless_auth(self, scope: str = "sellingpartnerapi::notifications") -> Any:
            return self._token(self.grantless_data(scope))

        def _token(self, data: Mapping[str, Any]) -> Any:
            told = _KEPT.get(login, data)
            if told is None:
                asked_s = monotonic()
                told = self._request(f"{login}{_LOGIN}", data, self.headers)
                _KEPT.put(login, data, told, asked_s)
            return AccessTokenResponse(**told)

    return ThroughEvergrant


def _asynchronous(login: str) -> Any:
    import sp_api.asyncio.base  # noqa: F401  # its auth cannot be imported before it
    from sp_api.asyncio.auth import AccessTokenClient
    from sp_api.auth import AccessTokenResponse

    address = urlsplit(login)

    class ThroughEvergrant(AccessTokenClient):  # type: ignore[misc]  # untyped library
        scheme = f"{address.scheme}://"
        host = address.netloc
        path = f"{address.path}{_LOGIN}"

        async def get_auth(self) -> Any:
            return await self._token(self.data)

        async def get_grantless_auth(self, scope: str = "sellingpartnerapi::notifications") -> Any:
            return await self._token(self.grantless_data(scope))

        async def _token(self, data: Mapping[str, Any]) -> Any:
            async with self._lock:
                told = _KEPT.get(login, data)
                if told is None:
                    asked_s = monotonic()
                    told = await self._request(f"{login}{_LOGIN}", data, self.headers)
                    _KEPT.put(login, data, told, asked_s)
            return AccessTokenResponse(**told)

    return ThroughEvergrant


class _Kept:
    """Answers of ``/auth/o2/token``, by address and everything that was asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[Mapping[str, Any], float]] = {}

    def get(self, login: str, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        with self._lock:
            told, lives_until_s = self._answers.get(_name(login, asked), ({}, 0.0))
        return told if told and lives_until_s - monotonic() > _MARGIN_S else None

    def put(
        self, login: str, asked: Mapping[str, Any], told: Mapping[str, Any], asked_s: float
    ) -> None:
        with self._lock:
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            self._answers[_name(login, asked)] = told, asked_s + float(told.get("expires_in", 0))


def _name(login: str, asked: Mapping[str, Any]) -> str:
    parts = [login, *(f"{name}={asked[name]}" for name in sorted(asked))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


_KEPT = _Kept()
