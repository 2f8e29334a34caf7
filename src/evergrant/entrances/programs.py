"""What the doors for programs have in common: API keys, request ids, headers.

Answers for: finding the API key in a request and the caller behind it, what a caller may choose as
request id, the headers that every answer carries. Does not answer for: rights (each room checks
them), or for how an error looks (``problems``).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from evergrant.desk import Desk
from evergrant.errors import NotAuthenticated
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import scrub

__all__ = ["HEADERS", "REQUEST_ID", "api_key_in", "caller_of", "fits_as_request_id", "request_id"]

REQUEST_ID: Final = "x-request-id"
#: Enough for UUIDs and trace ids, nothing for those who forge lines of a log.
_REQUEST_ID_SHAPE = re.compile(r"[A-Za-z0-9._-]{8,64}\Z", re.ASCII)

#: On every answer. Such an answer is for one program, and never a page.
HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def api_key_in(authorizations: Sequence[str]) -> str:
    """The key of the one ``Authorization`` header. Raises NotAuthenticated: two headers are as
    good as none, because nobody knows which of them somebody in between has read."""
    scheme, _, key = authorizations[0].partition(" ") if len(authorizations) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not key.strip():
        raise NotAuthenticated(
            "This address needs an API key, sent once.",
            # In words: a header with a key in it is what scrubbing takes out.
            hint="Send the header 'Authorization' with the word Bearer, a space, and the key (it "
            "begins with 'egk_'). 'evergrant apikey add' or POST /v1/api-keys makes one.",
        )
    return key.strip()


async def caller_of(desk: Desk, api_key: str) -> Caller:
    """Who that key stands for; its client instance has been seen. Raises NotAuthenticated,
    StoreUnavailable."""
    caller = await desk.people.authenticate(api_key)
    if caller.client_instance_id is not None:
        await desk.registry.note_seen(caller.client_instance_id)
    return caller


def fits_as_request_id(wished: str) -> bool:
    """Whether a caller may have this as the id of its request. It is written into logs and answers,
    so a key that somebody put there by mistake is none."""
    return _REQUEST_ID_SHAPE.match(wished) is not None and scrub(wished) == wished


def request_id(wished: str = "") -> str:
    """The id that the caller wished for, else one of ours."""
    return wished if fits_as_request_id(wished) else f"req_{secrets.token_hex(12)}"
