"""A wire between a program and Evergrant that somebody listens to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

__all__ = ["Wire", "tapped"]


class Wire:
    """Passes bytes on, and keeps all of them."""

    def __init__(self, beyond: str) -> None:
        parts = urlsplit(beyond)
        self._beyond = (parts.hostname or "", parts.port or 0)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._lock = threading.Lock()
        self._kept: list[bytes] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def heard(self) -> bytes:
        """Everything that went either way."""
        with self._lock:
            return b"".join(self._kept)

    def close(self) -> None:
        with self._lock:
            ends, self._open = self._open, []
        for end in (self._listening, *ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._beyond)
            except OSError:
                return
            with self._lock:
                self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                with self._lock:
                    self._kept.append(piece)
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tapped(beyond: str) -> Iterator[Wire]:
    wire = Wire(beyond)
    try:
        yield wire
    finally:
        wire.close()
