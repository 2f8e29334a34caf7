"""Drives ``flow`` in httpx2 and httpx, whose requests and answers look alike.

Answers for: putting headers on, sleeping, reading an answer only where somebody looks into it (so
that documents stream), and keeping secrets with the host that they were meant for. Does not answer
for: what is done when.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from typing import Any, Protocol

from evergrant_client.flow import SECRETS, Ask, Send, Steps, Wait
from evergrant_client.protocol import AccessToken, Answer, origin

__all__ = ["AsyncHands", "Hands", "drive", "drive_async"]


class Hands(Protocol):
    """Who does what a flow wants beside sending."""

    def access_token(self, account_id: str, min_ttl: int) -> AccessToken: ...

    def pause(self, seconds: float) -> None: ...


class AsyncHands(Protocol):
    def access_token_async(self, account_id: str, min_ttl: int) -> Awaitable[AccessToken]: ...

    def pause_async(self, seconds: float) -> Awaitable[None]: ...


def drive(hands: Hands, steps: Steps, request: Any) -> Generator[Any, Any, None]:
    """For ``sync_auth_flow``."""
    outcome: Any = None
    guarded = False
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration:
            return
        match step:
            case Ask(account_id, min_ttl_s):
                outcome = hands.access_token(account_id, min_ttl_s)
            case Wait(seconds):
                hands.pause(seconds)
                outcome = None
            case Send():
                _dress(request, step)
                if not guarded:
                    guarded = True
                    _guard(request)
                response = yield request
                reads = step.reads(response.status_code, response.headers)
                body = response.read() if reads else b""
                outcome = Answer(response.status_code, response.headers, body)


async def drive_async(hands: AsyncHands, steps: Steps, request: Any) -> AsyncGenerator[Any, Any]:
    """For ``async_auth_flow``."""
    outcome: Any = None
    guarded = False
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration:
            return
        match step:
            case Ask(account_id, min_ttl_s):
                outcome = await hands.access_token_async(account_id, min_ttl_s)
            case Wait(seconds):
                await hands.pause_async(seconds)
                outcome = None
            case Send():
                _dress(request, step)
                if not guarded:
                    guarded = True
                    _guard_async(request)
                response = yield request
                reads = step.reads(response.status_code, response.headers)
                body = await response.aread() if reads else b""
                outcome = Answer(response.status_code, response.headers, body)


def _dress(request: Any, step: Send) -> None:
    for name, value in step.headers.items():
        request.headers[name] = value
    for name, value in step.wishes.items():
        request.headers.setdefault(name, value)


# A client that follows redirects takes every header but `Authorization` along to any host. The
# transports of both libraries tell a request's `trace` what they are about to send.


def _guard(request: Any) -> None:
    told: Callable[..., None] | None = request.extensions.get("trace")
    home = origin(str(request.url))

    def trace(event: str, known: Mapping[str, Any]) -> None:
        _leave_behind(home, event, known)
        if told is not None:
            told(event, known)

    request.extensions = {**request.extensions, "trace": trace}


def _guard_async(request: Any) -> None:
    told: Callable[..., Awaitable[None]] | None = request.extensions.get("trace")
    home = origin(str(request.url))

    async def trace(event: str, known: Mapping[str, Any]) -> None:
        _leave_behind(home, event, known)
        if told is not None:
            await told(event, known)

    request.extensions = {**request.extensions, "trace": trace}


def _leave_behind(home: tuple[str, str, int], event: str, known: Mapping[str, Any]) -> None:
    if not event.endswith("send_request_headers.started"):
        return
    outgoing = known["request"]
    url = outgoing.url
    scheme, host = url.scheme.decode(), url.host.decode()
    there = origin(f"{scheme}://{f'[{host}]' if ':' in host else host}{_port(url.port)}")
    if there != home:
        outgoing.headers[:] = [
            (name, value)
            for name, value in outgoing.headers
            if name.decode("latin-1").lower() not in SECRETS
        ]


def _port(port: int | None) -> str:
    return "" if port is None else f":{port}"
