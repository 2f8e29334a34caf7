"""The helpers for the two SDKs: configured for Evergrant, with nothing else changed."""

from __future__ import annotations

import contextlib
import logging
import secrets

import pytest
import requests

from evergrant_client.sdks import official, python_amazon_sp_api


def keys() -> tuple[str, str]:
    return f"egk_{secrets.token_hex(8)}", f"egc_{secrets.token_hex(8)}"


def test_the_official_sdk_asks_evergrant(monkeypatch: pytest.MonkeyPatch) -> None:
    api_key, connection_key = keys()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    posted: list[tuple[str, dict[str, str]]] = []

    def post(url: str, data: dict[str, str]) -> requests.Response:
        posted.append((url, data))
        answer = requests.Response()
        answer.status_code = 200
        answer._content = b'{"access_token": "a token", "expires_in": 3600}'
        return answer

    monkeypatch.setattr(requests, "post", post)
    client = official(
        "https://evergrant.example/", api_key, connection_key, region="EU", endpoint="http://amazon"
    )
    assert (root.level, root.handlers) == (level, handlers), "the SDK's habit is undone"
    [(url, data)] = posted
    assert url == "https://evergrant.example/auth/o2/token"
    assert (data["client_secret"], data["refresh_token"]) == (api_key, connection_key)
    assert client.api_client.default_headers["x-amz-access-token"] == "a token"


def test_python_amazon_sp_api_asks_evergrant() -> None:
    from sp_api.api import Sellers
    from sp_api.base import Marketplaces

    api_key, connection_key = keys()
    sellers = Sellers(
        marketplace=Marketplaces.DE,
        **python_amazon_sp_api("https://evergrant.example/desk", api_key, connection_key),
    )
    asked = sellers._auth
    with contextlib.closing(asked._transport), contextlib.closing(sellers._transport):
        assert asked.scheme + asked.host + asked.path == (
            "https://evergrant.example/desk/auth/o2/token"
        )
        assert asked.data["client_secret"] == api_key
        assert asked.data["refresh_token"] == connection_key
