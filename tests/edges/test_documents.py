"""The socket of documents: one contract on the fake and on HTTP; what goes over the wire."""

from __future__ import annotations

import asyncio
import logging
import secrets
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from evergrant.adapters.documents import HttpDocuments
from evergrant.errors import AmazonUnavailable, CallDenied
from evergrant.ports.documents import Documents
from evergrant.rules.secrecy import Secret
from evergrant.testing.documents import MemoryDocuments

XML = "text/xml; charset=UTF-8"
SIGNATURE = secrets.token_hex(20)


@dataclass
class Bucket:
    """A real HTTP/1.1 server on loopback in the place of Amazon's documents: it takes one
    Content-Type at each address, and gives what lies there."""

    port: int = 0
    types: dict[str, str] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    status: int = 0
    raw: bytes = b""  # instead of any answer
    hang: asyncio.Event | None = None

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}?X-Amz-Signature={SIGNATURE}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.seen.append((head[0], headers))
            if self.hang is not None:
                await self.hang.wait()
            writer.write(self.raw or self._answer(head[0], headers, body))
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()

    def _answer(self, line: str, headers: dict[str, str], body: bytes) -> bytes:
        method, target, _ = line.split(" ")
        name = target.split("?")[0].strip("/")
        if self.status:
            return _http(self.status)
        if method == "PUT":
            if headers.get("content-type") != self.types.get(name):
                return _http(403)
            self.content[name] = body
            return _http(200)
        if name not in self.content:
            return _http(404)
        return _http(200, self.content[name], {"Content-Type": self.types.get(name, "")})


def _http(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
async def bucket() -> AsyncIterator[Bucket]:
    bucket = Bucket()
    tasks: set[asyncio.Task[None]] = set()

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.get_running_loop().create_task(bucket.serve(reader, writer)))

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    bucket.port = server.sockets[0].getsockname()[1]
    yield bucket
    if bucket.hang is not None:
        bucket.hang.set()
    server.close()
    await asyncio.sleep(0)  # who was accepted a moment ago begins now
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def http() -> AsyncIterator[HttpDocuments]:
    documents = HttpDocuments(timeout_s=5, user_agent="Evergrant-Test", most_bytes=1_000_000)
    yield documents
    await documents.close()


async def fetched(documents: Documents, url: str) -> tuple[bytes, str]:
    async with documents.download(Secret(url)) as download:
        pieces = [piece async for piece in download.pieces]
        return b"".join(pieces), download.content_type


# --- the contract -------------------------------------------------------------------------------


@dataclass
class Case:
    documents: Documents
    url: str
    give: Callable[[str], None]  # the address takes this Content-Type
    lay: Callable[[bytes, str], None]
    uploaded: Callable[[], bytes | None]
    fail: Callable[[], None]


@pytest.fixture(params=["memory", "http"])
async def case(request: pytest.FixtureRequest, bucket: Bucket, http: HttpDocuments) -> Case:
    if request.param == "memory":
        memory, url = MemoryDocuments(), f"https://documents.example/one?x={SIGNATURE}"

        def fail() -> None:
            memory.fail = lambda act, url: AmazonUnavailable()

        return Case(
            memory,
            url,
            lambda content_type: memory.give(url, content_type),
            lambda content, content_type: memory.put(url, content, content_type),
            lambda: memory.uploads[url].content if url in memory.uploads else None,
            fail,
        )

    def lay(content: bytes, content_type: str) -> None:
        bucket.content["one"], bucket.types["one"] = content, content_type

    def down() -> None:
        bucket.status = 503

    return Case(
        http,
        bucket.url("one"),
        lambda content_type: bucket.types.update(one=content_type),
        lay,
        lambda: bucket.content.get("one"),
        down,
    )


async def test_what_is_uploaded_arrives(case: Case) -> None:
    content = secrets.token_bytes(200_000)
    case.give(XML)
    await case.documents.upload(Secret(case.url), content, XML)
    assert case.uploaded() == content


async def test_another_content_type_is_refused(case: Case) -> None:
    case.give(XML)
    with pytest.raises(CallDenied) as refused:
        await case.documents.upload(Secret(case.url), b"<a/>", "text/xml")
    assert refused.value.status == 403
    assert case.uploaded() is None


async def test_what_lies_there_comes_as_it_is(case: Case) -> None:
    packed = b"\x1f\x8b" + secrets.token_bytes(150_000)
    case.lay(packed, "text/xml; charset=iso-8859-1")
    content, content_type = await fetched(case.documents, case.url)
    assert content == packed
    assert content_type == "text/xml; charset=iso-8859-1"


async def test_nothing_there_is_refused(case: Case) -> None:
    with pytest.raises(CallDenied):
        await fetched(case.documents, case.url)


async def test_weather_is_weather(case: Case) -> None:
    case.lay(b"x", "text/plain")
    case.fail()
    with pytest.raises(AmazonUnavailable):
        await case.documents.upload(Secret(case.url), b"x", "text/plain")
    with pytest.raises(AmazonUnavailable):
        await fetched(case.documents, case.url)


# --- over the wire ------------------------------------------------------------------------------


async def test_no_access_token_goes_there(bucket: Bucket, http: HttpDocuments) -> None:
    bucket.types["one"] = XML
    await http.upload(Secret(bucket.url("one")), b"<a/>", XML)
    ((line, headers),) = bucket.seen
    assert line.startswith("PUT /one?X-Amz-Signature=")
    assert headers["content-type"] == XML
    assert headers["content-length"] == "4"
    assert headers["user-agent"] == "Evergrant-Test"
    assert not {"x-amz-access-token", "authorization", "transfer-encoding"} & set(headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(bucket: Bucket, http: HttpDocuments, status: int) -> None:
    bucket.content["other"] = b"not this"
    bucket.raw = _http(status, headers={"Location": bucket.url("other")})
    with pytest.raises(CallDenied) as refused:
        await fetched(http, bucket.url("one"))
    assert refused.value.status == status
    with pytest.raises(CallDenied):
        await http.upload(Secret(bucket.url("one")), b"x", XML)
    assert len(bucket.seen) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://documents.example/one",
        "http://10.0.0.1/one",
        "ftp://127.0.0.1/one",
        "file:///etc/passwd",
        "https:///one",
        "one",
        "",
        "http://[::1",
    ],
)
async def test_nothing_goes_to_addresses_that_are_no_https(http: HttpDocuments, url: str) -> None:
    with pytest.raises(CallDenied):
        await http.upload(Secret(url), b"x", XML)
    with pytest.raises(CallDenied):
        await fetched(http, url)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_too_large_a_document_is_given_up(
    bucket: Bucket, http: HttpDocuments, told: bool
) -> None:
    body = bytes(1_000_001)
    length = f"Content-Length: {len(body)}\r\n" if told else ""
    bucket.raw = f"HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n".encode() + body
    with pytest.raises(CallDenied) as refused:
        await fetched(http, bucket.url("one"))
    assert refused.value.status == 413


async def test_a_document_that_breaks_off_is_no_document(
    bucket: Bucket, http: HttpDocuments
) -> None:
    bucket.raw = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n12345"
    with pytest.raises(AmazonUnavailable):
        await fetched(http, bucket.url("one"))


async def test_silence_is_given_up(bucket: Bucket) -> None:
    bucket.hang = asyncio.Event()
    documents = HttpDocuments(timeout_s=0.2, user_agent="Evergrant-Test")
    try:
        with pytest.raises(AmazonUnavailable):
            await documents.upload(Secret(bucket.url("one")), b"x", XML)
        with pytest.raises(AmazonUnavailable):
            await fetched(documents, bucket.url("one"))
    finally:
        await documents.close()


async def test_a_trickle_is_given_up(bucket: Bucket) -> None:
    """Each piece in time, and never an end."""
    seconds = iter(range(0, 10_000, 400))
    documents = HttpDocuments(
        timeout_s=5, user_agent="Evergrant-Test", monotonic=lambda: float(next(seconds))
    )
    bucket.content["one"] = bytes(900_000)
    try:
        with pytest.raises(AmazonUnavailable):
            await fetched(documents, bucket.url("one"))
    finally:
        await documents.close()


async def test_the_address_stands_in_no_error_and_no_log(
    bucket: Bucket, http: HttpDocuments, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    urls = [bucket.url("none"), f"https://127.0.0.1:1/one?X-Amz-Signature={SIGNATURE}"]
    bucket.raw = b"no http\r\n\r\n"
    for url in urls:
        for act in (http.upload(Secret(url), b"x", XML), fetched(http, url)):
            with pytest.raises((AmazonUnavailable, CallDenied)) as failed:
                await act
            told = "".join(traceback.format_exception(failed.value)) + repr(failed.value.facts)
            assert SIGNATURE not in told
            assert failed.value.__context__ is None
    ours = [one for one in caplog.records if one.name.startswith("evergrant")]
    assert all(SIGNATURE not in one.getMessage() for one in ours)
