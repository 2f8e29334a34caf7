"""Reports of Amazon at ``/v1``: asked for, looked at, streamed, and cut where they break off."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from evergrant.entrances.api import build
from evergrant.rules.rights import SYSTEM, Right
from evergrant.settings import Settings
from tests.doors.gateway_house import served
from tests.rooms.slot_ground import RESTRICTED, ROOT, TYPE, Slot

MINUTE = timedelta(minutes=1)


class Door:
    def __init__(self, slot: Slot, account_id: str) -> None:
        self.slot = slot
        self.app = build(slot.desk, Settings.from_environment({}))
        self.account_id = account_id
        self.base = f"/v1/accounts/{account_id}/amazon-reports"
        self.keys: dict[str, str] = {}

    async def key(self, *rights: Right) -> str:
        made = await self.slot.desk.people.add_api_key(name="ERP", rights=rights, by=SYSTEM)
        return made.secret.reveal()

    async def ask(self, key: str, method: str, path: str, body: Any = None) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://v1.test") as http:
            return await http.request(
                method, path, json=body, headers={"authorization": f"Bearer {key}"}
            )

    async def raw(self, key: str, path: str) -> list[Message]:
        """Everything that the server is handed."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"authorization", f"Bearer {key}".encode())],
            "server": ("v1.test", 80),
            "client": ("127.0.0.1", 1),
        }
        await self.app(scope, receive, send)
        return sent

    async def made(self, content: bytes, report_type: str = TYPE) -> str:
        """A report that is done: its id."""
        report = await self.slot.desk.amazon_reports.request(self.account_id, report_type, by=ROOT)
        await self.slot.reports_round()
        self.slot.amazon.finish((await self.slot.row(report)).report_id, "DONE", content)
        await self.slot.reports_round(MINUTE)
        return report.id


@pytest.fixture
async def door() -> Door:
    slot = await Slot().furnish()
    return Door(slot, await slot.account("A1SHOP"))


async def test_from_the_asking_to_the_document(door: Door) -> None:
    key = await door.key(Right.AMAZON_READ)
    asked = await door.ask(key, "POST", door.base, {"report_type": TYPE, "marketplaces": ["FR"]})
    assert asked.status_code == 202, asked.text
    report = asked.json()
    assert report["step"] == "planned"
    assert report["marketplace_ids"] == ["A13V1IB3VIYZZH"]
    path = asked.headers["location"]
    early = await door.ask(key, "GET", f"{path}/document")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    await door.slot.reports_round()
    door.slot.amazon.finish("50000", "DONE", b"sku\tprice\r\n")
    await door.slot.reports_round(MINUTE)
    assert (await door.ask(key, "GET", path)).json()["has_document"] is True
    document = await door.ask(key, "GET", f"{path}/document")
    assert document.status_code == 200
    assert document.content == b"sku\tprice\r\n"
    assert document.headers["content-type"] == "text/plain; charset=utf-8"
    name = f"{TYPE}-{report['id']}.txt"
    assert document.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert document.headers["cache-control"] == "no-store"
    listed = (await door.ask(key, "GET", door.base)).json()["items"]
    assert [one["id"] for one in listed] == [report["id"]]
    over = await door.ask(key, "POST", f"{path}/cancel")
    assert over.status_code == 409


async def test_a_document_that_breaks_off_has_no_end(door: Door) -> None:
    key = await door.key(Right.AMAZON_READ)
    report_id = await door.made(b"x")
    report = await door.slot.desk.amazon_reports.get(report_id, by=ROOT)
    url = f"https://documents.example/{report.document_id}?X-Amz-Signature=s3cr3t"
    packed = gzip.compress(bytes(range(256)) * 4_000, compresslevel=0)
    door.slot.fakes.documents.put(url, packed[:-20], "text/plain")
    sent = await door.raw(key, f"{door.base}/{report_id}/document")
    assert sent[0]["type"] == "http.response.start"
    assert sent[0]["status"] == 200
    assert len(sent) > 2
    assert all(message["more_body"] for message in sent[1:]), "nobody takes a half for the whole"
    door.slot.fakes.documents.put(url, packed, "text/plain")
    sent = await door.raw(key, f"{door.base}/{report_id}/document")
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert b"".join(one["body"] for one in sent[1:]) == bytes(range(256)) * 4_000
    door.slot.fakes.documents.put(url, b"\x1f\x8bnoise", "text/plain")
    told = await door.ask(key, "GET", f"{door.base}/{report_id}/document")
    assert told.status_code == 503, "before the first byte it is told as a problem"
    assert told.json()["code"] == "amazon_unavailable"


async def test_the_server_cuts_a_document_that_breaks_off(door: Door) -> None:
    key = await door.key(Right.AMAZON_READ)
    report_id = await door.made(b"x")
    report = await door.slot.desk.amazon_reports.get(report_id, by=ROOT)
    url = f"https://documents.example/{report.document_id}?X-Amz-Signature=s3cr3t"
    packed = gzip.compress(bytes(range(256)) * 4_000, compresslevel=0)
    path = f"{door.base}/{report_id}/document"
    headers = {"authorization": f"Bearer {key}"}
    async with served(door.app) as port, httpx2.AsyncClient(trust_env=False) as http:
        door.slot.fakes.documents.put(url, packed, "text/plain")
        whole = await http.get(f"http://127.0.0.1:{port}{path}", headers=headers)
        assert whole.content == bytes(range(256)) * 4_000
        door.slot.fakes.documents.put(url, packed[:-20], "text/plain")
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get(f"http://127.0.0.1:{port}{path}", headers=headers)


async def test_what_amazon_has_is_listed_and_adopted(door: Door) -> None:
    key = await door.key(Right.AMAZON_READ)
    settlement = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
    refused = await door.ask(key, "POST", door.base, {"report_type": settlement})
    assert refused.json()["flaws"][0]["code"] == "not_requestable"
    there = door.slot.amazon.report("A1SHOP/DE", reportType=settlement, marketplaceIds=[])
    door.slot.amazon.finish(there["reportId"], "DONE", b"settlement-id\n")
    listed = await door.ask(key, "GET", f"{door.base}/at-amazon?report_type={settlement}")
    (found,) = listed.json()["items"]
    adopted = await door.ask(
        key, "POST", f"{door.base}/at-amazon", {"amazon_report_id": found["amazon_report_id"]}
    )
    document = await door.ask(key, "GET", f"{door.base}/{adopted.json()['id']}/document")
    assert document.content == b"settlement-id\n"


async def test_who_may(door: Door) -> None:
    key, reading = await door.key(Right.AMAZON_READ), await door.key(Right.READ)
    assert (await door.ask(reading, "GET", door.base)).status_code == 403
    report_id = await door.made(b"buyer", RESTRICTED)
    refused = await door.ask(key, "GET", f"{door.base}/{report_id}/document")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    allowed = await door.key(Right.AMAZON_READ, Right.PERSONAL_DATA)
    document = await door.ask(allowed, "GET", f"{door.base}/{report_id}/document")
    assert document.content == b"buyer"
    other = await door.slot.account("A2SHOP")
    elsewhere = f"/v1/accounts/{other}/amazon-reports/{report_id}"
    assert (await door.ask(allowed, "GET", elsewhere)).status_code == 404
    assert (await door.ask(allowed, "GET", f"{elsewhere}/document")).status_code == 404


async def test_types_and_subscriptions(door: Door) -> None:
    key = await door.key(Right.READ)
    types = {
        one["report_type"]: one
        for one in (await door.ask(key, "GET", "/v1/amazon-report-types")).json()
    }
    assert types[RESTRICTED]["restricted"] is True
    assert types[TYPE]["partner_kinds"] == ["seller"]
    path = f"/v1/accounts/{door.account_id}/subscriptions"
    assert (await door.ask(key, "GET", path)).json() == []
    await door.slot.set_queue("https://sqs.eu-west-1.amazonaws.com/123456789012/n")
    await door.slot.slot_round()
    told = (await door.ask(key, "GET", path)).json()
    assert [(one["notification_type"], one["subscribed"]) for one in told] == [
        ("FEED_PROCESSING_FINISHED", True),
        ("ORDER_CHANGE", True),
        ("REPORT_PROCESSING_FINISHED", True),
    ]
