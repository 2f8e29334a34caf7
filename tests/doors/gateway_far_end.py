"""Amazon and a program at both ends of a gateway over real sockets, for bodies of any size: each
makes its bytes while it goes and counts the other's. Also a process of its own (`main`) with the
gateway alone in it, whose memory can be watched."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evergrant.adapters.amazon.upstream import AiohttpUpstream
from evergrant.entrances import gateway
from evergrant.entrances.serve import listen, serve
from evergrant.rules.marketplaces import STANDARD, Marketplaces
from evergrant.rules.overrides import overridden
from evergrant.testing.desk import Fakes
from tests.doors.gateway_house import SETTINGS, House

PIECE = bytes(range(256)) * 256  # 64 KiB


@dataclass
class FarEnd:
    """Amazon. ``?size=`` in the query is what it answers with; what it is sent it counts. Paths
    that name a trouble get it. With ``raw`` that is the answer to every head, and it hangs up;
    ``drops`` requests are not answered at all."""

    port: int = 0
    taken: int = 0
    given: int = 0
    broken: int = 0
    heads: list[bytes] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    raw: bytes = b""
    drops: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way = False
        try:
            while True:
                under_way = False
                head = await reader.readuntil(b"\r\n\r\n")
                under_way = True
                self.heads.append(head)
                if self.drops or self.raw:
                    self.drops -= bool(self.drops)
                    writer.write(self.raw)
                    return
                await self._take(head.lower(), reader)
                await self._give(head.split(b" ")[1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.broken += under_way
        finally:
            writer.close()

    async def _take(self, head: bytes, reader: asyncio.StreamReader) -> None:
        if b"transfer-encoding: chunked" in head:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await self._swallow(reader, size)
                await reader.readexactly(2)
            await reader.readexactly(2)
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await self._swallow(reader, int(line.split(b":")[1]))

    async def _swallow(self, reader: asyncio.StreamReader, size: int) -> None:
        while size:
            piece = await reader.read(min(size, len(PIECE)))
            if not piece:
                raise asyncio.IncompleteReadError(b"x", None)
            size -= len(piece)
            self.taken += len(piece)

    async def _give(self, target: bytes, writer: asyncio.StreamWriter) -> None:
        if b"hold=1" in target:
            await self.held.wait()
        size = int(target.split(b"size=")[1].split(b"&")[0]) if b"size=" in target else 2
        chunked = b"chunked=1" in target
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        writer.write(b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: far\r\n" + length + b"\r\n\r\n")
        cut = b"cut=1" in target
        left = size // 2 if cut else size
        while left:
            piece = PIECE[:left]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
            left -= len(piece)
            self.given += len(piece)
        if cut:
            raise ConnectionAbortedError
        if chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()


@asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    far = FarEnd()
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    async with server:
        yield far


def marketplaces_at(port: int) -> Marketplaces:
    url = f"http://127.0.0.1:{port}"
    regions = {region: {"endpoint": url} for region in ("eu", "na", "fe")}
    return overridden(STANDARD, {"regions": regions})


async def open_house(port: int, **options: Any) -> House:
    """A house whose gateway has the real plug, and Amazon at that port."""
    house = House(Fakes(), marketplaces_at(port))
    upstream = AiohttpUpstream(**{"timeout_s": 10.0} | options)
    house.desk = replace(house.desk, upstream=upstream)
    house.door = gateway.build(house.desk, SETTINGS)
    return await house.open()


@dataclass
class Near:
    """One connection of a program."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> tuple[int, dict[str, str]]:
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = raw.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), headers

    async def count(self, size: int) -> int:
        """Reads so many bytes, or what comes before the connection is cut."""
        read = 0
        while read < size:
            piece = await self.reader.read(min(2**20, size - read))
            if not piece:
                break
            read += len(piece)
        return read

    async def push(self, size: int, *, chunked: bool = False) -> None:
        while size:
            piece = PIECE[:size]
            self.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await self.writer.drain()
            size -= len(piece)
        if chunked:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()


@asynccontextmanager
async def near_end(port: int, method: str, target: str, *headers: str) -> AsyncIterator[Near]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**21)
    lines = [f"{method} {target} HTTP/1.1", "host: gateway.test", *headers, "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    try:
        yield Near(reader, writer)
    finally:
        writer.close()


def rss_mib(pid: int) -> float:
    """Memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no such process")


async def _main(far_port: int) -> None:
    """The gateway alone, until standard input is closed. Says on standard output where it is and
    what opens it."""
    house = await open_house(far_port)
    account_id = await house.account()
    key = await house.api_key()
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(house.door, listening, stop))
    print(json.dumps({"port": port, "key": key, "account": account_id}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await serving
    await house.desk.upstream.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
