"""API keys, connection keys and who the caller is, over ``/v1``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2

from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House

Json = dict[str, Any]


async def test_a_key_knows_whom_it_stands_for(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    narrow = await house.caller(Right.READ, instance=account["client_instance_id"])
    told = (await narrow.get("/v1/whoami")).json()
    assert told["kind"] == "api_key"
    assert told["id"].startswith("key_")
    assert told["rights"] == ["read"]
    assert told["client_instance_id"] == account["client_instance_id"]
    assert (await caller.get("/v1/whoami")).json()["client_instance_id"] is None


async def test_an_api_key_is_made_shown_once_and_revoked(
    house: House, caller: httpx2.AsyncClient
) -> None:
    ends_at = house.clock.now() + timedelta(days=30)
    made = await caller.post(
        "/v1/api-keys",
        json={"name": "ERP", "rights": ["read"], "expires_at": ends_at.isoformat()},
    )
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    program = await house.caller(key=secret)
    assert (await program.get("/v1/accounts")).status_code == 200
    listed = await caller.get("/v1/api-keys")
    assert secret not in listed.text
    mine = next(one for one in listed.json()["items"] if one["id"] == made.json()["id"])
    assert mine["rights"] == ["read"]
    for _ in range(2):
        assert (await caller.delete(f"/v1/api-keys/{mine['id']}")).status_code == 204
    house.clock.move(seconds=2)
    refused = await program.get("/v1/accounts")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_nobody_gives_rights_that_they_lack(house: House) -> None:
    manager = await house.caller(Right.MANAGE)
    refused = await manager.post("/v1/api-keys", json={"name": "x", "rights": ["read", "manage"]})
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["code"] == "more_than_own"
    reader = await house.caller(Right.READ, Right.WRITE, Right.ACCESS_TOKENS)
    for method, path in (("GET", "/v1/api-keys"), ("DELETE", f"/v1/api-keys/key_{'0' * 26}")):
        assert (await reader.request(method, path)).status_code == 403


async def test_a_connection_key_stands_for_one_account(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/connection-keys"
    made = await caller.post(path, json={"name": "sdk"})
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    assert await house.desk.people.account_of(secret) == account["id"]
    listed = await caller.get(path)
    assert secret not in listed.text
    assert [one["name"] for one in listed.json()["items"]] == ["sdk"]

    other = await house.account(caller, account["application_id"], account["client_instance_id"])
    own = f"{path}/{made.json()['id']}"
    foreign = own.replace(account["id"], other["id"])
    assert (await caller.delete(foreign)).status_code == 404
    assert await house.desk.people.account_of(secret) == account["id"]
    for _ in range(2):
        assert (await caller.delete(own)).status_code == 204
    assert await house.desk.people.account_of(secret) is None
    assert (await caller.get(path)).json()["items"][0]["revoked_at"] is not None


async def test_a_connection_key_opens_no_door_here(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/connection-keys"
    secret = (await caller.post(path, json={})).json()["secret"]
    program = await house.caller(key=secret)
    assert (await program.get("/v1/whoami")).status_code == 401
