"""What is secret stays with the host that it was meant for, also when that one sends us on."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import pytest
import requests

from evergrant_client import Evergrant
from evergrant_client.protocol import AccessToken
from tests.client.hands import LIBRARIES, dressed

SECRETS = ("x-amz-access-token", "authorization", "x-evergrant-connection")


@contextmanager
def host(answer: dict[str, str]) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A host at both names of this machine; its port, and the secrets it was shown.
    ``answer``: path to where it sends on, or empty for a plain answer."""
    shown: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append({name: self.headers[name] for name in SECRETS if name in self.headers})
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
        serving.join(60)


def follow(library: str, auth: Any, url: str) -> int:
    """One request of a client that goes wherever it is sent; the last status."""
    known = dressed(library, auth)
    if library == "requests":
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, auth=known, timeout=60).status_code
    kind: Any = httpx2 if library.startswith("httpx2") else httpx
    how = {"auth": known, "follow_redirects": True, "trust_env": False}
    if "async" not in library:
        with kind.Client(**how) as client:
            return int(client.get(url).status_code)

    async def run() -> int:
        async with kind.AsyncClient(**how) as client:
            return int((await client.get(url)).status_code)

    return asyncio.run(run())


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("way", ["straight", "gateway", "connection"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_redirects_are_followed_without_what_is_secret(library: str, way: str, hops: int) -> None:
    key, connection_key = (f"eg{kind}_{secrets.token_hex(8)}" for kind in "kc")
    token = AccessToken(secrets.token_hex(16), time.monotonic() + 3600)
    with host({}) as (foreign_port, foreign):
        away = f"http://127.0.0.1:{foreign_port}/away"
        near = {"/far": away, "/near": "/far", "/home": "/here"}
        with host(near) as (port, amazon):
            home = f"http://127.0.0.1:{port}"
            evergrant = Evergrant("https://connect.example", key, gateway_url=home)
            evergrant._remembered["acc_1"] = token
            auth, sent = {
                "straight": (evergrant.auth("acc_1"), {"x-amz-access-token": token.value}),
                "gateway": (evergrant.gateway("acc_1"), {"authorization": f"Bearer {key}"}),
                "connection": (
                    evergrant.gateway(connection_key),
                    {"authorization": f"Bearer {key}", "x-evergrant-connection": connection_key},
                ),
            }[way]
            assert follow(library, auth, f"{home}{'/far' if hops == 1 else '/near'}") == 200
            assert amazon == [sent] * hops
            assert foreign == [{}]
            del amazon[:]
            assert follow(library, auth, f"{home}/home") == 200
            assert amazon == [sent] * 2, "within one host it goes along"


@pytest.mark.parametrize("library", LIBRARIES)
def test_another_port_of_the_same_machine_is_another_host(library: str) -> None:
    key = f"egk_{secrets.token_hex(8)}"
    with host({}) as (other_port, other):
        with host({"/far": f"http://localhost:{other_port}/x"}) as (port, _):
            home = f"http://localhost:{port}"
            evergrant = Evergrant("https://connect.example", key, gateway_url=home)
            assert follow(library, evergrant.gateway("egc_made_up"), f"{home}/far") == 200
        assert other == [{}]


def test_a_trace_of_the_callers_own_still_sees_all() -> None:
    seen: list[str] = []
    evergrant = Evergrant("https://connect.example", f"egk_{secrets.token_hex(8)}")
    evergrant._remembered["acc_1"] = AccessToken(secrets.token_hex(16), time.monotonic() + 3600)
    with host({}) as (port, _), httpx2.Client(auth=evergrant.auth("acc_1")) as client:
        known = {"trace": lambda event, info: seen.append(event)}
        client.get(f"http://127.0.0.1:{port}/x", extensions=known)
    assert "http11.send_request_headers.started" in seen
