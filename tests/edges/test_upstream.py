"""The plug behind the gateway, against a server that plays Amazon byte for byte."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evergrant.adapters.amazon.upstream import AiohttpUpstream
from evergrant.errors import AmazonUnavailable
from evergrant.ports.upstream import UpstreamAnswer, UpstreamRequest
from evergrant.rules.secrecy import Secret

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Amazon:
    """A listening socket; ``play`` answers each request whose head was read."""

    play: Play
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await self.play(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def amazon(play: Play) -> AsyncIterator[Amazon]:
    playing = Amazon(play)
    server = await asyncio.start_server(playing.serve, "127.0.0.1", 0, limit=2**20)
    playing.port = server.sockets[0].getsockname()[1]
    async with server:
        yield playing


@asynccontextmanager
async def plugged(**options: Any) -> AsyncIterator[AiohttpUpstream]:
    upstream = AiohttpUpstream(**{"timeout_s": 5.0} | options)
    try:
        yield upstream
    finally:
        await upstream.close()


def request(endpoint: str, **given: Any) -> UpstreamRequest:
    defaults: dict[str, Any] = {
        "method": "GET",
        "target": "/sellers/v1/marketplaceParticipations",
        "headers": [],
        "access_token": Secret("Atza|" + secrets.token_hex(8)),
    }
    return UpstreamRequest(endpoint=endpoint, **defaults | given)


async def body_of(answer: UpstreamAnswer) -> bytes:
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return b"".join(pieces)


def plays(raw: bytes) -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return play


def plays_and_hangs_up(raw: bytes) -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()
        raise ConnectionAbortedError

    return play


async def test_exactly_what_it_is_given_goes_out() -> None:
    async with amazon(plays(OK)) as far, plugged() as upstream:
        token = Secret("Atza|" + secrets.token_hex(8))
        target = "/listings/2021-08-01/items/A1/SKU%2F1%20%c3%bc+~?x=%2B+&x=a'(b)&q=[1]|2&e"
        answer = await upstream.open(
            request(
                far.endpoint,
                target=target,
                headers=[(b"accept", b"a"), (b"accept", b"b"), (b"x-u", "ü".encode())],
                access_token=token,
            )
        )
        assert await body_of(answer) == b"ok"
        lines = far.heads[0].split(b"\r\n")
        assert lines[0] == f"GET {target} HTTP/1.1".encode()
        assert sorted(line for line in lines[1:] if line) == sorted(
            [
                f"Host: 127.0.0.1:{far.port}".encode(),
                b"accept: a",
                b"accept: b",
                "x-u: ü".encode(),
                f"x-amz-access-token: {token.reveal()}".encode(),
            ]
        )


async def test_our_name_stands_in_for_none() -> None:
    async with amazon(plays(OK)) as far, plugged(user_agent="Evergrant/1") as upstream:
        for headers in ([], [(b"user-agent", b"ERP/2")]):
            await (await upstream.open(request(far.endpoint, headers=headers))).close()
        assert b"user-agent: Evergrant/1" in far.heads[0]
        assert b"Evergrant" not in far.heads[1]


async def test_exactly_what_amazon_sends_comes_back() -> None:
    head = (
        b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nSet-Cookie: a=1\r\n"
        b"set-cookie: b=2\r\nContent-Encoding: gzip\r\nX-Empty:\r\nContent-Length: 4\r\n\r\n"
    )
    async with amazon(plays(head + b"\x1f\x8b\x00\x01")) as far, plugged() as upstream:
        for _ in range(2):
            answer = await upstream.open(request(far.endpoint))
            assert answer.status == 307
            assert list(answer.headers) == [
                (b"Location", b"http://127.0.0.1:1/"),
                (b"Set-Cookie", b"a=1"),
                (b"set-cookie", b"b=2"),
                (b"Content-Encoding", b"gzip"),
                (b"X-Empty", b""),
                (b"Content-Length", b"4"),
            ]
            assert await body_of(answer) == b"\x1f\x8b\x00\x01"
            await answer.close()
        assert b"ookie" not in far.heads[1]
        assert far.connections == 1


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_keep_the_connection(method: str, raw: bytes) -> None:
    async with amazon(plays(raw)) as far, plugged() as upstream:
        for _ in range(3):
            answer = await upstream.open(request(far.endpoint, method=method))
            assert await body_of(answer) == b""
            await answer.close()
        assert far.connections == 1


async def test_bodies_go_out_whole() -> None:
    taken: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = far.heads[-1].lower()
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            [length] = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(length.split(b":")[1]))
        taken.append(body)
        writer.write(OK)

    async def pieces(count: int) -> AsyncIterator[bytes]:
        for at in range(count):
            yield bytes([at]) * 1000

    async with amazon(play) as far, plugged() as upstream:
        for body, length in (
            (b"", 0),
            (b"{}", 2),
            (pieces(200), 200_000),
            (pieces(200), None),
        ):
            answer = await upstream.open(
                request(far.endpoint, method="POST", body=body, content_length=length)
            )
            assert await body_of(answer) == b"ok"
            await answer.close()
    assert [len(body) for body in taken] == [0, 2, 200_000, 200_000]
    assert taken[2] == taken[3]


@pytest.mark.parametrize("length", [200_000, None])
async def test_a_body_that_breaks_off_never_looks_whole(length: int | None) -> None:
    ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.set_result(await reader.read(-1))
        raise ConnectionAbortedError

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        raise RuntimeError("the program is gone")

    async with amazon(play) as far, plugged() as upstream:
        with pytest.raises(AmazonUnavailable) as broken:
            await upstream.open(
                request(far.endpoint, method="POST", body=pieces(), content_length=length)
            )
        assert broken.value.facts["sent"] is True
        async with asyncio.timeout(60):
            sent = await ended
    assert sent.count(b"x") == 1000
    assert not sent.endswith(b"0\r\n\r\n")


# --- no answer ----------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    async with amazon(plays(OK)) as far:
        endpoint = far.endpoint
    async with plugged() as upstream:
        with pytest.raises(AmazonUnavailable) as refused:
            await upstream.open(request(endpoint))
    assert refused.value.facts["sent"] is False


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("kept", [True, False])
async def test_nothing_is_sent_twice(method: str, kept: bool) -> None:
    """HTTP would let a client repeat some of these on its own."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if kept and len(far.heads) == 1:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        raise ConnectionAbortedError

    async with amazon(play) as far, plugged() as upstream:
        if kept:
            await (await upstream.open(request(far.endpoint))).close()
        with pytest.raises(AmazonUnavailable) as broken:
            await upstream.open(request(far.endpoint, method=method))
        assert broken.value.facts["sent"] is True
        assert len(far.heads) == 1 + kept


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 2", b"hello\r\n\r\n"])
async def test_half_a_head_is_no_answer(raw: bytes) -> None:
    async with amazon(plays_and_hangs_up(raw)) as far, plugged() as upstream:
        with pytest.raises(AmazonUnavailable) as broken:
            await upstream.open(request(far.endpoint))
    assert broken.value.facts["sent"] is True


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\nof",
    ],
)
async def test_half_a_body_is_an_error(raw: bytes) -> None:
    async with amazon(plays_and_hangs_up(raw)) as far, plugged() as upstream:
        answer = await upstream.open(request(far.endpoint))
        assert answer.status == 200
        with pytest.raises(AmazonUnavailable):
            await body_of(answer)
        await answer.close()


async def test_silence_is_told_as_such() -> None:
    forever = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if far.heads[-1].startswith(b"GET /in-mid-body"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await forever.wait()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async with amazon(play) as far, plugged(timeout_s=0.2) as upstream:
        with pytest.raises(AmazonUnavailable) as silent:
            await upstream.open(request(far.endpoint))
        assert silent.value.facts == {"sent": True, "timed_out": True}
        with pytest.raises(AmazonUnavailable) as silent:
            await upstream.open(request(far.endpoint, method="POST", body=endless()))
        assert silent.value.facts == {"sent": True, "timed_out": True}
        answer = await upstream.open(request(far.endpoint, target="/in-mid-body"))
        with pytest.raises(AmazonUnavailable):
            await body_of(answer)
        await answer.close()
        forever.set()


async def test_who_closes_an_answer_closes_the_connection() -> None:
    broke = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while not reader.at_eof():
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        finally:
            broke.set()

    async with amazon(play) as far, plugged() as upstream:
        answer = await upstream.open(request(far.endpoint))
        assert await answer.read()
        await answer.close()
        async with asyncio.timeout(60):
            await broke.wait()


async def test_a_cancelled_call_closes_the_connection() -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read(-1)
        ended.set()
        raise ConnectionAbortedError

    async with amazon(play) as far, plugged() as upstream:
        opening = asyncio.ensure_future(upstream.open(request(far.endpoint)))
        async with asyncio.timeout(60):
            await arrived.wait()
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await ended.wait()


async def test_a_slow_reader_is_waited_for() -> None:
    """What nobody reads is not fetched: Amazon has to wait, and memory does not grow."""
    written = 0

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000

    async with amazon(play) as far, plugged() as upstream:
        answer = await upstream.open(request(far.endpoint))
        still, last = 0, -1
        async with asyncio.timeout(60):
            while still < 10:
                await asyncio.sleep(0.02)
                still, last = (still + 1, last) if written == last else (0, written)
        assert written < 20_000_000
        assert len(await body_of(answer)) == 100_000_000
        await answer.close()


async def test_no_secret_hangs_on_an_error() -> None:
    token = Secret("Atza|" + secrets.token_hex(16))
    async with amazon(plays_and_hangs_up(b"")) as far, plugged() as upstream:
        with pytest.raises(AmazonUnavailable) as broken:
            await upstream.open(request(far.endpoint, access_token=token))
        far.heads.clear()
    error = broken.value
    assert error.__cause__ is None
    assert error.__context__ is None
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert token.reveal() not in told


async def test_tls_is_verified(tmp_path: Path) -> None:
    server, authority = _certificate(tmp_path)
    far = Amazon(plays(OK))
    listening = await asyncio.start_server(far.serve, "127.0.0.1", 0, ssl=server)
    endpoint = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        async with plugged() as upstream:
            with pytest.raises(AmazonUnavailable) as refused:
                await upstream.open(request(endpoint))
        async with plugged(verify=ssl.create_default_context(cafile=authority)) as trusting:
            answer = await trusting.open(request(endpoint))
            assert await body_of(answer) == b"ok"
            await answer.close()
    assert refused.value.facts["sent"] is False
    assert len(far.heads) == 1


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "amazon.test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, chain = folder / "ca.pem", folder / "server.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + authority.read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, authority
