"""What the two doors have in common that speak Login with Amazon's language: the LWA-compatible one
and the gateway's.

Answers for: reading a token request (form or JSON, credentials in the body or as Basic; OAuth 2.0's
rules of RFC 6749, 2.3.1, 3.2 and 4.4: no parameter twice, one way of naming the client), and for
refusals and answers in LWA's shape. Does not answer for: whether anything is right, or for what is
given (each door does).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from evergrant import errors
from evergrant.desk import Desk
from evergrant.errors import EvergrantError
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import Secret, scrub

__all__ = [
    "REFUSED_GRANT",
    "UNKNOWN_GRANT",
    "Asked",
    "Refusal",
    "answer",
    "answer_refusal",
    "client_of",
    "read",
    "read_body",
    "refusal_of",
    "serve",
    "unsupported",
]

MOST_BYTES: Final = 16 * 1024
_MOST_FIELDS: Final = 32
_RETRY_AFTER_S: Final = 5

_REFUSED_CLIENT: Final = "Client authentication failed"
REFUSED_GRANT: Final = "The request has an invalid grant parameter : refresh_token."
UNKNOWN_GRANT: Final = (
    f"{REFUSED_GRANT} It is no connection key of Evergrant, or one that is revoked or over."
)


class Refusal(Exception):
    """An answer in LWA's shape that holds no access token. ``renewal_link`` is told behind the
    description: SDKs show that to people."""

    def __init__(
        self,
        status: int,
        error: str,
        description: str,
        headers: Mapping[str, str] | None = None,
        *,
        renewal_link: Secret | None = None,
    ) -> None:
        self.status = status
        self.error = error
        self.description = description
        self.headers = dict(headers or {})
        self.renewal_link = renewal_link
        super().__init__(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as it came."""

    grant_type: str
    client_id: str
    client_secret: Secret
    refresh_token: Secret
    scope: str


def read(headers: Headers, body: bytes) -> Asked:
    """Raises Refusal: ``invalid_request``, ``invalid_client``."""
    fields = _fields(headers, body)
    client_id, client_secret = fields.get("client_id", ""), Secret(fields.get("client_secret", ""))
    if headers.get("authorization", "").lower().startswith("basic "):
        basic_id, basic_secret = _basic(headers["authorization"])
        if client_secret and client_secret != basic_secret:
            raise _invalid("The client is named twice, and differently.")
        client_id, client_secret = client_id or basic_id, basic_secret
    if not fields.get("grant_type"):
        raise _invalid("The request is missing a required parameter : grant_type")
    if not client_id:
        raise _invalid("The request is missing a required parameter : client_id")
    return Asked(
        grant_type=fields["grant_type"],
        client_id=client_id,
        client_secret=client_secret,
        refresh_token=Secret(fields.get("refresh_token", "")),
        scope=fields.get("scope", ""),
    )


def _fields(headers: Headers, body: bytes) -> dict[str, str]:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        pairs = _form(body)
    elif media_type == "application/json":
        pairs = _json(body)
    else:
        raise _invalid("The body has to be application/x-www-form-urlencoded or application/json.")
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise _invalid("A parameter is given twice.")
        fields[name] = value
    return fields


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        text = body.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        pass
    raise _invalid("The body cannot be read as a form.")


def _json(body: bytes) -> list[tuple[str, str]]:
    try:
        told = json.loads(body, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not all(map(_is_text, told.values())):
        raise _invalid("The body cannot be read as a JSON object of texts.")
    return list(told.items())


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise _invalid("A parameter is given twice.")
    return read


def _is_text(value: object) -> bool:
    """JSON can name lone surrogates, which no database and no header takes."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _basic(authorization: str) -> tuple[str, Secret]:
    try:
        told = base64.b64decode(authorization[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        told = ""
    client_id, colon, client_secret = told.partition(":")
    if not colon:
        raise Refusal(
            401, "invalid_client", "Client authentication failed", {"www-authenticate": "Basic"}
        )
    return unquote_plus(client_id), Secret(unquote_plus(client_secret))


def _invalid(description: str) -> Refusal:
    return Refusal(400, "invalid_request", description)


# --- refusing and answering ------------------------------------------------------------------


def refusal_of(error: EvergrantError) -> Refusal:
    """What LWA would have said. The words are Amazon's where Amazon said some."""
    match error:
        case errors.NotAuthenticated():
            return Refusal(401, "invalid_client", _REFUSED_CLIENT)
        case errors.InvalidInput():
            scope = any(flaw.field == "scope" for flaw in error.flaws)
            return Refusal(400, "invalid_scope" if scope else "invalid_request", error.message)
        case errors.NotAllowed():
            return Refusal(400, "unauthorized_client", error.message)
        case errors.NotFound():
            return Refusal(400, "invalid_grant", f"{REFUSED_GRANT} {error.message}")
        case errors.GrantRefused():
            said = error.reason or REFUSED_GRANT
            return Refusal(400, "invalid_grant", said, renewal_link=error.renewal_link)
        case errors.PartnerError():
            said = f"{REFUSED_GRANT} {error.message}"
            return Refusal(400, "invalid_grant", said, renewal_link=error.renewal_link)
        case errors.ApplicationRefused():
            status = 401 if error.error == "invalid_client" else 400
            return Refusal(status, error.error, error.message)
        case errors.ApplicationError():
            return Refusal(400, "unauthorized_client", error.message)
        case errors.AmazonError() | errors.StoreUnavailable() | errors.Conflict():
            return Refusal(
                503,
                "temporarily_unavailable",
                error.message,
                {"retry-after": str(_RETRY_AFTER_S)},
            )
        case _:
            return Refusal(500, "server_error", error.message)


def unsupported(grant_type: str) -> Refusal:
    """A grant type that none of these doors knows."""
    if grant_type == "authorization_code":
        return Refusal(
            400,
            "unsupported_grant_type",
            "Authorization codes are exchanged by Evergrant itself; send the selling partner "
            "its link.",
        )
    return Refusal(
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server",
    )


async def read_body(scope: Scope, receive: Receive) -> bytes | None:
    """None when the caller hung up. Raises Refusal: not a POST, or larger than a token request
    is."""
    if scope["method"] != "POST":
        raise Refusal(405, "invalid_request", "This address takes POST.", {"allow": "POST"})
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise Refusal(413, "invalid_request", "The body is too large for a token request.")
        if not message.get("more_body", False):
            return bytes(body)


async def serve(
    scope: Scope,
    receive: Receive,
    send: Send,
    told: Callable[[Asked], Awaitable[Mapping[str, object]]],
) -> None:
    """The whole answer to a token request; ``told`` gives what LWA would say."""
    try:
        body = await read_body(scope, receive)
        if body is None:
            return
        asked = read(Headers(scope=scope), body)
        try:
            said = await told(asked)
        except EvergrantError as error:
            raise refusal_of(error) from None
    except Refusal as refusal:
        await answer_refusal(send, refusal)
        return
    await answer(send, 200, said)


async def client_of(desk: Desk, asked: Asked) -> Caller:
    """Whose API key stands in the place of the client secret; its client instance has been seen.
    Raises NotAuthenticated."""
    caller = await desk.people.authenticate(asked.client_secret.reveal())
    if asked.client_id.startswith("key_") and asked.client_id != caller.id:
        raise errors.NotAuthenticated
    if caller.client_instance_id is not None:
        await desk.registry.note_seen(caller.client_instance_id)
    return caller


async def answer_refusal(send: Send, refusal: Refusal) -> None:
    description = scrub(refusal.description)
    if refusal.renewal_link is not None:
        description += f" The selling partner renews here: {refusal.renewal_link.reveal()}"
    told = {
        "error_description": description,
        "error": refusal.error,
        "request_id": secrets.token_hex(12),
    }
    await answer(send, refusal.status, told, refusal.headers)


async def answer(
    send: Send,
    status: int,
    told: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> None:
    body = json.dumps(told).encode()
    every = {
        "content-type": "application/json;charset=UTF-8",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "pragma": "no-cache",
        "x-content-type-options": "nosniff",
        **(headers or {}),
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
