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


# --- certain accounts, ends, rotation -------------------------------------------------------------


async def test_a_key_of_certain_accounts(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    other = await house.account(caller, account["application_id"], account["client_instance_id"])
    made = await caller.post(
        "/v1/api-keys",
        json={"name": "script", "rights": ["read", "write"], "account_ids": [account["id"]]},
    )
    assert made.status_code == 201, made.text
    assert made.json()["account_ids"] == [account["id"]]
    shown = await caller.get(f"/v1/api-keys/{made.json()['id']}")
    assert shown.json() == {name: value for name, value in made.json().items() if name != "secret"}
    program = await house.caller(key=made.json()["secret"])
    assert (await program.get("/v1/whoami")).json()["account_ids"] == [account["id"]]
    assert (await program.get(f"/v1/accounts/{account['id']}")).status_code == 200
    assert (await program.get(f"/v1/accounts/{other['id']}")).status_code == 404
    assert (await program.post("/v1/accounts", json={"name": "x"})).status_code in (403, 422)


async def test_a_key_of_accounts_that_are_not_there(
    caller: httpx2.AsyncClient, account: Json
) -> None:
    for account_ids in ([f"acc_{'0' * 26}"], [], ["x"]):
        wish = {"name": "x", "rights": ["read"], "account_ids": account_ids}
        refused = await caller.post("/v1/api-keys", json=wish)
        assert refused.status_code == 422
        assert refused.json()["flaws"][0]["field"].startswith("account_ids")


async def test_an_api_key_is_replaced_without_a_gap(
    house: House, caller: httpx2.AsyncClient
) -> None:
    made = (await caller.post("/v1/api-keys", json={"name": "ERP", "rights": ["read"]})).json()
    path = f"/v1/api-keys/{made['id']}"
    rotated = await caller.post(f"{path}/rotate", json={"overlap_s": 3600})
    assert rotated.status_code == 201, rotated.text
    old, new = (
        await house.caller(key=made["secret"]),
        await house.caller(key=rotated.json()["secret"]),
    )
    for program in (old, new):
        assert (await program.get("/v1/accounts")).status_code == 200
    shown = (await caller.get(path)).json()
    assert shown["replaced_by"] == rotated.json()["id"]
    assert shown["last_used_at"] is not None
    again = await caller.post(f"{path}/rotate", json={})
    assert again.status_code == 409
    assert again.json()["facts"] == {"replaced_by": rotated.json()["id"]}
    house.clock.move(seconds=3600)
    assert (await old.get("/v1/accounts")).status_code == 401
    assert (await new.get("/v1/accounts")).status_code == 200


async def test_a_connection_key_is_replaced_without_a_gap(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/connection-keys"
    ends_at = house.clock.now() + timedelta(days=30)
    made = (await caller.post(path, json={"name": "sdk", "expires_at": ends_at.isoformat()})).json()
    other = await house.account(caller, account["application_id"], account["client_instance_id"])
    foreign = f"{path}/{made['id']}/rotate".replace(account["id"], other["id"])
    assert (await caller.post(foreign, json={})).status_code == 404
    rotated = (await caller.post(f"{path}/{made['id']}/rotate", json={"overlap_s": 60})).json()
    people = house.desk.people
    for one in (made, rotated):
        assert await people.account_of(one["secret"]) == account["id"]
    shown = {one["id"]: one for one in (await caller.get(path)).json()["items"]}
    old, new = shown[made["id"]], shown[rotated["id"]]
    assert old["replaced_by"] == new["id"] == rotated["id"]
    assert old["last_used_at"] is not None
    house.clock.move(seconds=60)
    assert await people.account_of(made["secret"]) is None
    assert await people.account_of(rotated["secret"]) == account["id"]
    house.clock.move(days=30)
    assert await people.account_of(rotated["secret"]) is None


async def test_odd_rotations(caller: httpx2.AsyncClient) -> None:
    made = (await caller.post("/v1/api-keys", json={"name": "ERP", "rights": ["read"]})).json()
    path = f"/v1/api-keys/{made['id']}/rotate"
    for overlap_s in (-1, 90 * 86_400 + 1, 1.5, "60", None, 10**30):
        assert (await caller.post(path, json={"overlap_s": overlap_s})).status_code == 422, (
            overlap_s
        )
    assert (await caller.post(path, json={"overlap": 1})).status_code == 422
    nowhere = f"/v1/api-keys/key_{'0' * 26}/rotate"
    assert (await caller.post(nowhere, json={})).status_code == 404
    assert (await caller.post(path, json={"overlap_s": 0})).status_code == 201


async def test_writing_is_all_that_it_takes_to_revoke_a_connection_key(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/connection-keys"
    made = (await caller.post(path, json={})).json()
    writer = await house.caller(Right.WRITE)
    assert (await writer.post(f"{path}/{made['id']}/rotate", json={})).status_code == 201
    assert (await writer.delete(f"{path}/{made['id']}")).status_code == 204
