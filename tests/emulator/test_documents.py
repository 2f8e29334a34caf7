"""The storage behind feeds and reports: presigned addresses, content types, times, gzip, sizes."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import time
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx2
import pytest

from amazon_emulator import Emulator
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.documents.presigning import Refused
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import FEED_DOCUMENTS, ORDERS_XML, Desk, refused

TYPE = "text/xml; charset=UTF-8"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def s3_error(answer: httpx2.Response, status: int, code: str) -> str:
    """An error in S3's XML; gives its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/xml")
    assert answer.headers["x-amz-request-id"]
    assert f"<Code>{code}</Code>" in answer.text, answer.text
    found = re.search("<Message>(.*)</Message>", answer.text)
    assert found
    return found[1]


def changed(url: str, **values: str) -> str:
    """The address with some of its query changed."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **values}
    return urlunsplit(parts._replace(query=urlencode(query)))


def read(desk: Desk, document_id: str, **query: str) -> dict[str, str]:
    answer = desk.call("GET", f"{FEED_DOCUMENTS}/{document_id}", **query)
    assert answer.status_code == 200, answer.text
    shown: dict[str, str] = answer.json()
    return shown


# --- uploads --------------------------------------------------------------------------------------


def test_upload_and_download(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    assert set(document) == {"feedDocumentId", "url"}
    answer = desk.put(document["url"], b"<first/>", TYPE)
    assert (answer.status_code, answer.content) == (200, b"")
    shown = read(desk, document["feedDocumentId"])
    assert set(shown) == {"feedDocumentId", "url"}, "nothing is packed"
    got = desk.house.http.get(shown["url"])
    assert got.content == b"<first/>"
    assert got.headers["content-type"] == TYPE
    assert "content-encoding" not in got.headers


def test_the_last_upload_wins_until_the_feed_is_created(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    for content in (b"<first/>", b"<second/>"):
        assert desk.put(document["url"], content, TYPE).status_code == 200
    feed_id = desk.feed(ORDERS_XML, inputFeedDocumentId=document["feedDocumentId"])
    assert desk.put(document["url"], b"<third/>", TYPE).status_code == 200
    assert desk.lever("GET", f"/feeds/{feed_id}/content")["text"] == "<second/>"


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "text/xml;charset=UTF-8", "text/xml; charset=utf-8", "text/XML; charset=UTF-8"],
)
def test_another_content_type_is_another_signature(desk: Desk, content_type: str) -> None:
    document = desk.new_document(TYPE)
    answer = desk.put(document["url"], b"<a/>", content_type)
    assert "does not match" in s3_error(answer, 403, "SignatureDoesNotMatch")
    assert desk.put(document["url"], b"<a/>", TYPE).status_code == 200


def test_no_content_type_is_another_signature_too(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    s3_error(desk.put(document["url"], b"<a/>", None), 403, "SignatureDoesNotMatch")


def test_an_upload_address_lives_five_minutes(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    desk.advance(298)
    assert desk.put(document["url"], b"<a/>", TYPE).status_code == 200
    desk.advance(3)
    again = desk.put(document["url"], b"<late/>", TYPE)
    assert s3_error(again, 403, "AccessDenied") == "Request has expired"
    assert "<X-Amz-Expires>300</X-Amz-Expires>" in again.text
    shown = read(desk, document["feedDocumentId"])
    assert desk.house.http.get(shown["url"]).content == b"<a/>"


def test_a_download_address_lives_five_minutes_and_another_can_be_had(desk: Desk) -> None:
    document_id = desk.uploaded(b"<a/>")
    url = read(desk, document_id)["url"]
    desk.advance(298)
    assert desk.house.http.get(url).content == b"<a/>"
    desk.advance(3)
    assert s3_error(desk.house.http.get(url), 403, "AccessDenied") == "Request has expired"
    assert desk.house.http.get(read(desk, document_id)["url"]).content == b"<a/>"


def test_tampering(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    other = desk.new_document(TYPE)
    url = document["url"]
    given = dict(parse_qsl(urlsplit(url).query))
    signature = given["X-Amz-Signature"]
    for forged in (
        changed(url, **{"X-Amz-Expires": "604800"}),
        changed(url, **{"X-Amz-SignedHeaders": "host"}),
        changed(
            url, **{"X-Amz-Signature": signature[:-1] + ("0" if signature[-1] != "0" else "1")}
        ),
        changed(url, **{"X-Amz-Signature": "é"}),
        changed(url, extra="1"),
        url.replace(document["feedDocumentId"], other["feedDocumentId"]),
        url.replace(document["feedDocumentId"], "unknown"),
    ):
        s3_error(desk.put(forged, b"<a/>", TYPE), 403, "SignatureDoesNotMatch")
    later = changed(url, **{"X-Amz-Date": "20990101T000000Z"})
    assert s3_error(desk.put(later, b"<a/>", TYPE), 403, "AccessDenied").endswith("not yet valid")
    s3_error(desk.house.http.get(url), 403, "SignatureDoesNotMatch")
    s3_error(desk.house.http.delete(url), 403, "SignatureDoesNotMatch")
    bare = url.partition("?")[0]
    s3_error(desk.put(bare, b"<a/>", TYPE), 403, "AccessDenied")
    lacking = f"{bare}?X-Amz-Signature={signature}"
    s3_error(desk.put(lacking, b"<a/>", TYPE), 400, "AuthorizationQueryParametersError")
    odd = changed(url, **{"X-Amz-Date": "yesterday"})
    s3_error(desk.put(odd, b"<a/>", TYPE), 400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Date", "99991231T235959Z"),
        ("X-Amz-Expires", "999999999999"),
        ("X-Amz-Expires", "9" * 4500),
        ("X-Amz-Expires", "300.5"),
        ("X-Amz-Expires", ""),
    ],
)
def test_times_that_no_calendar_has(desk: Desk, name: str, value: str) -> None:
    odd = changed(desk.new_document(TYPE)["url"], **{name: value})
    s3_error(desk.put(odd, b"<a/>", TYPE), 400, "AuthorizationQueryParametersError")


def test_an_address_lives_exactly_five_minutes_and_not_before(desk: Desk) -> None:
    """To the millisecond, which over HTTP could only be seen with luck."""
    stage = desk.house.amazon.stage
    documents = stage.of(Documents)
    document_id = desk.uploaded(b"<a/>", TYPE)
    document = documents.get(document_id)
    assert document is not None
    signed_at = stage.clock.now().replace(microsecond=0)

    def opens(url: str, method: str, after_s: float) -> str:
        split = urlsplit(url)
        headers = {"content-type": TYPE} if method == "PUT" else {}
        now = signed_at + timedelta(seconds=after_s)
        try:
            documents.check(method, split.path, parse_qsl(split.query), headers, now)
        except Refused as refused:
            return refused.message
        return "open"

    for method, url in (
        ("GET", documents.download_url(stage, document, signed_at)),
        ("PUT", documents.upload_url(stage, document, signed_at)),
    ):
        assert [opens(url, method, after_s) for after_s in (-3600, 0, 299.999, 300, 10**9)] == [
            "Request is not yet valid",
            "open",
            "open",
            "Request has expired",
            "Request has expired",
        ]


def test_nobody_can_guess(desk: Desk) -> None:
    """Every address is signed anew with a key that nobody is told."""
    document_id = desk.uploaded()
    seen = set()
    for second in range(3):
        signature = dict(parse_qsl(urlsplit(read(desk, document_id)["url"]).query))
        assert re.fullmatch("emulated[0-9a-f]{64}", signature["X-Amz-Signature"])
        seen.add(signature["X-Amz-Signature"])
        desk.advance(1 + second)
    assert len(seen) == 3


def test_a_token_for_the_api_has_no_business_at_the_storage(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    headers = {"content-type": TYPE, "x-amz-access-token": desk.token}
    answer = desk.house.http.put(document["url"], content=b"<a/>", headers=headers)
    assert "not signed" in s3_error(answer, 403, "AccessDenied")
    assert "<HeadersNotSigned>x-amz-access-token</HeadersNotSigned>" in answer.text
    headers = {"content-type": TYPE, "authorization": "Bearer x"}
    answer = desk.house.http.put(document["url"], content=b"<a/>", headers=headers)
    s3_error(answer, 400, "InvalidArgument")


def test_an_upload_that_does_not_say_its_length(desk: Desk) -> None:
    document = desk.new_document(TYPE)

    def pieces() -> object:
        yield b"<a"
        yield b"/>"

    answer = desk.house.http.put(
        document["url"],
        content=pieces(),  # type: ignore[arg-type]
        headers={"content-type": TYPE},
    )
    s3_error(answer, 501, "NotImplemented")


def test_an_upload_without_any_length(desk: Desk) -> None:
    split = urlsplit(desk.new_document(TYPE)["url"])
    with socket.create_connection((split.hostname or "", split.port or 0), timeout=60) as line:
        line.sendall(
            f"PUT {split.path}?{split.query} HTTP/1.1\r\nHost: {split.netloc}\r\n"
            f"Content-Type: {TYPE}\r\nConnection: close\r\n\r\n".encode()
        )
        said = b"".join(iter(lambda: line.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 411 ")
    assert b"<Code>MissingContentLength</Code>" in said


def test_an_upload_that_breaks_off_is_none(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    url = urlsplit(document["url"])
    with socket.create_connection((url.hostname, url.port)) as line:
        head = (
            f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {TYPE}\r\n"
            "Content-Length: 1000\r\n\r\n<half"
        )
        line.sendall(head.encode())
    deadline = time.monotonic() + 60
    while desk.house.amazon.levers.count(kind="documents.put", status=0) == 0:
        assert time.monotonic() < deadline, "the emulator did not see that the client left"
    answer = desk.create(inputFeedDocumentId=document["feedDocumentId"])
    refused(answer, 400, "InvalidInput")


def test_too_large(desk: Desk) -> None:
    desk.lever("PUT", "/documents/limit", {"max_bytes": 1000})
    document = desk.new_document(TYPE)
    assert desk.put(document["url"], b"x" * 1000, TYPE).status_code == 200
    answer = desk.put(document["url"], b"x" * 1001, TYPE)
    assert "maximum allowed size" in s3_error(answer, 400, "EntityTooLarge")
    assert "<MaxSizeAllowed>1000</MaxSizeAllowed>" in answer.text
    shown = read(desk, document["feedDocumentId"])
    assert len(desk.house.http.get(shown["url"]).content) == 1000, "the one before stands"


def test_a_document_without_an_upload(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    shown = read(desk, document["feedDocumentId"])
    s3_error(desk.house.http.get(shown["url"]), 404, "NoSuchKey")


# --- whose, and how long --------------------------------------------------------------------------


def test_documents_are_of_one_partner_and_region(house: House) -> None:
    partner = house.seller(marketplaces=["DE", "US"])
    desk, overseas = Desk.of(house, partner), Desk.of(house, partner, "na")
    document_id = desk.uploaded()
    stranger = Desk.of(house)
    for other in (stranger, overseas):
        refused(other.call("GET", f"{FEED_DOCUMENTS}/{document_id}"), 404, "NotFound")
    refused(stranger.create(inputFeedDocumentId=document_id), 400, "InvalidInput")
    refused(desk.call("GET", f"{FEED_DOCUMENTS}/unknown"), 404, "NotFound")


def test_an_upload_can_be_used_for_two_days(desk: Desk) -> None:
    used, unused = desk.uploaded(), desk.uploaded()
    desk.house.amazon.levers.advance(2 * 86400 - 5)
    renewed = Desk.of(desk.house, desk.partner)
    assert renewed.create(inputFeedDocumentId=used).status_code == 202
    desk.advance(6)
    error = refused(renewed.create(inputFeedDocumentId=unused), 400, "InvalidInput")
    assert "expired" in error["details"]


def test_documents_are_kept_28_days(desk: Desk) -> None:
    desk.pace(0, 0)
    feed_id = desk.feed()
    document_id = desk.get(feed_id)["resultFeedDocumentId"]
    desk.advance(28 * 86400 - 60)
    renewed = Desk.of(desk.house, desk.partner)
    assert renewed.downloaded(read(renewed, document_id))
    desk.advance(61)
    refused(renewed.call("GET", f"{FEED_DOCUMENTS}/{document_id}"), 404, "NotFound")
    assert renewed.status(feed_id) == "DONE", "feeds are kept longer"


# --- gzip -----------------------------------------------------------------------------------------


def packed_result(desk: Desk) -> str:
    desk.pace(0, 0)
    desk.lever("PATCH", "/feeds/habits", {"packed": True})
    return str(desk.get(desk.feed())["resultFeedDocumentId"])


def raw(url: str) -> tuple[http.client.HTTPResponse, bytes]:
    """As it comes over the wire: nothing is unpacked on the way."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc)
    try:
        line.request("GET", f"{parts.path}?{parts.query}")
        answer = line.getresponse()
        return answer, answer.read()
    finally:
        line.close()


def test_a_packed_result_is_to_be_unpacked(desk: Desk) -> None:
    document_id = packed_result(desk)
    shown = read(desk, document_id)
    assert shown["compressionAlgorithm"] == "GZIP"
    answer, body = raw(shown["url"])
    assert answer.getheader("content-encoding") in (None, "identity")
    assert b"ProcessingReport" in gzip.decompress(body)
    assert desk.house.http.get(shown["url"]).content == body


def test_a_packed_result_can_unpack_itself(desk: Desk) -> None:
    document_id = packed_result(desk)
    shown = read(desk, document_id, enableContentEncodingUrlHeader="true")
    assert shown["compressionAlgorithm"] == "GZIP"
    answer, body = raw(shown["url"])
    assert answer.getheader("content-encoding") == "gzip"
    assert body[:2] == b"\x1f\x8b"
    assert b"ProcessingReport" in desk.house.http.get(shown["url"]).content
    forged = shown["url"].replace("response-content-encoding=gzip", "response-content-encoding=br")
    s3_error(desk.house.http.get(forged), 403, "SignatureDoesNotMatch")


def test_the_flag_is_a_truth(desk: Desk) -> None:
    path = f"{FEED_DOCUMENTS}/{desk.uploaded()}"
    answer = desk.call("GET", path, enableContentEncodingUrlHeader="perhaps")
    refused(answer, 400, "InvalidInput")


# --- history and weather --------------------------------------------------------------------------


def test_history_tells_who_and_no_signature(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    desk.put(document["url"], b"<a/>", TYPE)
    desk.put(document["url"], b"<a/>", "text/plain")
    desk.house.http.get(read(desk, document["feedDocumentId"])["url"])
    told = desk.house.amazon.levers.history(kind="documents", partner=desk.partner_id)
    assert [(one["kind"], one["status"], one["error"]) for one in told] == [
        ("documents.put", 200, None),
        ("documents.put", 403, "SignatureDoesNotMatch"),
        ("documents.get", 200, None),
    ]
    assert [one["facts"] for one in told] == [{"bytes": 4}, {}, {"bytes": 4}]
    assert {one["region"] for one in told} == {"eu"}
    signature = dict(parse_qsl(urlsplit(document["url"]).query))["X-Amz-Signature"]
    everything = str(desk.lever("GET", "/history", limit=1000))
    assert signature not in everything
    assert "X-Amz-" not in everything


def spell(desk: Desk, mode: str, operation: str, **more: object) -> None:
    desk.lever("POST", "/documents/fail", {"mode": mode, "operation": operation, **more})


@pytest.mark.parametrize(("mode", "code"), [("500", "InternalError"), ("503", "SlowDown")])
def test_the_storage_can_fail(desk: Desk, mode: str, code: str) -> None:
    document = desk.new_document(TYPE)
    spell(desk, mode, "upload", times=1)
    s3_error(desk.put(document["url"], b"<a/>", TYPE), int(mode), code)
    refused(desk.create(inputFeedDocumentId=document["feedDocumentId"]), 400, "InvalidInput")
    assert desk.put(document["url"], b"<a/>", TYPE).status_code == 200


def test_the_storage_can_fail_after_its_work(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    spell(desk, "500_after", "upload", times=1)
    s3_error(desk.put(document["url"], b"<a/>", TYPE), 500, "InternalError")
    assert desk.create(inputFeedDocumentId=document["feedDocumentId"]).status_code == 202


def test_connections_can_drop_and_downloads_can_be_cut(desk: Desk) -> None:
    document = desk.new_document(TYPE)
    spell(desk, "drop", "upload", times=1)
    with pytest.raises(httpx2.TransportError):
        desk.put(document["url"], b"<a/>", TYPE)
    assert desk.put(document["url"], b"<aaaaaaaa/>", TYPE).status_code == 200
    shown = read(desk, document["feedDocumentId"])
    spell(desk, "truncate", "download", times=1)
    with pytest.raises(httpx2.TransportError):
        desk.house.http.get(shown["url"])
    spell(desk, "garbage", "download", times=1)
    assert desk.house.http.get(shown["url"]).content == b"\x1f\x8b\xff\xfe{"
    spell(desk, "slow", "download", times=1, ms=20)
    assert desk.house.http.get(shown["url"]).content == b"<aaaaaaaa/>"
    told = desk.house.amazon.levers.history(kind="documents")
    assert [one["weather"] for one in told] == ["drop", None, "truncate", "garbage", "slow"]
    assert told[0]["status"] == 0


# --- the whole state ------------------------------------------------------------------------------


def test_documents_go_into_a_world_file_and_come_back(running: Emulator, desk: Desk) -> None:
    uploaded = desk.uploaded(b"<a/>")
    empty = desk.new_document()["feedDocumentId"]
    result = packed_result(desk)
    before = running.stage.of(Documents)
    written = before.as_json()
    after = Documents()
    after.load(running.stage, written)
    assert after.as_json() == written
    for document_id in (uploaded, empty, result):
        came, went = after.get(document_id), before.get(document_id)
        assert came is not None
        assert went is not None
        assert came.content == went.content
        assert came.compression == went.compression
    for wrong, words in (
        ({"documents": [{}]}, r"documents\.documents\[0\]\.content_base64|document_id: is missing"),
        ({"documents": 3}, "must be a list"),
        ({"other": 3}, "unknown: other"),
        ({"max_upload": 0}, "from 1 to 5368709120"),
        ({"max_upload": 10**30}, "from 1 to 5368709120"),
        ({"max_upload": "1"}, "whole number"),
        ([], "must be an object"),
        ({"documents": [written["documents"][0]] * 2}, "twice"),
        ({"documents": [{**written["documents"][0], "region": "moon"}]}, "one of na, eu"),
        ({"documents": [{**written["documents"][0], "content_base64": "?"}]}, "not base64"),
    ):
        with pytest.raises(ValueError, match=words):
            Documents().load(running.stage, wrong)


def test_content_types_that_no_header_can_hold(desk: Desk) -> None:
    for wrong in ("", "  ", "text/xml\r\nx: y", "téxt/xml", 7, None):
        answer = desk.call("POST", FEED_DOCUMENTS, {"contentType": wrong})
        refused(answer, 400, "InvalidInput")
    refused(desk.call("POST", FEED_DOCUMENTS, {}), 400, "InvalidInput")
