"""The gateway over real sockets: large bodies in little memory, slow ends, broken ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.doors.gateway_far_end import (
    FarEnd,
    Near,
    far_end,
    near_end,
    open_house,
    rss_mib,
)
from tests.doors.gateway_house import FEEDS, PARTICIPATIONS, House, served, until

MIB = 2**20
#: `GATEWAY_STREAM_MIB=2048` sends and fetches 2 GiB in all, in less than a minute.
SIZE = int(os.environ.get("GATEWAY_STREAM_MIB", "256")) * MIB


@dataclass
class Stage:
    far: FarEnd
    house: House
    port: int
    who: tuple[str, ...]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with far_end() as far:
        house = await open_house(far.port)
        bearer = await house.bearer(await house.account())
        async with served(house.door) as port:
            yield Stage(far, house, port, tuple(f"{name}: {value}" for name, value in bearer))
            far.held.set()
        await house.desk.upstream.close()


# --- large bodies in little memory ----------------------------------------------------------------


@asynccontextmanager
async def process(far: FarEnd) -> AsyncIterator[tuple[int, int, tuple[str, ...]]]:
    """A gateway in a process of its own: its id, its port, and the headers that it wants."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.doors.gateway_far_end", str(far.port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        async with asyncio.timeout(60):
            while not (line := await running.stdout.readline()).startswith(b'{"port"'):
                assert line, "the process is gone"
        told = json.loads(line)
        who = (f"authorization: Bearer {told['key']}", f"x-evergrant-account: {told['account']}")
        reading = asyncio.create_task(running.stdout.read())
        yield running.pid, told["port"], who
        running.stdin.close()
        async with asyncio.timeout(60):
            await reading
            await running.wait()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def _most_rss(pid: int, work: asyncio.Task[object]) -> float:
    most = 0.0
    while not work.done():
        most = max(most, rss_mib(pid))
        await asyncio.sleep(0.05)
    await work
    return most


async def test_large_bodies_both_ways_in_constant_memory() -> None:
    async with far_end() as far, process(far) as (pid, port, who):

        async def up_and_down(size: int, chunked: bool) -> None:
            framing = "transfer-encoding: chunked" if chunked else f"content-length: {size}"
            target = f"{FEEDS}?size={size}&chunked={int(chunked)}"
            async with near_end(port, "POST", target, *who, framing) as near:
                await near.push(size, chunked=chunked)
                status, _ = await near.head()
                assert status == 200
                # Chunks add a few bytes to each piece, and those to the end.
                assert await near.count(size) == size

        await up_and_down(8 * MIB, chunked=False)
        await up_and_down(8 * MIB, chunked=True)
        before = rss_mib(pid)
        far.taken = far.given = 0
        for chunked in (False, True):
            work = asyncio.ensure_future(up_and_down(SIZE // 2, chunked))
            grown = await _most_rss(pid, work) - before
            assert grown < 24, f"grew by {grown:.0f} MiB"
        assert far.taken == far.given == SIZE


# --- slow ends --------------------------------------------------------------------------------


async def _stands_still(what: object, name: str) -> int:
    """The number, once it has not changed for a while."""
    still, last = 0, -1
    async with asyncio.timeout(60):
        while still < 15:
            await asyncio.sleep(0.02)
            number: int = getattr(what, name)
            still, last = (still + 1, last) if number == last else (0, number)
    return last


async def test_a_slow_reader_slows_amazon_down(stage: Stage) -> None:
    size = 128 * MIB
    async with near_end(stage.port, "GET", f"{PARTICIPATIONS}?size={size}", *stage.who) as near:
        status, headers = await near.head()
        assert (status, headers["content-length"]) == (200, str(size))
        assert await _stands_still(stage.far, "given") < 48 * MIB
        assert await near.count(size) == size


async def test_a_slow_amazon_slows_the_program_down(stage: Stage) -> None:
    size = 128 * MIB
    pushed = Pushed()
    gate = asyncio.Event()
    swallow = stage.far._swallow

    async def slow(reader: asyncio.StreamReader, size: int) -> None:
        await gate.wait()
        await swallow(reader, size)

    stage.far._swallow = slow  # type: ignore[method-assign]
    headers = (*stage.who, f"content-length: {size}")
    async with near_end(stage.port, "POST", FEEDS, *headers) as near:
        pushing = asyncio.create_task(pushed.push(near, size))
        assert await _stands_still(pushed, "bytes") < 48 * MIB
        gate.set()
        await pushing
        status, _ = await near.head()
        assert status == 200
        assert stage.far.taken == size


class Pushed:
    def __init__(self) -> None:
        self.bytes = 0

    async def push(self, near: Near, size: int) -> None:
        while self.bytes < size:
            await near.push(MIB)
            self.bytes += MIB


# --- broken ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [0, 1])
async def test_half_an_answer_ends_in_a_cut(stage: Stage, chunked: int) -> None:
    target = f"{PARTICIPATIONS}?size={4 * MIB}&cut=1&chunked={chunked}"
    async with near_end(stage.port, "GET", target, *stage.who) as near:
        status, _ = await near.head()
        assert status == 200
        rest = await near.reader.read(-1)
        assert len(rest) < 4 * MIB
        assert not rest.endswith(b"0\r\n\r\n")


async def test_who_hangs_up_in_mid_answer_stops_amazon(stage: Stage) -> None:
    for chunked in (0, 1):
        target = f"{PARTICIPATIONS}?size={1024 * MIB}&chunked={chunked}"
        async with near_end(stage.port, "GET", target, *stage.who) as near:
            await near.head()
            await near.count(MIB)
        await until(lambda many=chunked + 1: stage.far.broken == many)  # type: ignore[misc]
    assert stage.far.given < 512 * MIB


async def test_who_hangs_up_while_amazon_thinks_stops_the_call(stage: Stage) -> None:
    async with near_end(stage.port, "GET", f"{PARTICIPATIONS}?hold=1", *stage.who):
        await until(lambda: len(stage.far.heads) == 1)
    await until(lambda: _connections_of(stage) == 0)


def _connections_of(stage: Stage) -> int:
    session = stage.house.desk.upstream._session  # type: ignore[attr-defined]
    return 0 if session is None else len(session.connector._acquired)


async def test_who_will_send_no_more_counts_as_gone(stage: Stage) -> None:
    """A connection that is closed on one side is a program that hung up, as for nginx. The next
    one is served."""
    async with near_end(stage.port, "GET", f"{PARTICIPATIONS}?hold=1", *stage.who) as near:
        await until(lambda: len(stage.far.heads) == 1)
        near.writer.write_eof()
        await until(lambda: stage.far.broken == 1 or near.reader.at_eof())
        stage.far.held.set()
        async with asyncio.timeout(60):
            assert await near.reader.read(-1) == b""
    async with near_end(stage.port, "GET", PARTICIPATIONS, *stage.who) as near:
        assert (await near.head())[0] == 200


@pytest.mark.parametrize("framing", ["content-length: 100000000", "transfer-encoding: chunked"])
async def test_who_hangs_up_in_mid_body_leaves_half_a_request(stage: Stage, framing: str) -> None:
    headers = (*stage.who, framing)
    async with near_end(stage.port, "POST", f"{FEEDS}?size=5", *headers) as near:
        chunked = framing.startswith("transfer")
        near.writer.write(b"100000\r\n" if chunked else b"")
        await near.push(MIB)
        await until(lambda: stage.far.taken > 0)
    await until(lambda: stage.far.broken == 1)
    assert stage.far.given == 0


# --- smuggling and framing, through the real server -----------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}!",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"X-A: b\r\n folded\r\n\r\n",
        b"X-A: b\rX-Amz-Access-Token: c\r\n\r\n",
        b"X-A: b\x00c\r\n\r\n",
        b"Content-Length: 0x2\r\n\r\n{}",
    ],
)
async def test_one_request_is_one_request(stage: Stage, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    head = "\r\n".join([f"POST {FEEDS} HTTP/1.1", "host: x", *stage.who, ""]).encode()
    smuggled = b"GET /smuggled/v1/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    writer.write(head + raw + smuggled)
    async with asyncio.timeout(60):
        status = int((await reader.read(-1)).split(b" ")[1])
    writer.close()
    sent = stage.far.heads
    assert not any(b"smuggled" in one for one in sent)
    if status == 200:
        # Read in one way only: chunked, with no length beside it on the way out.
        [only] = sent
        assert b"content-length: 2" in only.lower()
        assert b"transfer-encoding" not in only.lower()
    else:
        assert status == 400
        assert not sent


async def test_an_absolute_target_goes_to_amazon(stage: Stage) -> None:
    target = f"http://evil.example:81{PARTICIPATIONS}?a=1"
    async with near_end(stage.port, "GET", target, *stage.who) as near:
        status, _ = await near.head()
    assert status == 200
    [head] = stage.far.heads
    assert head.startswith(f"GET {PARTICIPATIONS}?a=1 HTTP/1.1\r\n".encode())
    assert b"evil" not in head


async def test_a_program_that_asks_before_it_sends(stage: Stage) -> None:
    headers = (*stage.who, "expect: 100-continue", "content-length: 2")
    async with near_end(stage.port, "POST", FEEDS, *headers) as near:
        assert (await near.head())[0] == 100
        near.writer.write(b"{}")
        assert (await near.head())[0] == 200
    assert b"expect" not in stage.far.heads[0].lower()
    refused = ("expect: 100-continue", "content-length: 200000000")
    async with near_end(stage.port, "POST", FEEDS, *refused) as near:
        assert (await near.head())[0] == 401


async def test_a_head_keeps_its_length(stage: Stage) -> None:
    async with near_end(stage.port, "HEAD", f"{PARTICIPATIONS}?size=0", *stage.who) as near:
        status, headers = await near.head()
        assert status == 200
        assert headers["x-amzn-requestid"] == "far"
        near.writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await near.head())[0] == 401


async def test_a_connection_serves_on_after_a_long_call(stage: Stage) -> None:
    """By then somebody has looked whether the program is still there."""
    async with near_end(stage.port, "GET", f"{PARTICIPATIONS}?hold=1", *stage.who) as near:
        await until(lambda: len(stage.far.heads) == 1)
        await asyncio.sleep(0.2)
        stage.far.held.set()
        for _ in range(3):
            status, headers = await near.head()
            assert status == 200
            assert await near.count(int(headers["content-length"])) == 2
            again = [f"GET {PARTICIPATIONS}?x=1 HTTP/1.1", "host: x", *stage.who, "", ""]
            near.writer.write("\r\n".join(again).encode())
        await near.head()
    assert len(stage.far.heads) == 4


async def test_requests_that_come_before_the_answer_wait_their_turn(stage: Stage) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    for size in (1, 2, 3):
        head = [f"GET {PARTICIPATIONS}?size={size} HTTP/1.1", "host: x", *stage.who, "", ""]
        writer.write("\r\n".join(head).encode())
    near = Near(reader, writer)
    async with asyncio.timeout(60):
        for size in (1, 2, 3):
            status, headers = await near.head()
            assert (status, headers["content-length"]) == (200, str(size))
            assert await near.count(size) == size
    writer.close()


# --- odd answers of Amazon's ----------------------------------------------------------------------

_TOO_LARGE = b'{"errors":[{"code":"RequestTooLarge","message":"x"}]}'


@pytest.mark.parametrize("size", [200_000, 8 * MIB])
@pytest.mark.parametrize("reads_at_once", [True, False])
async def test_an_answer_before_the_body_is_whole(
    stage: Stage, size: int, reads_at_once: bool
) -> None:
    """Amazon says no and hangs up, whatever is still on its way. Also a program that first sends
    all and reads then gets to know why."""
    length = b"Content-Length: %d\r\n\r\n" % len(_TOO_LARGE)
    stage.far.raw = b"HTTP/1.1 413 Too Large\r\n" + length + _TOO_LARGE
    headers = (*stage.who, f"content-length: {size}")
    async with near_end(stage.port, "POST", FEEDS, *headers) as near, asyncio.timeout(60):
        if reads_at_once:
            pushing = asyncio.create_task(near.push(size))
        else:
            await near.push(size)
        status, told = await near.head()
        assert (status, told["content-length"]) == (413, str(len(_TOO_LARGE)))
        assert await near.reader.readexactly(len(_TOO_LARGE)) == _TOO_LARGE
        if reads_at_once:
            await pushing
        stage.far.raw = b""
        again = [f"GET {PARTICIPATIONS} HTTP/1.1", "host: x", *stage.who, "", ""]
        near.writer.write("\r\n".join(again).encode())
        assert (await near.head())[0] == 200, "the connection is as good as before"


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2", 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nX-A: caf\xe9\r\nX-B: \xc3\xa9\r\nContent-Length: 2", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nX-B: a\x7fb\r\nContent-Length: 2", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 110 + b"Content-Length: 2", 200, b"ok"),
        (b"HTTP/1.1 599\r\nContent-Length: 2", 599, b"ok"),
        (b"HTTP/1.0 200 OK\r\nX-A: b", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3", 502, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2", 502, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked", 502, b""),
        (b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade", 502, b""),
        (b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2", 502, b""),
    ],
)
async def test_odd_answers(stage: Stage, raw: bytes, status: int, body: bytes) -> None:
    stage.far.raw = raw + b"\r\n\r\nok"
    headers = (*stage.who, "connection: close", "x-evergrant-wait: 0")
    async with near_end(stage.port, "GET", PARTICIPATIONS, *headers) as near:
        got = await near.reader.read(-1)
    head, _, rest = got.partition(b"\r\n\r\n")
    assert int(head.split(b" ")[1]) == status
    assert head.count(b"HTTP/1.") == 1
    for name in (b"x-a: caf\xe9\r\n", b"x-b: \xc3\xa9\r\n"):
        assert (name in head) == (b"caf\xe9" in raw)
    assert head.count(b"x-many") == raw.count(b"X-Many")
    if status == 502:
        assert json.loads(rest)["facts"]["carried_out"] == "perhaps"
    else:
        assert body in rest


async def test_chunks_with_extensions_and_trailers(stage: Stage) -> None:
    head = b"HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n"
    stage.far.raw = head + b"2;a=b\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
    async with near_end(stage.port, "GET", PARTICIPATIONS, *stage.who) as near:
        status, headers = await near.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert "trailer" not in headers
        assert await near.reader.readuntil(b"0\r\n\r\n") == b"2\r\nok\r\n0\r\n\r\n"


async def test_a_kept_connection_that_ends_as_it_is_used(stage: Stage) -> None:
    """What only reads is repeated; what changes something may have been carried out."""
    ask = [f"GET {PARTICIPATIONS} HTTP/1.1", "host: x", *stage.who, "", ""]
    async with near_end(stage.port, "GET", PARTICIPATIONS, *stage.who) as near:
        assert (await near.head())[0] == 200
        await near.count(2)
        stage.far.drops = 1
        near.writer.write("\r\n".join(ask).encode())
        assert (await near.head())[0] == 200
        await near.count(2)
        assert len(stage.far.heads) == 3
        stage.far.drops = 1
        post = [f"POST {FEEDS} HTTP/1.1", "host: x", *stage.who, "content-length: 2", "", "{}"]
        near.writer.write("\r\n".join(post).encode())
        status, headers = await near.head()
        problem = json.loads(await near.reader.readexactly(int(headers["content-length"])))
        assert (status, problem["facts"]["carried_out"]) == (502, "perhaps")
        assert len(stage.far.heads) == 4
