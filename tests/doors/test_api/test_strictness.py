"""What would be ignored elsewhere is refused here, all of it at once, and never told back."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx2
import pytest

from tests.doors.test_api.conftest import House, account_wish

Json = dict[str, Any]
AS_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"nothing",
        b"[" * 10_000,
        b'{"a":' * 3_000,
        b"\xff\xfe\x00",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b"9" * 10_000,
        b'{"name": "\x00"}',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b" ",
    ],
    ids=lambda content: repr(content[:20]),
)
async def test_what_is_no_json_is_told_as_such(caller: httpx2.AsyncClient, content: bytes) -> None:
    refused = await caller.post("/v1/accounts", content=content, headers=AS_JSON)
    assert refused.status_code == 400
    assert refused.json()["code"] == "broken_json"
    assert refused.json()["hint"]


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"7", b"true", b""])
async def test_a_body_is_an_object(caller: httpx2.AsyncClient, content: bytes) -> None:
    refused = await caller.post("/v1/accounts", content=content, headers=AS_JSON)
    assert refused.status_code == 422
    assert "object" in refused.json()["detail"]


async def test_all_flaws_come_at_once_each_with_its_place(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    wish = account_wish(5, account["application_id"], account["client_instance_id"])
    wish |= {
        "partner_kind": "saler",
        "client_emial": "x",
        "flags": {"update_stok": True, "update_price": "yes", "ship_orders": 1},
        "vendor_codes": ["A", 7],
        "region": None,
        "notes": ["a"],
    }
    del wish["name"]
    refused = await caller.post("/v1/accounts", json=wish)
    assert refused.status_code == 422
    flaws = {flaw["pointer"]: flaw for flaw in refused.json()["flaws"]}
    assert {pointer: flaw["code"] for pointer, flaw in flaws.items()} == {
        "#/name": "missing",
        "#/partner_kind": "unknown_value",
        "#/client_emial": "unknown_field",
        "#/flags/update_stok": "unknown_field",
        "#/flags/update_price": "wrong_type",
        "#/flags/ship_orders": "wrong_type",
        "#/vendor_codes/1": "wrong_type",
        "#/region": "unknown_value",
        "#/notes": "wrong_type",
    }
    assert flaws["#/client_emial"]["hint"] == "Did you mean 'client_email'?"
    assert flaws["#/flags/update_stok"]["hint"] == "Did you mean 'update_stock'?"
    assert flaws["#/partner_kind"]["hint"] == "Did you mean 'seller'?"
    assert len((await caller.get("/v1/accounts")).json()["items"]) == 1


async def test_names_given_twice_are_refused(caller: httpx2.AsyncClient) -> None:
    twice = b'{"name": "a", "name": "b"}'
    refused = await caller.post("/v1/instances", content=twice, headers=AS_JSON)
    assert refused.status_code == 422
    assert refused.json()["flaws"] == [
        {
            "code": "repeated",
            "message": "is given more than once.",
            "field": "name",
            "pointer": "#/name",
        }
    ]


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("limt=3", "limt", "unknown_field"),
        ("limit=3&limit=4", "limit", "repeated"),
        ("limit=0", "limit", "out_of_range"),
        ("limit=501", "limit", "out_of_range"),
        ("limit=many", "limit", "wrong_type"),
        ("limit=1e3", "limit", "wrong_type"),
        ("limit=" + "9" * 5_000, "limit", "out_of_range"),
        ("state=activ", "state", "unknown_value"),
        ("after=%00", "after", "invalid"),
        ("after=", "after", "invalid"),
        ("after=ins_" + "0" * 26, "after", None),
        ("application_id=Northwind", "application_id", "invalid"),
    ],
)
async def test_query_parameters_are_read_as_strictly(
    caller: httpx2.AsyncClient, query: str, parameter: str, code: str | None
) -> None:
    refused = await caller.get(f"/v1/accounts?{query}")
    assert refused.status_code == 422, refused.text
    flaw = refused.json()["flaws"][0]
    assert flaw["parameter"] == parameter
    assert code in (None, flaw["code"])


async def test_a_body_where_none_belongs_is_not_overlooked(
    caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    refused = await caller.post(f"{path}/invitation", json={"email": "other@shop.example"})
    assert refused.status_code == 422
    assert (await caller.get(path)).json()["oauth_began"] is False
    assert (await caller.post(f"{path}/invitation", json={})).status_code == 201


@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "\ud800", "x" * 501], ids=["NUL", "inner NUL", "surrogate", "long"]
)
@pytest.mark.parametrize("field", ["name", "client_email", "language", "merchant_token"])
async def test_text_that_cannot_be_stored_is_refused(
    caller: httpx2.AsyncClient, account: Json, field: str, text: str
) -> None:
    content = json.dumps({field: text}).encode()
    path = f"/v1/accounts/{account['id']}"
    refused = await caller.patch(path, content=content, headers=AS_JSON)
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["field"] == field


@pytest.mark.parametrize("instant", [1_700_000_000, "2026-03-01", "2026-03-01T09:30:00", "1e9", ""])
async def test_an_instant_has_an_offset(caller: httpx2.AsyncClient, instant: Any) -> None:
    wish = {"name": "x", "rights": ["read"], "expires_at": instant}
    refused = await caller.post("/v1/api-keys", json=wish)
    assert refused.status_code == 422
    assert "2026-03-01T09:30:00Z" in refused.json()["flaws"][0]["message"]


async def test_null_is_no_value_where_none_is_meant(
    caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    for field in ("name", "client_email", "notes", "language", "oauth_began", "flags"):
        refused = await caller.patch(path, json={field: None})
        assert refused.status_code == 422, field


async def test_what_was_sent_is_never_told_back(caller: httpx2.AsyncClient, account: Json) -> None:
    marks = [
        "Atzr|" + secrets.token_hex(40),
        "Atza|" + secrets.token_hex(40),
        "amzn1.oa2-cs.v1." + secrets.token_hex(32),
        "egk_" + secrets.token_hex(40),
        "Kennwort" + secrets.token_hex(20),
    ]
    wish = account_wish(5, account["application_id"], account["client_instance_id"])
    path = f"/v1/accounts/{account['id']}"
    for mark in marks:
        bodies: list[Any] = [{name: mark} for name in wish if name not in ("name", "notes")]
        bodies += [{name: [mark]} for name in wish] + [mark, [mark], {"flags": {"x": mark}}]
        for body in bodies:
            refused = await caller.patch(path, json=body)
            assert refused.status_code == 422, body
            assert mark not in refused.text
        for query in ({"limit": mark}, {"state": mark}, {"after": mark + "|"}):
            refused = await caller.get("/v1/accounts", params=query)
            assert mark not in refused.text
        broken = await caller.post("/v1/accounts", content=f'{{"{mark}'.encode(), headers=AS_JSON)
        assert broken.status_code == 400
        assert mark not in broken.text


async def test_a_long_row_of_flaws_is_cut(caller: httpx2.AsyncClient) -> None:
    refused = await caller.post("/v1/instances", json={f"field{n}": 1 for n in range(1_000)})
    assert refused.status_code == 422
    assert len(refused.json()["flaws"]) == 50
