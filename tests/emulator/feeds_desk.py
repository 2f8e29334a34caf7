"""A program that submits feeds and asks for reports at the emulator; for the tests of both."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.emulator.conftest import House

DE = "A1PA6795UKMFR9"
FR = "A13V1IB3VIYZZH"
US = "ATVPDKIKX0DER"
FEEDS = "/feeds/2021-06-30/feeds"
FEED_DOCUMENTS = "/feeds/2021-06-30/documents"
REPORTS = "/reports/2021-06-30/reports"
REPORT_DOCUMENTS = "/reports/2021-06-30/documents"
SCHEDULES = "/reports/2021-06-30/schedules"
# Amazon takes these and the emulator does not apply them: the queue is seen without any trade.
ORDERS_XML = "POST_EXPECTED_SHIP_DATE_SOD"
OTHER_XML = "POST_FBA_INBOUND_CARTON_CONTENTS"
REMOVED = "POST_PRODUCT_PRICING_DATA"


@dataclass
class Desk:
    """One selling partner in one region, seen by the program."""

    house: House
    partner: dict[str, Any]
    token: str
    region: str = "eu"

    @classmethod
    def of(cls, house: House, partner: dict[str, Any] | None = None, region: str = "eu") -> Desk:
        known = partner or house.seller()
        wishes = {} if region == "eu" else {"region": region}
        return cls(house, known, house.access_token(known, **wishes), region)

    @property
    def partner_id(self) -> str:
        return str(self.partner["selling_partner_id"])

    def lever(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        return self.house.amazon.levers.pull(method, path, body, **query)

    def advance(self, seconds: float) -> None:
        self.house.amazon.levers.advance(seconds)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        return self.house.http.request(
            method,
            f"{self.house.amazon.addresses[self.region]}{path}",
            headers={"x-amz-access-token": self.token},
            params=query or None,
            json=body,
        )

    def new_document(self, content_type: str = "text/xml; charset=UTF-8") -> dict[str, Any]:
        answer = self.call("POST", FEED_DOCUMENTS, {"contentType": content_type})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def put(
        self, url: str, content: bytes, content_type: str | None = "text/xml; charset=UTF-8"
    ) -> httpx2.Response:
        headers = {} if content_type is None else {"content-type": content_type}
        return self.house.http.put(url, content=content, headers=headers)

    def uploaded(self, content: bytes = b"<a/>", content_type: str = "text/xml") -> str:
        document = self.new_document(content_type)
        answer = self.put(document["url"], content, content_type)
        assert answer.status_code == 200, answer.text
        return str(document["feedDocumentId"])

    def create(self, feed_type: str = ORDERS_XML, **changes: Any) -> httpx2.Response:
        body = {"feedType": feed_type, "marketplaceIds": [DE], **changes}
        if "inputFeedDocumentId" not in body:
            body["inputFeedDocumentId"] = self.uploaded()
        given = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", FEEDS, given)

    def feed(self, feed_type: str = ORDERS_XML, **changes: Any) -> str:
        answer = self.create(feed_type, **changes)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["feedId"])

    def get(self, feed_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"{FEEDS}/{feed_id}")
        assert answer.status_code == 200, answer.text
        known: dict[str, Any] = answer.json()
        return known

    def status(self, feed_id: str) -> str:
        return str(self.get(feed_id)["processingStatus"])

    def pace(self, queue_s: float, processing_s: float, **more: Any) -> None:
        self.lever("PUT", "/feeds/pace", {"queue_s": queue_s, "processing_s": processing_s, **more})

    def result(self, feed_id: str) -> bytes:
        """The report of a feed that ended, unpacked."""
        document = self.call("GET", f"{FEED_DOCUMENTS}/{self.get(feed_id)['resultFeedDocumentId']}")
        return self.downloaded(document.json())

    def downloaded(self, document: dict[str, Any]) -> bytes:
        answer = self.house.http.get(document["url"])
        assert answer.status_code == 200, answer.text
        packed = document.get("compressionAlgorithm") == "GZIP"
        return gzip.decompress(answer.content) if packed else answer.content

    def ask(self, report_type: str, **changes: Any) -> httpx2.Response:
        body = {"reportType": report_type, "marketplaceIds": [DE], **changes}
        given = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", REPORTS, given)

    def report(self, report_type: str, **changes: Any) -> str:
        answer = self.ask(report_type, **changes)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["reportId"])

    def get_report(self, report_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"{REPORTS}/{report_id}")
        assert answer.status_code == 200, answer.text
        known: dict[str, Any] = answer.json()
        return known

    def written(self, report_id: str) -> bytes:
        """What stands in a report that ended, unpacked."""
        document_id = self.get_report(report_id)["reportDocumentId"]
        document = self.call("GET", f"{REPORT_DOCUMENTS}/{document_id}")
        assert document.status_code == 200, document.text
        return self.downloaded(document.json())


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """An error answer of SP-API; gives its one error."""
    assert answer.status_code == status, answer.text
    (error,) = answer.json()["errors"]
    assert error["code"] == code, answer.text
    given: dict[str, Any] = error
    return given
