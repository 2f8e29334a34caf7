"""A load generator in a process of its own: as many GETs as the server answers.

Answers for: being cheaper than what it measures (one epoll loop, no HTTP library, no parsing but
the length of the answer), so that on a small machine the server is the one that is busy. Does not
answer for: anything but keep-alive GETs on HTTP/1.1.

``python -m bench.load`` reads its errand from standard input, ``{"host": ..., "ports": [...],
"paths": [...], "headers": {...}, "connections": 32, "seconds": 3}``, and prints one line of JSON.
The connections are spread over the ports, the paths are asked for in turn; where
``headers_in_turn`` is given as well, a list of headers, each request has the next of them besides
``headers``.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """``p50_ms`` and ``p99_ms`` are of single answers; ``body_bytes`` is of the last one."""

    answers: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    body_bytes: int
    cpu_s: float  # of this process: when it nears ``seconds``, the generator was the limit


class Line:
    """One connection with one request under way."""

    __slots__ = ("began", "expected", "read", "sock")

    def __init__(self, host: str, port: int) -> None:
        self.sock = socket.create_connection((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.read = b""
        self.expected = 0
        self.began = 0.0


def run(
    host: str,
    ports: list[int],
    paths: list[str],
    headers: dict[str, str],
    connections: int,
    seconds: float,
    headers_in_turn: list[dict[str, str]] | None = None,
) -> Measured:
    """Raises RuntimeError on any answer that is not 200: then nothing was measured."""
    own = headers_in_turn or [{}]
    count = max(len(paths), len(own))
    requests = itertools.cycle(
        [
            _request(host, ports[0], path, {**headers, **turn})
            for path, turn in itertools.islice(
                zip(itertools.cycle(paths), itertools.cycle(own), strict=False), count
            )
        ]
    )
    poll = select.epoll()
    lines = {}
    for _, port in zip(range(connections), itertools.cycle(ports), strict=False):
        line = Line(host, port)
        lines[line.sock.fileno()] = line
        poll.register(line.sock.fileno(), select.EPOLLIN)
    spans: list[float] = []
    body_bytes = 0
    cpu = time.process_time()
    now = began = time.perf_counter()
    for line in lines.values():
        line.began = now
        line.sock.send(next(requests))
    end = began + seconds
    while now < end:
        found = poll.poll(1.0)
        if not found:  # nobody answers; the clock runs all the same
            now = time.perf_counter()
        for fd, _ in found:
            line = lines[fd]
            line.read += line.sock.recv(65536)
            if not line.expected:
                line.expected = _length(line.read)
            if not line.expected or len(line.read) < line.expected:
                continue
            now = time.perf_counter()
            spans.append(now - line.began)
            body_bytes = line.expected - line.read.find(b"\r\n\r\n") - 4
            line.read = b""
            line.expected = 0
            line.began = now
            line.sock.send(next(requests))
    took = now - began
    used = time.process_time() - cpu
    for line in lines.values():
        line.sock.close()
    spans.sort()
    return Measured(
        answers=len(spans),
        seconds=took,
        per_second=len(spans) / took,
        p50_ms=spans[len(spans) // 2] * 1000,
        p99_ms=spans[len(spans) * 99 // 100] * 1000,
        body_bytes=body_bytes,
        cpu_s=used,
    )


def _request(host: str, port: int, path: str, headers: dict[str, str]) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n{head}\r\n".encode()


def _length(read: bytes) -> int:
    """Of head and body together; 0 while the head is not complete."""
    end = read.find(b"\r\n\r\n")
    if end < 0:
        if not read:
            raise RuntimeError("the server hung up")
        return 0
    if not read.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the server answered {read[:300]!r}")
    head = read[:end].lower()
    at = head.index(b"content-length:") + 15
    return end + 4 + int(head[at:].split(b"\r\n", 1)[0])


def main() -> None:
    errand: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps(asdict(run(**errand))))


if __name__ == "__main__":
    main()
