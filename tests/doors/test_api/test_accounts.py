"""Accounts over ``/v1``: add, find, change, send the link, close."""

from __future__ import annotations

from typing import Any

import httpx2

from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House, account_wish

Json = dict[str, Any]


async def test_an_account_is_added_and_shown(caller: httpx2.AsyncClient, account: Json) -> None:
    assert account["authorization"]["state"] == "awaiting"
    assert account["authorization"]["needs_consent"] is True
    assert account["oauth_began"] is False
    assert set(account["flags"].values()) == {True}
    shown = await caller.get(f"/v1/accounts/{account['id']}")
    assert shown.status_code == 200
    assert shown.json() == {k: v for k, v in account.items() if k != "lwa_client_id"}
    assert shown.headers["cache-control"] == "no-store"
