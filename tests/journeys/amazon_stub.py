"""An endpoint of Amazon's that keeps every byte of a request's head, and answers as it is told.

Answers for: what the emulator cannot show: heads as they came, bodies of any size, answers that
break off. Does not answer for: meaning; every path is welcome.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

__all__ = ["BY_ITSELF", "Seen", "Stub"]

PIECE = b"0123456789abcdef" * 4096
#: A worker looks for orders each minute, whatever a test does meanwhile.
BY_ITSELF = "/orders/2026-01-01/"


@dataclass
class Seen:
    """One request. ``body_bytes`` grows while it comes."""

    line: str
    headers: list[tuple[str, str]]
    body_bytes: int = 0
    whole: bool = False

    def all(self, name: str) -> list[str]:
        return [value for one, value in self.headers if one.lower() == name]

    @property
    def raw(self) -> str:
        return "\n".join([self.line, *(f"{name}: {value}" for name, value in self.headers)])


@dataclass
class Stub:
    """``?bytes=N`` answers with so many, ``?cut=N`` breaks off after so many of twice as many,
    ``?silent=S`` waits so many seconds first, ``?status=N`` answers with that status."""

    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    #: Names under which it was spoken to, of TLS.
    names: list[str | None] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        listening = [socket.create_server(("127.0.0.1", 0), backlog=128)]
        port = listening[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        if self.tls is not None:
            # Certificates are for names, and this one may mean either address.
            self.url = f"https://localhost:{port}"
            with contextlib.suppress(OSError):
                listening.append(socket.create_server(("::1", port), family=socket.AF_INET6))
            self.tls.sni_callback = lambda _, name, __: self.names.append(name)
        self._listening = listening
        for one in listening:
            threading.Thread(target=self._accept, args=(one,), daemon=True).start()

    def close(self) -> None:
        for one in (*self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            self._open.append(line)
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            line = self.tls.wrap_socket(plain, server_side=True) if self.tls else plain
        except OSError:
            plain.close()
            return
        with contextlib.suppress(OSError), line, line.makefile("rb") as reading:
            while (first := reading.readline()) not in (b"", b"\r\n"):
                headers = []
                while (row := reading.readline().rstrip(b"\r\n")) != b"":
                    name, _, value = row.decode("latin-1").partition(":")
                    headers.append((name, value.strip()))
                seen = Seen(first.decode("latin-1").rstrip("\r\n"), headers)
                if BY_ITSELF not in first.decode("latin-1"):
                    self.seen.append(seen)
                for length in _lengths(seen, reading.readline):
                    while length > 0:
                        piece = reading.read(min(length, len(PIECE)))
                        if not piece:
                            return
                        length -= len(piece)
                        seen.body_bytes += len(piece)
                seen.whole = True
                if not self._answer(line, seen):
                    return

    def _answer(self, line: socket.socket, seen: Seen) -> bool:
        method, target, _ = seen.line.split(" ")
        told = {
            name: int(values[0])
            for name, values in parse_qs(urlsplit(target).query).items()
            if name in ("bytes", "cut", "silent", "status") and values[0].isdigit()
        }
        time.sleep(min(told.get("silent", 0), 30))
        cut = told.get("cut")
        size = 2 * cut if cut is not None else told.get("bytes", 2)
        head = (
            f"HTTP/1.1 {told.get('status', 200)} Stub\r\ncontent-type: application/json\r\n"
            f"x-amzn-RequestId: stub\r\nx-amzn-RateLimit-Limit: 5.0\r\n"
            f"content-length: {size}\r\n\r\n"
        )
        line.sendall(head.encode())
        left = 0 if method == "HEAD" else size if cut is None else cut
        if size == 2 and left:
            line.sendall(b"{}")
            return True
        while left > 0:
            line.sendall(PIECE[: min(left, len(PIECE))])
            left -= len(PIECE)
        return cut is None


def _lengths(seen: Seen, readline: Callable[[], bytes]) -> Iterator[int]:
    """Of the pieces in which the body comes."""
    if "chunked" in seen.all("transfer-encoding"):
        while length := int(readline().split(b";")[0], 16):
            yield length
            readline()
        readline()
    else:
        yield int((seen.all("content-length") or ["0"])[0])
