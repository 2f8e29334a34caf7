"""The yardstick: an ASGI application that knows its answer, on the very server that Evergrant uses.

``python -m bench.bare PORT BODY_BYTES`` answers every request with JSON of about that many bytes
until it is told to end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import uvloop
from starlette.types import Receive, Scope, Send

from evergrant.entrances.serve import listen, serve


def application(body_bytes: int) -> object:
    padding = "x" * max(0, body_bytes - 60)
    told = {"access_token": padding, "token_type": "bearer", "expires_in": 3600}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = json.dumps(told).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return app


async def main() -> None:
    port, body_bytes = int(sys.argv[1]), int(sys.argv[2])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await serve(application(body_bytes), listen("127.0.0.1", port), stop)  # type: ignore[arg-type]


if __name__ == "__main__":
    uvloop.run(main())
