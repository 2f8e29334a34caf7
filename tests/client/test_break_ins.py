"""An access token stays with the host that it was meant for."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from evergrant_client import Evergrant
from evergrant_client.protocol import AccessToken
from evergrant_client.requests import RequestsAuth

HEADER = "x-amz-access-token"


@contextmanager
def host(answer: dict[str, str]) -> Iterator[tuple[int, list[str | None]]]:
    """A host at both names of this machine; its port, and the access tokens it was shown.
    ``answer``: path to where it sends on, or empty for a plain answer."""
    shown: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get(HEADER))
            onward = answer.get(self.path, "")
            self.send_response(307 if onward else 200)
            if onward:
                self.send_header("location", onward)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield server.server_address[1], shown
    finally:
        server.shutdown()
        server.server_close()
        serving.join(10)


@pytest.mark.parametrize("hops", [1, 2])
def test_requests_follows_redirects_without_the_access_token(hops: int) -> None:
    """requests follows redirects unless told otherwise, and takes nothing but `Authorization`
    from the headers when the host changes."""
    evergrant = Evergrant("https://connect.northwind.example", secrets.token_hex(8))
    token = AccessToken("Atza|" + secrets.token_hex(16), time.monotonic() + 3600)
    evergrant._remembered["acc_1"] = token
    with host({}) as (foreign_port, foreign):
        away = f"http://127.0.0.1:{foreign_port}/away"
        near = {"/far": away, "/near": "/far", "/home": "/here"}
        with host(near) as (port, amazon), requests.Session() as session:
            session.trust_env = False
            session.auth = RequestsAuth(evergrant, "acc_1")
            path = "/far" if hops == 1 else "/near"
            assert session.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code == 200
            assert amazon == [token.value] * hops
            assert foreign == [None]
            del amazon[:]
            assert session.get(f"http://127.0.0.1:{port}/home", timeout=10).status_code == 200
            assert amazon == [token.value] * 2, "within one host it goes along"
