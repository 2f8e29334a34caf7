"""Handing in changes over HTTP: every line is answered, and large bodies have bounds."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from evergrant.entrances.bodies import BodyLimit
from evergrant.entrances.large_bodies import LARGEST_CHANGES, Places
from evergrant.errors import OverLimit
from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import BODY_LIMIT, House
from tests.rooms.hatch_ground import invoice, pdf, refund, stock

Json = dict[str, Any]


@pytest.fixture
def path(account: Json) -> str:
    return f"/v1/accounts/{account['id']}/changes"


def outcomes(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["outcome"] for item in answer.json()["items"]]


async def test_every_line_is_answered(caller: httpx2.AsyncClient, path: str) -> None:
    lines = [stock(), refund(), refund(), {"kind": "stok"}, "nonsense", stock("B", "many")]
    answer = await caller.post(path, json={"changes": lines})
    assert outcomes(answer) == ["taken", "taken", "duplicate", "refused", "refused", "refused"]
    told = answer.json()
    assert (told["lines"], told["taken"], told["duplicates"], told["refused"]) == (6, 2, 1, 3)
    assert told["notes"][0]["code"] == "not_authorized"
    assert told["items"][2]["change_id"] == told["items"][1]["change_id"]
    assert told["items"][3]["flaws"][0]["hint"].startswith("Did you mean 'stock'?")
    listed = (await caller.get(path)).json()["items"]
    assert [one["id"] for one in listed] == [item["change_id"] for item in told["items"][:2]]


async def test_the_answer_can_be_read_again(caller: httpx2.AsyncClient, path: str) -> None:
    told = (await caller.post(path, json={"changes": [stock(), {}]})).json()
    place = path.replace("changes", f"intakes/{told['intake_id']}")
    assert (await caller.get(place)).json() == told
    nobody = place.rpartition("/")[0] + "/itk_" + "0" * 26
    assert (await caller.get(nobody)).status_code == 404


async def test_the_same_key_gives_the_same_answer(caller: httpx2.AsyncClient, path: str) -> None:
    key = {"idempotency-key": "batch-1"}
    body = {"changes": [stock(), refund(), {}]}
    first = await caller.post(path, json=body, headers=key)
    again = await caller.post(path, json=body, headers=key)
    assert again.json() == {**first.json(), "repeated": True}
    other = await caller.post(path, json={"changes": [stock()]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    long = await caller.post(path, json=body, headers={"idempotency-key": "k" * 201})
    assert long.status_code == 422


async def test_csv_is_answered_by_its_rows(caller: httpx2.AsyncClient, path: str) -> None:
    rows = (
        "kind;order_id;reference;currency;reason;order_item_id;principal;sku;quantity\r\n"
        "refund;302-1234567-1234567;R1;EUR;CustomerReturn;11;19,99;;\r\n"
        "stock;;;;;;;MUG-1;12\r\n"
        "refund;302-1234567-1234567;R1;EUR;CustomerReturn;12;1,00;;\r\n"
        ";;;;;;;MUG-2;7\r\n"
    )
    csv = {"content-type": "Text/CSV; charset=utf-8"}
    answer = await caller.post(f"{path}?kind=stock", content=rows.encode("utf-8-sig"), headers=csv)
    assert outcomes(answer) == ["taken", "taken", "taken"]
    assert [item["rows"] for item in answer.json()["items"]] == [[2, 4], [3], [5]]
    listed = (await caller.get(f"{path}?kind=refund")).json()["items"]
    assert [item["principal"] for item in listed[0]["wish"]["items"]] == ["19.99", "1.00"]


@pytest.mark.parametrize(
    ("content", "query", "status"),
    [
        (b"", "", 422),
        (b"nonsense\n", "", 422),
        (b"\x00", "", 422),
        (b"sku,quantity\nA,1\n", "?kind=stok", 422),
        (b"sku,quantity\nA,1\n", "?knd=stock", 422),
        (b"kind,invoice_number,pdf\ninvoice,R,/etc/passwd\n", "", 200),
    ],
)
async def test_csv_that_is_none(
    caller: httpx2.AsyncClient, path: str, content: bytes, query: str, status: int
) -> None:
    csv = {"content-type": "text/csv"}
    answer = await caller.post(path + query, content=content, headers=csv)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert outcomes(answer) == ["refused"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"changes": []}, 422),
        ({"changes": {}}, 422),
        ({"change": [stock()]}, 422),
        ([stock()], 422),
        ({"changes": [{}] * 10_001}, 413),
    ],
)
async def test_what_cannot_be_taken_in_at_all(
    caller: httpx2.AsyncClient, path: str, body: object, status: int
) -> None:
    assert (await caller.post(path, json=body)).status_code == status


async def test_other_media_types_are_refused(caller: httpx2.AsyncClient, path: str) -> None:
    for media_type in ("text/plain", "text/csvx", "application/xml", ""):
        headers = {"content-type": media_type}
        answer = await caller.post(path, content=b"kind\nstock\n", headers=headers)
        assert answer.status_code == 415
        assert "'text/csv'" in answer.json()["hint"]
    elsewhere = path.replace("/changes", "/feeds/pause")
    answer = await caller.post(elsewhere, content=b"x", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
    assert "csv" not in answer.json()["hint"]


async def test_changes_are_taken_back(caller: httpx2.AsyncClient, path: str) -> None:
    told = (await caller.post(path, json={"changes": [stock(), refund()]})).json()
    ids = [item["change_id"] for item in told["items"]]
    done = await caller.post("/v1/withdrawals", json={"change_ids": ids[:1]})
    assert done.json() == {"withdrawn": ids[:1], "left": {}}
    again = await caller.post("/v1/withdrawals", json={"change_ids": ids})
    assert again.json() == {"withdrawn": ids[1:], "left": {ids[0]: "withdrawn"}}
    nobody = "chg_" + "0" * 26
    gone = await caller.post("/v1/withdrawals", json={"change_ids": [nobody]})
    assert gone.status_code == 404


async def test_it_needs_the_right(house: House, path: str) -> None:
    weak = await house.caller(Right.READ, Right.WRITE)
    for how in ({"json": {"changes": [stock()]}}, {"content": b"sku\nA\n"}):
        headers = {"content-type": "application/json" if "json" in how else "text/csv"}
        answer = await weak.post(path, headers=headers, **how)
        assert answer.status_code == 403
    answer = await weak.post("/v1/withdrawals", json={"change_ids": ["chg_" + "0" * 26]})
    assert answer.status_code == 403
    assert (await (await house.stranger()).post(path, json={})).status_code == 401


# --- large bodies -----------------------------------------------------------------------------


async def test_invoices_are_larger_than_other_bodies(caller: httpx2.AsyncClient, path: str) -> None:
    content = pdf() + bytes(4 * BODY_LIMIT)
    answer = await caller.post(path, json={"changes": [invoice("R-1", content)]})
    assert outcomes(answer) == ["taken"]
    assert b64encode(content).decode()[:30] not in answer.text
    for method, elsewhere in (("PATCH", path.replace("/changes", "")), ("POST", "/v1/accounts")):
        refused = await caller.request(method, elsewhere, json={"notes": "x" * 4 * BODY_LIMIT})
        assert refused.status_code == 413


async def test_even_here_there_is_a_bound(caller: httpx2.AsyncClient, path: str) -> None:
    headers = {"content-type": "application/json", "content-length": str(LARGEST_CHANGES + 1)}
    answer = await caller.post(path, content=b"{}", headers=headers)
    assert answer.status_code == 413
    assert "smaller batches" in answer.json()["hint"]

    async def pieces() -> Any:
        for _ in range(4):
            yield b"x" * BODY_LIMIT

    unannounced = await caller.post(
        path, content=pieces(), headers={"content-type": "application/json"}
    )
    assert unannounced.status_code == 413, "who does not say how long it is has no more room"


def test_places_for_large_bodies_are_few() -> None:
    places = Places(2)
    with places.one(), places.one(), pytest.raises(OverLimit), places.one():
        raise AssertionError
    with places.one():
        pass


@pytest.mark.parametrize(
    ("path", "method", "length", "status"),
    [
        ("/v1/accounts/acc_x/changes", "POST", 2_000, 200),
        ("/v1/accounts/acc_x/changes", "POST", LARGEST_CHANGES + 1, 413),
        ("/v1/accounts/acc_x/changes", "PUT", 2_000, 413),
        ("/v1/accounts/acc_x/changes/x", "POST", 2_000, 413),
        ("/v1/accounts", "POST", 2_000, 413),
    ],
)
async def test_the_bound_before_all_doors_knows_them(
    path: str, method: str, length: int, status: int
) -> None:
    statuses: list[int] = []

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await BodyLimit(door, 1_000)(scope, receive, send)
    assert statuses == [status]


def test_json_of_a_line_is_plain() -> None:
    """So that the tests above mean what they say."""
    assert json.loads(json.dumps(invoice()))["kind"] == "invoice"
