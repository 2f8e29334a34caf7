"""Accounts over ``/v1``: add, find, change, close."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from evergrant.ports.things import OutboxItem
from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House, account_wish

Json = dict[str, Any]


async def outbox(house: House) -> list[OutboxItem]:
    async with house.desk.store.transaction() as tx:
        return await tx.outbox.all()


async def test_an_account_is_added_and_shown(caller: httpx2.AsyncClient, account: Json) -> None:
    assert account["authorization"]["state"] == "awaiting"
    assert account["authorization"]["needs_consent"] is True
    assert account["oauth_began"] is False
    assert set(account["flags"].values()) == {True}
    shown = await caller.get(f"/v1/accounts/{account['id']}")
    assert shown.status_code == 200
    assert shown.json() == {k: v for k, v in account.items() if k != "lwa_client_id"}
    assert shown.headers["cache-control"] == "no-store"


async def test_adding_says_where_it_is(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    wish = account_wish(99, account["application_id"], account["client_instance_id"])
    added = await caller.post("/v1/accounts", json=wish)
    assert added.headers["location"] == f"/v1/accounts/{added.json()['id']}"
    again = await caller.post("/v1/accounts", json=wish)
    assert again.status_code == 409
    assert again.json()["code"] == "conflict"
    assert await outbox(house) == [], "nothing is mailed before somebody says so"


async def test_flags_of_a_vendor_are_unavailable_not_off(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    vendor = await house.account(
        caller,
        account["application_id"],
        account["client_instance_id"],
        partner_kind="vendor",
        vendor_kind="retail",
        flags={"ship_orders": False},
    )
    assert vendor["flags"] == {
        "update_stock": None,
        "update_price": None,
        "ship_orders": False,
        "upload_invoices": True,
        "cancel_orders": True,
        "refund_orders": None,
    }
    # What was read can be sent back.
    same = await caller.patch(f"/v1/accounts/{vendor['id']}", json={"flags": vendor["flags"]})
    assert same.status_code == 200
    assert same.json()["flags"] == vendor["flags"]
    refused = await caller.patch(
        f"/v1/accounts/{vendor['id']}", json={"flags": {"update_price": True}}
    )
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["pointer"] == "#/flags/update_price"


async def test_a_change_touches_what_it_names(caller: httpx2.AsyncClient, account: Json) -> None:
    path = f"/v1/accounts/{account['id']}"
    changed = await caller.patch(
        path, json={"client_email": "office@shop.example", "flags": {"update_price": False}}
    )
    assert changed.status_code == 200, changed.text
    expected = {**account, "client_email": "office@shop.example"}
    expected["flags"] = {**account["flags"], "update_price": False}
    for untold in ("lwa_client_id", "changed_at"):
        expected.pop(untold)
    assert {k: v for k, v in changed.json().items() if k != "changed_at"} == expected
    assert (await caller.patch(path, json={})).json() == changed.json()


async def test_a_refused_change_changes_nothing(caller: httpx2.AsyncClient, account: Json) -> None:
    path = f"/v1/accounts/{account['id']}"
    refused = await caller.patch(
        path,
        json={"name": "Another", "home_marketplace": "US", "language": "xx", "client_email": "no"},
    )
    assert refused.status_code == 422
    fields = {flaw["field"] for flaw in refused.json()["flaws"]}
    assert fields == {"home_marketplace", "language", "client_email"}
    assert (await caller.get(path)).json()["name"] == account["name"]


async def test_oauth_began_turning_true_mails_one_link(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    changed = await caller.patch(path, json={"oauth_began": True, "notes": "rang on Monday"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["oauth_began"] is True
    assert changed.json()["notes"] == "rang on Monday"
    for _ in range(2):
        assert (await caller.patch(path, json={"oauth_began": True})).status_code == 200
    assert [(item.topic, item.to) for item in await outbox(house)] == [
        ("invitation", account["client_email"])
    ]
    back = await caller.patch(path, json={"oauth_began": False, "notes": "changed"})
    assert back.status_code == 422
    assert back.json()["hint"]
    assert (await caller.get(path)).json()["notes"] == "rang on Monday"


async def test_oauth_began_false_says_nothing_while_it_is_false(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    same = await caller.patch(f"/v1/accounts/{account['id']}", json={"oauth_began": False})
    assert same.status_code == 200
    assert await outbox(house) == []


async def test_closing_and_reopening(caller: httpx2.AsyncClient, account: Json) -> None:
    path = f"/v1/accounts/{account['id']}"
    closed = await caller.post(f"{path}/close")
    assert closed.status_code == 200
    assert closed.json()["authorization"]["state"] == "closed"
    assert (await caller.post(f"{path}/close")).status_code == 409
    refused = await caller.post(f"{path}/invitation")
    assert refused.status_code == 409
    assert refused.json()["code"] == "account_closed"
    reopened = await caller.post(f"{path}/reopen")
    assert reopened.json()["authorization"]["state"] == "awaiting"


async def test_every_page_of_a_list_comes_once(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    ids = [account["id"]]
    for _ in range(6):
        house.clock.move(seconds=1)
        made = await house.account(caller, account["application_id"], account["client_instance_id"])
        ids.append(made["id"])
    for limit in (1, 3, 7, 100):
        found: list[str] = []
        after: str | None = None
        while True:
            query = {"limit": str(limit)} | ({"after": after} if after else {})
            page = (await caller.get("/v1/accounts", params=query)).json()
            assert len(page["items"]) <= limit
            found += [one["id"] for one in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert found == ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"partner_kind": "seller"}, True),
        ({"partner_kind": "vendor"}, False),
        ({"state": "awaiting"}, True),
        ({"state": "active"}, False),
        ({"application_id": "own"}, True),
        ({"application_id": "app_" + "0" * 26}, False),
        ({"client_instance_id": "own"}, True),
        ({"client_instance_id": "ins_" + "0" * 26}, False),
    ],
    ids=str,
)
async def test_a_list_is_filtered(
    caller: httpx2.AsyncClient, account: Json, query: dict[str, str], found: bool
) -> None:
    query = {name: account[name] if value == "own" else value for name, value in query.items()}
    page = (await caller.get("/v1/accounts", params=query)).json()
    assert [one["id"] for one in page["items"]] == [account["id"]][: int(found)]
    assert page["next"] is None


async def test_what_is_out_of_reach_is_not_there(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    other = await house.instance(caller)
    sibling = await house.account(caller, account["application_id"], account["client_instance_id"])
    of_instance = await house.caller(instance=other["id"])
    of_account = await house.caller(accounts=[sibling["id"]])
    for narrow, shown in ((of_instance, []), (of_account, [sibling["id"]])):
        await _is_not_there(narrow, f"/v1/accounts/{account['id']}")
        listed = (await narrow.get("/v1/accounts")).json()["items"]
        assert [one["id"] for one in listed] == shown


async def _is_not_there(narrow: httpx2.AsyncClient, path: str) -> None:
    missing = f"/v1/accounts/acc_{'0' * 26}"
    for method, ending, body in (
        ("GET", "", None),
        ("PATCH", "", {"notes": "x"}),
        ("POST", "/close", None),
        ("POST", "/invitation", None),
        ("GET", "/link", None),
        ("GET", "/authorization", None),
        ("POST", "/adopt", {"refresh_token": "Atzr|x"}),
        ("POST", "/connection-keys", {}),
        ("GET", "/connection-keys", None),
    ):
        answers = [await narrow.request(method, one + ending, json=body) for one in (path, missing)]
        assert {one.status_code for one in answers} == {404}, ending
        told = [{k: v for k, v in one.json().items() if k != "request_id"} for one in answers]
        assert told[0] == told[1], "an account out of reach looks like one that is none"


@pytest.mark.parametrize("right", list(Right))
async def test_rights_are_asked_for(house: House, account: Json, right: Right) -> None:
    lone = right is not Right.PERSONAL_DATA  # which is given beside another one only
    program = await house.caller(right, *(() if lone else (Right.AMAZON_READ,)))
    path = f"/v1/accounts/{account['id']}"
    wish = account_wish(7, account["application_id"], account["client_instance_id"])
    reads = await program.get(path)
    assert reads.status_code == (200 if right is Right.READ else 403)
    closes = await program.post(f"{path}/close")
    assert closes.status_code == (200 if right is Right.WRITE else 403)
    adds = await program.post("/v1/accounts", json=wish)
    assert adds.status_code == 403, "it takes both rights, as the answer shows the account"
    async with house.desk.store.transaction() as tx:
        assert await tx.accounts.count() == 1


@pytest.mark.parametrize("id", ["acc_x", "ACC_" + "0" * 26, "acc_" + "0" * 25 + "%00", "é"])
async def test_an_impossible_id_is_not_there(caller: httpx2.AsyncClient, id: str) -> None:
    answer = await caller.get(f"/v1/accounts/{id}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
