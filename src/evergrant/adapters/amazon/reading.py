"""Reading an answer of Amazon: no longer than we allow, no stranger than we understand.

Answers for: the connection, bounds on time and size, and for leaving no trace of a request in an
exception: what httpx2 raises knows the request, so none of it is chained to what is raised here.
Does not answer for: what an answer means (each pipe knows its own).
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from dataclasses import dataclass

import httpx2

from evergrant.errors import AmazonUnavailable, EvergrantError
from evergrant.ports.amazon import Answer
from evergrant.rules.secrecy import MASK, Secret, scrub

__all__ = ["MOST_WORDS", "TooLate", "client_with", "fetch", "parsed", "retry_after_s", "words"]

#: So many characters of what Amazon says are kept.
MOST_WORDS = 500
#: What somebody pasted by mistake may be one letter; masking that would spoil the words.
_SHORTEST_SECRET = 6
_BLANK = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class _TooLong(Exception):
    pass


class TooLate(Exception):
    """The request was to have left earlier; not a byte of it did."""


def client_with(
    user_agent: str,
    timeout_s: float,
    verify: ssl.SSLContext | bool,
    transport: httpx2.AsyncBaseTransport | None,
) -> httpx2.AsyncClient:
    """What both pipes send through. What it carries is for Amazon alone: no redirect is followed,
    and no proxy that happens to stand in the environment is used."""
    return httpx2.AsyncClient(
        headers={"user-agent": user_agent, "accept": "application/json"},
        follow_redirects=False,
        trust_env=False,
        timeout=timeout_s,
        verify=verify,
        transport=transport,
    )


async def fetch(
    client: httpx2.AsyncClient,
    request: httpx2.Request,
    *,
    who: str,
    timeout_s: float,
    most_bytes: int,
) -> Answer:
    """The whole answer within ``timeout_s``. Raises AmazonUnavailable; ``who`` is for the person
    who reads it."""
    failure: EvergrantError
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(client, request, most_bytes)
    except (TimeoutError, httpx2.TimeoutException):
        failure = AmazonUnavailable(f"{who} did not answer within {timeout_s:g} seconds.")
    except _TooLong:
        failure = AmazonUnavailable(f"{who} answered with more than {most_bytes} bytes.")
    except TooLate:
        told = "This call was not begun in time, and is not begun any more."
        failure = AmazonUnavailable(told, facts={"sent": False})
    except httpx2.HTTPError as error:
        failure = AmazonUnavailable(f"{who} was not reached ({type(error).__name__}).")
    # Outside the except blocks: nothing that knows the request hangs on this error.
    raise failure


async def _read(client: httpx2.AsyncClient, request: httpx2.Request, most_bytes: int) -> Answer:
    response = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > most_bytes:
                raise _TooLong
    finally:
        await response.aclose()
    return Answer(
        status=response.status_code,
        headers={
            name.lower(): value
            for name, value in response.headers.items()
            if name.lower() not in _DECODED
        },
        body=bytes(body),
    )


def parsed(answer: Answer) -> object:
    """The body as JSON, or None when it is none (or nested deeper than any answer of Amazon)."""
    try:
        told: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return told


def words(text: object, *known: Secret) -> str:
    """What Amazon said, fit to be shown: one line, bounded, and without the secrets it was told."""
    if not isinstance(text, str):
        return ""
    for secret in known:
        if len(secret.reveal()) >= _SHORTEST_SECRET:
            text = text.replace(secret.reveal(), MASK)
    return scrub(_BLANK.sub(" ", text).strip()[:MOST_WORDS])


def retry_after_s(answer: Answer) -> float | None:
    """``Retry-After`` in seconds. Amazon documents none; honoured where there is one."""
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
